// gatehouse.yaml as plain values, grouped as the parts that take them. What may
// stand in the file is described once, in config_table.cc; reading, checking,
// defaults, the JSON Schema and docs/config.md all come from that description.
//
// A Config has no state and can be compared, so that a reload is: load, look at
// changed_keys(), hand each part its values.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/alerts_config.h"
#include "app/metrics_config.h"
#include "app/rules_config.h"
#include "base/log.h"
#include "base/result.h"
#include "gateway/config.h"
#include "identity/config.h"
#include "net/options.h"
#include "store/options.h"

namespace gatehouse::app {

struct ServerConfig {
  std::vector<std::string> listen = {"127.0.0.1:8080"};  // host:port, [v6]:port, unix:/path
  int threads = 0;                                       // 0: one a core
  std::string public_url;  // how people reach it, for links; empty: after `listen`
  std::string tls_certificate_path, tls_key_path;  // both or neither
  int64_t drain_ms = 30'000;
  net::ServerOptions options;
};

struct Config {
  Severity log_severity = Severity::kInfo;
  // The design's promise for the whole process.
  int64_t memory_limit_bytes = int64_t{500} << 20;
  ServerConfig server;
  identity::IdentityConfig access;
  net::DialOptions egress;
  store::StoreOptions storage;
  MetricsConfig metrics;
  RulesConfig rules;
  AlertsConfig alerts;
  gateway::GatewayConfig gateway;
};

struct LoadedConfig {
  std::optional<Config> config;  // none where there is a problem
  // "FILE:LINE:COLUMN: what is wrong; what to do", in the order of the file, at
  // most 50. Never holds a value that came from the environment or a file.
  std::vector<std::string> problems;
  // The files that ${file:…} named: a change of one is a change of the configuration.
  std::vector<std::string> files;
};

// The environment, passed in so that tests have their own. None: not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

LoadedConfig parse_config(std::string_view text, std::string_view name,
                          const Environment& environment);
LoadedConfig load_config(const std::string& path, const Environment& environment);

// Whether only this machine can reach what listens at `listen`.
bool is_loopback(const std::string& listen);

// The keys whose values differ ("server.threads", "upstreams"); empty: equal.
std::vector<std::string> changed_keys(const Config& a, const Config& b);

// A JSON Schema (2020-12) of gatehouse.yaml for editors.
std::string config_schema();
// Every key with its type, default and meaning, as Markdown: the body of docs/config.md.
std::string config_reference();

}  // namespace gatehouse::app
