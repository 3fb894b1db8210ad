#include "fuzz.h"
#include "net/http_invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gatehouse;
  const std::string_view text = fuzz::text_of(bytes, size);
  const std::string wrong = net::invariants::check_chunked(text, fuzz::piece_of(text));
  fuzz::require(wrong.empty(), wrong.c_str());
  return 0;
}
