#include "export/series_labels.h"

namespace gatehouse::exporting {
namespace {

uint32_t fingerprint_of(model::LabelsView labels) {
  uint64_t hash = labels.size();
  for (const model::LabelView& label : labels) {
    hash = (hash ^ reinterpret_cast<uintptr_t>(label.value.data())) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 29;
  }
  return static_cast<uint32_t>(hash >> 32);
}

}  // namespace

void SeriesLabels::merge_external() {
  merged_.clear();
  auto own = own_.begin();
  for (const auto& [name, value] : external_.pairs()) {
    while (own != own_.end() && own->name < name) merged_.push_back(*own++);
    if (own != own_.end() && own->name == name) continue;  // the series' own wins
    merged_.push_back({name, value});
  }
  merged_.insert(merged_.end(), own, own_.end());
}

SeriesLabels::Remembered* SeriesLabels::remembered(uint32_t shard, uint32_t slot) {
  std::vector<Remembered>& slots = slots_[shard];
  if (slot >= slots.size()) {
    // The head gives slots out from 0 on: the next ones will come.
    const size_t size = std::max<size_t>(size_t{slot} + 1, slots.size() * 3 / 2);
    const auto more = static_cast<int64_t>((size - slots.size()) * sizeof(Remembered));
    if (!memory_.grow(more).ok()) return nullptr;
    slots.reserve(size);
    slots.resize(size);
  }
  return &slots[slot];
}

SeriesLabels::Verdict SeriesLabels::look(uint32_t shard, uint32_t slot,
                                         std::vector<model::LabelView>* out, Storage* storage) {
  own_.clear();
  if (!head_.labels_of(shard, slot, own_)) return Verdict::kUnknown;
  Remembered* before = nullptr;
  const uint32_t fingerprint = relabel_ ? fingerprint_of(own_) : 0;
  if (relabel_) {
    before = remembered(shard, slot);
    if (before != nullptr && before->outcome != Outcome::kNone &&
        before->fingerprint == fingerprint) {
      if (before->outcome == Outcome::kDropped) return Verdict::kDropped;
      if (out == nullptr) return Verdict::kKept;
    } else {
      before = nullptr;
    }
  }
  merge_external();
  if (relabel_ && (before == nullptr || before->outcome == Outcome::kChanged)) {
    std::vector<model::Labels::Pair> pairs;
    for (const model::LabelView& label : merged_) pairs.emplace_back(label.name, label.value);
    model::Labels labels(std::move(pairs));
    const model::Labels as_it_was = labels;
    const bool kept = relabel_(labels) && !labels.empty();
    if (Remembered* place = remembered(shard, slot); place != nullptr) {
      *place = {fingerprint, !kept                 ? Outcome::kDropped
                             : labels == as_it_was ? Outcome::kPlain
                                                   : Outcome::kChanged};
    }
    if (!kept) return Verdict::kDropped;
    if (out == nullptr) return Verdict::kKept;
    storage->push_back(std::move(labels));
    for (const auto& [name, value] : storage->back().pairs()) out->push_back({name, value});
    return Verdict::kKept;
  }
  if (out != nullptr) out->insert(out->end(), merged_.begin(), merged_.end());
  return Verdict::kKept;
}

}  // namespace gatehouse::exporting
