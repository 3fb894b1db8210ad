// Looks for one small field (the model's name) in a multipart/form-data body
// that streams by, without holding the body: RFC 7578 over RFC 2046 §5.1.
//
// As for heads, what two readers could split differently is refused: a preamble
// or epilogue, white space after a delimiter, a line that starts like the
// delimiter but goes on, a second field of the sought name, names that would
// have to be unescaped. It is only a scanner: file contents are not touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gatehouse::net {

// The boundary that a Content-Type of multipart/form-data names; none where the
// type is another, or the boundary is missing, doubled or invalid.
std::optional<std::string> multipart_boundary(std::string_view content_type);

class MultipartScanner {
 public:
  enum class State {
    kMore,     // the body goes on
    kDone,     // the last delimiter has come
    kRefused,  // reason() says why
  };

  // Model names take some ten bytes, deployment paths some hundred.
  static constexpr std::size_t kValueBytes = 512;
  // Content-Disposition with a long file name, Content-Type.
  static constexpr std::size_t kPartHeadBytes = 4096;
  // An image edit sends up to 16 images and a dozen fields.
  static constexpr std::size_t kParts = 256;

  // REQUIRES: `boundary` as multipart_boundary gives it.
  MultipartScanner(std::string_view boundary, std::string_view field)
      : delimiter_("\r\n--" + std::string(boundary)), field_(field) {}

  // Takes all of `input`, the next bytes of the body. After kDone only line ends
  // may come.
  State feed(std::span<const char> input);

  // The sought field's value, once it has passed by whole, and where it lies in
  // the body.
  const std::optional<std::string>& value() const { return value_; }
  std::uint64_t value_offset() const { return value_offset_; }
  std::string_view reason() const { return reason_; }

 private:
  enum class At : std::uint8_t {
    kDelimiter,       // matching the delimiter; matched_ bytes of it have come
    kAfterDelimiter,  // CR LF or "--" must follow
    kDelimiterLf,
    kLastDash,
    kPartHead,
    kEpilogue,
    kRefused,
  };

  bool take(char c);
  bool take_body_byte(char c);
  bool take_part_head_byte(char c);
  bool begin_part();
  bool add_to_value(std::string_view bytes);
  bool refuse(std::string_view reason);

  std::string delimiter_;
  std::string field_;
  std::string part_head_;
  std::string pending_value_;
  std::optional<std::string> value_;
  std::string_view reason_;
  std::uint64_t offset_ = 0;  // of the byte being taken, from the body's start
  std::uint64_t value_offset_ = 0;
  std::size_t matched_ = 2;  // the first delimiter stands without its CR LF
  std::size_t parts_ = 0;
  At at_ = At::kDelimiter;
  bool in_part_ = false;    // a part's body has started: bytes that match no delimiter are its
  bool in_sought_ = false;  // it is the sought field's
};

}  // namespace gatehouse::net
