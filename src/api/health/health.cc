#include "api/health/health.h"

#include <algorithm>
#include <array>

#include "base/loop.h"
#include "gateway/health.h"
#include "wire/json.h"

namespace gatehouse::api {

namespace {

using gateway::HealthState;

Task<void> answer(net::Exchange& exchange, int status, std::string_view type,
                  std::string_view body) {
  const std::array headers = {net::Header{"cache-control", "no-store"},
                              net::Header{"x-content-type-options", "nosniff"}};
  net::Reply reply;
  reply.status = status;
  reply.content_type = type;
  reply.headers = headers;
  reply.body = body;
  const Status sent = co_await exchange.reply(reply);
  (void)sent;
}

// The whole is as well as its upstreams: unhealthy where none can serve,
// degraded where one cannot serve as it should.
HealthState state_of(const gateway::Snapshot* snapshot, int64_t now_ms) {
  if (snapshot == nullptr || snapshot->upstreams.empty()) return HealthState::kUnknown;
  size_t unhealthy = 0, impaired = 0, unknown = 0;
  for (const auto& upstream : snapshot->upstreams) {
    const HealthState state = gateway::health_of(*upstream, now_ms).state;
    unhealthy += state == HealthState::kUnhealthy ? 1 : 0;
    impaired += state == HealthState::kDegraded || state == HealthState::kUnhealthy ? 1 : 0;
    unknown += state == HealthState::kUnknown ? 1 : 0;
  }
  if (unhealthy == snapshot->upstreams.size()) return HealthState::kUnhealthy;
  if (impaired > 0) return HealthState::kDegraded;
  return unknown == snapshot->upstreams.size() ? HealthState::kUnknown : HealthState::kHealthy;
}

void write_upstreams(wire::JsonWriter& json, const gateway::Snapshot* snapshot, int64_t now_ms) {
  json.key("upstreams").begin_array();
  if (snapshot != nullptr) {
    for (const auto& upstream : snapshot->upstreams) {
      const gateway::Health health = gateway::health_of(*upstream, now_ms);
      json.begin_object();
      json.member("name", upstream->config().name);
      json.member("health", gateway::name(health.state));
      json.member("breaker", gateway::name(upstream->history().breaker.state(now_ms)));
      json.key("reasons").begin_array();
      if (!health.reason.empty() && health.state != HealthState::kHealthy) {
        json.string(health.reason);
      }
      json.end_array();
      json.end_object();
    }
  }
  json.end_array();
}

}  // namespace

std::string_view Health::not_ready() const {
  if (program_.draining()) return "draining: the process is about to end\n";
  if (!program_.listening()) return "starting: not listening yet\n";
  if (!program_.records_ready()) return "starting: records are being read\n";
  if (!program_.store().ok()) return "the log of records cannot be written\n";
  return {};
}

Task<void> Health::handle(gateway::Worker& worker, net::Exchange& exchange) const {
  const std::string_view path = exchange.request().path;
  constexpr std::string_view kText = "text/plain; charset=utf-8";
  if (path == "/healthz" || path == "/-/healthy") {
    co_await answer(exchange, 200, kText, "ok\n");
    co_return;
  }
  if (path == "/readyz" || path == "/-/ready") {
    const std::string_view reason = not_ready();
    co_await answer(exchange, reason.empty() ? 200 : 503, kText,
                    reason.empty() ? "ready\n" : reason);
    co_return;
  }
  const gateway::SnapshotPtr snapshot = worker.snapshot;
  int status = 200;
  const std::string body = report(snapshot.get(), status);
  co_await answer(exchange, status, "application/json", body);
}

std::string Health::report(const gateway::Snapshot* snapshot, int& status) const {
  const int64_t now_ms = steady_ms();
  const Status store = program_.store();
  const ConfigState config = program_.config();
  const gateway::JournalHealth& journal = gateway_.journal_health();
  const int64_t failing_since_ms = journal.failing_since_ms.load(std::memory_order_relaxed);
  HealthState state = state_of(snapshot, now_ms);
  // Calls that cannot be recorded are refused.
  if (!store.ok() || failing_since_ms != 0) state = HealthState::kUnhealthy;
  if (!config.ok && state != HealthState::kUnhealthy) state = HealthState::kDegraded;
  status = state == HealthState::kUnhealthy ? 503 : 200;

  std::string out;
  wire::JsonWriter json(out);
  json.begin_object();
  json.member("status", gateway::name(state));
  json.member("ready", not_ready().empty());
  json.member("version", program_.version);
  json.member("uptime_seconds",
              std::max<int64_t>(0, clock_.wall_ns() / 1'000'000 - program_.started_ms) / 1000);
  write_upstreams(json, snapshot, now_ms);
  json.key("store").begin_object().member("ok", store.ok());
  if (!store.ok()) json.member("message", store.message());
  json.end_object();
  json.key("journal").begin_object().member("ok", failing_since_ms == 0);
  if (failing_since_ms != 0) {
    json.member("failing_for_seconds", (now_ms - failing_since_ms) / 1000);
  }
  json.member("lost_records", journal.lost_records.load(std::memory_order_relaxed));
  json.end_object();
  // Its message can quote the file: it is for those who are signed in.
  json.key("config").begin_object().member("ok", config.ok).end_object();
  json.end_object();
  return out;
}

}  // namespace gatehouse::api
