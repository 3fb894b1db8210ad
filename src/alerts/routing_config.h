// The parts of an alertmanager.yml that say where an alert goes and when: the route tree,
// time intervals and inhibition.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "alerts/inhibition.h"
#include "alerts/route.h"
#include "alerts/time_interval.h"
#include "wire/yaml_fields.h"

namespace gatehouse::alerts {

// What routes may name.
struct RouteNames {
  std::set<std::string, std::less<>> receivers, time_intervals;
};

// The root and all below it, each with what it has from its parent. Never null.
std::unique_ptr<Route> read_route_tree(wire::ConfigLog& log, const wire::YamlNode& node,
                                       const RouteNames& names);
InhibitRule read_inhibit_rule(wire::ConfigLog& log, const wire::YamlNode& node);
// time_intervals, and mute_time_intervals as it was called before.
void read_named_time_intervals(wire::ConfigLog& log, const wire::YamlNode& list, bool old_name,
                               std::map<std::string, NamedTimeIntervals>& out);

}  // namespace gatehouse::alerts
