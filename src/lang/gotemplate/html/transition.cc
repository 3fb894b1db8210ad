#include "lang/gotemplate/html/transition.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "lang/gotemplate/quote.h"

namespace gatehouse::gotemplate::html {
namespace {

constexpr auto kNone = std::string_view::npos;

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_alnum(char c) { return is_alpha(c) || (c >= '0' && c <= '9'); }
bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

size_t skip_space(std::string_view text, size_t at) {
  while (at < text.size() && is_html_space(text[at])) ++at;
  return at;
}

template <size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// "%.32q"
std::string quote_some(std::string_view text) {
  size_t size = 0;
  for (int i = 0; i < 32 && size < text.size(); ++i) size += first_rune(text.substr(size)).size;
  return quote(text.substr(0, size));
}

// --- HTML

Element element_of(std::string_view name) {
  const std::string lower = to_lower(name);
  if (lower == "script") return Element::kScript;
  if (lower == "style") return Element::kStyle;
  if (lower == "textarea") return Element::kTextarea;
  if (lower == "title") return Element::kTitle;
  if (lower == "meta") return Element::kMeta;
  return Element::kNone;
}

// The end of the name of a tag that begins at `at`; letters and digits, with single : and -
// between them.
size_t tag_name_end(std::string_view text, size_t at) {
  if (at >= text.size() || !is_alpha(text[at])) return at;
  size_t end = at + 1;
  while (end < text.size()) {
    if (is_alnum(text[end])) {
      ++end;
    } else if ((text[end] == ':' || text[end] == '-') && end + 1 < text.size() &&
               is_alnum(text[end + 1])) {
      end += 2;
    } else {
      break;
    }
  }
  return end;
}

Step in_text(Context context, std::string_view text) {
  for (size_t at = 0;;) {
    at = text.find('<', at);
    if (at == kNone || at + 1 == text.size()) return {std::move(context), text.size()};
    if (text.substr(at).starts_with("<!--")) {
      Context comment;
      comment.state = State::kHtmlCmt;
      return {std::move(comment), at + 4};
    }
    ++at;
    const bool closes = text[at] == '/';
    if (closes && ++at == text.size()) return {std::move(context), text.size()};
    const size_t end = tag_name_end(text, at);
    if (end == at) continue;
    Context tag;
    tag.state = State::kTag;
    if (!closes) tag.element = element_of(text.substr(at, end - at));
    return {std::move(tag), end};
  }
}

State content_state(Element element) {
  switch (element) {
    case Element::kScript: return State::kJs;
    case Element::kStyle: return State::kCss;
    case Element::kTextarea:
    case Element::kTitle: return State::kRcdata;
    case Element::kNone:
    case Element::kMeta: break;
  }
  return State::kText;
}

// The end of an attribute's name, or kNone and what is wrong.
size_t attribute_name_end(std::string_view text, size_t at, std::string& error) {
  for (size_t end = at; end < text.size(); ++end) {
    const char c = text[end];
    if (is_html_space(c) || c == '=' || c == '>') return end;
    if (c == '\'' || c == '"' || c == '<') {
      error = quote(text.substr(end, 1)) + " in attribute name: " + quote_some(text);
      return kNone;
    }
  }
  return text.size();
}

Attribute attribute_of(Element element, const std::string& name) {
  if (element == Element::kScript && name == "type") return Attribute::kScriptType;
  if (element == Element::kMeta && name == "content") return Attribute::kMetaContent;
  switch (content_of(name)) {
    case Content::kUrl: return Attribute::kUrl;
    case Content::kCss: return Attribute::kStyle;
    case Content::kJs: return Attribute::kScript;
    case Content::kSrcset: return Attribute::kSrcset;
    default: return Attribute::kNone;
  }
}

Step in_tag(Context context, std::string_view text) {
  const size_t at = skip_space(text, 0);
  if (at == text.size()) return {std::move(context), text.size()};
  Context next;
  next.element = context.element;
  if (text[at] == '>') {
    next.state = content_state(context.element);
    return {std::move(next), at + 1};
  }
  std::string error;
  const size_t end = attribute_name_end(text, at, error);
  if (end == kNone) return {failed(std::move(error)), text.size()};
  if (end == at) {
    return {failed("expected space, attr name, or end of tag, but got " + quote(text.substr(at))),
            text.size()};
  }
  next.attribute = attribute_of(context.element, to_lower(text.substr(at, end - at)));
  next.state = end == text.size() ? State::kAttrName : State::kAfterName;
  return {std::move(next), end};
}

Step in_attribute_name(Context context, std::string_view text) {
  std::string error;
  const size_t end = attribute_name_end(text, 0, error);
  if (end == kNone) return {failed(std::move(error)), text.size()};
  if (end != text.size()) context.state = State::kAfterName;
  return {std::move(context), end};
}

Step after_name(Context context, std::string_view text) {
  const size_t at = skip_space(text, 0);
  if (at == text.size()) return {std::move(context), at};
  if (text[at] != '=') {
    context.state = State::kTag;
    return {std::move(context), at};
  }
  context.state = State::kBeforeValue;
  return {std::move(context), at + 1};
}

Step before_value(Context context, std::string_view text) {
  size_t at = skip_space(text, 0);
  if (at == text.size()) return {std::move(context), at};
  context.delimiter = Delimiter::kSpaceOrTagEnd;
  if (text[at] == '\'') context.delimiter = Delimiter::kSingleQuote;
  if (text[at] == '"') context.delimiter = Delimiter::kDoubleQuote;
  if (context.delimiter != Delimiter::kSpaceOrTagEnd) ++at;
  context.state = value_state(context.attribute);
  return {std::move(context), at};
}

// --- URLs

Step in_url(Context context, std::string_view text) {
  if (text.find_first_of("#?") != kNone) {
    context.url_part = UrlPart::kQueryOrFrag;
  } else if (skip_space(text, 0) != text.size() && context.url_part == UrlPart::kNone) {
    context.url_part = UrlPart::kPreQuery;
  }
  return {std::move(context), text.size()};
}

// "5; url=..." of <meta http-equiv="refresh">.
Step in_meta_content(Context context, std::string_view text) {
  const std::string lower = to_lower(text);
  for (size_t at = lower.find("url"); at != kNone; at = lower.find("url", at + 1)) {
    const size_t end = skip_space(lower, at + 3);
    if (end < lower.size() && lower[end] == '=') {
      context.state = State::kMetaContentUrl;
      return {std::move(context), end + 1};
    }
  }
  return {std::move(context), text.size()};
}

Step in_meta_content_url(Context context, std::string_view text) {
  const size_t end = text.find(';');
  if (end == kNone) return in_url(std::move(context), text);
  context.state = State::kMetaContent;
  context.url_part = UrlPart::kNone;
  return {std::move(context), end + 1};
}

// --- JavaScript

constexpr std::array<std::string_view, 14> kBeforeRegexp = {
    "break", "case", "continue", "delete", "do",  "else",   "finally",
    "in",    "instanceof", "return", "throw", "try", "typeof", "void"};

JsSlash slash_after(std::string_view text, JsSlash before) {
  while (!text.empty()) {
    const std::string_view last3 = text.substr(text.size() - std::min<size_t>(3, text.size()));
    if (is_html_space(text.back())) {
      text.remove_suffix(1);
    } else if (last3 == "\xE2\x80\xA8" || last3 == "\xE2\x80\xA9") {
      text.remove_suffix(3);
    } else {
      break;
    }
  }
  if (text.empty()) return before;
  const char last = text.back();
  const size_t size = text.size();
  if (last == '+' || last == '-') {
    size_t start = size - 1;
    while (start > 0 && text[start - 1] == last) --start;
    // x++ / 2, but x + /re/; "---" is "-- -".
    return (size - start) % 2 == 1 ? JsSlash::kRegexp : JsSlash::kDivOp;
  }
  if (last == '.') {
    const bool number = size > 1 && text[size - 2] >= '0' && text[size - 2] <= '9';
    return number ? JsSlash::kDivOp : JsSlash::kRegexp;
  }
  if (std::string_view(",<>=*%&|^?!~([:;{}").find(last) != kNone) return JsSlash::kRegexp;
  size_t word = size;
  while (word > 0 && (is_alnum(text[word - 1]) || text[word - 1] == '_' || text[word - 1] == '$')) {
    --word;
  }
  return contains(kBeforeRegexp, text.substr(word)) ? JsSlash::kRegexp : JsSlash::kDivOp;
}

Step to_state(Context context, State state, size_t size) {
  context.state = state;
  return {std::move(context), size};
}

Step in_js_slash(Context context, std::string_view text, size_t at) {
  const char next = at + 1 < text.size() ? text[at + 1] : '\0';
  if (next == '/') return to_state(std::move(context), State::kJsLineCmt, at + 2);
  if (next == '*') return to_state(std::move(context), State::kJsBlockCmt, at + 2);
  if (context.js_slash == JsSlash::kRegexp) {
    return to_state(std::move(context), State::kJsRegexp, at + 1);
  }
  if (context.js_slash == JsSlash::kUnknown) {
    return {failed("'/' could start a division or regexp: " + quote_some(text.substr(at))),
            text.size()};
  }
  context.js_slash = JsSlash::kRegexp;
  return {std::move(context), at + 1};
}

Step in_js(Context context, std::string_view text) {
  const size_t at = text.find_first_of("\"`'/{}<-#");
  context.js_slash = slash_after(text.substr(0, at), context.js_slash);
  if (at == kNone) return {std::move(context), text.size()};
  const std::string_view rest = text.substr(at);
  const auto literal = [&](State state) {
    context.js_slash = JsSlash::kRegexp;
    return to_state(std::move(context), state, at + 1);
  };
  switch (rest[0]) {
    case '"': return literal(State::kJsDqStr);
    case '\'': return literal(State::kJsSqStr);
    case '`': return literal(State::kJsTmplLit);
    case '/': return in_js_slash(std::move(context), text, at);
    case '<':
      if (rest.starts_with("<!--")) {
        return to_state(std::move(context), State::kJsHtmlOpenCmt, at + 4);
      }
      break;
    case '-':
      if (rest.starts_with("-->")) {
        return to_state(std::move(context), State::kJsHtmlCloseCmt, at + 3);
      }
      break;
    case '#':
      if (rest.starts_with("#!")) return to_state(std::move(context), State::kJsLineCmt, at + 2);
      break;
    case '{':
      if (!context.js_braces.empty()) ++context.js_braces.back();
      break;
    default:  // }
      if (context.js_braces.empty() || --context.js_braces.back() >= 0) break;
      context.js_braces.pop_back();
      return to_state(std::move(context), State::kJsTmplLit, at + 1);
  }
  return {std::move(context), at + 1};
}

Step in_js_template(Context context, std::string_view text) {
  for (size_t at = 0; (at = text.find_first_of("`\\$", at)) != kNone; ++at) {
    if (text[at] == '\\') {
      if (++at == text.size()) {
        return {failed("unfinished escape sequence in JS string: " + quote(text)), text.size()};
      }
    } else if (text[at] == '`') {
      return to_state(std::move(context), State::kJs, at + 1);
    } else if (text.substr(at).starts_with("${")) {
      context.js_braces.push_back(0);
      return to_state(std::move(context), State::kJs, at + 2);
    }
  }
  return {std::move(context), text.size()};
}

Step in_js_literal(Context context, std::string_view text) {
  std::string_view marks = "\\\"";
  if (context.state == State::kJsSqStr) marks = "\\'";
  if (context.state == State::kJsRegexp) marks = "\\/[]";
  bool in_set = false;
  for (size_t at = 0; (at = text.find_first_of(marks, at)) != kNone; ++at) {
    const char c = text[at];
    if (c == '\\') {
      if (++at == text.size()) {
        return {failed("unfinished escape sequence in JS string: " + quote(text)), text.size()};
      }
    } else if (c == '[') {
      in_set = true;
    } else if (c == ']') {
      in_set = false;
    } else if (c == '/' && at > 0 && text.size() - at >= 7 &&
               to_lower(text.substr(at - 1, 8)) == "</script") {
      ++at;  // escaped with the rest of the literal
    } else if (!in_set) {
      context.js_slash = JsSlash::kDivOp;
      return to_state(std::move(context), State::kJs, at + 1);
    }
  }
  if (in_set) return {failed("unfinished JS regexp charset: " + quote(text)), text.size()};
  return {std::move(context), text.size()};
}

Step in_block_comment(Context context, std::string_view text) {
  const size_t end = text.find("*/");
  if (end == kNone) return {std::move(context), text.size()};
  const State after = context.state == State::kJsBlockCmt ? State::kJs : State::kCss;
  return to_state(std::move(context), after, end + 2);
}

Step in_line_comment(Context context, std::string_view text) {
  const bool css = context.state == State::kCssLineCmt;
  size_t end = text.find_first_of(css ? "\n\f\r" : "\n\r");
  if (!css) end = std::min({end, text.find("\xE2\x80\xA8"), text.find("\xE2\x80\xA9")});
  if (end == kNone) return {std::move(context), text.size()};
  // The end of the line is no part of the comment.
  return to_state(std::move(context), css ? State::kCss : State::kJs, end);
}

// --- CSS

bool ends_with_keyword(std::string_view text, std::string_view keyword) {
  if (text.size() < keyword.size()) return false;
  const size_t at = text.size() - keyword.size();
  if (at > 0) {
    const char before = text[at - 1];
    if (is_alnum(before) || before == '-' || before == '_' ||
        static_cast<unsigned char>(before) >= 0x80) {
      return false;
    }
  }
  return to_lower(text.substr(at)) == keyword;
}

Step in_css(Context context, std::string_view text) {
  for (size_t at = 0; (at = text.find_first_of("(\"'/", at)) != kNone; ++at) {
    const char c = text[at];
    if (c == '"') return to_state(std::move(context), State::kCssDqStr, at + 1);
    if (c == '\'') return to_state(std::move(context), State::kCssSqStr, at + 1);
    if (c == '/') {
      const char next = at + 1 < text.size() ? text[at + 1] : '\0';
      if (next == '/') return to_state(std::move(context), State::kCssLineCmt, at + 2);
      if (next == '*') return to_state(std::move(context), State::kCssBlockCmt, at + 2);
      continue;
    }
    size_t before = at;
    while (before > 0 && is_html_space(text[before - 1])) --before;
    if (!ends_with_keyword(text.substr(0, before), "url")) continue;
    const size_t value = skip_space(text, at + 1);
    const char mark = value < text.size() ? text[value] : '\0';
    if (mark == '"') return to_state(std::move(context), State::kCssDqUrl, value + 1);
    if (mark == '\'') return to_state(std::move(context), State::kCssSqUrl, value + 1);
    return to_state(std::move(context), State::kCssUrl, value);
  }
  return {std::move(context), text.size()};
}

Step in_css_string(Context context, std::string_view text) {
  std::string_view marks = "\\\"";
  if (context.state == State::kCssSqStr || context.state == State::kCssSqUrl) marks = "\\'";
  if (context.state == State::kCssUrl) marks = "\\\t\n\f\r )";
  size_t from = 0;
  while (true) {
    size_t at = text.find_first_of(marks, from);
    if (at == kNone) {
      context = in_url(std::move(context), decode_css(text.substr(from))).context;
      return {std::move(context), text.size()};
    }
    if (text[at] != '\\') {
      context.url_part = UrlPart::kNone;
      return to_state(std::move(context), State::kCss, at + 1);
    }
    if (++at == text.size()) {
      return {failed("unfinished escape sequence in CSS string: " + quote(text)), text.size()};
    }
    context = in_url(std::move(context), decode_css(text.substr(0, at + 1))).context;
    from = at + 1;
  }
}

Step in_state(const Context& context, std::string_view text) {
  switch (context.state) {
    case State::kText: return in_text(context, text);
    case State::kTag: return in_tag(context, text);
    case State::kAttrName: return in_attribute_name(context, text);
    case State::kAfterName: return after_name(context, text);
    case State::kBeforeValue: return before_value(context, text);
    case State::kHtmlCmt: {
      const size_t end = text.find("-->");
      return end == kNone ? Step{context, text.size()} : Step{Context(), end + 3};
    }
    case State::kUrl: return in_url(context, text);
    case State::kMetaContent: return in_meta_content(context, text);
    case State::kMetaContentUrl: return in_meta_content_url(context, text);
    case State::kJs: return in_js(context, text);
    case State::kJsDqStr:
    case State::kJsSqStr:
    case State::kJsRegexp: return in_js_literal(context, text);
    case State::kJsTmplLit: return in_js_template(context, text);
    case State::kJsBlockCmt:
    case State::kCssBlockCmt: return in_block_comment(context, text);
    case State::kJsLineCmt:
    case State::kJsHtmlOpenCmt:
    case State::kJsHtmlCloseCmt:
    case State::kCssLineCmt: return in_line_comment(context, text);
    case State::kCss: return in_css(context, text);
    case State::kCssDqStr:
    case State::kCssSqStr:
    case State::kCssDqUrl:
    case State::kCssSqUrl:
    case State::kCssUrl: return in_css_string(context, text);
    case State::kRcdata:
    case State::kAttr:
    case State::kSrcset:
    case State::kError:
    case State::kDead: break;
  }
  return {context, text.size()};
}

// Where "</script" and the like stand, which end an element whatever is open in it.
size_t special_end(const Context& context, std::string_view text) {
  std::string_view name;
  switch (context.element) {
    case Element::kScript: name = "</script"; break;
    case Element::kStyle: name = "</style"; break;
    case Element::kTextarea: name = "</textarea"; break;
    case Element::kTitle: name = "</title"; break;
    default: return kNone;
  }
  if (context.element == Element::kScript &&
      (is_script_literal(context.state) || is_comment(context.state))) {
    return kNone;
  }
  const std::string lower = to_lower(text);
  for (size_t at = lower.find(name); at != kNone; at = lower.find(name, at + 1)) {
    const size_t end = at + name.size();
    if (end < lower.size() && (lower[end] == '>' || lower[end] == '/' || is_html_space(lower[end]))) {
      return at;
    }
  }
  return kNone;
}

bool is_js_type(std::string_view type) {
  std::string name = to_lower(trim(type.substr(0, type.find(';'))));
  constexpr std::array<std::string_view, 18> kTypes = {
      "application/ecmascript",     "application/javascript",  "application/json",
      "application/ld+json",        "application/x-ecmascript", "application/x-javascript",
      "module",                     "text/ecmascript",         "text/javascript",
      "text/javascript1.0",         "text/javascript1.1",      "text/javascript1.2",
      "text/javascript1.3",         "text/javascript1.4",      "text/javascript1.5",
      "text/jscript",               "text/livescript",         "text/x-ecmascript"};
  return contains(kTypes, name) || name == "text/x-javascript";
}

// Entities of attributes' values, as far as they can matter to what is within: those of
// ASCII, and numbers.
constexpr std::array<std::pair<std::string_view, char>, 34> kEntities = {{
    {"quot", '"'},   {"QUOT", '"'},    {"amp", '&'},    {"AMP", '&'},     {"lt", '<'},
    {"LT", '<'},     {"gt", '>'},      {"GT", '>'},     {"apos", '\''},   {"sol", '/'},
    {"bsol", '\\'},  {"lpar", '('},    {"rpar", ')'},   {"lbrace", '{'},  {"lcub", '{'},
    {"rbrace", '}'}, {"rcub", '}'},    {"lbrack", '['}, {"lsqb", '['},    {"rbrack", ']'},
    {"rsqb", ']'},   {"grave", '`'},   {"num", '#'},    {"quest", '?'},   {"dollar", '$'},
    {"Tab", '\t'},   {"NewLine", '\n'}, {"colon", ':'}, {"semi", ';'},    {"equals", '='},
    {"plus", '+'},   {"ast", '*'},     {"comma", ','},  {"excl", '!'},
}};

std::string unescape_entities(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t mark = std::min(text.find('&'), text.size());
    out.append(text.substr(0, mark));
    text.remove_prefix(mark);
    if (text.empty()) break;
    size_t size = 1;
    if (text.starts_with("&#")) {
      const bool hexadecimal = text.size() > 2 && ascii_lower(text[2]) == 'x';
      const size_t digits = hexadecimal ? 3 : 2;
      uint32_t code = 0;
      const auto [end, error] = std::from_chars(text.data() + std::min(digits, text.size()),
                                                text.data() + text.size(), code,
                                                hexadecimal ? 16 : 10);
      const auto read = static_cast<size_t>(end - text.data());
      if (read > digits) {
        append_rune(error == std::errc() && code != 0 ? code : kReplacement, out);
        size = read + (text.substr(read).starts_with(';') ? 1 : 0);
        text.remove_prefix(size);
        continue;
      }
    }
    for (const auto& [name, c] : kEntities) {
      // The oldest may stand without ";".
      const bool bare = name == "quot" || name == "amp" || name == "lt" || name == "gt" ||
                        name == "QUOT" || name == "AMP" || name == "LT" || name == "GT";
      if (!text.substr(1).starts_with(name)) continue;
      const bool closed = text.substr(1 + name.size()).starts_with(';');
      if (!closed && !bare) continue;
      out += c;
      size = 1 + name.size() + (closed ? 1 : 0);
      break;
    }
    if (size == 1) out += '&';
    text.remove_prefix(size);
  }
  return out;
}

std::string_view ends_of(Delimiter delimiter) {
  if (delimiter == Delimiter::kDoubleQuote) return "\"";
  if (delimiter == Delimiter::kSingleQuote) return "'";
  return " \t\n\f\r>";
}

}  // namespace

State value_state(Attribute attribute) {
  switch (attribute) {
    case Attribute::kScript: return State::kJs;
    case Attribute::kStyle: return State::kCss;
    case Attribute::kUrl: return State::kUrl;
    case Attribute::kSrcset: return State::kSrcset;
    case Attribute::kMetaContent: return State::kMetaContent;
    case Attribute::kNone:
    case Attribute::kScriptType: break;
  }
  return State::kAttr;
}

Content content_of(std::string_view name) {
  constexpr std::array<std::string_view, 17> kUrls = {
      "action", "archive", "background", "cite",   "classid", "codebase",
      "data",   "formaction", "href",    "icon",   "longdesc", "manifest",
      "poster", "profile", "src",        "usemap", "xmlns"};
  // Values that change what the element is or does.
  constexpr std::array<std::string_view, 22> kUnsafe = {
      "accept-charset", "async",       "challenge",  "charset",    "content",  "crossorigin",
      "defer",          "enctype",     "form",       "formenctype", "formmethod",
      "formnovalidate", "http-equiv",  "keytype",    "language",   "method",   "novalidate",
      "pattern",        "rel",         "sandbox",    "type",       "value"};
  if (name.starts_with("data-")) {
    name.remove_prefix(5);
  } else if (const size_t colon = name.find(':'); colon != kNone) {
    if (name.substr(0, colon) == "xmlns") return Content::kUrl;
    name.remove_prefix(colon + 1);
  }
  if (contains(kUrls, name)) return Content::kUrl;
  if (contains(kUnsafe, name)) return Content::kUnsafe;
  if (name == "srcset") return Content::kSrcset;
  if (name == "srcdoc") return Content::kHtml;
  if (name == "style") return Content::kCss;
  if (name == "srclang") return Content::kPlain;
  if (name.starts_with("on")) return Content::kJs;
  for (const std::string_view part : {"src", "uri", "url"}) {
    if (name.find(part) != kNone) return Content::kUrl;
  }
  return Content::kPlain;
}

Step after_text(const Context& context, std::string_view text) {
  if (context.delimiter == Delimiter::kNone) {
    const size_t end = special_end(context, text);
    if (end == 0) return {Context(), 0};
    return in_state(context, text.substr(0, end));
  }
  const size_t end = text.find_first_of(ends_of(context.delimiter));
  if (context.delimiter == Delimiter::kSpaceOrTagEnd) {
    // Browsers differ on where such a value ends.
    const std::string_view value = text.substr(0, end);
    const size_t bad = value.find_first_of("\"'<=`");
    if (bad != kNone) {
      return {failed(quote(value.substr(bad, 1)) + " in unquoted attr: " + quote(value)),
              text.size()};
    }
  }
  if (end == kNone) {
    const std::string decoded = unescape_entities(text);
    Context inside = context;
    for (std::string_view rest = decoded; !rest.empty() && inside.state != State::kError;) {
      Step step = in_state(inside, rest);
      inside = std::move(step.context);
      rest.remove_prefix(step.size);
    }
    return {std::move(inside), text.size()};
  }
  Context after;
  after.state = State::kTag;
  after.element = context.element;
  // <script type="text/template"> holds no JavaScript.
  if (context.state == State::kAttr && context.element == Element::kScript &&
      context.attribute == Attribute::kScriptType && !is_js_type(text.substr(0, end))) {
    after.element = Element::kNone;
  }
  return {std::move(after), end + (context.delimiter == Delimiter::kSpaceOrTagEnd ? 0 : 1)};
}

std::string decode_css(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t mark = std::min(text.find('\\'), text.size());
    out.append(text.substr(0, mark));
    text.remove_prefix(mark);
    if (text.size() < 2) break;
    if (is_hex(text[1])) {
      size_t end = 2;
      while (end < text.size() && end < 7 && is_hex(text[end])) ++end;
      uint32_t code = 0;
      std::from_chars(text.data() + 1, text.data() + end, code, 16);
      if (code > 0x10FFFF) {
        code /= 16;
        --end;
      }
      append_rune(code, out);
      // One space after the digits belongs to them.
      if (text.substr(end).starts_with("\r\n")) {
        end += 2;
      } else if (end < text.size() && is_html_space(text[end])) {
        ++end;
      }
      text.remove_prefix(end);
    } else {
      const size_t size = first_rune(text.substr(1)).size;
      out.append(text.substr(1, size));
      text.remove_prefix(1 + size);
    }
  }
  return out;
}

std::string without_tags(std::string_view html) {
  std::string out;
  Context context;
  bool all = true;
  size_t at = 0;
  while (at < html.size()) {
    const std::string_view rest = html.substr(at);
    if (context.delimiter != Delimiter::kNone) {
      const size_t end = rest.find_first_of(ends_of(context.delimiter));
      if (end == kNone) break;
      at += end + (context.delimiter == Delimiter::kSpaceOrTagEnd ? 0 : 1);
      Context tag;
      tag.state = State::kTag;
      tag.element = context.element;
      context = tag;
      continue;
    }
    const bool in_tag_now = context.state == State::kTag || context.state == State::kAttrName ||
                            context.state == State::kAfterName ||
                            context.state == State::kBeforeValue;
    Context read = context;
    if (context.element != Element::kNone && !in_tag_now) read.state = State::kRcdata;
    const size_t end = special_end(read, rest);
    Step step = end == 0 ? Step{Context(), 0} : in_state(read, rest.substr(0, end));
    if (context.state == State::kText || context.state == State::kRcdata) {
      size_t text = step.size;
      if (step.context.state != context.state) {
        const size_t tag = rest.substr(0, text).rfind('<');
        if (tag != kNone) text = tag;
      }
      out.append(rest.substr(0, text));
    } else {
      all = false;
    }
    if (read.state == State::kRcdata && step.context.state == State::kRcdata) {
      step.context.state = context.state;  // as it was, until the element ends
    }
    if (step.context.state != State::kText || step.size == 0) all = false;
    context = std::move(step.context);
    at += step.size;
    if (context.state == State::kError) break;
  }
  return all ? std::string(html) : out;
}

}  // namespace gatehouse::gotemplate::html
