// RuleService: the rules of gatehouse.yaml and of the prometheus.yml in force: reads their
// files, has them evaluated, and sees that who is to know of alerts is told: the alert
// engine of this program, and the Alertmanagers that the prometheus.yml names.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/rules_config.h"
#include "base/budget.h"
#include "base/pool.h"
#include "collect/prometheus_config.h"
#include "export/alert_sender.h"
#include "lang/promql/engine.h"
#include "model/alert.h"
#include "model/clock.h"
#include "model/metrics.h"
#include "model/stream.h"
#include "rules/engine.h"
#include "store/metric_store.h"

namespace gatehouse::app {

// REQUIRES: all outlive the RuleService.
struct RuleServiceParts {
  store::MetricStore& store;
  model::Appender& records;
  model::Notifier* notifier = nullptr;  // of this program; null: none
  Pool& pool;                           // for resolving names
  MemoryBudget& budget;
  model::Registry& registry;
  const model::Clock& clock;
  net::DialOptions dial;
};

// What rule files and a prometheus.yml say, read and checked.
struct RuleSet {
  std::vector<rules::RuleGroup> groups;
  rules::EvaluationOptions options;
  std::vector<std::string> patterns;
  std::string stamps;  // of the files
  std::vector<exporting::AlertmanagerSet> alertmanagers;
  std::vector<std::string> urls, dropped_urls;  // of the Alertmanagers
  std::vector<std::string> notices;
};

class RuleService : private model::Notifier {
 public:
  RuleService(RuleServiceParts parts, int concurrency);
  ~RuleService() override;
  RuleService(const RuleService&) = delete;
  RuleService& operator=(const RuleService&) = delete;

  // kInvalidArgument: which files, lines and rules are wrong, and why; a line each.
  static Result<RuleSet> read(const RulesConfig& config,
                              const collect::PrometheusConfig& prometheus,
                              const rules::EvaluationOptions& options);
  // What holds from now on; evaluated once the store is ready. On an error (a TLS file of an
  // Alertmanager) all stays as it was. One thread at a time, as keep_house().
  Status take(RuleSet set);
  // Call every second.
  void keep_house();
  // Whether a rule file has changed, come or gone since it was read, and has not been told of.
  bool files_changed();
  void finish(int64_t flush_ms);

  const rules::RuleEngine& engine() const { return *engine_; }
  // Any thread.
  std::vector<std::string> alertmanagers() const;
  std::vector<std::string> dropped_alertmanagers() const;

 private:
  void notify(std::span<const model::Alert> alerts) override;

  const RuleServiceParts parts_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  model::Labels external_labels_;
  std::vector<std::string> urls_, dropped_urls_;
  std::shared_ptr<exporting::AlertSender> sender_;

  RuleSet waiting_;  // its groups, until the store is ready
  bool due_ = false;
  std::vector<std::string> patterns_;
  std::string stamps_;
  std::unique_ptr<rules::RuleEngine> engine_;  // last, as it notifies
};

}  // namespace gatehouse::app
