// Gateway: the models it serves, the upstreams behind them, and one Worker a
// Loop that makes calls. A configuration becomes an immutable Snapshot; a reload
// swaps it, and calls in flight keep the one they began with. What an upstream
// has been through (breaker, retry budget, health) and what a key has used
// outlive the swap.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "gateway/activity.h"
#include "gateway/config.h"
#include "gateway/journal.h"
#include "gateway/limits.h"
#include "gateway/price.h"
#include "gateway/protocol.h"
#include "gateway/route.h"
#include "gateway/telemetry.h"
#include "gateway/upstream.h"
#include "model/clock.h"
#include "model/credential.h"
#include "model/metrics.h"
#include "model/stream.h"
#include "net/client.h"
#include "net/exchange.h"

namespace gatehouse::gateway {

// A public model as it is served.
struct ServedModel {
  RoutePtr route;
  LimitSetPtr limits;
  // Of the route's targets, in their order.
  std::vector<std::shared_ptr<Upstream>> upstreams;
  // Null: the price depends on the name asked for (a pattern without a name of
  // its own at the upstream).
  std::vector<std::shared_ptr<const ModelPrice>> prices;

  const ModelConfig& config() const { return route->config(); }
};

struct Snapshot {
  explicit Snapshot(GatewayConfig c) : config(std::move(c)), prices(config.prices) {}

  GatewayConfig config;
  PriceTable prices;
  Router router;
  std::unordered_map<const Route*, ServedModel> models;
  std::vector<std::shared_ptr<Upstream>> upstreams;  // in the order of the configuration
  LimitSetPtr whole_gate;                            // what every call passes, and its spend

  const ServedModel* find(std::string_view model) const;
  // What target `index` of `served` charges for `model`.
  std::shared_ptr<const ModelPrice> price(const ServedModel& served, size_t index,
                                          std::string_view model) const;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

using Credentials = std::map<std::string, std::shared_ptr<model::Credential>, std::less<>>;

class Gateway;

// What calls need on one Loop.
struct Worker {
  Worker(Gateway& owner, Loop& on, net::Dialer& dialer);

  Gateway& gateway;
  Loop& loop;
  net::Client client;
  CallJournal journal;
  CallMetrics metrics;
  SnapshotPtr snapshot;  // the one in force; changed on this Loop
  // The limits of keys seen on this Loop, so that a call takes no lock for them.
  std::unordered_map<std::string, std::pair<model::PrincipalPtr, LimitSetPtr>> key_limits;

  const LimitSetPtr& limits_of(const model::PrincipalPtr& principal);
};

class Gateway {
 public:
  // REQUIRES: all outlive this.
  struct Parts {
    model::Appender& appender;
    model::Registry& registry;
    LimitRegistry& limits;
    const model::Clock& clock;
  };
  // kInternal: the store gave no stream for the calls or the probes.
  static Result<std::unique_ptr<Gateway>> make(const Parts& parts);
  ~Gateway();

  // Makes this configuration the one in force, or says what is wrong with it and
  // leaves the old one. `credentials` by upstream name. Any thread.
  Status configure(const GatewayConfig& config, const Credentials& credentials);

  // Before its Loop runs, or on its thread. The worker lives until remove_workers().
  Worker& add_worker(Loop& loop, net::Dialer& dialer);
  // Before the Loops go, when none of them runs any more: what workers hold
  // (pooled connections, timers) is tied to them.
  void remove_workers();

  // One call, to its end; on the worker's Loop.
  Task<void> call(Worker& worker, net::Exchange& exchange, CallRequest& request);

  // A call that could not be read, or asks for what makes no sense: answered with
  // `error`, recorded and counted as the others. `request` holds what is known.
  Task<void> refuse(Worker& worker, net::Exchange& exchange, CallRequest& request,
                    const CallError& error);

  SnapshotPtr snapshot() const;
  const Parts& parts() const { return parts_; }
  model::StreamId call_stream() const { return call_stream_; }
  model::StreamId probe_stream() const { return probe_stream_; }
  JournalHealth& journal_health() { return journal_health_; }
  Activity& activity() { return activity_; }
  int64_t calls_in_flight() const { return in_flight_.load(std::memory_order_relaxed); }

  // Replays the record of a call or a probe onto the limits; see LimitRegistry::restore.
  void replay(const model::Record& record);

 private:
  Gateway(const Parts& parts, model::StreamId call_stream, model::StreamId probe_stream)
      : parts_(parts),
        call_stream_(call_stream),
        probe_stream_(probe_stream),
        activity_(parts.clock.wall_ns() / 1'000'000) {}
  Result<SnapshotPtr> build(const GatewayConfig& config, const Credentials& credentials) const;

  Parts parts_;
  model::StreamId call_stream_;
  model::StreamId probe_stream_;
  JournalHealth journal_health_;
  Activity activity_;
  std::atomic<int64_t> in_flight_{0};
  mutable std::mutex mutex_;  // guards what follows; no call takes it
  SnapshotPtr snapshot_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace gatehouse::gateway
