// Flow nodes of YAML 1.2.2: scalars, aliases, and collections in brackets (§7),
// with the properties that stand before any node (§6.9).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "wire/yaml_builder.h"
#include "wire/yaml_cursor.h"
#include "wire/yaml_scalar.h"

namespace gatehouse::wire {

class YamlFlow {
 public:
  struct Node {
    const YamlNode* node = nullptr;  // null: failed
    YamlNode* made = nullptr;        // the same, but for an alias
    bool json_like = false;          // ends with a quote or a bracket
  };

  // Both outlive this.
  YamlFlow(YamlCursor& in, YamlBuilder& builder) : in_(in), builder_(builder) {}

  // The handles of tags of a document: "!e!" to its prefix.
  void forget_handles() { handles_.clear(); }
  bool add_handle(const std::string& handle, std::string_view prefix) {
    return handles_.emplace(handle, prefix).second;
  }

  // What is not empty, at the cursor. Lines after the first are indented by
  // `indent` or more.
  Node read(const YamlProperties& properties, YamlMark mark, int indent, bool in_brackets = false);
  const YamlNode* empty(YamlMark mark, const YamlProperties& properties = {});

  // Reads those that follow one another on this line.
  bool properties(YamlProperties& into, bool in_brackets = false);
  bool merge(YamlProperties& into, const YamlProperties& more);

  // Whether a key from `begin` to here may do without '?'.
  bool check_key_line(YamlMark begin);

  bool fail(std::string_view what) { return builder_.fail(in_.mark(), what); }
  const YamlNode* refuse(std::string_view what);
  bool check(YamlProblem problem) { return problem == nullptr || fail(problem); }

 private:
  Node read_value(int indent);
  const YamlNode* read_collection(YamlNode* node, int indent);
  bool read_entry(YamlNode* node, int indent);
  bool read_pair_value(YamlNode* node, const Node& key, int indent);
  bool separate(int indent);
  bool at_colon(bool json_like) const;

  bool tag(YamlProperties& into);
  bool tag_text(std::string& into, bool in_full);
  std::string_view name();

  YamlCursor& in_;
  YamlBuilder& builder_;
  std::map<std::string, std::string, std::less<>> handles_;
};

}  // namespace gatehouse::wire
