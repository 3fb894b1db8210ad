// and, or, unless: samples of the left (and of the right) chosen by whether the
// other side has one with the same key at that step.
#include "lang/promql/eval/binary_operation.h"
#include "lang/promql/eval/vector_matching.h"

namespace gatehouse::promql {
namespace {

// Which steps some of the series have a sample at.
std::vector<uint8_t> steps_present(const Block& block, const std::vector<size_t>& series) {
  std::vector<uint8_t> present(block.steps(), 0);
  for (const size_t i : series) {
    for (size_t step = 0; step < block.steps(); ++step) {
      if (block.present(i, step)) present[step] = 1;
    }
  }
  return present;
}

// The rows of `series`, where `mask` is `wanted`.
void keep(const Block& from, const std::vector<size_t>& series, const std::vector<uint8_t>& mask,
          uint8_t wanted, Block& out) {
  for (const size_t i : series) {
    const size_t row = out.add(from.name(i));
    for (size_t step = 0; step < from.steps(); ++step) {
      if (mask[step] == wanted && from.present(i, step)) out.copy(row, step, from, i);
    }
  }
}

}  // namespace

Result<VectorPtr> binary_of_sets(Evaluation& evaluation, const BinaryExpr& expr,
                                 const Scope& scope) {
  ASSIGN_OR_RETURN(const BlockPtr left, evaluation.block(*expr.left, scope));
  ASSIGN_OR_RETURN(const BlockPtr right, evaluation.block(*expr.right, scope));
  const size_t steps = scope.steps.count;
  RETURN_IF_ERROR(evaluation.charge_columns(left->size() + right->size(), steps));
  auto out = std::make_unique<Block>(steps);
  const std::vector<MatchGroup> groups = match_series(*left, *right, matching_key(expr));
  if (expr.op == BinaryOp::kOr) {
    std::vector<size_t> all(left->size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = i;
    keep(*left, all, std::vector<uint8_t>(steps, 1), 1, *out);
    for (const MatchGroup& group : groups) {
      keep(*right, group.right, steps_present(*left, group.left), 0, *out);
    }
    out->drop_empty();
    RETURN_IF_ERROR(evaluation.merge_equal_names(out));
    return VectorPtr(std::move(out));
  }
  const uint8_t wanted = expr.op == BinaryOp::kAnd ? 1 : 0;
  for (const MatchGroup& group : groups) {
    keep(*left, group.left, steps_present(*right, group.right), wanted, *out);
  }
  out->drop_empty();
  return VectorPtr(std::move(out));
}

}  // namespace gatehouse::promql
