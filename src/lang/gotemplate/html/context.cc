#include "lang/gotemplate/html/context.h"

#include <array>
#include <string_view>

#include "lang/gotemplate/html/transition.h"

namespace gatehouse::gotemplate::html {
namespace {

constexpr std::array<std::string_view, 31> kStates = {
    "stateText",      "stateTag",        "stateAttrName",     "stateAfterName",
    "stateBeforeValue", "stateHTMLCmt",  "stateRCDATA",       "stateAttr",
    "stateURL",       "stateSrcset",     "stateMetaContent",  "stateMetaContentURL",
    "stateJS",        "stateJSDqStr",    "stateJSSqStr",      "stateJSTmplLit",
    "stateJSRegexp",  "stateJSBlockCmt", "stateJSLineCmt",    "stateJSHTMLOpenCmt",
    "stateJSHTMLCloseCmt", "stateCSS",   "stateCSSDqStr",     "stateCSSSqStr",
    "stateCSSDqURL",  "stateCSSSqURL",   "stateCSSURL",       "stateCSSBlockCmt",
    "stateCSSLineCmt", "stateError",     "stateDead"};
constexpr std::array<std::string_view, 4> kDelimiters = {"delimNone", "delimDoubleQuote",
                                                         "delimSingleQuote", "delimSpaceOrTagEnd"};
constexpr std::array<std::string_view, 4> kUrlParts = {"urlPartNone", "urlPartPreQuery",
                                                       "urlPartQueryOrFrag", "urlPartUnknown"};
constexpr std::array<std::string_view, 3> kSlashes = {"jsCtxRegexp", "jsCtxDivOp",
                                                      "jsCtxUnknown"};
constexpr std::array<std::string_view, 7> kAttributes = {
    "attrNone", "attrScript", "attrScriptType", "attrStyle", "attrURL", "attrSrcset",
    "attrMetaContent"};
constexpr std::array<std::string_view, 6> kElements = {
    "elementNone", "elementScript", "elementStyle", "elementTextarea", "elementTitle",
    "elementMeta"};

template <typename Names, typename Enum>
std::string_view name_of(const Names& names, Enum value) {
  return names[static_cast<size_t>(value)];
}

}  // namespace

Context failed(std::string error) {
  Context context;
  context.state = State::kError;
  context.error = std::move(error);
  return context;
}

std::string to_text(const Context& context) {
  std::string out = "{";
  out.append(name_of(kStates, context.state)).append(" ");
  out.append(name_of(kDelimiters, context.delimiter)).append(" ");
  out.append(name_of(kUrlParts, context.url_part)).append(" ");
  out.append(name_of(kSlashes, context.js_slash)).append(" [");
  for (size_t i = 0; i < context.js_braces.size(); ++i) {
    if (i > 0) out += ' ';
    out += std::to_string(context.js_braces[i]);
  }
  out.append("] ").append(name_of(kAttributes, context.attribute)).append(" ");
  out.append(name_of(kElements, context.element)).append(" ");
  return out + (context.error.empty() ? "<nil>" : context.error) + "}";
}

bool is_comment(State state) {
  switch (state) {
    case State::kHtmlCmt:
    case State::kJsBlockCmt:
    case State::kJsLineCmt:
    case State::kJsHtmlOpenCmt:
    case State::kJsHtmlCloseCmt:
    case State::kCssBlockCmt:
    case State::kCssLineCmt: return true;
    default: return false;
  }
}

bool is_script_literal(State state) {
  return state == State::kJsDqStr || state == State::kJsSqStr || state == State::kJsTmplLit ||
         state == State::kJsRegexp;
}

Context nudged(Context context) {
  switch (context.state) {
    case State::kTag: context.state = State::kAttrName; break;
    case State::kBeforeValue:
      context.state = value_state(context.attribute);
      context.delimiter = Delimiter::kSpaceOrTagEnd;
      context.attribute = Attribute::kNone;
      break;
    case State::kAfterName:
      context.state = State::kAttrName;
      context.attribute = Attribute::kNone;
      break;
    default: break;
  }
  return context;
}

Context joined(const Context& a, const Context& b, const std::string& statement) {
  if (a.state == State::kError || b.state == State::kDead) return a;
  if (b.state == State::kError || a.state == State::kDead) return b;
  if (a == b) return a;
  Context joint = a;
  joint.url_part = b.url_part;
  if (joint == b) {
    joint.url_part = UrlPart::kUnknown;
    return joint;
  }
  joint = a;
  joint.js_slash = b.js_slash;
  if (joint == b) {
    joint.js_slash = JsSlash::kUnknown;
    return joint;
  }
  // <p title={{if .C}}{{.}}{{end}} ends in a value without quotes either way.
  const Context next_a = nudged(a);
  const Context next_b = nudged(b);
  if (!(next_a == a && next_b == b)) {
    Context nudge = joined(next_a, next_b, statement);
    if (nudge.state != State::kError) return nudge;
  }
  return failed("{{" + statement + "}} branches end in different contexts: " + to_text(a) + ", " +
                to_text(b));
}

}  // namespace gatehouse::gotemplate::html
