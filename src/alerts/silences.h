// Silences: what is not told to anyone for a time, by whom and why. Kept in the catalog
// (kind "silence"), every version, so that a restart and a history know them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/matchers.h"
#include "base/result.h"
#include "model/catalog.h"
#include "model/clock.h"

namespace gatehouse::alerts {

// A silence that comes again: each day, or on the weekdays given, at the times of its first
// turn, until `until_ms`.
struct Recurrence {
  std::vector<int> weekdays;  // 0 (Sunday) to 6; empty: every day
  int64_t until_ms = 0;       // 0: until it is expired
  std::string location;       // a zone of the database; empty: UTC
};

struct Silence {
  std::string id;  // a UUID; empty: a new one
  Matchers matchers;
  int64_t starts_at_ms = 0, ends_at_ms = 0, updated_at_ms = 0;
  std::string created_by, comment;
  std::vector<std::pair<std::string, std::string>> annotations;
  std::optional<Recurrence> recurrence;

  enum class State { kPending, kActive, kExpired };
  // Between two turns of a recurrence it is pending.
  State state_at(int64_t now_ms) const;
  // When the state changes next without anyone's doing; INT64_MAX: never.
  int64_t next_change_ms(int64_t now_ms) const;
  // When the turn that is under way ends, or the silence itself; REQUIRES: active.
  int64_t active_until_ms(int64_t now_ms) const;
};

// What became of a silence, for those who tell of it.
enum class SilenceChange { kCreated, kChanged, kExpired };

// Any thread. Changes block on the catalog: never on a Loop's thread.
//
// What is active is worked out when something changed or a silence begins or ends, not for
// each alert that asks.
class Silences {
 public:
  Silences(model::Catalog& catalog, const model::Clock& clock);
  Status load();

  // Makes or changes one, and gives its id; a change that Alertmanager does not make in place
  // (other matchers, an expired one) expires the old and makes a new one.
  // kInvalidArgument: no matcher, all match the empty string, ends before it begins or now, a
  // turn of a recurrence that is longer than a day. kNotFound: an id that is not known.
  Result<std::string> set(Silence silence, std::string_view principal);
  // kNotFound; kInvalidArgument: it is over already.
  Status expire(std::string_view id, std::string_view principal);
  std::optional<Silence> get(std::string_view id) const;
  std::vector<Silence> list() const;
  // The active silences whose matchers match: their ids.
  std::vector<std::string> silencing(const model::Labels& labels, int64_t now_ms) const;
  // Grows with every change, for caches of silencing(): by a person, and by time.
  uint64_t version() const;
  // Whether any silence is active.
  bool any_active(int64_t now_ms) const;
  // Calls `told` after each change that a person makes, on that person's thread.
  using Told =
      std::function<void(const Silence& silence, SilenceChange change, std::string_view principal)>;
  void on_change(Told told);
  // Removes what ended `retention_ms` ago.
  Status collect_garbage(int64_t retention_ms);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace gatehouse::alerts
