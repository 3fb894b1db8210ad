#include "net/multipart.h"

#include <algorithm>

#include "fuzz.h"

namespace {

using namespace gatehouse;

net::MultipartScanner::State feed(net::MultipartScanner& scanner, std::string_view text,
                                  std::size_t piece) {
  auto state = net::MultipartScanner::State::kMore;
  while (!text.empty()) {
    state = scanner.feed(text.substr(0, piece));
    text.remove_prefix(std::min(piece, text.size()));
  }
  return state;
}

}  // namespace

// The first line is a Content-Type, the rest the body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = fuzz::text_of(bytes, size);
  const std::size_t line_end = std::min(text.find('\n'), text.size());
  const auto boundary = net::multipart_boundary(text.substr(0, line_end));
  const std::string_view body = text.substr(std::min(line_end + 1, text.size()));

  net::MultipartScanner at_once(boundary.value_or("b"), "model");
  net::MultipartScanner in_pieces(boundary.value_or("b"), "model");
  const auto state = feed(at_once, body, body.size() + 1);
  fuzz::require(feed(in_pieces, body, fuzz::piece_of(text)) == state,
                "the answer depends on the pieces");
  fuzz::require(at_once.reason() == in_pieces.reason(), "the reason depends on the pieces");
  fuzz::require(at_once.value() == in_pieces.value(), "the value depends on the pieces");
  if (!at_once.value()) return 0;
  fuzz::require(at_once.value()->size() <= net::MultipartScanner::kValueBytes, "size of the value");
  fuzz::require(body.substr(at_once.value_offset(), at_once.value()->size()) == *at_once.value(),
                "the value does not lie where it is said to");
  return 0;
}
