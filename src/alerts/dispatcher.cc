#include "alerts/dispatcher.h"

#include <algorithm>

namespace gatehouse::alerts {

std::string Group::key() const { return route->route->key + ":" + labels.to_string(); }

void Dispatcher::add_routes(const Route& route, std::unordered_map<std::string, int>& seen,
                            std::vector<std::unique_ptr<RouteGroups>>& out) {
  auto made = std::make_unique<RouteGroups>();
  made->route = &route;
  made->id = route.key + "#" + std::to_string(seen[route.key]++);
  out.push_back(std::move(made));
  for (const auto& child : route.routes) add_routes(*child, seen, out);
}

void Dispatcher::configure(std::shared_ptr<const AlertmanagerConfig> config, AlertStore& store,
                           Moment now) {
  std::unordered_map<std::string, int> seen;
  std::vector<std::unique_ptr<RouteGroups>> next;
  add_routes(*config->route, seen, next);
  std::unordered_map<std::string, RouteGroups*> before;
  for (const auto& each : routes_) before.emplace(each->id, each.get());
  by_route_.clear();
  // A route that groups by the same labels as before keeps its groups; the old object moves
  // into the new tree, so that what refers to it stays true.
  std::vector<std::unique_ptr<RouteGroups>> kept;
  for (auto& each : next) {
    const auto found = before.find(each->id);
    RouteGroups* old = found == before.end() ? nullptr : found->second;
    if (old != nullptr && old->route->group_by == each->route->group_by &&
        old->route->group_by_all == each->route->group_by_all) {
      old->route = each->route;
      const auto owner = std::find_if(routes_.begin(), routes_.end(),
                                      [old](const auto& one) { return one.get() == old; });
      each = std::move(*owner);
      for (auto& [labels, group] : each->groups) {
        const int64_t latest = now.steady_ms + (group->has_flushed ? each->route->group_interval_ms
                                                                   : each->route->group_wait_ms);
        if (group->due_ms > latest) make_due(*group, latest);
      }
    }
    by_route_.emplace(each->route, each.get());
  }
  // Groups of routes that are no more: their alerts forget them, then they go.
  std::vector<std::unique_ptr<RouteGroups>> gone;
  for (auto& each : routes_) {
    if (each == nullptr) continue;
    for (auto& [labels, group] : each->groups) {
      due_.erase({group->due_ms, group.get()});
      group->route = nullptr;  // for a delivery that is under way
      group->alerts.clear();
    }
    gone.push_back(std::move(each));
  }
  routes_ = std::move(next);
  const auto old_config = std::exchange(config_, std::move(config));  // held until all moved
  store.each([&](StoredAlert& alert) {
    const model::Labels labels = alert.labels();
    std::vector<Membership> memberships;
    for (const Route* route : match(*config_->route, labels)) {
      RouteGroups* const groups = by_route_.at(route);
      const auto was =
          std::find_if(alert.member_of.begin(), alert.member_of.end(),
                       [groups](const Membership& one) { return one.route == groups; });
      memberships.push_back(was != alert.member_of.end() ? *was : Membership{groups, nullptr, 0});
      if (was != alert.member_of.end()) was->group = nullptr;
    }
    // What a kept route no longer leads to leaves its group there.
    for (const Membership& old : alert.member_of) {
      const bool kept_route = old.group != nullptr && by_route_.contains(old.route->route) &&
                              by_route_.at(old.route->route) == old.route;
      if (kept_route) remove(*old.group, alert);
    }
    std::vector<const RouteGroups*> known;
    for (const Membership& old : alert.member_of) known.push_back(old.route);
    alert.member_of = std::move(memberships);
    for (Membership& membership : alert.member_of) {
      const bool new_route = std::find(known.begin(), known.end(), membership.route) == known.end();
      if (membership.group != nullptr || !new_route) continue;
      place(alert, membership, labels, now);
      hasten(alert, *membership.group, now);
    }
  });
}

void Dispatcher::place(StoredAlert& alert, Membership& membership, const model::Labels& labels,
                       Moment now) {
  RouteGroups& route = *membership.route;
  model::Labels group_labels = route.route->group_labels(labels);
  std::shared_ptr<Group>& group = route.groups[group_labels];
  if (group == nullptr) {
    group = std::make_shared<Group>();
    group->route = &route;
    group->labels = std::move(group_labels);
    group->due_ms = now.steady_ms + route.route->group_wait_ms;
    due_.emplace(group->due_ms, group.get());
  }
  membership.group = group.get();
  membership.index = static_cast<uint32_t>(group->alerts.size());
  group->alerts.push_back(&alert);
}

void Dispatcher::insert(StoredAlert& alert, const model::Labels& labels, Moment now) {
  if (config_ == nullptr) return;
  if (alert.member_of.empty()) {
    const auto routes = match(*config_->route, labels);
    alert.member_of.reserve(routes.size());
    for (const Route* route : routes) {
      alert.member_of.push_back({by_route_.at(route), nullptr, 0});
    }
  }
  for (Membership& membership : alert.member_of) {
    if (membership.group == nullptr) place(alert, membership, labels, now);
    hasten(alert, *membership.group, now);
  }
}

// A wait that is over already, as the alert was known elsewhere before.
void Dispatcher::hasten(const StoredAlert& alert, Group& group, Moment now) {
  if (!group.has_flushed && group.due_ms > now.steady_ms &&
      alert.starts_at_ms + group.route->route->group_wait_ms < now.wall_ms) {
    make_due(group, now.steady_ms);
  }
}

void Dispatcher::remove(Group& group, StoredAlert& alert) {
  for (Membership& membership : alert.member_of) {
    if (membership.group != &group) continue;
    StoredAlert* const last = group.alerts.back();
    group.alerts[membership.index] = last;
    group.alerts.pop_back();
    for (Membership& moved : last->member_of) {
      if (moved.group == &group) moved.index = membership.index;
    }
    membership.group = nullptr;
    return;
  }
}

void Dispatcher::make_due(Group& group, int64_t steady_ms) {
  due_.erase({group.due_ms, &group});
  group.due_ms = steady_ms;
  due_.emplace(steady_ms, &group);
}

int64_t Dispatcher::next_due_ms() const { return due_.empty() ? INT64_MAX : due_.begin()->first; }

std::vector<std::shared_ptr<Group>> Dispatcher::take_due(int64_t steady_ms, size_t limit) {
  std::vector<std::shared_ptr<Group>> taken;
  while (!due_.empty() && due_.begin()->first <= steady_ms && taken.size() < limit) {
    Group& group = *due_.begin()->second;
    taken.push_back(group.route->groups.at(group.labels));
    group.has_flushed = true;
    // An interval of nothing would never end; configurations have a second at least.
    make_due(group, steady_ms + std::max<int64_t>(group.route->route->group_interval_ms, 1));
  }
  return taken;
}

void Dispatcher::collect_empty() {
  for (const auto& route : routes_) {
    for (auto at = route->groups.begin(); at != route->groups.end();) {
      const Group& group = *at->second;
      if (!group.alerts.empty() || !group.busy.empty()) {
        ++at;
        continue;
      }
      due_.erase({group.due_ms, at->second.get()});
      at = route->groups.erase(at);
    }
  }
}

void Dispatcher::each_group(const std::function<void(const std::shared_ptr<Group>&)>& visit) const {
  for (const auto& route : routes_) {
    for (const auto& [labels, group] : route->groups) visit(group);
  }
}

}  // namespace gatehouse::alerts
