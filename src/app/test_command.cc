// gatehouse test promql FILE...: test scripts against the program's own PromQL; and
// gatehouse test rules FILE... (rule_commands.cc).
#include <cstdio>
#include <fstream>
#include <iterator>

#include "app/commands.h"
#include "lang/promql/script_run.h"

namespace gatehouse::app {
namespace {

constexpr const char* kTestHelp =
    "usage: gatehouse test promql FILE...\n"
    "       gatehouse test rules FILE...    unit tests of rules; --help says more\n\n"
    "Runs test scripts of PromQL (the language of Prometheus's promqltest: load, eval, expect)\n"
    "and ends with how many evaluations passed and failed.\n";

bool read_file(const std::string& path, std::string& text) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  text.assign(std::istreambuf_iterator<char>(file), {});
  return !file.bad();
}

int test_promql(std::span<const std::string> files) {
  int passed = 0;
  int failed = 0;
  for (const std::string& file : files) {
    std::string text;
    if (!read_file(file, text)) {
      std::fprintf(stderr, "gatehouse: %s cannot be read\n", file.c_str());
      return kExitUsage;
    }
    const auto outcome = promql::run_script(text);
    if (!outcome.ok()) {
      std::printf("%s: %s\n", file.c_str(), outcome.status().message().c_str());
      ++failed;
      continue;
    }
    for (const auto& failure : outcome->failures) {
      std::printf("%s:%d: %s\n", file.c_str(), failure.line, failure.message.c_str());
    }
    passed += outcome->passed;
    failed += static_cast<int>(outcome->failures.size());
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? kExitOk : kExitFailed;
}

}  // namespace

int test_command(std::span<const std::string_view> words) {
  if (!words.empty() && words[0] == "rules") return test_rules_command(words.subspan(1));
  Arguments arguments;
  std::string error;
  if (!Arguments::parse(words, {}, std::vector<std::string_view>{"help"}, arguments, error)) {
    std::fprintf(stderr, "gatehouse test: %s\n", error.c_str());
    return kExitUsage;
  }
  const auto rest = arguments.rest();
  const bool help = arguments.has("help");
  if (help || rest.size() < 2 || rest[0] != "promql") {
    std::fputs(kTestHelp, help ? stdout : stderr);
    return help ? kExitOk : kExitUsage;
  }
  return test_promql(rest.subspan(1));
}

}  // namespace gatehouse::app
