#include "gateway/upstream.h"

#include "gateway/upstream_request.h"
#include "net/url.h"

namespace gatehouse::gateway {

namespace {
// Seconds; fine enough that a percentile of them says when to hedge.
constexpr std::array kFirstTokenBounds = {0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075,
                                          0.1,   0.15,  0.2,   0.3,  0.4,  0.5,  0.75, 1.0,
                                          1.5,   2.0,   3.0,   5.0,  7.5,  10.0, 20.0, 60.0};
}  // namespace

namespace {

// What is asked for when it is read. A history that a reload has dropped reads 0.
void publish(const std::shared_ptr<UpstreamHistory>& history, const std::string& upstream,
             model::Registry& registry) {
  const auto gauge = [&](std::string_view name, std::string_view help, auto read) {
    registry.gauge_from(name, help, {{"gatehouse_upstream", upstream}},
                        [weak = std::weak_ptr(history), read] {
                          const auto alive = weak.lock();
                          return alive == nullptr ? 0.0 : static_cast<double>(read(*alive));
                        });
  };
  gauge("gatehouse_breaker_state", "Circuit breaker: 0 closed, 1 half-open, 2 open",
        [](UpstreamHistory& h) { return static_cast<int>(h.breaker.state(steady_ms())); });
  // 0 again once a reload has dropped the upstream: a reset, as counters have them.
  registry.counter_from(
      "gatehouse_breaker_opened", "How often the circuit breaker has opened",
      {{"gatehouse_upstream", upstream}}, [weak = std::weak_ptr(history)] {
        const auto alive = weak.lock();
        return alive == nullptr ? 0.0 : static_cast<double>(alive->breaker.opened_total());
      });
  gauge("gatehouse_upstream_ejected", "1 while left out as worse than its peers",
        [](UpstreamHistory& h) { return h.breaker.ejected(steady_ms()) ? 1 : 0; });
  gauge("gatehouse_upstream_health", "Last check: 0 unknown, 1 healthy, 2 degraded, 3 unhealthy",
        [](UpstreamHistory& h) { return static_cast<int>(h.health().state); });
  gauge("gatehouse_upstream_in_flight", "Attempts under way",
        [](UpstreamHistory& h) { return h.in_flight.load(); });
  gauge("gatehouse_retry_budget_available", "Retries that the budget allows now",
        [](UpstreamHistory& h) { return h.retries.available(); });
}

}  // namespace

std::string_view name(HealthState state) {
  switch (state) {
    case HealthState::kUnknown: return "unknown";
    case HealthState::kHealthy: return "healthy";
    case HealthState::kDegraded: return "degraded";
    case HealthState::kUnhealthy: return "unhealthy";
  }
  return "unknown";
}

UpstreamHistory::UpstreamHistory(const UpstreamConfig& config, model::Registry& registry)
    : breaker(config.breaker),
      retries(config.retry.budget_ratio),
      first_token(registry.histogram("gatehouse_upstream_first_token_seconds",
                                     "From sending an attempt to the first token of its reply",
                                     kFirstTokenBounds, {{"gatehouse_upstream", config.name}})),
      attempts(registry.counter("gatehouse_upstream_attempts", "Attempts sent to an upstream",
                                {{"gatehouse_upstream", config.name}})),
      failures(registry.counter("gatehouse_upstream_failures",
                                "Attempts that failed by the upstream's fault",
                                {{"gatehouse_upstream", config.name}})) {}

Health UpstreamHistory::health() const {
  std::lock_guard lock(mutex_);
  return health_;
}

void UpstreamHistory::set_health(Health health) {
  std::lock_guard lock(mutex_);
  health_ = std::move(health);
}

void UpstreamHistory::checked(bool ok, const Health& found, const HealthConfig& config) {
  std::lock_guard lock(mutex_);
  good_checks_ = ok ? good_checks_ + 1 : 0;
  bad_checks_ = ok ? 0 : bad_checks_ + 1;
  const HealthState before = health_.state;
  health_ = found;
  if (ok) {
    const bool proven = before == HealthState::kUnknown || before == HealthState::kHealthy ||
                        good_checks_ >= config.healthy_after;
    health_.state = proven ? HealthState::kHealthy : HealthState::kDegraded;
    if (!proven)
      health_.reason =
          "recovering: one good check, " + std::to_string(config.healthy_after) + " are asked for";
  } else {
    const bool proven = before == HealthState::kUnhealthy || bad_checks_ >= config.unhealthy_after;
    health_.state = proven ? HealthState::kUnhealthy : HealthState::kDegraded;
  }
}

Result<std::shared_ptr<Upstream>> Upstream::make(const UpstreamConfig& config,
                                                 std::shared_ptr<model::Credential> credential,
                                                 std::shared_ptr<UpstreamHistory> history,
                                                 model::Registry& registry) {
  auto url = net::parse_url(config.url);
  if (!url.ok()) return url.status().with_context("upstream " + config.name);
  if (history == nullptr) {
    history = std::make_shared<UpstreamHistory>(config, registry);
    publish(history, config.name, registry);
  }
  auto made =
      std::shared_ptr<Upstream>(new Upstream(config, std::move(credential), std::move(history)));
  made->origin_.tls = url->https;
  made->origin_.host = url->host;
  made->origin_.port = url->port;
  made->origin_.host_header = url->authority();
  made->origin_.connections_max = config.connections_max;
  made->base_path_ = url->path;
  while (made->base_path_.ends_with('/')) made->base_path_.pop_back();
  return made;
}

Upstream::Upstream(const UpstreamConfig& config, std::shared_ptr<model::Credential> credential,
                   std::shared_ptr<UpstreamHistory> history)
    : config_(config),
      credential_(std::move(credential)),
      history_(std::move(history)),
      retry_(config.retry) {}

}  // namespace gatehouse::gateway
