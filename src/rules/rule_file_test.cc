// Rule files and what is hardly meant in them, by the text cases of test/rules/files.
#include "rules/rule_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/files.h"

namespace gatehouse::rules {
namespace {

std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// NAME.yaml is read as "f"; NAME.expected holds "ok: N groups, M rules" and the notices, or
// all that is wrong. GATEHOUSE_UPDATE=1 writes what was found.
TEST(RuleFile, TextCases) {
  int cases = 0;
  for (const std::string& path : files_matching("test/rules/files/*.yaml")) {
    RuleFileOptions options;
    options.duplicate_rules = options.expressions = true;
    const auto file = read_rule_file(slurp(path), "f", options);
    std::string found;
    if (file.ok()) {
      size_t rules = 0;
      for (const RuleGroup& group : file->groups) rules += group.rules.size();
      found = "ok: " + std::to_string(file->groups.size()) + " groups, " + std::to_string(rules) +
              " rules\n";
      for (const std::string& notice : file->notices) found += notice + "\n";
    } else {
      found = file.status().message() + "\n";
    }
    const std::string expected_path = std::filesystem::path(path).replace_extension("expected");
    if (std::getenv("GATEHOUSE_UPDATE")) std::ofstream(expected_path) << found;
    EXPECT_EQ(found, slurp(expected_path)) << path;
    ++cases;
  }
  EXPECT_GE(cases, 8);
}

TEST(RuleFile, HoldsWhatWasWritten) {
  const auto file = read_rule_file(R"(groups:
- name: g
  interval: 15s
  query_offset: 1m
  limit: 7
  labels: {team: a, severity: page}
  rules:
  - alert: Down
    expr: up == 0
    for: 5m
    keep_firing_for: 1h
    labels: {severity: info, b: "2"}
    annotations: {summary: "{{ $labels.job }}"}
  - record: a:b
    expr: sum(c)
)",
                                   "f");
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->groups.size(), 1u);
  const RuleGroup& group = file->groups[0];
  EXPECT_EQ(group.file, "f");
  EXPECT_EQ(group.interval_ms, 15'000);
  EXPECT_EQ(group.query_offset_ms, 60'000);
  EXPECT_EQ(group.limit, 7);
  ASSERT_EQ(group.rules.size(), 2u);
  const Rule& rule = group.rules[0];
  EXPECT_TRUE(rule.alerting());
  EXPECT_EQ(rule.for_ms, 300'000);
  EXPECT_EQ(rule.keep_firing_for_ms, 3'600'000);
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(rule.labels, (Pairs{{"b", "2"}, {"severity", "info"}, {"team", "a"}}));
  EXPECT_EQ(rule.annotations, (Pairs{{"summary", "{{ $labels.job }}"}}));
  EXPECT_EQ(rule.mark.line, 8u);
  EXPECT_EQ(group.rules[1].labels, (Pairs{{"severity", "page"}, {"team", "a"}}));
}

TEST(RuleFile, ObjectsHaveNamesOfTheirOwn) {
  const std::string object = R"(
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: NAME, namespace: ns}
spec: {groups: [{name: g, rules: [{record: a, expr: "1"}]}]}
)";
  std::string two = object + "---" + object;
  two.replace(two.find("NAME"), 4, "one");
  two.replace(two.find("NAME"), 4, "two");
  const auto file = read_rule_file(two, "f");
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->groups.size(), 2u);
  EXPECT_EQ(file->groups[0].file, "f#ns/one");
  EXPECT_EQ(file->groups[1].file, "f#ns/two");
}

}  // namespace
}  // namespace gatehouse::rules
