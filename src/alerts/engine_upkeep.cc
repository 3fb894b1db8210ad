// What time brings, and what must survive the end of the process: ends that nobody said,
// silences that begin and end, the snapshot, and how all of it is found again at a start.
//
// The snapshot and the Records after it are the state: a Record is appended when an alert's
// state changes, before its sender has an answer; what the snapshot adds is how long each
// alert stands (repeated words are no Records).
#include <algorithm>

#include "alerts/engine_state.h"
#include "alerts/notification.h"
#include "alerts/packed_alert.h"
#include "base/log.h"

namespace gatehouse::alerts {

namespace {

constexpr std::string_view kSnapshot = "alerts";
constexpr uint64_t kSnapshotVersion = 1;
constexpr int64_t kSaveEveryMs = 5'000;
// A large snapshot is written less often, so that the disk has a megabyte a second of it.
constexpr int64_t kSaveMsPerMiB = 1'000;
// A position that is older makes the next start read through every record since.
constexpr int64_t kSaveAnywayMs = 60'000;
// How long a start waits for rules to be evaluated: five rounds of the usual interval. A group
// of a longer interval must not hold up the rest.
constexpr int64_t kHoldMsMax = 300'000;
constexpr int64_t kCollectEveryMs = 30'000;         // Alertmanager's for groups
constexpr int64_t kSweepEveryMs = 30'000;           // of inhibition, for the history
constexpr int64_t kSilenceCollectMs = 15 * 60'000;  // Alertmanager's maintenance interval
// Records are looked for from so long before the snapshot, should the clock have been set back.
constexpr int64_t kClockStepMs = 3'600'000;
// Before the end of a silence its maker is reminded, but not of one that is shorter than that.
constexpr int64_t kWarnBeforeMs = 15 * 60'000;

void put_signed(std::string& out, int64_t value) { put_varint(out, static_cast<uint64_t>(value)); }
bool take_signed(std::string_view& bytes, int64_t& value) {
  uint64_t read = 0;
  if (!take_varint(bytes, read)) return false;
  value = static_cast<int64_t>(read);
  return true;
}

void put_hashes(std::string& out, const std::vector<uint64_t>& hashes) {
  put_varint(out, hashes.size());
  for (const uint64_t hash : hashes) {
    for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(hash >> shift);
  }
}
bool take_hashes(std::string_view& bytes, std::vector<uint64_t>& hashes) {
  uint64_t count = 0;
  if (!take_varint(bytes, count) || count > bytes.size() / 8) return false;
  hashes.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t hash = 0;
    for (unsigned byte = 0; byte < 8; ++byte) {
      hash |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[byte])) << (byte * 8);
    }
    bytes.remove_prefix(8);
    hashes.push_back(hash);
  }
  return true;
}

// Of an alert in a snapshot.
constexpr uint64_t kTimeout = 1, kExplicitEnd = 2, kVanished = 4, kFiring = 8, kSuppressed = 16;

void put_alert(std::string& out, const StoredAlert& alert) {
  put_text(out, alert.packed);
  put_signed(out, alert.starts_at_ms);
  put_signed(out, alert.ends_at_ms);
  put_signed(out, alert.updated_at_ms);
  put_varint(out, (alert.timeout ? kTimeout : 0U) | (alert.explicit_end ? kExplicitEnd : 0U) |
                      (alert.vanished ? kVanished : 0U) | (alert.recorded_firing ? kFiring : 0U) |
                      (alert.recorded_suppressed ? kSuppressed : 0U));
}

bool take_alert(std::string_view& bytes, StoredAlert& alert) {
  std::string_view packed;
  uint64_t flags = 0;
  if (!take_text(bytes, packed) || !take_signed(bytes, alert.starts_at_ms) ||
      !take_signed(bytes, alert.ends_at_ms) || !take_signed(bytes, alert.updated_at_ms) ||
      !take_varint(bytes, flags)) {
    return false;
  }
  alert.packed = packed;
  alert.fingerprint = model::alert_fingerprint(alert.labels());
  alert.timeout = (flags & kTimeout) != 0;
  alert.explicit_end = (flags & kExplicitEnd) != 0;
  alert.vanished = (flags & kVanished) != 0;
  alert.recorded_firing = (flags & kFiring) != 0;
  alert.recorded_suppressed = (flags & kSuppressed) != 0;
  alert.restored = true;
  return true;
}

}  // namespace

std::string AlertEngine::State::make_snapshot() {
  std::string out;
  out.reserve(static_cast<size_t>(store.bytes()) / 2);
  put_varint(out, kSnapshotVersion);
  put_varint(out, recorded_through);
  put_signed(out, now().wall_ms);
  put_varint(out, store.size());
  store.each([&out](const StoredAlert& alert) { put_alert(out, alert); });
  put_varint(out, log.size());
  log.each([&out](const std::string& key, const NotificationLogEntry& entry) {
    put_text(out, key);
    put_signed(out, entry.time_ms);
    put_signed(out, entry.expires_at_ms);
    put_hashes(out, entry.told.firing);
    put_hashes(out, entry.told.resolved);
  });
  return out;
}

Status AlertEngine::State::read_snapshot(std::string_view bytes, model::Position& position,
                                         int64_t& saved_at_ms) {
  const Status damaged = data_loss("the snapshot of alerts is damaged");
  uint64_t version = 0, count = 0;
  if (!take_varint(bytes, version)) return damaged;
  if (version != kSnapshotVersion) return data_loss("the snapshot of alerts has a newer form");
  if (!take_varint(bytes, position) || !take_signed(bytes, saved_at_ms) ||
      !take_varint(bytes, count)) {
    return damaged;
  }
  for (uint64_t i = 0; i < count; ++i) {
    StoredAlert alert;
    if (!take_alert(bytes, alert)) return damaged;
    ASSIGN_OR_RETURN(const StoredAlert* kept, store.restore(std::move(alert)));
    (void)kept;
  }
  if (!take_varint(bytes, count)) return damaged;
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view key;
    NotificationLogEntry entry;
    if (!take_text(bytes, key) || !take_signed(bytes, entry.time_ms) ||
        !take_signed(bytes, entry.expires_at_ms) || !take_hashes(bytes, entry.told.firing) ||
        !take_hashes(bytes, entry.told.resolved)) {
      return damaged;
    }
    log.set(std::string(key), std::move(entry));
  }
  return {};
}

Status AlertEngine::State::restore() {
  const Moment at = now();
  model::Position position = 0;
  int64_t saved_at_ms = 0;
  const auto snapshot = parts.catalog.get_snapshot(kSnapshot);
  if (snapshot.ok()) {
    if (const Status read = read_snapshot(*snapshot, position, saved_at_ms); !read.ok()) {
      // The Records know all of it but how long each alert stands.
      log_error("alerts are read back from their records", {{"reason", read.message()}});
      position = 0;
      saved_at_ms = 0;
    }
  } else if (snapshot.status().code() != Code::kNotFound) {
    return snapshot.status().with_context("snapshot of alerts");
  }
  recorded_through = position;
  NotificationLogEntry entry;
  const auto take_back = [&](const model::Record& record, model::Position each) {
    if (each <= position) return;
    recorded_through = std::max(recorded_through, each);
    std::string key;
    if (notification_from(record, key, entry)) {
      log.set(key, entry);
      return;
    }
    const std::string_view kind = record.text("kind");
    if (kind == "firing" || kind == "vanished") {
      StoredAlert alert;
      if (!alert_from(record, alert)) return;
      const StoredAlert* const known = store.find(alert.fingerprint);
      if (known != nullptr && known->updated_at_ms > alert.updated_at_ms) return;
      alert.restored = true;
      if (const auto kept = store.restore(std::move(alert)); !kept.ok()) {
        refused.add();
        log_error("an alert was not restored", {{"reason", kept.status().message()}});
      }
    } else if (kind == "resolved" || kind == "ended") {
      StoredAlert over;
      if (!alert_from(record, over)) return;
      StoredAlert* const known = store.find(over.fingerprint);
      if (known == nullptr || known->updated_at_ms > over.updated_at_ms) return;
      known->ends_at_ms = over.ends_at_ms;
      known->explicit_end = true;
      known->recorded_firing = false;
    }
  };
  const int64_t since_ms =
      saved_at_ms != 0 ? saved_at_ms - kClockStepMs : at.wall_ms - options.retention_ms;
  RETURN_IF_ERROR(history.replay(since_ms, take_back).with_context("notification log"));
  log.collect_garbage(at.wall_ms);
  // Until it is known what fires, nothing ends for want of a word.
  store.hold();
  hold_until_ms = at.steady_ms + kHoldMsMax;
  if (store.size() > 0) {
    log_info("alerts were read back", {{"alerts", static_cast<int64_t>(store.size())},
                                       {"notified_groups", static_cast<int64_t>(log.size())}});
  }
  return {};
}

void AlertEngine::State::save() {
  const std::lock_guard one(save_mutex);
  std::string bytes;
  {
    const std::lock_guard lock(mutex);
    changed = false;
    bytes = make_snapshot();
  }
  if (const Status saved = parts.catalog.put_snapshot(kSnapshot, bytes); !saved.ok()) {
    log_error("alerts were not saved", {{"reason", saved.message()}});
    const std::lock_guard lock(mutex);
    changed = true;
  }
}

void AlertEngine::State::rebuild_inhibitor() {
  inhibitor.reset();
  const auto& rules = dispatcher.config()->inhibit_rules;
  if (rules.empty()) return;
  inhibitor = std::make_unique<Inhibitor>(rules);
  store.each([this](StoredAlert& alert) { sync_inhibitor(alert, alert.labels()); });
}

void AlertEngine::State::sync_inhibitor(const StoredAlert& alert, const model::Labels& labels) {
  if (inhibitor == nullptr) return;
  if (store.resolved(alert, now().wall_ms)) {
    inhibitor->remove(labels, alert.fingerprint);
  } else {
    const bool held = store.holding() && !alert.explicit_end;
    inhibitor->set(labels, alert.fingerprint, held ? 0 : alert.ends_at_ms);
  }
}

void AlertEngine::State::note_suppression(StoredAlert& alert, std::optional<uint64_t> source,
                                          Moment at, std::vector<Change>& changes) {
  const bool suppressed = source || !alert.silenced_by.empty();
  if (suppressed == alert.recorded_suppressed) return;
  alert.recorded_suppressed = suppressed;
  Change change = change_of_alert(suppressed ? "suppressed" : "unsuppressed", alert, at.wall_ms);
  if (source) change.attributes.emplace_back("by", "alert " + fingerprint_text(*source));
  if (!alert.silenced_by.empty()) {
    const std::string& id = alert.silenced_by.front();
    change.attributes.emplace_back("silence", id);
    if (!source) change.attributes.emplace_back("by", "silence " + id);
    if (const auto silence = silences.get(id)) {
      change.attributes.emplace_back("person", silence->created_by);
    }
  }
  changes.push_back(std::move(change));
}

void AlertEngine::State::end_hold_if_known(Moment at) {
  if (!store.holding() || dispatcher.config() == nullptr) return;
  const bool known = !parts.rules_ready || parts.rules_ready();
  if (!known && at.steady_ms < hold_until_ms) return;
  if (!known) {
    log_warning("not every rule group has been evaluated yet; alerts resolve again all the same",
                {{"waited_seconds", kHoldMsMax / 1000}});
  }
  // Who sends from elsewhere has as long again to say what still fires.
  store.end_hold(at.wall_ms, dispatcher.config()->resolve_timeout_ms);
  rebuild_inhibitor();
}

void AlertEngine::State::sweep_ended(Moment at, std::vector<Change>& changes) {
  const std::lock_guard lock(mutex);
  if (store.next_end_ms() > at.wall_ms || store.holding()) return;
  int64_t next_ms = INT64_MAX;
  store.each([&](StoredAlert& alert) {
    if (!alert.recorded_firing) return;
    if (!store.resolved(alert, at.wall_ms)) {
      next_ms = std::min(next_ms, alert.ends_at_ms);
      return;
    }
    alert.recorded_firing = false;
    alert.recorded_suppressed = false;
    alert.flaps.changed(at.wall_ms);
    changed = true;
    if (inhibitor != nullptr) inhibitor->remove(alert.labels(), alert.fingerprint);
    changes.push_back(change_of_alert(alert.vanished ? "ended" : "resolved", alert, at.wall_ms));
  });
  store.set_next_end_ms(next_ms);
}

// For the history: who is hidden is found when it comes to be, not only when a group is due.
void AlertEngine::State::sweep_suppressed(Moment at, std::vector<Change>& changes) {
  const uint64_t version = silences.version();
  const bool silences_changed = version != swept_silence_version;
  const std::lock_guard lock(mutex);
  const bool inhibition_due = inhibitor != nullptr && at.steady_ms >= next_sweep_ms;
  if (dispatcher.config() == nullptr || (!silences_changed && !inhibition_due)) return;
  swept_silence_version = version;
  next_sweep_ms = at.steady_ms + kSweepEveryMs;
  const bool look = inhibitor != nullptr || silences.any_active(at.wall_ms);
  store.each([&](StoredAlert& alert) {
    if (store.resolved(alert, at.wall_ms) || (!look && !alert.recorded_suppressed)) return;
    const model::Labels labels = alert.labels();
    update_silenced(alert, labels, at);
    note_suppression(alert, inhibited_by(labels, at), at, changes);
  });
}

void AlertEngine::State::warn_of_ends(Moment at, std::vector<Change>& changes) {
  for (const Silence& silence : silences.list()) {
    const Silence::State state = silence.state_at(at.wall_ms);
    const auto [was, is_new] = silence_states.emplace(silence.id, state);
    if (!is_new && was->second != state) {
      // One that a person ended is told of by silence_changed().
      if (state == Silence::State::kExpired && silence.updated_at_ms < at.wall_ms - 5'000) {
        changes.push_back(change_of_silence("silence_expired", silence, {}, at.wall_ms));
      }
      was->second = state;
    }
    if (state != Silence::State::kActive) {
      warned.erase(silence.id);
      continue;
    }
    const int64_t left_ms = silence.active_until_ms(at.wall_ms) - at.wall_ms;
    const int64_t length_ms = silence.ends_at_ms - silence.starts_at_ms;
    if (left_ms > kWarnBeforeMs || length_ms < 2 * kWarnBeforeMs) continue;
    if (!warned.insert(silence.id).second) continue;
    log_warning("a silence ends soon", {{"silence", silence.id},
                                        {"created_by", silence.created_by},
                                        {"seconds_left", left_ms / 1000}});
    changes.push_back(change_of_silence("silence_ending", silence, {}, at.wall_ms));
  }
}

void AlertEngine::State::silence_changed(const Silence& silence, SilenceChange change,
                                         std::string_view person) {
  const std::string_view kind = change == SilenceChange::kCreated   ? "silence_created"
                                : change == SilenceChange::kChanged ? "silence_changed"
                                                                    : "silence_expired";
  record({change_of_silence(kind, silence, person, now().wall_ms)});
}

void AlertEngine::State::upkeep(Moment at) {
  std::vector<Change> changes;
  {
    const std::lock_guard lock(mutex);
    end_hold_if_known(at);
  }
  sweep_ended(at, changes);
  sweep_suppressed(at, changes);
  if (at.steady_ms >= next_collect_ms) {
    next_collect_ms = at.steady_ms + kCollectEveryMs;
    warn_of_ends(at, changes);
    const std::lock_guard lock(mutex);
    dispatcher.collect_empty();
    if (store.collect_garbage(at.wall_ms, AlertStore::kKeepResolvedMs) > 0) changed = true;
    log.collect_garbage(at.wall_ms);
    changes.insert(changes.end(), std::make_move_iterator(unrecorded.begin()),
                   std::make_move_iterator(unrecorded.end()));
    unrecorded.clear();
  }
  record(changes);
  if (at.steady_ms >= next_silence_collect_ms) {
    next_silence_collect_ms = at.steady_ms + kSilenceCollectMs;
    pool.submit([this] {
      const Status collected = silences.collect_garbage(options.retention_ms);
      if (!collected.ok()) {
        log_error("old silences were not removed", {{"reason", collected.message()}});
      }
    });
  }
  bool due = false;
  int64_t bytes = 0;
  {
    const std::lock_guard lock(mutex);
    bytes = store.bytes();
    due = at.steady_ms >= next_save_ms && (changed || at.steady_ms >= next_save_ms + kSaveAnywayMs);
  }
  if (!due || saving.exchange(true)) return;
  next_save_ms = at.steady_ms + kSaveEveryMs + (bytes >> 20) * kSaveMsPerMiB;
  pool.submit([this] {
    save();
    saving = false;
  });
}

}  // namespace gatehouse::alerts
