#include "lang/promql/eval/range_source.h"

#include "lang/promql/eval/sample_cleaning.h"

namespace gatehouse::promql {

namespace {

// The first sample after `time`, from `at` on. Where samples come regularly a window
// passes as many of them as the one before did: that is tried first.
uint32_t advance(const std::vector<int64_t>& times, uint32_t at, uint32_t& stride, int64_t time) {
  const auto count = static_cast<uint32_t>(times.size());
  const uint32_t guess = at + stride;
  if (guess <= count && (guess == 0 || times[guess - 1] <= time) &&
      (guess == count || times[guess] > time)) {
    return guess;
  }
  const uint32_t before = at;
  while (at < count && times[at] <= time) ++at;
  stride = at - before;
  return at;
}

}  // namespace

void find_windows(const std::vector<int64_t>& times, const WindowPlan& plan, Windows& windows) {
  if (windows.low.size() == plan.count && windows.first_end_ms == plan.first_end_ms &&
      windows.step_ms == plan.step_ms && windows.range_ms == plan.range_ms &&
      windows.times_ms == times) {
    return;
  }
  windows.times_ms = times;
  windows.first_end_ms = plan.first_end_ms;
  windows.step_ms = plan.step_ms;
  windows.range_ms = plan.range_ms;
  windows.cover_of = Windows::CoverOf::kNothing;
  windows.low.resize(plan.count);
  windows.high.resize(plan.count);
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t begin_stride = 0;
  uint32_t end_stride = 0;
  for (size_t step = 0; step < plan.count; ++step) {
    const int64_t end_ms = plan.end_ms(step);
    begin = advance(times, begin, begin_stride, end_ms - plan.range_ms);
    end = advance(times, end, end_stride, end_ms);
    windows.low[step] = begin;
    windows.high[step] = end;
  }
}

namespace {

class SelectedRange final : public RangeSource {
 public:
  SelectedRange(const model::SeriesSet& set, const WindowPlan& plan, bool one_metric,
                bool stats_only)
      : set_(set), one_metric_(one_metric), stats_only_(stats_only) {
    plan_ = plan;
  }
  size_t size() const override { return set_.size(); }
  bool one_metric() const override { return one_metric_; }
  SeriesName name(size_t i) const override { return {set_.labels(i), false}; }
  Status samples(size_t i, model::SampleColumns& out, Worker& worker) const override {
    RETURN_IF_ERROR(set_.samples(i, out));
    RETURN_IF_ERROR(worker.count(out.size()));
    if (stats_only_) judge_resets(out);
    drop_stale(out);
    return {};
  }

 private:
  const model::SeriesSet& set_;
  bool one_metric_;
  bool stats_only_;
};

// What a histogram says of resets is said of the sample before it in its series: not
// of the step before in a subquery.
HistogramPtr forget_reset(const HistogramPtr& histogram) {
  if (!histogram || histogram->reset == model::CounterReset::kUnknown ||
      histogram->reset == model::CounterReset::kGauge) {
    return histogram;
  }
  auto copy = std::make_shared<model::NativeHistogram>(*histogram);
  copy->reset = model::CounterReset::kUnknown;
  return copy;
}

class SubqueryRange final : public RangeSource {
 public:
  SubqueryRange(VectorPtr inner, const Steps& inner_steps, const WindowPlan& plan)
      : inner_(std::move(inner)), inner_steps_(inner_steps) {
    plan_ = plan;
  }
  size_t size() const override { return inner_ ? inner_->size() : 0; }
  bool one_metric() const override { return !inner_ || inner_->one_metric(); }
  SeriesName name(size_t i) const override { return inner_->name(i); }
  Status samples(size_t i, model::SampleColumns& out, Worker& worker) const override {
    Column& column = worker.column;
    RETURN_IF_ERROR(inner_->column(i, column, worker));
    RETURN_IF_ERROR(worker.count(inner_steps_.count));
    out.clear();
    for (size_t step = 0; step < inner_steps_.count; ++step) {
      const bool histogram = column.has_histograms() && column.histograms[step];
      if (!histogram && !is_present(column.values[step])) continue;
      out.times_ms.push_back(inner_steps_.time_ms(step));
      out.values.push_back(histogram ? 0 : column.values[step]);
      if (column.has_histograms()) out.histograms.push_back(forget_reset(column.histograms[step]));
    }
    return {};
  }

 private:
  VectorPtr inner_;
  Steps inner_steps_;
};

Result<WindowPlan> make_plan(const Evaluation& evaluation, const AtModifier& at,
                             const Duration& offset, const Duration& range, const Scope& scope) {
  ASSIGN_OR_RETURN(const int64_t offset_ms, evaluation.milliseconds(offset, true));
  ASSIGN_OR_RETURN(const int64_t range_ms, evaluation.milliseconds(range));
  const bool pinned = at.kind != AtModifier::Kind::kNone;
  WindowPlan plan;
  plan.first_end_ms = (pinned ? evaluation.at_ms(at) : scope.steps.begin_ms) - offset_ms;
  plan.step_ms = pinned ? 0 : scope.steps.step_ms;
  plan.count = scope.steps.count;
  plan.range_ms = range_ms;
  plan.lookback_ms = evaluation.options().lookback_ms;
  return plan;
}

}  // namespace

Result<std::unique_ptr<RangeSource>> select_range(Evaluation& evaluation,
                                                  const MatrixSelector& matrix,
                                                  const Scope& scope) {
  const VectorSelector& selector = *matrix.selector;
  ASSIGN_OR_RETURN(WindowPlan plan,
                   make_plan(evaluation, selector.at, selector.offset, matrix.range, scope));
  plan.expansion = selector.expansion;
  model::TimeRangeMs range{plan.begin_ms(0) + 1, plan.end_ms(plan.count - 1)};
  // What lies before the window gives its value at the left end; after it (smoothed
  // only) at the right.
  if (plan.expansion != Expansion::kNone) range.begin_ms -= plan.lookback_ms;
  if (plan.expansion == Expansion::kSmoothed) range.end_ms += plan.lookback_ms - 1;
  ASSIGN_OR_RETURN(const model::SeriesSet* set, evaluation.select(selector.matchers, range));
  return std::unique_ptr<RangeSource>(
      std::make_unique<SelectedRange>(*set, plan, selects_one_metric(selector), scope.stats_only));
}

Result<std::unique_ptr<RangeSource>> subquery_range(Evaluation& evaluation,
                                                    const SubqueryExpr& subquery,
                                                    const Scope& scope) {
  ASSIGN_OR_RETURN(const WindowPlan plan,
                   make_plan(evaluation, subquery.at, subquery.offset, subquery.range, scope));
  ASSIGN_OR_RETURN(int64_t step_ms, evaluation.milliseconds(subquery.step));
  if (step_ms == 0) step_ms = evaluation.options().subquery_step_ms;
  // Steps are multiples of the step, so that they are the same for every window.
  Steps steps;
  steps.step_ms = step_ms;
  const int64_t after = plan.begin_ms(0);
  steps.begin_ms = after / step_ms * step_ms;
  if (steps.begin_ms <= after) steps.begin_ms += step_ms;
  const int64_t last = plan.end_ms(plan.count - 1);
  VectorPtr inner;
  if (steps.begin_ms <= last) {
    steps.count = static_cast<size_t>((last - steps.begin_ms) / step_ms) + 1;
    Scope inner_scope{steps, false, true};
    RETURN_IF_ERROR(evaluation.charge_columns(1, steps.count));
    if (subquery.inner->type == ValueType::kScalar) {
      ASSIGN_OR_RETURN(std::vector<double> values, evaluation.scalar(*subquery.inner, inner_scope));
      auto block = std::make_unique<Block>(steps.count);
      Column column;
      column.values = std::move(values);
      block->add({}, std::move(column));
      inner = std::move(block);
    } else {
      ASSIGN_OR_RETURN(inner, evaluation.vector(*subquery.inner, inner_scope));
    }
  }
  return std::unique_ptr<RangeSource>(
      std::make_unique<SubqueryRange>(std::move(inner), steps, plan));
}

Result<std::unique_ptr<RangeSource>> Evaluation::range(const Expr& expr, const Scope& scope) {
  const Expr& plain = unwrap_parens(expr);
  if (plain.kind == Expr::Kind::kSubquery) {
    return subquery_range(*this, as<SubqueryExpr>(plain), scope);
  }
  return select_range(*this, as<MatrixSelector>(plain), scope);
}

}  // namespace gatehouse::promql
