// Whether the answer to a query is what a test script expects.
#pragma once

#include "base/result.h"
#include "lang/promql/engine.h"
#include "lang/promql/script.h"

namespace gatehouse::promql {

// Ok, or what differs.
Status compare_answer(const EvalCommand& eval, const QueryValue& answer);
Status compare_annotations(const EvalCommand& eval, const Annotations& annotations);
// Of a query that failed.
Status compare_failure(const EvalCommand& eval, const Status& failure);

}  // namespace gatehouse::promql
