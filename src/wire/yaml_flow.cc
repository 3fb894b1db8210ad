#include "wire/yaml_flow.h"

#include "base/text.h"

namespace gatehouse::wire {

namespace {

// YAML 1.2.2 §7.4.2: so that a reader need not look ahead without end.
constexpr uint32_t kKeyCharactersMax = 1024;

}  // namespace

const YamlNode* YamlFlow::refuse(std::string_view what) {
  fail(what);
  return nullptr;
}

const YamlNode* YamlFlow::empty(YamlMark mark, const YamlProperties& properties) {
  YamlNode* node = builder_.make(mark, properties);
  return node == nullptr ? nullptr : builder_.scalar(node, YamlStyle::kPlain, "");
}

bool YamlFlow::check_key_line(YamlMark begin) {
  const YamlMark end = in_.mark();
  if (end.line != begin.line) return fail("a key without '?' before it lies on one line");
  if (end.column - begin.column > kKeyCharactersMax) {
    return fail("a key without '?' before it has at most 1024 characters");
  }
  return true;
}

YamlFlow::Node YamlFlow::read(const YamlProperties& properties, YamlMark mark, int indent,
                              bool in_brackets) {
  const char c = in_.at();
  if (c == '*') {
    in_.skip();
    const std::string alias(name());
    if (alias.empty()) return {refuse("'*' is followed by an anchor's name")};
    if (properties.given()) return {refuse("an alias takes no tag and no anchor")};
    return {builder_.alias(mark, alias)};
  }
  const bool quoted = c == '"' || c == '\'';
  const bool collection = c == '[' || c == '{';
  if (!quoted && !collection && !at_plain_scalar(in_, in_brackets)) {
    if (c == '\t') return {refuse("a tab where spaces indent")};
    if (in_.at_end()) return {refuse("the text ends where a value is expected")};
    return {refuse(std::string("no value begins with '") + c + "'; quote it if it is meant to")};
  }
  YamlNode* made = builder_.make(mark, properties);
  if (made == nullptr) return {};
  if (collection) {
    const YamlNode* node = read_collection(made, indent);
    return {node, made, true};
  }
  if (!quoted) {
    std::string value = read_plain_scalar(in_, indent, in_brackets);
    return {builder_.scalar(made, YamlStyle::kPlain, std::move(value)), made, false};
  }
  std::string value;
  const auto style = c == '"' ? YamlStyle::kDoubleQuoted : YamlStyle::kSingleQuoted;
  if (!check(read_quoted_scalar(in_, indent, value))) return {};
  return {builder_.scalar(made, style, std::move(value)), made, true};
}

// In brackets, where the value may be empty.
YamlFlow::Node YamlFlow::read_value(int indent) {
  const YamlMark begin = in_.mark();
  YamlProperties own;
  if (!properties(own, true)) return {};
  if (own.given()) {
    // They may be spread over lines.
    YamlProperties more;
    if (!separate(indent) || !properties(more, true) || !merge(own, more)) return {};
    if (more.given() && !separate(indent)) return {};
  }
  const char c = in_.at();
  if (c == ',' || c == ']' || c == '}' || at_colon(false)) return {empty(begin, own)};
  return read(own, begin, indent, true);
}

const YamlNode* YamlFlow::read_collection(YamlNode* node, int indent) {
  const bool mapping = in_.at() == '{';
  const char end = mapping ? '}' : ']';
  const std::string kind = std::string(mapping ? "mapping" : "list") + " that begins on line " +
                           std::to_string(in_.mark().line);
  if (!builder_.open(node, mapping ? YamlKind::kMapping : YamlKind::kSequence)) return nullptr;
  in_.skip();
  for (;;) {
    if (!separate(indent)) return nullptr;
    if (in_.at() == end) break;
    if (in_.at_end()) return refuse(std::string("'") + end + "' is missing: of the " + kind);
    if (in_.at() == ',') return refuse("a value is missing before ','");
    if (!read_entry(node, indent) || !separate(indent)) return nullptr;
    if (in_.at() == end) break;
    if (in_.at() != ',') {
      return refuse(std::string("expected ',' or '") + end + "' in the " + kind);
    }
    in_.skip();
  }
  in_.skip();
  return builder_.close(node);
}

// An entry of a mapping; or of a list, where "key: value" is a mapping of one.
bool YamlFlow::read_entry(YamlNode* node, int indent) {
  const YamlMark begin = in_.mark();
  const bool explicit_key = in_.at_word('?');
  if (explicit_key) {
    in_.skip();
    if (!separate(indent)) return false;
    if (in_.at_end()) return fail("the text ends where a value is expected");
  }
  const Node key = read_value(indent);
  if (key.node == nullptr || !separate(indent)) return false;
  const bool pair = at_colon(key.json_like);
  if (node->is_mapping()) return read_pair_value(node, key, indent);
  if (!explicit_key && !pair) {
    builder_.add(node, key.node);
    return true;
  }
  if (!explicit_key && !check_key_line(begin)) return false;
  YamlNode* single = builder_.make(begin, {});
  if (single == nullptr || !builder_.open(single, YamlKind::kMapping)) return false;
  if (!read_pair_value(single, key, indent) || builder_.close(single) == nullptr) return false;
  builder_.add(node, single);
  return true;
}

// Behind the key, at its ':' where there is one.
bool YamlFlow::read_pair_value(YamlNode* node, const Node& key, int indent) {
  const YamlNode* value = nullptr;
  if (at_colon(key.json_like)) {
    in_.skip();
    const YamlMark mark = in_.mark();
    if (!separate(indent)) return false;
    value = in_.at_end() ? empty(mark) : read_value(indent).node;
  } else {
    value = empty(in_.mark());
  }
  if (value == nullptr) return false;
  builder_.add(node, key.node, value);
  return true;
}

// Behind a key that ends with a quote or bracket, ':' needs no space after it.
bool YamlFlow::at_colon(bool json_like) const {
  return in_.at() == ':' && (json_like || !is_plain_safe(in_.at(1), true));
}

// Lines within brackets are indented more than the block around them, but for
// one that begins with a closing bracket: so many files have it at the block's
// own column that every reader accepts it.
bool YamlFlow::separate(int indent) {
  if (!in_.separate() || in_.at_end()) return true;
  if (in_.at_marker()) return fail("a document ends within brackets");
  if (in_.indentation() >= indent || in_.at() == ']' || in_.at() == '}') return true;
  return fail("a line within brackets is indented too little; is a ']' or '}' missing before it?");
}

// ---- Properties ----

bool YamlFlow::properties(YamlProperties& into, bool in_brackets) {
  while (in_.at() == '&' || in_.at() == '!') {
    YamlProperties one;
    one.mark = in_.mark();
    if (in_.at() == '!') {
      if (!tag(one)) return false;
    } else {
      in_.skip();
      one.anchor = name();
      if (one.anchor.empty()) return fail("'&' is followed by an anchor's name");
    }
    const char c = in_.at();
    const bool ends = is_yaml_gap(c) || (in_brackets && (c == ',' || c == ']' || c == '}'));
    if (!ends) return fail("a tag or an anchor is separated from what follows by a space");
    if (!merge(into, one)) return false;
    const YamlCursor::Place behind = in_.place();
    in_.skip_blanks();
    if (in_.at() != '&' && in_.at() != '!') in_.go_back(behind);
  }
  return true;
}

bool YamlFlow::merge(YamlProperties& into, const YamlProperties& more) {
  if (!into.tag.empty() && !more.tag.empty()) {
    return builder_.fail(more.mark, "a second tag for one value");
  }
  if (!into.anchor.empty() && !more.anchor.empty()) {
    return builder_.fail(more.mark, "a second anchor for one value");
  }
  if (!into.given()) into.mark = more.mark;
  if (!more.tag.empty()) into.tag = more.tag;
  if (!more.anchor.empty()) into.anchor = more.anchor;
  return true;
}

std::string_view YamlFlow::name() {
  const size_t begin = in_.position();
  while (!is_yaml_gap(in_.at()) && !is_yaml_bracket(in_.at())) in_.skip();
  return in_.since(begin);
}

// "!<uri>", "!handle!suffix", "!!suffix", "!suffix" or "!".
bool YamlFlow::tag(YamlProperties& into) {
  if (in_.at(1) == '<') {
    in_.skip(2);
    if (!tag_text(into.tag, true)) return false;
    if (into.tag.empty() || into.tag == "!" || in_.at() != '>') {
      return fail("a tag in full is written as !<tag:...>");
    }
    in_.skip();
    return true;
  }
  const size_t begin = in_.position();
  std::string suffix;
  in_.skip();
  const YamlCursor::Place behind = in_.place();
  const auto is_word = [](char c) {
    return c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  while (is_word(in_.at())) in_.skip();
  if (in_.at() == '!') {
    in_.skip();
  } else {
    in_.go_back(behind);
  }
  const std::string handle(in_.since(begin));
  if (!tag_text(suffix, false)) return false;
  if (suffix.empty() && handle != "!") return fail("a tag ends with its handle " + handle);
  if (suffix.empty()) {
    into.tag = "!";
    return true;
  }
  const auto known = handles_.find(handle);
  if (known != handles_.end()) {
    into.tag = known->second + suffix;
  } else if (handle == "!") {
    into.tag = "!" + suffix;
  } else if (handle == "!!") {
    into.tag = "tag:yaml.org,2002:" + suffix;
  } else {
    return fail("the tag's handle " + handle + " was not declared with %TAG");
  }
  return true;
}

// The characters of a URI, those as %41 decoded.
bool YamlFlow::tag_text(std::string& into, bool in_full) {
  // A short tag leaves what separates it from others in brackets.
  const std::string_view marks = in_full ? "-#;/?:@&=+$_.~*'()%,[]!" : "-#;/?:@&=+$_.~*'()%";
  const auto hex = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
    return -1;
  };
  for (;; in_.skip()) {
    const char c = in_.at();
    const bool word = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    const bool mark = c != '\0' && marks.find(c) != std::string_view::npos;
    if (!word && !mark) break;
    if (c != '%') {
      into += c;
      continue;
    }
    const int high = hex(in_.at(1));
    const int low = hex(in_.at(2));
    if (high < 0 || low < 0) return fail("'%' in a tag is followed by two hexadecimal digits");
    into += static_cast<char>(high << 4 | low);
    in_.skip(2);
  }
  return valid_utf8(into) || fail("a tag that is not UTF-8");
}

}  // namespace gatehouse::wire
