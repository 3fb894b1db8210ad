#include "wire/float_text.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/text.h"

namespace gatehouse::wire {

namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

// Whether append_bound would write this very text. Only the shapes that real
// bounds have are known; false is always safe.
bool is_normal_bound(std::string_view text) {
  const size_t dot = text.find('.');
  // Seven digits before the dot would take the exponent form; fifteen in all are
  // always the shortest text of some double.
  if (dot == 0 || dot > 6 || dot + 1 >= text.size() || text.size() > 15) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i != dot && !digit(text[i])) return false;
  }
  const std::string_view fraction = text.substr(dot + 1);
  if (text[0] == '0' && (dot > 1 || fraction.starts_with("000"))) return false;
  return fraction == "0" || fraction.back() != '0';
}

bool not_finite(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::optional<double> parse_float(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  if (at == end) return std::nullopt;
  const bool negative = *at == '-';
  if (negative || *at == '+') ++at;
  if (at == end) return std::nullopt;
  if (digit(*at) && end - at <= 15) {  // whole numbers below 2^53: most samples
    uint64_t whole = 0;
    const char* next = at;
    while (next != end && digit(*next)) whole = whole * 10 + static_cast<uint64_t>(*next++ - '0');
    if (next == end) {
      const auto value = static_cast<double>(whole);
      return negative ? -value : value;
    }
  }
  if (!digit(*at) && *at != '.') {
    const std::string_view word(at, static_cast<size_t>(end - at));
    if (equal_ignoring_case(word, "nan")) return std::nan("");
    if (equal_ignoring_case(word, "inf") || equal_ignoring_case(word, "infinity")) {
      return negative ? -INFINITY : INFINITY;
    }
    return std::nullopt;
  }
  double value = 0;
  const auto [stop, error] = std::from_chars(at, end, value, std::chars_format::general);
  if (stop != end) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too large, or too small? The library does not say.
    value = std::strtod(std::string(at, end).c_str(), nullptr);
    if (std::isinf(value)) return std::nullopt;
  } else if (error != std::errc()) {
    return std::nullopt;
  }
  return negative ? -value : value;
}

void append_float(std::string& out, double value) {
  if (not_finite(out, value)) return;
  char digits[32];
  const double size = std::fabs(value);
  const bool exponent = size != 0 && (size < 1e-4 || size >= 1e6);
  // Rounding to the shortest digits cannot carry over 1e6: its neighbours have
  // digits of their own. The exponent has at least two digits in both languages.
  const auto end =
      std::to_chars(digits, digits + sizeof digits, value,
                    exponent ? std::chars_format::scientific : std::chars_format::fixed);
  out.append(digits, end.ptr);
}

void append_plain_float(std::string& out, double value) {
  if (not_finite(out, value)) return;
  char digits[400];  // the largest double has 309 digits, the smallest 324 places
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed);
  out.append(digits, end.ptr);
}

void append_bound(std::string& out, double value) {
  const size_t begin = out.size();
  append_float(out, value);
  if (out.find_first_of(".eIN", begin) == std::string::npos) out += ".0";
}

std::string_view normal_bound(std::string_view text, std::string& room) {
  if (text == "+Inf" || is_normal_bound(text)) return text;
  const auto value = parse_float(text);
  if (!value) return text;
  room.clear();
  append_bound(room, *value);
  return room;
}

}  // namespace gatehouse::wire
