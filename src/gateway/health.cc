#include "gateway/health.h"

#include <algorithm>

#include "gateway/upstream_request.h"

namespace gatehouse::gateway {

namespace {

constexpr int64_t kTickMs = 500;  // how late a check may begin
constexpr int kRunningMax = 32;   // a thousand dead upstreams must not hold a thousand sockets
constexpr double kDegradedRatio = 0.1;  // of calls that fail now
constexpr int64_t kDegradedCallsMin = 10;

// A reply that is read: a list of models or an embedding has some hundred KiB at most.
constexpr size_t kReplyBytesMax = 1 << 20;

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

Task<void> HealthChecker::check(std::shared_ptr<Upstream> upstream, Cancel& cancel) {
  ++running_;
  co_await check_all(upstream, cancel);
  --running_;
}

// Whether a call that passed has proved of late what the probe would.
bool HealthChecker::proven(const Upstream& upstream, const Probe& probe) {
  const Capability kind =
      probe.operation == Operation::kEmbeddings ? Capability::kEmbeddings : Capability::kChat;
  const int64_t last_ms = upstream.history().last_good_ms[static_cast<size_t>(kind)].load();
  return last_ms != 0 && steady_ms() - last_ms < upstream.config().health.interval_ms;
}

Task<void> HealthChecker::check_all(std::shared_ptr<Upstream> upstream, Cancel& cancel) {
  const int64_t begin_ms = steady_ms();
  const SnapshotPtr snapshot = worker_.snapshot;
  const std::string& name_of = upstream->config().name;
  const TokenLimit limit = completion_tokens_.contains(name_of) ? TokenLimit::kMaxCompletionTokens
                                                                : TokenLimit::kMaxTokens;
  const std::vector<Probe> calls = call_probes(*snapshot, *upstream, limit);
  std::vector<Asked> all;
  // What costs nothing is asked where no call is to be made, none can be paid for
  // or recorded, or one did not tell.
  bool free_wanted = calls.empty();
  for (const Probe& probe : calls) {
    if (proven(*upstream, probe)) continue;
    Asked asked = co_await pay_and_ask(*upstream, probe, *snapshot, cancel);
    if (cancel.fired()) co_return;
    free_wanted = free_wanted || !asked.sent || asked.verdict == ProbeVerdict::kUnclear;
    all.push_back(std::move(asked));
  }
  if (free_wanted) {
    const Probe probe = free_probe(*upstream);
    Asked asked = co_await ask(*upstream, probe, cancel);
    if (cancel.fired()) co_return;
    all.push_back(std::move(asked));
  }
  conclude(*upstream, all, steady_ms() - begin_ms);
}

// Joins what was asked to the upstream's state.
void HealthChecker::conclude(Upstream& upstream, const std::vector<Asked>& all, int64_t took_ms) {
  Health found;
  for (const Asked& asked : all) {
    if (asked.verdict != ProbeVerdict::kFault) continue;
    if (!found.reason.empty()) found.reason += "; ";
    found.reason += asked.fault;
  }
  const Health before = upstream.history().health();
  found.latency_ms = all.empty() ? before.latency_ms : took_ms;
  found.checked_wall_ms = worker_.gateway.parts().clock.wall_ns() / 1'000'000;
  upstream.history().checked(found.reason.empty(), found, upstream.config().health);
  const Health after = upstream.history().health();
  if (after.state == before.state) return;
  log(after.state == HealthState::kHealthy ? Severity::kInfo : Severity::kWarning,
      "upstream health changed",
      {{"upstream", upstream.config().name},
       {"state", name(after.state)},
       {"reason", after.reason}});
}

// A call costs money: the gate's budget must have room for it, and the log for
// its record. It is billed to no key and no model.
Task<HealthChecker::Asked> HealthChecker::pay_and_ask(Upstream& upstream, const Probe& probe,
                                                      const Snapshot& snapshot, Cancel& cancel) {
  Asked asked;
  if (snapshot.config.record_calls && !worker_.journal.writable()) co_return asked;
  const model::Clock& clock = worker_.gateway.parts().clock;
  constexpr int64_t kOutputTokensMax = 16;  // what a probe in newer terms asks for
  LimitEstimate estimate;
  estimate.nanodollars = probe.price->upper_bound(probe.body.size(), kOutputTokensMax, 1, {});
  Admission admission =
      reserve({&snapshot.whole_gate, 1}, estimate, {steady_ns(), clock.wall_ns()});
  if (!admission.ok()) co_return asked;
  const int64_t begin_ns = steady_ns();
  const int64_t begin_wall_ns = clock.wall_ns();
  asked = co_await ask(upstream, probe, cancel);
  Cost cost;
  if (asked.status > 0 && asked.status < 400) {
    if (!asked.usage.reported) estimate_usage(asked.usage, probe.body.size(), 1);
    cost = probe.price->cost(asked.usage, asked.usage.service_tier);
  }
  admission.reservation().settle(0, cost.nanodollars, {steady_ns(), clock.wall_ns()});
  const ProbeRecord record(upstream.config().name, probe.model, probe.operation, begin_wall_ns,
                           steady_ns() - begin_ns, asked.status,
                           asked.verdict == ProbeVerdict::kFault ? "probe_failed" : "", asked.fault,
                           asked.usage, cost);
  if (snapshot.config.record_calls) {
    const model::Record view = record.view();
    const Status stored = co_await worker_.journal.append(worker_.gateway.probe_stream(), view);
    (void)stored;  // the journal says so, and the next probe is a free one
  }
  count(upstream, probe, asked, cost);
  co_return asked;
}

void HealthChecker::count(const Upstream& upstream, const Probe& probe, const Asked& asked,
                          const Cost& cost) {
  model::Registry& registry = worker_.gateway.parts().registry;
  const model::Labels labels{{"gatehouse_upstream", upstream.config().name},
                             {"gen_ai_operation_name", std::string(name(probe.operation))}};
  const char* outcome = asked.verdict == ProbeVerdict::kFault ? "failed" : "ok";
  registry
      .counter("gatehouse_probe_calls", "Calls of one token that health checks made",
               labels.with("outcome", outcome))
      .add();
  registry.counter("gatehouse_probe_cost_dollars", "What probes cost, in US dollars", labels)
      .add(static_cast<double>(cost.nanodollars) / 1e9);
}

Task<HealthChecker::Asked> HealthChecker::ask(Upstream& upstream, const Probe& probe,
                                              Cancel& cancel) {
  Asked asked;
  asked.sent = true;
  const Status done = co_await exchange(upstream, probe, cancel, asked);
  if (!done.ok()) {
    asked.verdict = ProbeVerdict::kFault;
    asked.fault = done.message();
  }
  co_return asked;
}

// What the probe asks, and what its reply says; an error: there was none.
Task<Status> HealthChecker::exchange(Upstream& upstream, const Probe& probe, Cancel& cancel,
                                     Asked& asked) {
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
  asked.status = (*head)->status;
  asked.verdict = judge(probe, asked.status, asked.fault);
  Result<std::string_view> body = co_await call.read_all(kReplyBytesMax, deadline_ms);
  if (!body.ok()) {
    const bool long_list = body.status().code() == Code::kResourceExhausted && !probe.is_call();
    co_return long_list || asked.status >= 400 ? Status{} : body.status();
  }
  if (!probe.is_call()) co_return Status{};
  if (wants_completion_tokens(asked.status, *body)) {
    completion_tokens_.insert(upstream.config().name);
  }
  const bool json = read_usage(probe.operation, *body, asked.usage);
  if (asked.status < 400 && (!json || asked.usage.failed())) {
    co_return unavailable("its " + std::string(probe.what) + " with model " + probe.model +
                          " is answered with an error");
  }
  co_return Status{};
}

}  // namespace gatehouse::gateway
