#include "gateway/gateway.h"

#include "gateway/budget_metrics.h"
#include "gateway/call.h"
#include "gateway/upstream_request.h"

namespace gatehouse::gateway {

const ServedModel* Snapshot::find(std::string_view model) const {
  const RoutePtr route = router.find(model);
  if (route == nullptr) return nullptr;
  const auto at = models.find(route.get());
  return at == models.end() ? nullptr : &at->second;
}

std::shared_ptr<const ModelPrice> Snapshot::price(const ServedModel& served, size_t index,
                                                  std::string_view model) const {
  if (served.prices[index] != nullptr) return served.prices[index];
  return prices.find(model);
}

Worker::Worker(Gateway& owner, Loop& on, net::Dialer& dialer)
    : gateway(owner),
      loop(on),
      client(on, dialer),
      journal(on, owner.parts().appender, owner.journal_health()),
      metrics(owner.parts().registry),
      snapshot(owner.snapshot()) {}

const LimitSetPtr& Worker::limits_of(const model::PrincipalPtr& principal) {
  auto& known = key_limits[principal->id];
  if (known.first != principal) {
    known = {principal,
             gateway.parts().limits.get(LimitScope::kKey, principal->id, principal->limits)};
  }
  return known.second;
}

Result<std::unique_ptr<Gateway>> Gateway::make(const Parts& parts) {
  auto stream = parts.appender.stream(model::Labels{{"stream", std::string(kCallStream)}});
  if (!stream.ok()) return stream.status().with_context("the stream of calls");
  auto probes = parts.appender.stream(model::Labels{{"stream", std::string(kProbeStream)}});
  if (!probes.ok()) return probes.status().with_context("the stream of probes");
  publish_budgets(parts.limits, parts.registry, parts.clock);
  return std::unique_ptr<Gateway>(new Gateway(parts, *stream, *probes));
}

Gateway::~Gateway() = default;

Result<SnapshotPtr> Gateway::build(const GatewayConfig& config,
                                   const Credentials& credentials) const {
  const SnapshotPtr before = snapshot();
  auto made = std::make_shared<Snapshot>(config);
  std::map<std::string_view, std::shared_ptr<Upstream>> by_name;
  for (const UpstreamConfig& each : made->config.upstreams) {
    std::shared_ptr<UpstreamHistory> history;
    if (before != nullptr) {
      for (const auto& old : before->upstreams) {
        if (old->config().name == each.name && old->config().kind == each.kind &&
            old->config().url == each.url) {
          history = old->shared_history();
          history->breaker.configure(each.breaker);
          history->retries.set_ratio(each.retry.budget_ratio);
        }
      }
    }
    const auto credential = credentials.find(each.name);
    ASSIGN_OR_RETURN(
        auto upstream,
        Upstream::make(each, credential == credentials.end() ? nullptr : credential->second,
                       std::move(history), parts_.registry));
    by_name[each.name] = upstream;
    made->upstreams.push_back(std::move(upstream));
  }
  model::Limits whole;
  whole.daily_nanodollars = config.budget.daily_nanodollars;
  whole.monthly_nanodollars = config.budget.monthly_nanodollars;
  made->whole_gate = parts_.limits.get(LimitScope::kGate, kWholeGate, whole);
  ASSIGN_OR_RETURN(made->router, Router::make(made->config.models));
  for (const RoutePtr& route : made->router.routes()) {
    const ModelConfig& model = route->config();
    ServedModel served;
    served.route = route;
    served.limits = parts_.limits.get(LimitScope::kModel, model.name, model.limits);
    const bool pattern = model.name.find('*') != std::string::npos;
    for (const TargetConfig& target : model.targets) {
      const auto upstream = by_name.find(target.upstream);
      if (upstream == by_name.end()) {
        return invalid_argument("model " + model.name + ": no upstream is named " +
                                target.upstream);
      }
      served.upstreams.push_back(upstream->second);
      std::shared_ptr<const ModelPrice> price;
      if (!target.model.empty() || !pattern) {
        // The public name first: that is what an operator prices.
        if (!pattern) price = made->prices.find(model.name);
        if ((price == nullptr || !price->priced()) && !target.model.empty()) {
          price = made->prices.find(target.model);
        }
      }
      served.prices.push_back(std::move(price));
    }
    made->models.emplace(route.get(), std::move(served));
  }
  return SnapshotPtr(std::move(made));
}

Status Gateway::configure(const GatewayConfig& config, const Credentials& credentials) {
  ASSIGN_OR_RETURN(SnapshotPtr made, build(config, credentials));
  std::lock_guard lock(mutex_);
  snapshot_ = made;
  for (const auto& worker : workers_) {
    worker->loop.post([to = worker.get(), made] { to->snapshot = made; });
  }
  return {};
}

Worker& Gateway::add_worker(Loop& loop, net::Dialer& dialer) {
  auto worker = std::make_unique<Worker>(*this, loop, dialer);
  std::lock_guard lock(mutex_);
  workers_.push_back(std::move(worker));
  return *workers_.back();
}

SnapshotPtr Gateway::snapshot() const {
  std::lock_guard lock(mutex_);
  return snapshot_;
}

void Gateway::remove_workers() {
  std::lock_guard lock(mutex_);
  workers_.clear();
}

Task<void> Gateway::call(Worker& worker, net::Exchange& exchange, CallRequest& request) {
  in_flight_.fetch_add(1, std::memory_order_relaxed);
  {
    Call call(worker, exchange, request);
    co_await call.run();
  }
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
}

Task<void> Gateway::refuse(Worker& worker, net::Exchange& exchange, CallRequest& request,
                           const CallError& error) {
  in_flight_.fetch_add(1, std::memory_order_relaxed);
  {
    Call call(worker, exchange, request);
    CallError answered = error;
    co_await call.refuse_unread(std::move(answered));
  }
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
}

void Gateway::replay(const model::Record& record) {
  const int64_t tokens =
      record.integer("gen_ai.usage.input_tokens") + record.integer("gen_ai.usage.output_tokens");
  const int64_t cost = record.integer("gatehouse.cost_nanousd");
  const int64_t ended_ns =
      record.time_ns + static_cast<int64_t>(record.number("gatehouse.duration_s") * 1e9);
  const Instant now{parts_.clock.steady_ns(), parts_.clock.wall_ns()};
  if (const auto key = record.text("gatehouse.key.id"); !key.empty()) {
    parts_.limits.apply(LimitScope::kKey, key, tokens, cost, ended_ns, now);
  }
  if (const auto model = record.text("gatehouse.model"); !model.empty()) {
    parts_.limits.apply(LimitScope::kModel, model, tokens, cost, ended_ns, now);
  }
  parts_.limits.apply(LimitScope::kGate, kWholeGate, tokens, cost, ended_ns, now);
}

}  // namespace gatehouse::gateway
