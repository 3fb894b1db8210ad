// The mappings within a prometheus.yml: scrape configs, discovery, http clients,
// relabelling and remote write.
#pragma once

#include <cstdint>
#include <vector>

#include "collect/config_fields.h"
#include "collect/prometheus_config.h"
#include "wire/yaml.h"

namespace gatehouse::collect {

// relabel_configs and their like.
RelabelRules read_relabel(ConfigLog& log, const wire::YamlNode* node);
// The keys of an http client that stand among others; TLS, basic auth and so on.
void read_http_client(ConfigFields& fields, HttpClientConfig& out);
// What `global` and a scrape config both may say.
void read_common_scrape_fields(ConfigFields& fields, ScrapeConfig& out);
uint64_t fingerprint_of(const wire::YamlNode& node, uint64_t seed);
// static_configs, also as file and http discovery have them.
std::vector<StaticConfig> read_static_configs(ConfigLog& log, const wire::YamlNode& node);
ScrapeConfig read_scrape_config(ConfigLog& log, const wire::YamlNode& node,
                                const PrometheusConfig& global, const ScrapeConfig& defaults);
RemoteWriteConfig read_remote_write(ConfigLog& log, const wire::YamlNode& node);

}  // namespace gatehouse::collect
