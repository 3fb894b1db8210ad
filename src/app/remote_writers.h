// The remote writers of a prometheus.yml, started, renewed and ended as it says.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/budget.h"
#include "base/pool.h"
#include "collect/prometheus_config.h"
#include "export/remote_writer.h"
#include "model/clock.h"
#include "model/metrics.h"
#include "net/options.h"
#include "store/metric_store.h"

namespace gatehouse::app {

// One thread at a time. REQUIRES: what it is made of outlives it.
class RemoteWriters {
 public:
  RemoteWriters(store::MetricStore& store, Pool& pool, MemoryBudget& budget,
                model::Registry& registry, const model::Clock& clock, net::DialOptions dial,
                std::string directory);

  // kInvalidArgument: which destination cannot be, and why. Nothing is changed.
  static Status check(const collect::PrometheusConfig& config);
  // For the store: keeps of its log what a destination has not got yet, until its writer
  // is there.
  static std::function<void(store::Wal&)> hold_log(const collect::PrometheusConfig& config,
                                                   std::string directory);
  // What is to run from now on. Destinations that are as they were go on undisturbed; one
  // that is gone gives up its place in the log.
  // REQUIRES: check() was ok, and the store is ready.
  void configure(const collect::PrometheusConfig& config);
  // Sends what is queued for at most `flush_ms`, and ends all.
  void finish(int64_t flush_ms);

 private:
  struct Running {
    std::string fingerprint;
    std::unique_ptr<exporting::RemoteWriter> writer;
  };
  store::MetricStore& store_;
  Pool& pool_;
  MemoryBudget& budget_;
  model::Registry& registry_;
  const model::Clock& clock_;
  const net::DialOptions dial_;
  const std::string directory_;
  std::map<std::string, Running> running_;  // by name
};

}  // namespace gatehouse::app
