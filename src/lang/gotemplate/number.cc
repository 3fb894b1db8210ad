#include "lang/gotemplate/number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "lang/gotemplate/quote.h"

namespace gatehouse::gotemplate {
namespace {

// Of std::to_chars: a double has 1,075 digits behind the point at most, fmt's precision
// goes to 1,000,000 and is filled with zeros.
constexpr int kPrecisionMax = 1100;

std::string to_chars(double value, std::chars_format format, int precision) {
  std::array<char, 1600> buffer;
  const int kept = std::min(precision, kPrecisionMax);
  const auto end =
      kept < 0 ? std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format)
               : std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format, kept);
  return {buffer.data(), end.ptr};
}

// "1.5e+06" for 'e'; zeros beyond what to_chars was asked for.
std::string scientific(double value, int precision) {
  std::string text = to_chars(value, std::chars_format::scientific, precision);
  if (precision > kPrecisionMax) {
    text.insert(text.find('e'), static_cast<size_t>(precision - kPrecisionMax), '0');
  }
  return text;
}

std::string fixed(double value, int precision) {
  std::string text = to_chars(value, std::chars_format::fixed, precision);
  if (precision > kPrecisionMax) text.append(static_cast<size_t>(precision - kPrecisionMax), '0');
  return text;
}

// %g: as few digits as say it, never more than `precision`; %e where the exponent is below
// -4 or not below the precision, which is 6 for the fewest digits.
std::string general(double value, int precision) {
  const bool shortest = precision < 0;
  if (precision == 0) precision = 1;
  std::string text = scientific(value, shortest ? -1 : std::min(precision, kPrecisionMax) - 1);
  const size_t mark = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + mark + (text[mark + 1] == '+' ? 2 : 1), text.data() + text.size(),
                  exponent);
  std::string digits;
  for (const char c : std::string_view(text).substr(0, mark)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  if (!shortest) {
    while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  }
  const int count = static_cast<int>(digits.size());
  int threshold = shortest ? 6 : precision;
  if (!shortest && threshold > count && count >= exponent + 1) threshold = count;
  if (exponent < -4 || exponent >= threshold) return scientific(value, count - 1);
  return fixed(value, std::max(count - 1 - exponent, 0));
}

Result<Value> bad_number(std::string_view source) {
  return invalid_argument("illegal number syntax: " + quote(source));
}

}  // namespace

std::string format_float(double value, char form, int precision) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  const char lower = ascii_lower(form);
  std::string text;
  if (lower == 'e') {
    text = scientific(value, precision);
  } else if (lower == 'f') {
    text = fixed(value, precision);
  } else {
    text = general(value, precision);
  }
  if (form == 'E' || form == 'G') std::replace(text.begin(), text.end(), 'e', 'E');
  return text;
}

std::optional<double> parse_float(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '_') digits += c;
  }
  if (digits.size() != text.size()) return std::nullopt;  // only literals have underscores
  std::string_view rest = digits;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.empty() || rest[0] == '-' || rest[0] == '+') return std::nullopt;
  const std::string word = to_lower(rest);
  double value = 0;
  if (word == "inf" || word == "infinity") {
    value = std::numeric_limits<double>::infinity();
  } else if (word == "nan") {
    return std::numeric_limits<double>::quiet_NaN();
  } else {
    const bool hexadecimal = word.starts_with("0x");
    if (hexadecimal) rest.remove_prefix(2);
    if (hexadecimal && word.find('p') == std::string::npos) return std::nullopt;
    if (rest.empty() || (!hexadecimal && rest[0] != '.' && (rest[0] < '0' || rest[0] > '9'))) {
      return std::nullopt;
    }
    const auto [end, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), value,
                        hexadecimal ? std::chars_format::hex : std::chars_format::general);
    if (error != std::errc() || end != rest.data() + rest.size()) return std::nullopt;
  }
  return negative ? -value : value;
}

Result<Value> parse_constant(std::string_view source) {
  if (source.starts_with('\'')) {
    const auto text = unquote(source);
    if (!text && (source.size() <= 2 || source[1] == '\\'))
      return invalid_argument("invalid syntax");
    if (!text) return invalid_argument("malformed character constant: " + std::string(source));
    return Value(static_cast<int64_t>(first_rune(*text).code));
  }
  std::string digits;
  for (const char c : source) {
    if (c != '_') digits += c;
  }
  std::string_view rest = digits;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  int base = 10;
  std::string_view body = rest;
  if (rest.size() > 1 && rest[0] == '0') {
    const char mark = ascii_lower(rest[1]);
    base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 8;
    body.remove_prefix(mark >= '0' && mark <= '9' ? 1 : mark == '.' || mark == 'e' ? 0 : 2);
  }
  uint64_t whole = 0;
  const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), whole, base);
  if (!body.empty() && end == body.data() + body.size()) {
    constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (error == std::errc() && whole <= kMax + (negative ? 1 : 0)) {
      return Value(static_cast<int64_t>(negative ? ~whole + 1 : whole));
    }
    return invalid_argument("integer overflow: " + quote(source));
  }
  const auto value = parse_float(digits);
  if (!value) return bad_number(source);
  return Value(*value);
}

}  // namespace gatehouse::gotemplate
