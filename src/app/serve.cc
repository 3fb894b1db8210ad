// `gatehouse serve`: from the command line to a running Service.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "app/commands.h"
#include "app/config_file.h"
#include "app/service.h"
#include "base/bytes.h"
#include "base/log.h"

namespace gatehouse::app {

namespace {

constexpr const char* kHelp =
    "usage: gatehouse serve [--config FILE] [--listen ADDRESS] [--data DIR] [--try]\n\n"
    "  --config FILE     gatehouse.yaml; default: ./gatehouse.yaml, then\n"
    "                    /etc/gatehouse/gatehouse.yaml, else defaults\n"
    "  --listen ADDRESS  in the place of server.listen, e.g. 127.0.0.1:8080\n"
    "  --data DIR        in the place of storage.path\n"
    "  --try             print a curl line with a key that holds for a day\n";

// The signals that Service::run waits for must be blocked before any thread is
// made, as threads inherit what is blocked. A closed peer is an error of its
// write, never a signal.
void block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, each);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error of the write that meets it
}

// Connections are descriptors: as many as the system lets us have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// A key for the curl line, for a day; the line is printed with it and nowhere kept.
std::string trial_key(Service& service) {
  constexpr int64_t kDayNs = 86'400'000'000'000;
  identity::KeySpec spec;
  spec.name = "trial-" + std::to_string(service.clock().wall_ns() / 1'000'000'000);
  spec.expires_ns = service.clock().wall_ns() + kDayNs;
  auto made = service.keys().create(spec, "system");
  if (!made.ok()) {
    log_warning("no key could be made for the curl line", {{"reason", made.status().message()}});
    return {};
  }
  return std::move(made->secret);
}

void print_welcome(Service& service, bool with_key) {
  const std::string url = service.url();
  const Config config = service.config();
  std::string out = "\n  Gatehouse " GATEHOUSE_VERSION " is listening on " + url + "\n";
  if (service.first_start() || with_key) {
    auto link = identity::new_login_link(service.catalog(), service.clock(), config.access.sessions,
                                         identity::kFirstUser);
    if (link.ok()) {
      out +=
          "\n  Sign in (works once, for 15 minutes):\n    " + url + "/login?token=" + *link + "\n";
      wipe(*link);
    }
  }
  if (with_key) {
    std::string model = "MODEL";
    for (const gateway::ModelConfig& each : config.gateway.models) {
      if (each.name.find('*') == std::string::npos) {
        model = each.name;
        break;
      }
    }
    std::string key = trial_key(service);
    out += "\n  Call a model:\n    curl " + url +
           "/v1/chat/completions -H 'authorization: Bearer " + key +
           "' -H 'content-type: application/json' -d '{\"model\":\"" + model +
           "\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'\n";
    wipe(key);
  } else if (config.gateway.upstreams.empty()) {
    out +=
        "\n  No upstream is configured yet: see docs/config.md, or deploy/gatehouse.example.yaml\n";
  }
  out += "\n";
  std::fwrite(out.data(), 1, out.size(), stdout);
  std::fflush(stdout);
  wipe(out);
}

}  // namespace

int serve_command(std::span<const std::string_view> words) {
  constexpr std::array<std::string_view, 3> kOptions = {"config", "listen", "data"};
  constexpr std::array<std::string_view, 2> kFlags = {"try", "help"};
  Arguments arguments;
  std::string error;
  if (!Arguments::parse(words, kOptions, kFlags, arguments, error) || !arguments.rest().empty()) {
    std::fprintf(stderr, "gatehouse serve: %s\n\n%s",
                 error.empty() ? "it takes options only" : error.c_str(), kHelp);
    return kExitUsage;
  }
  if (arguments.has("help")) {
    std::fputs(kHelp, stdout);
    return kExitOk;
  }
  ConfigFile file = read_config_file(arguments);
  if (!file.loaded.config) {
    for (const std::string& problem : file.loaded.problems) {
      std::fprintf(stderr, "%s\n", problem.c_str());
    }
    return kExitFailed;
  }
  block_signals();
  raise_descriptor_limit();
  set_log_severity(file.loaded.config->log_severity);
  auto service = Service::start(std::move(file));
  if (!service.ok()) {
    flush_log();
    std::fprintf(stderr, "gatehouse: %s\n", service.status().message().c_str());
    return kExitFailed;
  }
  print_welcome(**service, arguments.has("try"));
  (*service)->run();
  return kExitOk;
}

}  // namespace gatehouse::app
