#include "alerts/alert_store.h"

#include <algorithm>

#include "alerts/notification.h"
#include "alerts/packed_alert.h"
#include "base/text.h"

namespace gatehouse::alerts {

namespace {

// What an alert costs beside its texts: its node in the map, a route's membership, its place
// in a group.
constexpr int64_t kOverheadBytes = sizeof(StoredAlert) + 32 + sizeof(Membership) + 16 + 32;

int64_t bytes_of(const StoredAlert& alert) {
  return kOverheadBytes + static_cast<int64_t>(alert.packed.size());
}

// types.Alert.Merge of Alertmanager: `next` is the word that came later.
void merge(StoredAlert& known, const StoredAlert& next, int64_t now_ms) {
  StoredAlert merged_times = next;
  merged_times.starts_at_ms = std::min(known.starts_at_ms, next.starts_at_ms);
  const bool known_resolved = known.ends_at_ms <= now_ms;
  if (next.ends_at_ms <= now_ms) {
    if (known_resolved && known.ends_at_ms > next.ends_at_ms) {
      merged_times.ends_at_ms = known.ends_at_ms;
    }
  } else if (known.ends_at_ms > next.ends_at_ms && !known.timeout) {
    merged_times.ends_at_ms = known.ends_at_ms;
  }
  known.starts_at_ms = merged_times.starts_at_ms;
  known.ends_at_ms = merged_times.ends_at_ms;
}

bool overlap(const StoredAlert& known, const StoredAlert& next) {
  return (next.ends_at_ms > known.starts_at_ms && next.ends_at_ms < known.ends_at_ms) ||
         (next.starts_at_ms > known.starts_at_ms && next.starts_at_ms < known.ends_at_ms);
}

// As Alertmanager's UTF-8 mode: any name but the empty one.
Status check_texts(const char* what,
                   const std::vector<std::pair<std::string, std::string>>& pairs) {
  for (const auto& [name, value] : pairs) {
    if (name.empty() || !valid_utf8(name)) {
      return invalid_argument("invalid " + std::string(what) + " set: invalid name \"" +
                              (name.empty() ? "" : "not UTF-8") + "\"");
    }
    if (!valid_utf8(value)) {
      return invalid_argument("invalid " + std::string(what) + " set: invalid value of \"" + name +
                              "\"");
    }
  }
  return {};
}

}  // namespace

model::Labels StoredAlert::labels() const { return unpack_labels(packed); }

model::Alert StoredAlert::alert() const {
  model::Alert whole;
  unpack_texts(packed, whole);
  whole.starts_at_ms = starts_at_ms;
  whole.ends_at_ms = ends_at_ms;
  whole.vanished = vanished;
  return whole;
}

AlertStore::~AlertStore() { budget_.release(bytes_); }

void AlertStore::charge(int64_t bytes) { bytes_ += bytes; }

Status AlertStore::make_room(int64_t bytes, int64_t now_ms) {
  if (static_cast<int64_t>(by_fingerprint_.size()) >= alerts_max_ &&
      collect_garbage(now_ms, 0) == 0) {
    return resource_exhausted("there are " + std::to_string(alerts_max_) +
                              " alerts already, which is the most");
  }
  if (!budget_.try_charge(bytes)) {
    return resource_exhausted("the process's memory budget is used up (memory.limit)");
  }
  charge(bytes);
  return {};
}

Result<AlertStore::Put> AlertStore::put(model::Alert alert, int64_t now_ms,
                                        int64_t resolve_timeout_ms) {
  if (alert.labels.empty()) return invalid_argument("at least one label pair required");
  RETURN_IF_ERROR(check_texts("label", alert.labels.pairs()));
  RETURN_IF_ERROR(check_texts("annotation", alert.annotations));
  StoredAlert next;
  if (alert.starts_at_ms == 0) {
    alert.starts_at_ms = alert.ends_at_ms == 0 ? now_ms : alert.ends_at_ms;
  }
  if (alert.ends_at_ms != 0 && alert.ends_at_ms < alert.starts_at_ms) {
    return invalid_argument("start time must be before end time");
  }
  // What lost its data has not ended, whoever says so.
  const bool no_end = alert.ends_at_ms == 0 || (alert.vanished && alert.ends_at_ms <= now_ms);
  next.timeout = no_end;
  next.starts_at_ms = alert.starts_at_ms;
  next.ends_at_ms = no_end ? now_ms + resolve_timeout_ms : alert.ends_at_ms;
  next.fingerprint = model::alert_fingerprint(alert.labels);
  next.vanished = alert.vanished;
  next.packed = pack_texts(alert);
  next.updated_at_ms = now_ms;

  const auto found = by_fingerprint_.find(next.fingerprint);
  const bool is_new = found == by_fingerprint_.end();
  const int64_t more = bytes_of(next) - (is_new ? int64_t{0} : bytes_of(found->second));
  if (is_new) {
    RETURN_IF_ERROR(make_room(more, now_ms));
  } else if (more > 0) {
    if (!budget_.try_charge(more)) {
      return resource_exhausted("the process's memory budget is used up (memory.limit)");
    }
    charge(more);
  } else {
    budget_.release(-more);
    charge(more);
  }
  StoredAlert& known = is_new ? by_fingerprint_[next.fingerprint] : found->second;
  const bool was_firing = !is_new && known.recorded_firing && !resolved(known, now_ms);
  const bool was_vanished = !is_new && known.vanished;
  if (is_new) {
    known.fingerprint = next.fingerprint;
    known.recorded_firing = false;
    known.starts_at_ms = next.starts_at_ms;
    known.ends_at_ms = next.ends_at_ms;
  } else if (overlap(known, next)) {
    merge(known, next, now_ms);
  } else {
    known.starts_at_ms = next.starts_at_ms;
    known.ends_at_ms = next.ends_at_ms;
  }
  known.timeout = next.timeout;
  known.packed = std::move(next.packed);
  known.updated_at_ms = now_ms;
  known.vanished = next.vanished;
  known.restored = false;
  known.explicit_end = known.ends_at_ms <= now_ms;
  ++known.revision;
  next_end_ms_ = std::min(next_end_ms_, known.ends_at_ms);

  const bool fires = known.ends_at_ms > now_ms;
  Put done{&known, Change::kRepeated};
  if (fires && known.vanished && !was_vanished) {
    done.change = Change::kVanished;
  } else if (fires && (!was_firing || (was_vanished && !known.vanished))) {
    done.change = Change::kFiring;
  } else if (!fires && (known.recorded_firing || is_new)) {
    done.change = Change::kResolved;
  }
  if (done.change == Change::kFiring || done.change == Change::kVanished) {
    if (!known.recorded_firing) known.flaps.changed(now_ms);
    known.recorded_firing = true;
  } else if (done.change == Change::kResolved) {
    if (known.recorded_firing) known.flaps.changed(now_ms);
    known.recorded_firing = false;
  }
  return done;
}

Result<StoredAlert*> AlertStore::restore(StoredAlert alert) {
  const auto found = by_fingerprint_.find(alert.fingerprint);
  if (found != by_fingerprint_.end()) {
    const int64_t before = bytes_of(found->second);
    budget_.release(before);
    charge(-before);
  }
  if (!budget_.try_charge(bytes_of(alert))) {
    if (found != by_fingerprint_.end()) by_fingerprint_.erase(found);
    return resource_exhausted("the process's memory budget is used up (memory.limit)");
  }
  charge(bytes_of(alert));
  next_end_ms_ = std::min(next_end_ms_, alert.ends_at_ms);
  StoredAlert& kept = by_fingerprint_[alert.fingerprint];
  alert.member_of = std::move(kept.member_of);
  kept = std::move(alert);
  return &kept;
}

void AlertStore::end_hold(int64_t now_ms, int64_t grace_ms) {
  holding_ = false;
  for (auto& [fingerprint, alert] : by_fingerprint_) {
    if (alert.explicit_end || !alert.recorded_firing) continue;
    if (alert.restored || alert.ends_at_ms <= now_ms) {
      alert.ends_at_ms = std::max(alert.ends_at_ms, now_ms + grace_ms);
      alert.timeout = true;
    }
    next_end_ms_ = std::min(next_end_ms_, alert.ends_at_ms);
  }
}

StoredAlert* AlertStore::find(uint64_t fingerprint) {
  const auto found = by_fingerprint_.find(fingerprint);
  return found == by_fingerprint_.end() ? nullptr : &found->second;
}

size_t AlertStore::live(int64_t now_ms) const {
  return static_cast<size_t>(
      std::count_if(by_fingerprint_.begin(), by_fingerprint_.end(),
                    [&](const auto& entry) { return !resolved(entry.second, now_ms); }));
}

void AlertStore::each(const std::function<void(StoredAlert&)>& visit) {
  for (auto& [fingerprint, alert] : by_fingerprint_) visit(alert);
}

void AlertStore::each(const std::function<void(const StoredAlert&)>& visit) const {
  for (const auto& [fingerprint, alert] : by_fingerprint_) visit(alert);
}

size_t AlertStore::collect_garbage(int64_t now_ms, int64_t keep_ms) {
  size_t removed = 0;
  for (auto at = by_fingerprint_.begin(); at != by_fingerprint_.end();) {
    const StoredAlert& alert = at->second;
    const bool in_a_group =
        std::any_of(alert.member_of.begin(), alert.member_of.end(),
                    [](const Membership& membership) { return membership.group != nullptr; });
    // What no Record says is over yet is the sweep's to record first.
    if (in_a_group || alert.recorded_firing || !resolved(alert, now_ms) ||
        alert.ends_at_ms > now_ms - keep_ms) {
      ++at;
      continue;
    }
    budget_.release(bytes_of(alert));
    charge(-bytes_of(alert));
    at = by_fingerprint_.erase(at);
    ++removed;
  }
  return removed;
}

}  // namespace gatehouse::alerts
