// What a remote writer counts, under the names that Prometheus gives it, so that
// dashboards and alerts for Prometheus's remote write work.
#pragma once

#include <string>

#include "export/send_queue.h"
#include "model/metrics.h"

namespace gatehouse::exporting {

struct WriterMetrics {
  static WriterMetrics make(model::Registry& registry, const std::string& name,
                            const std::string& url);

  // Of samples, native histograms, exemplars.
  struct Kind {
    model::Counter& total;    // sent, whatever came of it
    model::Counter& failed;   // refused for good
    model::Counter& retried;  // sent again
    model::Gauge& pending;
  };
  void count_total(const EntryCounts& counts);
  void count_failed(const EntryCounts& counts);
  void count_retried(const EntryCounts& counts);
  void set_pending(const EntryCounts& counts);

  Kind samples, histograms, exemplars;
  model::Counter& metadata_total;
  model::Counter& metadata_failed;
  model::Counter& metadata_retried;
  model::Counter& bytes_total;
  model::Counter& metadata_bytes_total;
  model::Counter& dropped_by_rules;
  model::Counter& dropped_unknown;
  model::Counter& log_missed_bytes;
  model::Gauge& highest;       // in seconds: of what came into the store
  model::Gauge& highest_sent;  // in seconds
  model::Gauge& shards;
  model::Gauge& shards_min;
  model::Gauge& shards_max;
  model::Gauge& shards_desired;
  model::Gauge& shard_capacity;
  model::Gauge& batch_samples_max;
  model::Histogram& request_seconds;
};

}  // namespace gatehouse::exporting
