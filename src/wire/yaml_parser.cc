// Documents, and block structure (YAML 1.2.2 §8 and §9).
#include "wire/yaml_parser.h"

#include <algorithm>

namespace gatehouse::wire {

namespace {

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

// ---- Documents ----

bool YamlParser::parse() {
  bool after_dots = true;  // or at the beginning: directives and bare documents may follow
  for (;;) {
    if (after_dots) in_.skip_byte_order_mark();
    in_.separate();
    if (in_.at_end()) return true;
    bool any_directive = false;
    if (after_dots && !directives(any_directive)) return false;
    if (in_.at_marker('.')) {
      if (any_directive)
        return flow_.fail("a directive is followed by a document that begins with ---");
      in_.skip(3);
      const bool left = in_.separate();
      if (!left && !in_.at_end())
        return flow_.fail("nothing but a comment follows ... on its line");
      after_dots = true;
      continue;
    }
    if (in_.at_marker('-')) {
      in_.skip(3);
    } else if (any_directive) {
      return flow_.fail("a directive is followed by a document that begins with ---");
    }
    if (!document(after_dots)) return false;
  }
}

bool YamlParser::directives(bool& any) {
  flow_.forget_handles();
  version_given_ = false;
  while (in_.at() == '%' && in_.column() == 0) {
    any = true;
    in_.skip();
    if (!directive()) return false;
    in_.skip_blanks();
    const uint32_t line = in_.line();
    in_.separate();
    if (in_.line() == line && !in_.at_end())
      return flow_.fail("unexpected text behind a directive");
  }
  return true;
}

bool YamlParser::directive() {
  const size_t begin = in_.position();
  while (!is_yaml_gap(in_.at())) in_.skip();
  const std::string_view directive = in_.since(begin);
  in_.skip_blanks();
  if (directive == "YAML") return version_directive();
  if (directive == "TAG") return tag_directive();
  in_.skip_line();  // unknown ones are ignored: §6.8.1
  return true;
}

// Any 1.x is read as 1.2.
bool YamlParser::version_directive() {
  if (version_given_) return flow_.fail("a second %YAML directive");
  version_given_ = true;
  const size_t begin = in_.position();
  while (!is_yaml_gap(in_.at())) in_.skip();
  const std::string_view version = in_.since(begin);
  if (!version.starts_with("1.") || !all_digits(version.substr(2))) {
    return flow_.fail("a version of YAML that is not 1.x");
  }
  return true;
}

bool YamlParser::tag_directive() {
  size_t begin = in_.position();
  while (!is_yaml_gap(in_.at())) in_.skip();
  const std::string handle(in_.since(begin));
  if (!handle.starts_with('!') || !handle.ends_with('!')) {
    return flow_.fail("%TAG takes a handle as !name! and a prefix");
  }
  in_.skip_blanks();
  begin = in_.position();
  while (!is_yaml_gap(in_.at())) in_.skip();
  if (in_.position() == begin) return flow_.fail("%TAG takes a handle as !name! and a prefix");
  if (!flow_.add_handle(handle, in_.since(begin))) {
    return flow_.fail("a second %TAG directive for " + handle);
  }
  return true;
}

bool YamlParser::document(bool& ended_by_dots) {
  builder_.begin_document();
  const YamlNode* root = block_node(-1, {.compact = false, .aligned_sequence = false});
  if (root == nullptr) return false;
  builder_.end_document(root);
  in_.separate();
  if (!in_.at_end() && !in_.at_marker()) {
    return flow_.fail(
        "unexpected text behind the document's value; is it indented as it should be?");
  }
  flow_.forget_handles();
  ended_by_dots = false;
  return true;
}

// ---- Block structure ----

bool YamlParser::nothing_for(int parent, BlockRules rules) const {
  if (in_.at_end() || in_.at_marker()) return true;
  if (!in_.first_on_line()) return false;
  const int indent = in_.indentation();
  if (rules.aligned_sequence && indent == parent && in_.indented_by_spaces()) {
    return !in_.at_word('-');
  }
  return indent <= parent;
}

const YamlNode* YamlParser::block_node(int parent, BlockRules rules) {
  const YamlMark behind = in_.mark();
  BlockStart start;
  if (!block_start(parent, rules, start)) return nullptr;
  if (!start.empty) return block_content(parent, start);
  if (start.node != nullptr) return builder_.scalar(start.node, YamlStyle::kPlain, "");
  return flow_.empty(behind);
}

// The properties of a node may stand on lines before its text; those on the
// line of a mapping's first key are the key's.
bool YamlParser::block_start(int parent, BlockRules rules, BlockStart& start) {
  const size_t begin = in_.position();
  in_.separate();
  for (;;) {
    start.empty = nothing_for(parent, rules);
    start.mark = in_.mark();
    start.column = in_.column();
    start.may_be_collection = in_.first_on_line()
                                  ? in_.indented_by_spaces()
                                  : rules.compact && !start.outer.given() &&
                                        in_.since(begin).find('\t') == std::string_view::npos;
    if (!start.empty && !flow_.properties(start.own)) return false;
    if (!start.own.given()) break;
    const YamlCursor::Place behind = in_.place();
    if (!in_.separate() && !in_.at_end()) break;
    if (in_.at_end()) in_.go_back(behind);
    if (!flow_.merge(start.outer, start.own)) return false;
    start.own = {};
    in_.separate();
  }
  if (!start.outer.given()) return true;
  start.node = builder_.make(start.outer.mark, start.outer);
  return start.node != nullptr;
}

const YamlNode* YamlParser::block_content(int parent, BlockStart& start) {
  const auto node = [&] {
    return start.node != nullptr ? start.node : builder_.make(start.mark, {});
  };
  if (in_.at_word('-') || in_.at_word('?')) {
    const bool list = in_.at() == '-';
    if (!start.may_be_collection || start.own.given()) {
      return flow_.refuse(
          list ? "a list's first entry begins on a line of its own, indented by spaces"
               : "a mapping begins on a line of its own, indented by spaces");
    }
    YamlNode* made = node();
    if (made == nullptr) return nullptr;
    return list ? sequence(made, start.column) : mapping(made, start.column, nullptr);
  }
  if (in_.at() == '|' || in_.at() == '>') return literal(parent, start);
  YamlFlow::Node first;
  if (in_.at_word(':')) {
    first.node = flow_.empty(in_.mark(), start.own);
  } else {
    first = flow_.read(start.own, start.mark, parent + 1);
  }
  if (first.node == nullptr) return nullptr;
  if (at_key_end()) {
    if (!flow_.check_key_line(start.mark)) return nullptr;
    if (!start.may_be_collection) {
      return flow_.refuse(
          "a mapping begins on a line of its own; quote a value that contains \": \"");
    }
    YamlNode* made = node();
    return made == nullptr ? nullptr : mapping(made, start.column, first.node);
  }
  if (start.node == nullptr) return first.node;
  if (first.made == nullptr) return flow_.refuse("an alias takes no tag and no anchor");
  if (!flow_.merge(start.outer, start.own)) return nullptr;
  return builder_.adopt(start.node, first.made, start.outer);
}

const YamlNode* YamlParser::literal(int parent, BlockStart& start) {
  if (!flow_.merge(start.outer, start.own)) return nullptr;
  const YamlStyle style = in_.at() == '|' ? YamlStyle::kLiteral : YamlStyle::kFolded;
  YamlNode* made = builder_.make(start.mark, start.outer);
  std::string value;
  if (made == nullptr || !flow_.check(read_block_scalar(in_, parent, value))) return nullptr;
  return builder_.scalar(made, style, std::move(value));
}

// To the next line with text, and whether it is one of the collection's.
bool YamlParser::next_line(int column, bool& more) {
  in_.separate();
  more = false;
  if (in_.at_end() || in_.at_marker()) return true;
  if (!in_.first_on_line()) return flow_.fail("unexpected text behind a value");
  if (in_.indentation() < column) {
    return in_.indented_by_spaces() || flow_.fail("a tab where spaces indent");
  }
  if (!in_.indented_by_spaces()) return flow_.fail("a tab where spaces indent");
  if (in_.indentation() > column) return flow_.fail("a line is indented more than its neighbours");
  more = true;
  return true;
}

const YamlNode* YamlParser::sequence(YamlNode* node, int column) {
  if (!builder_.open(node, YamlKind::kSequence)) return nullptr;
  for (bool more = true; more && in_.at_word('-');) {
    in_.skip();
    const YamlNode* item = block_node(column, {.compact = true, .aligned_sequence = false});
    if (item == nullptr) return nullptr;
    builder_.add(node, item);
    if (!next_line(column, more)) return nullptr;
  }
  return builder_.close(node);
}

const YamlNode* YamlParser::mapping(YamlNode* node, int column, const YamlNode* first_key) {
  if (!builder_.open(node, YamlKind::kMapping)) return nullptr;
  const YamlNode* key = first_key;
  for (bool more = true; more;) {
    if (key == nullptr && in_.at_word('?')) {
      if (!explicit_entry(node, column)) return nullptr;
    } else {
      if (key == nullptr) key = implicit_key(column);
      if (key == nullptr) return nullptr;
      in_.skip();  // ':'
      const YamlNode* value = block_node(column, {.compact = false, .aligned_sequence = true});
      if (value == nullptr) return nullptr;
      builder_.add(node, key, value);
      key = nullptr;
    }
    if (!next_line(column, more)) return nullptr;
  }
  return builder_.close(node);
}

bool YamlParser::explicit_entry(YamlNode* node, int column) {
  constexpr BlockRules kRules{.compact = true, .aligned_sequence = true};
  in_.skip();
  const YamlNode* key = block_node(column, kRules);
  if (key == nullptr) return false;
  const YamlCursor::Place behind = in_.place();
  const YamlMark mark = in_.mark();
  bool more = false;
  if (!next_line(column, more)) return false;
  const YamlNode* value = nullptr;
  if (more && in_.at_word(':')) {
    in_.skip();
    value = block_node(column, kRules);
  } else {
    in_.go_back(behind);
    value = flow_.empty(mark);
  }
  if (value == nullptr) return false;
  builder_.add(node, key, value);
  return true;
}

const YamlNode* YamlParser::implicit_key(int column) {
  const YamlMark begin = in_.mark();
  if (in_.at_word('-')) return flow_.refuse("an entry of a list among the keys of a mapping");
  YamlProperties own;
  if (!flow_.properties(own)) return nullptr;
  in_.skip_blanks();
  const YamlNode* key = nullptr;
  if (in_.at_word(':')) {
    key = flow_.empty(begin, own);
  } else {
    if (in_.at_line_end())
      return flow_.refuse("a key is expected on the line of its tag or anchor");
    key = flow_.read(own, begin, column + 1).node;
  }
  if (key == nullptr) return nullptr;
  if (!at_key_end()) return flow_.refuse("expected ':' behind the key");
  return flow_.check_key_line(begin) ? key : nullptr;
}

// Goes to the ':' where there is one.
bool YamlParser::at_key_end() {
  const YamlCursor::Place behind = in_.place();
  in_.skip_blanks();
  if (in_.at_word(':')) return true;
  in_.go_back(behind);
  return false;
}

}  // namespace gatehouse::wire
