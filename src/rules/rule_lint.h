// What a rule file may say but hardly means: the same rule twice, and expressions that can
// give nothing, or give something always.
//
// Only what is certain is told: a finding holds for every content of the store. An expression
// is read from the leaves up; of each vector it keeps which labels it may have, which values
// of labels are certain, and between which bounds its values lie.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rules/rule_file.h"
#include "wire/yaml_fields.h"

namespace gatehouse::rules {

struct LintFinding {
  std::string what;
  promql::Position position;  // in the expression
};

// Why the expression, an instant vector or a scalar, never gives anything.
std::optional<LintFinding> never_matches(const promql::Expr& expr);
// Why an alert on the expression does not ask what it seems to: it fires whatever is stored,
// or whatever its comparison says.
std::optional<LintFinding> always_matches(const promql::Expr& expr);

void lint_rules(wire::ConfigLog& log, const std::vector<RuleGroup>& groups,
                const RuleFileOptions& options);

}  // namespace gatehouse::rules
