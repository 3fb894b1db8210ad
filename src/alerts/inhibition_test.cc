#include "alerts/inhibition.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "alerts/notification.h"
#include "alerts/routing_config.h"
#include "base/case_file_for_test.h"
#include "wire/yaml.h"

namespace gatehouse::alerts {
namespace {

model::Labels labels_of(std::string_view text) {
  std::vector<model::Labels::Pair> pairs;
  const auto matchers = parse_utf8_matchers(text);
  EXPECT_TRUE(matchers.ok()) << text;
  for (const auto& each : *matchers) pairs.emplace_back(each.name(), each.value());
  return model::Labels(std::move(pairs));
}

// rule YAML · fires NAME {labels} [until seconds] · ends NAME · inhibited NAME at=seconds
class InhibitionDriver : public CaseDriver {
 public:
  std::string run(const Step& step) override {
    if (step.verb == "rule") return rule(step.rest);
    if (!inhibitor_) inhibitor_.emplace(std::move(rules_));
    const std::string name = step.words.at(0);
    if (step.verb == "alert") {
      alerts_[name] = labels_of(step.rest.substr(step.rest.find('{')));
      return "";
    }
    const model::Labels& labels = alerts_.at(name);
    const uint64_t fingerprint = model::alert_fingerprint(labels);
    if (step.verb == "fires") {
      inhibitor_->set(labels, fingerprint, step.integer("until", 0) * 1000);
    } else if (step.verb == "ends") {
      inhibitor_->remove(labels, fingerprint);
    } else if (step.verb == "inhibited") {
      const auto by = inhibitor_->inhibiting(labels, step.integer("at", 1) * 1000);
      if (!by) return "no";
      for (const auto& [other, its] : alerts_) {
        if (model::alert_fingerprint(its) == *by) return "by " + other;
      }
      return "by nobody known";
    } else {
      return "unknown step";
    }
    return "";
  }

 private:
  std::string rule(const std::string& text) {
    const auto yaml = wire::parse_yaml(text);
    if (!yaml.ok()) return yaml.status().message();
    wire::ConfigLog log{"t", {}, {}};
    rules_.push_back(read_inhibit_rule(log, *yaml->documents().front()));
    return log.problems.empty() ? "" : log.problems.front();
  }

  std::vector<InhibitRule> rules_;
  std::optional<Inhibitor> inhibitor_;
  std::map<std::string, model::Labels> alerts_;
};

TEST(Inhibition, CasesGiveWhatIsExpected) {
  run_case_folder("test/alerts/inhibition", [] { return std::make_unique<InhibitionDriver>(); });
}

TEST(Inhibition, WhatEndedIsForgotten) {
  InhibitRule rule;
  rule.source = *parse_matchers("severity=critical");
  rule.target = *parse_matchers("severity=warning");
  rule.equal = {"host"};
  Inhibitor inhibitor({rule});
  const auto alert = [](int i) {
    return model::Labels{{"severity", "critical"}, {"host", std::to_string(i)}};
  };
  for (int i = 0; i < 1'000; ++i) inhibitor.set(alert(i), model::alert_fingerprint(alert(i)), 0);
  EXPECT_EQ(inhibitor.sources(), 1'000u);
  for (int i = 0; i < 1'000; ++i) inhibitor.remove(alert(i), model::alert_fingerprint(alert(i)));
  EXPECT_EQ(inhibitor.sources(), 0u);
}

}  // namespace
}  // namespace gatehouse::alerts
