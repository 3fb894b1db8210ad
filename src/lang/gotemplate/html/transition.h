// How text moves the context: HTML's tags and attributes, and the JavaScript, CSS and URLs
// in them, tokenized only as far as quotes, comments and ends need.
#pragma once

#include <string>
#include <string_view>

#include "lang/gotemplate/html/context.h"

namespace gatehouse::gotemplate::html {

struct Step {
  Context context;
  size_t size = 0;  // of the text that was consumed
};
// REQUIRES: text is not empty. Consumes something or changes the state.
Step after_text(const Context& context, std::string_view text);

// The state at the beginning of an attribute's value.
State value_state(Attribute attribute);

// What an attribute holds.
enum class Content : uint8_t { kPlain, kCss, kHtml, kJs, kUrl, kSrcset, kUnsafe };
Content content_of(std::string_view lower_case_name);

// The text between the tags of a piece of HTML.
std::string without_tags(std::string_view html);
// CSS's \ escapes resolved.
std::string decode_css(std::string_view text);

inline bool is_html_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

}  // namespace gatehouse::gotemplate::html
