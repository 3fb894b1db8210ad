// The syntax tree as /api/v1/parse_query gives it: the shape of Prometheus's
// web/api/v1/translate_ast.go, which its query builder reads.
#pragma once

#include <string>

#include "lang/promql/ast.h"

namespace gatehouse::api::metric {

void write_ast(std::string& out, const promql::Expr& expr);

}  // namespace gatehouse::api::metric
