#include "lang/promql/eval/binary_operation.h"

#include "lang/promql/histogram/arithmetic.h"
#include "lang/promql/histogram/quantile.h"

namespace gatehouse::promql {

double calculate(BinaryOp op, double left, double right) {
  switch (op) {
    case BinaryOp::kAdd: return left + right;
    case BinaryOp::kSub: return left - right;
    case BinaryOp::kMul: return left * right;
    case BinaryOp::kDiv: return left / right;
    case BinaryOp::kMod: return std::fmod(left, right);
    case BinaryOp::kPow: return std::pow(left, right);
    case BinaryOp::kAtan2: return std::atan2(left, right);
    default: return kNan;
  }
}

bool changes_metric(BinaryOp op) {
  return !is_comparison(op) && !is_set_operator(op) && op != BinaryOp::kTrimUpper &&
         op != BinaryOp::kTrimLower;
}

void Operator::incompatible(const Operand& left, const Operand& right) const {
  const auto kind = [](const Operand& operand) {
    return std::string(operand.histogram != nullptr ? "histogram" : "float");
  };
  const std::string sign(name(op_));
  evaluation_.annotator().inform("incompatible sample types encountered for binary operator \"" +
                                     sign + "\": " + kind(left) + " " + sign + " " + kind(right),
                                 position_);
}

Outcome Operator::of_histograms(const Operand& left, const Operand& right) const {
  const bool add = op_ == BinaryOp::kAdd;
  if (add || op_ == BinaryOp::kSub) {
    HistogramSum sum(*left.histogram);
    const HistogramSum::Outcome outcome = sum.add(*right.histogram, add ? 1 : -1);
    if (!outcome.compatible) {
      evaluation_.annotator().warn(
          "incompatible bucket layout encountered for binary operator " + std::string(name(op_)),
          position_);
      return {};
    }
    Notes notes = 0;
    if (outcome.reconciled) {
      notes |= add ? kNoteReconciledAddition : kNoteReconciledSubtraction;
    }
    if (outcome.reset_collision) {
      notes |= add ? kNoteCollisionAddition : kNoteCollisionSubtraction;
    }
    evaluation_.annotator().say(notes, {}, position_);
    if (!add) sum.set_reset(model::CounterReset::kGauge);
    return {true, true, 0, std::make_shared<const NativeHistogram>(sum.sum())};
  }
  if (op_ == BinaryOp::kEqual || op_ == BinaryOp::kNotEqual) {
    const bool same = equal(*left.histogram, *right.histogram);
    if (same != (op_ == BinaryOp::kEqual)) return {true, false, 0, nullptr};
    return {true, true, 0, std::make_shared<const NativeHistogram>(*left.histogram)};
  }
  incompatible(left, right);
  return {};
}

Outcome Operator::apply(Operand left, Operand right) const {
  const auto histogram = [](NativeHistogram value) {
    return Outcome{true, true, 0, std::make_shared<const NativeHistogram>(std::move(value))};
  };
  const bool trims = op_ == BinaryOp::kTrimUpper || op_ == BinaryOp::kTrimLower;
  if (left.histogram != nullptr && right.histogram != nullptr) return of_histograms(left, right);
  if (left.histogram != nullptr) {
    if (op_ == BinaryOp::kMul) return histogram(multiplied(*left.histogram, right.value));
    if (op_ == BinaryOp::kDiv) return histogram(divided(*left.histogram, right.value));
    if (trims) {
      return histogram(trimmed(*left.histogram, right.value, op_ == BinaryOp::kTrimLower));
    }
    incompatible(left, right);
    return {};
  }
  if (right.histogram != nullptr) {
    if (op_ == BinaryOp::kMul) return histogram(multiplied(*right.histogram, left.value));
    incompatible(left, right);
    return {};
  }
  if (trims) {
    incompatible(left, right);
    return {};
  }
  if (is_comparison(op_)) {
    return {true, compare(op_, left.value, right.value), left.value, nullptr};
  }
  return {true, true, calculate(op_, left.value, right.value), nullptr};
}

}  // namespace gatehouse::promql
