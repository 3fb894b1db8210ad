// Small operations on ASCII text that the standard library lacks.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse {

inline char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
std::string to_lower(std::string_view text);
inline bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && ascii_lower(a[i]) != ascii_lower(b[i])) return false;
  }
  return true;
}

// Without spaces and tabs at both ends.
std::string_view trim(std::string_view text);

// The parts between `separator`s, empty ones too.
std::vector<std::string_view> split(std::string_view text, char separator);

// A whole decimal number, nothing around it. None: not one, or out of range.
std::optional<uint64_t> parse_uint(std::string_view text);
std::optional<double> parse_double(std::string_view text);

// Whether `text` matches `pattern`, in which * stands for any characters and
// everything else for itself. Linear in the text for one star.
bool glob_match(std::string_view pattern, std::string_view text);

// The candidate closest to `word` by edit distance, where that is at most a
// third of the word's length (and at least 1): for "did you mean".
std::optional<std::string_view> closest(std::string_view word,
                                        std::span<const std::string_view> candidates);

// Whether `text` is well-formed UTF-8 (RFC 3629).
bool valid_utf8(std::string_view text);

// A duration in Prometheus's form, "1h30m", "250ms", "0", in milliseconds; and
// a number of bytes, "10GiB", "512MB", "4096".
std::optional<int64_t> parse_duration_ms(std::string_view text);
std::optional<int64_t> parse_size_bytes(std::string_view text);
std::string format_duration(int64_t ms);

// RFC 3339 in UTC with milliseconds, "2026-01-02T03:04:05.678Z".
std::string format_time(int64_t unix_ns);
// RFC 3339 with any offset, in nanoseconds of Unix time.
std::optional<int64_t> parse_time_ns(std::string_view text);

}  // namespace gatehouse
