// Range functions. A kernel computes one series' column: it sees all samples and
// all windows, and goes from window to window without beginning anew where the
// function allows it.
#pragma once

#include <span>

#include "lang/promql/eval/annotator.h"
#include "lang/promql/eval/column.h"
#include "lang/promql/eval/range_source.h"
#include "lang/promql/function_ids.h"

namespace gatehouse::promql {

struct RangeInput {
  const model::SampleColumns& samples;
  const WindowPlan& plan;
  std::span<const uint32_t> low;  // window s holds the samples [low[s], high[s])
  std::span<const uint32_t> high;
  std::span<const int64_t> step_times_ms;
  std::span<const double> first_parameter;  // a value a step; empty where there is none
  std::span<const double> second_parameter;
  Notes& notes;
  Worker& worker;

  bool floats_only() const { return samples.histograms.empty(); }
  // Whether a sample is in several windows.
  bool overlap() const { return plan.count > 1 && plan.step_ms < plan.range_ms; }
};

// REQUIRES: `out` has every step absent.
using RangeKernel = void (*)(const RangeInput& input, Column& out);

// Null where the function is none over ranges.
RangeKernel find_range_kernel(FunctionId id, Expansion expansion);

// rate_kernels.cc
void rate_kernel(const RangeInput& input, Column& out);
void increase_kernel(const RangeInput& input, Column& out);
void delta_kernel(const RangeInput& input, Column& out);
void irate_kernel(const RangeInput& input, Column& out);
void idelta_kernel(const RangeInput& input, Column& out);
void changes_kernel(const RangeInput& input, Column& out);
void resets_kernel(const RangeInput& input, Column& out);
// extended_kernels.cc: `anchored` and `smoothed`
void extended_rate_kernel(const RangeInput& input, Column& out);
void extended_increase_kernel(const RangeInput& input, Column& out);
void extended_delta_kernel(const RangeInput& input, Column& out);
void anchored_changes_kernel(const RangeInput& input, Column& out);
void anchored_resets_kernel(const RangeInput& input, Column& out);
// sum_kernels.cc
void sum_kernel(const RangeInput& input, Column& out);
void avg_kernel(const RangeInput& input, Column& out);
// over_time_kernels.cc
void min_kernel(const RangeInput& input, Column& out);
void max_kernel(const RangeInput& input, Column& out);
void count_kernel(const RangeInput& input, Column& out);
void present_kernel(const RangeInput& input, Column& out);
void first_kernel(const RangeInput& input, Column& out);
void last_kernel(const RangeInput& input, Column& out);
void time_of_min_kernel(const RangeInput& input, Column& out);
void time_of_max_kernel(const RangeInput& input, Column& out);
void time_of_first_kernel(const RangeInput& input, Column& out);
void time_of_last_kernel(const RangeInput& input, Column& out);
// statistics_kernels.cc
void stddev_kernel(const RangeInput& input, Column& out);
void stdvar_kernel(const RangeInput& input, Column& out);
void quantile_kernel(const RangeInput& input, Column& out);
void mad_kernel(const RangeInput& input, Column& out);
void deriv_kernel(const RangeInput& input, Column& out);
void predict_kernel(const RangeInput& input, Column& out);
void smoothing_kernel(const RangeInput& input, Column& out);

// The quantile of `values`, which are sorted by the call (NaN first): linear between
// the two nearest ranks. Below 0 or above 1: -Inf, +Inf. Of nothing: NaN.
double quantile_of(double q, std::vector<double>& values);

// The floats of a window, gathered where histograms stand between them.
struct FloatWindow {
  const int64_t* times_ms = nullptr;
  const double* values = nullptr;
  size_t size = 0;
  bool has_histograms = false;
};

// Calls visit(step, window) for each window that has a float, and notes windows that
// have both.
template <typename Visit>
void for_each_float_window(const RangeInput& input, Visit&& visit) {
  const model::SampleColumns& samples = input.samples;
  if (input.floats_only()) {
    for (size_t step = 0; step < input.plan.count; ++step) {
      const uint32_t low = input.low[step];
      if (low == input.high[step]) continue;
      visit(step, FloatWindow{samples.times_ms.data() + low, samples.values.data() + low,
                              input.high[step] - low, false});
    }
    return;
  }
  std::vector<int64_t> times;
  std::vector<double> values;
  for (size_t step = 0; step < input.plan.count; ++step) {
    times.clear();
    values.clear();
    for (uint32_t i = input.low[step]; i < input.high[step]; ++i) {
      if (samples.histograms[i]) continue;
      times.push_back(samples.times_ms[i]);
      values.push_back(samples.values[i]);
    }
    if (values.empty()) continue;
    const bool mixed = values.size() < input.high[step] - input.low[step];
    if (mixed) input.notes |= kNoteHistogramIgnored;
    visit(step, FloatWindow{times.data(), values.data(), values.size(), mixed});
  }
}

}  // namespace gatehouse::promql
