// Dispatcher: the groups of alerts, by the routes that lead to them, and when each is due.
// After dispatch/dispatch.go of Alertmanager: a new group waits group_wait, unless an alert
// in it began longer ago than that; then it comes every group_interval while it has alerts.
//
// One ordered set holds when groups are due, so that a storm of groups costs one timer. Over
// a reload the groups of a route whose key stays go on with what they know.
//
// Times of due are of the steady clock, those of alerts are wall time. Not safe for threads:
// the engine's lock is around it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "alerts/alert_store.h"
#include "alerts/config.h"

namespace gatehouse::alerts {

struct Moment {
  int64_t wall_ms = 0;
  int64_t steady_ms = 0;
};

struct Group {
  RouteGroups* route = nullptr;  // null: the route is no more
  model::Labels labels;
  std::vector<StoredAlert*> alerts;
  int64_t due_ms = 0;
  bool has_flushed = false;
  // Integrations ("receiver/webhook[0]") that are being told, and those to ask again then.
  std::vector<std::string> busy, again;

  // Alertmanager's: "{}/{severity=\"page\"}:{alertname=\"x\"}"
  std::string key() const;
};

struct RouteGroups {
  const Route* route = nullptr;
  std::string id;  // its key and its place among the routes with that key
  std::unordered_map<model::Labels, std::shared_ptr<Group>, model::LabelsHash> groups;
};

class Dispatcher {
 public:
  // Alerts of the store that a route leads to for the first time join its groups.
  void configure(std::shared_ptr<const AlertmanagerConfig> config, AlertStore& store, Moment now);
  const std::shared_ptr<const AlertmanagerConfig>& config() const { return config_; }

  // Puts the alert into the groups that its routes say, where it is not there yet.
  void insert(StoredAlert& alert, const model::Labels& labels, Moment now);
  // It was told that the alert is over.
  void remove(Group& group, StoredAlert& alert);

  // When the next group is due; INT64_MAX: none.
  int64_t next_due_ms() const;
  // At most `limit` of the groups that are due, each with its next time set to group_interval
  // from now.
  std::vector<std::shared_ptr<Group>> take_due(int64_t steady_ms, size_t limit);
  void make_due(Group& group, int64_t steady_ms);
  // Forgets groups without alerts that nothing is under way for.
  void collect_empty();

  size_t groups() const { return due_.size(); }
  void each_group(const std::function<void(const std::shared_ptr<Group>&)>& visit) const;

 private:
  void add_routes(const Route& route, std::unordered_map<std::string, int>& seen,
                  std::vector<std::unique_ptr<RouteGroups>>& out);
  void place(StoredAlert& alert, Membership& membership, const model::Labels& labels, Moment now);
  void hasten(const StoredAlert& alert, Group& group, Moment now);

  std::shared_ptr<const AlertmanagerConfig> config_;
  std::vector<std::unique_ptr<RouteGroups>> routes_;
  std::unordered_map<const Route*, RouteGroups*> by_route_;
  std::set<std::pair<int64_t, Group*>> due_;
};

}  // namespace gatehouse::alerts
