// GET /metrics for a scraper: Prometheus text or OpenMetrics, as it asks.
#pragma once

#include "gateway/gateway.h"
#include "identity/authenticator.h"
#include "model/clock.h"
#include "model/metrics.h"
#include "net/exchange.h"

namespace gatehouse::api {

class Metrics {
 public:
  // REQUIRES: all outlive this.
  Metrics(const model::Registry& registry, identity::Authenticator& authenticator,
          const model::Clock& clock)
      : registry_(registry), authenticator_(authenticator), clock_(clock) {}

  // REQUIRES: GET or HEAD. Asks for a key whose role may read metrics, but where
  // the configuration says `authenticate: false`.
  Task<void> handle(gateway::Worker& worker, net::Exchange& exchange) const;

 private:
  const model::Registry& registry_;
  identity::Authenticator& authenticator_;
  const model::Clock& clock_;
};

}  // namespace gatehouse::api
