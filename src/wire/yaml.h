// YAML 1.2 documents as trees in which every node knows its line and column, so
// that whoever reads a configuration can point at what is wrong.
//
// An alias is the same node met again, not a copy. What a walk over a document
// with all aliases followed would visit is bounded (nodes_max), so that a few
// lines of nested aliases cannot expand to billions of nodes ("billion laughs"),
// and an alias within its own anchor is refused: every walk ends.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gatehouse::wire {

// Both from 1, the column in characters, as editors count.
struct YamlMark {
  uint32_t line = 1;
  uint32_t column = 1;
  friend bool operator==(const YamlMark&, const YamlMark&) = default;
};

enum class YamlKind : uint8_t { kScalar, kSequence, kMapping };
enum class YamlStyle : uint8_t { kPlain, kSingleQuoted, kDoubleQuoted, kLiteral, kFolded };

struct YamlEntry;

// Resolution of scalars is that of the core schema (YAML 1.2.2 §10.3): only a
// plain scalar without a tag can be null, a bool or a number, or one of the
// tag's type; everything else is a string. "yes" and "on" are strings.
class YamlNode {
 public:
  YamlKind kind = YamlKind::kScalar;
  YamlStyle style = YamlStyle::kPlain;
  YamlMark mark;
  std::string tag;     // resolved, "tag:yaml.org,2002:str", or "!"; empty: none was given
  std::string anchor;  // its name, without '&'
  std::string value;   // of a scalar, as read
  std::vector<const YamlNode*> items;
  std::vector<YamlEntry> entries;  // in the order of the text; merged ones last

  bool is_scalar() const { return kind == YamlKind::kScalar; }
  bool is_sequence() const { return kind == YamlKind::kSequence; }
  bool is_mapping() const { return kind == YamlKind::kMapping; }

  bool is_null() const;
  bool is_string() const;  // a scalar that is none of the others
  std::optional<bool> boolean() const;
  std::optional<int64_t> integer() const;
  std::optional<double> number() const;  // integers too

  // The value of a mapping's scalar key, or null.
  const YamlNode* get(std::string_view key) const;

 private:
  friend class YamlBuilder;
  // With aliases followed; see the head of this file.
  uint64_t nodes_below_ = 0;
  uint32_t levels_below_ = 0;
  bool open_ = false;
};

struct YamlEntry {
  const YamlNode* key;
  const YamlNode* value;
};

// Equal in kind, tag, value and children. Mappings compare in order.
bool same_yaml(const YamlNode& a, const YamlNode& b);

struct YamlOptions {
  std::string name = "yaml";  // the file's, for messages
  // Refuse a mapping in which a key occurs twice.
  bool unique_keys = true;
  // Resolve "<<": the entries of the mapping, or mappings, that it names are
  // added where the mapping has no such key of its own.
  bool merge_keys = true;
  // A configuration with hundreds of models stays below 1 MiB.
  size_t bytes_max = 16 << 20;
  // The configuration needs 8, Kubernetes manifests some 20.
  uint32_t depth_max = 64;
  // A node takes some 200 bytes: 200 MiB at the worst, and far less in files.
  uint64_t nodes_max = 1'000'000;
};

class YamlStream {
 public:
  YamlStream() = default;
  YamlStream(YamlStream&&) = default;
  YamlStream& operator=(YamlStream&&) = default;

  // A root each; a document without content is a null scalar.
  const std::vector<const YamlNode*>& documents() const { return documents_; }

 private:
  friend class YamlBuilder;
  std::deque<YamlNode> nodes_;  // addresses stay
  std::vector<const YamlNode*> documents_;
};

// All documents of `text`, which is UTF-8 (or UTF-16 with a byte order mark).
// Errors read "NAME:LINE:COLUMN: what is wrong".
Result<YamlStream> parse_yaml(std::string_view text, const YamlOptions& options = {});

}  // namespace gatehouse::wire
