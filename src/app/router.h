// Which path belongs to which API. Paths are matched as they came: nothing is
// decoded or normalised first, so that no spelling of a path leads anywhere else
// than it says.
#pragma once

#include <functional>

#include "api/anthropic/anthropic.h"
#include "api/caller.h"
#include "api/inference/inference.h"
#include "api/openai/openai.h"
#include "api/prometheus/prometheus.h"
#include "net/exchange.h"

namespace gatehouse::app {

// What is not a call: pages, the console's API, health, metrics.
using Page = std::function<Task<void>(gateway::Worker&, net::Exchange&)>;

struct Pages {
  Page health;        // /health, /healthz, /readyz
  Page metrics;       // /metrics
  Page reload;        // POST /-/reload
  Page prometheus;    // Prometheus's API
  Page alertmanager;  // Alertmanager's API
  Page console;       // everything else
};

class Router {
 public:
  Router(const api::Gate& gate, Pages pages);

  Task<void> serve(gateway::Worker& worker, net::Exchange& exchange);

 private:
  // In whose words a path is answered.
  const gateway::Dialect& dialect_of(std::string_view path) const;
  bool permits(net::Exchange& exchange);
  Task<void> refuse_address(net::Exchange& exchange);
  Task<void> refuse_method(net::Exchange& exchange, std::string_view allow);

  api::Gate gate_;
  api::OpenAi openai_;
  api::Anthropic anthropic_;
  api::Inference inference_;
  Pages pages_;
};

}  // namespace gatehouse::app
