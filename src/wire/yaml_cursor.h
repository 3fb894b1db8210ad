// A place in a YAML text, and how to go on from it.
//
// The text is what decode_yaml gave: UTF-8 without control characters, so that
// no byte of it is NUL, and NUL stands for its end. Indentation is counted in
// spaces alone; a tab may separate, never indent (YAML 1.2.2 §6.1).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "wire/yaml.h"

namespace gatehouse::wire {

inline bool is_yaml_blank(char c) { return c == ' ' || c == '\t'; }
inline bool is_yaml_break(char c) { return c == '\n' || c == '\r'; }
// What a word ends at: white space, or the end of the text.
inline bool is_yaml_gap(char c) { return c == '\0' || is_yaml_blank(c) || is_yaml_break(c); }
inline bool is_yaml_bracket(char c) {
  return c == ',' || c == '[' || c == ']' || c == '{' || c == '}';
}

class YamlCursor {
 public:
  // `text` outlives this.
  explicit YamlCursor(std::string_view text) : text_(text) {}

  char at(size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }
  bool at_end() const { return position_ >= text_.size(); }
  bool at_line_end() const { return at_end() || is_yaml_break(at()); }
  // At `indicator` with white space, or nothing, behind it.
  bool at_word(char indicator) const { return at() == indicator && is_yaml_gap(at(1)); }
  // On a line that is "---" or "...", alone or with a space and more.
  bool at_marker() const { return at_marker('-') || at_marker('.'); }
  bool at_marker(char c) const;

  size_t position() const { return position_; }
  std::string_view since(size_t begin) const { return text_.substr(begin, position_ - begin); }
  uint32_t line() const { return line_; }
  // In bytes; the spaces that the line begins with; whether only blanks are before.
  int column() const { return static_cast<int>(position_ - line_start_); }
  int indentation() const;
  bool first_on_line() const;
  bool indented_by_spaces() const { return column() == indentation(); }
  YamlMark mark() const;

  void skip(size_t bytes = 1) { position_ += bytes; }  // within the line
  void skip_blanks();
  void skip_line();  // up to its break
  bool skip_break();
  // A byte order mark before a document.
  void skip_byte_order_mark();
  // Over blanks, comments and breaks. Whether the line was left.
  bool separate();

  struct Place {
    size_t position, line_start;
    uint32_t line;
  };
  Place place() const { return {position_, line_start_, line_}; }
  void go_back(const Place& place);

 private:
  std::string_view text_;
  size_t position_ = 0;
  size_t line_start_ = 0;
  uint32_t line_ = 1;
  // The last mark, so that a long line is counted once.
  mutable size_t marked_ = 0;
  mutable uint32_t marked_column_ = 1;
};

struct YamlText {
  std::string text;
  // What is wrong, and where; empty: nothing.
  std::string error;
  YamlMark mark;
};
// From UTF-8, or UTF-16 with a byte order mark; refuses what YAML 1.2.2 §5.1
// does not let into a text.
YamlText decode_yaml(std::string_view bytes);

void append_utf8(std::string& out, uint32_t code_point);

}  // namespace gatehouse::wire
