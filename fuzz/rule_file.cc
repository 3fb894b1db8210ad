// A rule file, or its unit tests, of any bytes are read or refused with a place; what was read
// evaluates, and what the lints call never matching gives nothing.
#include "rules/rule_file.h"

#include "fuzz.h"
#include "lang/promql/memory_series.h"
#include "rules/evaluation.h"
#include "rules/rule_lint.h"
#include "rules/unit_test_file.h"

using namespace gatehouse;         // NOLINT: a program of one file
using namespace gatehouse::rules;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = fuzz::text_of(bytes, size);
  const auto tests = read_unit_test_file(text, "f");
  if (!tests.ok()) {
    fuzz::require(tests.status().message().starts_with("f:"), "a problem has its place");
  }
  RuleFileOptions options;
  options.duplicate_rules = options.expressions = true;
  const auto file = read_rule_file(text, "f", options);
  if (!file.ok()) {
    fuzz::require(file.status().message().starts_with("f:"), "a problem has its place");
    return 0;
  }
  // Some of what the seeds select, so that there is something to find.
  promql::MemorySeries store;
  for (const char* name : {"up", "errors", "requests", "down", "x"}) {
    for (const char* job : {"a", "b"}) {
      const model::Labels labels{{"__name__", name}, {"job", job}, {"code", "500"}};
      for (std::int64_t time_ms = 0; time_ms <= 600'000; time_ms += 60'000) {
        const auto value = static_cast<double>(time_ms % 7);
        fuzz::require(store.insert(labels, time_ms, {value, nullptr, 0}).ok(), "a sample is taken");
      }
    }
  }
  MemoryBudget budget(64 << 20);
  for (const RuleGroup& group : file->groups) {
    EvaluationOptions evaluation;
    evaluation.samples_max = 100'000;
    evaluation.query_timeout_ms = 200;
    GroupEvaluation all(group, evaluation);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Rule& rule = all.group().rules[i];
      fuzz::require(rule.record.empty() != rule.alert.empty(), "a rule records or alerts");
      fuzz::require(rule.expr != nullptr, "a rule has an expression");
      for (const std::int64_t time_ms : {0, 600'000}) {
        const EvaluationSource source{store, budget};
        const RuleOutcome outcome = all.evaluate(i, time_ms, source);
        if (outcome.status.ok() && never_matches(*rule.expr)) {
          fuzz::require(outcome.series == 0, "an expression that never matches gives nothing");
        }
      }
    }
  }
  return 0;
}
