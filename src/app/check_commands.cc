// `gatehouse check`, `config`, `audit` and `prices`: commands that only read.
#include <array>
#include <cstdio>

#include "alerts/config.h"
#include "app/commands.h"
#include "app/config_file.h"
#include "app/stores.h"
#include "gateway/price.h"
#include "identity/audit.h"
#include "store/record_log.h"

namespace gatehouse::app {

namespace {

int usage(const char* command, const std::string& error, const char* help) {
  std::fprintf(stderr, "gatehouse %s: %s\n\n%s", command, error.c_str(), help);
  return kExitUsage;
}

int check_alertmanager(std::span<const std::string_view> files) {
  int status = kExitOk;
  for (const std::string_view path : files) {
    const auto loaded = alerts::load_alertmanager_config(std::string(path));
    if (!loaded.ok()) {
      std::printf("%s\n", loaded.status().message().c_str());
      status = kExitFailed;
      continue;
    }
    for (const std::string& notice : (*loaded)->notices) {
      std::printf("notice: %s\n", notice.c_str());
    }
    std::printf("%.*s: ok, %zu receivers, %zu inhibit rules, %zu templates\n",
                static_cast<int>(path.size()), path.data(), (*loaded)->receivers.size(),
                (*loaded)->inhibit_rules.size(), (*loaded)->files.size());
  }
  return status;
}

}  // namespace

int check_command(std::span<const std::string_view> words) {
  constexpr const char* kHelp =
      "usage: gatehouse check config FILE...         a gatehouse.yaml\n"
      "       gatehouse check rules FILE...          rule files; --help says more\n"
      "       gatehouse check alertmanager FILE...   an alertmanager.yml and its templates\n";
  if (!words.empty() && words[0] == "rules") return check_rules_command(words.subspan(1));
  if (words.size() == 1 && words[0] == "--help") return std::fputs(kHelp, stdout), kExitOk;
  if (words.size() > 1 && words[0] == "alertmanager") return check_alertmanager(words.subspan(1));
  if (words.size() < 2 || words[0] != "config")
    return usage("check", "what is to be checked?", kHelp);
  int status = kExitOk;
  for (const std::string_view path : words.subspan(1)) {
    const LoadedConfig loaded = load_config(std::string(path), process_environment());
    for (const std::string& problem : loaded.problems) std::printf("%s\n", problem.c_str());
    if (loaded.config) {
      std::printf("%.*s: ok, %zu upstreams, %zu models\n", static_cast<int>(path.size()),
                  path.data(), loaded.config->gateway.upstreams.size(),
                  loaded.config->gateway.models.size());
    } else {
      status = kExitFailed;
    }
  }
  return status;
}

int config_command(std::span<const std::string_view> words) {
  constexpr const char* kHelp =
      "usage: gatehouse config schema      a JSON Schema of gatehouse.yaml, for editors\n"
      "       gatehouse config reference   every key with its default, as Markdown\n";
  if (words.size() != 1) return usage("config", "schema or reference?", kHelp);
  if (words[0] == "--help") return std::fputs(kHelp, stdout), kExitOk;
  if (words[0] == "schema") return std::printf("%s\n", config_schema().c_str()), kExitOk;
  if (words[0] == "reference") return std::printf("%s", config_reference().c_str()), kExitOk;
  return usage("config", "schema or reference?", kHelp);
}

int audit_command(std::span<const std::string_view> words) {
  constexpr const char* kHelp =
      "usage: gatehouse audit verify [--config FILE] [--data DIR]\n\n"
      "Reads the whole audit log and says whether its chain holds. The server must not be\n"
      "running on the same data; exit status 1: the chain is broken.\n";
  constexpr std::array<std::string_view, 2> kOptions = {"config", "data"};
  constexpr std::array<std::string_view, 1> kFlags = {"help"};
  Arguments arguments;
  std::string error;
  if (!Arguments::parse(words, kOptions, kFlags, arguments, error))
    return usage("audit", error, kHelp);
  if (arguments.has("help")) return std::fputs(kHelp, stdout), kExitOk;
  if (arguments.rest().size() != 1 || arguments.rest()[0] != "verify") {
    return usage("audit", "verify?", kHelp);
  }
  const ConfigFile file = read_config_file(arguments);
  if (!file.loaded.config) return usage("audit", file.loaded.problems.front(), "");
  const auto failed = [](const Status& status) {
    std::fprintf(stderr, "gatehouse audit: %s\n", status.message().c_str());
    return kExitFailed;
  };
  auto catalog = open_catalog(file.loaded.config->storage);
  if (!catalog.ok()) return failed(catalog.status());
  store::RecordLogOptions options;
  options.directory = record_log_path(file.loaded.config->storage);
  options.background = false;
  auto records = store::RecordLog::open(options);
  if (!records.ok()) return failed(records.status());
  const auto report = identity::verify_audit(**records, catalog->get());
  if (!report.ok()) return failed(report.status());
  std::printf("%llu entries, %llu to %llu, %llu anchors passed, last hash %s\n",
              static_cast<unsigned long long>(report->entries),
              static_cast<unsigned long long>(report->first_sequence),
              static_cast<unsigned long long>(report->last_sequence),
              static_cast<unsigned long long>(report->anchors_passed), report->last_hash.c_str());
  if (report->intact) {
    std::printf("the chain is intact\n");
    return kExitOk;
  }
  std::printf("BROKEN at entry %llu: %s\n",
              static_cast<unsigned long long>(report->broken_sequence),
              report->broken_reason.c_str());
  return kExitFailed;
}

int prices_command(std::span<const std::string_view> words) {
  constexpr const char* kHelp = "usage: gatehouse prices [PATTERN]   US dollars a million tokens\n";
  if (words.size() > 1 || (words.size() == 1 && words[0].starts_with("--"))) {
    return usage("prices", "it takes one pattern at most", kHelp);
  }
  std::printf("%-44s %-10s %10s %10s %10s\n", "MODEL", "TIER", "INPUT", "CACHED", "OUTPUT");
  for (const gateway::PriceConfig& price : gateway::PriceTable::builtin_prices()) {
    if (!words.empty() && price.model.find(words[0]) == std::string::npos) continue;
    const auto dollars = [](int64_t nanodollars) {
      return static_cast<double>(nanodollars) / 1000;
    };
    std::printf("%-44s %-10s %10.3f %10.3f %10.3f\n", price.model.c_str(), price.tier.c_str(),
                dollars(price.input),
                dollars(price.cached_input < 0 ? price.input : price.cached_input),
                dollars(price.output));
  }
  return kExitOk;
}

}  // namespace gatehouse::app
