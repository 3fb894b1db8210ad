// Makes the nodes of a stream as a parser meets them, and keeps its bounds:
// depth, number of nodes with aliases followed, unique keys, merges. The first
// failure stays; what fails returns false or null, and its caller does too.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "wire/yaml.h"

namespace gatehouse::wire {

// What stands before a node's text: "!tag &anchor".
struct YamlProperties {
  std::string tag, anchor;
  YamlMark mark;
  bool given() const { return !tag.empty() || !anchor.empty(); }
};

class YamlBuilder {
 public:
  // Both outlive this.
  YamlBuilder(const YamlOptions& options, YamlStream& stream)
      : options_(options), stream_(stream) {}

  bool fail(YamlMark mark, std::string_view what);
  const Status& status() const { return status_; }

  void begin_document() { anchors_.clear(); }
  void end_document(const YamlNode* root) { stream_.documents_.push_back(root); }

  // A node that becomes a scalar or, once open, a collection until its close.
  YamlNode* make(YamlMark mark, const YamlProperties& properties);
  const YamlNode* scalar(YamlNode* node, YamlStyle style, std::string value);
  const YamlNode* alias(YamlMark at, const std::string& name);
  bool open(YamlNode* node, YamlKind kind);
  void add(YamlNode* sequence, const YamlNode* item);
  void add(YamlNode* mapping, const YamlNode* key, const YamlNode* value);
  const YamlNode* close(YamlNode* node);

  // `outer` was made for properties on a line before; what follows them turned
  // out to be `made`, which no other node holds yet, and takes its place.
  const YamlNode* adopt(YamlNode* outer, YamlNode* made, const YamlProperties& properties);

 private:
  static void count_below(YamlNode* node, const YamlNode* below);
  bool check_keys(const YamlNode& node);
  bool merge(YamlNode& node);
  bool merge_from(const YamlNode& source, YamlNode& node, const YamlNode& key);

  const YamlOptions& options_;
  YamlStream& stream_;
  Status status_;
  std::unordered_map<std::string, const YamlNode*> anchors_;
  uint64_t nodes_ = 0;  // with aliases followed
  uint32_t depth_ = 0;  // open collections
};

}  // namespace gatehouse::wire
