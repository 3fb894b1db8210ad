// `alerting` of a prometheus.yml: which Alertmanagers are told of alerts, after Prometheus,
// documentation/configuration (alertmanager_config). Addresses are given; discovery of
// Alertmanagers is refused by name.
#include "collect/scrape_config.h"

namespace gatehouse::collect {

namespace {

AlertmanagerConfig read_alertmanager(ConfigLog& log, const wire::YamlNode& node) {
  AlertmanagerConfig out;
  ConfigFields fields(log, node, "alertmanager_config");
  fields.choice("scheme", out.scheme, {"http", "https"});
  fields.text("path_prefix", out.path_prefix);
  fields.duration("timeout", out.timeout_ms);
  std::string version;
  fields.choice("api_version", version, {"v1", "v2"});
  if (version == "v1") {
    fields.refuse("api_version", "v1 went with Alertmanager 0.27; leave it out for v2");
  }
  if (const auto* list = fields.take("static_configs")) {
    out.static_configs = read_static_configs(log, *list);
  }
  for (const std::string_view provider : {"file", "http", "dns", "kubernetes"}) {
    fields.refuse(std::string(provider) + "_sd_configs",
                  "name the Alertmanagers in static_configs");
  }
  refuse_providers(fields);
  fields.refuse("sigv4");
  fields.refuse("google_iam");
  out.relabel = read_relabel(log, fields.take("relabel_configs"));
  out.alert_relabel = read_relabel(log, fields.take("alert_relabel_configs"));
  outbound::read_http_client(fields, out.http);
  fields.done();
  return out;
}

}  // namespace

AlertmanagerConfig::Targets AlertmanagerConfig::targets() const {
  Targets out;
  const std::string path =
      (path_prefix.empty() || path_prefix.starts_with('/') ? path_prefix : "/" + path_prefix) +
      (path_prefix.ends_with('/') ? "api/v2/alerts" : "/api/v2/alerts");
  const auto url_of = [](const MutableLabels& labels) {
    return std::string(labels.get("__scheme__")) + "://" + std::string(labels.get("__address__")) +
           std::string(labels.get("__alerts_path__"));
  };
  for (const StaticConfig& group : static_configs) {
    for (const std::string& target : group.targets) {
      MutableLabels labels(group.labels);
      labels.set("__address__", target);
      labels.set("__scheme__", scheme);
      labels.set("__alerts_path__", path);
      const std::string before = url_of(labels);
      const bool kept = apply_rules(relabel, labels) && !labels.get("__address__").empty();
      (kept ? out.urls : out.dropped).push_back(kept ? url_of(labels) : before);
    }
  }
  return out;
}

void read_alerting(ConfigLog& log, const wire::YamlNode& node, PrometheusConfig& out) {
  ConfigFields fields(log, node, "alerting");
  out.alert_relabel = read_relabel(log, fields.take("alert_relabel_configs"));
  if (const auto* list = fields.take("alertmanagers")) {
    if (!list->is_sequence()) log.problem(list->mark, "alertmanagers: a list is expected");
    for (const wire::YamlNode* item : list->items) {
      out.alertmanagers.push_back(read_alertmanager(log, *item));
    }
  }
  fields.done();
}

}  // namespace gatehouse::collect
