#include "store/block/chunk_layout.h"

#include <charconv>
#include <limits>

namespace gatehouse::store {
namespace {

constexpr std::string_view kBucket = "_bucket";
constexpr std::string_view kCount = "_count";
constexpr std::string_view kBound = "le";

}  // namespace

ChunkOrder chunk_order(model::LabelsView labels) {
  ChunkOrder order;
  const std::string_view name = find_label(labels, model::kMetricName);
  const std::string_view bound = find_label(labels, kBound);
  std::string_view stem = name;
  if (name.ends_with(kBucket) && !bound.empty()) {
    stem.remove_suffix(kBucket.size());
    const auto [end, error] = std::from_chars(bound.begin(), bound.end(), order.bound);
    if (error != std::errc() || end != bound.end()) {
      order.bound = std::numeric_limits<double>::infinity();
    }
  } else if (name.ends_with(kCount) && bound.empty()) {
    stem.remove_suffix(kCount.size());
    order.total = true;
  } else {
    return order;
  }
  order.family = stem;
  for (const model::LabelView& label : labels) {
    if (label.name == model::kMetricName || label.name == kBound) continue;
    // Neither UTF-8 byte occurs in labels.
    order.family.append("\xfe").append(label.name).append("\xff").append(label.value);
  }
  return order;
}

}  // namespace gatehouse::store
