#include "wire/escaped_name.h"

#include <charconv>
#include <cstdint>
#include <optional>

#include "base/text.h"

namespace gatehouse::wire {

namespace {

bool stands(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
         (!first && c >= '0' && c <= '9');
}

bool is_word(std::string_view name) {
  if (name.empty()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    if (!stands(name[i], i == 0)) return false;
  }
  return true;
}

// The code point at `at`, which moves past it. REQUIRES: valid UTF-8.
uint32_t next_rune(std::string_view text, size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  const int more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  uint32_t rune = more == 0 ? lead : lead & (0x3fu >> more);
  for (int i = 0; i < more; ++i)
    rune = rune << 6 | (static_cast<unsigned char>(text[at++]) & 0x3fu);
  return rune;
}

bool put_rune(std::string& out, uint32_t rune) {
  if (rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000)) return false;
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (rune < 0x80) {
    put(rune);
    return true;
  }
  const int more = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;
  put((0xff00u >> (more + 1) & 0xff) | rune >> (6 * more));
  for (int i = more - 1; i >= 0; --i) put(0x80 | (rune >> (6 * i) & 0x3f));
  return true;
}

std::optional<std::string> undo_values(std::string_view escaped) {
  std::string out;
  for (size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i] != '_') {
      out += escaped[i];
      continue;
    }
    if (i + 1 < escaped.size() && escaped[i + 1] == '_') {
      out += '_';
      ++i;
      continue;
    }
    const size_t close = escaped.find('_', i + 1);
    // A code point has six digits at most.
    if (close == std::string_view::npos || close - i > 7) return std::nullopt;
    uint32_t rune = 0;
    const char* const begin = escaped.data() + i + 1;
    const char* const end = escaped.data() + close;
    const auto [stop, error] = std::from_chars(begin, end, rune, 16);
    if (stop != end || error != std::errc() || !put_rune(out, rune)) return std::nullopt;
    i = close;
  }
  return out;
}

std::string undo_dots(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i).starts_with("_dot_")) {
      out += '.';
      i += 4;
    } else if (name.substr(i).starts_with("__")) {
      out += '_';
      ++i;
    } else {
      out += name[i];
    }
  }
  return out;
}

}  // namespace

std::string escape_name(std::string_view name, NameEscaping scheme) {
  const bool word = is_word(name);
  if (name.empty() || (word && scheme != NameEscaping::kDots)) return std::string(name);
  if (!valid_utf8(name)) return std::string(name);
  std::string out = scheme == NameEscaping::kValues ? "U__" : "";
  for (size_t i = 0; i < name.size();) {
    const size_t begin = i;
    const uint32_t rune = next_rune(name, i);
    const char c = name[begin];
    const bool may = rune < 0x80 && stands(c, begin == 0);
    if (scheme == NameEscaping::kUnderscores) {
      out += may ? c : '_';
    } else if (c == '_') {
      out += "__";
    } else if (may) {
      out += c;
    } else if (scheme == NameEscaping::kDots) {
      out += c == '.' ? "_dot_" : "__";
    } else {
      char digits[8];
      const auto end = std::to_chars(digits, digits + sizeof digits, rune, 16);
      out += '_';
      out.append(digits, end.ptr);
      out += '_';
    }
  }
  return out;
}

std::string unescape_name(std::string_view name, NameEscaping scheme) {
  if (scheme == NameEscaping::kDots) return undo_dots(name);
  if (scheme == NameEscaping::kValues && name.starts_with("U__")) {
    if (auto original = undo_values(name.substr(3))) return *std::move(original);
  }
  return std::string(name);
}

}  // namespace gatehouse::wire
