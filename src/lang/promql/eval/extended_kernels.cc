// rate, increase and delta over `anchored` and `smoothed` ranges (Prometheus's
// proposal 52). Anchored: the window is lengthened by the last sample at or before its
// begin, and nothing is extrapolated. Smoothed: the values at both ends of the window
// are interpolated between the samples around them; across a reset a counter is taken
// to rise from zero.
#include <optional>

#include "lang/promql/eval/range_kernel.h"
#include "lang/promql/eval/rate.h"
#include "lang/promql/histogram/arithmetic.h"

namespace gatehouse::promql {

using model::CounterReset;

namespace {

// A window's value at one end: a sample, or between the samples `before` and
// `before` + 1.
struct End {
  size_t before = 0;
  double fraction = 0;  // 0: the sample itself
};

struct Ends {
  End left;
  End right;
  size_t inner_first = 0;  // the samples strictly between the ends: [first, end)
  size_t inner_end = 0;
};

double fraction_at(const std::vector<int64_t>& times, size_t before, int64_t at) {
  return static_cast<double>(at - times[before]) /
         static_cast<double>(times[before + 1] - times[before]);
}

std::optional<Ends> find_ends(const RangeInput& input, size_t step) {
  const auto& times = input.samples.times_ms;
  const int64_t begin = input.plan.begin_ms(step);
  const int64_t end = input.plan.end_ms(step);
  const size_t low = input.low[step];
  const size_t high = input.high[step];
  const bool anchor = low > 0 && times[low - 1] > begin - input.plan.lookback_ms;
  Ends ends;
  if (input.plan.expansion == Expansion::kAnchored) {
    if (low == high) return std::nullopt;
    ends.left = {anchor ? low - 1 : low, 0};
    ends.right = {high - 1, 0};
  } else {
    const bool beyond = high < times.size() && times[high] < end + input.plan.lookback_ms;
    if (low == high && !(anchor && beyond)) return std::nullopt;
    if (!anchor) {
      ends.left = {low, 0};
    } else if (times[low - 1] == begin) {
      ends.left = {low - 1, 0};
    } else {
      ends.left = {low - 1, fraction_at(times, low - 1, begin)};
    }
    if (high == 0 || times[high - 1] == end || !beyond) {
      ends.right = {high - 1, 0};
    } else {
      ends.right = {high - 1, fraction_at(times, high - 1, end)};
    }
  }
  ends.inner_first = ends.left.before + 1;
  ends.inner_end = ends.right.fraction > 0 ? ends.right.before + 1 : ends.right.before;
  return ends;
}

double float_at(const RangeInput& input, End end, bool counter) {
  const auto& values = input.samples.values;
  const double before = values[end.before];
  if (end.fraction == 0) return before;
  const double after = values[end.before + 1];
  if (counter && after < before) return after * end.fraction;
  return before + (after - before) * end.fraction;
}

double float_increase(const RangeInput& input, const Ends& ends, bool counter) {
  const auto& values = input.samples.values;
  const double right = float_at(input, ends.right, counter);
  double previous = float_at(input, ends.left, counter);
  double increase = right - previous;
  if (!counter) return increase;
  for (size_t i = ends.inner_first; i < ends.inner_end; ++i) {
    if (values[i] < previous) increase += previous;
    previous = values[i];
  }
  if (right < previous) increase += previous;
  return increase;
}

bool reset_between(const RangeInput& input, size_t i) {
  const auto& histograms = input.samples.histograms;
  return is_reset(*histograms[i + 1], *histograms[i]);
}

std::optional<NativeHistogram> histogram_at(const RangeInput& input, End end, bool counter) {
  const auto& histograms = input.samples.histograms;
  if (end.fraction == 0) return *histograms[end.before];
  Interpolated value =
      interpolate(*histograms[end.before], *histograms[end.before + 1], end.fraction, counter,
                  counter && reset_between(input, end.before));
  if (!value.compatible) {
    input.notes |= kNoteMixedExponentialCustom;
    return std::nullopt;
  }
  return std::move(value.histogram);
}

std::optional<NativeHistogram> histogram_growth(const RangeInput& input, const Ends& ends,
                                                bool counter) {
  const auto& histograms = input.samples.histograms;
  const size_t last = ends.right.before + (ends.right.fraction > 0 ? 1 : 0);
  bool all_gauges = true;
  for (size_t i = ends.left.before; i <= last; ++i) {
    const bool gauge = histograms[i]->reset == CounterReset::kGauge;
    if (counter && gauge) input.notes |= kNoteNotCounter;
    if (i == ends.left.before || i == last) all_gauges = all_gauges && gauge;
    if (histograms[i]->custom() != histograms[ends.left.before]->custom()) {
      input.notes |= kNoteMixedExponentialCustom;
      return std::nullopt;
    }
  }
  if (!counter && !all_gauges) input.notes |= kNoteNotGauge;
  const std::optional<NativeHistogram> left = histogram_at(input, ends.left, counter);
  const std::optional<NativeHistogram> right = histogram_at(input, ends.right, counter);
  if (!left || !right) return std::nullopt;
  HistogramSum sum(*right);
  HistogramSum::Outcome outcome = sum.add(*left, -1);
  if (outcome.reconciled) input.notes |= kNoteReconciledSubtraction;
  // Where an end lies between two samples, a reset between them is part of its value
  // already on the left, and still to be made up for on the right.
  const size_t first = ends.left.before + (ends.left.fraction > 0 ? 1 : 0);
  for (size_t i = first; counter && i < last; ++i) {
    if (!reset_between(input, i)) continue;
    outcome = sum.add(*histograms[i]);
    if (outcome.reconciled) input.notes |= kNoteReconciledAddition;
  }
  sum.set_reset(CounterReset::kGauge);
  return sum.sum();
}

void growth(const RangeInput& input, bool counter, bool per_second, Column& out) {
  const auto& samples = input.samples;
  const double seconds = static_cast<double>(input.plan.range_ms) / 1000;
  for (size_t step = 0; step < input.plan.count; ++step) {
    const std::optional<Ends> ends = find_ends(input, step);
    if (!ends) continue;
    size_t histograms = 0;
    const size_t last = ends->right.before + (ends->right.fraction > 0 ? 1 : 0);
    const size_t all = last - ends->left.before + 1;
    for (size_t i = ends->left.before; i <= last && !input.floats_only(); ++i) {
      if (samples.histograms[i]) ++histograms;
    }
    if (histograms == 0) {
      const double increase = float_increase(input, *ends, counter);
      out.values[step] = per_second ? increase / seconds : increase;
    } else if (histograms != all) {
      input.notes |= kNoteMixedFloatsHistograms;
    } else if (const auto increase = histogram_growth(input, *ends, counter)) {
      out.set(step, std::make_shared<const NativeHistogram>(per_second ? divided(*increase, seconds)
                                                                       : *increase));
    }
  }
}

void events(const RangeInput& input, size_t (*count)(const model::SampleColumns&, size_t, size_t),
            Column& out) {
  for (size_t step = 0; step < input.plan.count; ++step) {
    const std::optional<Ends> ends = find_ends(input, step);
    if (!ends) continue;
    out.values[step] =
        static_cast<double>(count(input.samples, ends->left.before, ends->right.before));
  }
}

}  // namespace

void extended_rate_kernel(const RangeInput& input, Column& out) { growth(input, true, true, out); }
void extended_increase_kernel(const RangeInput& input, Column& out) {
  growth(input, true, false, out);
}
void extended_delta_kernel(const RangeInput& input, Column& out) {
  growth(input, false, false, out);
}
void anchored_changes_kernel(const RangeInput& input, Column& out) {
  events(input, count_changes, out);
}
void anchored_resets_kernel(const RangeInput& input, Column& out) {
  events(input, count_resets, out);
}

}  // namespace gatehouse::promql
