// Label sets while a query is evaluated: borrowed views, from the store or from the
// arena of the evaluation, until the answer is made of them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/series.h"

namespace gatehouse::promql {

using model::LabelsView;
using model::LabelView;

// Owns the label sets that an evaluation makes. Any thread.
class LabelArena {
 public:
  explicit LabelArena(model::QueryContext& context) : context_(context) {}

  std::string_view keep(std::string_view text);
  // The array only; the texts must live as long as the arena.
  LabelsView keep(const std::vector<LabelView>& labels);
  // Fails once the memory budget is used up.
  Status status() const;

 private:
  static constexpr size_t kBlockBytes = 64 << 10;
  char* allocate(size_t bytes);

  model::QueryContext& context_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t used_ = kBlockBytes;
  Status status_;
};

// Changes a label set. The texts given must live as long as the arena.
class LabelBuilder {
 public:
  explicit LabelBuilder(LabelsView labels) : labels_(labels.begin(), labels.end()) {}
  void set(std::string_view name, std::string_view value);  // "" removes
  void remove(std::string_view name) { set(name, {}); }
  std::string_view get(std::string_view name) const { return model::find_label(labels_, name); }
  void keep_only(const std::vector<std::string>& sorted_names);
  const std::vector<LabelView>& labels() const { return labels_; }

 private:
  std::vector<LabelView> labels_;
};

// A name that says what a value is rather than where it comes from: dropped with
// the metric's name by whatever changes the value ("__type__", "__unit__": the type
// and unit labels of Prometheus 3).
inline bool is_schema_label(std::string_view name) {
  return name == "__name__" || name == "__type__" || name == "__unit__";
}

uint64_t hash_labels(LabelsView labels);
bool same_labels(LabelsView a, LabelsView b);
// Order of Prometheus: by name, then value, label by label; the shorter first.
int compare_labels(LabelsView a, LabelsView b);
model::Labels to_labels(LabelsView labels);
// {__name__="x", a="b"}: as errors print a series.
std::string to_text(LabelsView labels);

// The part of a label set that two series are compared by: with some names alone,
// or all but some. `__name__` counts only where it is named.
class LabelKey {
 public:
  LabelKey(bool only,
           std::vector<std::string> names);  // only: on()/by(), else ignoring()/without()

  // Appends to `out` a text equal for equal keys alone.
  void append(LabelsView labels, std::string& out) const;
  std::vector<LabelView> project(LabelsView labels) const;
  uint64_t hash(LabelsView labels) const;
  bool equal(LabelsView a, LabelsView b) const;
  bool contains(std::string_view name) const;
  bool only() const { return only_; }
  const std::vector<std::string>& names() const { return names_; }
  // Every label set has the same key.
  bool trivial() const { return only_ && names_.empty(); }

 private:
  bool only_;
  std::vector<std::string> names_;  // sorted
};

// Label sets put together by their keys, numbered as they come.
class LabelGroups {
 public:
  explicit LabelGroups(LabelKey key) : key_(std::move(key)) {}

  // The group of the labels, which must live as long; a new one where it is the first.
  uint32_t add(LabelsView labels);
  // Or none.
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t find(LabelsView labels) const;
  size_t size() const { return firsts_.size(); }
  // The labels that opened the group.
  LabelsView first(uint32_t group) const { return firsts_[group]; }
  const LabelKey& key() const { return key_; }

 private:
  void grow();

  LabelKey key_;
  std::vector<LabelsView> firsts_;
  std::vector<uint64_t> hashes_;
  std::vector<uint32_t> slots_;  // open addressing, a power of two; kNone: free
};

}  // namespace gatehouse::promql
