// gatehouse: the program. This file names its commands; `serve`, in service.cc,
// builds the parts and hands each its interfaces.
#include <array>
#include <cstdio>
#include <string_view>
#include <vector>

#include "app/commands.h"
#include "app/memory_watch.h"
#include "base/text.h"

namespace {

using namespace gatehouse;

struct Command {
  std::string_view name;
  int (*run)(std::span<const std::string_view> words);
  const char* help;
};

int version_command(std::span<const std::string_view>) {
  std::printf("gatehouse %s\n", GATEHOUSE_VERSION);
  return app::kExitOk;
}

constexpr std::array<Command, 12> kCommands = {{
    {"serve", app::serve_command,
     "serve [--config FILE] [--listen ADDRESS] [--data DIR]   run the gate"},
    {"alertmanager", app::alertmanager_command,
     "alertmanager [--config.file=FILE] ...   alerts alone, with Alertmanager's flags"},
    {"check", app::check_command,
     "check config | rules | alertmanager FILE...   say what is wrong with a file"},
    {"config", app::config_command,
     "config schema | reference         the JSON Schema for editors; every key explained"},
    {"key", app::key_command, "key create | list | rotate | revoke   virtual keys"},
    {"user", app::user_command, "user create | list | remove       who signs in to the console"},
    {"login-link", app::login_link_command,
     "login-link [--user NAME]          a one-time link to sign in with"},
    {"audit", app::audit_command,
     "audit verify                      check the chain of the audit log"},
    {"records", app::records_command,
     "records [--stream calls|audit]    what is recorded, as JSON lines"},
    {"prices", app::prices_command, "prices [MODEL]                    the price table"},
    {"test", app::test_command,
     "test promql | rules FILE...       run test scripts of PromQL, unit tests of rules"},
    {"version", version_command, "version"},
}};

void print_help(std::FILE* to) {
  std::fputs(
      "Gatehouse guards and watches AI workloads in production.\n\n"
      "usage: gatehouse COMMAND [options]     gatehouse COMMAND --help\n\n",
      to);
  for (const Command& command : kCommands) std::fprintf(to, "  %s\n", command.help);
  std::fputs(
      "\nThe configuration is gatehouse.yaml, here or in /etc/gatehouse; without one, defaults\n"
      "hold. docs/config.md explains every key.\n",
      to);
}

}  // namespace

int main(int argc, char** argv) {
  app::tune_allocator();
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  if (words.empty() || words[0] == "help" || words[0] == "--help" || words[0] == "-h") {
    print_help(words.empty() ? stderr : stdout);
    return words.empty() ? app::kExitUsage : app::kExitOk;
  }
  if (words[0] == "--version") return version_command({});
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) {
    names.push_back(command.name);
    if (command.name == words[0]) return command.run(std::span(words).subspan(1));
  }
  std::fprintf(stderr, "gatehouse: unknown command '%s'", argv[1]);
  if (const auto near = closest(words[0], names)) {
    std::fprintf(stderr, "; did you mean '%.*s'?", static_cast<int>(near->size()), near->data());
  }
  std::fputs("\n", stderr);
  return app::kExitUsage;
}
