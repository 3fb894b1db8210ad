// Alert: what a rule, or another program, says is wrong; and the interface through which
// it reaches those who tell people of it. After Prometheus's notifier and Alertmanager's
// API v2 (prometheus.io/docs/alerting/latest/alerts_api).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/labels.h"

namespace gatehouse::model {

struct Alert {
  Labels labels;  // "alertname" among them; they are what the alert is
  // Sorted by name; unlike a label one may be empty.
  std::vector<std::pair<std::string, std::string>> annotations;
  int64_t starts_at_ms = 0;  // Unix time; 0: not said, the receiver takes the time it came
  // Since when it is over, or (in the future) until when it stands without another word;
  // 0: not said, the receiver's resolve_timeout counts.
  int64_t ends_at_ms = 0;
  std::string generator_url;
  // Its data is gone, so that nobody knows whether it is over: it is not called resolved.
  bool vanished = false;

  bool resolved_at(int64_t now_ms) const { return ends_at_ms != 0 && ends_at_ms <= now_ms; }
};

// The hash by which Alertmanager names a set of labels (FNV-1a of 64 bits over names and
// values, each followed by 0xff): its 16 hexadecimal digits are "fingerprint" in its API.
uint64_t alert_fingerprint(const Labels& labels);

class Notifier {
 public:
  virtual ~Notifier() = default;
  // Takes alerts, firing and resolved; the same one again and again while it fires. Any
  // thread; does not wait for a network. What cannot be taken is counted and logged by the
  // Notifier; the sender says it again at its next turn.
  virtual void notify(std::span<const Alert> alerts) = 0;
};

}  // namespace gatehouse::model
