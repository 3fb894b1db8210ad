// time_intervals of an alertmanager.yml: when a route is muted, or active.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "wire/yaml_fields.h"

namespace gatehouse::alerts {

struct InclusiveRange {
  int begin = 0;
  int end = 0;
};

// Empty lists do not restrict. Ranges as read: minutes of the day (end exclusive), weekdays
// 0 (Sunday) to 6, days of the month 1 to 31 or -31 to -1 from its end, months 1 to 12,
// years.
struct TimeInterval {
  std::vector<InclusiveRange> times, weekdays, days_of_month, months, years;
  std::string location;  // a zone of the database; empty: UTC; "Local"

  // Whether the moment lies in it. REQUIRES: the location is known (the reader checks).
  bool contains(int64_t unix_ms) const;
};

struct NamedTimeIntervals {
  std::string name;
  std::vector<TimeInterval> intervals;

  bool contains(int64_t unix_ms) const;
};

// The messages are those of Alertmanager's timeinterval package.
TimeInterval read_time_interval(wire::ConfigLog& log, const wire::YamlNode& node);

}  // namespace gatehouse::alerts
