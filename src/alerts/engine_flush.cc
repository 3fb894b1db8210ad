// From a group that is due to a receiver that was told. After notify/notify.go of
// Alertmanager: inhibited, muted and silenced alerts are left out, each integration is told
// where the notification log says that something is new, and an attempt that fails is made
// again, ever more slowly, until the group's interval is over; the next flush begins anew.
//
// Each integration of each group has a coroutine of its own, and each integration of a
// receiver a queue of its own: what hangs delays nobody else.
#include <algorithm>

#include "alerts/engine_state.h"
#include "alerts/packed_alert.h"
#include "base/log.h"
#include "base/random.h"

namespace gatehouse::alerts {

namespace {

constexpr int64_t kMinDeadlineMs = 10'000;  // notify.MinTimeout
// Flushed under one hold of the lock.
constexpr size_t kGroupsAtATime = 64;
constexpr size_t kDeliveriesKept = 100;  // of a receiver, for those who look
// backoff.NewExponentialBackOff()
constexpr double kFirstBackoffMs = 500, kBackoffFactor = 1.5, kBackoffMsMax = 60'000;

// types.AlertSlice of Alertmanager: by job, by instance, then as LabelSet.Before has it.
int compare_label(const model::Labels& a, const model::Labels& b, std::string_view name) {
  const std::string_view x = a.get(name), y = b.get(name);
  if (x == y) return 0;
  if (x.empty() || y.empty()) return x.empty() ? 1 : -1;
  return x < y ? -1 : 1;
}

bool labels_before(const model::Labels& a, const model::Labels& b) {
  const auto& x = a.pairs();
  const auto& y = b.pairs();
  if (x.size() != y.size()) return x.size() < y.size();
  for (size_t i = 0; i < x.size(); ++i) {
    // The lesser name is missing on the other side, which makes that one the lesser.
    if (x[i].first != y[i].first) return x[i].first > y[i].first;
    if (x[i].second != y[i].second) return x[i].second < y[i].second;
  }
  return false;
}

bool told_before(const NotifiedAlert& a, const NotifiedAlert& b) {
  for (const std::string_view name : {"job", "instance"}) {
    const int order = compare_label(a.alert.labels, b.alert.labels, name);
    if (order != 0) return order < 0;
  }
  return labels_before(a.alert.labels, b.alert.labels);
}

constexpr std::string_view kVanishedNote =
    "The data that this alert was computed from is gone: it is not known whether it still holds.";

}  // namespace

void AlertEngine::State::update_silenced(StoredAlert& alert, const model::Labels& labels,
                                         Moment at) {
  const uint64_t version = silences.version();
  if (alert.silence_version == version) return;
  alert.silence_version = version;
  alert.silenced_by = silences.silencing(labels, at.wall_ms);
}

std::optional<uint64_t> AlertEngine::State::inhibited_by(const model::Labels& labels,
                                                         Moment at) const {
  if (inhibitor == nullptr) return std::nullopt;
  return inhibitor->inhibiting(labels, at.wall_ms);
}

bool AlertEngine::State::may_be_inhibited(const model::Labels& labels) const {
  const auto& rules = dispatcher.config()->inhibit_rules;
  return std::any_of(rules.begin(), rules.end(), [&labels](const InhibitRule& rule) {
    return matches_all(rule.target, labels);
  });
}

std::vector<std::string> AlertEngine::State::muted_by(const Route& route, int64_t wall_ms) const {
  std::vector<std::string> names;
  const auto& intervals = dispatcher.config()->time_intervals;
  for (const std::string& name : route.mute_time_intervals) {
    const auto found = intervals.find(name);
    if (found != intervals.end() && found->second.contains(wall_ms)) names.push_back(name);
  }
  bool active = route.active_time_intervals.empty();
  for (const std::string& name : route.active_time_intervals) {
    const auto found = intervals.find(name);
    active = active || (found != intervals.end() && found->second.contains(wall_ms));
  }
  if (!active) {
    names.insert(names.end(), route.active_time_intervals.begin(),
                 route.active_time_intervals.end());
  }
  return names;
}

// Finds what the group has to say. False: something must wait until it is known what fires.
bool AlertEngine::State::collect(Group& group, Moment at, Flush& found,
                                 std::vector<Change>& changes) {
  bool complete = true;
  const bool look = inhibitor != nullptr || silences.any_active(at.wall_ms);
  std::vector<StoredAlert*> ended;
  for (StoredAlert* const alert : group.alerts) {
    const bool over = store.resolved(*alert, at.wall_ms);
    if (over && alert->vanished) {
      ended.push_back(alert);  // nobody knows whether it is resolved, so nobody is told so
      continue;
    }
    if (over) found.resolved.emplace_back(alert->fingerprint, alert->revision);
    std::optional<uint64_t> source;
    if (look) {
      const model::Labels labels = alert->labels();
      source = inhibited_by(labels, at);
      update_silenced(*alert, labels, at);
      if (!over) note_suppression(*alert, source, at, changes);
      if (source) {
        suppressed_inhibition.add();
        continue;
      }
      if (!alert->silenced_by.empty()) {
        suppressed_silence.add();
        continue;
      }
      // Its source may fire once the rules have been evaluated.
      if (store.holding() && may_be_inhibited(labels)) {
        complete = false;
        continue;
      }
    } else if (alert->recorded_suppressed) {
      alert->silenced_by.clear();
      note_suppression(*alert, std::nullopt, at, changes);
    }
    found.bytes += static_cast<int64_t>(alert->packed.size());
    (over ? found.told.resolved : found.told.firing)
        .push_back(told_hash(alert->fingerprint, alert->vanished));
  }
  for (StoredAlert* const alert : ended) dispatcher.remove(group, *alert);
  std::sort(found.told.firing.begin(), found.told.firing.end());
  std::sort(found.told.resolved.begin(), found.told.resolved.end());
  return complete;
}

void AlertEngine::State::flush(const std::shared_ptr<Group>& group, Moment at,
                               std::vector<Delivery>& out, std::vector<Change>& changes) {
  if (group->alerts.empty()) return;
  const Route& route = *group->route->route;
  const auto config = dispatcher.config();
  const auto receiver = config->receivers.find(route.receiver);
  if (receiver == config->receivers.end()) return;  // the reader of configurations refuses it
  auto found = std::make_shared<Flush>();
  found->group = group;
  found->failed = !collect(*group, at, *found, changes);
  const auto& told = found->told;
  const bool muted = !muted_by(route, at.wall_ms).empty();
  if (muted) suppressed_time.add(static_cast<double>(told.firing.size() + told.resolved.size()));
  if (muted || (told.firing.empty() && told.resolved.empty())) return settle(*found);
  for (const auto& integration : receiver->second.integrations) {
    Delivery delivery{found, config, integration, {}, {}, 0, 0};
    delivery.channel = route.receiver + "/" + integration->name();
    delivery.group = {route.receiver, integration->name(), group->key(), group->labels};
    delivery.repeat_interval_ms = route.repeat_interval_ms;
    delivery.deadline_ms = steady_ms() + std::max(route.group_interval_ms, kMinDeadlineMs);
    if (std::find(group->busy.begin(), group->busy.end(), delivery.channel) != group->busy.end()) {
      found->failed = true;
      group->again.push_back(delivery.channel);
      continue;
    }
    const std::string key =
        NotificationLog::key(route.receiver, integration->name(), delivery.group.group_key);
    if (!needs_notification(log.find(key, at.wall_ms), told, integration->send_resolved(),
                            route.repeat_interval_ms, at.wall_ms)) {
      continue;
    }
    group->busy.push_back(delivery.channel);
    ++found->open;
    ++in_flight;
    out.push_back(std::move(delivery));
  }
  if (found->open == 0) settle(*found);
}

// What was told to be over leaves the group, unless it was heard of since.
void AlertEngine::State::settle(const Flush& flush) {
  if (flush.failed || flush.group->route == nullptr) return;
  const int64_t wall_ms = now().wall_ms;
  for (const auto& [fingerprint, revision] : flush.resolved) {
    StoredAlert* const alert = store.find(fingerprint);
    if (alert == nullptr || alert->revision != revision || !store.resolved(*alert, wall_ms)) {
      continue;
    }
    dispatcher.remove(*flush.group, *alert);
    changed = true;
  }
}

void AlertEngine::State::flush_due(Moment at) {
  std::vector<Change> changes;
  while (true) {
    std::vector<Delivery> due;
    {
      const std::lock_guard lock(mutex);
      if (stopping || dispatcher.config() == nullptr) break;
      const auto groups = dispatcher.take_due(at.steady_ms, kGroupsAtATime);
      if (groups.empty()) break;
      for (const auto& group : groups) flush(group, at, due, changes);
    }
    for (Delivery& delivery : due) detach(deliver(std::move(delivery)));
  }
  record(changes);
}

Task<bool> AlertEngine::State::enter(Channel& channel, int64_t deadline_ms) {
  while (channel.running >= Channel::kAttemptsMax) {
    Event turn(loop);
    channel.waiting.push_back(&turn);
    const Wake woke = co_await turn.wait(deadline_ms, &cancel);
    std::erase(channel.waiting, &turn);
    if (woke != Wake::kReady) co_return false;
  }
  ++channel.running;
  co_return true;
}

void AlertEngine::State::leave(Channel& channel) {
  --channel.running;
  if (channel.waiting.empty()) return;
  channel.waiting.front()->set();
  channel.waiting.pop_front();
}

std::shared_ptr<const Notification> AlertEngine::State::build(const Delivery& delivery) {
  const Flush& flush = *delivery.flush;
  auto made = std::make_shared<Notification>();
  made->receiver = delivery.group.receiver;
  made->group_key = delivery.group.group_key;
  made->group_labels = delivery.group.group_labels;
  made->external_url = options.external_url;
  const std::lock_guard lock(mutex);
  made->time_ms = now().wall_ms;
  const auto add = [&](uint64_t hash, bool over) {
    const StoredAlert* alert = store.find(hash);
    if (alert == nullptr) alert = store.find(told_hash(hash, true));
    if (alert == nullptr) return;
    NotifiedAlert told{alert->alert(), alert->fingerprint, over};
    // An end that is yet to come is nobody's business: as Alertmanager says it.
    if (!over) told.alert.ends_at_ms = 0;
    if (over && told.alert.ends_at_ms > made->time_ms) told.alert.ends_at_ms = made->time_ms;
    if (!over && alert->vanished) {
      auto& notes = told.alert.annotations;
      const std::pair<std::string, std::string> note("gatehouse_note", kVanishedNote);
      notes.insert(std::upper_bound(notes.begin(), notes.end(), note), note);
    }
    made->alerts.push_back(std::move(told));
  };
  made->alerts.reserve(flush.told.firing.size() + flush.told.resolved.size());
  for (const uint64_t hash : flush.told.firing) add(hash, false);
  if (delivery.integration->send_resolved()) {
    for (const uint64_t hash : flush.told.resolved) add(hash, true);
  }
  std::stable_sort(made->alerts.begin(), made->alerts.end(), told_before);
  return made;
}

void AlertEngine::State::log_told(const Delivery& delivery) {
  NotificationLogEntry entry;
  entry.told = delivery.flush->told;
  std::vector<Change> changes;
  {
    const std::lock_guard lock(mutex);
    entry.time_ms = now().wall_ms;
    entry.expires_at_ms =
        entry.time_ms + std::min(options.retention_ms, 2 * delivery.repeat_interval_ms);
    changes = changes_of_notification(delivery.group, entry);
    const ToldGroup& group = delivery.group;
    log.set(NotificationLog::key(group.receiver, group.integration, group.group_key),
            std::move(entry));
  }
  record(changes);
}

void AlertEngine::State::note_attempt(const Delivery& delivery, const SendOutcome& outcome,
                                      int attempt, const Notification& notification) {
  const std::lock_guard lock(mutex);
  KindMetrics& metrics = metrics_of(delivery.integration->kind());
  metrics.requests.add();
  if (!outcome.delivered) metrics.requests_failed.add();
  metrics.latency.observe(static_cast<double>(outcome.duration_ms) / 1000);
  DeliveryView view;
  view.receiver = delivery.group.receiver;
  view.integration = delivery.group.integration;
  view.group_key = delivery.group.group_key;
  view.error = outcome.error;
  if (outcome.plain_fallback && view.error.empty()) {
    view.error = "a template failed: plain text went out instead";
  }
  view.time_ms = now().wall_ms;
  view.duration_ms = outcome.duration_ms;
  view.status = outcome.status;
  view.attempt = attempt;
  view.delivered = outcome.delivered;
  for (const NotifiedAlert& each : notification.alerts) {
    ++(each.resolved ? view.alerts_resolved : view.alerts_firing);
  }
  channels[delivery.channel].last = view;
  auto& kept = deliveries[view.receiver];
  kept.push_back(std::move(view));
  if (kept.size() > kDeliveriesKept) kept.pop_front();
}

void AlertEngine::State::give_up(const Delivery& delivery, const std::string& reason) {
  log_error("a receiver was not told; the next flush of the group tries again",
            {{"receiver", delivery.group.receiver},
             {"integration", delivery.group.integration},
             {"group", delivery.group.group_key},
             {"reason", reason}});
  Change change;
  change.time_ms = now().wall_ms;
  change.severity = Severity::kError;
  change.body = "not notified " + delivery.group.receiver + " (" + delivery.group.integration +
                "): " + reason;
  change.attributes = {{"kind", std::string("notify_failed")},
                       {"source", std::string("alerts")},
                       {"receiver", delivery.group.receiver},
                       {"integration", delivery.group.integration},
                       {"group_key", delivery.group.group_key},
                       {"labels", labels_to_json(delivery.group.group_labels)},
                       {"reason", reason}};
  record({change});
}

Task<bool> AlertEngine::State::attempt_until_told(const Delivery& delivery) {
  Channel* channel = nullptr;
  {
    const std::lock_guard lock(mutex);
    channel = &channels[delivery.channel];
  }
  std::string reason = "the receiver's queue is full of what hangs";
  double backoff_ms = kFirstBackoffMs;
  std::shared_ptr<const Notification> notification;
  MemoryCharge charge(parts.budget);
  for (int attempt = 1;; ++attempt) {
    if (channel->not_before_ms > steady_ms()) {
      co_await loop.sleep_until(std::min(channel->not_before_ms, delivery.deadline_ms), &cancel);
    }
    if (cancel.fired() || steady_ms() >= delivery.deadline_ms) break;
    const bool entered = co_await enter(*channel, delivery.deadline_ms);
    if (!entered) break;
    SendOutcome outcome;
    outcome.retry = true;
    // Texts, their values for templates, and the body made of them.
    constexpr int64_t kCopies = 6;
    if (notification == nullptr && charge.grow(kCopies * delivery.flush->bytes).ok()) {
      notification = build(delivery);
    }
    if (notification == nullptr) {
      outcome.error = "the memory budget has no room for a notification of this size";
      note_attempt(delivery, outcome, attempt, Notification{});
    } else if (notification->alerts.empty()) {
      leave(*channel);
      co_return true;
    } else {
      const auto& templates = *delivery.config->templates;
      outcome = co_await sender.send(*delivery.integration, templates, *notification,
                                     delivery.deadline_ms, &cancel);
      note_attempt(delivery, outcome, attempt, *notification);
    }
    leave(*channel);
    if (outcome.delivered) co_return true;
    reason = outcome.error;
    if (!outcome.retry) break;
    if (outcome.retry_after_ms > 0) {
      channel->not_before_ms =
          std::max(channel->not_before_ms, steady_ms() + outcome.retry_after_ms);
    }
    const double jittered_ms = backoff_ms * (0.5 + thread_random().uniform());
    backoff_ms = std::min(backoff_ms * kBackoffFactor, kBackoffMsMax);
    if (steady_ms() + static_cast<int64_t>(jittered_ms) >= delivery.deadline_ms) break;
    co_await loop.sleep_for(static_cast<int64_t>(jittered_ms), &cancel);
  }
  if (!cancel.fired()) give_up(delivery, reason);
  co_return false;
}

Task<void> AlertEngine::State::deliver(Delivery delivery) {
  bool told = delivery.flush->told.firing.empty() && !delivery.integration->send_resolved();
  if (!told) {
    {
      const std::lock_guard lock(mutex);
      metrics_of(delivery.integration->kind()).notifications.add();
    }
    told = co_await attempt_until_told(delivery);
    if (!told) {
      const std::lock_guard lock(mutex);
      metrics_of(delivery.integration->kind()).failed.add();
    }
  }
  if (told) log_told(delivery);
  const std::lock_guard lock(mutex);
  Flush& flush = *delivery.flush;
  Group& group = *flush.group;
  flush.failed = flush.failed || !told;
  std::erase(group.busy, delivery.channel);
  if (--flush.open == 0) settle(flush);
  // A flush that came meanwhile found it busy: what it had to say is said now.
  if (std::erase(group.again, delivery.channel) > 0 && group.route != nullptr && !stopping) {
    dispatcher.make_due(group, now().steady_ms);
    wake_if_due();
  }
  --in_flight;
  quiet.notify_all();
}

Task<void> AlertEngine::State::test(std::shared_ptr<const AlertmanagerConfig> config,
                                    std::shared_ptr<const Integration> integration,
                                    std::string receiver, std::function<void(SendOutcome)> done) {
  const Moment at = now();
  constexpr int64_t kTestMs = 30'000;  // a person waits for it
  Notification notification;
  notification.receiver = receiver;
  notification.group_labels = model::Labels{{"alertname", "GatehouseTest"}};
  notification.group_key = "{}:" + notification.group_labels.to_string();
  notification.external_url = options.external_url;
  notification.time_ms = at.wall_ms;
  notification.test = true;
  NotifiedAlert made_up;
  made_up.alert.labels =
      model::Labels{{"alertname", "GatehouseTest"}, {"severity", "info"}, {"receiver", receiver}};
  made_up.alert.annotations = {
      {"description", "Somebody pressed the test button of this receiver. Nothing is wrong."},
      {"summary", "A test of the receiver " + receiver}};
  made_up.alert.starts_at_ms = at.wall_ms;
  made_up.fingerprint = model::alert_fingerprint(made_up.alert.labels);
  notification.alerts.push_back(std::move(made_up));
  SendOutcome outcome = co_await sender.send(*integration, *config->templates, notification,
                                             steady_ms() + kTestMs, &cancel);
  done(std::move(outcome));
  const std::lock_guard lock(mutex);
  --in_flight;
  quiet.notify_all();
}

}  // namespace gatehouse::alerts
