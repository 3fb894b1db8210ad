#include "loadgen/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace loadgen {

// Below 2^7 each value has its own slot; above, the seven bits after the leading one
// choose the slot within its power of two.
size_t Histogram::index_of(uint64_t ns) {
  if (ns < (1u << kStepBits)) return ns;
  const int shift = static_cast<int>(std::bit_width(ns)) - 1 - kStepBits;
  const size_t index = (static_cast<size_t>(shift) << kStepBits) + static_cast<size_t>(ns >> shift);
  return std::min(index, kSize - 1);
}

int64_t Histogram::highest_of(size_t index) {
  if (index < (1u << kStepBits)) return static_cast<int64_t>(index);
  const size_t shift = (index >> kStepBits) - 1;
  const uint64_t top = index - (shift << kStepBits);
  return static_cast<int64_t>(((top + 1) << shift) - 1);
}

void Histogram::record(int64_t ns) {
  ns = std::max<int64_t>(0, ns);
  ++counts_[index_of(static_cast<uint64_t>(ns))];
  ++count_;
  sum_ += static_cast<double>(ns);
  max_ = std::max(max_, ns);
}

void Histogram::merge(const Histogram& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

int64_t Histogram::percentile(double share) const {
  if (count_ == 0) return 0;
  const auto wanted =
      std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= wanted) return std::min(highest_of(i), max_);
  }
  return max_;
}

}  // namespace loadgen
