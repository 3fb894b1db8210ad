// The scanner is a loop over a bit stack (one bit a container: object or array)
// rather than a recursion, and skips through strings 16 bytes at a time: what
// ends a string or needs a closer look (quote, backslash, control, non-ASCII)
// is found by one comparison each.
#include "wire/json_edit.h"

#include <charconv>
#include <cstdint>
#include <cstring>

#include "base/log.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace gatehouse::wire {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The four hex digits at `p`, or -1. REQUIRES: four bytes at `p`.
int hex4(const char* p) {
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex_value(p[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

// The length of the UTF-8 sequence at `p`, 0 where it is not one (RFC 3629: no
// overlong forms, no surrogates, at most U+10FFFF). REQUIRES: *p >= 0x80.
size_t utf8_length(const char* p, const char* end) {
  const auto at = [p](size_t i) { return static_cast<unsigned char>(p[i]); };
  const auto continues = [&](size_t i) { return (at(i) & 0xC0) == 0x80; };
  const auto left = static_cast<size_t>(end - p);
  const unsigned lead = at(0);
  if (lead < 0xC2 || lead > 0xF4) return 0;
  if (lead < 0xE0) return left >= 2 && continues(1) ? 2 : 0;
  if (lead < 0xF0) {
    if (left < 3 || !continues(1) || !continues(2)) return 0;
    if (lead == 0xE0 && at(1) < 0xA0) return 0;
    if (lead == 0xED && at(1) > 0x9F) return 0;
    return 3;
  }
  if (left < 4 || !continues(1) || !continues(2) || !continues(3)) return 0;
  if (lead == 0xF0 && at(1) < 0x90) return 0;
  if (lead == 0xF4 && at(1) > 0x8F) return 0;
  return 4;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text)
      : begin_(text.data()), p_(begin_), end_(begin_ + text.size()) {}

  // Scans the whole text; calls on_member(JsonMember) for each top-level member
  // of an object, which may refuse by returning an error.
  template <typename OnMember>
  Status scan(bool object_only, OnMember&& on_member) {
    skip_space();
    if (p_ == end_) return error("the text is empty");
    if (object_only && *p_ != '{') return error("a JSON object is expected");
    RETURN_IF_ERROR(run(on_member));
    skip_space();
    if (p_ != end_) return error("there is text after the end of the value");
    return {};
  }

 private:
  template <typename OnMember>
  Status run(OnMember& on_member);

  void skip_space() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
  }
  size_t position() const { return static_cast<size_t>(p_ - begin_); }
  bool in_object() const { return (stack_ & 1) != 0; }

  // False: depth exceeded.
  bool push(bool object) {
    if (depth_ == kJsonDepthMax) return false;
    ++depth_;
    stack_ = stack_ << 1 | static_cast<uint64_t>(object);
    return true;
  }
  void pop() {
    --depth_;
    stack_ >>= 1;
  }

  // Each leaves p_ behind what it read; false: what_ says why.
  bool string();
  bool escape();
  bool number();
  bool scalar();
  bool key_and_colon(JsonMember& member);

  bool fail(const char* what) {
    what_ = what;
    return false;
  }
  Status error(const char* what) const {
    return invalid_argument(std::string("invalid JSON at byte ") + std::to_string(position()) +
                            ": " + what);
  }

  static_assert(kJsonDepthMax <= 64, "the stack is one word");
  const char* begin_;
  const char* p_;
  const char* end_;
  uint64_t stack_ = 0;
  size_t depth_ = 0;
  const char* what_ = "";
};

// REQUIRES: *p_ is the opening quote.
bool Scanner::string() {
  ++p_;
  while (true) {
#if defined(__SSE2__)
    while (end_ - p_ >= 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p_));
      // As signed bytes, controls and non-ASCII alike are below 0x20.
      const __m128i stop = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)),
                                        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                     _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
      const auto mask = static_cast<unsigned>(_mm_movemask_epi8(stop));
      if (mask != 0) {
        p_ += __builtin_ctz(mask);
        break;
      }
      p_ += 16;
    }
#endif
    if (p_ == end_) return fail("a string is not closed");
    const auto byte = static_cast<unsigned char>(*p_);
    if (byte == '"') {
      ++p_;
      return true;
    }
    if (byte == '\\') {
      if (!escape()) return false;
    } else if (byte < 0x20) {
      return fail("a control character in a string must be escaped");
    } else if (byte < 0x80) {
      ++p_;
    } else {
      do {
        const size_t length = utf8_length(p_, end_);
        if (length == 0) return fail("a string is not valid UTF-8");
        p_ += length;
      } while (p_ != end_ && static_cast<unsigned char>(*p_) >= 0x80);
    }
  }
}

// REQUIRES: *p_ is a backslash.
bool Scanner::escape() {
  if (end_ - p_ < 2) return fail("a string is not closed");
  if (p_[1] != 'u') {
    constexpr std::string_view kShort = "\"\\/bfnrt";
    if (kShort.find(p_[1]) == std::string_view::npos) return fail("an unknown escape");
    p_ += 2;
    return true;
  }
  if (end_ - p_ < 6) return fail("a string is not closed");
  const int unit = hex4(p_ + 2);
  if (unit < 0) return fail("\\u is followed by four hexadecimal digits");
  if (unit >= 0xDC00 && unit <= 0xDFFF) return fail("an unpaired surrogate");
  if (unit >= 0xD800 && unit <= 0xDBFF) {
    if (end_ - p_ < 12 || p_[6] != '\\' || p_[7] != 'u') return fail("an unpaired surrogate");
    const int low = hex4(p_ + 8);
    if (low < 0xDC00 || low > 0xDFFF) return fail("an unpaired surrogate");
    p_ += 12;
    return true;
  }
  p_ += 6;
  return true;
}

bool Scanner::number() {
  if (*p_ == '-') ++p_;
  if (p_ == end_ || !is_digit(*p_)) return fail("a value is expected");
  if (*p_ == '0') {
    ++p_;
    if (p_ != end_ && is_digit(*p_)) return fail("a number begins with 0");
  } else {
    while (p_ != end_ && is_digit(*p_)) ++p_;
  }
  if (p_ != end_ && *p_ == '.') {
    ++p_;
    if (p_ == end_ || !is_digit(*p_)) return fail("a digit is expected after the point");
    while (p_ != end_ && is_digit(*p_)) ++p_;
  }
  if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
    ++p_;
    if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
    if (p_ == end_ || !is_digit(*p_)) return fail("a digit is expected in the exponent");
    while (p_ != end_ && is_digit(*p_)) ++p_;
  }
  return true;
}

bool Scanner::scalar() {
  const auto literal = [this](std::string_view word) {
    if (static_cast<size_t>(end_ - p_) < word.size() ||
        std::memcmp(p_, word.data(), word.size()) != 0) {
      return fail("a value is expected");
    }
    p_ += word.size();
    return true;
  };
  switch (*p_) {
    case '"': return string();
    case 't': return literal("true");
    case 'f': return literal("false");
    case 'n': return literal("null");
    default: return number();
  }
}

// Reads a key and its colon, and stands at the value.
bool Scanner::key_and_colon(JsonMember& member) {
  if (p_ == end_ || *p_ != '"') return fail("a member's name in quotes is expected");
  member.key_begin = position();
  if (!string()) return false;
  member.key = {begin_ + member.key_begin + 1, position() - member.key_begin - 2};
  skip_space();
  if (p_ == end_ || *p_ != ':') return fail("':' is expected");
  ++p_;
  skip_space();
  return true;
}

// REQUIRES: p_ is at the value's first byte.
template <typename OnMember>
Status Scanner::run(OnMember& on_member) {
  JsonMember top;    // the top-level member being read
  JsonMember inner;  // any deeper one
  while (true) {
    // At a value.
    if (p_ == end_) return error("a value is expected");
    if (depth_ == 1) top.value_begin = position();
    bool closed = true;
    if (*p_ == '{' || *p_ == '[') {
      const bool object = *p_ == '{';
      ++p_;
      skip_space();
      if (p_ != end_ && *p_ == (object ? '}' : ']')) {
        ++p_;  // an empty container is no level
      } else {
        if (!push(object)) return error("the value is nested deeper than 64 levels");
        if (object && !key_and_colon(depth_ == 1 ? top : inner)) return error(what_);
        closed = false;
      }
    } else if (!scalar()) {
      return error(what_);
    }
    // A value was read: close what ends here, up to the next comma.
    while (closed) {
      if (depth_ == 0) return {};
      if (depth_ == 1 && in_object()) {
        top.value_end = position();
        top.value = {begin_ + top.value_begin, top.value_end - top.value_begin};
        RETURN_IF_ERROR(on_member(top));
      }
      skip_space();
      const bool object = in_object();
      if (p_ == end_) return error(object ? "an object is not closed" : "an array is not closed");
      if (*p_ == ',') {
        ++p_;
        skip_space();
        if (object && !key_and_colon(depth_ == 1 ? top : inner)) return error(what_);
        closed = false;
      } else if (*p_ == (object ? '}' : ']')) {
        ++p_;
        pop();
      } else {
        return error(object ? "',' or '}' is expected" : "',' or ']' is expected");
      }
    }
  }
}

void append_utf8(std::string& out, unsigned code_point) {
  const auto put = [&out](unsigned byte) { out += static_cast<char>(byte); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

// The text between a valid string's quotes, unescaped.
std::string unescape(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\') {
      out += raw[i];
      continue;
    }
    switch (raw[++i]) {
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'u': {
        auto unit = static_cast<unsigned>(hex4(raw.data() + i + 1));
        i += 4;
        if (unit >= 0xD800 && unit <= 0xDBFF) {
          const auto low = static_cast<unsigned>(hex4(raw.data() + i + 3));
          unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
          i += 6;
        }
        append_utf8(out, unit);
        break;
      }
      default: out += raw[i];
    }
  }
  return out;
}

bool key_is(std::string_view raw, std::string_view key) {
  if (raw == key) return true;
  // Escapes only lengthen.
  if (raw.size() <= key.size() || raw.find('\\') == std::string_view::npos) return false;
  return unescape(raw) == key;
}

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

size_t skip_space(std::string_view json, size_t at) {
  while (at < json.size() && is_space(json[at])) ++at;
  return at;
}

}  // namespace

Status validate_json(std::string_view json) {
  return Scanner(json).scan(false, [](const JsonMember&) { return Status(); });
}

Result<size_t> scan_top_level(std::string_view json, std::span<JsonMember> out) {
  size_t members = 0;
  RETURN_IF_ERROR(Scanner(json).scan(true, [&](const JsonMember& member) {
    if (members < out.size()) out[members] = member;
    ++members;
    return Status();
  }));
  return members;
}

Status find_top_level(std::string_view json, std::span<const std::string_view> keys,
                      std::span<JsonMember> found) {
  for (JsonMember& member : found) member = {};
  return Scanner(json).scan(true, [&](const JsonMember& member) -> Status {
    for (size_t i = 0; i < keys.size(); ++i) {
      if (!key_is(member.key, keys[i])) continue;
      if (found[i].present()) {
        return invalid_argument("the member \"" + std::string(keys[i]) +
                                "\" occurs twice; send it once");
      }
      found[i] = member;
    }
    return {};
  });
}

std::optional<std::string> json_string(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || !validate_json(value).ok()) return {};
  return unescape(value.substr(1, value.size() - 2));
}

std::optional<int64_t> json_integer(std::string_view value) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size()) return {};
  return number;
}

std::optional<bool> json_boolean(std::string_view value) {
  if (value == "true") return true;
  if (value == "false") return false;
  return {};
}

JsonSplice replace_value(const JsonMember& member, std::string value) {
  return {member.value_begin, member.value_end, std::move(value)};
}

JsonSplice insert_member(std::string_view json, std::string_view key, std::string_view value) {
  const size_t inside = json.find('{') + 1;
  JsonSplice splice{inside, inside, {}};
  append_json_string(splice.text, key);
  splice.text += ':';
  splice.text += value;
  if (json[skip_space(json, inside)] != '}') splice.text += ',';
  return splice;
}

JsonSplice remove_member(std::string_view json, const JsonMember& member) {
  const size_t after = skip_space(json, member.value_end);
  if (json[after] == ',') return {member.key_begin, skip_space(json, after + 1), {}};
  // The last member: the comma before it goes, or, of the only one, nothing.
  size_t before = member.key_begin;
  while (is_space(json[before - 1])) --before;
  if (json[before - 1] == ',') return {before - 1, member.value_end, {}};
  return {member.key_begin, member.value_end, {}};
}

std::string apply_splices(std::string_view json, std::span<const JsonSplice> splices) {
  size_t grown = json.size();
  for (const JsonSplice& splice : splices) grown += splice.text.size();
  std::string out;
  out.reserve(grown);
  size_t at = 0;
  for (const JsonSplice& splice : splices) {
    out += json.substr(at, splice.begin - at);
    out += splice.text;
    at = splice.end;
  }
  out += json.substr(at);
  return out;
}

}  // namespace gatehouse::wire
