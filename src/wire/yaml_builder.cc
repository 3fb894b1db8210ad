#include "wire/yaml_builder.h"

#include <algorithm>
#include <map>

namespace gatehouse::wire {

bool YamlBuilder::fail(YamlMark mark, std::string_view what) {
  if (!status_.ok()) return false;
  status_ = invalid_argument(options_.name + ":" + std::to_string(mark.line) + ":" +
                             std::to_string(mark.column) + ": " + std::string(what));
  return false;
}

YamlNode* YamlBuilder::make(YamlMark mark, const YamlProperties& properties) {
  YamlNode& node = stream_.nodes_.emplace_back();
  node.mark = properties.given() ? properties.mark : mark;
  if (++nodes_ > options_.nodes_max) {
    fail(node.mark, "the text has too many values");
    return nullptr;
  }
  node.tag = properties.tag;
  node.anchor = properties.anchor;
  // Open until its text was read: an alias in it would never end.
  node.open_ = !node.anchor.empty();
  if (node.open_) anchors_[node.anchor] = &node;
  return &node;
}

const YamlNode* YamlBuilder::scalar(YamlNode* node, YamlStyle style, std::string value) {
  node->style = style;
  node->value = std::move(value);
  node->open_ = false;
  return node;
}

const YamlNode* YamlBuilder::alias(YamlMark at, const std::string& name) {
  const auto found = anchors_.find(name);
  if (found == anchors_.end()) {
    fail(at, "the alias *" + name + " has no anchor before it");
    return nullptr;
  }
  const YamlNode& target = *found->second;
  if (target.open_) {
    fail(at, "the alias *" + name + " lies within its own anchor");
    return nullptr;
  }
  nodes_ += 1 + target.nodes_below_;
  if (nodes_ > options_.nodes_max) {
    fail(at, "the aliases expand to too many values");
    return nullptr;
  }
  if (depth_ + target.levels_below_ > options_.depth_max) {
    fail(at, "nested too deeply through the alias *" + name);
    return nullptr;
  }
  return &target;
}

const YamlNode* YamlBuilder::adopt(YamlNode* outer, YamlNode* made,
                                   const YamlProperties& properties) {
  made->mark = outer->mark;
  made->tag = properties.tag;
  made->anchor = properties.anchor;
  *outer = std::move(*made);
  if (!outer->anchor.empty()) anchors_[outer->anchor] = outer;
  return outer;
}

bool YamlBuilder::open(YamlNode* node, YamlKind kind) {
  if (depth_ >= options_.depth_max) return fail(node->mark, "nested too deeply");
  ++depth_;
  node->kind = kind;
  node->open_ = true;
  return true;
}

void YamlBuilder::count_below(YamlNode* node, const YamlNode* below) {
  node->nodes_below_ += 1 + below->nodes_below_;
  node->levels_below_ = std::max(node->levels_below_, below->levels_below_ + 1);
}

void YamlBuilder::add(YamlNode* sequence, const YamlNode* item) {
  count_below(sequence, item);
  sequence->items.push_back(item);
}

void YamlBuilder::add(YamlNode* mapping, const YamlNode* key, const YamlNode* value) {
  count_below(mapping, key);
  count_below(mapping, value);
  mapping->entries.push_back({key, value});
}

const YamlNode* YamlBuilder::close(YamlNode* node) {
  // A key was read before the mapping that it opened: its depth is known now.
  if (--depth_ + node->levels_below_ > options_.depth_max) {
    fail(node->mark, "nested too deeply");
    return nullptr;
  }
  node->open_ = false;
  if (node->is_mapping()) {
    if (options_.unique_keys && !check_keys(*node)) return nullptr;
    if (options_.merge_keys && !merge(*node)) return nullptr;
  }
  return node;
}

bool YamlBuilder::check_keys(const YamlNode& node) {
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
      if (containers.size() == 64) return fail(key->mark, "too many keys that are no scalars");
      for (const YamlNode* other : containers) {
        if (same_yaml(*other, *key)) twin = other;
      }
      containers.push_back(key);
    }
    if (twin == nullptr) continue;
    const std::string name = key->is_scalar() ? "\"" + key->value + "\"" : std::string("");
    return fail(key->mark, "the key " + name + " occurs twice; it is first on line " +
                               std::to_string(twin->mark.line));
  }
  return true;
}

bool YamlBuilder::merge(YamlNode& node) {
  const auto is_merge = [](const YamlEntry& entry) {
    return entry.key->is_scalar() && entry.key->value == "<<" &&
           ((entry.key->style == YamlStyle::kPlain && entry.key->tag.empty()) ||
            entry.key->tag == "tag:yaml.org,2002:merge");
  };
  const auto first = std::find_if(node.entries.begin(), node.entries.end(), is_merge);
  if (first == node.entries.end()) return true;
  const std::vector<YamlEntry> given = std::move(node.entries);
  node.entries.clear();
  for (const YamlEntry& entry : given) {
    if (!is_merge(entry)) node.entries.push_back(entry);
  }
  for (const YamlEntry& entry : given) {
    if (!is_merge(entry)) continue;
    if (!entry.value->is_sequence()) {
      if (!merge_from(*entry.value, node, *entry.key)) return false;
      continue;
    }
    for (const YamlNode* source : entry.value->items) {
      if (!merge_from(*source, node, *entry.key)) return false;
    }
  }
  return true;
}

bool YamlBuilder::merge_from(const YamlNode& source, YamlNode& node, const YamlNode& key) {
  if (!source.is_mapping()) return fail(key.mark, "<< takes a mapping, or a list of mappings");
  // The comparisons are charged like nodes: many merges of large mappings are
  // another way to make a short text take long.
  nodes_ += source.entries.size() * (node.entries.size() + 1) / 16;
  if (nodes_ > options_.nodes_max) return fail(key.mark, "the merges expand to too many values");
  const size_t own = node.entries.size();
  for (const YamlEntry& entry : source.entries) {
    const bool known =
        std::any_of(node.entries.begin(), node.entries.begin() + static_cast<std::ptrdiff_t>(own),
                    [&](const YamlEntry& has) { return same_yaml(*has.key, *entry.key); });
    if (known) continue;
    node.entries.push_back(entry);
    node.nodes_below_ += 2 + entry.key->nodes_below_ + entry.value->nodes_below_;
  }
  return true;
}

}  // namespace gatehouse::wire
