#include "collect/discovery/discovery.h"

#include "base/log.h"
#include "collect/scrape_config.h"
#include "wire/yaml.h"
#include "wire/yaml_fields.h"

namespace gatehouse::collect {

namespace {

class StaticDiscovery : public Discovery {
 public:
  explicit StaticDiscovery(std::vector<StaticConfig> config) : config_(std::move(config)) {}
  Task<void> run(GroupUpdate update, Cancel&) override {
    std::vector<TargetGroup> groups;
    for (size_t i = 0; i < config_.size(); ++i) {
      TargetGroup group;
      group.source = std::to_string(i);
      group.labels = config_[i].labels;
      for (const std::string& target : config_[i].targets) {
        group.targets.push_back(model::Labels{{"__address__", target}});
      }
      groups.push_back(std::move(group));
    }
    update(std::move(groups));
    co_return;
  }

 private:
  std::vector<StaticConfig> config_;
};

}  // namespace

std::unique_ptr<Discovery> static_discovery(std::vector<StaticConfig> config) {
  return std::make_unique<StaticDiscovery>(std::move(config));
}

std::vector<std::unique_ptr<Discovery>> make_discoveries(const DiscoveryScope& scope,
                                                         const ScrapeConfig& config) {
  std::vector<std::unique_ptr<Discovery>> out;
  if (!config.static_configs.empty()) out.push_back(static_discovery(config.static_configs));
  for (const auto& each : config.file_configs) out.push_back(file_discovery(scope, each));
  for (const auto& each : config.http_configs) out.push_back(http_discovery(scope, each));
  for (const auto& each : config.dns_configs) out.push_back(dns_discovery(scope, each));
  for (const auto& each : config.kubernetes_configs) {
    out.push_back(kubernetes_discovery(scope, each));
  }
  return out;
}

Result<std::vector<TargetGroup>> read_target_groups(std::string_view text,
                                                    const std::string& name) {
  wire::YamlOptions options;
  options.name = name;
  ASSIGN_OR_RETURN(const wire::YamlStream yaml, wire::parse_yaml(text, options));
  std::vector<TargetGroup> groups;
  if (yaml.documents().empty() || yaml.documents().front()->is_null()) return groups;
  ConfigLog log{name, {}, {}};
  const auto configs = read_static_configs(log, *yaml.documents().front());
  if (!log.problems.empty()) return invalid_argument(log.problems.front());
  for (size_t i = 0; i < configs.size(); ++i) {
    TargetGroup group;
    group.source = name + ":" + std::to_string(i);
    group.labels = configs[i].labels;
    for (const std::string& target : configs[i].targets) {
      group.targets.push_back(model::Labels{{"__address__", target}});
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

void TroubleLog::report(const Status& status) {
  if (status.ok()) {
    if (!last_.empty()) log_info("discovery works again", {{"kind", kind_}, {"of", what_}});
    last_.clear();
    return;
  }
  if (status.message() == last_) return;
  last_ = status.message();
  log_warning("discovery failed", {{"kind", kind_}, {"of", what_}, {"reason", last_}});
}

}  // namespace gatehouse::collect
