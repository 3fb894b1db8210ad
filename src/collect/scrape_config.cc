#include "collect/scrape_config.h"

#include <algorithm>

#include "base/text.h"
#include "net/url.h"

namespace gatehouse::collect {

namespace {

void check_url(ConfigLog& log, const wire::YamlNode& node, std::string_view key,
               const std::string& text) {
  if (const auto url = net::parse_url(text); !url.ok()) {
    log.problem(node.mark, std::string(key) + ": " + url.status().message());
  }
}

FileDiscoveryConfig read_file_discovery(ConfigLog& log, const wire::YamlNode& node) {
  FileDiscoveryConfig out;
  ConfigFields fields(log, node, "file_sd_config");
  fields.texts("files", out.files);
  if (out.files.empty()) {
    log.problem(node.mark, "file service discovery config must contain at least one path name");
  }
  for (std::string& file : out.files) {
    if (!file.ends_with(".json") && !file.ends_with(".yml") && !file.ends_with(".yaml")) {
      log.problem(node.mark, "path name \"" + file + "\" is not valid for file discovery");
    }
    file = wire::resolve_path(log.file, file);
  }
  fields.duration("refresh_interval", out.refresh_interval_ms);
  fields.done();
  return out;
}

HttpDiscoveryConfig read_http_discovery(ConfigLog& log, const wire::YamlNode& node) {
  HttpDiscoveryConfig out;
  ConfigFields fields(log, node, "http_sd_config");
  fields.text("url", out.url);
  check_url(log, node, "url", out.url);
  fields.duration("refresh_interval", out.refresh_interval_ms);
  outbound::read_http_client(fields, out.http);
  fields.done();
  return out;
}

DnsDiscoveryConfig read_dns_discovery(ConfigLog& log, const wire::YamlNode& node) {
  DnsDiscoveryConfig out;
  ConfigFields fields(log, node, "dns_sd_config");
  fields.texts("names", out.names);
  fields.choice("type", out.type, {"SRV", "A", "AAAA", "MX", "NS"});
  int64_t port = 0;
  fields.integer("port", 0, 65535, port);
  out.port = static_cast<int>(port);
  fields.duration("refresh_interval", out.refresh_interval_ms);
  if (out.names.empty()) {
    log.problem(node.mark, "DNS-SD config must contain at least one SRV record name");
  }
  if (out.type != "SRV" && out.port == 0) {
    log.problem(node.mark, "a port is required in DNS-SD configs for all record types except SRV");
  }
  fields.done();
  return out;
}

KubernetesDiscoveryConfig read_kubernetes_discovery(ConfigLog& log, const wire::YamlNode& node) {
  KubernetesDiscoveryConfig out;
  ConfigFields fields(log, node, "kubernetes_sd_config");
  fields.text("api_server", out.api_server);
  if (!out.api_server.empty()) check_url(log, node, "api_server", out.api_server);
  fields.choice("role", out.role,
                {"node", "service", "pod", "endpoints", "endpointslice", "ingress"});
  if (out.role.empty()) {
    log.problem(node.mark,
                "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)");
  }
  fields.refuse("kubeconfig_file", "give api_server, authorization and tls_config");
  if (const auto* names = fields.take("namespaces")) {
    ConfigFields inner(log, *names, "namespaces");
    inner.texts("names", out.namespaces);
    inner.boolean("own_namespace", out.own_namespace);
    inner.done();
  }
  if (const auto* list = fields.take("selectors")) {
    for (const wire::YamlNode* item : list->items) {
      KubernetesSelector selector;
      ConfigFields inner(log, *item, "selectors");
      inner.text("role", selector.role);
      inner.text("label", selector.label);
      inner.text("field", selector.field);
      inner.done();
      out.selectors.push_back(std::move(selector));
    }
  }
  if (const auto* attach = fields.take("attach_metadata")) {
    ConfigFields inner(log, *attach, "attach_metadata");
    inner.boolean("node", out.attach_node);
    inner.refuse("namespace");
    inner.done();
  }
  outbound::read_http_client(fields, out.http);
  fields.done();
  return out;
}

template <typename T, typename Read>
void read_each(ConfigFields& fields, std::string_view key, std::vector<T>& out, Read read) {
  const wire::YamlNode* list = fields.take(key);
  if (list == nullptr) return;
  if (!list->is_sequence()) {
    fields.log().problem(list->mark, std::string(key) + ": a list is expected");
    return;
  }
  for (const wire::YamlNode* item : list->items) out.push_back(read(fields.log(), *item));
}

void read_discovery(ConfigFields& fields, ScrapeConfig& out) {
  if (const auto* list = fields.take("static_configs")) {
    out.static_configs = read_static_configs(fields.log(), *list);
  }
  read_each(fields, "file_sd_configs", out.file_configs, read_file_discovery);
  read_each(fields, "http_sd_configs", out.http_configs, read_http_discovery);
  read_each(fields, "dns_sd_configs", out.dns_configs, read_dns_discovery);
  read_each(fields, "kubernetes_sd_configs", out.kubernetes_configs, read_kubernetes_discovery);
  refuse_providers(fields);
}

void read_params(ConfigFields& fields, ScrapeConfig& out) {
  const wire::YamlNode* params = fields.take("params");
  if (params == nullptr) return;
  ConfigFields inner(fields.log(), *params, "params");
  for (const wire::YamlEntry& entry : params->entries) {
    std::vector<std::string> values;
    if (entry.key->is_scalar() && inner.texts(entry.key->value, values)) {
      out.params.emplace_back(entry.key->value, std::move(values));
    }
  }
}

void read_times(ConfigFields& fields, const PrometheusConfig& global, ScrapeConfig& out) {
  out.interval_ms = global.scrape_interval_ms;
  out.timeout_ms = global.scrape_timeout_ms;
  fields.duration("scrape_interval", out.interval_ms);
  const bool timeout_given = fields.duration("scrape_timeout", out.timeout_ms);
  if (!timeout_given) out.timeout_ms = std::min(out.timeout_ms, out.interval_ms);
  if (out.interval_ms <= 0) fields.log().problem(fields.mark(), "scrape_interval must be positive");
  if (out.timeout_ms > out.interval_ms) {
    fields.log().problem(fields.mark(),
                         "scrape timeout greater than scrape interval for scrape config with job "
                         "name \"" +
                             out.job_name + "\"");
  }
}

const std::vector<std::string_view> kProtocols = {"PrometheusProto", "PrometheusText0.0.4",
                                                  "PrometheusText1.0.0", "OpenMetricsText0.0.1",
                                                  "OpenMetricsText1.0.0"};

AzureAdConfig read_azure(ConfigLog& log, const wire::YamlNode& node) {
  AzureAdConfig out;
  ConfigFields fields(log, node, "azuread");
  fields.choice("cloud", out.cloud, {"AzurePublic", "AzureGovernment", "AzureChina"});
  if (const auto* identity = fields.take("managed_identity")) {
    out.managed_identity = true;
    ConfigFields inner(log, *identity, "managed_identity");
    inner.text("client_id", out.managed_identity_client_id);
    inner.done();
  }
  if (const auto* oauth = fields.take("oauth")) {
    ConfigFields inner(log, *oauth, "oauth");
    inner.text("client_id", out.client_id);
    inner.text("tenant_id", out.tenant_id);
    inner.secret("client_secret", out.client_secret);
    inner.done();
  }
  if (const auto* sdk = fields.take("sdk")) {
    out.sdk = true;
    ConfigFields inner(log, *sdk, "sdk");
    inner.text("tenant_id", out.tenant_id);
    inner.done();
  }
  fields.refuse("workload_identity");
  fields.done();
  return out;
}

void read_queue(ConfigLog& log, const wire::YamlNode& node, RemoteWriteQueue& out) {
  ConfigFields fields(log, node, "queue_config");
  int64_t shards = 0;
  fields.integer("capacity", 1, INT64_MAX, out.capacity);
  if (fields.integer("max_shards", 1, 10'000, shards)) out.max_shards = static_cast<int>(shards);
  if (fields.integer("min_shards", 1, 10'000, shards)) out.min_shards = static_cast<int>(shards);
  fields.integer("max_samples_per_send", 1, 10'000'000, out.max_samples_per_send);
  fields.duration("batch_send_deadline", out.batch_send_deadline_ms);
  fields.duration("min_backoff", out.min_backoff_ms);
  fields.duration("max_backoff", out.max_backoff_ms);
  fields.boolean("retry_on_http_429", out.retry_on_429);
  fields.duration("sample_age_limit", out.sample_age_limit_ms);
  fields.done();
}

}  // namespace

void refuse_providers(ConfigFields& fields) {
  for (const std::string_view provider :
       {"aws",      "azure",     "consul",  "digitalocean", "docker",    "dockerswarm", "ec2",
        "ecs",      "eureka",    "gce",     "hetzner",      "ionos",     "kuma",        "lightsail",
        "linode",   "marathon",  "nerve",   "nomad",        "openstack", "ovhcloud",    "puppetdb",
        "scaleway", "serverset", "stackit", "triton",       "uyuni",     "vultr"}) {
    fields.refuse(std::string(provider) + "_sd_configs");
  }
}

void read_common_scrape_fields(ConfigFields& fields, ScrapeConfig& out) {
  fields.bytes("body_size_limit", out.limits.body_bytes);
  fields.count("sample_limit", out.limits.samples);
  fields.count("target_limit", out.limits.targets);
  fields.count("label_limit", out.limits.labels);
  fields.count("label_name_length_limit", out.limits.label_name_bytes);
  fields.count("label_value_length_limit", out.limits.label_value_bytes);
  fields.count("keep_dropped_targets", out.limits.kept_dropped_targets);
  fields.texts("scrape_protocols", out.protocols);
  fields.boolean("scrape_native_histograms", out.native_histograms);
  fields.boolean("always_scrape_classic_histograms", out.always_classic_histograms);
  bool convert = false;
  if (fields.boolean("convert_classic_histograms_to_nhcb", convert) && convert) {
    fields.refuse("convert_classic_histograms_to_nhcb");
  }
  fields.refuse("extra_scrape_metrics");
  std::string scheme;
  fields.choice("metric_name_validation_scheme", scheme, {"utf8", "legacy"});
  if (scheme == "legacy") fields.refuse("metric_name_validation_scheme", "only utf8 is");
  fields.choice("metric_name_escaping_scheme", scheme,
                {"allow-utf-8", "underscores", "dots", "values"});
  fields.ignore("scrape_failure_log_file", "failures are in the log and on the targets page");
}

RelabelRules read_relabel(ConfigLog& log, const wire::YamlNode* node) {
  RelabelRules rules;
  if (node == nullptr) return rules;
  if (!node->is_sequence()) {
    log.problem(node->mark, "a list of relabel configs is expected");
    return rules;
  }
  static const std::vector<std::string_view> kActions = {
      "replace",  "keep",      "drop",      "keepequal", "dropequal", "hashmod",
      "labelmap", "labeldrop", "labelkeep", "lowercase", "uppercase"};
  for (const wire::YamlNode* item : node->items) {
    ConfigFields fields(log, *item, "relabel_config");
    RelabelConfig config;
    fields.texts("source_labels", config.source_labels);
    config.separator_given = fields.text("separator", config.separator);
    config.regex_given = fields.text("regex", config.regex);
    config.modulus_given = fields.count("modulus", config.modulus);
    fields.text("target_label", config.target_label);
    config.replacement_given = fields.text("replacement", config.replacement);
    std::string action = "replace";
    fields.text("action", action);
    fields.done();
    action = to_lower(action);
    const auto known = std::find(kActions.begin(), kActions.end(), action);
    if (known == kActions.end()) {
      log.problem(item->mark, "unknown relabel action \"" + action + "\"");
      continue;
    }
    config.action = static_cast<RelabelAction>(known - kActions.begin());
    auto rule = RelabelRule::create(std::move(config));
    if (!rule.ok()) {
      log.problem(item->mark, rule.status().message());
      continue;
    }
    rules.push_back(std::move(*rule));
  }
  return rules;
}

std::vector<StaticConfig> read_static_configs(ConfigLog& log, const wire::YamlNode& node) {
  std::vector<StaticConfig> out;
  if (!node.is_sequence()) {
    log.problem(node.mark, "a list of target groups is expected");
    return out;
  }
  for (const wire::YamlNode* item : node.items) {
    ConfigFields fields(log, *item, "static_config");
    StaticConfig group;
    fields.texts("targets", group.targets);
    std::vector<std::pair<std::string, std::string>> labels;
    fields.pairs("labels", labels);
    group.labels = model::Labels(std::move(labels));
    for (const std::string& target : group.targets) {
      if (target.find('/') != std::string::npos) {
        log.problem(item->mark, "\"" + target + "\" is not a valid hostname");
      }
    }
    fields.done();
    out.push_back(std::move(group));
  }
  return out;
}

uint64_t fingerprint_of(const wire::YamlNode& node, uint64_t seed) {
  const auto mix = [](uint64_t a, uint64_t b) {
    return (a ^ b) * 0x9e3779b97f4a7c15u + (a << 6) + (a >> 2);
  };
  uint64_t out = mix(seed, static_cast<uint64_t>(node.kind) + 1);
  out = mix(out, std::hash<std::string>{}(node.value));
  for (const wire::YamlNode* item : node.items) out = fingerprint_of(*item, out);
  for (const wire::YamlEntry& entry : node.entries) {
    out = fingerprint_of(*entry.value, fingerprint_of(*entry.key, out));
  }
  return out;
}

ScrapeConfig read_scrape_config(ConfigLog& log, const wire::YamlNode& node,
                                const PrometheusConfig& global, const ScrapeConfig& defaults) {
  ScrapeConfig out = defaults;
  out.fingerprint = fingerprint_of(node, defaults.fingerprint);
  ConfigFields fields(log, node, "scrape_config");
  fields.text("job_name", out.job_name);
  if (out.job_name.empty()) log.problem(node.mark, "job_name is empty");
  fields.boolean("honor_labels", out.honor_labels);
  fields.boolean("honor_timestamps", out.honor_timestamps);
  fields.boolean("track_timestamps_staleness", out.track_timestamps_staleness);
  read_params(fields, out);
  read_times(fields, global, out);
  fields.boolean("scrape_classic_histograms", out.always_classic_histograms);
  fields.boolean("enable_compression", out.enable_compression);
  fields.choice("fallback_scrape_protocol", out.fallback_protocol, kProtocols);
  fields.text("metrics_path", out.metrics_path);
  fields.choice("scheme", out.scheme, {"http", "https"});
  uint64_t buckets = 0;
  if (fields.count("native_histogram_bucket_limit", buckets) && buckets > 0) {
    fields.refuse("native_histogram_bucket_limit");
  }
  fields.refuse("native_histogram_min_bucket_factor");
  read_common_scrape_fields(fields, out);
  for (const std::string& protocol : out.protocols) {
    if (std::find(kProtocols.begin(), kProtocols.end(), protocol) == kProtocols.end()) {
      log.problem(node.mark, "unknown scrape protocol \"" + protocol + "\"");
    }
  }
  outbound::read_http_client(fields, out.http);
  read_discovery(fields, out);
  out.relabel = read_relabel(log, fields.take("relabel_configs"));
  out.metric_relabel = read_relabel(log, fields.take("metric_relabel_configs"));
  fields.done();
  return out;
}

RemoteWriteConfig read_remote_write(ConfigLog& log, const wire::YamlNode& node) {
  RemoteWriteConfig out;
  ConfigFields fields(log, node, "remote_write");
  fields.text("name", out.name);
  fields.text("url", out.url);
  check_url(log, node, "url", out.url);
  fields.duration("remote_timeout", out.timeout_ms);
  std::string message;
  fields.choice("protobuf_message", message,
                {"prometheus.WriteRequest", "io.prometheus.write.v2.Request"});
  out.version = message == "io.prometheus.write.v2.Request" ? 2 : 1;
  fields.pairs("headers", out.headers);
  out.write_relabel = read_relabel(log, fields.take("write_relabel_configs"));
  fields.boolean("send_exemplars", out.send_exemplars);
  fields.boolean("send_native_histograms", out.send_native_histograms);
  fields.ignore("round_robin_dns", "each connection goes to the first address that answers");
  if (const auto* queue = fields.take("queue_config")) read_queue(log, *queue, out.queue);
  if (const auto* metadata = fields.take("metadata_config")) {
    ConfigFields inner(log, *metadata, "metadata_config");
    inner.boolean("send", out.send_metadata);
    inner.duration("send_interval", out.metadata_interval_ms);
    inner.integer("max_samples_per_send", 1, 10'000'000, out.metadata_samples_per_send);
    inner.done();
  }
  if (const auto* azure = fields.take("azuread")) out.azure_ad = read_azure(log, *azure);
  fields.refuse("sigv4");
  fields.refuse("google_iam");
  outbound::read_http_client(fields, out.http);
  fields.done();
  return out;
}

}  // namespace gatehouse::collect
