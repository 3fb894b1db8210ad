// Prometheus's HTTP API (prometheus.io/docs/prometheus/latest/querying/api and
// .../management_api) over the store of samples: what Grafana's Prometheus data
// source, promtool, remote writers and remote readers speak.
//
// One table (prometheus.cc) says for each route its methods, the permission it
// asks for and its handler. A handler takes a Request whose parameters are read
// (of the query and of a posted form) and gives back an Answer, in Prometheus's own
// shape and codes. Whatever reads the store or evaluates runs on the query pool.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/program_state.h"
#include "api/prometheus/limits.h"
#include "base/budget.h"
#include "base/pool.h"
#include "gateway/gateway.h"
#include "identity/audit.h"
#include "identity/authenticator.h"
#include "identity/roles.h"
#include "identity/sessions.h"
#include "lang/promql/engine.h"
#include "model/clock.h"
#include "model/series.h"
#include "net/exchange.h"
#include "wire/delta_accumulator.h"
#include "wire/remote_read.h"

namespace gatehouse::collect {
class Scraper;
}
namespace gatehouse::store {
class MetricStore;
}
namespace gatehouse::rules {
class RuleEngine;
}

namespace gatehouse::api {

// Those that alerts go to, and those that relabelling dropped.
struct AlertmanagerUrls {
  std::vector<std::string> active, dropped;
};

// REQUIRES: all outlive the Prometheus.
struct PrometheusParts {
  identity::Authenticator& authenticator;
  identity::SessionStore& sessions;
  identity::AuditLog& audit;
  store::MetricStore& store;
  const collect::Scraper& scraper;
  const rules::RuleEngine& rules;
  std::function<AlertmanagerUrls()> alertmanagers;
  Pool& pool;    // queries
  Pool& intake;  // what is pushed: queries do not hold it up
  Pool& bulk;    // the same, of large bodies: small ones do not wait behind them
  promql::Parallel& parallel;
  MemoryBudget& budget;
  const model::Clock& clock;
  const ProgramState& program;
  std::function<QueryLimits()> limits;
  // The prometheus.yml in force, without its secrets; "" where there is none.
  std::function<std::string()> prometheus_yaml;
  std::string snapshot_directory;
  std::string host_name;
};

// A request that may be made, its parameters read.
struct MetricRequest {
  gateway::Worker& worker;
  net::Exchange& exchange;
  std::vector<std::pair<std::string, std::string>> parameters{};
  std::string capture{};            // what the route's "{}" stood for
  model::PrincipalPtr principal{};  // null: nobody is asked who they are
  bool by_session = false;          // else by a key

  // The first value of that name; null where there is none.
  const std::string* find(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
};

struct MetricAnswer {
  int status = 200;
  std::string body{};
  std::string_view content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers{};
  bool sent = false;  // the handler has replied itself
};

class Prometheus {
 public:
  explicit Prometheus(PrometheusParts parts) : parts_(std::move(parts)) {}

  // Whether the path is one of this API's.
  static bool knows(std::string_view path);
  Task<void> handle(gateway::Worker& worker, net::Exchange& exchange);

 private:
  using Handler = Task<MetricAnswer> (Prometheus::*)(MetricRequest&);
  struct Route {
    std::string_view pattern;
    bool get;
    bool post;
    identity::Action action;
    Handler handler;
    bool form = true;  // a posted body is a form
  };
  static std::span<const Route> routes();
  static const Route* find_route(std::string_view path, std::string& capture);

  Task<MetricAnswer> serve(gateway::Worker& worker, net::Exchange& exchange);
  Task<std::optional<MetricAnswer>> admit(const Route& route, MetricRequest& request);
  Task<std::optional<MetricAnswer>> read_form(MetricRequest& request);

  Task<MetricAnswer> query(MetricRequest& request);
  Task<MetricAnswer> query_range(MetricRequest& request);
  Task<MetricAnswer> query_exemplars(MetricRequest& request);
  Task<MetricAnswer> format_query(MetricRequest& request);
  Task<MetricAnswer> parse_query(MetricRequest& request);
  Task<MetricAnswer> labels(MetricRequest& request);
  Task<MetricAnswer> label_values(MetricRequest& request);
  Task<MetricAnswer> series(MetricRequest& request);
  Task<MetricAnswer> metadata(MetricRequest& request);

  Task<MetricAnswer> federate(MetricRequest& request);
  Task<MetricAnswer> write(MetricRequest& request);
  Task<MetricAnswer> otlp(MetricRequest& request);
  MetricAnswer take_otlp(std::string_view message, bool json, MemoryCharge& charge);
  Task<MetricAnswer> read(MetricRequest& request);
  MetricAnswer read_samples(const std::vector<wire::ReadQuery>& queries,
                            model::QueryContext& context);
  Task<MetricAnswer> stream_chunks(MetricRequest& request,
                                   const std::vector<wire::ReadQuery>& queries,
                                   model::QueryContext& context);

  Task<MetricAnswer> targets(MetricRequest& request);
  Task<MetricAnswer> target_metadata(MetricRequest& request);
  Task<MetricAnswer> scrape_pools(MetricRequest& request);
  Task<MetricAnswer> status_config(MetricRequest& request);
  Task<MetricAnswer> status_runtime(MetricRequest& request);
  Task<MetricAnswer> status_build(MetricRequest& request);
  Task<MetricAnswer> status_flags(MetricRequest& request);
  Task<MetricAnswer> status_tsdb(MetricRequest& request);
  Task<MetricAnswer> status_replay(MetricRequest& request);
  Task<MetricAnswer> rules(MetricRequest& request);
  Task<MetricAnswer> alerts(MetricRequest& request);
  Task<MetricAnswer> alertmanagers(MetricRequest& request);
  Task<MetricAnswer> delete_series(MetricRequest& request);
  Task<MetricAnswer> clean_tombstones(MetricRequest& request);
  Task<MetricAnswer> snapshot(MetricRequest& request);
  Status audit(const MetricRequest& request, std::string action, std::string object);

  // Where a pushed body of that size, unpacked, is taken in. An agent's usual one, some
  // thousand series, is below; one above can take a core for a second.
  static constexpr size_t kBulkBytes = 1 << 20;
  Pool& lane(size_t unpacked_bytes) {
    return unpacked_bytes > kBulkBytes ? parts_.bulk : parts_.intake;
  }

  // Runs `work` on the query pool with a context that ends with the client.
  template <typename Work>
  Task<MetricAnswer> run_query(MetricRequest& request, int64_t timeout_ms, Work work);

  int64_t now_ms() const { return parts_.clock.wall_ns() / 1'000'000; }

  PrometheusParts parts_;
  // Queries may take half of the memory at most, so that what is pushed and called finds
  // room beside them.
  MemoryBudget& query_share() {
    share_.set_limit_bytes(parts_.budget.limit_bytes() / 2);
    return share_;
  }
  MemoryBudget share_{0};
  std::atomic<int64_t> running_{0};
  std::mutex deltas_mutex_;
  wire::DeltaAccumulator deltas_;  // of OTLP's differences; guarded by deltas_mutex_
};

}  // namespace gatehouse::api
