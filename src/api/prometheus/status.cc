// What the server says of itself: status/*, rules, alerts, health.
#include <unistd.h>

#include <thread>

#include "api/prometheus/answer.h"
#include "base/text.h"
#include "store/metric_store.h"

namespace gatehouse::api {

namespace {

// Clients decide by Prometheus's version what they may ask; this one has what is served.
constexpr std::string_view kPrometheusVersion = "3.5.0";

using wire::JsonWriter;

void write_counts(JsonWriter& json, std::string_view key,
                  const std::vector<store::NamedCount>& counts) {
  json.key(key).begin_array();
  for (const store::NamedCount& each : counts) {
    json.begin_object().member("name", each.name).member("value", each.count).end_object();
  }
  json.end_array();
}

// Prometheus has 64-bit extremes where there is no sample.
void write_head(JsonWriter& json, const store::HeadStats& head) {
  json.key("headStats").begin_object();
  json.member("numSeries", head.series);
  json.member("numLabelPairs", head.label_pairs);
  json.member("chunkCount", head.sealed_chunks + head.series);
  json.member("minTime", head.begin_ms);
  json.member("maxTime", head.end_ms);
  json.end_object();
}

// What Prometheus's answer has no place for; its clients pass over it.
void write_storage(JsonWriter& json, const store::MetricStoreStats& stats) {
  json.key("storage").begin_object();
  json.member("memoryBytes", stats.head.memory_bytes);
  json.member("walBytes", stats.wal_bytes);
  json.member("blocksBytes", stats.blocks_bytes);
  json.member("retentionMs", stats.retention_ms);
  json.member("retentionBytes", stats.retention_bytes);
  json.member("samplesAppended", stats.samples_appended);
  json.member("problem", stats.problem);
  json.key("blocks").begin_array();
  for (const store::BlockMeta& block : stats.blocks) {
    json.begin_object();
    json.member("id", block.id);
    json.member("minTime", block.begin_ms);
    json.member("maxTime", block.end_ms);
    json.member("series", block.series);
    json.member("samples", block.samples);
    json.member("bytes", block.bytes);
    json.member("level", static_cast<int64_t>(block.level));
    json.end_object();
  }
  json.end_array().end_object();
}

}  // namespace

Task<MetricAnswer> Prometheus::status_config(MetricRequest&) {
  std::string data;
  JsonWriter(data).begin_object().member("yaml", parts_.prometheus_yaml()).end_object();
  co_return metric::success(std::move(data));
}

Task<MetricAnswer> Prometheus::status_runtime(MetricRequest&) {
  const ConfigState config = parts_.program.config();
  const store::MetricStoreStats stats = parts_.store.stats(0);
  char directory[4096];
  std::string data;
  JsonWriter json(data);
  json.begin_object();
  json.member("startTime", format_time(parts_.program.started_ms * 1'000'000));
  json.member("CWD", ::getcwd(directory, sizeof directory) == nullptr ? "" : directory);
  json.member("hostname", parts_.host_name);
  json.member("serverTime", format_time(parts_.clock.wall_ns()));
  json.member("reloadConfigSuccess", config.ok);
  json.member("lastConfigTime", format_time(config.since_ms * 1'000'000));
  json.member("corruptionCount", stats.problem.empty() ? 0 : 1);
  // Of Go's runtime; clients show them.
  json.member("goroutineCount", 0);
  json.member("GOMAXPROCS", static_cast<int64_t>(std::thread::hardware_concurrency()));
  json.member("GOMEMLIMIT", parts_.budget.limit_bytes());
  json.member("GOGC", "").member("GODEBUG", "");
  json.member("storageRetention", format_duration(stats.retention_ms));
  json.end_object();
  co_return metric::success(std::move(data));
}

Task<MetricAnswer> Prometheus::status_build(MetricRequest&) {
  std::string data;
  JsonWriter json(data);
  json.begin_object();
  json.member("version", kPrometheusVersion);
  json.member("revision", "gatehouse " + parts_.program.version);
  json.member("branch", "").member("buildUser", "").member("buildDate", "");
  json.member("goVersion", "");
  // Grafana takes a server that lists features for Mimir.
  json.key("features").begin_object().end_object();
  json.end_object();
  co_return metric::success(std::move(data));
}

Task<MetricAnswer> Prometheus::status_flags(MetricRequest&) {
  const QueryLimits limits = parts_.limits();
  const store::MetricStoreStats stats = parts_.store.stats(0);
  std::string data;
  JsonWriter json(data);
  json.begin_object();
  json.member("query.lookback-delta", format_duration(limits.lookback_ms));
  json.member("query.max-concurrency", std::to_string(limits.concurrent_max));
  json.member("query.max-samples", std::to_string(limits.samples_max));
  json.member("query.timeout", format_duration(limits.timeout_ms));
  json.member("storage.tsdb.retention.time", format_duration(stats.retention_ms));
  json.member("storage.tsdb.retention.size", std::to_string(stats.retention_bytes));
  json.member("web.enable-admin-api", "true");
  json.member("web.enable-lifecycle", "true");
  json.member("web.enable-otlp-receiver", "true");
  json.member("web.enable-remote-write-receiver", "true");
  json.end_object();
  co_return metric::success(std::move(data));
}

Task<MetricAnswer> Prometheus::status_tsdb(MetricRequest& request) {
  constexpr size_t kMostMax = 10'000;
  const auto limit = metric::read_limit(request);
  if (!limit.ok()) co_return metric::error_of(limit.status());
  const size_t most = *limit == 0 ? 10 : std::min(*limit, kMostMax);
  const auto count = [&] { return parts_.store.stats(most); };
  const store::MetricStoreStats stats = co_await parts_.pool.run(request.worker.loop, count);
  std::string data;
  JsonWriter json(data);
  json.begin_object();
  write_head(json, stats.head);
  write_counts(json, "seriesCountByMetricName", stats.cardinality.series_by_metric);
  write_counts(json, "labelValueCountByLabelName", stats.cardinality.values_by_label);
  write_counts(json, "memoryInBytesByLabelName", stats.cardinality.bytes_by_label);
  write_counts(json, "seriesCountByLabelValuePair", stats.cardinality.series_by_pair);
  write_storage(json, stats);
  json.end_object();
  co_return metric::success(std::move(data));
}

Task<MetricAnswer> Prometheus::status_replay(MetricRequest&) {
  const store::MetricStoreStats stats = parts_.store.stats(0);
  const auto first = static_cast<int64_t>(stats.wal_first_segment);
  const auto last = static_cast<int64_t>(stats.wal_last_segment);
  const auto done =
      static_cast<int64_t>(parts_.store.replayed() * static_cast<double>(last - first));
  std::string data;
  JsonWriter json(data);
  json.begin_object();
  json.member("min", first).member("max", last).member("current", first + done);
  json.member("state", parts_.store.ready() ? "done" : "in progress");
  json.end_object();
  co_return metric::success(std::move(data));
}

}  // namespace gatehouse::api
