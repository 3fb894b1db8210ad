// The escapers, each for one place; what can be made safe is, and what cannot becomes
// "ZgotmplZ", html/template's mark of a value that was refused.
#include "lang/gotemplate/html/escape.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "lang/gotemplate/builtins.h"
#include "lang/gotemplate/format.h"
#include "lang/gotemplate/html/transition.h"
#include "lang/gotemplate/json_text.h"
#include "lang/gotemplate/quote.h"

namespace gatehouse::gotemplate::html {
namespace {

using Kind = SafeText::Kind;

constexpr std::string_view kRefused = "ZgotmplZ";

// The text of a value, and the kind that it is said to be safe for.
struct Text {
  std::string text;
  std::optional<Kind> kind;

  bool is(Kind wanted) const { return kind == wanted; }
};

Result<Text> read(const Value& value) {
  if (value.nil()) return Text{};
  if (const auto* safe = value.as<SafeText>()) return Text{safe->text, safe->kind};
  ASSIGN_OR_RETURN(std::string text, sprint({&value, 1}));
  return Text{std::move(text), std::nullopt};
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}
bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

// --- HTML

struct HtmlStyle {
  bool keeps_entities = false;  // of text that is HTML already
  bool unquoted = false;        // also what ends a value without quotes
  bool attribute = false;       // browsers change some code points in attributes
};

std::string_view html_entity(char c, const HtmlStyle& style) {
  switch (c) {
    case '\0': return style.unquoted ? "&#xfffd;" : "\xEF\xBF\xBD";
    case '"': return "&#34;";
    case '\'': return "&#39;";
    case '+': return "&#43;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '&': return style.keeps_entities ? "" : "&amp;";
    default: break;
  }
  if (!style.unquoted) return "";
  switch (c) {
    case '\t': return "&#9;";
    case '\n': return "&#10;";
    case '\v': return "&#11;";
    case '\f': return "&#12;";
    case '\r': return "&#13;";
    case ' ': return "&#32;";
    case '=': return "&#61;";
    case '`': return "&#96;";
    default: return "";
  }
}

std::string html_text(std::string_view text, const HtmlStyle& style) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Rune rune = first_rune(text.substr(at));
    if (rune.code < 0x80) {
      const std::string_view entity = html_entity(text[at], style);
      if (entity.empty()) {
        out += text[at];
      } else {
        out += entity;
      }
    } else if (style.attribute && ((rune.code >= 0xFDD0 && rune.code <= 0xFDEF) ||
                                   (rune.code >= 0xFFF0 && rune.code <= 0xFFFF))) {
      char buffer[16];
      std::snprintf(buffer, sizeof(buffer), "&#x%x;", static_cast<unsigned>(rune.code));
      out += buffer;
    } else {
      out.append(text.substr(at, rune.size));
    }
    at += rune.size;
  }
  return out;
}

std::string attribute_value(const Text& text, bool unquoted) {
  if (unquoted && text.text.empty()) return std::string(kRefused);
  const bool html = text.is(Kind::kHtml);
  return html_text(html ? without_tags(text.text) : text.text, {html, unquoted, true});
}

std::string html_name(const Text& text) {
  if (text.is(Kind::kAttribute)) return text.text;
  std::string name = to_lower(text.text);
  if (name.empty() || content_of(name) != Content::kPlain ||
      !std::all_of(name.begin(), name.end(), is_alnum)) {
    return std::string(kRefused);
  }
  return name;
}

// --- JavaScript

enum class JsPlace { kString, kTemplate, kRegexp };

std::string_view js_escape(char c, JsPlace place) {
  switch (c) {
    case '\0': return "\\u0000";
    case '\t': return "\\t";
    case '\n': return "\\n";
    case '\v': return "\\u000b";
    case '\f': return "\\f";
    case '\r': return "\\r";
    case '"': return "\\u0022";
    case '&': return "\\u0026";
    case '\'': return "\\u0027";
    case '+': return "\\u002b";
    case '/': return "\\/";
    case '<': return "\\u003c";
    case '>': return "\\u003e";
    case '\\': return "\\\\";
    case '`': return place == JsPlace::kRegexp ? "" : "\\u0060";
    default: break;
  }
  if (place == JsPlace::kTemplate) {
    return c == '$' ? "\\u0024" : c == '{' ? "\\u007b" : c == '}' ? "\\u007d" : "";
  }
  return "";
}

std::string js_text(std::string_view text, JsPlace place) {
  constexpr std::string_view kOperators = "$()*-.?[]^{|}";
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Rune rune = first_rune(text.substr(at));
    const char c = text[at];
    if (rune.code == 0x2028 || rune.code == 0x2029) {
      out += rune.code == 0x2028 ? "\\u2028" : "\\u2029";
    } else if (rune.code >= 0x80) {
      out.append(text.substr(at, rune.size));
    } else if (const std::string_view escaped = js_escape(c, place); !escaped.empty()) {
      out += escaped;
    } else {
      if (place == JsPlace::kRegexp && kOperators.find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
    at += rune.size;
  }
  return out;
}

// A comment may not end early, nor begin what a script may not hold.
std::string js_comment(std::string text) {
  for (const auto& [from, to] : {std::pair<std::string_view, std::string_view>{"*/", "* /"},
                                 {"</script", "\\x3C/script"},
                                 {"<!--", "\\x3C!--"}}) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
  }
  return " /* " + text + " */null ";
}

std::string js_value(const Value& value, const Text& text) {
  if (text.is(Kind::kJs)) return text.text;
  const auto* duration = value.as<Duration>();
  const auto json = json_text(duration || text.kind ? Value(text.text) : value);
  if (!json.ok()) return js_comment(json.status().message());
  const auto is_name = [](char c) {
    return is_alnum(c) || c == '_' || c == '$';
  };
  const bool pads = is_name(json->front()) || is_name(json->back());
  return pads ? " " + *json + " " : *json;
}

// --- CSS

std::string_view css_escape(char c) {
  switch (c) {
    case '\0': return "\\0";
    case '\t': return "\\9";
    case '\n': return "\\a";
    case '\f': return "\\c";
    case '\r': return "\\d";
    case '"': return "\\22";
    case '&': return "\\26";
    case '\'': return "\\27";
    case '(': return "\\28";
    case ')': return "\\29";
    case '+': return "\\2b";
    case '/': return "\\2f";
    case ':': return "\\3a";
    case ';': return "\\3b";
    case '<': return "\\3c";
    case '>': return "\\3e";
    case '\\': return "\\\\";
    case '{': return "\\7b";
    case '}': return "\\7d";
    default: return "";
  }
}

std::string css_text(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    const std::string_view escaped = css_escape(text[at]);
    if (escaped.empty()) {
      out += text[at];
      continue;
    }
    out += escaped;
    const bool last = at + 1 == text.size();
    if (escaped != "\\\\" && (last || is_hex(text[at + 1]) || is_html_space(text[at + 1]))) {
      out += ' ';
    }
  }
  return out;
}

std::string css_value(const Text& text) {
  if (text.is(Kind::kCss)) return text.text;
  const std::string decoded = decode_css(text.text);
  std::string name;
  for (size_t at = 0; at < decoded.size(); ++at) {
    const char c = decoded[at];
    if (c == '\0' || std::string_view("\"'()/;@[\\]`{}<>").find(c) != std::string_view::npos ||
        (c == '-' && at > 0 && decoded[at - 1] == '-')) {
      return std::string(kRefused);
    }
    if (is_alnum(c) || c == '-' || c == '_') name += ascii_lower(c);
  }
  if (name.find("expression") != std::string::npos ||
      name.find("mozbinding") != std::string::npos) {
    return std::string(kRefused);
  }
  return decoded;
}

// --- URLs

bool safe_url(std::string_view url) {
  const size_t colon = url.find(':');
  if (colon == std::string_view::npos) return true;
  const std::string_view scheme = url.substr(0, colon);
  if (scheme.find('/') != std::string_view::npos) return true;
  const std::string lower = to_lower(scheme);
  return lower == "http" || lower == "https" || lower == "mailto";
}

// `normalizes`: what has a meaning in URLs stays, and so do escapes.
std::string url_text(std::string_view url, bool normalizes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t at = 0; at < url.size(); ++at) {
    const char c = url[at];
    const bool kept =
        is_alnum(c) || (c != '\0' && std::string_view("-._~").find(c) != std::string_view::npos) ||
        (normalizes && c != '\0' &&
         std::string_view("!#$&*+,/:;=?@[]").find(c) != std::string_view::npos) ||
        (normalizes && c == '%' && at + 2 < url.size() && is_hex(url[at + 1]) &&
         is_hex(url[at + 2]));
    if (kept) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 0xF];
    }
  }
  return out;
}

// One "address size" of a srcset.
std::string source_text(std::string_view element) {
  size_t begin = 0;
  while (begin < element.size() && is_html_space(element[begin])) ++begin;
  size_t end = begin;
  while (end < element.size() && !is_html_space(element[end])) ++end;
  const std::string_view url = element.substr(begin, end - begin);
  const std::string_view size = element.substr(end);
  if (!safe_url(url) || !std::all_of(size.begin(), size.end(), [](char c) {
        return is_html_space(c) || is_alnum(c);
      })) {
    return "#" + std::string(kRefused);
  }
  return std::string(element.substr(0, begin)) + url_text(url, true) + std::string(size);
}

std::string srcset(const Text& text) {
  if (text.is(Kind::kUrl)) {
    std::string out;
    for (const char c : url_text(text.text, true)) {
      if (c == ',') {
        out += "%2c";
      } else {
        out += c;
      }
    }
    return out;
  }
  std::string out;
  bool first = true;
  for (const std::string_view element : split(text.text, ',')) {
    if (!first) out += ',';
    first = false;
    out += source_text(element);
  }
  return out;
}

}  // namespace

Result<Value> escape(Escaper escaper, const Value& value) {
  ASSIGN_OR_RETURN(const Text text, read(value));
  switch (escaper) {
    case Escaper::kHtml:
      return Value(text.is(Kind::kHtml) ? text.text : html_text(text.text, {}));
    case Escaper::kRcdata: return Value(html_text(text.text, {text.is(Kind::kHtml), false, false}));
    case Escaper::kHtmlNospace: return Value(attribute_value(text, true));
    case Escaper::kAttribute: return Value(attribute_value(text, false));
    case Escaper::kHtmlName: return Value(html_name(text));
    case Escaper::kComment: return Value("");
    case Escaper::kJsValue: return Value(js_value(value, text));
    case Escaper::kJsString: return Value(js_text(text.text, JsPlace::kString));
    case Escaper::kJsTemplate: return Value(js_text(text.text, JsPlace::kTemplate));
    case Escaper::kJsRegexp:
      return Value(text.text.empty() ? "(?:)" : js_text(text.text, JsPlace::kRegexp));
    case Escaper::kCssString: return Value(css_text(text.text));
    case Escaper::kCssValue: return Value(css_value(text));
    case Escaper::kUrlFilter:
      // What is safe stays so for the escaper that follows.
      if (text.is(Kind::kUrl) || safe_url(text.text)) return Value(text.text);
      return Value("#" + std::string(kRefused));
    case Escaper::kUrlNormalize: return Value(url_text(text.text, true));
    case Escaper::kUrlQuery: return Value(url_text(text.text, text.is(Kind::kUrl)));
    case Escaper::kHtmlFunction: return Value(escape_html(text.text));
    case Escaper::kQueryFunction: return Value(escape_query(text.text));
    case Escaper::kSrcset: return Value(srcset(text));
  }
  return internal_error("no such escaper");
}

}  // namespace gatehouse::gotemplate::html
