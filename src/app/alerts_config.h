// `alerts:` of gatehouse.yaml.
#pragma once

#include <cstdint>
#include <string>

namespace gatehouse::app {

struct AlertsConfig {
  std::string alertmanager_config;  // the path of an alertmanager.yml; empty: the console alone
  std::string external_url;         // empty: the program's own
  int64_t retention_ms = 120 * 3'600'000LL;  // Alertmanager's --data.retention
  // A silence that hides more of what is live asks to be confirmed.
  double silence_share = 0.5;
};

}  // namespace gatehouse::app
