// The metrics that Prometheus has of its rules, under its names, so that dashboards and
// alerts about rules read the same here.
#pragma once

#include <string>

#include "model/metrics.h"

namespace gatehouse::rules {

struct GroupMetrics {
  model::Counter& evaluations;
  model::Counter& failures;
  model::Counter& iterations;
  model::Counter& missed;
  model::Gauge& interval_s;
  model::Gauge& last_duration_s;
  model::Gauge& last_evaluation_s;  // Unix time
  model::Gauge& last_samples;
  model::Gauge& rules;

  // The group is gone: not a number, which no comparison holds for.
  void retire();
};

class RuleMetrics {
 public:
  explicit RuleMetrics(model::Registry& registry);

  // "FILE;NAME" is the label rule_group, as Prometheus writes it.
  GroupMetrics of_group(const std::string& file, const std::string& name);

  model::Histogram& rule_duration_s;
  model::Histogram& group_duration_s;
  // How long after it was due a group's last rule had its result.
  model::Histogram& lateness_s;

 private:
  model::Registry& registry_;
};

}  // namespace gatehouse::rules
