// gatehouse check rules FILE... and gatehouse test rules FILE...: as promtool's, with its
// words and statuses.
#include <algorithm>
#include <array>
#include <cstdio>

#include "app/commands.h"
#include "base/files.h"
#include "rules/rule_file.h"
#include "rules/unit_test_run.h"

namespace gatehouse::app {
namespace {

// promtool's for what only a lint found.
constexpr int kExitLint = 3;

constexpr const char* kCheckHelp =
    "usage: gatehouse check rules [--lint=WHAT] [--lint-fatal] FILE...\n\n"
    "Reads rule files, and PrometheusRule objects of Kubernetes; FILE may be a pattern.\n"
    "  --lint=WHAT    all (the default), duplicate-rules, never-matching or none\n"
    "  --lint-fatal   what a lint finds ends with status 3\n";

constexpr const char* kTestHelp =
    "usage: gatehouse test rules [--run=PATTERN] FILE...\n\n"
    "Runs unit tests of rules in promtool's format; FILE may be a pattern.\n"
    "  --run=PATTERN   only tests whose name has a match of the regular expression\n";

int usage(const char* command, const std::string& error, const char* help) {
  std::fprintf(stderr, "gatehouse %s: %s\n\n%s", command, error.c_str(), help);
  return kExitUsage;
}

// A pattern stands for its files; what matches none is taken as a path, so that it is told of.
std::vector<std::string> expanded(std::span<const std::string> words) {
  std::vector<std::string> out;
  for (const std::string& word : words) {
    const std::vector<std::string> found = files_matching(word);
    if (found.empty()) {
      out.push_back(word);
    } else {
      out.insert(out.end(), found.begin(), found.end());
    }
  }
  return out;
}

void print_lines(const std::string& text) {
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::printf("  %s\n", text.substr(begin, end - begin).c_str());
    begin = end + 1;
  }
}

}  // namespace

int check_rules_command(std::span<const std::string_view> words) {
  constexpr std::array<std::string_view, 1> kOptions = {"lint"};
  constexpr std::array<std::string_view, 2> kFlags = {"lint-fatal", "help"};
  Arguments arguments;
  std::string error;
  if (!Arguments::parse(words, kOptions, kFlags, arguments, error)) {
    return usage("check rules", error, kCheckHelp);
  }
  if (arguments.has("help")) return std::fputs(kCheckHelp, stdout), kExitOk;
  if (arguments.rest().empty()) return usage("check rules", "which files?", kCheckHelp);
  const std::string lint = arguments.get("lint", "all");
  constexpr std::array<std::string_view, 4> kLints = {"all", "duplicate-rules", "never-matching",
                                                      "none"};
  if (std::find(kLints.begin(), kLints.end(), lint) == kLints.end()) {
    return usage("check rules", "--lint: \"" + lint + "\" is not known", kCheckHelp);
  }
  rules::RuleFileOptions options;
  options.duplicate_rules = lint == "all" || lint == "duplicate-rules";
  options.expressions = lint == "all" || lint == "never-matching";
  bool failed = false, noticed = false;
  for (const std::string& path : expanded(arguments.rest())) {
    std::printf("Checking %s\n", path.c_str());
    const auto file = rules::load_rule_file(path, options);
    if (!file.ok()) {
      failed = true;
      std::printf("  FAILED:\n");
      print_lines(file.status().message());
    } else {
      size_t count = 0;
      for (const rules::RuleGroup& group : file->groups) count += group.rules.size();
      std::printf("  SUCCESS: %zu rules found\n", count);
      for (const std::string& notice : file->notices) std::printf("  %s\n", notice.c_str());
      noticed = noticed || !file->notices.empty();
    }
    std::printf("\n");
  }
  if (failed) return kExitFailed;
  return noticed && arguments.has("lint-fatal") ? kExitLint : kExitOk;
}

int test_rules_command(std::span<const std::string_view> words) {
  constexpr std::array<std::string_view, 1> kOptions = {"run"};
  constexpr std::array<std::string_view, 1> kFlags = {"help"};
  Arguments arguments;
  std::string error;
  if (!Arguments::parse(words, kOptions, kFlags, arguments, error)) {
    return usage("test rules", error, kTestHelp);
  }
  if (arguments.has("help")) return std::fputs(kTestHelp, stdout), kExitOk;
  if (arguments.rest().empty()) return usage("test rules", "which files?", kTestHelp);
  rules::UnitTestOptions options;
  options.run = arguments.get("run");
  bool failed = false;
  for (const std::string& path : expanded(arguments.rest())) {
    std::printf("Unit Testing:  %s\n", path.c_str());
    const auto outcome = rules::run_unit_tests(path, options);
    if (outcome.ok()) {
      for (const std::string& notice : outcome->notices) std::printf("  %s\n", notice.c_str());
    }
    if (outcome.ok() && outcome->failures.empty()) {
      std::printf("  SUCCESS\n\n");
      continue;
    }
    failed = true;
    std::printf("  FAILED:\n");
    if (!outcome.ok()) {
      print_lines(outcome.status().message());
    } else {
      for (const std::string& failure : outcome->failures) std::printf("%s\n\n", failure.c_str());
    }
    std::printf("\n");
  }
  return failed ? kExitFailed : kExitOk;
}

}  // namespace gatehouse::app
