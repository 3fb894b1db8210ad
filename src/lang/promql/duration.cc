#include "lang/promql/duration.h"

#include <cmath>

namespace gatehouse::promql {
namespace {

using Kind = DurationExpr::Kind;

// In seconds. A division by zero leaves its name in `error`.
double evaluate(const DurationExpr& expr, const DurationContext& context, const char*& error) {
  const double left = expr.left ? evaluate(*expr.left, context, error) : 0;
  const double right = expr.right ? evaluate(*expr.right, context, error) : 0;
  switch (expr.kind) {
    case Kind::kNumber: return expr.value_s;
    case Kind::kStep: return static_cast<double>(context.step_ms) / 1000;
    case Kind::kRange: return static_cast<double>(context.range_ms) / 1000;
    case Kind::kNegate: return -left;
    case Kind::kParen: return left;
    case Kind::kAdd: return left + right;
    case Kind::kSub: return left - right;
    case Kind::kMul: return left * right;
    case Kind::kDiv:
      if (right == 0) error = "division by zero";
      return left / right;
    case Kind::kMod:
      if (right == 0) error = "modulo by zero";
      return std::fmod(left, right);
    case Kind::kPow: return std::pow(left, right);
    case Kind::kMin: return std::fmin(left, right);
    case Kind::kMax: return std::fmax(left, right);
  }
  return 0;
}

Status resolve(Duration& duration, const DurationContext& context, bool negative_allowed) {
  if (!duration.expression) return {};
  ASSIGN_OR_RETURN(duration.ms, resolve_duration(duration, context, negative_allowed));
  return {};
}

}  // namespace

Result<int64_t> resolve_duration(const Duration& duration, const DurationContext& context,
                                 bool negative_allowed) {
  if (!duration.expression) return duration.ms;
  const char* error = nullptr;
  const double seconds = evaluate(*duration.expression, context, error);
  if (error) return invalid_argument(error);
  if (!negative_allowed && seconds <= 0) {
    return invalid_argument("duration must be greater than 0");
  }
  // Nanoseconds in 63 bits, as Prometheus has it.
  if (!(std::fabs(seconds) < 9223372036.0)) return invalid_argument("duration is out of range");
  return static_cast<int64_t>(std::round(seconds * 1e9) / 1e6);
}

Status resolve_durations(Expr& expr, const DurationContext& context) {
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString: return {};
    case Expr::Kind::kVectorSelector:
      return resolve(static_cast<VectorSelector&>(expr).offset, context, true);
    case Expr::Kind::kMatrixSelector: {
      auto& matrix = static_cast<MatrixSelector&>(expr);
      RETURN_IF_ERROR(resolve(matrix.range, context, false));
      return resolve_durations(*matrix.selector, context);
    }
    case Expr::Kind::kSubquery: {
      auto& subquery = static_cast<SubqueryExpr&>(expr);
      RETURN_IF_ERROR(resolve(subquery.range, context, false));
      RETURN_IF_ERROR(resolve(subquery.step, context, false));
      RETURN_IF_ERROR(resolve(subquery.offset, context, true));
      return resolve_durations(*subquery.inner, context);
    }
    case Expr::Kind::kCall:
      for (const ExprPtr& argument : static_cast<CallExpr&>(expr).arguments) {
        RETURN_IF_ERROR(resolve_durations(*argument, context));
      }
      return {};
    case Expr::Kind::kAggregate: {
      auto& aggregate = static_cast<AggregateExpr&>(expr);
      if (aggregate.parameter) RETURN_IF_ERROR(resolve_durations(*aggregate.parameter, context));
      return resolve_durations(*aggregate.inner, context);
    }
    case Expr::Kind::kBinary: {
      auto& binary = static_cast<BinaryExpr&>(expr);
      RETURN_IF_ERROR(resolve_durations(*binary.left, context));
      return resolve_durations(*binary.right, context);
    }
    case Expr::Kind::kUnary:
      return resolve_durations(*static_cast<UnaryExpr&>(expr).inner, context);
    case Expr::Kind::kParen:
      return resolve_durations(*static_cast<ParenExpr&>(expr).inner, context);
  }
  return {};
}

}  // namespace gatehouse::promql
