// rate, increase, delta and their kin. A counter's increase over a window is its
// last value less its first, and for every reset in between the value before it;
// then extrapolated to the window's ends, after Prometheus (functions.go,
// "extrapolatedRate"): to an end that is nearer than 1.1 mean sample distances, else
// by half of one, and never below a counter's zero.
//
// Where a sample says since when it counts (its start), a start between the sample
// before and itself is a reset; and a start in the window before the first sample
// stands for a sample of zero there.
#include <algorithm>
#include <cmath>

#include "lang/promql/eval/range_kernel.h"
#include "lang/promql/eval/rate.h"
#include "lang/promql/histogram/arithmetic.h"

namespace gatehouse::promql {

using model::CounterReset;

bool is_start_reset(const model::SampleColumns& samples, size_t i) {
  if (samples.starts_ms.empty() || i == 0) return false;
  const int64_t start = samples.starts_ms[i];
  const int64_t time = samples.times_ms[i];
  const int64_t previous = samples.times_ms[i - 1];
  if (start == 0 || start >= time) return false;
  if (start > previous) return true;
  // Deltas begin where the one before ended. So does a counter that did not know its
  // start (OpenTelemetry): then the sample before says none, or itself.
  const int64_t previous_start = samples.starts_ms[i - 1];
  return start == previous && previous_start != 0 && previous_start < previous;
}

namespace {

// The start before the first sample of a window, where it lies in the window.
bool start_in_window(const model::SampleColumns& samples, size_t first, int64_t begin_ms) {
  if (samples.starts_ms.empty()) return false;
  const int64_t start = samples.starts_ms[first];
  return start != 0 && start > begin_ms && start < samples.times_ms[first];
}

bool starts_overlap(const model::SampleColumns& samples, size_t i) {
  const int64_t start = samples.starts_ms[i];
  return start != 0 && start < samples.times_ms[i - 1] && start != samples.starts_ms[i - 1];
}

struct RateKind {
  bool counter = false;
  bool per_second = false;
};

// How much of its window the samples [first, last] cover, extrapolated as if it were no
// counter. Times are in milliseconds: only their ratios matter.
Windows::Cover cover(const RangeInput& input, size_t step, size_t first, size_t last,
                     bool from_start, bool per_second) {
  const auto& samples = input.samples;
  const int64_t first_ms = samples.times_ms[first];
  const int64_t last_ms = samples.times_ms[last];
  const int64_t from_ms = from_start ? samples.starts_ms[first] : first_ms;
  Windows::Cover found;
  found.sampled = static_cast<double>(last_ms - from_ms);
  double covered = found.sampled;
  if (last > first) {
    found.to_start = static_cast<double>(first_ms - input.plan.begin_ms(step));
    auto to_end = static_cast<double>(input.plan.end_ms(step) - last_ms);
    const double distance =
        static_cast<double>(last_ms - first_ms) / static_cast<double>(last - first);
    const double threshold = distance * 1.1;
    if (found.to_start >= threshold) found.to_start = distance / 2;
    if (to_end >= threshold) to_end = distance / 2;
    if (from_start) found.to_start = 0;
    covered += found.to_start + to_end;
    found.to_end = to_end;
  }
  found.factor = covered / found.sampled;
  if (per_second) found.factor /= static_cast<double>(input.plan.range_ms) / 1000;
  return found;
}

// By how much the increase between samples is to be multiplied. `increase` and
// `first_value` are those of a counter's total, which does not go below zero.
double factor_of(const RangeInput& input, const Windows::Cover& window, RateKind kind,
                 double increase, double first_value) {
  const bool below_zero = kind.counter && increase > 0 && first_value >= 0 &&
                          window.sampled * first_value < window.to_start * increase;
  if (!below_zero) return window.factor;
  const double to_start = window.sampled * (first_value / increase);
  const double factor = (window.sampled + (to_start + window.to_end)) / window.sampled;
  return kind.per_second ? factor / (static_cast<double>(input.plan.range_ms) / 1000) : factor;
}

double extrapolation(const RangeInput& input, size_t step, size_t first, size_t last,
                     bool from_start, RateKind kind, double increase, double first_value) {
  const Windows::Cover found = cover(input, step, first, last, from_start, kind.per_second);
  return factor_of(input, found, kind, increase, first_value);
}

// Of all windows, where no start lies in one; kept as long as series have the same times.
const std::vector<Windows::Cover>& covers_of(const RangeInput& input, bool per_second) {
  Windows& windows = input.worker.windows;
  const auto wanted = per_second ? Windows::CoverOf::kRate : Windows::CoverOf::kIncrease;
  if (windows.cover_of == wanted) return windows.covers;
  windows.covers.resize(input.plan.count);
  for (size_t step = 0; step < input.plan.count; ++step) {
    if (input.high[step] < input.low[step] + 2) continue;
    windows.covers[step] =
        cover(input, step, input.low[step], input.high[step] - 1, false, per_second);
  }
  windows.cover_of = wanted;
  return windows.covers;
}

// The samples at which the counter was reset.
void find_resets(const model::SampleColumns& samples, std::vector<uint32_t>& resets) {
  resets.clear();
  const std::vector<double>& values = samples.values;
  const bool starts = !samples.starts_ms.empty();
  for (size_t i = 1; i < values.size(); ++i) {
    if (values[i] < values[i - 1] || (starts && is_start_reset(samples, i))) {
      resets.push_back(static_cast<uint32_t>(i));
    }
  }
}

void float_windows(const RangeInput& input, RateKind kind, Column& out) {
  const model::SampleColumns& samples = input.samples;
  const double* const values = samples.values.data();
  std::vector<uint32_t>& resets = input.worker.indices;
  resets.clear();
  if (kind.counter) find_resets(samples, resets);
  const std::vector<Windows::Cover>& covers = covers_of(input, kind.per_second);
  size_t reset = 0;  // the first after the window's first sample
  for (size_t step = 0; step < input.plan.count; ++step) {
    const uint32_t first = input.low[step];
    if (input.high[step] == first) continue;
    const uint32_t last = input.high[step] - 1;
    const bool from_start =
        kind.counter && start_in_window(samples, first, input.plan.begin_ms(step));
    if (first == last && !from_start) continue;
    double increase = values[last] - (from_start ? 0 : values[first]);
    while (reset < resets.size() && resets[reset] <= first) ++reset;
    for (size_t i = reset; i < resets.size() && resets[i] <= last; ++i) {
      increase += values[resets[i] - 1];
    }
    if (kind.counter && !samples.starts_ms.empty()) {
      for (uint32_t i = first + 1; i <= last; ++i) {
        if (starts_overlap(samples, i)) input.notes |= kNoteStartOverlap;
      }
    }
    const double factor =
        from_start ? extrapolation(input, step, first, last, true, kind, increase, values[first])
                   : factor_of(input, covers[step], kind, increase, values[first]);
    out.values[step] = increase * factor;
  }
}

}  // namespace

std::optional<NativeHistogram> histogram_increase(const model::SampleColumns& samples, size_t first,
                                                  size_t last, bool counter, bool from_start,
                                                  Notes& notes) {
  const auto at = [&samples](size_t i) -> const NativeHistogram& { return *samples.histograms[i]; };
  const auto reset_at = [&](size_t i, const NativeHistogram& before) {
    return is_reset(at(i), before) || is_start_reset(samples, i);
  };
  NativeHistogram nothing;
  const NativeHistogram* previous = &at(first);
  if (counter &&
      (previous->reset == CounterReset::kGauge || at(last).reset == CounterReset::kGauge)) {
    notes |= kNoteNotCounter;
  }
  // A first sample that a reset follows, or whose start is in the window, counts from
  // nothing: its layout does not matter.
  const bool skip_first = counter && last > first && reset_at(first + 1, at(first));
  if (skip_first && !from_start) {
    nothing.schema = at(first + 1).schema;
    nothing.bounds = at(first + 1).bounds;
    nothing.reset = at(last).reset;
    previous = &nothing;
  }
  const bool custom = previous->custom();
  if (at(last).custom() != custom) {
    notes |= kNoteMixedExponentialCustom;
    return std::nullopt;
  }
  for (size_t i = first + 1; counter && i < last; ++i) {
    if (at(i).reset == CounterReset::kGauge) notes |= kNoteNotCounter;
    if (at(i).custom() != custom) {
      notes |= kNoteMixedExponentialCustom;
      return std::nullopt;
    }
  }
  HistogramSum sum(at(last));
  HistogramSum::Outcome outcome;
  if (!from_start) {
    outcome = sum.add(*previous, -1);
    if (outcome.reconciled) notes |= kNoteReconciledSubtraction;
  }
  if (counter) {
    const NativeHistogram* before = previous;
    for (size_t i = first + 1; i <= last; ++i) {
      if (reset_at(i, *before)) {
        outcome = sum.add(*before);
        if (!outcome.compatible) {
          notes |= kNoteMixedExponentialCustom;
          return std::nullopt;
        }
        if (outcome.reconciled) notes |= kNoteReconciledAddition;
      }
      before = &at(i);
    }
  } else if (at(first).reset != CounterReset::kGauge || at(last).reset != CounterReset::kGauge) {
    notes |= kNoteNotGauge;
  }
  sum.set_reset(CounterReset::kGauge);
  return sum.sum();
}

namespace {

// Any mix of floats and histograms.
void mixed_windows(const RangeInput& input, RateKind kind, Column& out) {
  const model::SampleColumns& samples = input.samples;
  const int64_t whole = static_cast<int64_t>(samples.size());
  for (size_t step = 0; step < input.plan.count; ++step) {
    const size_t first = input.low[step];
    const size_t end = input.high[step];
    if (first == end) continue;
    const size_t last = end - 1;
    const auto histograms = static_cast<size_t>(
        std::count_if(samples.histograms.begin() + static_cast<ptrdiff_t>(first),
                      samples.histograms.begin() + static_cast<ptrdiff_t>(end),
                      [](const auto& histogram) { return histogram != nullptr; }));
    if (histograms != 0 && histograms != end - first) {
      input.notes |= kNoteMixedFloatsHistograms;
      continue;
    }
    const bool from_start =
        kind.counter && start_in_window(samples, first, input.plan.begin_ms(step));
    if (first == last && !from_start) continue;
    if (kind.counter && !samples.starts_ms.empty()) {
      for (size_t i = first + 1; i <= last && i < static_cast<size_t>(whole); ++i) {
        if (starts_overlap(samples, i)) input.notes |= kNoteStartOverlap;
      }
    }
    if (histograms == 0) {
      double increase = samples.values[last] - (from_start ? 0 : samples.values[first]);
      for (size_t i = first + 1; kind.counter && i <= last; ++i) {
        if (samples.values[i] < samples.values[i - 1] || is_start_reset(samples, i)) {
          increase += samples.values[i - 1];
        }
      }
      out.values[step] = increase * extrapolation(input, step, first, last, from_start, kind,
                                                  increase, samples.values[first]);
      continue;
    }
    const std::optional<NativeHistogram> increase =
        histogram_increase(samples, first, last, kind.counter, from_start, input.notes);
    if (!increase) continue;
    const double factor = extrapolation(input, step, first, last, from_start, kind, increase->count,
                                        samples.histograms[first]->count);
    out.set(step, std::make_shared<const NativeHistogram>(multiplied(*increase, factor)));
  }
}

void windows(const RangeInput& input, RateKind kind, Column& out) {
  if (input.floats_only()) {
    float_windows(input, kind, out);
  } else {
    mixed_windows(input, kind, out);
  }
}

// The last two samples of a window.
void last_two(const RangeInput& input, bool rate, Column& out) {
  const model::SampleColumns& samples = input.samples;
  for (size_t step = 0; step < input.plan.count; ++step) {
    if (input.high[step] - input.low[step] < 2) continue;
    const size_t last = input.high[step] - 1;
    const double seconds =
        static_cast<double>(samples.times_ms[last] - samples.times_ms[last - 1]) / 1000;
    const bool start_reset = rate && is_start_reset(samples, last);
    const auto a = input.floats_only() ? nullptr : samples.histograms[last - 1];
    const auto b = input.floats_only() ? nullptr : samples.histograms[last];
    if (!a != !b) {
      input.notes |= kNoteMixedFloatsHistograms;
      continue;
    }
    if (!a) {
      const double before = samples.values[last - 1];
      const double now = samples.values[last];
      const double change = rate && (now < before || start_reset) ? now : now - before;
      out.values[step] = rate ? change / seconds : change;
      continue;
    }
    const bool gauge_a = a->reset == CounterReset::kGauge;
    const bool gauge_b = b->reset == CounterReset::kGauge;
    if (rate && (gauge_a || gauge_b)) input.notes |= kNoteNotCounter;
    if (!rate && (!gauge_a || !gauge_b)) input.notes |= kNoteNotGauge;
    HistogramSum sum(*b);
    if (!rate || !(start_reset || is_reset(*b, *a))) {
      const HistogramSum::Outcome outcome = sum.add(*a, -1);
      if (!outcome.compatible) {
        input.notes |= kNoteMixedExponentialCustom;
        continue;
      }
      if (outcome.reconciled) input.notes |= kNoteReconciledSubtraction;
    }
    sum.set_reset(CounterReset::kGauge);
    out.set(step, std::make_shared<const NativeHistogram>(rate ? divided(sum.sum(), seconds)
                                                               : sum.sum()));
  }
}

bool changed(const model::SampleColumns& samples, size_t i) {
  const bool histograms = !samples.histograms.empty();
  const auto* a = histograms ? samples.histograms[i - 1].get() : nullptr;
  const auto* b = histograms ? samples.histograms[i].get() : nullptr;
  if (a != nullptr && b != nullptr) return !equal(*a, *b);
  if (a != nullptr || b != nullptr) return true;
  const double before = samples.values[i - 1];
  const double now = samples.values[i];
  return now != before && !(std::isnan(now) && std::isnan(before));
}

bool was_reset(const model::SampleColumns& samples, size_t i) {
  const bool histograms = !samples.histograms.empty();
  const auto* a = histograms ? samples.histograms[i - 1].get() : nullptr;
  const auto* b = histograms ? samples.histograms[i].get() : nullptr;
  if (is_start_reset(samples, i)) return true;
  if (a != nullptr && b != nullptr) return is_reset(*b, *a);
  if (a != nullptr || b != nullptr) return true;
  return samples.values[i] < samples.values[i - 1];
}

// How many of the samples after a window's first are events: the difference of two
// running counts.
template <typename IsEvent>
void count_events(const RangeInput& input, IsEvent&& is_event, Column& out) {
  std::vector<uint32_t>& before = input.worker.indices;
  const size_t size = input.samples.size();
  before.resize(size);
  before[0] = 0;
  for (size_t i = 1; i < size; ++i)
    before[i] = before[i - 1] + (is_event(input.samples, i) ? 1 : 0);
  for (size_t step = 0; step < input.plan.count; ++step) {
    if (input.low[step] == input.high[step]) continue;
    out.values[step] = static_cast<double>(before[input.high[step] - 1] - before[input.low[step]]);
  }
}

}  // namespace

size_t count_changes(const model::SampleColumns& samples, size_t first, size_t last) {
  size_t count = 0;
  for (size_t i = first + 1; i <= last; ++i) count += changed(samples, i) ? 1 : 0;
  return count;
}
size_t count_resets(const model::SampleColumns& samples, size_t first, size_t last) {
  size_t count = 0;
  for (size_t i = first + 1; i <= last; ++i) count += was_reset(samples, i) ? 1 : 0;
  return count;
}

void rate_kernel(const RangeInput& input, Column& out) { windows(input, {true, true}, out); }
void increase_kernel(const RangeInput& input, Column& out) { windows(input, {true, false}, out); }
void delta_kernel(const RangeInput& input, Column& out) { windows(input, {false, false}, out); }
void irate_kernel(const RangeInput& input, Column& out) { last_two(input, true, out); }
void idelta_kernel(const RangeInput& input, Column& out) { last_two(input, false, out); }
void changes_kernel(const RangeInput& input, Column& out) { count_events(input, changed, out); }
void resets_kernel(const RangeInput& input, Column& out) { count_events(input, was_reset, out); }

}  // namespace gatehouse::promql
