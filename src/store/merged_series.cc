#include "store/merged_series.h"

#include <algorithm>

#include "store/block/block_writer.h"
#include "store/head/column_merge.h"

namespace gatehouse::store {
namespace {

class MergedSeries : public model::SeriesSet {
 public:
  MergedSeries(std::vector<std::unique_ptr<model::SeriesSet>> sets, std::shared_ptr<const void> pin)
      : pin_(std::move(pin)), sets_(std::move(sets)) {}

  Status merge(model::QueryContext& context) {
    // Where each set stands; the sets whose series is next, the least of all.
    std::vector<size_t> at(sets_.size());
    std::vector<uint32_t> least;
    for (size_t rounds = 0;; ++rounds) {
      if (rounds % 4096 == 0) {
        RETURN_IF_ERROR(context.check());
        RETURN_IF_ERROR(context.charge(4096 * (sizeof(Part) * 2 + sizeof(size_t))));
      }
      least.clear();
      model::LabelsView of_least;
      for (uint32_t set = 0; set < sets_.size(); ++set) {
        if (at[set] == sets_[set]->size()) continue;
        const model::LabelsView labels = sets_[set]->labels(at[set]);
        const int order = least.empty() ? -1 : compare_labels(labels, of_least);
        if (order > 0) continue;
        if (order < 0) {
          least.clear();
          of_least = labels;
        }
        least.push_back(set);
      }
      if (least.empty()) break;
      first_part_.push_back(parts_.size());
      for (const uint32_t set : least) parts_.push_back({set, at[set]++});
    }
    first_part_.push_back(parts_.size());
    return {};
  }

  size_t size() const override { return first_part_.size() - 1; }
  model::LabelsView labels(size_t i) const override {
    const Part& part = parts_[first_part_[i]];
    return sets_[part.set]->labels(part.index);
  }
  Status samples(size_t i, model::SampleColumns& out) const override {
    const size_t first = first_part_[i];
    RETURN_IF_ERROR(sets_[parts_[first].set]->samples(parts_[first].index, out));
    thread_local model::SampleColumns later, merged;
    for (size_t part = first + 1; part < first_part_[i + 1]; ++part) {
      RETURN_IF_ERROR(sets_[parts_[part].set]->samples(parts_[part].index, later));
      if (later.empty()) continue;
      if (out.empty()) {
        std::swap(out, later);
        continue;
      }
      merge_columns(later, out, merged);
      std::swap(out, merged);
    }
    return {};
  }

 private:
  struct Part {
    uint32_t set;
    size_t index;
  };
  std::shared_ptr<const void> pin_;
  std::vector<std::unique_ptr<model::SeriesSet>> sets_;
  std::vector<Part> parts_;
  std::vector<size_t> first_part_;
};

}  // namespace

Result<std::unique_ptr<model::SeriesSet>> merge_series(
    std::vector<std::unique_ptr<model::SeriesSet>> sets, model::QueryContext& context,
    std::shared_ptr<const void> pin) {
  std::erase_if(sets, [](const auto& set) { return set->size() == 0; });
  if (sets.size() == 1) return std::move(sets.front());
  auto merged = std::make_unique<MergedSeries>(std::move(sets), std::move(pin));
  RETURN_IF_ERROR(merged->merge(context));
  return std::unique_ptr<model::SeriesSet>(std::move(merged));
}

}  // namespace gatehouse::store
