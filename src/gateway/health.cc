#include "gateway/health.h"

#include "gateway/upstream_request.h"

namespace gatehouse::gateway {

namespace {

constexpr int64_t kTickMs = 500;  // how late a check may begin
constexpr int kRunningMax = 32;   // a thousand dead upstreams must not hold a thousand sockets
constexpr double kDegradedRatio = 0.1;  // of calls that fail now
constexpr int64_t kDegradedCallsMin = 10;

// What a status says of an upstream: empty: well; else what is wrong. 404 and
// 405 come from servers without a list of models: they are there, and that is
// what was asked.
std::string fault_of(int status, std::string_view what) {
  if (status < 400 || status == 404 || status == 405) return {};
  if (status == 401 || status == 403) {
    return "it refuses the gate's credential (status " + std::to_string(status) +
           "): check the upstream's auth";
  }
  if (status == 429) return "it limits the gate's rate (status 429)";
  return "the check of its " + std::string(what) + " was answered with status " +
         std::to_string(status);
}

}  // namespace

Health health_of(const Upstream& upstream, int64_t now_ms) {
  const UpstreamHistory& history = upstream.history();
  Health health = history.health();
  const auto add = [&health](HealthState state, std::string reason) {
    health.state = std::max(health.state, state);
    health.reason = health.reason.empty() ? std::move(reason) : reason + "; " + health.reason;
  };
  const CircuitBreaker::Counts counts = history.breaker.counts(now_ms);
  if (history.breaker.state(now_ms) != BreakerState::kClosed) {
    add(HealthState::kUnhealthy, "its circuit breaker is " +
                                     std::string(name(history.breaker.state(now_ms))) +
                                     " after repeated failures");
  } else if (history.breaker.ejected(now_ms)) {
    add(HealthState::kDegraded, "left out for a while: it fails more often than its peers");
  } else if (counts.requests >= kDegradedCallsMin && counts.failure_ratio() >= kDegradedRatio) {
    add(HealthState::kDegraded,
        std::to_string(static_cast<int>(counts.failure_ratio() * 100)) + " % of calls fail");
  } else if (health.state == HealthState::kUnknown && counts.requests > 0) {
    health.state = HealthState::kHealthy;
  }
  return health;
}

// Leaves out, for a while, the upstreams of a model that fail much more often
// than the others that serve it.
void HealthChecker::eject_outliers(const Snapshot& snapshot, int64_t now_ms) {
  for (const auto& [route, served] : snapshot.models) {
    if (served.upstreams.size() < 2) continue;
    std::vector<CircuitBreaker::Counts> counts;
    for (const auto& upstream : served.upstreams) {
      counts.push_back(upstream->history().breaker.counts(now_ms));
    }
    for (const size_t index : outliers(counts, served.upstreams[0]->config().breaker)) {
      Upstream& upstream = *served.upstreams[index];
      if (upstream.history().breaker.ejected(now_ms)) continue;
      upstream.history().breaker.eject_until(now_ms + upstream.config().breaker.open_ms);
      log_warning("upstream left out: it fails more often than its peers",
                  {{"upstream", upstream.config().name},
                   {"model", route->config().name},
                   {"failure_ratio", counts[index].failure_ratio()}});
    }
  }
}

Task<void> HealthChecker::run(Cancel& cancel) {
  while (!cancel.fired()) {
    const int64_t now_ms = steady_ms();
    const SnapshotPtr snapshot = worker_.snapshot;
    eject_outliers(*snapshot, now_ms);
    for (const auto& upstream : snapshot->upstreams) {
      if (!upstream->config().health.enabled || running_ >= kRunningMax) continue;
      int64_t& due = due_ms_[upstream->config().name];
      if (now_ms < due) continue;
      due = now_ms + upstream->config().health.interval_ms;
      detach(check(upstream, cancel));
    }
    co_await worker_.loop.sleep_for(kTickMs, &cancel);
  }
  while (running_ > 0) co_await worker_.loop.sleep_for(5);
}

std::vector<HealthChecker::Probe> HealthChecker::probes_of(const Upstream& upstream) const {
  const UpstreamConfig& config = upstream.config();
  CallRequest call;
  call.family = config.kind == UpstreamKind::kAnthropic ? Family::kAnthropic
                : config.kind == UpstreamKind::kHttp    ? Family::kHttp
                                                        : Family::kOpenAi;
  std::vector<Probe> probes;
  const auto add = [&](std::string_view method, Operation operation, std::string_view path,
                       std::string_view model, std::string body, std::string what) {
    call.operation = operation;
    call.path = path;
    probes.push_back({method, upstream_target(config, upstream.base_path(), model, call),
                      std::move(body), std::move(what)});
  };
  if (!config.health.path.empty()) {
    probes.push_back({"GET", upstream.base_path() + config.health.path, "", "health path"});
    return probes;
  }
  if (config.health.calls && config.kind != UpstreamKind::kHttp) {
    bool chat = false;
    bool embeddings = false;
    for (const RoutePtr& route : worker_.snapshot->router.routes()) {
      for (const TargetConfig& target : route->config().targets) {
        if (target.upstream != config.name) continue;
        const std::string& model = target.model.empty() ? route->config().name : target.model;
        if (model.find('*') != std::string::npos) continue;
        std::string quoted;
        append_json_string(quoted, model);
        if (model.find("embed") != std::string::npos) {
          if (std::exchange(embeddings, true)) continue;
          add("POST", Operation::kEmbeddings, "/embeddings", model,
              "{\"model\":" + quoted + ",\"input\":\"ping\"}", "embeddings");
        } else if (!std::exchange(chat, true)) {
          const bool messages = config.kind == UpstreamKind::kAnthropic;
          add("POST", messages ? Operation::kMessages : Operation::kChat,
              messages ? "/messages" : "/chat/completions", model,
              "{\"model\":" + quoted +
                  ",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"ping\"}]}",
              "chat");
        }
      }
    }
    if (!probes.empty()) return probes;
  }
  if (config.kind == UpstreamKind::kHttp) {
    add("GET", Operation::kInfer, "/v2/health/ready", "", "", "readiness");
  } else {
    add("GET", Operation::kModerations, "/models", "", "", "models");
  }
  return probes;
}

Task<void> HealthChecker::check(std::shared_ptr<Upstream> upstream, Cancel& cancel) {
  ++running_;
  co_await check_all(upstream, probes_of(*upstream), cancel);
  --running_;
}

Task<void> HealthChecker::check_all(std::shared_ptr<Upstream> upstream, std::vector<Probe> probes,
                                    Cancel& cancel) {
  const int64_t begin_ms = steady_ms();
  Health found;
  for (const Probe& probe : probes) {
    const Status asked = co_await ask(*upstream, probe, cancel);
    if (cancel.fired()) co_return;
    if (!asked.ok()) {
      if (!found.reason.empty()) found.reason += "; ";
      found.reason += asked.message();
    }
  }
  found.latency_ms = steady_ms() - begin_ms;
  found.checked_wall_ms = worker_.gateway.parts().clock.wall_ns() / 1'000'000;
  const HealthState before = upstream->history().health().state;
  upstream->history().checked(found.reason.empty(), found, upstream->config().health);
  const Health after = upstream->history().health();
  if (after.state != before) {
    log(after.state == HealthState::kHealthy ? Severity::kInfo : Severity::kWarning,
        "upstream health changed",
        {{"upstream", upstream->config().name},
         {"state", name(after.state)},
         {"reason", after.reason}});
  }
}

Task<Status> HealthChecker::ask(Upstream& upstream, const Probe& probe, Cancel& cancel) {
  const int64_t deadline_ms = steady_ms() + upstream.config().health.timeout_ms;
  model::Credential::Header credential;
  const bool with_credential = upstream.credential() != nullptr;
  if (with_credential) {
    Result<model::Credential::Header> fetched =
        co_await upstream.credential()->authorize(worker_.loop, upstream.origin().host);
    if (!fetched.ok()) co_return fetched.status().with_context("no credential");
    credential = std::move(*fetched);
  }
  net::HeaderList none;
  std::vector<net::Header> headers;
  upstream_headers(none, upstream.config(), with_credential ? &credential : nullptr, {}, headers);
  if (!probe.body.empty()) headers.push_back({"content-type", "application/json"});

  net::ClientCall call(worker_.client);
  net::ClientRequest request;
  request.origin = &upstream.origin();
  request.method = probe.method;
  request.target = probe.target;
  request.headers = headers;
  request.body = probe.body;
  request.connect_deadline_ms = request.write_deadline_ms = deadline_ms;
  request.cancel = &cancel;
  const Status sent = co_await call.send(request);
  if (!sent.ok()) co_return sent;
  Result<const net::ResponseHead*> head = co_await call.read_head(deadline_ms);
  if (!head.ok()) co_return head.status();
  std::string fault = fault_of((*head)->status, probe.what);
  if (!fault.empty()) co_return unavailable(std::move(fault));
  constexpr size_t kReplyBytesMax = 1 << 20;  // a list of models has some hundred KiB at most
  Result<std::string_view> body = co_await call.read_all(kReplyBytesMax, deadline_ms);
  if (!body.ok() && body.status().code() != Code::kResourceExhausted) co_return body.status();
  co_return Status{};
}

}  // namespace gatehouse::gateway
