// An existing prometheus.yml, read as it stands: what it says as plain values, for
// scraping (scrape_configs), for sending on (remote_write) and for rules and alerts.
// After Prometheus 3, documentation/configuration/configuration.md.
//
// Nothing is passed over in silence: a key that Prometheus does not know, and one
// that Gatehouse does not support, is a problem with its name, line and column. What is
// accepted without an effect yet is named in `notices`.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "collect/relabel.h"
#include "model/labels.h"
#include "outbound/http_client_config.h"

namespace gatehouse::collect {

using outbound::HttpClientConfig;

struct StaticConfig {
  std::vector<std::string> targets;
  model::Labels labels;
  friend bool operator==(const StaticConfig&, const StaticConfig&) = default;
};

struct FileDiscoveryConfig {
  std::vector<std::string> files;  // the last part may be a pattern
  int64_t refresh_interval_ms = 300'000;
  friend bool operator==(const FileDiscoveryConfig&, const FileDiscoveryConfig&) = default;
};

struct HttpDiscoveryConfig {
  std::string url;
  int64_t refresh_interval_ms = 60'000;
  HttpClientConfig http;
  friend bool operator==(const HttpDiscoveryConfig&, const HttpDiscoveryConfig&) = default;
};

struct DnsDiscoveryConfig {
  std::vector<std::string> names;
  std::string type = "SRV";  // SRV, A, AAAA, MX, NS
  int port = 0;
  int64_t refresh_interval_ms = 30'000;
  friend bool operator==(const DnsDiscoveryConfig&, const DnsDiscoveryConfig&) = default;
};

struct KubernetesSelector {
  std::string role, label, field;
  friend bool operator==(const KubernetesSelector&, const KubernetesSelector&) = default;
};

struct KubernetesDiscoveryConfig {
  std::string api_server;  // empty: the cluster that the process runs in
  std::string role;        // node, service, pod, endpoints, endpointslice, ingress
  std::vector<std::string> namespaces;
  bool own_namespace = false;
  std::vector<KubernetesSelector> selectors;
  bool attach_node = false;
  HttpClientConfig http;
  friend bool operator==(const KubernetesDiscoveryConfig&,
                         const KubernetesDiscoveryConfig&) = default;
};

// 0: none, for all of them.
struct ScrapeLimits {
  uint64_t body_bytes = 0;
  uint64_t samples = 0;
  uint64_t targets = 0;
  uint64_t labels = 0;
  uint64_t label_name_bytes = 0;
  uint64_t label_value_bytes = 0;
  uint64_t kept_dropped_targets = 0;
  friend bool operator==(const ScrapeLimits&, const ScrapeLimits&) = default;
};

struct ScrapeConfig {
  // Of the text it was read from and of `global`: equal where nothing has changed. 0: not
  // known.
  uint64_t fingerprint = 0;
  std::string job_name;
  bool honor_labels = false;
  bool honor_timestamps = true;
  bool track_timestamps_staleness = false;
  bool native_histograms = false;
  bool always_classic_histograms = false;
  bool enable_compression = true;
  int64_t interval_ms = 60'000;
  int64_t timeout_ms = 10'000;
  // Names of Prometheus: PrometheusProto, OpenMetricsText1.0.0, PrometheusText0.0.4, ...
  std::vector<std::string> protocols;
  std::string fallback_protocol;
  std::string metrics_path = "/metrics";
  std::string scheme = "http";
  std::vector<std::pair<std::string, std::vector<std::string>>> params;
  HttpClientConfig http;
  ScrapeLimits limits;
  RelabelRules relabel, metric_relabel;

  std::vector<StaticConfig> static_configs;
  std::vector<FileDiscoveryConfig> file_configs;
  std::vector<HttpDiscoveryConfig> http_configs;
  std::vector<DnsDiscoveryConfig> dns_configs;
  std::vector<KubernetesDiscoveryConfig> kubernetes_configs;
};

struct RemoteWriteQueue {
  int64_t capacity = 10'000;  // samples a shard
  int max_shards = 50, min_shards = 1;
  int64_t max_samples_per_send = 2'000;
  int64_t batch_send_deadline_ms = 5'000;
  int64_t min_backoff_ms = 30, max_backoff_ms = 5'000;
  bool retry_on_429 = true;
  int64_t sample_age_limit_ms = 0;  // 0: none
};

struct AzureAdConfig {
  std::string cloud = "AzurePublic";
  std::string managed_identity_client_id;  // of the identity the machine has
  bool managed_identity = false;
  bool sdk = false;
  std::string tenant_id, client_id;
  model::SecretText client_secret;
};

struct RemoteWriteConfig {
  std::string name;  // empty: none was given
  std::string url;
  int64_t timeout_ms = 30'000;
  // 1: prometheus.WriteRequest; 2: io.prometheus.write.v2.Request.
  int version = 1;
  std::vector<std::pair<std::string, std::string>> headers;
  RelabelRules write_relabel;
  bool send_exemplars = false;
  bool send_native_histograms = false;
  bool send_metadata = true;
  int64_t metadata_interval_ms = 60'000;
  int64_t metadata_samples_per_send = 2'000;
  RemoteWriteQueue queue;
  std::optional<AzureAdConfig> azure_ad;
  HttpClientConfig http;
};

// One entry of alerting.alertmanagers: Alertmanagers that are told the same.
struct AlertmanagerConfig {
  std::string scheme = "http";
  std::string path_prefix;
  int64_t timeout_ms = 10'000;
  HttpClientConfig http;
  std::vector<StaticConfig> static_configs;
  RelabelRules relabel;        // of the addresses
  RelabelRules alert_relabel;  // of what these are told

  // Where alerts go: the addresses of static_configs, relabelled; and those that relabelling
  // dropped.
  struct Targets {
    std::vector<std::string> urls, dropped;
  };
  Targets targets() const;
};

struct PrometheusConfig {
  int64_t scrape_interval_ms = 60'000;
  int64_t scrape_timeout_ms = 10'000;
  int64_t evaluation_interval_ms = 60'000;
  std::vector<std::pair<std::string, std::string>> external_labels;  // sorted by name
  std::vector<std::string> rule_files;                               // patterns, resolved
  int64_t rule_query_offset_ms = 0;
  std::vector<ScrapeConfig> scrapes;
  std::vector<RemoteWriteConfig> remote_writes;
  RelabelRules alert_relabel;
  std::vector<AlertmanagerConfig> alertmanagers;
  // < 0: not said.
  int64_t out_of_order_window_ms = -1;
  int64_t retention_ms = -1, retention_bytes = -1;
  std::vector<std::string> otlp_promoted_attributes;
  // Files besides the first one (scrape_config_files), to watch for changes.
  std::vector<std::string> files;
  // "FILE:LINE:COLUMN: ..." of what has no effect (yet).
  std::vector<std::string> notices;
};

struct PrometheusProblems {
  std::vector<std::string> lines;  // "FILE:LINE:COLUMN: what is wrong"
  std::string to_string() const;
};

// `name` is the file's name for messages and the base of relative paths. On problems
// the Status is kInvalidArgument and its message has them all, a line each.
Result<PrometheusConfig> read_prometheus_config(std::string_view text, const std::string& name);
// The same of a file.
Result<PrometheusConfig> load_prometheus_config(const std::string& path);

}  // namespace gatehouse::collect
