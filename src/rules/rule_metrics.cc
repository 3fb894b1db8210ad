#include "rules/rule_metrics.h"

#include <array>
#include <limits>

namespace gatehouse::rules {

namespace {

// A rule over ten series takes a tenth of a millisecond; one that takes a minute is too slow
// for any interval.
constexpr std::array<double, 12> kDurations = {0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05,
                                               0.1,    0.5,    1,     5,     15,   60};

}  // namespace

void GroupMetrics::retire() {
  const double none = std::numeric_limits<double>::quiet_NaN();
  for (model::Gauge* gauge :
       {&interval_s, &last_duration_s, &last_evaluation_s, &last_samples, &rules}) {
    gauge->set(none);
  }
}

RuleMetrics::RuleMetrics(model::Registry& registry)
    : rule_duration_s(registry.histogram("prometheus_rule_evaluation_duration_seconds",
                                         "The duration of an evaluation of a rule", kDurations,
                                         {})),
      group_duration_s(registry.histogram("prometheus_rule_group_duration_seconds",
                                          "The duration of an evaluation of a rule group",
                                          kDurations, {})),
      lateness_s(registry.histogram(
          "gatehouse_rule_group_lateness_seconds",
          "How long after it was due the evaluation of a rule group had ended", kDurations, {})),
      registry_(registry) {}

GroupMetrics RuleMetrics::of_group(const std::string& file, const std::string& name) {
  const model::Labels labels{{"rule_group", file + ";" + name}};
  const auto counter = [&](std::string_view metric, std::string_view help) -> model::Counter& {
    return registry_.counter(metric, help, labels);
  };
  const auto gauge = [&](std::string_view metric, std::string_view help) -> model::Gauge& {
    return registry_.gauge(metric, help, labels);
  };
  return {counter("prometheus_rule_evaluations", "Evaluations of rules"),
          counter("prometheus_rule_evaluation_failures", "Evaluations of rules that failed"),
          counter("prometheus_rule_group_iterations",
                  "Evaluations of the group that were due, those missed among them"),
          counter("prometheus_rule_group_iterations_missed",
                  "Evaluations of the group that were left out, as one before took too long"),
          gauge("prometheus_rule_group_interval_seconds", "The interval of the group"),
          gauge("prometheus_rule_group_last_duration_seconds",
                "The duration of the last evaluation of the group"),
          gauge("prometheus_rule_group_last_evaluation_timestamp_seconds",
                "When the group was evaluated last, in Unix time"),
          gauge("prometheus_rule_group_last_evaluation_samples",
                "Samples that the last evaluation of the group gave"),
          gauge("prometheus_rule_group_rules", "Rules of the group")};
}

}  // namespace gatehouse::rules
