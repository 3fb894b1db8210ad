// What the durations of a query come to, once its step and range are known.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "lang/promql/ast.h"

namespace gatehouse::promql {

struct DurationContext {
  int64_t step_ms = 0;   // step(); 0 in an instant query
  int64_t range_ms = 0;  // range(): from the query's begin to its end
};

// Of one duration, which stays as it is. kInvalidArgument: a division by zero, a
// value out of range, or one that is not positive where it has to be.
Result<int64_t> resolve_duration(const Duration& duration, const DurationContext& context,
                                 bool negative_allowed);

// Sets `ms` of every duration in the tree that is an expression. The tree must not
// be evaluated elsewhere meanwhile.
Status resolve_durations(Expr& expr, const DurationContext& context);

}  // namespace gatehouse::promql
