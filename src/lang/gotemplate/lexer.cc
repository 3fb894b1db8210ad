#include "lang/gotemplate/lexer.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/text.h"
#include "lang/gotemplate/quote.h"

namespace gatehouse::gotemplate {
namespace {

constexpr std::array<std::string_view, 11> kKeywords = {"block", "break",    "continue", "define",
                                                        "else",  "end",      "if",       "nil",
                                                        "range", "template", "with"};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Letters beyond ASCII are taken as letters, which is coarser than Go's tables.
bool is_word(char c) {
  return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (!done_) lex_text();
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return source_.substr(at_); }
  bool end() const { return at_ >= source_.size(); }
  char peek(size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }

  void emit(TokenKind kind, size_t from) {
    tokens_.push_back({kind, source_.substr(from, at_ - from), from, {}});
  }
  void fail(std::string message, size_t position) {
    tokens_.push_back({TokenKind::kError, {}, position, std::move(message)});
    done_ = true;
  }
  void fail_at_character() {
    const Rune rune = first_rune(rest());
    char code[16];
    std::snprintf(code, sizeof(code), "U+%04X", static_cast<unsigned>(rune.code));
    std::string message = "bad character " + std::string(code);
    if (printable(rune.code)) message += " '" + std::string(rest().substr(0, rune.size)) + "'";
    fail(std::move(message), at_);
  }

  // Text up to the next action, without what a trim marker takes from its ends.
  void lex_text() {
    const size_t from = at_;
    const size_t open = source_.find("{{", at_);
    size_t until = open == std::string_view::npos ? source_.size() : open;
    const bool trims = open != std::string_view::npos && open + 3 < source_.size() &&
                       source_[open + 2] == '-' && is_space(source_[open + 3]);
    if (trims) {
      while (until > from && is_space(source_[until - 1])) --until;
    }
    if (until > from) {
      at_ = until;
      emit(TokenKind::kText, from);
    }
    if (open == std::string_view::npos) {
      at_ = source_.size();
      emit(TokenKind::kEnd, at_);
      done_ = true;
      return;
    }
    at_ = open;
    lex_delimiter(trims);
  }

  void lex_delimiter(bool trims) {
    const size_t from = at_;
    at_ += 2;
    const size_t marker = trims ? 2 : 0;
    if (rest().substr(marker).starts_with("/*")) {
      at_ += marker;
      return lex_comment();
    }
    emit(TokenKind::kLeftDelimiter, from);
    at_ += marker;
    parentheses_ = 0;
    while (!done_) {
      if (lex_right_delimiter()) return;
      if (end()) return fail("unclosed action", at_);
      lex_inside();
    }
  }

  void lex_comment() {
    const size_t close = source_.find("*/", at_);
    if (close == std::string_view::npos) return fail("unclosed comment", at_);
    at_ = close + 2;
    const bool trims = at_trim_end();
    if (!trims && !rest().starts_with("}}")) {
      return fail("comment ends before closing delimiter", at_);
    }
    at_ += trims ? 4 : 2;
    if (trims) skip_space();
  }

  bool at_trim_end() const {
    return !end() && is_space(peek()) && rest().substr(1).starts_with("-}}");
  }
  void skip_space() {
    while (!end() && is_space(peek())) ++at_;
  }

  bool lex_right_delimiter() {
    const bool trims = at_trim_end();
    if (!trims && !rest().starts_with("}}")) return false;
    if (parentheses_ > 0) {
      fail("unclosed left paren", at_);
      return true;
    }
    if (trims) at_ += 2;
    const size_t from = at_;
    at_ += 2;
    emit(TokenKind::kRightDelimiter, from);
    if (trims) skip_space();
    return true;
  }

  void lex_inside() {
    const size_t from = at_;
    const char c = peek();
    if (is_space(c)) {
      while (!end() && is_space(peek()) && !at_trim_end()) ++at_;
      if (at_ > from) emit(TokenKind::kSpace, from);
      return;
    }
    switch (c) {
      case '=': return take(1, TokenKind::kAssign);
      case ':':
        if (peek(1) != '=') return fail("expected :=", at_);
        return take(2, TokenKind::kDeclare);
      case '|': return take(1, TokenKind::kPipe);
      case '"': return lex_quoted('"', TokenKind::kString, "unterminated quoted string");
      case '\'':
        return lex_quoted('\'', TokenKind::kCharConstant, "unterminated character constant");
      case '`': return lex_raw();
      case '$': return lex_name(TokenKind::kVariable);
      case '(': ++parentheses_; return take(1, TokenKind::kLeftParenthesis);
      case ')':
        if (--parentheses_ < 0) return fail("unexpected right paren", at_);
        return take(1, TokenKind::kRightParenthesis);
      default: break;
    }
    if (c == '.' && !is_digit(peek(1))) return lex_name(TokenKind::kField);
    if (c == '+' || c == '-' || c == '.' || is_digit(c)) return lex_number();
    if (is_word(c)) return lex_identifier();
    if (c >= ' ' && c < 0x7F) return take(1, TokenKind::kChar);
    const Rune rune = first_rune(rest());
    char code[16];
    std::snprintf(code, sizeof(code), "U+%04X", static_cast<unsigned>(rune.code));
    fail("unrecognized character in action: " + std::string(code), at_);
  }

  void take(size_t size, TokenKind kind) {
    const size_t from = at_;
    at_ += size;
    emit(kind, from);
  }

  void lex_quoted(char mark, TokenKind kind, const char* unterminated) {
    const size_t from = at_++;
    while (!end() && peek() != mark) {
      if (peek() == '\n') return fail(unterminated, from);
      at_ += peek() == '\\' && peek(1) != '\n' ? 2 : 1;
    }
    if (end()) {
      at_ = source_.size();
      return fail(unterminated, from);
    }
    ++at_;
    emit(kind, from);
  }

  void lex_raw() {
    const size_t close = source_.find('`', at_ + 1);
    if (close == std::string_view::npos) return fail("unterminated raw quoted string", at_);
    take(close + 1 - at_, TokenKind::kRawString);
  }

  bool at_terminator() const {
    if (end() || is_space(peek())) return true;
    return std::string_view(".,|:()").find(peek()) != std::string_view::npos ||
           rest().starts_with("}}");
  }

  void lex_name(TokenKind kind) {
    const size_t from = at_++;
    if (at_terminator()) return emit(kind == TokenKind::kField ? TokenKind::kDot : kind, from);
    while (!end() && is_word(peek())) ++at_;
    if (!at_terminator()) return fail_at_character();
    emit(kind, from);
  }

  void lex_identifier() {
    const size_t from = at_;
    while (!end() && is_word(peek())) ++at_;
    if (!at_terminator()) return fail_at_character();
    const std::string_view word = source_.substr(from, at_ - from);
    if (std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end()) {
      return emit(TokenKind::kKeyword, from);
    }
    emit(word == "true" || word == "false" ? TokenKind::kBool : TokenKind::kIdentifier, from);
  }

  void take_run(std::string_view of) {
    while (!end() && of.find(peek()) != std::string_view::npos) ++at_;
  }

  void lex_number() {
    const size_t from = at_;
    bool good = scan_number();
    // "1+2i" is a number of Go's, but of no use here.
    if (good && (peek() == '+' || peek() == '-')) {
      (void)scan_number();
      good = false;
    }
    if (!good) return fail("bad number syntax: " + quote(source_.substr(from, at_ - from)), from);
    emit(TokenKind::kNumber, from);
  }

  bool scan_number() {
    constexpr std::string_view kDecimal = "0123456789_";
    if (peek() == '+' || peek() == '-') ++at_;
    std::string_view digits = kDecimal;
    if (peek() == '0') {
      ++at_;
      const char base = ascii_lower(peek());
      if (base == 'x') digits = "0123456789abcdefABCDEF_";
      if (base == 'o') digits = "01234567_";
      if (base == 'b') digits = "01_";
      if (digits != kDecimal) ++at_;
    }
    take_run(digits);
    if (peek() == '.') {
      ++at_;
      take_run(digits);
    }
    const std::string_view exponent = digits.size() > kDecimal.size() ? "pP"
                                      : digits == kDecimal            ? "eE"
                                                                      : "";
    if (!end() && exponent.find(peek()) != std::string_view::npos) {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      take_run(kDecimal);
    }
    if (end() || !is_word(peek())) return true;
    ++at_;
    return false;
  }

  std::string_view source_;
  size_t at_ = 0;
  int parentheses_ = 0;
  bool done_ = false;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex(std::string_view source) { return Lexer(source).run(); }

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd: return "EOF";
    case TokenKind::kError: return token.error;
    case TokenKind::kDot:
    case TokenKind::kKeyword: return "<" + std::string(token.text) + ">";
    default: break;
  }
  if (token.text.size() <= 10) return quote(token.text);
  // The precision of %.10q counts runes.
  size_t size = 0;
  for (int i = 0; i < 10 && size < token.text.size(); ++i) {
    size += first_rune(token.text.substr(size)).size;
  }
  return quote(token.text.substr(0, size)) + "...";
}

}  // namespace gatehouse::gotemplate
