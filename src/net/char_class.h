// Byte classes of RFC 9110 and RFC 3986 as one 256-entry table, and the two
// scans that every text codec here stands on. Locale plays no part.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace gatehouse::net {

enum CharClass : std::uint8_t {
  kTokenChar = 1,  // RFC 9110 tchar: methods, field names, codings
  kFieldChar = 2,  // RFC 9110 field-value: VCHAR, SP, HTAB, obs-text
  kPathChar = 4,   // RFC 3986 pchar and '/'; '%' is a member, its digits are checked apart
  kQueryChar = 8,  // any VCHAR but '#': clients send {}|" raw in queries, and nothing splits there
  kHostChar = 16,  // RFC 3986 unreserved: narrower than reg-name, as no DNS name holds more
  kUnreserved = 16,  // the same set under the name that percent-encoding gives it
  kHexDigit = 32,
  kDigit = 64,
};

namespace detail {
constexpr std::array<std::uint8_t, 256> make_char_classes() {
  std::array<std::uint8_t, 256> table{};
  const auto mark = [&table](std::string_view chars, unsigned bits) {
    for (const char c : chars) {
      auto& entry = table[static_cast<unsigned char>(c)];
      entry = static_cast<std::uint8_t>(entry | bits);
    }
  };
  constexpr std::string_view kAlpha = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  constexpr std::string_view kDigits = "0123456789";
  for (unsigned c = 0; c < 256; ++c) {
    const bool visible = c > 0x20 && c < 0x7f;
    if (visible || c == ' ' || c == '\t' || c >= 0x80) table[c] |= kFieldChar;
    if (visible && c != '#') table[c] |= kQueryChar;
  }
  mark(kAlpha, kTokenChar | kPathChar | kHostChar);
  mark(kDigits, kTokenChar | kPathChar | kHostChar | kHexDigit | kDigit);
  mark("!#$%&'*+-.^_`|~", kTokenChar);
  mark("-._~", kPathChar | kHostChar);
  mark("!$&'()*+,;=:@/%", kPathChar);
  mark("abcdefABCDEF", kHexDigit);
  return table;
}
inline constexpr std::array<std::uint8_t, 256> kCharClasses = make_char_classes();

constexpr std::array<std::int8_t, 256> make_hex_values() {
  std::array<std::int8_t, 256> table{};
  for (auto& value : table) value = -1;
  for (unsigned i = 0; i < 10; ++i) table['0' + i] = static_cast<std::int8_t>(i);
  for (unsigned i = 0; i < 6; ++i) {
    table['a' + i] = static_cast<std::int8_t>(10 + i);
    table['A' + i] = static_cast<std::int8_t>(10 + i);
  }
  return table;
}
inline constexpr std::array<std::int8_t, 256> kHexValues = make_hex_values();
}  // namespace detail

constexpr bool is_class(char c, unsigned classes) {
  return (detail::kCharClasses[static_cast<unsigned char>(c)] & classes) != 0;
}

// The value of a hexadecimal digit, or -1.
constexpr int hex_value(char c) { return detail::kHexValues[static_cast<unsigned char>(c)]; }

constexpr bool all_class(std::string_view text, unsigned classes) {
  for (const char c : text) {
    if (!is_class(c, classes)) return false;
  }
  return true;
}

constexpr bool is_token(std::string_view text) {
  return !text.empty() && all_class(text, kTokenChar);
}

// The first control character other than HTAB (0x00-0x1f, 0x7f) in [at, end),
// or `end`. Where a line may only end in CR LF this finds the line's end and
// refuses everything else in one pass.
inline const char* find_control(const char* at, const char* end) {
#if defined(__SSE2__)
  const __m128i last_control = _mm_set1_epi8(0x1f);
  const __m128i tab = _mm_set1_epi8('\t');
  const __m128i del = _mm_set1_epi8(0x7f);
  while (end - at >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
    const __m128i not_tab = _mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low);
    const __m128i hits = _mm_or_si128(not_tab, _mm_cmpeq_epi8(bytes, del));
    const int mask = _mm_movemask_epi8(hits);
    if (mask != 0) return at + __builtin_ctz(static_cast<unsigned>(mask));
    at += 16;
  }
#endif
  while (at != end && is_class(*at, kFieldChar)) ++at;
  return at;
}

// Whether `text` may stand as a field value: the same set as kFieldChar, sixteen
// bytes at a time.
inline bool is_field_value(std::string_view text) {
  const char* const end = text.data() + text.size();
  return find_control(text.data(), end) == end;
}

// The first CR or LF in [at, end), or `end`, where other controls are content.
inline const char* find_line_end(const char* at, const char* end) {
  at = find_control(at, end);
  while (at != end && *at != '\r' && *at != '\n') at = find_control(at + 1, end);
  return at;
}

}  // namespace gatehouse::net
