#include "model/series.h"

#include "base/loop.h"

namespace gatehouse::model {

namespace {

Status too_large() {
  return resource_exhausted(
      "the query needs more memory than is free (memory.limit): ask for fewer series or less time");
}

}  // namespace

Status QueryContext::refused() const {
  return refused_.load(std::memory_order_relaxed) ? too_large() : Status();
}

Status QueryContext::check() const {
  RETURN_IF_ERROR(refused());
  if (cancelled_.load(std::memory_order_relaxed)) {
    return {Code::kCancelled, "query was canceled"};
  }
  if (steady_ms() > deadline_steady_ms_) {
    return {Code::kDeadlineExceeded, "query timed out"};
  }
  return {};
}

Status QueryContext::charge(int64_t bytes) {
  // A small query needs nothing of the share, so that large ones leave it its place.
  const bool small =
      charged_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= MemoryBudget::kSmallBytes;
  if ((small || !share_ || share_->grow(bytes)) && memory_.grow(bytes)) return {};
  return too_large();
}

Status QueryContext::count_samples(int64_t samples) {
  const int64_t total = samples_.fetch_add(samples, std::memory_order_relaxed) + samples;
  if (total <= samples_max_) return {};
  return resource_exhausted("query processing would load too many samples into memory (more than " +
                            std::to_string(samples_max_) + ")");
}

}  // namespace gatehouse::model
