// After Go's strconv (ParseInt with base 0, ParseFloat, Quote, Unquote) and
// Prometheus's model.Duration.
#include "lang/promql/literal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace gatehouse::promql {
namespace {

int digit_of(char c) {
  if (is_ascii_digit(c)) return c - '0';
  const char lower = ascii_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

// Underscores stand between digits, or between a base's prefix and a digit.
bool underscores_placed(std::string_view digits, bool after_prefix) {
  bool digit_before = after_prefix;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (digits[i] == '_') {
      if (!digit_before || i + 1 == digits.size() || digit_of(digits[i + 1]) == 16) return false;
      digit_before = false;
    } else {
      digit_before = digit_of(digits[i]) != 16;
    }
  }
  return true;
}

std::string without_underscores(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

// A whole number with or without a base's prefix that fits 63 bits.
bool parse_integer(std::string_view text, double& value) {
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char mark = ascii_lower(text[1]);
    base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
    text.remove_prefix(mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
    if (!underscores_placed(text, true)) return false;
  } else if (!underscores_placed(text, false)) {
    return false;
  }
  const std::string digits = without_underscores(text);
  int64_t whole = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), whole, base);
  if (error != std::errc() || end != digits.data() + digits.size() || whole < 0) return false;
  value = static_cast<double>(whole);
  return true;
}

Status number_error(std::string_view text, std::string_view why) {
  return invalid_argument("strconv.ParseFloat: parsing " + quote(text) + ": " + std::string(why));
}

bool is_printable(uint32_t character) {
  if (character < 0x20 || character == 0x7F) return false;
  if (character < 0x7F) return true;
  // Controls, spaces other than U+0020, formatting marks, and what is not assigned.
  if (character <= 0xA0 || character == 0xAD) return false;
  if (character >= 0x2000 && character <= 0x200F) return false;
  if (character >= 0x2028 && character <= 0x202F) return false;
  if (character >= 0x205F && character <= 0x206F) return false;
  if (character == 0x3000 || character == 0xFEFF || character == 0x1680) return false;
  return character < 0xE000 ||
         (character > 0xF8FF && character < 0xE0000 && character != 0xFFFE && character != 0xFFFF);
}

void append_hex(std::string& out, std::string_view mark, uint32_t value, int digits) {
  out += mark;
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
    out += "0123456789abcdef"[(value >> shift) & 15];
  }
}

void append_utf8(std::string& out, uint32_t character) {
  const auto byte = [&out](uint32_t value) { out += static_cast<char>(value); };
  if (character < 0x80) {
    byte(character);
  } else if (character < 0x800) {
    byte(0xC0 | character >> 6);
    byte(0x80 | (character & 0x3F));
  } else if (character < 0x10000) {
    byte(0xE0 | character >> 12);
    byte(0x80 | (character >> 6 & 0x3F));
    byte(0x80 | (character & 0x3F));
  } else {
    byte(0xF0 | character >> 18);
    byte(0x80 | (character >> 12 & 0x3F));
    byte(0x80 | (character >> 6 & 0x3F));
    byte(0x80 | (character & 0x3F));
  }
}

void append_escaped(std::string& out, uint32_t character, char delimiter) {
  switch (character) {
    case '\a': out += "\\a"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    case '\v': out += "\\v"; return;
    case '\\': out += "\\\\"; return;
    default: break;
  }
  if (character == static_cast<unsigned char>(delimiter)) {
    out += '\\';
    out += delimiter;
  } else if (is_printable(character)) {
    append_utf8(out, character);
  } else if (character < 0x80) {
    append_hex(out, "\\x", character, 2);
  } else if (character < 0x10000) {
    append_hex(out, "\\u", character, 4);
  } else {
    append_hex(out, "\\U", character, 8);
  }
}

// The escape after the backslash at `at`; moves `at` behind it.
bool unescape(std::string_view text, size_t& at, char delimiter, std::string& out) {
  const char mark = text[at++];
  constexpr std::string_view kMarks = "abfnrtv\\";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\";
  if (const size_t found = kMarks.find(mark); found != std::string_view::npos) {
    out += kMeanings[found];
    return true;
  }
  if (mark == delimiter) {
    out += mark;
    return true;
  }
  int digits = 0;
  uint32_t base = 16;
  if (mark >= '0' && mark <= '7') {
    --at;
    digits = 3;
    base = 8;
  } else if (mark == 'x') {
    digits = 2;
  } else if (mark == 'u') {
    digits = 4;
  } else if (mark == 'U') {
    digits = 8;
  } else {
    return false;
  }
  uint32_t value = 0;
  for (int i = 0; i < digits; ++i, ++at) {
    if (at >= text.size()) return false;
    const auto digit = static_cast<uint32_t>(digit_of(text[at]));
    if (digit >= base) return false;
    value = value * base + digit;
  }
  if (digits < 4) {
    if (value > 255) return false;
    out += static_cast<char>(value);
    return true;
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return false;
  append_utf8(out, value);
  return true;
}

struct Unit {
  std::string_view name;
  int64_t ms;
  bool exact;  // written only where nothing is left over
};
constexpr std::array<Unit, 7> kUnits = {{{"y", 365LL * 86'400'000, true},
                                         {"w", 7LL * 86'400'000, true},
                                         {"d", 86'400'000, false},
                                         {"h", 3'600'000, false},
                                         {"m", 60'000, false},
                                         {"s", 1'000, false},
                                         {"ms", 1, false}}};
// What a count of nanoseconds can hold in 63 bits, as clients expect the bound.
constexpr int64_t kDurationMaxMs = std::numeric_limits<int64_t>::max() / 1'000'000;

}  // namespace

Result<double> parse_number(std::string_view text) {
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  double value = 0;
  if (parse_integer(digits, value)) return negative ? -value : value;
  const std::string lower = to_lower(digits);
  if (lower == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (lower == "inf" || lower == "infinity") {
    value = std::numeric_limits<double>::infinity();
    return negative ? -value : value;
  }
  if (!underscores_placed(digits, false)) return number_error(text, "invalid syntax");
  std::string plain = without_underscores(digits);
  if (plain.empty() || !(is_ascii_digit(plain[0]) || plain[0] == '.')) {
    return number_error(text, "invalid syntax");
  }
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (end != plain.data() + plain.size()) return number_error(text, "invalid syntax");
  if (error == std::errc::result_out_of_range) {
    // Too small is zero; too large is refused. from_chars tells the two not apart.
    const size_t exponent = lower.find("e-");
    if (exponent == std::string::npos && !plain.starts_with("0.") && !plain.starts_with('.')) {
      return number_error(text, "value out of range");
    }
    value = 0;
  } else if (error != std::errc()) {
    return number_error(text, "invalid syntax");
  }
  return negative ? -value : value;
}

Result<std::string> unquote(std::string_view literal) {
  const auto bad = [] { return invalid_argument("invalid syntax"); };
  if (literal.size() < 2 || literal.front() != literal.back()) return bad();
  const char delimiter = literal.front();
  literal = literal.substr(1, literal.size() - 2);
  if (delimiter == '`') {
    if (literal.find('`') != std::string_view::npos) return bad();
    return std::string(literal);
  }
  if (delimiter != '"' && delimiter != '\'') return bad();
  std::string out;
  out.reserve(literal.size());
  for (size_t at = 0; at < literal.size();) {
    const char c = literal[at++];
    if (c == delimiter || c == '\n') return bad();
    if (c != '\\') {
      out += c;
    } else if (at == literal.size() || !unescape(literal, at, delimiter, out)) {
      return bad();
    }
  }
  return out;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  size_t size = 0;
  for (size_t at = 0; at < text.size(); at += size) {
    const uint32_t character = decode_utf8(text, at, size);
    if (character == 0xFFFD && size == 1) {
      append_hex(out, "\\x", static_cast<unsigned char>(text[at]), 2);
    } else {
      append_escaped(out, character, '"');
    }
  }
  return out + '"';
}

std::string quote_character(uint32_t character) {
  std::string out = "'";
  append_escaped(out, character, '\'');
  return out + '\'';
}

Result<int64_t> parse_unit_duration_ms(std::string_view text) {
  if (text == "0") return 0;
  const auto bad = [text] {
    return invalid_argument("not a valid duration string: " + quote(text));
  };
  if (text.empty()) return invalid_argument("empty duration string");
  int64_t total = 0;
  size_t next_unit = 0;
  for (size_t at = 0; at < text.size();) {
    int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), count);
    if (error == std::errc::result_out_of_range) return invalid_argument("duration out of range");
    const auto digits_end = static_cast<size_t>(end - text.data());
    if (error != std::errc() || !is_ascii_digit(text[at])) return bad();
    size_t unit_end = digits_end;
    while (unit_end < text.size() && !is_ascii_digit(text[unit_end])) ++unit_end;
    const std::string_view name = text.substr(digits_end, unit_end - digits_end);
    const auto* unit = std::find_if(kUnits.begin() + next_unit, kUnits.end(),
                                    [name](const Unit& each) { return each.name == name; });
    if (unit == kUnits.end()) return bad();
    next_unit = static_cast<size_t>(unit - kUnits.begin()) + 1;
    if (count > kDurationMaxMs / unit->ms || total > kDurationMaxMs - count * unit->ms) {
      return invalid_argument("duration out of range");
    }
    total += count * unit->ms;
    at = unit_end;
  }
  return total;
}

std::string format_unit_duration(int64_t ms) {
  if (ms == 0) return "0s";
  std::string out;
  // The lowest of all numbers has no positive counterpart.
  uint64_t left = static_cast<uint64_t>(ms);
  if (ms < 0) {
    out = "-";
    left = 0 - left;
  }
  for (const Unit& unit : kUnits) {
    const auto length = static_cast<uint64_t>(unit.ms);
    if (left < length || (unit.exact && left % length != 0)) continue;
    out += std::to_string(left / length);
    out += unit.name;
    left %= length;
  }
  return out;
}

std::string format_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  // 309 digits before the point or 324 zeros and 17 digits behind it, and a sign.
  std::array<char, 400> buffer;
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  return error == std::errc() ? std::string(buffer.data(), end) : std::string();
}

std::string format_number_short(double value) {
  const double size = std::fabs(value);
  if (!std::isfinite(value) || value == 0 || (size >= 1e-4 && size < 1e21)) {
    return format_number(value);
  }
  std::array<char, 40> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                          std::chars_format::scientific);
  return error == std::errc() ? std::string(buffer.data(), end) : std::string();
}

uint32_t decode_utf8(std::string_view text, size_t at, size_t& size) {
  constexpr uint32_t kBroken = 0xFFFD;
  if (at >= text.size()) {
    size = 0;
    return kBroken;
  }
  size = 1;
  const auto byte = [text](size_t i) {
    return i < text.size() ? static_cast<uint32_t>(static_cast<unsigned char>(text[i])) : 0U;
  };
  const uint32_t first = byte(at);
  if (first < 0x80) return first;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return kBroken;
  uint32_t character = first & (0x7FU >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return kBroken;
    character = character << 6 | (byte(at + i) & 0x3F);
  }
  const bool overlong = (length == 3 && character < 0x800) || (length == 4 && character < 0x10000);
  if (overlong || character > 0x10FFFF || (character >= 0xD800 && character < 0xE000)) {
    return kBroken;
  }
  size = length;
  return character;
}

bool is_label_identifier(std::string_view name) {
  return !name.empty() && is_word_start(name[0]) && std::ranges::all_of(name, is_word_character);
}

bool is_metric_identifier(std::string_view name) {
  return !name.empty() && !is_ascii_digit(name[0]) &&
         std::ranges::all_of(name, [](char c) { return c == ':' || is_word_character(c); });
}

}  // namespace gatehouse::promql
