// Go's quoted forms: what %q writes and what its literals and templates' strings read, and
// the UTF-8 under both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::gotemplate {

inline constexpr char32_t kReplacement = 0xFFFD;

// The rune at the beginning of `text` and its size in bytes; bytes that are not UTF-8 read
// as U+FFFD of size 1. REQUIRES: text is not empty.
struct Rune {
  char32_t code = 0;
  size_t size = 0;
};
Rune first_rune(std::string_view text);
void append_rune(char32_t code, std::string& out);
size_t count_runes(std::string_view text);
// Close to unicode.IsPrint: no controls, no separators but the space, no surrogates or
// private use.
bool printable(char32_t code);

// strconv.Quote, and its form in ASCII (%+q).
std::string quote(std::string_view text, bool ascii = false);
// %q of a rune: 'x'.
std::string quote_rune(char32_t code, bool ascii = false);
// The text of a literal in double quotes, backquotes, or single quotes (one rune); nullopt:
// not one.
std::optional<std::string> unquote(std::string_view literal);

}  // namespace gatehouse::gotemplate
