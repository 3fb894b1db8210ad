// YAML 1.2.2 by recursive descent over the text itself, without tokens.
//
// Block structure is a matter of columns: block_node reads what is indented
// more than its parent; a collection goes on while lines begin at its column.
// Whether "a" is a scalar or a mapping's first key is known only behind it, so
// that such a node is read first and becomes the key where ':' follows on its
// line. Nothing is read twice but for the blanks behind a plain scalar: the
// time is linear in the text. The builder's bound on depth is that of the stack.
#pragma once

#include <string_view>

#include "wire/yaml_builder.h"
#include "wire/yaml_cursor.h"
#include "wire/yaml_flow.h"

namespace gatehouse::wire {

class YamlParser {
 public:
  // Both outlive this.
  YamlParser(std::string_view text, YamlBuilder& builder) : in_(text), builder_(builder) {}

  YamlParser(const YamlParser&) = delete;  // flow_ reads through in_
  YamlParser& operator=(const YamlParser&) = delete;

  // Whether all of the text was read; else the builder knows why.
  bool parse();

 private:
  // What may stand where a block node is expected.
  struct BlockRules {
    bool compact;           // a collection on the line of the indicator before it
    bool aligned_sequence;  // a list at its parent's own column
  };
  // What a block node's text begins with.
  struct BlockStart {
    YamlMark mark;
    int column = 0;
    bool may_be_collection = false;
    YamlProperties own;
    YamlProperties outer;      // of lines before
    YamlNode* node = nullptr;  // made for the outer ones
    bool empty = false;        // there is no text
  };

  // Documents.
  bool directives(bool& any);
  bool directive();
  bool version_directive();
  bool tag_directive();
  bool document(bool& ended_by_dots);

  // Block structure.
  const YamlNode* block_node(int parent, BlockRules rules);
  bool block_start(int parent, BlockRules rules, BlockStart& start);
  bool nothing_for(int parent, BlockRules rules) const;
  const YamlNode* block_content(int parent, BlockStart& start);
  const YamlNode* literal(int parent, BlockStart& start);
  const YamlNode* sequence(YamlNode* node, int column);
  const YamlNode* mapping(YamlNode* node, int column, const YamlNode* first_key);
  bool explicit_entry(YamlNode* node, int column);
  const YamlNode* implicit_key(int column);
  bool next_line(int column, bool& more);
  bool at_key_end();

  YamlCursor in_;
  YamlBuilder& builder_;
  YamlFlow flow_{in_, builder_};
  bool version_given_ = false;
};

}  // namespace gatehouse::wire
