// Literals as PromQL writes them, which is as Go does: numbers, strings, durations.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gatehouse::promql {

// "12", "0x1F", "017" (octal), "1_000", "1.5e3", "Inf", "-NaN"... a whole text. The
// message of an error is that of Go's strconv.
Result<double> parse_number(std::string_view text);

// A literal with its quotes ("", '' or ``) to what it stands for: bytes, which
// escapes may make anything.
Result<std::string> unquote(std::string_view literal);
// In double quotes, everything else than printable characters escaped.
std::string quote(std::string_view text);
// A character in single quotes, with the same escapes.
std::string quote_character(uint32_t character);

// "1h30m", "5m", "0": milliseconds. Units go from y to ms, each once.
Result<int64_t> parse_unit_duration_ms(std::string_view text);
// The shortest form: "1d1h", "300ms", "0s". Negative ones with a minus.
std::string format_unit_duration(int64_t ms);

// The shortest text that reads back as the value, without an exponent.
std::string format_number(double value);
// The same with an exponent where it is large or small: "1e+21".
std::string format_number_short(double value);

// The next character of well-formed UTF-8 at `at`, and its length in `size`. What
// is not well formed gives 0xFFFD with size 1; the end gives 0xFFFD with size 0.
uint32_t decode_utf8(std::string_view text, size_t at, size_t& size);

// [a-zA-Z_][a-zA-Z0-9_]*: a label name that needs no quotes.
bool is_label_identifier(std::string_view name);
// The same with colons: a metric name that needs none.
bool is_metric_identifier(std::string_view name);

inline bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_word_start(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
inline bool is_word_character(char c) { return is_word_start(c) || is_ascii_digit(c); }

}  // namespace gatehouse::promql
