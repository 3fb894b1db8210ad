#include "lang/promql/engine.h"

#include <algorithm>

#include "lang/promql/eval/evaluation.h"
#include "lang/promql/eval/range_source.h"

namespace gatehouse::promql {
namespace {

// The answer without the metric names that were to go. Series that differ by these
// alone become one, unless both have a sample at one step.
Status drop_names(Evaluation& evaluation, BlockPtr& block) {
  bool any = false;
  for (size_t i = 0; i < block->size(); ++i) {
    const SeriesName name = block->name(i);
    if (!name.drop_name) continue;
    any = true;
    block->set_name(i, {evaluation.without_schema_labels(name.labels), false});
  }
  RETURN_IF_ERROR(evaluation.arena().status());
  return any ? evaluation.merge_equal_names(block) : Status();
}

void sort_by_labels(std::vector<ResultSeries>& series) {
  std::sort(series.begin(), series.end(),
            [](const ResultSeries& a, const ResultSeries& b) { return a.labels < b.labels; });
}

Status charge_points(Evaluation& evaluation, const Block& block) {
  return evaluation.context().charge(
      static_cast<int64_t>(block.size() * block.steps() * sizeof(Point)));
}

Result<std::vector<ResultSeries>> to_series(Evaluation& evaluation, const Block& block,
                                            const Steps& steps) {
  RETURN_IF_ERROR(charge_points(evaluation, block));
  std::vector<ResultSeries> out(block.size());
  for (size_t i = 0; i < block.size(); ++i) {
    out[i].labels = to_labels(block.name(i).labels);
    std::vector<Point>& points = out[i].points;
    points.reserve(steps.count);
    for (size_t step = 0; step < steps.count; ++step) {
      if (HistogramPtr histogram = block.share_histogram(i, step)) {
        points.push_back({steps.time_ms(step), 0, std::move(histogram)});
      } else if (is_present(block.value(i, step))) {
        points.push_back({steps.time_ms(step), block.value(i, step), nullptr});
      }
    }
  }
  return out;
}

Result<std::vector<ResultSeries>> vector_answer(Evaluation& evaluation, const Expr& expr,
                                                const Steps& steps) {
  Scope scope;
  scope.steps = steps;
  ASSIGN_OR_RETURN(BlockPtr block, evaluation.block(expr, scope));
  RETURN_IF_ERROR(drop_names(evaluation, block));
  return to_series(evaluation, *block, steps);
}

// A range vector as an answer: the samples in the window.
Result<std::vector<ResultSeries>> matrix_answer(Evaluation& evaluation, const Expr& expr,
                                                const Steps& steps) {
  Scope scope;
  scope.steps = steps;
  ASSIGN_OR_RETURN(const auto range, evaluation.range(expr, scope));
  std::vector<ResultSeries> out;
  Worker worker(evaluation.context());
  for (size_t i = 0; i < range->size(); ++i) {
    const model::SampleColumns& samples = worker.samples;
    RETURN_IF_ERROR(range->samples(i, worker.samples, worker));
    find_windows(samples.times_ms, range->plan(), worker.windows);
    const uint32_t low = worker.windows.low[0];
    const uint32_t high = worker.windows.high[0];
    if (low == high) continue;
    RETURN_IF_ERROR(
        evaluation.context().charge(static_cast<int64_t>((high - low) * sizeof(Point))));
    ResultSeries series;
    SeriesName name = range->name(i);
    if (name.drop_name) name.labels = evaluation.without_schema_labels(name.labels);
    series.labels = to_labels(name.labels);
    for (uint32_t at = low; at < high; ++at) {
      series.points.push_back({samples.times_ms[at], samples.values[at],
                               samples.histograms.empty() ? nullptr : samples.histograms[at]});
    }
    out.push_back(std::move(series));
  }
  sort_by_labels(out);
  for (size_t i = 1; i < out.size(); ++i) {
    if (out[i].labels == out[i - 1].labels) {
      return invalid_argument("vector cannot contain metrics with the same labelset");
    }
  }
  return out;
}

}  // namespace

Result<QueryValue> evaluate_instant(const Expr& expr, std::string_view query, int64_t time_ms,
                                    const QueryOptions& options, const model::SampleReader& reader,
                                    model::QueryContext& context, Parallel* parallel) {
  Evaluation evaluation(query, {time_ms, time_ms, 0}, options, reader, context, parallel);
  const Steps steps{time_ms, 1, 1};
  QueryValue value;
  value.type = expr.type;
  switch (expr.type) {
    case ValueType::kString: value.string = {time_ms, evaluation.string(expr)}; break;
    case ValueType::kScalar: {
      Scope scope;
      scope.steps = steps;
      ASSIGN_OR_RETURN(const std::vector<double> values, evaluation.scalar(expr, scope));
      value.scalar = {time_ms, values[0]};
      break;
    }
    case ValueType::kVector: {
      ASSIGN_OR_RETURN(value.series, vector_answer(evaluation, expr, steps));
      break;
    }
    case ValueType::kMatrix: {
      ASSIGN_OR_RETURN(value.series, matrix_answer(evaluation, expr, steps));
      break;
    }
  }
  RETURN_IF_ERROR(context.check());
  value.annotations = evaluation.annotator().take();
  return value;
}

Result<QueryValue> evaluate_range(const Expr& expr, std::string_view query, int64_t begin_ms,
                                  int64_t end_ms, int64_t step_ms, const QueryOptions& options,
                                  const model::SampleReader& reader, model::QueryContext& context,
                                  Parallel* parallel) {
  Evaluation evaluation(query, {begin_ms, end_ms, step_ms}, options, reader, context, parallel);
  const Steps steps{begin_ms, step_ms, static_cast<size_t>((end_ms - begin_ms) / step_ms) + 1};
  QueryValue value;
  value.type = ValueType::kMatrix;
  if (expr.type == ValueType::kScalar) {
    Scope scope;
    scope.steps = steps;
    ASSIGN_OR_RETURN(const std::vector<double> values, evaluation.scalar(expr, scope));
    ResultSeries series;
    for (size_t i = 0; i < steps.count; ++i) {
      series.points.push_back({steps.time_ms(i), values[i], nullptr});
    }
    value.series.push_back(std::move(series));
  } else if (expr.type == ValueType::kVector) {
    ASSIGN_OR_RETURN(value.series, vector_answer(evaluation, expr, steps));
    sort_by_labels(value.series);
  } else {
    return invalid_argument("invalid expression type \"" + std::string(name(expr.type)) +
                            "\" for range query, must be Scalar or instant Vector");
  }
  RETURN_IF_ERROR(context.check());
  value.annotations = evaluation.annotator().take();
  return value;
}

}  // namespace gatehouse::promql
