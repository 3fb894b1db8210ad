// Instant vector selectors: at every step the newest sample of the last
// `lookback`, its left end excluded, unless it is a stale marker. With `smoothed`
// the value is interpolated between the samples on both sides.
#include <algorithm>

#include "lang/promql/eval/evaluation.h"
#include "lang/promql/eval/sample_cleaning.h"
#include "lang/promql/histogram/arithmetic.h"

namespace gatehouse::promql {
namespace {

class SelectorSource final : public VectorSource {
 public:
  SelectorSource(Evaluation& evaluation, const model::SeriesSet& set,
                 const VectorSelector& selector, SampleField field, const Scope& scope,
                 int64_t first_ms, int64_t step_ms)
      : evaluation_(evaluation),
        set_(set),
        selector_(selector),
        field_(field),
        stats_only_(scope.stats_only),
        steps_(scope.steps.count),
        first_ms_(first_ms),
        step_ms_(step_ms),
        lookback_ms_(evaluation.options().lookback_ms) {}

  size_t size() const override { return set_.size(); }
  bool one_metric() const override { return selects_one_metric(selector_); }
  SeriesName name(size_t i) const override {
    const SeriesName plain{set_.labels(i), false};
    return field_ == SampleField::kValue ? plain : evaluation_.without_metric_name(plain);
  }

  Status column(size_t i, Column& out, Worker& worker) const override {
    model::SampleColumns& samples = worker.samples;
    RETURN_IF_ERROR(set_.samples(i, samples));
    RETURN_IF_ERROR(worker.count(samples.size()));
    out.reset(steps_);
    if (samples.empty()) return {};
    if (stats_only_) judge_resets(samples);
    if (selector_.expansion == Expansion::kSmoothed) {
      smooth(i, samples, out);
      return {};
    }
    const int64_t* const times = samples.times_ms.data();
    const size_t count = samples.size();
    size_t next = 0;  // the first sample after the step
    for (size_t step = 0; step < steps_; ++step) {
      const int64_t at = first_ms_ + static_cast<int64_t>(step) * step_ms_;
      while (next < count && times[next] <= at) ++next;
      if (next == 0 || times[next - 1] <= at - lookback_ms_) continue;
      put(samples, next - 1, step, out);
    }
    return {};
  }

 private:
  void put(const model::SampleColumns& samples, size_t i, size_t step, Column& out) const {
    const double value = samples.values[i];
    if (model::is_stale(value)) return;
    switch (field_) {
      case SampleField::kTime:
        out.values[step] = static_cast<double>(samples.times_ms[i]) / 1000;
        return;
      case SampleField::kStart:
        out.values[step] =
            samples.starts_ms.empty() ? 0 : static_cast<double>(samples.starts_ms[i]) / 1000;
        return;
      case SampleField::kValue: break;
    }
    if (!samples.histograms.empty() && samples.histograms[i]) {
      out.set(step, samples.histograms[i]);
    } else {
      out.values[step] = value;
    }
  }

  void smooth(size_t series, model::SampleColumns& samples, Column& out) const {
    drop_stale(samples);
    Notes notes = 0;
    const auto& times = samples.times_ms;
    const size_t count = samples.size();
    size_t next = 0;  // the first sample at or after the step
    for (size_t step = 0; step < steps_; ++step) {
      const int64_t at = first_ms_ + static_cast<int64_t>(step) * step_ms_;
      while (next < count && times[next] < at) ++next;
      const bool after = next < count && times[next] < at + lookback_ms_;
      const bool before = next > 0 && times[next - 1] > at - lookback_ms_;
      if (next < count && times[next] == at) {
        put(samples, next, step, out);
      } else if (before && after) {
        between(samples, next - 1, at, step, out, notes);
      } else if (before) {
        put(samples, next - 1, step, out);
      }
    }
    evaluation_.annotator().say(notes, name(series).metric(), selector_.position);
  }

  static void between(const model::SampleColumns& samples, size_t i, int64_t at, size_t step,
                      Column& out, Notes& notes) {
    const auto& times = samples.times_ms;
    const double fraction =
        static_cast<double>(at - times[i]) / static_cast<double>(times[i + 1] - times[i]);
    const bool histograms = !samples.histograms.empty();
    const auto& a = histograms ? samples.histograms[i] : nullptr;
    const auto& b = histograms ? samples.histograms[i + 1] : nullptr;
    if (!a != !b) {
      notes |= kNoteMixedFloatsHistograms;
    } else if (a) {
      const bool counter = a->reset != model::CounterReset::kGauge;
      Interpolated value = interpolate(*a, *b, fraction, counter, counter && is_reset(*b, *a));
      if (value.compatible) {
        out.set(step, std::make_shared<const NativeHistogram>(std::move(value.histogram)));
      } else {
        notes |= kNoteMixedExponentialCustom;
      }
    } else {
      const double from = samples.values[i];
      out.values[step] = from + (samples.values[i + 1] - from) * fraction;
    }
  }

  Evaluation& evaluation_;
  const model::SeriesSet& set_;
  const VectorSelector& selector_;
  SampleField field_;
  bool stats_only_;
  size_t steps_;
  int64_t first_ms_;
  int64_t step_ms_;
  int64_t lookback_ms_;
};

}  // namespace

Result<VectorPtr> select_vector(Evaluation& evaluation, const VectorSelector& selector,
                                SampleField field, const Scope& scope) {
  const bool pinned = selector.at.kind != AtModifier::Kind::kNone;
  ASSIGN_OR_RETURN(const int64_t offset, evaluation.milliseconds(selector.offset, true));
  const int64_t first = (pinned ? evaluation.at_ms(selector.at) : scope.steps.begin_ms) - offset;
  const int64_t last = (pinned ? evaluation.at_ms(selector.at) : scope.steps.end_ms()) - offset;
  const int64_t lookback = evaluation.options().lookback_ms;
  model::TimeRangeMs range{first - lookback + 1, last};
  if (selector.expansion == Expansion::kSmoothed) range.end_ms += lookback - 1;
  ASSIGN_OR_RETURN(const model::SeriesSet* set, evaluation.select(selector.matchers, range));
  return VectorPtr(std::make_unique<SelectorSource>(evaluation, *set, selector, field, scope, first,
                                                    pinned ? 0 : scope.steps.step_ms));
}

}  // namespace gatehouse::promql
