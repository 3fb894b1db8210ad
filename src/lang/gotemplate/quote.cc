#include "lang/gotemplate/quote.h"

#include <array>

namespace gatehouse::gotemplate {
namespace {

constexpr char kHex[] = "0123456789abcdef";

struct CodeRange {
  char32_t first, last;
};
// Separators, format characters, private use and unassigned planes. Unassigned code points
// within a block pass as printable: Go's tables are finer.
constexpr std::array<CodeRange, 17> kHidden = {{{0x7F, 0xA0},
                                                {0xAD, 0xAD},
                                                {0x61C, 0x61C},
                                                {0x1680, 0x1680},
                                                {0x180E, 0x180E},
                                                {0x2000, 0x200F},
                                                {0x2028, 0x202F},
                                                {0x205F, 0x206F},
                                                {0x3000, 0x3000},
                                                {0xD800, 0xF8FF},
                                                {0xFEFF, 0xFEFF},
                                                {0xFFF0, 0xFFFB},
                                                {0xFFFE, 0xFFFF},
                                                {0x1D173, 0x1D17A},
                                                {0x1FFFE, 0x1FFFF},
                                                {0xE0000, 0xE00FF},
                                                {0xE01F0, 0x10FFFF}}};

void append_hex(char32_t code, int digits, std::string& out) {
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += kHex[(code >> shift) & 0xF];
}

void append_escaped(char32_t code, char mark, bool ascii, std::string& out) {
  if (code == static_cast<char32_t>(mark) || code == '\\') {
    out += '\\';
    out += static_cast<char>(code);
    return;
  }
  if (code < 0x80 ? code >= 0x20 && code < 0x7F : !ascii && printable(code)) {
    return append_rune(code, out);
  }
  switch (code) {
    case '\a': out += "\\a"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    case '\v': out += "\\v"; return;
    default: break;
  }
  if (code < ' ' || code == 0x7F) {
    out += "\\x";
    append_hex(code, 2, out);
  } else if (code < 0x10000) {
    out += "\\u";
    append_hex(code, 4, out);
  } else {
    out += "\\U";
    append_hex(code, 8, out);
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What follows a backslash; `at` is moved behind it.
bool read_escape(std::string_view text, size_t& at, char mark, std::string& out) {
  if (at >= text.size()) return false;
  const char c = text[at++];
  switch (c) {
    case 'a': out += '\a'; return true;
    case 'b': out += '\b'; return true;
    case 'f': out += '\f'; return true;
    case 'n': out += '\n'; return true;
    case 'r': out += '\r'; return true;
    case 't': out += '\t'; return true;
    case 'v': out += '\v'; return true;
    case '\\': out += '\\'; return true;
    case '\'':
    case '"':
      if (c != mark) return false;
      out += c;
      return true;
    default: break;
  }
  if (c == 'x' || c == 'u' || c == 'U') {
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
    uint64_t code = 0;
    for (size_t i = 0; i < digits; ++i) {
      const int digit = at < text.size() ? hex_digit(text[at]) : -1;
      if (digit < 0) return false;
      code = code * 16 + static_cast<uint64_t>(digit);
      ++at;
    }
    if (c == 'x' && mark == '"') {
      out += static_cast<char>(code);
      return true;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    append_rune(static_cast<char32_t>(code), out);
    return true;
  }
  if (c < '0' || c > '7') return false;
  unsigned code = static_cast<unsigned>(c - '0');
  for (int i = 0; i < 2; ++i) {
    if (at >= text.size() || text[at] < '0' || text[at] > '7') return false;
    code = code * 8 + static_cast<unsigned>(text[at++] - '0');
  }
  if (code > 255) return false;
  if (mark == '"') {
    out += static_cast<char>(code);
  } else {
    append_rune(code, out);
  }
  return true;
}

}  // namespace

Rune first_rune(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto more = [&](size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead >= 0xC2 && lead < 0xE0 && more(1)) {
    return {static_cast<char32_t>((lead & 0x1F) << 6 | (byte(1) & 0x3F)), 2};
  }
  if (lead >= 0xE0 && lead < 0xF0 && more(1) && more(2)) {
    const auto code =
        static_cast<char32_t>((lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F));
    if (code >= 0x800 && (code < 0xD800 || code > 0xDFFF)) return {code, 3};
  }
  if (lead >= 0xF0 && lead < 0xF5 && more(1) && more(2) && more(3)) {
    const auto code = static_cast<char32_t>((lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 |
                                            (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F));
    if (code >= 0x10000 && code <= 0x10FFFF) return {code, 4};
  }
  return {kReplacement, 1};
}

void append_rune(char32_t code, std::string& out) {
  if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) code = kReplacement;
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

size_t count_runes(std::string_view text) {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) at += first_rune(text.substr(at)).size;
  return count;
}

bool printable(char32_t code) {
  if (code < 0x20 || code > 0x10FFFF) return false;
  for (const CodeRange& range : kHidden) {
    if (code >= range.first && code <= range.last) return false;
  }
  return true;
}

std::string quote(std::string_view text, bool ascii) {
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const Rune rune = first_rune(text.substr(at));
    if (rune.code == kReplacement && rune.size == 1) {
      out += "\\x";
      append_hex(static_cast<unsigned char>(text[at]), 2, out);
    } else {
      append_escaped(rune.code, '"', ascii, out);
    }
    at += rune.size;
  }
  out += '"';
  return out;
}

std::string quote_rune(char32_t code, bool ascii) {
  if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) code = kReplacement;
  std::string out = "'";
  append_escaped(code, '\'', ascii, out);
  out += '\'';
  return out;
}

std::optional<std::string> unquote(std::string_view literal) {
  if (literal.size() < 2 || literal.front() != literal.back()) return std::nullopt;
  const char mark = literal.front();
  const std::string_view text = literal.substr(1, literal.size() - 2);
  std::string out;
  if (mark == '`') {
    for (const char c : text) {
      if (c == '`') return std::nullopt;
      if (c != '\r') out += c;
    }
    return out;
  }
  if (mark != '"' && mark != '\'') return std::nullopt;
  size_t runes = 0;
  for (size_t at = 0; at < text.size(); ++runes) {
    if (text[at] == mark || text[at] == '\n') return std::nullopt;
    if (text[at] == '\\') {
      if (!read_escape(text, ++at, mark, out)) return std::nullopt;
      continue;
    }
    const size_t size = first_rune(text.substr(at)).size;
    out.append(text.substr(at, size));
    at += size;
  }
  if (mark == '\'' && runes != 1) return std::nullopt;
  return out;
}

}  // namespace gatehouse::gotemplate
