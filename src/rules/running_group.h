// RunningGroup: one rule group as the RuleEngine has it: evaluates it, rule by rule, and puts
// what each gave where it belongs; answers views of it meanwhile.
//
// run(), replace() and end() are called by one thread at a time; view() by any. A view waits
// for the rule that is being evaluated, but not for long: of a group with a slow rule a copy
// is kept, which answers in its stead.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "rules/alert_history.h"
#include "rules/ending_reader.h"
#include "rules/engine.h"
#include "rules/rule_metrics.h"

namespace gatehouse::rules {

// What all groups share. REQUIRES: outlives them.
struct GroupSurroundings {
  const RuleEngineParts& parts;
  MemoryBudget& share;  // of their queries
  AlertHistory& history;
  RuleMetrics& metrics;
  const std::atomic<bool>& stopping;

  int64_t now_ms() const { return parts.clock.wall_ns() / 1'000'000; }
};

class RunningGroup {
 public:
  RunningGroup(const GroupSurroundings& around, RuleGroup group, const EvaluationOptions& options,
               RunningGroup* before);

  // Whether it would be the same made of these.
  bool same_as(const RuleGroup& group, const EvaluationOptions& options) const;
  int64_t interval_ms() const { return evaluation_.interval_ms(); }
  // The last moment at or before `now_ms` at which it is due: each group has a place of its
  // own in its interval.
  int64_t slot_before(int64_t now_ms) const;

  // As of `due_ms`, or of the last slot by now if more have passed; gives that slot.
  int64_t run(int64_t due_ms);
  // Ends its series: it is taken away for good.
  void end();
  // It was evaluated at least once, or there is nothing to evaluate.
  bool evaluated() const { return evaluated_.load(std::memory_order_relaxed); }
  GroupView view(bool with_alerts) const;

  // Of the RuleEngine, under its lock.
  bool running = false;  // or waits for a thread
  // Set to have run() end soon.
  std::atomic<bool> gone{false};

 private:
  struct RuleState {
    RuleHealth health = RuleHealth::kUnknown;
    std::string last_error;
    int64_t evaluation_ns = 0;
    int64_t evaluated_at_ms = 0;
    int64_t series = 0;
    std::vector<model::SeriesRef> refs;  // of what it gave last, in that order
  };
  class Exclusive;

  void evaluate_rule(size_t rule, int64_t slot_ms, const EvaluationSource& source);
  Status append(int64_t time_ms, const std::vector<RuleSample>& samples,
                std::vector<model::SeriesRef>& refs);
  void tell(size_t rule, const RuleOutcome& outcome, const Status& appended);
  void keep_copy(int64_t slowest_ns);
  GroupView make_view(bool with_alerts) const;

  const GroupSurroundings& around_;
  const EvaluationOptions options_;
  const EndingReader reader_;
  GroupMetrics metrics_;
  const int64_t offset_ms_;
  std::atomic<bool> evaluated_{false};

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool evaluating_ = false;  // guarded by mutex_: then evaluation_ is the evaluator's
  bool replaced_ = false;    // guarded by mutex_: another has evaluation_ now, copy_ is left
  mutable int viewers_ = 0;  // guarded by mutex_: the evaluator lets them in between rules
  GroupEvaluation evaluation_;
  std::vector<RuleState> rules_;  // guarded by mutex_, but `refs`, which are the evaluator's
  int64_t evaluation_ns_ = 0, evaluated_at_ms_ = 0;
  uint64_t missed_ = 0;
  int64_t samples_ = 0;
  std::shared_ptr<const GroupView> copy_;
};

}  // namespace gatehouse::rules
