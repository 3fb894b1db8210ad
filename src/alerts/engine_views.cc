// What AlertEngine answers: views are copies, made under the engine's lock.
#include <algorithm>

#include "alerts/engine_state.h"

namespace gatehouse::alerts {

namespace {

void add_new(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

// Made under one hold of the lock.
constexpr size_t kViewsAtATime = 256;

bool view_before(const AlertView& a, const AlertView& b) { return a.alert.labels < b.alert.labels; }

}  // namespace

AlertView AlertEngine::State::view_of(StoredAlert& alert, const model::Labels& labels, Moment at) {
  AlertView view;
  view.alert = alert.alert();
  view.fingerprint = alert.fingerprint;
  view.updated_at_ms = alert.updated_at_ms;
  update_silenced(alert, labels, at);
  view.silenced_by = alert.silenced_by;
  if (const auto source = inhibited_by(labels, at)) {
    view.inhibited_by.push_back(fingerprint_text(*source));
  }
  for (const Membership& membership : alert.member_of) {
    const Route& route = *membership.route->route;
    add_new(view.receivers, route.receiver);
    for (const std::string& name : muted_by(route, at.wall_ms)) add_new(view.muted_by, name);
  }
  const bool hidden =
      !view.silenced_by.empty() || !view.inhibited_by.empty() || !view.muted_by.empty();
  view.state = hidden ? AlertState::kSuppressed : AlertState::kActive;
  view.flapping = alert.flaps.flapping(at.wall_ms);
  return view;
}

bool AlertEngine::State::shows(const AlertFilter& filter, const AlertView& view) const {
  if (!filter.active && view.state == AlertState::kActive) return false;
  if (!filter.silenced && !view.silenced_by.empty()) return false;
  if (!filter.inhibited && !view.inhibited_by.empty()) return false;
  return filter.muted || view.muted_by.empty();
}

namespace {

// The receivers that a filter lets through, compiled once; an empty text is all of them.
class ReceiverFilter {
 public:
  explicit ReceiverFilter(const std::string& pattern) {
    if (pattern.empty()) return;
    auto made = model::Matcher::create(model::Matcher::Op::kRegex, "receiver", pattern);
    if (made.ok()) {
      matcher_ = std::move(*made);
    } else {
      nothing_ = true;
    }
  }
  bool lets(const std::string& receiver) const {
    return !nothing_ && (!matcher_ || matcher_->matches(receiver));
  }
  bool lets_any(const std::vector<std::string>& receivers) const {
    return !nothing_ && (!matcher_ || std::any_of(receivers.begin(), receivers.end(),
                                                  [this](const auto& one) { return lets(one); }));
  }

 private:
  std::optional<model::Matcher> matcher_;
  bool nothing_ = false;
};

}  // namespace

std::shared_ptr<const AlertmanagerConfig> AlertEngine::config() const {
  const std::lock_guard lock(state_->mutex);
  return state_->dispatcher.config();
}

bool AlertEngine::ready() const { return config() != nullptr; }

void AlertEngine::visit_alerts(const AlertFilter& filter,
                               const std::function<void(AlertView&&)>& visit) const {
  const ReceiverFilter receivers(filter.receiver_regex);
  std::vector<uint64_t> fingerprints;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->dispatcher.config() == nullptr) return;
    const int64_t wall_ms = state_->now().wall_ms;
    state_->store.each([&](StoredAlert& alert) {
      if (!state_->store.resolved(alert, wall_ms)) fingerprints.push_back(alert.fingerprint);
    });
  }
  std::sort(fingerprints.begin(), fingerprints.end());
  std::vector<AlertView> views;
  for (size_t from = 0; from < fingerprints.size(); from += kViewsAtATime) {
    const size_t until = std::min(fingerprints.size(), from + kViewsAtATime);
    {
      const std::lock_guard lock(state_->mutex);
      const Moment at = state_->now();
      for (size_t i = from; i < until; ++i) {
        StoredAlert* const alert = state_->store.find(fingerprints[i]);
        if (alert == nullptr || state_->store.resolved(*alert, at.wall_ms)) continue;
        const model::Labels labels = alert->labels();
        if (!matches_all(filter.matchers, labels)) continue;
        AlertView view = state_->view_of(*alert, labels, at);
        if (state_->shows(filter, view) && receivers.lets_any(view.receivers)) {
          views.push_back(std::move(view));
        }
      }
    }
    for (AlertView& view : views) visit(std::move(view));
    views.clear();
  }
}

std::vector<AlertView> AlertEngine::alerts(const AlertFilter& filter) const {
  std::vector<AlertView> views;
  visit_alerts(filter, [&views](AlertView&& view) { views.push_back(std::move(view)); });
  return views;
}

void AlertEngine::visit_groups(const AlertFilter& filter,
                               const std::function<void(GroupView&&)>& visit) const {
  const ReceiverFilter receivers(filter.receiver_regex);
  struct Found {
    model::Labels labels;
    std::string receiver;
    std::shared_ptr<Group> group;
  };
  std::vector<Found> found;
  {
    const std::lock_guard lock(state_->mutex);
    state_->dispatcher.each_group([&](const std::shared_ptr<Group>& group) {
      const std::string& receiver = group->route->route->receiver;
      if (receivers.lets(receiver)) found.push_back({group->labels, receiver, group});
    });
  }
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return a.labels != b.labels ? a.labels < b.labels : a.receiver < b.receiver;
  });
  for (Found& each : found) {
    GroupView view;
    {
      const std::lock_guard lock(state_->mutex);
      if (each.group->route == nullptr) continue;  // a reload came in between
      const Moment at = state_->now();
      for (StoredAlert* const alert : each.group->alerts) {
        if (state_->store.resolved(*alert, at.wall_ms)) continue;
        const model::Labels labels = alert->labels();
        if (!matches_all(filter.matchers, labels)) continue;
        AlertView one = state_->view_of(*alert, labels, at);
        if (state_->shows(filter, one)) view.alerts.push_back(std::move(one));
      }
      view.key = each.group->key();
      view.route_id = each.group->route->route->id;
    }
    if (view.alerts.empty()) continue;
    std::sort(view.alerts.begin(), view.alerts.end(), view_before);
    view.labels = std::move(each.labels);
    view.receiver = std::move(each.receiver);
    visit(std::move(view));
  }
}

std::vector<GroupView> AlertEngine::groups(const AlertFilter& filter) const {
  std::vector<GroupView> views;
  visit_groups(filter, [&views](GroupView&& view) { views.push_back(std::move(view)); });
  return views;
}

std::vector<ReceiverView> AlertEngine::receivers() const {
  std::vector<ReceiverView> views;
  const std::lock_guard lock(state_->mutex);
  const auto& config = state_->dispatcher.config();
  if (config == nullptr) return views;
  std::vector<const Route*> open{config->route.get()};
  std::set<std::string> active;
  while (!open.empty()) {
    const Route* const route = open.back();
    open.pop_back();
    active.insert(route->receiver);
    for (const auto& child : route->routes) open.push_back(child.get());
  }
  for (const auto& [name, receiver] : config->receivers) {
    ReceiverView view;
    view.name = name;
    view.active = active.contains(name);
    for (const auto& integration : receiver.integrations) {
      ReceiverView::IntegrationView one{integration->name(), integration->send_resolved(), {}};
      const auto channel = state_->channels.find(name + "/" + one.name);
      if (channel != state_->channels.end()) one.last = channel->second.last;
      view.integrations.push_back(std::move(one));
    }
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<DeliveryView> AlertEngine::deliveries(std::string_view receiver, size_t limit) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->deliveries.find(receiver);
  if (found == state_->deliveries.end()) return {};
  const auto& kept = found->second;
  const size_t count = std::min(limit, kept.size());
  return {kept.rbegin(), kept.rbegin() + static_cast<std::ptrdiff_t>(count)};
}

std::vector<AlertView> AlertEngine::would_silence(const Matchers& matchers) const {
  AlertFilter filter;
  filter.matchers = matchers;
  return alerts(filter);
}

size_t AlertEngine::live_alerts() const {
  const std::lock_guard lock(state_->mutex);
  return state_->store.live(state_->now().wall_ms);
}

Result<std::vector<HistoryEntry>> AlertEngine::history(const Matchers& matchers, int64_t begin_ms,
                                                       int64_t end_ms, size_t limit) const {
  std::vector<uint64_t> live;
  if (!matchers.empty()) {
    const std::lock_guard lock(state_->mutex);
    state_->store.each([&](StoredAlert& alert) {
      if (matches_all(matchers, alert.labels())) live.push_back(alert.fingerprint);
    });
  }
  return state_->history.query(matchers, begin_ms, end_ms, limit, std::move(live));
}

}  // namespace gatehouse::alerts
