// AlertSender: tells existing Alertmanagers of alerts, by their API v2
// (prometheus.io/docs/alerting/latest/alerts_api), as Prometheus's notifier does.
//
// Each Alertmanager has a queue of its own, so that one that hangs holds up no other. A queue
// is bounded: when it is full the oldest go, as those who send say everything again that
// still holds. What could not be delivered is tried again for a minute.
//
// A thread of its own with one Loop sends; whoever notifies never waits for the network.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/pool.h"
#include "base/result.h"
#include "model/alert.h"
#include "model/metrics.h"
#include "net/options.h"
#include "outbound/http_client_config.h"

namespace gatehouse::exporting {

// Changes the labels of an alert; false: it is not sent.
using AlertRelabel = std::function<bool(model::Labels&)>;

// Alertmanagers that are told the same in the same way.
struct AlertmanagerSet {
  std::vector<std::string> urls;  // ".../api/v2/alerts"
  outbound::HttpClientConfig http;
  int64_t timeout_ms = 10'000;
  AlertRelabel relabel;  // may be empty
};

// Of one Alertmanager, as Prometheus has them.
inline constexpr size_t kAlertQueueMax = 10'000;
inline constexpr size_t kAlertBatchMax = 64;

class AlertSender : public model::Notifier {
 public:
  // REQUIRES: pool and registry outlive it.
  AlertSender(Pool& pool, model::Registry& registry, net::DialOptions dial);
  ~AlertSender() override;  // as finish(0)
  AlertSender(const AlertSender&) = delete;
  AlertSender& operator=(const AlertSender&) = delete;

  // Whom to tell from now on. An Alertmanager that stays keeps its queue. On an error (a file
  // of a TLS configuration) all stays as it was. Any thread but the sender's own.
  Status configure(std::vector<AlertmanagerSet> sets);
  // Sends what is queued for at most `flush_ms`, and ends the thread.
  void finish(int64_t flush_ms);

  void notify(std::span<const model::Alert> alerts) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gatehouse::exporting
