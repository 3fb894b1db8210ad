#include "fuzz.h"
#include "net/http_invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gatehouse;
  std::string_view text = fuzz::text_of(bytes, size);
  const std::size_t piece = fuzz::piece_of(text);
  // As a connection with pipelined requests would go on.
  while (!text.empty()) {
    std::size_t message_size = 0;
    const std::string wrong = net::invariants::check_request(text, piece, message_size);
    fuzz::require(wrong.empty(), wrong.c_str());
    if (message_size == 0) break;
    text.remove_prefix(message_size);
  }
  return 0;
}
