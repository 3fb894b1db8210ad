// Runs a test script: loads into series in memory, evaluates, and compares with
// what is expected, to the same tolerance as Prometheus's promqltest.
//
// As there, an instant query is asked in several ways that must agree: once as it is
// written; within a range query around its time; and, where its functions allow it,
// with every selector pinned by "@" to its time and evaluated at other times.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gatehouse::promql {

struct ScriptOutcome {
  struct Failure {
    int line = 0;
    std::string message;
  };
  int passed = 0;  // evaluations
  std::vector<Failure> failures;
};

// kInvalidArgument: the script cannot be read.
Result<ScriptOutcome> run_script(std::string_view text);

}  // namespace gatehouse::promql
