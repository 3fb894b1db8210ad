// absent and absent_over_time: 1 where the argument has no sample, with the labels
// that the selector's equalities name, each once.
#include <algorithm>

#include "lang/promql/eval/range_source.h"
#include "lang/promql/function_ids.h"

namespace gatehouse::promql {
namespace {

LabelsView labels_of(Evaluation& evaluation, const Expr& expr) {
  const Expr& plain = unwrap_parens(expr);
  const VectorSelector* selector = nullptr;
  if (plain.kind == Expr::Kind::kVectorSelector) selector = &as<VectorSelector>(plain);
  if (plain.kind == Expr::Kind::kMatrixSelector) {
    selector = as<MatrixSelector>(plain).selector.get();
  }
  if (selector == nullptr) return {};
  LabelBuilder builder({});
  std::vector<std::string> seen;
  for (const model::Matcher& matcher : selector->matchers) {
    if (matcher.name() == model::kMetricName) continue;
    const bool twice = std::find(seen.begin(), seen.end(), matcher.name()) != seen.end();
    if (!twice && matcher.op() == model::Matcher::Op::kEqual) {
      builder.set(evaluation.arena().keep(matcher.name()),
                  evaluation.arena().keep(matcher.value()));
    } else {
      builder.remove(matcher.name());
    }
    if (!twice && matcher.op() == model::Matcher::Op::kEqual) seen.push_back(matcher.name());
  }
  return evaluation.arena().keep(builder.labels());
}

}  // namespace

Result<VectorPtr> call_absent(Evaluation& evaluation, const CallExpr& call, const Scope& scope) {
  const size_t steps = scope.steps.count;
  std::vector<uint8_t> present(steps, 0);
  Worker worker(evaluation.context());
  const Expr& argument = *call.arguments[0];
  if (call.function->id == FunctionId::kAbsent) {
    ASSIGN_OR_RETURN(const VectorPtr source, evaluation.vector(argument, scope));
    for (size_t i = 0; i < source->size(); ++i) {
      RETURN_IF_ERROR(source->column(i, worker.column, worker));
      for (size_t step = 0; step < steps; ++step) {
        if (worker.column.present(step)) present[step] = 1;
      }
    }
  } else {
    ASSIGN_OR_RETURN(const auto range, evaluation.range(argument, scope));
    for (size_t i = 0; i < range->size(); ++i) {
      RETURN_IF_ERROR(range->samples(i, worker.samples, worker));
      find_windows(worker.samples.times_ms, range->plan(), worker.windows);
      for (size_t step = 0; step < steps; ++step) {
        if (worker.windows.low[step] != worker.windows.high[step]) present[step] = 1;
      }
    }
  }
  auto block = std::make_unique<Block>(steps);
  block->add({labels_of(evaluation, argument), false});
  for (size_t step = 0; step < steps; ++step) {
    if (!present[step]) block->set(0, step, 1.0);
  }
  block->drop_empty();
  return VectorPtr(std::move(block));
}

}  // namespace gatehouse::promql
