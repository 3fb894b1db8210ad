// The tree of one template: statements, which print or decide, and the expressions in them.
// Positions are byte offsets into the text that was parsed, for messages.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lang/gotemplate/value.h"

namespace gatehouse::gotemplate {

struct Expr;
struct Statement;
using ExprPtr = std::unique_ptr<Expr>;
using Body = std::vector<Statement>;

struct Expr {
  enum class Kind : uint8_t {
    kPipe,     // children: commands; names: variables declared or assigned
    kCommand,  // children: words
    kDot,
    kNil,
    kConstant,    // constant: a bool, number or text; source: as it was written
    kField,       // names: .a.b
    kVariable,    // names: $x.a.b
    kChain,       // children[0], then its fields: names
    kIdentifier,  // names[0]: a function
  };
  Kind kind = Kind::kDot;
  bool assigns = false;  // of kPipe: "=" and not ":="
  size_t position = 0;
  std::vector<std::string> names;
  std::vector<ExprPtr> children;
  Value constant;
  std::string source;
};

// What html/template does to what an action prints; see html/escaper.h.
enum class Escaper : uint8_t {
  kHtml,           // text
  kRcdata,         // of <title>, <textarea>
  kHtmlNospace,    // attributes without quotes
  kAttribute,      // attributes in quotes
  kHtmlName,       // names of elements and attributes
  kComment,        // prints nothing
  kJsValue,
  kJsString,
  kJsTemplate,     // within backquotes
  kJsRegexp,
  kCssValue,
  kCssString,
  kUrlFilter,      // schemes that do nothing but fetch
  kUrlNormalize,
  kUrlQuery,
  kSrcset,
  kHtmlFunction,   // the functions "html" and "urlquery", in place of their likes
  kQueryFunction,
};

struct Statement {
  enum class Kind : uint8_t { kText, kAction, kIf, kWith, kRange, kTemplate, kBreak, kContinue };
  Kind kind = Kind::kText;
  size_t position = 0;
  std::string text;  // of kText; of kTemplate: the name
  ExprPtr pipe;      // of kTemplate: may be null
  Body body;
  Body otherwise;
  std::vector<Escaper> escapers;  // of kAction, in the order they are applied
};

// A template as parsed. `source` is shared by all that one text defines.
struct Tree {
  std::string name;
  std::string parse_name;  // of the text it stands in
  std::shared_ptr<const std::string> source;
  Body body;
};

// As Go prints them in messages: ".X | printf "%d"", "{{template "x" .}}".
std::string to_text(const Expr& expr);
std::string to_text(const Statement& statement);

ExprPtr clone(const Expr& expr);
Body clone(const Body& body);
// Whether nothing but white space is in it: such a definition replaces no other.
bool blank(const Body& body);

// "name:line:column" of a position.
std::string location(const Tree& tree, size_t position);

}  // namespace gatehouse::gotemplate
