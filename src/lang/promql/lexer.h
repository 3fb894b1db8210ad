// Text to tokens, one at a time. What a character means depends on where it
// stands: inside braces keywords are names, inside brackets there are durations and
// arithmetic alone. The words of errors are Prometheus's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lang/promql/ast.h"

namespace gatehouse::promql {

enum class TokenKind : uint8_t {
  kEnd,
  kError,  // Lexer::error() says which
  kIdentifier,
  kMetricIdentifier,  // with a colon in it
  kNumber,
  kDuration,
  kString,
  // Marks.
  kLeftParen,
  kRightParen,
  kLeftBrace,
  kRightBrace,
  kLeftBracket,
  kRightBracket,
  kComma,
  kColon,
  kAssign,
  // Operators.
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kEqual,
  kNotEqual,
  kGreater,
  kLess,
  kGreaterEqual,
  kLessEqual,
  kTrimUpper,
  kTrimLower,
  kRegexEqual,
  kRegexNotEqual,
  kAt,
  kAnd,
  kOr,
  kUnless,
  kAtan2,
  // Aggregators, in the order of AggregateOp.
  kSum,
  kAvg,
  kCount,
  kMin,
  kMax,
  kGroup,
  kStddev,
  kStdvar,
  kTopk,
  kBottomk,
  kCountValues,
  kQuantile,
  kLimitk,
  kLimitRatio,
  // Keywords.
  kOffset,
  kSmoothed,
  kAnchored,
  kBy,
  kWithout,
  kOn,
  kIgnoring,
  kGroupLeft,
  kGroupRight,
  kFill,
  kFillLeft,
  kFillRight,
  kBool,
  // Words that a duration or an @ may have, and functions.
  kStart,
  kEndOfRange,
  kStep,
  kRange,
  kMinOf,
  kMaxOf,
};

inline bool is_operator(TokenKind kind) {
  return kind >= TokenKind::kAdd && kind <= TokenKind::kAtan2;
}
inline bool is_aggregator(TokenKind kind) {
  return kind >= TokenKind::kSum && kind <= TokenKind::kLimitRatio;
}
inline bool is_keyword(TokenKind kind) {
  return kind >= TokenKind::kOffset && kind <= TokenKind::kBool;
}
// A word that has a meaning in some places and is a name in others.
inline bool is_word(TokenKind kind) { return kind >= TokenKind::kAnd; }

// Words that a metric may be called. The others always mean what they say.
bool may_name_metric(TokenKind kind);

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;
  Position position;
};

// The token as error messages name it: `identifier "foo"`, `<op:+>`, `end of input`.
std::string describe(const Token& token);

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  // After the end, or an error, the same again and again.
  Token next();
  const std::string& error() const { return error_; }
  // Whether what follows, spaces and comments left out, begins with `mark`.
  bool followed_by(char mark) const { return next_mark(at_) == mark; }

 private:
  Token token(TokenKind kind) const;
  Token fail(std::string message);
  // Points behind the mark that is wrong, as Prometheus does for some.
  Token fail_behind(std::string message);
  void skip_blanks();
  char next_mark(size_t at) const;
  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  uint32_t peek_character() const;
  Token lex_outside();
  Token lex_inside_braces();
  Token lex_inside_brackets();
  Token end();
  Token mark(size_t length, TokenKind kind);
  Token number_or_duration();
  bool scan_number();
  bool scan_units();
  Token string(char delimiter);
  Token raw_string();
  bool scan_escape(char delimiter, Token& failed);
  Token word();
  Token word_in_brackets();

  std::string_view text_;
  std::string error_;
  size_t at_ = 0;
  size_t start_ = 0;  // of the token in the making
  int parens_ = 0;
  bool in_braces_ = false;
  bool in_brackets_ = false;
  bool got_colon_ = false;
  bool got_duration_ = false;  // since the bracket opened
  bool failed_ = false;
};

}  // namespace gatehouse::promql
