// A tree to text, as Prometheus prints it.
#pragma once

#include <string>

#include "lang/promql/ast.h"

namespace gatehouse::promql {

// On one line: Expr.String() of Prometheus.
std::string to_text(const Expr& expr);
// Over several lines: Prettify(), what /api/v1/format_query answers.
std::string to_pretty_text(const Expr& expr);

}  // namespace gatehouse::promql
