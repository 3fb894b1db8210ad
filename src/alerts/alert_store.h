// AlertStore: every alert that is known, once, by the fingerprint of its labels. Groups refer
// to what is here.
//
// Merged as provider/mem of Alertmanager does: a word on an alert whose time overlaps what is
// known keeps the earliest start; a word without an end stands for resolve_timeout. What is
// over stays until it was told and kKeepResolvedMs have passed, so that a late word on the
// same firing is known as such.
//
// Bounded by alerts_max and by the process's memory budget; what does not fit is refused, and
// the one who calls says so. Not safe for threads: the engine's lock is around it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "alerts/flapping.h"
#include "base/budget.h"
#include "base/result.h"
#include "model/alert.h"

namespace gatehouse::alerts {

struct Group;
struct RouteGroups;

// A route that an alert goes to, and its place in the group there; no group: it was told
// that it is over.
struct Membership {
  RouteGroups* route = nullptr;
  Group* group = nullptr;
  uint32_t index = 0;
};

struct StoredAlert {
  uint64_t fingerprint = 0;
  std::string packed;  // pack_texts()
  int64_t starts_at_ms = 0, ends_at_ms = 0, updated_at_ms = 0;
  uint32_t revision = 0;      // grows with every word on it
  bool timeout = false;       // ends_at_ms is resolve_timeout's, not the sender's
  bool explicit_end = false;  // the sender said that it is over
  bool vanished = false;
  bool restored = false;        // not heard of since the start
  bool recorded_firing = true;  // what the last Record on it says
  bool recorded_suppressed = false;
  FlapWindow flaps;
  std::vector<Membership> member_of;
  std::vector<std::string> silenced_by;  // as of silence_version
  uint64_t silence_version = 0;

  model::Labels labels() const;
  // Whole; ends_at_ms as stored.
  model::Alert alert() const;
};

class AlertStore {
 public:
  // Told once it is over: Alertmanager's alerts.gc-interval.
  static constexpr int64_t kKeepResolvedMs = 30 * 60'000;

  AlertStore(MemoryBudget& budget, int64_t alerts_max) : budget_(budget), alerts_max_(alerts_max) {}
  ~AlertStore();

  enum class Change { kFiring, kResolved, kVanished, kRepeated };
  struct Put {
    StoredAlert* alert = nullptr;
    Change change = Change::kRepeated;
  };
  // kInvalidArgument: no labels, or it ends before it begins; kResourceExhausted.
  Result<Put> put(model::Alert alert, int64_t now_ms, int64_t resolve_timeout_ms);
  // As a snapshot or a Record has it, in the place of what is known.
  Result<StoredAlert*> restore(StoredAlert alert);

  // While holding nothing is over because it was not heard of.
  void hold() { holding_ = true; }
  bool holding() const { return holding_; }
  // What ended meanwhile for want of a word stands for another `grace_ms`.
  void end_hold(int64_t now_ms, int64_t grace_ms);
  bool resolved(const StoredAlert& alert, int64_t now_ms) const {
    return alert.ends_at_ms <= now_ms && (!holding_ || alert.explicit_end);
  }

  StoredAlert* find(uint64_t fingerprint);
  size_t size() const { return by_fingerprint_.size(); }
  size_t live(int64_t now_ms) const;
  int64_t bytes() const { return bytes_; }
  void each(const std::function<void(StoredAlert&)>& visit);
  void each(const std::function<void(const StoredAlert&)>& visit) const;
  // The earliest end of what is not known to be over; for looking only when there is cause.
  int64_t next_end_ms() const { return next_end_ms_; }
  void set_next_end_ms(int64_t ms) { next_end_ms_ = ms; }
  // Removes what is over, in no group, and older than `keep_ms`. Returns how many.
  size_t collect_garbage(int64_t now_ms, int64_t keep_ms);

 private:
  Status make_room(int64_t bytes, int64_t now_ms);
  void charge(int64_t bytes);

  MemoryBudget& budget_;
  const int64_t alerts_max_;
  std::unordered_map<uint64_t, StoredAlert> by_fingerprint_;
  int64_t bytes_ = 0;
  int64_t next_end_ms_ = INT64_MAX;
  bool holding_ = false;
};

}  // namespace gatehouse::alerts
