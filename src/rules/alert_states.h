// The alerts of one rule, from evaluation to evaluation (AlertingRule.Eval and sendAlerts of
// Prometheus 3's rules/alerting.go): pending until `for` has passed, firing, kept firing for
// a while, over, and forgotten kResolvedRetentionMs later.
//
// An alert's labels are held once, in the alert.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "rules/evaluation.h"
#include "rules/rule_file.h"

namespace gatehouse::rules {

// What an evaluation found of an alert.
struct FoundAlert {
  model::Labels labels;         // the rule's and "alertname" among them
  model::Labels sample_labels;  // of what the expression gave
  std::vector<std::pair<std::string, std::string>> annotations;
  double value = 0;
};

// Which of these alerts, which the expression no longer gives, ended because their data did.
using LostData = std::function<std::vector<bool>(std::span<const ActiveAlert* const>)>;

class AlertStates {
 public:
  // Moves every alert on to `time_ms`. kResourceExhausted: more than `limit` are active; all
  // are dropped. REQUIRES: the labels of what was found differ.
  Status advance(const Rule& rule, std::vector<FoundAlert> found, int64_t limit, int64_t time_ms,
                 const LostData& lost_data, std::vector<AlertChange>& changes);

  // What is due to be said at `time_ms`, which is noted as said.
  std::vector<model::Alert> due(int64_t time_ms, int64_t resend_delay_ms, int64_t interval_ms,
                                const std::string& generator_url);

  // ALERTS and ALERTS_FOR_STATE of what is pending or firing.
  void append_samples(std::vector<RuleSample>& out) const;

  void visit(const std::function<void(ActiveAlert&)>& visitor);
  std::vector<ActiveAlert> all() const;
  AlertState worst() const;
  size_t active() const;  // pending or firing

 private:
  using Owned = std::unique_ptr<ActiveAlert>;
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Owned& alert) const { return alert->labels.hash(); }
    size_t operator()(const model::Labels& labels) const { return labels.hash(); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Owned& a, const Owned& b) const { return a->labels == b->labels; }
    bool operator()(const Owned& a, const model::Labels& b) const { return a->labels == b; }
    bool operator()(const model::Labels& a, const Owned& b) const { return a == b->labels; }
  };

  void take(FoundAlert found, int64_t time_ms);
  // False: it is forgotten.
  bool advance_absent(const Rule& rule, ActiveAlert& alert, int64_t time_ms,
                      std::vector<AlertChange>& changes, std::vector<ActiveAlert*>& ended);

  std::unordered_set<Owned, Hash, Equal> alerts_;
};

}  // namespace gatehouse::rules
