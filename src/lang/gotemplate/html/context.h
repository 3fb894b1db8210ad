// The place that a template has come to in the HTML it writes: what an action printed there
// means to a browser, and so how it must be escaped. After pkg.go.dev/html/template, whose
// names the values have in messages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gatehouse::gotemplate::html {

enum class State : uint8_t {
  kText,
  kTag,          // within <...>, before an attribute or the end
  kAttrName,
  kAfterName,    // before "="
  kBeforeValue,  // behind "="
  kHtmlCmt,
  kRcdata,       // <textarea>, <title>
  kAttr,         // the value of a plain attribute
  kUrl,
  kSrcset,
  kMetaContent,
  kMetaContentUrl,
  kJs,
  kJsDqStr,
  kJsSqStr,
  kJsTmplLit,
  kJsRegexp,
  kJsBlockCmt,
  kJsLineCmt,
  kJsHtmlOpenCmt,
  kJsHtmlCloseCmt,
  kCss,
  kCssDqStr,
  kCssSqStr,
  kCssDqUrl,
  kCssSqUrl,
  kCssUrl,
  kCssBlockCmt,
  kCssLineCmt,
  kError,  // `error` says what
  kDead,   // behind {{break}} or {{continue}}
};

enum class Delimiter : uint8_t { kNone, kDoubleQuote, kSingleQuote, kSpaceOrTagEnd };
enum class UrlPart : uint8_t { kNone, kPreQuery, kQueryOrFrag, kUnknown };
// What a "/" in JavaScript would begin.
enum class JsSlash : uint8_t { kRegexp, kDivOp, kUnknown };
enum class Attribute : uint8_t {
  kNone, kScript, kScriptType, kStyle, kUrl, kSrcset, kMetaContent
};
enum class Element : uint8_t { kNone, kScript, kStyle, kTextarea, kTitle, kMeta };

struct Context {
  State state = State::kText;
  Delimiter delimiter = Delimiter::kNone;
  UrlPart url_part = UrlPart::kNone;
  JsSlash js_slash = JsSlash::kRegexp;
  std::vector<int> js_braces;  // open braces in each ${ of JavaScript's template literals
  Attribute attribute = Attribute::kNone;
  Element element = Element::kNone;
  std::string error;

  bool operator==(const Context&) const = default;
};

Context failed(std::string error);
// "{stateURL delimDoubleQuote urlPartPreQuery}" with all of it, as messages show it.
std::string to_text(const Context& context);

bool is_comment(State state);
// A string, template literal or regular expression of JavaScript.
bool is_script_literal(State state);

// What an action finds: in a tag, a name begins; behind "=", a value without quotes.
Context nudged(Context context);
// The context behind a branch of two ends; an error where they do not agree.
Context joined(const Context& a, const Context& b, const std::string& statement);

}  // namespace gatehouse::gotemplate::html
