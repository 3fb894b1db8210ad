// `gatehouse alertmanager`: Alertmanager's part alone, with Alertmanager's own flags.
#include <signal.h>

#include <cstdio>

#include "app/alertmanager_program.h"
#include "app/commands.h"
#include "base/log.h"

namespace gatehouse::app {

int alertmanager_command(std::span<const std::string_view> words) {
  auto flags = parse_alertmanager_flags(words);
  if (!flags.ok()) {
    std::fprintf(stderr, "gatehouse alertmanager: error: %s, try --help\n",
                 flags.status().message().c_str());
    return kExitFailed;
  }
  if (flags->help) return std::fputs(alertmanager_help().c_str(), stdout), kExitOk;
  if (flags->version) {
    std::printf("alertmanager, version %s (branch: gatehouse)\n", GATEHOUSE_VERSION);
    return kExitOk;
  }
  // What run() waits for is blocked before any thread is made, as threads inherit it.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, each);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  set_log_severity(flags->severity);
  for (const std::string& notice : flags->notices) log_debug("flag", {{"notice", notice}});
  if (!flags->cluster_listen.empty() || !flags->cluster_peers.empty()) {
    log_info("there is one node: --cluster.* are accepted, and no other node is spoken to",
             {{"peers", static_cast<int64_t>(flags->cluster_peers.size())}});
  }
  auto program = AlertmanagerProgram::start(std::move(*flags));
  if (!program.ok()) {
    log_error("not started", {{"reason", program.status().message()}});
    flush_log();
    std::fprintf(stderr, "gatehouse alertmanager: %s\n", program.status().message().c_str());
    return kExitFailed;
  }
  (*program)->run();
  return kExitOk;
}

}  // namespace gatehouse::app
