// The mappings within a prometheus.yml: scrape configs, discovery, http clients,
// relabelling and remote write.
#pragma once

#include <cstdint>
#include <vector>

#include "collect/prometheus_config.h"
#include "wire/yaml_fields.h"

namespace gatehouse::collect {

using wire::ConfigFields;
using wire::ConfigLog;

// relabel_configs and their like.
RelabelRules read_relabel(ConfigLog& log, const wire::YamlNode* node);
// What `global` and a scrape config both may say.
void read_common_scrape_fields(ConfigFields& fields, ScrapeConfig& out);
uint64_t fingerprint_of(const wire::YamlNode& node, uint64_t seed);
// static_configs, also as file and http discovery have them.
std::vector<StaticConfig> read_static_configs(ConfigLog& log, const wire::YamlNode& node);
ScrapeConfig read_scrape_config(ConfigLog& log, const wire::YamlNode& node,
                                const PrometheusConfig& global, const ScrapeConfig& defaults);
RemoteWriteConfig read_remote_write(ConfigLog& log, const wire::YamlNode& node);
// `alerting`.
void read_alerting(ConfigLog& log, const wire::YamlNode& node, PrometheusConfig& out);
// Of providers that are not supported: each is a problem where it stands.
void refuse_providers(ConfigFields& fields);

}  // namespace gatehouse::collect
