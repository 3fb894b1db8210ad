// Runs unit tests of rules as promtool does: the series are loaded as time goes on, every
// group is evaluated at each evaluation interval, and what fires and what queries answer is
// compared with what is expected.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace gatehouse::rules {

struct UnitTestOptions {
  std::string run;  // a pattern of RE2 that a test's name must contain; empty: all
};

struct UnitTestOutcome {
  int checks = 0;                     // alert_rule_tests and promql_expr_tests that were run
  std::vector<std::string> failures;  // in promtool's words, over several lines
  std::vector<std::string> notices;   // patterns without a file
};

// kInvalidArgument: the file, or a rule file it names, cannot be read. Its rule files and
// patterns are found beside it.
Result<UnitTestOutcome> run_unit_tests(const std::string& path,
                                       const UnitTestOptions& options = {});

}  // namespace gatehouse::rules
