// RuleEngine: evaluates rule groups, each at its own place in its interval. What recording
// rules give is appended, and so are ALERTS and ALERTS_FOR_STATE; what alerting rules find
// goes to a Notifier, and each change of state is a Record.
//
// Evaluation runs on threads of its own, at most `concurrency` groups at a time; the rules of
// a group one after another, as a later one may read what an earlier one recorded. Samples that
// an evaluation gave are readable before the next rule is evaluated. Their number
// is what keeps rules from starving those who ask: they are fewer than the threads that answer
// people, and share a quarter of the memory. (A lower priority would have alerts come late just
// when the machine is busy.)
//
// After a start, "for" is restored from ALERTS_FOR_STATE before an alerting rule may fire.
// After promql rules/manager.go and rules/alerting.go of Prometheus 3.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "lang/promql/engine.h"
#include "model/alert.h"
#include "model/clock.h"
#include "model/metrics.h"
#include "model/series.h"
#include "model/stream.h"
#include "rules/evaluation.h"
#include "rules/rule_file.h"

namespace gatehouse::rules {

// REQUIRES: all outlive the RuleEngine.
struct RuleEngineParts {
  const model::SampleReader& reader;
  model::SampleAppender& appender;
  model::Appender& records;  // changes of state: {stream="alerts"}
  model::Notifier& notifier;
  MemoryBudget& budget;
  model::Registry& registry;
  const model::Clock& clock;
};

enum class RuleHealth { kUnknown, kOk, kError };

struct RuleView {
  std::shared_ptr<const Rule> rule;
  RuleHealth health = RuleHealth::kUnknown;
  std::string last_error;
  int64_t evaluation_ns = 0;
  int64_t evaluated_at_ms = 0;
  int64_t samples = 0;                       // series or alerts that the last evaluation gave
  AlertState state = AlertState::kInactive;  // the worst of its alerts
  std::vector<ActiveAlert> alerts;
};

struct GroupView {
  std::string file, name;
  int64_t interval_ms = 0, query_offset_ms = 0, limit = 0;
  int64_t evaluation_ns = 0, evaluated_at_ms = 0;
  uint64_t missed = 0;  // evaluations that were due while one ran
  std::vector<RuleView> rules;
};

class RuleEngine {
 public:
  // Nothing is evaluated before configure().
  RuleEngine(RuleEngineParts parts, int concurrency);
  ~RuleEngine();  // as finish()
  RuleEngine(const RuleEngine&) = delete;
  RuleEngine& operator=(const RuleEngine&) = delete;

  // What is evaluated from now on. A group that is as it was goes on undisturbed; one whose
  // file and name stay keeps the state of its alerts, as far as its rules are the same; the
  // series of what is gone end. Waits for rules of changed groups that are being evaluated.
  void configure(std::vector<RuleGroup> groups, const EvaluationOptions& options);
  // Nothing is evaluated any more. Series do not end: a restart goes on from here.
  void finish();

  // Every group has been evaluated since the start. Any thread.
  bool ready() const;
  // By file and name, as Prometheus lists them. Any thread; `alerts` are left out where they
  // are not asked for.
  std::vector<GroupView> groups(bool with_alerts = true) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gatehouse::rules
