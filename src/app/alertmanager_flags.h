// The command line of `gatehouse alertmanager`: Alertmanager's own flags, so that a unit
// file or a manifest changes the program's name and nothing else.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"

namespace gatehouse::app {

struct AlertmanagerFlags {
  std::string config_file = "alertmanager.yml";
  std::string storage_path = "data/";
  int64_t retention_ms = 120 * 3'600'000LL;
  int64_t maintenance_interval_ms = 900'000;
  int64_t reload_interval_ms = 0;   // of --config.auto-reload-interval; 0: only when asked
  std::vector<std::string> listen;  // ":9093" where none is given
  std::string web_config_file, external_url, route_prefix;
  int64_t get_concurrency = 0;  // 0: as many as cores, 8 at least
  int64_t timeout_ms = 0;       // of a request; 0: none
  std::string cluster_listen = "0.0.0.0:9094";
  std::vector<std::string> cluster_peers;
  Severity severity = Severity::kInfo;
  bool help = false, version = false;
  // Flags that are taken and do nothing, with the reason.
  std::vector<std::string> notices;
};

Result<AlertmanagerFlags> parse_alertmanager_flags(std::span<const std::string_view> words);
// --help.
std::string alertmanager_help();

}  // namespace gatehouse::app
