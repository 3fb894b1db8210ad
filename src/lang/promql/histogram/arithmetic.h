// Sums, differences and multiples of native histograms, after the specification of
// Prometheus's native histograms: resolutions are reduced to the coarser, zero
// buckets widened to the wider, custom bounds reduced to those both have; hints of
// counter resets follow what was added.
#pragma once

#include <vector>

#include "lang/promql/histogram/buckets.h"
#include "lang/promql/kahan.h"
#include "model/native_histogram.h"

namespace gatehouse::promql {

// A sum of histograms, every number of it compensated.
class HistogramSum {
 public:
  struct Outcome {
    bool compatible = true;        // false: exponential and custom buckets; nothing was added
    bool reconciled = false;       // custom bounds differed
    bool reset_collision = false;  // some added so far say the counter was reset, some that not
  };

  HistogramSum() = default;
  explicit HistogramSum(const NativeHistogram& first) { add(first); }

  // `sign`: 1 or -1. The first makes the sum; its hint is kept.
  Outcome add(const NativeHistogram& histogram, double sign = 1);

  // Another sum, of the same things in another worker's hands.
  Outcome merge(const HistogramSum& other);

  bool empty() const { return added_ == 0; }
  size_t added() const { return added_; }
  // The sum, or the mean of what was added, compact.
  NativeHistogram sum() const { return result(1); }
  NativeHistogram mean() const { return result(static_cast<double>(added_)); }
  void set_reset(model::CounterReset reset) { reset_ = reset; }

 private:
  struct Cell {
    int32_t index = 0;
    Kahan count;
  };
  using Cells = std::vector<Cell>;

  NativeHistogram result(double divisor) const;
  void adjust_reset(model::CounterReset other);
  void reduce_to(int32_t schema);
  void widen_zero_bucket(double threshold);
  void add_cells(Cells& cells, const std::vector<IndexedCount>& buckets, double factor);
  void shrink();
  bool overflown() const;

  size_t added_ = 0;
  int32_t schema_ = 0;
  model::CounterReset reset_ = model::CounterReset::kUnknown;
  bool seen_reset_ = false;
  bool seen_not_reset_ = false;
  double zero_threshold_ = 0;
  Kahan zero_count_;
  Kahan count_;
  Kahan sum_;
  Cells positive_;
  Cells negative_;
  std::vector<double> bounds_;
  // Sums beyond what a double holds are kept a power of two smaller: their mean may
  // be within. 1 otherwise.
  double scale_ = 1;
  double magnitude_ = 0;  // no number above is larger
};

// The histogram with every count and the sum multiplied, or divided. A negative
// factor makes it a gauge. Divided by 0 it has no buckets.
NativeHistogram multiplied(const NativeHistogram& histogram, double factor);
NativeHistogram divided(const NativeHistogram& histogram, double divisor);
NativeHistogram compacted(const NativeHistogram& histogram);

// Whether they are the same distribution, however their spans are cut.
bool equal(const NativeHistogram& a, const NativeHistogram& b);

// Whether the counter was reset between `previous` and `histogram`.
bool is_reset(const NativeHistogram& histogram, const NativeHistogram& previous);

// Between a and b, `fraction` of the way: count, sum and buckets linearly. Where the
// counter was reset in between it starts from nothing.
struct Interpolated {
  bool compatible = true;
  NativeHistogram histogram;
};
Interpolated interpolate(const NativeHistogram& a, const NativeHistogram& b, double fraction,
                         bool counter, bool reset);

}  // namespace gatehouse::promql
