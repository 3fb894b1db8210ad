#include "app/hidden_secrets.h"

#include <algorithm>
#include <array>

namespace gatehouse::app {

namespace {

constexpr std::string_view kSpaces = " \t";
constexpr std::string_view kHidden = "<secret>";
constexpr std::array<std::string_view, 8> kSecretKeys = {
    "password", "credentials", "bearer_token", "client_secret",
    "secret",   "secret_key",  "secrets",      "key"};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

size_t line_end(std::string_view text, size_t at) {
  return std::min(text.find('\n', at), text.size());
}

// The end of the quoted text that begins at `at`.
size_t quoted_end(std::string_view text, size_t at) {
  const char quote = text[at];
  for (size_t i = at + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || i + 1 == text.size() || text[i + 1] != quote) return i + 1;
      ++i;  // '' stands for one
    }
  }
  return text.size();
}

// The end of the list or mapping that begins at `at`.
size_t bracket_end(std::string_view text, size_t at) {
  int depth = 0;
  for (size_t i = at; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      i = quoted_end(text, i) - 1;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if ((c == ']' || c == '}') && --depth == 0) {
      return i + 1;
    }
  }
  return text.size();
}

// The end of this line and of those below it that stand further in than `column`.
size_t block_end(std::string_view text, size_t at, size_t column) {
  size_t end = line_end(text, at);
  while (end < text.size()) {
    const size_t next = end + 1;
    const size_t first = std::min(text.find_first_not_of(kSpaces, next), text.size());
    const bool empty = first == text.size() || text[first] == '\n';
    if (!empty && first - next <= column) break;
    end = line_end(text, next);
  }
  return end;
}

// The end of the value that begins at or after `at`, of a key in that column.
// `in_braces`: a `{` stands before the key in its line.
size_t value_end(std::string_view text, size_t at, size_t column, bool in_braces) {
  const size_t begin = std::min(text.find_first_not_of(kSpaces, at), text.size());
  if (begin == text.size()) return begin;
  switch (text[begin]) {
    case '"':
    case '\'': return quoted_end(text, begin);
    case '[':
    case '{': return bracket_end(text, begin);
    default: break;
  }
  if (in_braces) return std::min(text.find_first_of(",}\n", begin), text.size());
  return block_end(text, begin, column);
}

// Whether a key that holds a secret ends at `end`, so that its value comes next.
bool is_secret_key(std::string_view text, size_t begin, size_t end, size_t& value_at) {
  const std::string_view word = text.substr(begin, end - begin);
  if (std::find(kSecretKeys.begin(), kSecretKeys.end(), word) == kSecretKeys.end()) return false;
  size_t at = end;
  if (begin > 0 && (text[begin - 1] == '"' || text[begin - 1] == '\'')) {
    if (at == text.size() || text[at] != text[begin - 1]) return false;
    ++at;
  }
  at = std::min(text.find_first_not_of(kSpaces, at), text.size());
  if (at == text.size() || text[at] != ':') return false;
  value_at = at + 1;
  return true;
}

// http://user:password@host
std::string hide_in_urls(std::string_view text) {
  std::string out;
  size_t from = 0;
  for (size_t at = text.find("://"); at != std::string_view::npos; at = text.find("://", at + 3)) {
    const size_t end = std::min(text.find_first_of(" \t\r\n\"'/,]}", at + 3), text.size());
    const std::string_view authority = text.substr(at + 3, end - at - 3);
    const size_t host = authority.rfind('@');
    const size_t colon = authority.find(':');
    if (host == std::string_view::npos || colon >= host || at + 3 + colon < from) continue;
    out += text.substr(from, at + 3 + colon + 1 - from);
    out += kHidden;
    from = at + 3 + host;
  }
  out += text.substr(from);
  return out;
}

}  // namespace

std::string hide_secrets(std::string_view yaml) {
  std::string out;
  size_t line = 0;      // where this line begins
  bool braces = false;  // whether one was opened in it
  for (size_t i = 0; i < yaml.size();) {
    const char c = yaml[i];
    if (!is_word(c)) {
      if (c == '\n') {
        line = i + 1;
        braces = false;
      }
      braces = braces || c == '{';
      out += c;
      ++i;
      continue;
    }
    size_t end = i;
    while (end < yaml.size() && is_word(yaml[end])) ++end;
    out += yaml.substr(i, end - i);
    size_t value_at = 0;
    if (is_secret_key(yaml, i, end, value_at)) {
      const size_t value = value_end(yaml, value_at, i - line, braces);
      out += yaml.substr(end, value_at - end);
      out += ' ';
      out += kHidden;
      const size_t broken = yaml.substr(0, value).rfind('\n');
      if (broken != std::string_view::npos && broken >= line) line = broken + 1;
      end = value;
    }
    i = end;
  }
  return hide_in_urls(out);
}

}  // namespace gatehouse::app
