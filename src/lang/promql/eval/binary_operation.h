// What a binary operator does to two values, whatever brought them together.
#pragma once

#include <cmath>

#include "lang/promql/eval/evaluation.h"

namespace gatehouse::promql {

double calculate(BinaryOp op, double left, double right);  // arithmetic
inline bool compare(BinaryOp op, double left, double right) {
  switch (op) {
    case BinaryOp::kEqual: return left == right;
    case BinaryOp::kNotEqual: return left != right;
    case BinaryOp::kGreater: return left > right;
    case BinaryOp::kLess: return left < right;
    case BinaryOp::kGreaterEqual: return left >= right;
    default: return left <= right;
  }
}

// Whether the result is no longer the metric that came in: all arithmetic, but
// neither comparisons nor the trimming of histograms.
bool changes_metric(BinaryOp op);

// One side of an operation: a histogram, or else a float.
struct Operand {
  double value = 0;
  const model::NativeHistogram* histogram = nullptr;
};
struct Outcome {
  bool applies = false;  // false: the kinds do not go together, and it was said so
  bool kept = false;     // false also: a comparison that does not hold
  double value = 0;
  HistogramPtr histogram;
};

// The general operation; for a comparison the left value where it holds. Kinds that do
// not go together are noted in `incompatible`, as "histogram + float" has them.
class Operator {
 public:
  Operator(Evaluation& evaluation, BinaryOp op, Position position)
      : evaluation_(evaluation), op_(op), position_(position) {}
  Outcome apply(Operand left, Operand right) const;
  BinaryOp op() const { return op_; }

 private:
  void incompatible(const Operand& left, const Operand& right) const;
  Outcome of_histograms(const Operand& left, const Operand& right) const;

  Evaluation& evaluation_;
  BinaryOp op_;
  Position position_;
};

Result<VectorPtr> negate(Evaluation& evaluation, const Expr& inner, const Scope& scope);

}  // namespace gatehouse::promql
