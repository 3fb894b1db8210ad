#include "app/alertmanager_flags.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace gatehouse::app {

namespace {

using Flags = AlertmanagerFlags;

struct Flag {
  std::string_view name, help;
  bool takes_value = true;
  // Empty: the flag is taken and does nothing.
  Status (*set)(Flags& flags, std::string_view value) = nullptr;
};

Status set_duration(std::string_view value, int64_t& out) {
  const auto ms = parse_duration_ms(value);
  if (!ms) return invalid_argument("not a valid duration: \"" + std::string(value) + "\"");
  out = *ms;
  return {};
}

Status set_severity(Flags& flags, std::string_view value) {
  if (value == "debug") flags.severity = Severity::kDebug;
  if (value == "info") flags.severity = Severity::kInfo;
  if (value == "warn") flags.severity = Severity::kWarning;
  if (value == "error") flags.severity = Severity::kError;
  if (value == "debug" || value == "info" || value == "warn" || value == "error") return {};
  return invalid_argument("debug, info, warn or error is expected");
}

Status set_format(Flags&, std::string_view value) {
  if (value == "json" || value == "logfmt") return {};
  return invalid_argument("logfmt or json is expected");
}

constexpr Flag kFlags[] = {
    {"config.file", "Alertmanager configuration file name.", true,
     [](Flags& flags, std::string_view value) -> Status {
       flags.config_file = value;
       return {};
     }},
    {"config.auto-reload-interval", "Read the configuration again when it has changed.", true,
     [](Flags& flags, std::string_view value) {
       return set_duration(value, flags.reload_interval_ms);
     }},
    {"storage.path", "Base path for data storage.", true,
     [](Flags& flags, std::string_view value) -> Status {
       flags.storage_path = value;
       return {};
     }},
    {"data.retention", "How long to keep data for.", true,
     [](Flags& flags, std::string_view value) { return set_duration(value, flags.retention_ms); }},
    {"data.maintenance-interval", "Interval between removing what is old.", true,
     [](Flags& flags, std::string_view value) {
       return set_duration(value, flags.maintenance_interval_ms);
     }},
    {"web.listen-address", "Address to listen on; may be repeated.", true,
     [](Flags& flags, std::string_view value) -> Status {
       flags.listen.emplace_back(value);
       return {};
     }},
    {"web.config.file", "Configuration file of TLS and basic authentication.", true,
     [](Flags& flags, std::string_view value) -> Status {
       flags.web_config_file = value;
       return {};
     }},
    {"web.external-url", "The URL under which Alertmanager is reachable from outside.", true,
     [](Flags& flags, std::string_view value) -> Status {
       flags.external_url = value;
       return {};
     }},
    {"web.route-prefix", "Prefix of the routes; the path of --web.external-url by default.", true,
     [](Flags& flags, std::string_view value) -> Status {
       flags.route_prefix = value;
       return {};
     }},
    {"web.get-concurrency", "Maximum number of GET requests at a time.", true,
     [](Flags& flags, std::string_view value) -> Status {
       const auto number = parse_uint(value);
       if (!number || *number > 100'000) return invalid_argument("a number is expected");
       flags.get_concurrency = static_cast<int64_t>(*number);
       return {};
     }},
    {"web.timeout", "Timeout for HTTP requests.", true,
     [](Flags& flags, std::string_view value) { return set_duration(value, flags.timeout_ms); }},
    {"cluster.listen-address", "Accepted; there is one node, told of as its cluster.", true,
     [](Flags& flags, std::string_view value) -> Status {
       flags.cluster_listen = value;
       return {};
     }},
    {"cluster.peer", "Accepted; there are no peers.", true,
     [](Flags& flags, std::string_view value) -> Status {
       flags.cluster_peers.emplace_back(value);
       return {};
     }},
    {"log.level", "debug, info, warn or error.", true, set_severity},
    {"log.format", "Accepted; the log is JSON, a line each.", true, set_format},
    {"alerts.gc-interval", "Accepted; alerts that are over go at once.", true},
    {"dispatch.maintenance-interval", "Accepted; empty groups go at once.", true},
    {"dispatch.start-delay", "Accepted; a restart takes up where it was.", true},
    {"silences.max-silences", "Accepted; there is no such bound.", true},
    {"silences.max-silence-size-bytes", "Accepted; there is no such bound.", true},
    {"enable-feature", "Accepted; both grammars of matchers are read.", true},
    {"web.ui-path", "Accepted; the console belongs to gatehouse serve.", true},
    {"auto-gomemlimit.ratio", "Accepted; there is no Go runtime.", true},
    {"auto-gomemlimit", "Accepted.", false},
    {"auto-gomaxprocs", "Accepted.", false},
    {"web.systemd-socket", "Accepted.", false},
    {"cluster.allow-insecure-public-advertise-address-discovery", "Accepted.", false},
    {"help", "This text.", false,
     [](Flags& flags, std::string_view) -> Status {
       flags.help = true;
       return {};
     }},
    {"version", "The version.", false,
     [](Flags& flags, std::string_view) -> Status {
       flags.version = true;
       return {};
     }},
};

// --cluster.* that tune a gossip which there is not.
constexpr std::string_view kClusterTuning[] = {"cluster.advertise-address",
                                               "cluster.peer-timeout",
                                               "cluster.peers-resolve-timeout",
                                               "cluster.gossip-interval",
                                               "cluster.pushpull-interval",
                                               "cluster.tcp-timeout",
                                               "cluster.probe-timeout",
                                               "cluster.probe-interval",
                                               "cluster.settle-timeout",
                                               "cluster.reconnect-interval",
                                               "cluster.reconnect-timeout",
                                               "cluster.tls-config",
                                               "cluster.label",
                                               "cluster.peer-name"};

const Flag* find_flag(std::string_view name) {
  const auto at = std::find_if(std::begin(kFlags), std::end(kFlags),
                               [name](const Flag& flag) { return flag.name == name; });
  if (at != std::end(kFlags)) return at;
  static constexpr Flag kTuning{"cluster", "Accepted; there is no gossip.", true};
  const bool tuning = std::find(std::begin(kClusterTuning), std::end(kClusterTuning), name) !=
                      std::end(kClusterTuning);
  return tuning ? &kTuning : nullptr;
}

Status unknown_flag(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Flag& flag : kFlags) names.push_back(flag.name);
  std::string message = "unknown long flag '--" + std::string(name) + "'";
  if (const auto near = closest(name, names)) message += "; did you mean --" + std::string(*near);
  return invalid_argument(std::move(message));
}

}  // namespace

Result<AlertmanagerFlags> parse_alertmanager_flags(std::span<const std::string_view> words) {
  AlertmanagerFlags flags;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (word == "-h") word = "--help";
    if (!word.starts_with("--")) return invalid_argument("unexpected " + std::string(word));
    word.remove_prefix(2);
    const size_t equals = word.find('=');
    std::string_view name = word.substr(0, equals);
    const Flag* flag = find_flag(name);
    if (flag == nullptr && name.starts_with("no-")) {
      flag = find_flag(name.substr(3));
      if (flag != nullptr && flag->takes_value) flag = nullptr;
    }
    if (flag == nullptr) return unknown_flag(name);
    std::string_view value;
    if (flag->takes_value) {
      if (equals != std::string_view::npos) {
        value = word.substr(equals + 1);
      } else if (i + 1 < words.size()) {
        value = words[++i];
      } else {
        return invalid_argument("expected argument for flag '--" + std::string(name) + "'");
      }
    }
    if (flag->set == nullptr) {
      flags.notices.push_back("--" + std::string(name) + ": " + std::string(flag->help));
      continue;
    }
    RETURN_IF_ERROR(flag->set(flags, value).with_context("--" + std::string(name)));
  }
  if (flags.listen.empty()) flags.listen.emplace_back(":9093");
  return flags;
}

std::string alertmanager_help() {
  std::string out =
      "usage: gatehouse alertmanager [<flags>]\n\n"
      "Alertmanager's part of Gatehouse alone, in Alertmanager's place: its configuration, its\n"
      "API and these flags of its own.\n\n";
  for (const Flag& flag : kFlags) {
    std::string line = "  --" + std::string(flag.name) + (flag.takes_value ? "=VALUE" : "");
    line.resize(std::max<size_t>(line.size() + 2, 40), ' ');
    out += line + std::string(flag.help) + "\n";
  }
  return out + "  --cluster.*                           Accepted; there is no gossip.\n";
}

}  // namespace gatehouse::app
