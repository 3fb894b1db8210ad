// Which series of two vectors belong together: those with the same key. Found once
// for all steps; which of them have a sample differs from step to step.
#pragma once

#include <vector>

#include "lang/promql/eval/evaluation.h"

namespace gatehouse::promql {

struct MatchGroup {
  std::vector<size_t> left;
  std::vector<size_t> right;
};

LabelKey matching_key(const BinaryExpr& expr);

// In the order of the left side's series, then of the right's that are alone.
std::vector<MatchGroup> match_series(const Block& left, const Block& right, const LabelKey& key);

}  // namespace gatehouse::promql
