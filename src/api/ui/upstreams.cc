// The upstreams and how they do. docs/api.md §6.
#include <algorithm>
#include <set>

#include "api/ui/console.h"
#include "api/ui/upstream_json.h"
#include "gateway/health.h"

namespace gatehouse::api {

std::optional<double> UpstreamState::error_ratio() const {
  if (recent.attempts == 0) return std::nullopt;
  return static_cast<double>(recent.failures) / static_cast<double>(recent.attempts);
}

std::string_view kind_name(gateway::UpstreamKind kind) {
  switch (kind) {
    case gateway::UpstreamKind::kOpenAi: return "openai";
    case gateway::UpstreamKind::kAzureOpenAi: return "azure-openai";
    case gateway::UpstreamKind::kAnthropic: return "anthropic";
    case gateway::UpstreamKind::kHttp: return "http";
  }
  return "http";
}

UpstreamState upstream_state(const gateway::Upstream& upstream, const gateway::Activity& activity,
                             int64_t steady_ms, int64_t wall_ms) {
  const gateway::UpstreamHistory& history = upstream.history();
  UpstreamState out;
  const gateway::Health health = gateway::health_of(upstream, steady_ms);
  out.health = gateway::name(health.state);
  const bool healthy = health.state == gateway::HealthState::kHealthy;
  // health_of joins what it found with "; ".
  for (std::string_view rest = health.reason; !healthy && !rest.empty();) {
    const size_t end = rest.find("; ");
    out.reasons.emplace_back(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 2);
  }
  const gateway::BreakerState breaker = history.breaker.state(steady_ms);
  out.breaker = gateway::name(breaker);
  if (breaker == gateway::BreakerState::kOpen) {
    out.breaker_until_ms = wall_ms + history.breaker.retry_in_ms(steady_ms);
  }
  out.ejected = history.breaker.ejected(steady_ms);
  out.in_flight = history.in_flight.load(std::memory_order_relaxed);
  out.recent = activity.upstream(upstream.config().name, wall_ms);
  return out;
}

Task<Answer> Console::get_upstreams(Visit& visit) {
  const gateway::SnapshotPtr snapshot = visit.worker.snapshot;
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object().key("upstreams").begin_array();
  for (const auto& upstream : snapshot->upstreams) {
    const gateway::UpstreamConfig& config = upstream->config();
    const UpstreamState state =
        upstream_state(*upstream, parts_.gateway.activity(), steady_ms(), now_ms());
    const gateway::Health checked = upstream->history().health();
    std::set<std::string_view> models;
    for (const gateway::RoutePtr& route : snapshot->router.routes()) {
      for (const gateway::TargetConfig& target : route->config().targets) {
        if (target.upstream == config.name) models.insert(route->config().name);
      }
    }
    json.begin_object();
    json.member("name", config.name).member("kind", kind_name(config.kind));
    const bool v6 = upstream->origin().host.find(':') != std::string::npos;
    json.member("host", (v6 ? "[" + upstream->origin().host + "]" : upstream->origin().host) + ":" +
                            std::to_string(upstream->origin().port));
    json.member("health", state.health);
    json.key("reasons").begin_array();
    for (const std::string& reason : state.reasons) json.string(reason);
    json.end_array();
    text_or_null(json, "reason", state.reasons.empty() ? "" : state.reasons.front());
    json.member("breaker", state.breaker);
    json.key("breaker_until_at_ms");
    if (state.breaker_until_ms) {
      json.integer(*state.breaker_until_ms);
    } else {
      json.null();
    }
    json.member("ejected", state.ejected).member("in_flight", state.in_flight);
    json.member("calls", state.recent.attempts);
    number_or_null(json, "error_ratio", state.error_ratio());
    number_or_null(json, "latency_p50_ms", state.recent.latency.quantile_ms(0.5));
    number_or_null(json, "latency_p95_ms", state.recent.latency.quantile_ms(0.95));
    number_or_null(json, "ttft_p50_ms", state.recent.first_token.quantile_ms(0.5));
    number_or_null(json, "ttft_p95_ms", state.recent.first_token.quantile_ms(0.95));
    // Full while at least what a fresh one has is left.
    json.member("retry_budget_ratio",
                std::clamp(upstream->history().retries.available() /
                               static_cast<double>(gateway::RetryBudget::kAdvance),
                           0.0, 1.0));
    time_or_null(json, "last_check_at_ms", checked.checked_wall_ms * 1'000'000);
    json.key("last_check_ms");
    if (checked.checked_wall_ms == 0) {
      json.null();
    } else {
      json.integer(checked.latency_ms);
    }
    json.key("models").begin_array();
    for (const std::string_view model : models) json.string(model);
    json.end_array().end_object();
  }
  json.end_array().end_object();
  co_return ok(std::move(out));
}

}  // namespace gatehouse::api
