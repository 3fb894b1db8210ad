// The pure part of rules: what one group says at a moment over a SampleReader. It keeps
// the states of alerts and which series each rule gave last, appends nothing and tells
// nobody: whoever calls it appends RuleOutcome::samples, hands on RuleOutcome::alerts and
// writes down RuleOutcome::changes. RuleEngine does, and so do unit tests of rules.
//
// After rules/group.go, rules/alerting.go and rules/recording.go of Prometheus 3. What is
// ours: an alert whose data vanished. It is one that was firing, that the expression no
// longer gives, and of which every selector of the expression that had found a series
// fitting the alert's labels at the evaluation before finds none now that still has
// samples. Once such series are back and the alert is not, it is resolved.
//
// Invariants: an alert that fired is kept until kResolvedRetentionMs after its end; a series
// that an evaluation gave and the next does not gets one staleness marker; an evaluation
// that fails changes no state (but one over its limit, which drops the rule's alerts).
//
// One thread at a time for a GroupEvaluation; different ones are independent.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "lang/promql/engine.h"
#include "model/alert.h"
#include "model/series.h"
#include "rules/rule_file.h"

namespace gatehouse::rules {

// As Prometheus: long enough that an Alertmanager that was away hears of the end.
inline constexpr int64_t kResolvedRetentionMs = 15 * 60'000;

struct EvaluationOptions {
  int64_t interval_ms = 60'000;  // of groups that say none
  int64_t query_offset_ms = 0;   // of groups that say none
  int64_t resend_delay_ms = 60'000;
  int64_t for_outage_tolerance_ms = 3'600'000;
  int64_t for_grace_period_ms = 600'000;
  int64_t query_timeout_ms = 120'000;
  int64_t samples_max = 50'000'000;  // of a query
  promql::QueryOptions query;
  std::string external_url;       // of links and templates
  model::Labels external_labels;  // of templates
};

// What an evaluation reads and is bounded by. REQUIRES: all outlive the call.
struct EvaluationSource {
  const model::SampleReader& reader;
  MemoryBudget& budget;
  promql::Parallel* parallel = nullptr;
  MemoryBudget* share = nullptr;  // what all queries together may charge, besides
};

enum class AlertState { kInactive, kPending, kFiring };
// "inactive", "pending", "firing".
std::string_view name(AlertState state);

// An alert of a rule. kInactive: it fired, and is over or has vanished.
struct ActiveAlert {
  model::Labels labels;
  std::vector<std::pair<std::string, std::string>> annotations;
  AlertState state = AlertState::kPending;
  double value = 0;
  int64_t active_at_ms = 0;
  int64_t fired_at_ms = 0;
  int64_t resolved_at_ms = 0;           // 0: it is not
  int64_t keep_firing_since_ms = 0;     // 0: its expression holds
  int64_t last_sent_at_ms = INT64_MIN;  // never
  bool vanished = false;                // its data is gone: not known whether it is over
  int64_t held_at_ms = 0;               // the last evaluation in which its expression held
  // Labels of what the expression gave, before the rule's own: what its data is found by.
  model::Labels sample_labels;
};

struct AlertChange {
  enum class Kind {
    kPending,
    kFiring,
    kResolved,   // it was firing
    kVanished,   // it was firing, and its data is gone
    kReturned,   // it had vanished; its data is back and says it is over
    kWithdrawn,  // it was pending and never fired, or its rule went over its limit
  };
  Kind kind = Kind::kPending;
  model::Labels labels;
  std::vector<std::pair<std::string, std::string>> annotations;
  double value = 0;
  int64_t active_at_ms = 0;
};
// "pending", "firing", "resolved", "vanished", "returned", "withdrawn".
std::string_view name(AlertChange::Kind kind);

struct RuleSample {
  model::Labels labels;
  double value = 0;                                         // kStaleValue: the series ended
  std::shared_ptr<const model::NativeHistogram> histogram;  // null: a float
};

struct RuleOutcome {
  // Why there is no result. Then nothing else is set but `changes`, of alerts that a limit
  // dropped.
  Status status;
  int64_t time_ms = 0;               // of the samples: the evaluation's less the query offset
  std::vector<RuleSample> samples;   // a staleness marker for each series that ended, last
  int64_t series = 0;                // how many series or alerts the rule gave
  std::vector<model::Alert> alerts;  // due to be said, or said again
  std::vector<AlertChange> changes;
  // Warnings of the query, and of templates that failed.
  std::vector<std::string> warnings;
};

class GroupEvaluation {
 public:
  // `restored`: false, no ALERTS are written until restore() was called.
  GroupEvaluation(RuleGroup group, EvaluationOptions options, bool restored = true);
  ~GroupEvaluation();
  GroupEvaluation(GroupEvaluation&&) noexcept;
  GroupEvaluation& operator=(GroupEvaluation&&) noexcept;

  const RuleGroup& group() const;
  size_t size() const;  // of rules
  int64_t interval_ms() const;
  int64_t query_offset_ms() const;

  // Takes over from a group of the same file and name that this one replaces: alerts of
  // rules whose name and labels stay, and which series each gave. The first evaluation ends
  // those that nothing gives any more.
  void inherit(GroupEvaluation&& before);

  // Rule by rule in their order: what one gave is to be readable before the next.
  // REQUIRES: rule < size().
  RuleOutcome evaluate(size_t rule, int64_t time_ms, const EvaluationSource& source);
  // After the last rule of an evaluation: staleness markers of series that rules gave which
  // are no longer in the group. Empty but once after inherit().
  std::vector<RuleSample> take_orphaned();
  // All series that the rules gave last: to be ended when a group goes away.
  std::vector<RuleSample> end_all();

  // Puts back since when alerts have been pending, from ALERTS_FOR_STATE. Once after a start,
  // after the first evaluation. What could not be read of a rule is tried again by the
  // next call; true: nothing is left to do.
  bool restore(int64_t time_ms, const EvaluationSource& source);
  bool restored() const;

  // Of an alerting rule; those that are over for kResolvedRetentionMs included.
  std::vector<ActiveAlert> alerts(size_t rule) const;
  // The worst of its alerts.
  AlertState state(size_t rule) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The path of an expression in the console, behind the external URL:
// "/graph?g0.expr=...&g0.tab=1".
std::string expression_path(std::string_view query);

}  // namespace gatehouse::rules
