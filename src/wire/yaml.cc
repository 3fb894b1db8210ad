// Builds the tree from libyaml's events; libyaml itself is seen here alone.
#include "wire/yaml.h"

#include <yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <unordered_map>

#include "wire/yaml_strict.h"

namespace gatehouse::wire {

namespace {

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

// Whether the scalar may be resolved to the core type `type`.
bool may_be(const YamlNode& node, std::string_view type) {
  if (!node.is_scalar()) return false;
  if (node.tag.empty()) return node.style == YamlStyle::kPlain;
  return node.tag.starts_with(kTagPrefix) &&
         std::string_view(node.tag).substr(kTagPrefix.size()) == type;
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

template <typename T>
std::optional<T> whole(std::string_view text, int base) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool looks_like_number(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto digits = [&] {
    size_t count = 0;
    while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
    text.remove_prefix(count);
    return count;
  };
  const size_t before = digits();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (digits() == 0 && before == 0) return false;
  } else if (before == 0) {
    return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return text.empty();
}

}  // namespace

bool YamlNode::is_null() const {
  if (!may_be(*this, "null")) return false;
  return value.empty() || value == "~" || value == "null" || value == "Null" || value == "NULL";
}

std::optional<bool> YamlNode::boolean() const {
  if (!may_be(*this, "bool")) return {};
  if (value == "true" || value == "True" || value == "TRUE") return true;
  if (value == "false" || value == "False" || value == "FALSE") return false;
  return {};
}

std::optional<int64_t> YamlNode::integer() const {
  if (!may_be(*this, "int")) return {};
  std::string_view text = value;
  if (text.starts_with("0o")) return whole<int64_t>(text.substr(2), 8);
  if (text.starts_with("0x")) return whole<int64_t>(text.substr(2), 16);
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (!all_digits(text)) return {};
  }
  return whole<int64_t>(text, 10);
}

std::optional<double> YamlNode::number() const {
  if (const auto exact = integer()) return static_cast<double>(*exact);
  if (!may_be(*this, "float") && !may_be(*this, "int")) return {};
  std::string_view text = value;
  if (text == ".nan" || text == ".NaN" || text == ".NAN") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  std::string_view unsigned_text = text;
  if (text.starts_with('-') || text.starts_with('+')) unsigned_text.remove_prefix(1);
  if (unsigned_text == ".inf" || unsigned_text == ".Inf" || unsigned_text == ".INF") {
    const double infinity = std::numeric_limits<double>::infinity();
    return text.starts_with('-') ? -infinity : infinity;
  }
  if (!looks_like_number(text)) return {};
  if (text.starts_with('+')) text.remove_prefix(1);
  double result = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), result);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return {};
  return result;
}

bool YamlNode::is_string() const { return is_scalar() && !is_null() && !boolean() && !number(); }

const YamlNode* YamlNode::get(std::string_view key) const {
  for (const YamlEntry& entry : entries) {
    if (entry.key->is_scalar() && entry.key->value == key) return entry.value;
  }
  return nullptr;
}

bool same_yaml(const YamlNode& a, const YamlNode& b) {
  if (&a == &b) return true;
  if (a.kind != b.kind || a.tag != b.tag) return false;
  if (a.is_scalar()) {
    // "1" and 1 differ, 'a' and "a" do not.
    return a.value == b.value && a.is_string() == b.is_string();
  }
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                    [](const YamlNode* x, const YamlNode* y) { return same_yaml(*x, *y); }) &&
         std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(), b.entries.end(),
                    [](const YamlEntry& x, const YamlEntry& y) {
                      return same_yaml(*x.key, *y.key) && same_yaml(*x.value, *y.value);
                    });
}

class YamlBuilder {
 public:
  YamlBuilder(const YamlOptions& options, YamlStream& stream)
      : options_(options), stream_(stream) {}

  Status handle(const yaml_event_t& event);
  Status error(YamlMark mark, std::string_view what) const {
    return invalid_argument(options_.name + ":" + std::to_string(mark.line) + ":" +
                            std::to_string(mark.column) + ": " + std::string(what));
  }
  static YamlMark mark_of(const yaml_mark_t& mark) {
    return {static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(mark.column + 1)};
  }

 private:
  struct Frame {
    YamlNode* node;
    const YamlNode* key = nullptr;  // of a mapping, waiting for its value
  };

  Result<YamlNode*> make(const yaml_event_t& event, YamlKind kind, const yaml_char_t* anchor,
                         const yaml_char_t* tag);
  Status attach(const YamlNode* node, YamlMark at);
  Status scalar(const yaml_event_t& event);
  Status alias(const yaml_event_t& event);
  Status close();
  Status check_keys(const YamlNode& node);
  Status merge(YamlNode& node);
  Status merge_from(const YamlNode& source, YamlNode& node, const YamlNode& key);

  const YamlOptions& options_;
  YamlStream& stream_;
  std::vector<Frame> stack_;
  std::unordered_map<std::string, const YamlNode*> anchors_;
  uint64_t nodes_ = 0;  // with aliases followed
};

Status YamlBuilder::handle(const yaml_event_t& event) {
  switch (event.type) {
    case YAML_DOCUMENT_START_EVENT: anchors_.clear(); return {};
    case YAML_SCALAR_EVENT: return scalar(event);
    case YAML_ALIAS_EVENT: return alias(event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT: {
      const bool mapping = event.type == YAML_MAPPING_START_EVENT;
      const auto& start = event.data;
      ASSIGN_OR_RETURN(YamlNode * node,
                       make(event, mapping ? YamlKind::kMapping : YamlKind::kSequence,
                            mapping ? start.mapping_start.anchor : start.sequence_start.anchor,
                            mapping ? start.mapping_start.tag : start.sequence_start.tag));
      if (stack_.size() >= options_.depth_max) return error(node->mark, "nested too deeply");
      node->open_ = true;
      stack_.push_back({node});
      return {};
    }
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return close();
    default: return {};
  }
}

Result<YamlNode*> YamlBuilder::make(const yaml_event_t& event, YamlKind kind,
                                    const yaml_char_t* anchor, const yaml_char_t* tag) {
  YamlNode& node = stream_.nodes_.emplace_back();
  node.kind = kind;
  node.mark = mark_of(event.start_mark);
  if (++nodes_ > options_.nodes_max) return error(node.mark, "the text has too many values");
  if (tag != nullptr) node.tag = reinterpret_cast<const char*>(tag);
  if (anchor != nullptr) {
    node.anchor = reinterpret_cast<const char*>(anchor);
    anchors_[node.anchor] = &node;
  }
  return &node;
}

Status YamlBuilder::scalar(const yaml_event_t& event) {
  const auto& scalar = event.data.scalar;
  ASSIGN_OR_RETURN(YamlNode * node, make(event, YamlKind::kScalar, scalar.anchor, scalar.tag));
  node->value.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
  switch (scalar.style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE: node->style = YamlStyle::kSingleQuoted; break;
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE: node->style = YamlStyle::kDoubleQuoted; break;
    case YAML_LITERAL_SCALAR_STYLE: node->style = YamlStyle::kLiteral; break;
    case YAML_FOLDED_SCALAR_STYLE: node->style = YamlStyle::kFolded; break;
    default: node->style = YamlStyle::kPlain;
  }
  return attach(node, node->mark);
}

Status YamlBuilder::alias(const yaml_event_t& event) {
  const std::string name = reinterpret_cast<const char*>(event.data.alias.anchor);
  const YamlMark at = mark_of(event.start_mark);
  const auto found = anchors_.find(name);
  if (found == anchors_.end()) return error(at, "the alias *" + name + " has no anchor before it");
  const YamlNode& target = *found->second;
  if (target.open_) return error(at, "the alias *" + name + " lies within its own anchor");
  nodes_ += 1 + target.nodes_below_;
  if (nodes_ > options_.nodes_max) return error(at, "the aliases expand to too many values");
  if (stack_.size() + target.levels_below_ > options_.depth_max) {
    return error(at, "nested too deeply through the alias *" + name);
  }
  return attach(&target, at);
}

Status YamlBuilder::attach(const YamlNode* node, YamlMark) {
  if (stack_.empty()) {
    stream_.documents_.push_back(node);
    return {};
  }
  Frame& frame = stack_.back();
  frame.node->nodes_below_ += 1 + node->nodes_below_;
  frame.node->levels_below_ = std::max(frame.node->levels_below_, node->levels_below_ + 1);
  if (frame.node->is_sequence()) {
    frame.node->items.push_back(node);
  } else if (frame.key == nullptr) {
    frame.key = node;
  } else {
    frame.node->entries.push_back({frame.key, node});
    frame.key = nullptr;
  }
  return {};
}

Status YamlBuilder::close() {
  YamlNode* node = stack_.back().node;
  stack_.pop_back();
  node->open_ = false;
  if (node->is_mapping()) {
    if (options_.unique_keys) RETURN_IF_ERROR(check_keys(*node));
    if (options_.merge_keys) RETURN_IF_ERROR(merge(*node));
  }
  return attach(node, node->mark);
}

Status YamlBuilder::check_keys(const YamlNode& node) {
  // By value first: comparing every pair would be quadratic in the keys.
  std::multimap<std::string_view, const YamlNode*> seen;
  std::vector<const YamlNode*> containers;
  for (const auto& [key, value] : node.entries) {
    const YamlNode* twin = nullptr;
    if (key->is_scalar()) {
      const auto [begin, end] = seen.equal_range(key->value);
      for (auto at = begin; at != end; ++at) {
        if (same_yaml(*at->second, *key)) twin = at->second;
      }
      seen.emplace(key->value, key);
    } else {
      // Real files have at most a few; each comparison may walk both.
      if (containers.size() == 64) return error(key->mark, "too many keys that are no scalars");
      for (const YamlNode* other : containers) {
        if (same_yaml(*other, *key)) twin = other;
      }
      containers.push_back(key);
    }
    if (twin == nullptr) continue;
    const std::string name = key->is_scalar() ? "\"" + key->value + "\"" : std::string("");
    return error(key->mark, "the key " + name + " occurs twice; it is first on line " +
                                std::to_string(twin->mark.line));
  }
  return {};
}

Status YamlBuilder::merge(YamlNode& node) {
  const auto is_merge = [](const YamlEntry& entry) {
    return entry.key->is_scalar() && entry.key->value == "<<" &&
           ((entry.key->style == YamlStyle::kPlain && entry.key->tag.empty()) ||
            entry.key->tag == "tag:yaml.org,2002:merge");
  };
  const auto first = std::find_if(node.entries.begin(), node.entries.end(), is_merge);
  if (first == node.entries.end()) return {};
  const std::vector<YamlEntry> given = std::move(node.entries);
  node.entries.clear();
  for (const YamlEntry& entry : given) {
    if (!is_merge(entry)) node.entries.push_back(entry);
  }
  for (const YamlEntry& entry : given) {
    if (!is_merge(entry)) continue;
    if (!entry.value->is_sequence()) {
      RETURN_IF_ERROR(merge_from(*entry.value, node, *entry.key));
      continue;
    }
    for (const YamlNode* source : entry.value->items) {
      RETURN_IF_ERROR(merge_from(*source, node, *entry.key));
    }
  }
  return {};
}

Status YamlBuilder::merge_from(const YamlNode& source, YamlNode& node, const YamlNode& key) {
  if (!source.is_mapping()) return error(key.mark, "<< takes a mapping, or a list of mappings");
  // The comparisons are charged like nodes: many merges of large mappings are
  // another way to make a short text take long.
  nodes_ += source.entries.size() * (node.entries.size() + 1) / 16;
  if (nodes_ > options_.nodes_max) return error(key.mark, "the merges expand to too many values");
  const size_t own = node.entries.size();
  for (const YamlEntry& entry : source.entries) {
    const bool known =
        std::any_of(node.entries.begin(), node.entries.begin() + static_cast<std::ptrdiff_t>(own),
                    [&](const YamlEntry& has) { return same_yaml(*has.key, *entry.key); });
    if (known) continue;
    node.entries.push_back(entry);
    node.nodes_below_ += 2 + entry.key->nodes_below_ + entry.value->nodes_below_;
  }
  return {};
}

Result<YamlStream> parse_yaml(std::string_view text, const YamlOptions& options) {
  YamlStream stream;
  YamlBuilder builder(options, stream);
  if (text.size() > options.bytes_max) {
    return builder.error({},
                         "the text is longer than " + std::to_string(options.bytes_max) + " bytes");
  }
  const YamlPrepared prepared_text = prepare_yaml(text);
  if (prepared_text.error_line) {
    return builder.error({static_cast<uint32_t>(*prepared_text.error_line + 1), 1},
                         prepared_text.error);
  }
  const std::string& prepared = prepared_text.text;
  YamlStrictness strictness(prepared);
  yaml_parser_t parser;
  if (yaml_parser_initialize(&parser) == 0)
    return resource_exhausted("no memory for a YAML parser");
  const std::unique_ptr<yaml_parser_t, void (*)(yaml_parser_t*)> parser_end(&parser,
                                                                            yaml_parser_delete);
  yaml_parser_set_input_string(&parser, reinterpret_cast<const unsigned char*>(prepared.data()),
                               prepared.size());
  for (bool ended = false; !ended;) {
    yaml_event_t event;
    if (yaml_parser_parse(&parser, &event) == 0) {
      std::string what = parser.problem != nullptr ? parser.problem : "not YAML";
      if (parser.context != nullptr) what = std::string(parser.context) + ": " + what;
      return builder.error(YamlBuilder::mark_of(parser.problem_mark), what);
    }
    const std::unique_ptr<yaml_event_t, void (*)(yaml_event_t*)> event_end(&event,
                                                                           yaml_event_delete);
    if (const char* wrong = strictness.check(event)) {
      return builder.error(YamlBuilder::mark_of(event.start_mark), wrong);
    }
    RETURN_IF_ERROR(builder.handle(event));
    ended = event.type == YAML_STREAM_END_EVENT;
  }
  return stream;
}

}  // namespace gatehouse::wire
