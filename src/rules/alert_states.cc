#include "rules/alert_states.h"

#include <algorithm>

#include "model/sample.h"

namespace gatehouse::rules {
namespace {

constexpr std::string_view kAlerts = "ALERTS";
constexpr std::string_view kAlertsForState = "ALERTS_FOR_STATE";
constexpr std::string_view kAlertStateLabel = "alertstate";

AlertChange change_of(AlertChange::Kind kind, const ActiveAlert& alert) {
  return {kind, alert.labels, alert.annotations, alert.value, alert.active_at_ms};
}

model::Labels named(const model::Labels& labels, std::string_view metric, std::string_view state) {
  std::vector<model::Labels::Pair> pairs;
  pairs.reserve(labels.pairs().size() + 2);
  pairs = labels.pairs();
  pairs.emplace_back(model::kMetricName, metric);
  if (!state.empty()) pairs.emplace_back(kAlertStateLabel, state);
  return model::Labels(std::move(pairs));
}

bool needs_sending(const ActiveAlert& alert, int64_t time_ms, int64_t resend_delay_ms) {
  if (alert.state == AlertState::kPending) return false;
  if (alert.last_sent_at_ms == INT64_MIN) return true;
  // It ended, or its data came back, since it was last said.
  if (alert.resolved_at_ms > alert.last_sent_at_ms) return true;
  return alert.last_sent_at_ms + resend_delay_ms < time_ms;
}

}  // namespace

std::string_view name(AlertState state) {
  switch (state) {
    case AlertState::kInactive: return "inactive";
    case AlertState::kPending: return "pending";
    case AlertState::kFiring: return "firing";
  }
  return "";
}

std::string_view name(AlertChange::Kind kind) {
  switch (kind) {
    case AlertChange::Kind::kPending: return "pending";
    case AlertChange::Kind::kFiring: return "firing";
    case AlertChange::Kind::kResolved: return "resolved";
    case AlertChange::Kind::kVanished: return "vanished";
    case AlertChange::Kind::kReturned: return "returned";
    case AlertChange::Kind::kWithdrawn: return "withdrawn";
  }
  return "";
}

void AlertStates::take(FoundAlert found, int64_t time_ms) {
  const auto known = alerts_.find(found.labels);
  if (known == alerts_.end() || (*known)->state == AlertState::kInactive) {
    if (known != alerts_.end()) alerts_.erase(known);
    auto alert = std::make_unique<ActiveAlert>();
    alert->labels = std::move(found.labels);
    alert->annotations = std::move(found.annotations);
    alert->sample_labels = std::move(found.sample_labels);
    alert->value = found.value;
    alert->active_at_ms = alert->held_at_ms = time_ms;
    alerts_.insert(std::move(alert));
    return;
  }
  ActiveAlert& alert = **known;
  alert.value = found.value;
  alert.annotations = std::move(found.annotations);
  alert.sample_labels = std::move(found.sample_labels);
  alert.held_at_ms = time_ms;
  alert.keep_firing_since_ms = 0;
}

bool AlertStates::advance_absent(const Rule& rule, ActiveAlert& alert, int64_t time_ms,
                                 std::vector<AlertChange>& changes,
                                 std::vector<ActiveAlert*>& ended) {
  switch (alert.state) {
    case AlertState::kPending:
      changes.push_back(change_of(AlertChange::Kind::kWithdrawn, alert));
      return false;
    case AlertState::kFiring:
      if (rule.keep_firing_for_ms > 0) {
        if (alert.keep_firing_since_ms == 0) alert.keep_firing_since_ms = time_ms;
        if (time_ms - alert.keep_firing_since_ms < rule.keep_firing_for_ms) return true;
      }
      alert.state = AlertState::kInactive;
      alert.resolved_at_ms = time_ms;
      ended.push_back(&alert);
      return true;
    case AlertState::kInactive:
      if (time_ms - alert.resolved_at_ms > kResolvedRetentionMs) return false;
      if (alert.vanished) ended.push_back(&alert);
      return true;
  }
  return true;
}

Status AlertStates::advance(const Rule& rule, std::vector<FoundAlert> found, int64_t limit,
                            int64_t time_ms, const LostData& lost_data,
                            std::vector<AlertChange>& changes) {
  for (FoundAlert& each : found) take(std::move(each), time_ms);
  int64_t active = 0;
  std::vector<ActiveAlert*> ended;  // at this moment, or vanished before it
  for (auto at = alerts_.begin(); at != alerts_.end();) {
    ActiveAlert& alert = **at;
    if (alert.held_at_ms != time_ms) {
      if (!advance_absent(rule, alert, time_ms, changes, ended)) {
        at = alerts_.erase(at);
        continue;
      }
    } else if (alert.state == AlertState::kPending) {
      if (time_ms - alert.active_at_ms >= rule.for_ms) {
        alert.state = AlertState::kFiring;
        alert.fired_at_ms = time_ms;
        changes.push_back(change_of(AlertChange::Kind::kFiring, alert));
      } else if (alert.active_at_ms == time_ms) {
        changes.push_back(change_of(AlertChange::Kind::kPending, alert));
      }
    }
    if (alert.state != AlertState::kInactive) ++active;
    ++at;
  }
  if (!ended.empty()) {
    const std::vector<const ActiveAlert*> asked(ended.begin(), ended.end());
    const std::vector<bool> lost = lost_data(asked);
    for (size_t i = 0; i < ended.size(); ++i) {
      ActiveAlert& alert = *ended[i];
      if (alert.vanished) {
        if (lost[i]) continue;
        alert.vanished = false;
        alert.resolved_at_ms = time_ms;
        changes.push_back(change_of(AlertChange::Kind::kReturned, alert));
        continue;
      }
      alert.vanished = lost[i];
      changes.push_back(
          change_of(lost[i] ? AlertChange::Kind::kVanished : AlertChange::Kind::kResolved, alert));
    }
  }
  if (limit <= 0 || active <= limit) return {};
  changes.clear();
  for (const Owned& alert : alerts_) {
    if (alert->state == AlertState::kInactive || alert->active_at_ms == time_ms) continue;
    changes.push_back(change_of(AlertChange::Kind::kWithdrawn, *alert));
  }
  alerts_.clear();
  return resource_exhausted("exceeded limit of " + std::to_string(limit) + " with " +
                            std::to_string(active) + " alerts");
}

std::vector<model::Alert> AlertStates::due(int64_t time_ms, int64_t resend_delay_ms,
                                           int64_t interval_ms, const std::string& generator_url) {
  std::vector<model::Alert> out;
  // Two evaluations or sends may fail before the receiver takes it for over.
  const int64_t valid_until_ms = time_ms + 4 * std::max(interval_ms, resend_delay_ms);
  for (const Owned& owned : alerts_) {
    ActiveAlert& alert = *owned;
    if (!needs_sending(alert, time_ms, resend_delay_ms)) continue;
    alert.last_sent_at_ms = time_ms;
    model::Alert said;
    said.labels = alert.labels;
    said.annotations = alert.annotations;
    said.starts_at_ms = alert.fired_at_ms;
    said.ends_at_ms = alert.resolved_at_ms != 0 ? alert.resolved_at_ms : valid_until_ms;
    said.generator_url = generator_url;
    said.vanished = alert.vanished;
    out.push_back(std::move(said));
  }
  return out;
}

void AlertStates::append_samples(std::vector<RuleSample>& out) const {
  for (const Owned& alert : alerts_) {
    if (alert->state == AlertState::kInactive) continue;
    out.push_back({named(alert->labels, kAlerts, name(alert->state)), 1, nullptr});
    // In whole seconds, as Prometheus writes and reads it.
    const auto since_s = static_cast<double>(alert->active_at_ms / 1000);
    out.push_back({named(alert->labels, kAlertsForState, ""), since_s, nullptr});
  }
}

void AlertStates::visit(const std::function<void(ActiveAlert&)>& visitor) {
  for (const Owned& alert : alerts_) visitor(*alert);
}

std::vector<ActiveAlert> AlertStates::all() const {
  std::vector<ActiveAlert> out;
  out.reserve(alerts_.size());
  for (const Owned& alert : alerts_) out.push_back(*alert);
  std::sort(out.begin(), out.end(),
            [](const ActiveAlert& a, const ActiveAlert& b) { return a.labels < b.labels; });
  return out;
}

AlertState AlertStates::worst() const {
  AlertState worst = AlertState::kInactive;
  for (const Owned& alert : alerts_) worst = std::max(worst, alert->state);
  return worst;
}

size_t AlertStates::active() const {
  return static_cast<size_t>(std::count_if(alerts_.begin(), alerts_.end(), [](const Owned& alert) {
    return alert->state != AlertState::kInactive;
  }));
}

}  // namespace gatehouse::rules
