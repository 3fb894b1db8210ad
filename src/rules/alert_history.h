// What rules say of alerts, written down: each change of state is a Record of
// {stream="alerts"}, beside those of who was told and what was silenced.
//
// Attributes: kind (pending, firing, resolved, vanished, returned, withdrawn, removed), source
// ("rules"), alertname, fingerprint, labels (JSON), value, starts_at_ms, group, file, summary.
#pragma once

#include <atomic>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/stream.h"
#include "rules/evaluation.h"

namespace gatehouse::rules {

// Any thread.
class AlertHistory {
 public:
  explicit AlertHistory(model::Appender& records) : records_(records) {}

  // As of `time_ms`. What cannot be written is told of in the log: an alert goes out whether
  // or not it can be written down.
  void write(const RuleGroup& group, int64_t time_ms, std::span<const AlertChange> changes);
  // Of alerts whose rule is no longer there.
  void write_removed(const RuleGroup& group, int64_t time_ms, std::span<const ActiveAlert> alerts);

 private:
  struct Entry;
  void append(const RuleGroup& group, int64_t time_ms, std::span<const Entry> entries);

  model::Appender& records_;
  std::atomic<bool> failing_{false};  // said once, until it works again
};

}  // namespace gatehouse::rules
