#include "lang/promql/eval/labels.h"

#include <algorithm>
#include <cstring>

namespace gatehouse::promql {

char* LabelArena::allocate(size_t bytes) {
  bytes = (bytes + 7) & ~size_t{7};
  if (bytes > kBlockBytes - used_ || blocks_.empty()) {
    const size_t block = std::max(bytes, kBlockBytes);
    if (status_.ok()) status_ = context_.charge(static_cast<int64_t>(block));
    blocks_.push_back(std::make_unique<char[]>(block));
    // A text longer than a block has a block alone, and the next starts another.
    used_ = bytes > kBlockBytes ? kBlockBytes : bytes;
    return blocks_.back().get();
  }
  char* place = blocks_.back().get() + used_;
  used_ += bytes;
  return place;
}

std::string_view LabelArena::keep(std::string_view text) {
  if (text.empty()) return {};
  const std::lock_guard lock(mutex_);
  char* place = allocate(text.size());
  std::memcpy(place, text.data(), text.size());
  return {place, text.size()};
}

LabelsView LabelArena::keep(const std::vector<LabelView>& labels) {
  if (labels.empty()) return {};
  const std::lock_guard lock(mutex_);
  auto* place = reinterpret_cast<LabelView*>(allocate(labels.size() * sizeof(LabelView)));
  std::uninitialized_copy(labels.begin(), labels.end(), place);
  return {place, labels.size()};
}

Status LabelArena::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void LabelBuilder::set(std::string_view name, std::string_view value) {
  auto at = std::lower_bound(
      labels_.begin(), labels_.end(), name,
      [](const LabelView& label, std::string_view wanted) { return label.name < wanted; });
  const bool there = at != labels_.end() && at->name == name;
  if (value.empty()) {
    if (there) labels_.erase(at);
  } else if (there) {
    at->value = value;
  } else {
    labels_.insert(at, LabelView{name, value});
  }
}

void LabelBuilder::keep_only(const std::vector<std::string>& sorted_names) {
  std::erase_if(labels_, [&](const LabelView& label) {
    return !std::binary_search(sorted_names.begin(), sorted_names.end(), label.name);
  });
}

uint64_t hash_labels(LabelsView labels) {
  uint64_t hash = 0x9e3779b97f4a7c15;
  const auto mix = [&hash](std::string_view text) {
    hash ^= std::hash<std::string_view>{}(text);
    hash *= 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  };
  for (const LabelView& label : labels) {
    mix(label.name);
    mix(label.value);
  }
  return hash;
}

bool same_labels(LabelsView a, LabelsView b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

int compare_labels(LabelsView a, LabelsView b) {
  const size_t shared = std::min(a.size(), b.size());
  for (size_t i = 0; i < shared; ++i) {
    if (const int order = a[i].name.compare(b[i].name); order != 0) return order;
    if (const int order = a[i].value.compare(b[i].value); order != 0) return order;
  }
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

model::Labels to_labels(LabelsView labels) {
  std::vector<model::Labels::Pair> pairs;
  pairs.reserve(labels.size());
  for (const LabelView& label : labels) pairs.emplace_back(label.name, label.value);
  return model::Labels(std::move(pairs));
}

std::string to_text(LabelsView labels) { return to_labels(labels).to_string(); }

LabelKey::LabelKey(bool only, std::vector<std::string> names)
    : only_(only), names_(std::move(names)) {
  if (!only_) names_.emplace_back(model::kMetricName);
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
}

bool LabelKey::contains(std::string_view name) const {
  return std::binary_search(names_.begin(), names_.end(), name) == only_;
}

namespace {

// Both are sorted: one pass over each.
template <typename Visit>
void for_each_kept(const std::vector<std::string>& names, bool only, LabelsView labels,
                   Visit&& visit) {
  size_t next = 0;
  for (const LabelView& label : labels) {
    while (next < names.size() && label.name.compare(names[next]) > 0) ++next;
    const bool named = next < names.size() && names[next] == label.name;
    if (named == only) visit(label);
  }
}

}  // namespace

void LabelKey::append(LabelsView labels, std::string& out) const {
  if (only_ && names_.empty()) return;
  const auto text = [&out](std::string_view part) {
    const auto size = static_cast<uint32_t>(part.size());
    out.append(reinterpret_cast<const char*>(&size), sizeof(size));
    out.append(part);
  };
  for_each_kept(names_, only_, labels, [&](const LabelView& label) {
    text(label.name);
    text(label.value);
  });
}

uint64_t LabelKey::hash(LabelsView labels) const {
  uint64_t hash = 0x9e3779b97f4a7c15;
  const auto mix = [&hash](std::string_view text) {
    hash ^= std::hash<std::string_view>{}(text);
    hash *= 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  };
  for_each_kept(names_, only_, labels, [&](const LabelView& label) {
    mix(label.name);
    mix(label.value);
  });
  return hash;
}

bool LabelKey::equal(LabelsView a, LabelsView b) const {
  size_t i = 0;
  size_t j = 0;
  for (;;) {
    while (i < a.size() && !contains(a[i].name)) ++i;
    while (j < b.size() && !contains(b[j].name)) ++j;
    if (i == a.size() || j == b.size()) return i == a.size() && j == b.size();
    if (a[i++] != b[j++]) return false;
  }
}

uint32_t LabelGroups::find(LabelsView labels) const {
  if (firsts_.empty()) return kNone;
  const uint64_t hash = key_.hash(labels);
  for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    const uint32_t group = slots_[at];
    if (group == kNone) return kNone;
    if (hashes_[group] == hash && key_.equal(firsts_[group], labels)) return group;
  }
}

uint32_t LabelGroups::add(LabelsView labels) {
  if (key_.trivial() && !firsts_.empty()) return 0;
  if (firsts_.size() * 2 >= slots_.size()) grow();
  const uint64_t hash = key_.hash(labels);
  for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    const uint32_t group = slots_[at];
    if (group == kNone) {
      slots_[at] = static_cast<uint32_t>(firsts_.size());
      firsts_.push_back(labels);
      hashes_.push_back(hash);
      return slots_[at];
    }
    if (hashes_[group] == hash && key_.equal(firsts_[group], labels)) return group;
  }
}

void LabelGroups::grow() {
  slots_.assign(std::max<size_t>(16, slots_.size() * 2), kNone);
  for (size_t group = 0; group < hashes_.size(); ++group) {
    size_t at = hashes_[group] & (slots_.size() - 1);
    while (slots_[at] != kNone) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = static_cast<uint32_t>(group);
  }
}

std::vector<LabelView> LabelKey::project(LabelsView labels) const {
  std::vector<LabelView> kept;
  for_each_kept(names_, only_, labels, [&](const LabelView& label) { kept.push_back(label); });
  return kept;
}

}  // namespace gatehouse::promql
