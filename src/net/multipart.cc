#include "net/multipart.h"

#include <cstring>

#include "base/text.h"
#include "net/char_class.h"
#include "net/http_parser.h"

namespace gatehouse::net {

namespace {

constexpr HeadLimits kPartLimits{
    .head_bytes = MultipartScanner::kPartHeadBytes, .headers = 16, .target_bytes = 0};

struct Parameter {
  std::string_view name;
  std::string_view value;
};

// Takes `; name=value` off the parameters of a header value. Quoted values come
// without their quotes, and are invalid where a quote in them is escaped: some
// readers end the value there. False at the end (`text` is then empty) and where
// the text is invalid (it is not).
bool take_parameter(std::string_view& text, Parameter& parameter) {
  text = trim(text);
  if (!text.starts_with(';')) return false;
  std::string_view rest = trim(text.substr(1));
  std::size_t length = 0;
  while (length < rest.size() && is_class(rest[length], kTokenChar)) ++length;
  if (length == 0 || length == rest.size() || rest[length] != '=') return false;
  parameter.name = rest.substr(0, length);
  rest.remove_prefix(length + 1);
  if (rest.starts_with('"')) {
    const std::size_t close = rest.find('"', 1);
    if (close == std::string_view::npos || rest[close - 1] == '\\') return false;
    parameter.value = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
  } else {
    length = 0;
    while (length < rest.size() && is_class(rest[length], kTokenChar)) ++length;
    if (length == 0) return false;
    parameter.value = rest.substr(0, length);
    rest.remove_prefix(length);
  }
  text = rest;
  return true;
}

// RFC 2046 §5.1.1: 1 to 70 bchars, the last not a space.
bool valid_boundary(std::string_view boundary) {
  if (boundary.empty() || boundary.size() > 70 || boundary.back() == ' ') return false;
  for (const char c : boundary) {
    const bool alphanumeric =
        is_class(c, kDigit) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
    if (!alphanumeric && std::strchr("'()+_,-./:=? ", c) == nullptr) return false;
    if (c == '\0') return false;
  }
  return true;
}

// The name in a Content-Disposition of form-data, or none.
std::optional<std::string_view> part_name(std::string_view disposition) {
  std::string_view rest = disposition.substr(0, 9);
  if (!equal_ignoring_case(rest, "form-data")) return std::nullopt;
  rest = disposition.substr(9);
  std::optional<std::string_view> name;
  Parameter parameter;
  while (take_parameter(rest, parameter)) {
    // RFC 7578 §4.2 forbids the encoded form, and a reader that knows it would prefer it.
    if (equal_ignoring_case(parameter.name, "name*")) return std::nullopt;
    if (!equal_ignoring_case(parameter.name, "name")) continue;
    if (name || parameter.value.find('\\') != std::string_view::npos) return std::nullopt;
    name = parameter.value;
  }
  return rest.empty() ? name : std::nullopt;
}

}  // namespace

std::optional<std::string> multipart_boundary(std::string_view content_type) {
  constexpr std::string_view kType = "multipart/form-data";
  if (!equal_ignoring_case(content_type.substr(0, kType.size()), kType)) return std::nullopt;
  std::string_view rest = content_type.substr(kType.size());
  std::optional<std::string> boundary;
  Parameter parameter;
  while (take_parameter(rest, parameter)) {
    if (!equal_ignoring_case(parameter.name, "boundary")) continue;
    if (boundary || !valid_boundary(parameter.value)) return std::nullopt;
    boundary = parameter.value;
  }
  return rest.empty() ? boundary : std::nullopt;
}

bool MultipartScanner::refuse(std::string_view reason) {
  reason_ = reason;
  at_ = At::kRefused;
  return false;
}

MultipartScanner::State MultipartScanner::feed(std::span<const char> input) {
  const char* at = input.data();
  const char* const end = at + input.size();
  while (at != end && at_ != At::kRefused) {
    // File contents pass by here: only a CR can start a delimiter.
    if (at_ == At::kDelimiter && matched_ == 0 && !in_sought_) {
      const void* const found = std::memchr(at, '\r', static_cast<std::size_t>(end - at));
      const char* const stop = found == nullptr ? end : static_cast<const char*>(found);
      offset_ += static_cast<std::uint64_t>(stop - at);
      at = stop;
      if (at == end) break;
    }
    take(*at++);
    ++offset_;
  }
  if (at_ == At::kRefused) return State::kRefused;
  return at_ == At::kEpilogue ? State::kDone : State::kMore;
}

bool MultipartScanner::take(char c) {
  switch (at_) {
    case At::kDelimiter: return take_body_byte(c);
    case At::kAfterDelimiter:
      if (c == '\r') {
        at_ = At::kDelimiterLf;
        return true;
      }
      if (c != '-' || !in_part_) return refuse("multipart delimiter that goes on");
      at_ = At::kLastDash;
      return true;
    case At::kDelimiterLf:
      if (c != '\n') return refuse("multipart delimiter that goes on");
      if (++parts_ > kParts) return refuse("too many parts");
      part_head_.clear();
      at_ = At::kPartHead;
      return true;
    case At::kLastDash:
      if (c != '-') return refuse("multipart delimiter that goes on");
      at_ = At::kEpilogue;
      return true;
    case At::kPartHead: return take_part_head_byte(c);
    case At::kEpilogue:
      return c == '\r' || c == '\n' ? true : refuse("bytes after the last multipart delimiter");
    case At::kRefused: return false;
  }
  return false;
}

bool MultipartScanner::take_body_byte(char c) {
  if (c == delimiter_[matched_]) {
    if (++matched_ < delimiter_.size()) return true;
    matched_ = 0;
    at_ = At::kAfterDelimiter;
    if (in_sought_) {
      value_ = std::move(pending_value_);
      in_sought_ = false;
    }
    return true;
  }
  if (!in_part_) return refuse("multipart body does not start with its delimiter");
  // The bytes that looked like a delimiter were the part's. Only the first of a
  // delimiter is a CR, so the next match can start at `c` and nowhere before.
  if (in_sought_ && !add_to_value(std::string_view(delimiter_).substr(0, matched_))) return false;
  matched_ = c == '\r' ? 1 : 0;
  return matched_ != 0 || !in_sought_ ? true : add_to_value({&c, 1});
}

bool MultipartScanner::add_to_value(std::string_view bytes) {
  if (bytes.size() > kValueBytes - pending_value_.size()) return refuse("form field too long");
  pending_value_ += bytes;
  return true;
}

bool MultipartScanner::take_part_head_byte(char c) {
  if (part_head_.size() == kPartHeadBytes) return refuse("part head too long");
  part_head_ += c;
  if (c != '\n') return true;
  return part_head_ == "\r\n" || part_head_.ends_with("\r\n\r\n") ? begin_part() : true;
}

bool MultipartScanner::begin_part() {
  HeaderList headers;
  if (const ParseError error = parse_fields(part_head_, kPartLimits, headers); !error.ok()) {
    return refuse("invalid part head");
  }
  if (headers.count("content-disposition") != 1) return refuse("part without one disposition");
  const auto name = part_name(headers.get("content-disposition"));
  if (!name) return refuse("invalid Content-Disposition of a part");
  at_ = At::kDelimiter;
  matched_ = 0;
  in_part_ = true;
  if (*name != field_) return true;
  if (value_) return refuse("form field given twice");
  // RFC 7578 §4.7 deprecates encodings; an upstream might still undo one.
  if (headers.contains("content-transfer-encoding")) return refuse("encoded form field");
  in_sought_ = true;
  pending_value_.clear();
  value_offset_ = offset_ + 1;
  return true;
}

}  // namespace gatehouse::net
