// The tokens of a template's text, between "{{" and "}}" and around them, by the grammar of
// pkg.go.dev/text/template: white space is a token, as a space parts arguments.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::gotemplate {

enum class TokenKind : uint8_t {
  kError,  // text: what is wrong; the last token
  kEnd,    // of the text; the last token
  kText,
  kLeftDelimiter,
  kRightDelimiter,
  kSpace,
  kLeftParenthesis,
  kRightParenthesis,
  kPipe,
  kAssign,   // =
  kDeclare,  // :=
  kChar,     // any other ASCII character, as ','
  kBool,
  kNumber,
  kCharConstant,
  kString,
  kRawString,
  kIdentifier,
  kField,     // .name
  kVariable,  // $name
  kDot,
  kKeyword,  // block, break, continue, define, else, end, if, nil, range, template, with
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;  // of what was lexed, but for kError
  size_t position = 0;
  std::string error;  // of kError
};

// Never empty; ends with kEnd or kError. The tokens point into `source`.
std::vector<Token> lex(std::string_view source);

// As messages name a token: <if>, "foo", EOF.
std::string describe(const Token& token);

}  // namespace gatehouse::gotemplate
