// The route tree: which receiver an alert goes to, with whom it is grouped, and when.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "alerts/matchers.h"
#include "model/labels.h"

namespace gatehouse::alerts {

// What a child does not say it has from its parent; read whole by the configuration's
// reader, so that each route stands by itself.
struct Route {
  std::string receiver;
  Matchers matchers;
  bool go_on = false;  // `continue`: siblings behind it are asked as well
  std::vector<std::string> group_by;
  bool group_by_all = false;  // '...'
  int64_t group_wait_ms = 30'000;
  int64_t group_interval_ms = 300'000;
  int64_t repeat_interval_ms = 4 * 3'600'000;
  std::vector<std::string> mute_time_intervals, active_time_intervals;
  std::vector<std::unique_ptr<Route>> routes;
  // As Alertmanager names it: "{}/{severity=\"page\"}/...": the matchers from the root here.
  // Part of a group's key, so that a group survives a reload.
  std::string key;
  // The same with the places among siblings, unique within a tree:
  // "{}/{severity=\"page\"}/0".
  std::string id;

  // The labels that an alert's group is made of.
  model::Labels group_labels(const model::Labels& alert) const;
};

// A group's labels as they stand in its key: {alertname="x", job="y"}.
std::string group_labels_text(const model::Labels& labels);

// The routes that the alert goes to, in order: the deepest that match, or this one. The
// root matches every alert.
std::vector<const Route*> match(const Route& root, const model::Labels& alert);

}  // namespace gatehouse::alerts
