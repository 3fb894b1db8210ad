// A Column holds one series' values at every step of the evaluation. A step
// without a sample holds kNoSample: the bits of the stale marker, which no value has,
// since selectors take stale samples away and arithmetic on that (signalling) NaN
// gives another one. So there is no bitmap beside the values, and loops over floats
// stay loops over doubles.
//
// Native histograms stand in a side array, which is empty for the many series that
// have none. Where a histogram stands the value is kNoSample: a loop that knows only
// floats passes over it.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "model/sample.h"

namespace gatehouse::promql {

using HistogramPtr = std::shared_ptr<const model::NativeHistogram>;

inline constexpr uint64_t kNoSampleBits = model::kStaleBits;
inline const double kNoSample = model::kStaleValue;
inline const double kNan = std::bit_cast<double>(model::kNormalNanBits);
inline constexpr double kInf = std::numeric_limits<double>::infinity();

inline bool is_present(double value) { return std::bit_cast<uint64_t>(value) != kNoSampleBits; }

struct Column {
  std::vector<double> values;
  std::vector<HistogramPtr> histograms;  // empty, or one a step

  void reset(size_t steps) {
    values.assign(steps, kNoSample);
    histograms.clear();
  }
  bool has_histograms() const { return !histograms.empty(); }
  HistogramPtr histogram(size_t step) const {
    return histograms.empty() ? nullptr : histograms[step];
  }
  // Whether there is a sample at `step`, a float or a histogram.
  bool present(size_t step) const {
    return is_present(values[step]) || (!histograms.empty() && histograms[step]);
  }
  bool any() const {
    for (double value : values) {
      if (is_present(value)) return true;
    }
    for (const HistogramPtr& histogram : histograms) {
      if (histogram) return true;
    }
    return false;
  }
  void set(size_t step, HistogramPtr histogram) {
    if (histograms.empty()) histograms.resize(values.size());
    values[step] = kNoSample;
    histograms[step] = std::move(histogram);
  }
  void clear(size_t step) {
    values[step] = kNoSample;
    if (!histograms.empty()) histograms[step].reset();
  }
  // A step of another column.
  void copy(size_t step, const Column& from, size_t from_step) {
    values[step] = from.values[from_step];
    HistogramPtr histogram = from.histogram(from_step);
    if (histogram) {
      set(step, std::move(histogram));
    } else if (!histograms.empty()) {
      histograms[step].reset();
    }
  }
};

// The moments an expression is evaluated at.
struct Steps {
  int64_t begin_ms = 0;
  int64_t step_ms = 1;
  size_t count = 1;

  int64_t time_ms(size_t step) const { return begin_ms + static_cast<int64_t>(step) * step_ms; }
  int64_t end_ms() const { return time_ms(count - 1); }
};

}  // namespace gatehouse::promql
