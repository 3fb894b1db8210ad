#include "lang/promql/lexer.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/text.h"
#include "lang/promql/literal.h"

namespace gatehouse::promql {
namespace {

struct Word {
  std::string_view name;
  TokenKind kind;
};
// Sorted by name. The case of a word does not matter.
constexpr auto kWords = std::to_array<Word>({
    {"anchored", TokenKind::kAnchored},
    {"and", TokenKind::kAnd},
    {"atan2", TokenKind::kAtan2},
    {"avg", TokenKind::kAvg},
    {"bool", TokenKind::kBool},
    {"bottomk", TokenKind::kBottomk},
    {"by", TokenKind::kBy},
    {"count", TokenKind::kCount},
    {"count_values", TokenKind::kCountValues},
    {"end", TokenKind::kEndOfRange},
    {"fill", TokenKind::kFill},
    {"fill_left", TokenKind::kFillLeft},
    {"fill_right", TokenKind::kFillRight},
    {"group", TokenKind::kGroup},
    {"group_left", TokenKind::kGroupLeft},
    {"group_right", TokenKind::kGroupRight},
    {"ignoring", TokenKind::kIgnoring},
    {"inf", TokenKind::kNumber},
    {"limit_ratio", TokenKind::kLimitRatio},
    {"limitk", TokenKind::kLimitk},
    {"max", TokenKind::kMax},
    {"max_of", TokenKind::kMaxOf},
    {"min", TokenKind::kMin},
    {"min_of", TokenKind::kMinOf},
    {"nan", TokenKind::kNumber},
    {"offset", TokenKind::kOffset},
    {"on", TokenKind::kOn},
    {"or", TokenKind::kOr},
    {"quantile", TokenKind::kQuantile},
    {"range", TokenKind::kRange},
    {"smoothed", TokenKind::kSmoothed},
    {"start", TokenKind::kStart},
    {"stddev", TokenKind::kStddev},
    {"stdvar", TokenKind::kStdvar},
    {"step", TokenKind::kStep},
    {"sum", TokenKind::kSum},
    {"topk", TokenKind::kTopk},
    {"unless", TokenKind::kUnless},
    {"without", TokenKind::kWithout},
});
static_assert(std::ranges::is_sorted(kWords, {}, &Word::name));
constexpr size_t kWordLengthMax = 12;

TokenKind kind_of_word(std::string_view text, TokenKind otherwise) {
  if (text.size() > kWordLengthMax) return otherwise;
  std::array<char, kWordLengthMax> lower;
  std::ranges::transform(text, lower.begin(), ascii_lower);
  const std::string_view name(lower.data(), text.size());
  const auto* found = std::ranges::lower_bound(kWords, name, {}, &Word::name);
  return found != kWords.end() && found->name == name ? found->kind : otherwise;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

constexpr uint32_t kNoCharacter = 0xFFFD;

}  // namespace

std::string describe(const Token& token) {
  const auto quoted = [&token] {
    // Longer texts are cut after ten characters.
    if (token.text.size() <= 10) return quote(token.text);
    size_t at = 0;
    size_t size = 0;
    for (int i = 0; i < 10 && at < token.text.size(); ++i, at += size) {
      decode_utf8(token.text, at, size);
    }
    return quote(token.text.substr(0, at)) + "...";
  };
  const std::string text(token.text);
  switch (token.kind) {
    case TokenKind::kEnd: return "end of input";
    case TokenKind::kError: return "error";
    case TokenKind::kIdentifier: return "identifier " + quote(text);
    case TokenKind::kMetricIdentifier: return "metric identifier " + quote(text);
    case TokenKind::kNumber: return "number " + quoted();
    case TokenKind::kDuration: return "duration " + quoted();
    case TokenKind::kString: return "string " + quoted();
    default: break;
  }
  if (is_keyword(token.kind)) return "<" + text + ">";
  if (is_operator(token.kind)) return "<op:" + text + ">";
  if (is_aggregator(token.kind)) return "<aggr:" + text + ">";
  return quoted();
}

bool may_name_metric(TokenKind kind) {
  switch (kind) {
    case TokenKind::kIdentifier:
    case TokenKind::kMetricIdentifier: return true;
    case TokenKind::kAtan2:
    case TokenKind::kBool:
    case TokenKind::kOn:
    case TokenKind::kIgnoring:
    case TokenKind::kGroupLeft:
    case TokenKind::kGroupRight: return false;
    default: return is_word(kind);
  }
}

Token Lexer::token(TokenKind kind) const {
  return {kind,
          text_.substr(start_, at_ - start_),
          {static_cast<uint32_t>(start_), static_cast<uint32_t>(at_)}};
}

Token Lexer::fail(std::string message) {
  failed_ = true;
  error_ = std::move(message);
  return {
      TokenKind::kError, {}, {static_cast<uint32_t>(start_), static_cast<uint32_t>(text_.size())}};
}

Token Lexer::fail_behind(std::string message) {
  start_ = ++at_;
  return fail(std::move(message));
}

Token Lexer::mark(size_t length, TokenKind kind) {
  at_ += length;
  return token(kind);
}

uint32_t Lexer::peek_character() const {
  size_t size = 0;
  return decode_utf8(text_, at_, size);
}

void Lexer::skip_blanks() {
  for (; at_ < text_.size(); ++at_) {
    if (text_[at_] == '#') {
      while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
      if (at_ == text_.size()) return;
    } else if (!is_space(text_[at_])) {
      return;
    }
  }
}

char Lexer::next_mark(size_t at) const {
  while (at < text_.size()) {
    if (text_[at] == '#') {
      while (at < text_.size() && text_[at] != '\n' && text_[at] != '\r') ++at;
    } else if (is_space(text_[at])) {
      ++at;
    } else {
      return text_[at];
    }
  }
  return '\0';
}

Token Lexer::next() {
  if (failed_)
    return {TokenKind::kError,
            {},
            {static_cast<uint32_t>(start_), static_cast<uint32_t>(text_.size())}};
  skip_blanks();
  start_ = at_;
  if (in_braces_) return lex_inside_braces();
  return in_brackets_ ? lex_inside_brackets() : lex_outside();
}

Token Lexer::end() {
  if (in_braces_) return fail("unexpected end of input inside braces");
  if (in_brackets_ && !got_duration_) {
    return fail("unexpected end of input in duration expression");
  }
  if (parens_ != 0) return fail("unclosed left parenthesis");
  if (in_brackets_) return fail("unclosed left bracket");
  return token(TokenKind::kEnd);
}

Token Lexer::lex_outside() {
  if (at_ == text_.size()) return end();
  const char c = text_[at_];
  const char after = peek(1);
  switch (c) {
    case ',': return mark(1, TokenKind::kComma);
    case '*': return mark(1, TokenKind::kMul);
    case '/': return mark(1, TokenKind::kDiv);
    case '%': return mark(1, TokenKind::kMod);
    case '+': return mark(1, TokenKind::kAdd);
    case '-': return mark(1, TokenKind::kSub);
    case '^': return mark(1, TokenKind::kPow);
    case '@': return mark(1, TokenKind::kAt);
    case '=':
      if (after == '=') return mark(2, TokenKind::kEqual);
      if (after == '~') return fail("unexpected character after '=': '~'");
      return mark(1, TokenKind::kAssign);
    case '!':
      if (after == '=') return mark(2, TokenKind::kNotEqual);
      ++at_;
      return fail("unexpected character after '!': " + quote_character(peek_character()));
    case '<':
      if (after == '=') return mark(2, TokenKind::kLessEqual);
      return after == '/' ? mark(2, TokenKind::kTrimUpper) : mark(1, TokenKind::kLess);
    case '>':
      if (after == '=') return mark(2, TokenKind::kGreaterEqual);
      return after == '/' ? mark(2, TokenKind::kTrimLower) : mark(1, TokenKind::kGreater);
    case '"':
    case '\'': return string(c);
    case '`': return raw_string();
    case '(': ++parens_; return mark(1, TokenKind::kLeftParen);
    case ')':
      if (--parens_ < 0) return fail_behind("unexpected right parenthesis ')'");
      return mark(1, TokenKind::kRightParen);
    case '{': in_braces_ = true; return mark(1, TokenKind::kLeftBrace);
    case '[':
      in_brackets_ = true;
      got_colon_ = got_duration_ = false;
      return mark(1, TokenKind::kLeftBracket);
    case ']': return fail("unexpected right bracket ']'");
    default: break;
  }
  if (is_ascii_digit(c) || (c == '.' && is_ascii_digit(after))) return number_or_duration();
  if (is_word_start(c) || c == ':') return word();
  return fail("unexpected character: " + quote_character(peek_character()));
}

Token Lexer::lex_inside_braces() {
  if (at_ == text_.size()) return end();
  const char c = text_[at_];
  const char after = peek(1);
  if (is_word_start(c)) {
    while (at_ < text_.size() && is_word_character(text_[at_])) ++at_;
    return token(TokenKind::kIdentifier);
  }
  switch (c) {
    case ',': return mark(1, TokenKind::kComma);
    case '"':
    case '\'': return string(c);
    case '`': return raw_string();
    case '=': return after == '~' ? mark(2, TokenKind::kRegexEqual) : mark(1, TokenKind::kAssign);
    case '!':
      if (after == '~') return mark(2, TokenKind::kRegexNotEqual);
      if (after == '=') return mark(2, TokenKind::kNotEqual);
      ++at_;
      return fail("unexpected character after '!' inside braces: " +
                  quote_character(peek_character()));
    case '{': return fail("unexpected left brace '{'");
    case '}': in_braces_ = false; return mark(1, TokenKind::kRightBrace);
    default:
      return fail("unexpected character inside braces: " + quote_character(peek_character()));
  }
}

Token Lexer::lex_inside_brackets() {
  if (at_ == text_.size()) return end();
  const char c = text_[at_];
  switch (c) {
    case ']': in_brackets_ = false; return mark(1, TokenKind::kRightBracket);
    case ':':
      if (!got_duration_) {
        return fail_behind("unexpected colon before duration in duration expression");
      }
      if (got_colon_) return fail("unexpected colon ':'");
      got_colon_ = true;
      return mark(1, TokenKind::kColon);
    case '(': ++parens_; return mark(1, TokenKind::kLeftParen);
    case ')':
      if (--parens_ < 0) return fail_behind("unexpected right parenthesis ')'");
      return mark(1, TokenKind::kRightParen);
    case ',': return mark(1, TokenKind::kComma);
    case '+': return mark(1, TokenKind::kAdd);
    case '-': return mark(1, TokenKind::kSub);
    case '*': return mark(1, TokenKind::kMul);
    case '/': return mark(1, TokenKind::kDiv);
    case '%': return mark(1, TokenKind::kMod);
    case '^': return mark(1, TokenKind::kPow);
    case '[': return fail("unexpected left bracket '['");
    case '"':
    case '\'': return string(c);
    case '`': return raw_string();
    default: break;
  }
  if (is_ascii_digit(c) || (c == '.' && is_ascii_digit(peek(1)))) {
    got_duration_ = true;
    return number_or_duration();
  }
  return word_in_brackets();
}

Token Lexer::word_in_brackets() {
  const uint32_t first = peek_character();
  while (at_ < text_.size() && is_word_character(text_[at_])) ++at_;
  const TokenKind kind = kind_of_word(text_.substr(start_, at_ - start_), TokenKind::kError);
  switch (kind) {
    case TokenKind::kStep:
    case TokenKind::kRange:
    case TokenKind::kMinOf:
    case TokenKind::kMaxOf:
    case TokenKind::kMin:
    case TokenKind::kMax: got_duration_ = true; return token(kind);
    default: break;
  }
  return fail(got_duration_
                  ? "unexpected character: " + quote_character(first) + ", expected ':'"
                  : "unexpected character in duration expression: " + quote_character(first));
}

Token Lexer::word() {
  bool colon = false;
  for (; at_ < text_.size() && (is_word_character(text_[at_]) || text_[at_] == ':'); ++at_) {
    colon |= text_[at_] == ':';
  }
  const std::string_view text = text_.substr(start_, at_ - start_);
  const TokenKind name = colon ? TokenKind::kMetricIdentifier : TokenKind::kIdentifier;
  const TokenKind kind = kind_of_word(text, name);
  // Young keywords, which metrics may be called already: only where a "(" follows.
  const bool fill =
      kind == TokenKind::kFill || kind == TokenKind::kFillLeft || kind == TokenKind::kFillRight;
  return token(fill && !followed_by('(') ? name : kind);
}

Token Lexer::number_or_duration() {
  if (scan_number()) return token(TokenKind::kNumber);
  if (scan_units()) return token(TokenKind::kDuration);
  return fail("bad number or duration syntax: " + quote(text_.substr(start_, at_ - start_)));
}

// A number up to its last digit, point, exponent or underscore; false where it is
// malformed, or a letter follows: it may still be a duration.
bool Lexer::scan_number() {
  const bool hex = peek() == '0' && (peek(1) == 'x' || peek(1) == 'X');
  if (hex) at_ += peek(2) == '_' ? 3 : 2;
  bool point = false;
  bool exponent = false;
  for (;;) {
    const char c = peek();
    const char after = peek(1);
    if (hex ? is_ascii_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f')
            : is_ascii_digit(c)) {
      ++at_;
    } else if (c == '.') {
      ++at_;
      if (point || hex || after == '_' || after == '.') return false;
      point = true;
    } else if (!hex && (c == 'e' || c == 'E')) {
      ++at_;
      if (exponent) return false;
      exponent = true;
      if (peek() == '+' || peek() == '-') ++at_;
      if (at_ == text_.size() || std::string_view("._eE").find(peek()) != std::string_view::npos) {
        return false;
      }
    } else if (c == '_') {
      ++at_;
      if (after == '.' || after == '_' || after == 'e' || after == 'E' || at_ == text_.size()) {
        return false;
      }
    } else {
      return at_ > start_ && !is_word_character(c);
    }
  }
}

// The units that follow the first number of a duration: "m", "h30m".
bool Lexer::scan_units() {
  constexpr std::string_view kUnitMarks = "smhdwy";
  for (;;) {
    if (peek() == '\0' || kUnitMarks.find(peek()) == std::string_view::npos) return false;
    ++at_;
    if (peek() == 's') ++at_;
    if (!is_ascii_digit(peek())) {
      if (!is_word_character(peek())) return true;
      ++at_;  // shown in the error
      return false;
    }
    while (is_ascii_digit(peek())) ++at_;
  }
}

Token Lexer::string(char delimiter) {
  ++at_;
  Token failed;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '\n') break;
    if (c == delimiter) return mark(1, TokenKind::kString);
    if (c == '\\') {
      if (!scan_escape(delimiter, failed)) return failed;
      continue;
    }
    size_t size = 0;
    if (decode_utf8(text_, at_, size) == kNoCharacter) return fail("invalid UTF-8 rune");
    at_ += size;
  }
  return fail("unterminated quoted string");
}

bool Lexer::scan_escape(char delimiter, Token& failed) {
  ++at_;
  const auto shown = [this] {
    size_t size = 0;
    const uint32_t character = decode_utf8(text_, at_, size);
    std::array<char, 16> code;
    std::snprintf(code.data(), code.size(), "U+%04X", static_cast<unsigned>(character));
    return std::string(code.data()) + " " + quote_character(character);
  };
  const char c = peek();
  if (at_ == text_.size()) {
    failed = fail("escape sequence not terminated");
    return false;
  }
  constexpr std::string_view kSimple = "abfnrtv\\";
  if (c == delimiter || kSimple.find(c) != std::string_view::npos) {
    ++at_;
    return true;
  }
  const bool octal = c >= '0' && c <= '7';
  const int digits = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (digits == 0) {
    failed = fail("unknown escape sequence " + shown());
    return false;
  }
  if (!octal) ++at_;
  uint32_t value = 0;
  for (int i = 0; i < digits; ++i, ++at_) {
    const char digit = ascii_lower(peek());
    const bool hex_letter = digit >= 'a' && digit <= 'f';
    if (at_ == text_.size()) {
      failed = fail("escape sequence not terminated");
      return false;
    }
    if (octal ? digit < '0' || digit > '7' : !is_ascii_digit(digit) && !hex_letter) {
      failed = fail("illegal character " + shown() + " in escape sequence");
      return false;
    }
    const int worth = hex_letter ? digit - 'a' + 10 : digit - '0';
    value = value * (octal ? 8U : 16U) + static_cast<uint32_t>(worth);
  }
  if (value > (digits < 4 ? 0xFFU : 0x10FFFFU) || (value >= 0xD800 && value < 0xE000)) {
    failed = fail("escape sequence is an invalid Unicode code point");
    return false;
  }
  return true;
}

Token Lexer::raw_string() {
  ++at_;
  while (at_ < text_.size()) {
    if (text_[at_] == '`') return mark(1, TokenKind::kString);
    size_t size = 0;
    if (decode_utf8(text_, at_, size) == kNoCharacter) return fail("invalid UTF-8 rune");
    at_ += size;
  }
  return fail("unterminated raw string");
}

}  // namespace gatehouse::promql
