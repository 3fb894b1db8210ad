// MetricService: what Gatehouse does with samples. The store, what collects into it
// (the machine, the program itself, the targets of a prometheus.yml), and the API that
// answers from it.
//
// Collecting has a Loop and a thread of its own, so that a slow target costs calls to
// models nothing; reading bodies and files is done on a pool, queries on another.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "api/prometheus/prometheus.h"
#include "app/config.h"
#include "app/query_parallel.h"
#include "app/remote_writers.h"
#include "app/rule_service.h"
#include "base/budget.h"
#include "base/loop.h"
#include "base/pool.h"
#include "collect/local_collector.h"
#include "collect/scraper.h"
#include "model/clock.h"
#include "model/metrics.h"
#include "store/metric_store.h"

namespace gatehouse::app {

// REQUIRES: all outlive the MetricService.
struct MetricParts {
  identity::Authenticator& authenticator;
  identity::SessionStore& sessions;
  identity::AuditLog& audit;
  model::Registry& registry;
  MemoryBudget& budget;
  const model::Clock& clock;
  const api::ProgramState& program;
  model::Appender& records;             // of what becomes of alerts
  model::Notifier* notifier = nullptr;  // who is told of alerts; null: nobody here
};

class MetricService {
 public:
  // Opens the store and reads the prometheus.yml; nothing is collected yet.
  static Result<std::unique_ptr<MetricService>> open(const Config& config, MetricParts parts);
  ~MetricService();
  MetricService(const MetricService&) = delete;
  MetricService& operator=(const MetricService&) = delete;

  // Begins to collect.
  Status start();
  // Another configuration, or the same with another prometheus.yml. On an error
  // everything stays as it was.
  Status apply(const Config& config);
  // Call every second: reads the prometheus.yml again where it or a file it names has
  // changed, and begins to send on once the store has read its log.
  void keep_house();
  // Every rule group has been evaluated since the start. Any thread.
  bool rules_ready() const { return rules_->engine().ready(); }
  // Whether a rule file has changed since it was read: then apply() reads it again.
  bool rule_files_changed() { return rules_->files_changed(); }
  // Ends collecting and evaluating, and writes the head out, so that the next start has nothing to
  // replay.
  void finish();

  api::Prometheus& api() { return *api_; }
  const store::MetricStore& store() const { return *store_; }
  const rules::RuleEngine& rules() const { return rules_->engine(); }

 private:
  MetricService(const Config& config, MetricParts parts);
  Status load_prometheus(const MetricsConfig& config);
  Result<RuleSet> read_rules(const RulesConfig& config) const;
  Status configure_scrapes();
  void reload_if_changed();
  void publish();
  // Runs `work` on the collecting loop and waits for its end.
  void run_on_loop(const std::function<Task<void>()>& work);

  MetricParts parts_;
  mutable std::mutex config_mutex_;
  MetricsConfig config_;  // guarded by config_mutex_
  RulesConfig rules_config_;
  const std::string external_url_;
  collect::PrometheusConfig prometheus_;
  std::string prometheus_yaml_;  // guarded by config_mutex_
  std::string fingerprint_;      // of the files that prometheus_ was read from
  net::DialOptions dial_;

  std::unique_ptr<store::MetricStore> store_;
  Pool query_pool_;
  Pool intake_pool_;
  Pool bulk_pool_;
  Pool collect_pool_{2};
  QueryParallel parallel_;
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
  std::unique_ptr<collect::Scraper> scraper_;
  std::unique_ptr<collect::LocalCollector> local_;
  std::unique_ptr<RemoteWriters> writers_;
  std::unique_ptr<RuleService> rules_;
  bool writers_due_ = true;  // what prometheus_ says of them is not in force yet
  std::unique_ptr<api::Prometheus> api_;
  bool collecting_ = false;
};

}  // namespace gatehouse::app
