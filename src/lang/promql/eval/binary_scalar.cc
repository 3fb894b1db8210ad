// A vector and a number, and the negation of a vector: series by series.
#include "lang/promql/eval/binary_operation.h"
#include "lang/promql/eval/mapped.h"
#include "lang/promql/histogram/arithmetic.h"

namespace gatehouse::promql {

Result<VectorPtr> after_name_change(Evaluation& evaluation, VectorPtr source, const Scope& scope) {
  if (evaluation.options().delayed_name_removal || source->one_metric()) return source;
  ASSIGN_OR_RETURN(BlockPtr block, evaluation.materialise(std::move(source), scope));
  RETURN_IF_ERROR(evaluation.merge_equal_names(block));
  return VectorPtr(std::move(block));
}

Result<VectorPtr> negate(Evaluation& evaluation, const Expr& inner, const Scope& scope) {
  ASSIGN_OR_RETURN(VectorPtr source, evaluation.vector(inner, scope));
  const auto change = [](Column& column) {
    for (double& value : column.values) {
      if (is_present(value)) value = -value;
    }
    for (HistogramPtr& histogram : column.histograms) {
      if (histogram) {
        histogram = std::make_shared<const NativeHistogram>(multiplied(*histogram, -1));
      }
    }
  };
  return after_name_change(
      evaluation, std::make_unique<Mapped>(evaluation, std::move(source), true, change), scope);
}

namespace {

// The loops over floats, one for each operator, so that none is chosen in a loop.
template <typename Function>
void each_float(std::vector<double>& values, const std::vector<double>& scalars, bool scalar_left,
                Function&& function) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!is_present(values[i])) continue;
    values[i] = scalar_left ? function(scalars[i], values[i]) : function(values[i], scalars[i]);
  }
}

void arithmetic(BinaryOp op, std::vector<double>& values, const std::vector<double>& scalars,
                bool scalar_left) {
  switch (op) {
    case BinaryOp::kAdd:
      return each_float(values, scalars, scalar_left, [](double a, double b) { return a + b; });
    case BinaryOp::kSub:
      return each_float(values, scalars, scalar_left, [](double a, double b) { return a - b; });
    case BinaryOp::kMul:
      return each_float(values, scalars, scalar_left, [](double a, double b) { return a * b; });
    case BinaryOp::kDiv:
      return each_float(values, scalars, scalar_left, [](double a, double b) { return a / b; });
    default:
      return each_float(values, scalars, scalar_left,
                        [op](double a, double b) { return calculate(op, a, b); });
  }
}

}  // namespace

Result<VectorPtr> binary_with_scalar(Evaluation& evaluation, const BinaryExpr& expr,
                                     const Scope& scope) {
  const bool scalar_left = expr.left->type != ValueType::kVector;
  const Expr& vector_side = scalar_left ? *expr.right : *expr.left;
  const Expr& scalar_side = scalar_left ? *expr.left : *expr.right;
  ASSIGN_OR_RETURN(VectorPtr source, evaluation.vector(vector_side, scope));
  ASSIGN_OR_RETURN(std::vector<double> scalars, evaluation.scalar(scalar_side, scope));
  const Operator operation(evaluation, expr.op, expr.position);
  const bool comparison = is_comparison(expr.op);
  const bool as_bool = expr.return_bool;
  const auto change = [operation, scalars = std::move(scalars), scalar_left, comparison,
                       as_bool](Column& column) {
    const BinaryOp op = operation.op();
    if (!column.has_histograms() && op != BinaryOp::kTrimLower && op != BinaryOp::kTrimUpper) {
      if (!comparison) return arithmetic(op, column.values, scalars, scalar_left);
      for (size_t i = 0; i < column.values.size(); ++i) {
        double& value = column.values[i];
        if (!is_present(value)) continue;
        const bool holds =
            scalar_left ? compare(op, scalars[i], value) : compare(op, value, scalars[i]);
        if (as_bool) {
          value = holds ? 1 : 0;
        } else if (!holds) {
          value = kNoSample;
        }
      }
      return;
    }
    for (size_t i = 0; i < column.values.size(); ++i) {
      if (!column.present(i)) continue;
      const HistogramPtr histogram = column.histogram(i);
      const Operand from{column.values[i], histogram.get()};
      const Operand number{scalars[i], nullptr};
      Outcome outcome = scalar_left ? operation.apply(number, from) : operation.apply(from, number);
      // A comparison keeps the vector's value, wherever the number stands.
      if (comparison) outcome.value = from.value;
      if (as_bool && outcome.applies) {
        column.clear(i);
        column.values[i] = outcome.kept ? 1 : 0;
      } else if (!outcome.kept) {
        column.clear(i);
      } else if (outcome.histogram) {
        column.set(i, std::move(outcome.histogram));
      } else {
        column.clear(i);
        column.values[i] = outcome.value;
      }
    }
  };
  const bool drops_name = changes_metric(expr.op) || as_bool;
  return after_name_change(
      evaluation, std::make_unique<Mapped>(evaluation, std::move(source), drops_name, change),
      scope);
}

}  // namespace gatehouse::promql
