// The newer grammar of matchers, after Alertmanager's matcher/parse:
//
//   matchers = [ "{" ] [ matcher { "," matcher } [ "," ] ] [ "}" ]
//   matcher  = word ( "=" | "!=" | "=~" | "!~" ) word
//   word     = quoted, as a Go string, or a run of characters that are not reserved
//
// Places in messages are columns in characters, the first one 0 and the end exclusive.
#include <optional>

#include "alerts/matchers.h"
#include "base/text.h"

namespace gatehouse::alerts {

namespace {

using model::Matcher;

enum class Kind {
  kEnd,
  kOpen,
  kClose,
  kComma,
  kEqual,
  kNotEqual,
  kRegex,
  kNotRegex,
  kQuoted,
  kWord
};

struct Token {
  Kind kind = Kind::kEnd;
  std::string_view text;
  size_t column_begin = 0, column_end = 0;

  std::string place() const {
    return std::to_string(column_begin) + ":" + std::to_string(column_end) + ": ";
  }
  bool operation() const {
    return kind == Kind::kEqual || kind == Kind::kNotEqual || kind == Kind::kRegex ||
           kind == Kind::kNotRegex;
  }
  bool word() const { return kind == Kind::kQuoted || kind == Kind::kWord; }
};

struct Rune {
  uint32_t code = 0;
  size_t length = 0;  // 0: the end
};

Rune rune_at(std::string_view text, size_t at) {
  if (at >= text.size()) return {};
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return {first, 1};
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (at + length > text.size() || !valid_utf8(text.substr(at, length))) return {0xfffd, 1};
  uint32_t code = first & (0xffU >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3fU);
  }
  return {code, length};
}

// Unicode's White_Space.
bool space(uint32_t code) {
  return (code >= 9 && code <= 13) || code == ' ' || code == 0x85 || code == 0xa0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
         code == 0x202f || code == 0x205f || code == 0x3000;
}

bool reserved(uint32_t code) {
  return space(code) ||
         (code < 0x80 &&
          std::string_view("{}!=~,\\\"'`").find(static_cast<char>(code)) != std::string_view::npos);
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  // The next token, which next() then takes.
  Result<Token> peek() {
    if (!peeked_) {
      ASSIGN_OR_RETURN(Token token, scan());
      peeked_ = token;
    }
    return *peeked_;
  }
  void next() { peeked_.reset(); }
  size_t column() const { return column_; }

 private:
  Rune take() {
    const Rune rune = rune_at(text_, at_);
    at_ += rune.length;
    if (rune.length > 0) ++column_;
    return rune;
  }
  Token made(Kind kind) const {
    return {kind, text_.substr(begin_, at_ - begin_), column_begin_, column_};
  }
  Status wrong(std::string_view what) const {
    return invalid_argument(made(Kind::kEnd).place() +
                            std::string(text_.substr(begin_, at_ - begin_)) + std::string(what));
  }

  Result<Token> scan() {
    while (space(rune_at(text_, at_).code) && at_ < text_.size()) take();
    begin_ = at_;
    column_begin_ = column_;
    const Rune rune = take();
    if (rune.length == 0) return made(Kind::kEnd);
    switch (rune.code) {
      case '{': return made(Kind::kOpen);
      case '}': return made(Kind::kClose);
      case ',': return made(Kind::kComma);
      case '"': return quoted();
      case '=':
        if (rune_at(text_, at_).code != '~') return made(Kind::kEqual);
        take();
        return made(Kind::kRegex);
      case '!': return negation();
      default: break;
    }
    if (reserved(rune.code)) return wrong(": invalid input");
    while (at_ < text_.size() && !reserved(rune_at(text_, at_).code)) take();
    return made(Kind::kWord);
  }

  Result<Token> negation() {
    const Rune rune = take();
    if (rune.code == '=') return made(Kind::kNotEqual);
    if (rune.code == '~') return made(Kind::kNotRegex);
    if (rune.length == 0) {
      return invalid_argument(made(Kind::kEnd).place() +
                              "unexpected end of input, expected one of '=~'");
    }
    return wrong(": expected one of '=~'");
  }

  Result<Token> quoted() {
    for (Rune rune = take(); rune.length > 0; rune = take()) {
      if (rune.code == '\\') {
        take();
      } else if (rune.code == '"') {
        return made(Kind::kQuoted);
      }
    }
    return wrong(": missing end \"");
  }

  std::string_view text_;
  size_t at_ = 0, begin_ = 0;
  size_t column_ = 0, column_begin_ = 0;
  std::optional<Token> peeked_;
};

void append_code(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// A number of `digits` digits at `at`, which moves past them.
std::optional<uint32_t> number_at(std::string_view text, size_t& at, size_t digits, uint32_t base) {
  if (at + digits > text.size()) return std::nullopt;
  uint32_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    const char c = ascii_lower(text[at + i]);
    const uint32_t digit = c >= '0' && c <= '9'   ? static_cast<uint32_t>(c - '0')
                           : c >= 'a' && c <= 'f' ? static_cast<uint32_t>(c - 'a') + 10
                                                  : 99;
    if (digit >= base) return std::nullopt;
    value = value * base + digit;
  }
  at += digits;
  return value;
}

// One escape of a Go string; `at` is behind its backslash.
bool unescape(std::string_view text, size_t& at, std::string& out) {
  if (at >= text.size()) return false;
  const char c = text[at++];
  constexpr std::string_view kNames = "abfnrtv\\\"";
  if (const size_t simple = kNames.find(c); simple != std::string_view::npos) {
    out += "\a\b\f\n\r\t\v\\\""[simple];
    return true;
  }
  std::optional<uint32_t> value;
  if (c == 'x') {
    value = number_at(text, at, 2, 16);
  } else if (c >= '0' && c <= '7') {
    value = number_at(text, --at, 3, 8);
  }
  if (value) {
    out += static_cast<char>(*value);
    return *value <= 0xff;
  }
  if (c != 'u' && c != 'U') return false;
  value = number_at(text, at, c == 'u' ? 4 : 8, 16);
  if (!value || *value > 0x10ffff || (*value >= 0xd800 && *value <= 0xdfff)) return false;
  append_code(out, *value);
  return true;
}

Result<std::string> unquoted(const Token& token) {
  if (token.kind == Kind::kWord) return std::string(token.text);
  const std::string_view text = token.text.substr(1, token.text.size() - 2);
  std::string out;
  bool valid = text.find('\n') == std::string_view::npos;
  for (size_t i = 0; valid && i < text.size();) {
    const char c = text[i++];
    if (c == '\\') {
      valid = unescape(text, i, out);
    } else {
      out += c;
    }
  }
  if (valid && valid_utf8(out)) return out;
  return invalid_argument(token.place() + std::string(token.text) + ": invalid input");
}

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

  Result<Matchers> parse() {
    ASSIGN_OR_RETURN(Token token, lexer_.peek());
    const bool open = token.kind == Kind::kOpen;
    if (open) {
      lexer_.next();
      ASSIGN_OR_RETURN(token, lexer_.peek());
    }
    while (token.kind != Kind::kClose && token.kind != Kind::kEnd) {
      RETURN_IF_ERROR(matcher());
      ASSIGN_OR_RETURN(token, lexer_.peek());
      if (token.kind != Kind::kComma) {
        if (token.kind == Kind::kClose || token.kind == Kind::kEnd) break;
        return unexpected(token, "expected a comma or close brace");
      }
      lexer_.next();
      ASSIGN_OR_RETURN(token, lexer_.peek());
      if (!token.word() && token.kind != Kind::kClose && token.kind != Kind::kEnd) {
        return unexpected(token, "expected a matcher or close brace after comma");
      }
    }
    RETURN_IF_ERROR(finish(open, token));
    return std::move(matchers_);
  }

 private:
  static Status unexpected(const Token& token, std::string_view expected) {
    if (token.kind == Kind::kEnd) {
      return invalid_argument("end of input: " + std::string(expected));
    }
    return invalid_argument(token.place() + "unexpected " + std::string(token.text) + ": " +
                            std::string(expected));
  }

  Status matcher() {
    ASSIGN_OR_RETURN(const Token name_token, lexer_.peek());
    if (!name_token.word()) return unexpected(name_token, "expected label name");
    lexer_.next();
    ASSIGN_OR_RETURN(std::string name, unquoted(name_token));
    ASSIGN_OR_RETURN(const Token operation, lexer_.peek());
    if (!operation.operation()) {
      return unexpected(operation, "expected an operator such as '=', '!=', '=~' or '!~'");
    }
    lexer_.next();
    ASSIGN_OR_RETURN(const Token value_token, lexer_.peek());
    if (!value_token.word()) return unexpected(value_token, "expected label value");
    lexer_.next();
    ASSIGN_OR_RETURN(std::string value, unquoted(value_token));
    const Matcher::Op op = operation.kind == Kind::kEqual      ? Matcher::Op::kEqual
                           : operation.kind == Kind::kNotEqual ? Matcher::Op::kNotEqual
                           : operation.kind == Kind::kRegex    ? Matcher::Op::kRegex
                                                               : Matcher::Op::kNotRegex;
    ASSIGN_OR_RETURN(Matcher made, Matcher::create(op, std::move(name), std::move(value)));
    matchers_.push_back(std::move(made));
    return {};
  }

  Status finish(bool open, const Token& token) {
    const std::string place = "0:" + std::to_string(lexer_.column()) + ": ";
    if (token.kind == Kind::kEnd) {
      if (open) return invalid_argument(place + "end of input: expected close brace");
      return {};
    }
    if (!open) return invalid_argument(place + "}: expected opening brace");
    lexer_.next();
    ASSIGN_OR_RETURN(const Token behind, lexer_.peek());
    if (behind.kind == Kind::kEnd) return {};
    return invalid_argument(behind.place() + std::string(behind.text) + ": expected end of input");
  }

  Lexer lexer_;
  Matchers matchers_;
};

}  // namespace

Result<Matchers> parse_utf8_matchers(std::string_view text) { return Parser(text).parse(); }

}  // namespace gatehouse::alerts
