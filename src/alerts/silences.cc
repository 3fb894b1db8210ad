#include "alerts/silences.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "alerts/recurrence.h"
#include "alerts/silence_text.h"
#include "base/log.h"
#include "base/random.h"

namespace gatehouse::alerts {

namespace {

constexpr std::string_view kKind = "silence";

std::string new_uuid(int64_t now_ms) {
  std::string id = time_ordered_id(now_ms);
  for (const size_t at : {size_t{8}, size_t{13}, size_t{18}, size_t{23}}) id.insert(at, 1, '-');
  return id;
}

bool same_matchers(const Matchers& a, const Matchers& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const model::Matcher& x, const model::Matcher& y) {
                      return x.op() == y.op() && x.name() == y.name() && x.value() == y.value();
                    });
}

Status check(const Silence& silence, int64_t now_ms) {
  if (silence.matchers.empty()) return invalid_argument("at least one matcher required");
  if (std::all_of(silence.matchers.begin(), silence.matchers.end(),
                  [](const model::Matcher& matcher) { return matcher.matches_empty(); })) {
    return invalid_argument("at least one matcher must not match the empty string");
  }
  if (silence.starts_at_ms >= silence.ends_at_ms) {
    return invalid_argument("start time must be before end time");
  }
  if (!silence.recurrence) {
    if (silence.ends_at_ms < now_ms) return invalid_argument("end time can't be in the past");
    return {};
  }
  if (silence.ends_at_ms - silence.starts_at_ms > kTurnMsMax) {
    return invalid_argument("a turn of a silence that comes again lasts a day at most");
  }
  for (const int day : silence.recurrence->weekdays) {
    if (day < 0 || day > 6) return invalid_argument("a weekday is 0 (Sunday) to 6");
  }
  if (!zone_offset_ms(silence.recurrence->location, now_ms)) {
    return invalid_argument("unknown time zone \"" + silence.recurrence->location + "\"");
  }
  if (!turn_at(silence, now_ms)) return invalid_argument("end time can't be in the past");
  return {};
}

// Whether Alertmanager changes `before` in its place.
bool changes_in_place(const Silence& before, const Silence& after, int64_t now_ms) {
  if (!same_matchers(before.matchers, after.matchers)) return false;
  switch (before.state_at(now_ms)) {
    case Silence::State::kActive:
      return after.starts_at_ms / 1000 == before.starts_at_ms / 1000 &&
             (after.recurrence || after.ends_at_ms >= now_ms);
    case Silence::State::kPending: return after.recurrence || after.starts_at_ms >= now_ms;
    case Silence::State::kExpired: return false;
  }
  return false;
}

void end_now(Silence& silence, int64_t now_ms) {
  if (silence.recurrence) {
    silence.recurrence->until_ms = now_ms;
    if (silence.starts_at_ms > now_ms) silence.starts_at_ms = silence.ends_at_ms = now_ms;
  } else if (silence.state_at(now_ms) == Silence::State::kPending) {
    silence.starts_at_ms = silence.ends_at_ms = now_ms;
  } else {
    // Its last moment is included, so that a clock that stands still shows it as over.
    silence.ends_at_ms = now_ms - 1;
    silence.starts_at_ms = std::min(silence.starts_at_ms, silence.ends_at_ms);
  }
  silence.updated_at_ms = now_ms;
}

int64_t over_since_ms(const Silence& silence) {
  if (!silence.recurrence) return silence.ends_at_ms;
  return silence.recurrence->until_ms != 0 ? silence.recurrence->until_ms : INT64_MAX;
}

}  // namespace

Silence::State Silence::state_at(int64_t now_ms) const {
  if (recurrence) {
    if (recurrence->until_ms != 0 && now_ms >= recurrence->until_ms) return State::kExpired;
    const auto turn = turn_at(*this, now_ms);
    if (!turn) return State::kExpired;
    return now_ms >= turn->begin_ms ? State::kActive : State::kPending;
  }
  if (now_ms < starts_at_ms) return State::kPending;
  return now_ms > ends_at_ms || ends_at_ms == starts_at_ms ? State::kExpired : State::kActive;
}

int64_t Silence::next_change_ms(int64_t now_ms) const {
  if (recurrence) {
    if (recurrence->until_ms != 0 && now_ms >= recurrence->until_ms) return INT64_MAX;
    const auto turn = turn_at(*this, now_ms);
    if (!turn) return INT64_MAX;
    return now_ms >= turn->begin_ms ? turn->end_ms : turn->begin_ms;
  }
  if (now_ms < starts_at_ms) return starts_at_ms;
  return now_ms > ends_at_ms ? INT64_MAX : ends_at_ms + 1;
}

int64_t Silence::active_until_ms(int64_t now_ms) const {
  if (!recurrence) return ends_at_ms;
  const auto turn = turn_at(*this, now_ms);
  return turn ? turn->end_ms : now_ms;
}

struct Silences::State {
  State(model::Catalog& a_catalog, const model::Clock& a_clock)
      : catalog(a_catalog), clock(a_clock) {}

  int64_t now_ms() const { return clock.wall_ns() / 1'000'000; }

  // REQUIRES mutex: works out anew what is active, where that may differ.
  void refresh(int64_t now) {
    if (!stale && now < next_change_ms && now >= refreshed_at_ms) return;
    stale = false;
    refreshed_at_ms = now;
    next_change_ms = INT64_MAX;
    std::vector<const Silence*> next;
    for (const auto& [id, silence] : by_id) {
      next_change_ms = std::min(next_change_ms, silence.next_change_ms(now));
      if (silence.state_at(now) == Silence::State::kActive) next.push_back(&silence);
    }
    active = std::move(next);
    ++version;
  }

  // REQUIRES mutex.
  Status store(Silence silence, std::string_view principal) {
    const auto put = catalog.put(kKind, silence.id, silence_to_json(silence),
                                 model::Catalog::kAnyVersion, principal);
    if (!put.ok()) return put.status().with_context("the silence was not stored");
    stale = true;
    by_id.insert_or_assign(silence.id, std::move(silence));
    return {};
  }

  model::Catalog& catalog;
  const model::Clock& clock;
  std::mutex mutex;
  std::map<std::string, Silence, std::less<>> by_id;
  std::vector<const Silence*> active;  // as of the last refresh
  bool stale = true;
  int64_t next_change_ms = 0, refreshed_at_ms = 0;
  uint64_t version = 0;
  Told told;
};

Silences::Silences(model::Catalog& catalog, const model::Clock& clock)
    : state_(std::make_shared<State>(catalog, clock)) {}

Status Silences::load() {
  ASSIGN_OR_RETURN(const auto stored, state_->catalog.list(kKind));
  const std::lock_guard lock(state_->mutex);
  state_->by_id.clear();
  state_->stale = true;
  for (const model::Object& object : stored) {
    auto silence = silence_from_json(object.id, object.body);
    if (!silence.ok()) {
      log_error("a stored silence cannot be read and is not in force",
                {{"silence", object.id}, {"reason", silence.status().message()}});
      continue;
    }
    state_->by_id.emplace(object.id, std::move(*silence));
  }
  return {};
}

void Silences::on_change(Told told) {
  const std::lock_guard lock(state_->mutex);
  state_->told = std::move(told);
}

Result<std::string> Silences::set(Silence silence, std::string_view principal) {
  std::vector<std::pair<Silence, SilenceChange>> changes;
  Told told;
  std::string id;
  {
    const std::lock_guard lock(state_->mutex);
    told = state_->told;
    const int64_t now = state_->now_ms();
    RETURN_IF_ERROR(check(silence, now));
    silence.updated_at_ms = now;
    SilenceChange change = SilenceChange::kCreated;
    std::optional<Silence> replaced;
    if (!silence.id.empty()) {
      const auto found = state_->by_id.find(silence.id);
      if (found == state_->by_id.end()) return not_found("silence not found");
      if (changes_in_place(found->second, silence, now)) {
        change = SilenceChange::kChanged;
      } else if (found->second.state_at(now) != Silence::State::kExpired) {
        replaced = found->second;
      }
    }
    if (change == SilenceChange::kCreated) {
      silence.id = new_uuid(now);
      if (!silence.recurrence) silence.starts_at_ms = std::max(silence.starts_at_ms, now);
    }
    id = silence.id;
    RETURN_IF_ERROR(state_->store(silence, principal));
    changes.emplace_back(std::move(silence), change);
    // The new one first: in between both hold, never neither.
    if (replaced) {
      end_now(*replaced, now);
      RETURN_IF_ERROR(state_->store(*replaced, principal));
      changes.emplace_back(std::move(*replaced), SilenceChange::kExpired);
    }
  }
  if (told) {
    for (const auto& [each, change] : changes) told(each, change, principal);
  }
  return id;
}

Status Silences::expire(std::string_view id, std::string_view principal) {
  Told told;
  Silence silence;
  {
    const std::lock_guard lock(state_->mutex);
    told = state_->told;
    const auto found = state_->by_id.find(id);
    if (found == state_->by_id.end()) return not_found("silence not found");
    const int64_t now = state_->now_ms();
    silence = found->second;
    if (silence.state_at(now) == Silence::State::kExpired) {
      return invalid_argument("silence " + std::string(id) + " already expired");
    }
    end_now(silence, now);
    RETURN_IF_ERROR(state_->store(silence, principal));
  }
  if (told) told(silence, SilenceChange::kExpired, principal);
  return {};
}

std::optional<Silence> Silences::get(std::string_view id) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->by_id.find(id);
  if (found == state_->by_id.end()) return std::nullopt;
  return found->second;
}

std::vector<Silence> Silences::list() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<Silence> all;
  all.reserve(state_->by_id.size());
  for (const auto& [id, silence] : state_->by_id) all.push_back(silence);
  return all;
}

std::vector<std::string> Silences::silencing(const model::Labels& labels, int64_t now_ms) const {
  const std::lock_guard lock(state_->mutex);
  state_->refresh(now_ms);
  std::vector<std::string> ids;
  for (const Silence* silence : state_->active) {
    if (matches_all(silence->matchers, labels)) ids.push_back(silence->id);
  }
  return ids;
}

uint64_t Silences::version() const {
  const std::lock_guard lock(state_->mutex);
  state_->refresh(state_->now_ms());
  return state_->version;
}

bool Silences::any_active(int64_t now_ms) const {
  const std::lock_guard lock(state_->mutex);
  state_->refresh(now_ms);
  return !state_->active.empty();
}

Status Silences::collect_garbage(int64_t retention_ms) {
  std::vector<std::string> old;
  {
    const std::lock_guard lock(state_->mutex);
    const int64_t now = state_->now_ms();
    for (const auto& [id, silence] : state_->by_id) {
      if (silence.state_at(now) == Silence::State::kExpired &&
          over_since_ms(silence) < now - retention_ms) {
        old.push_back(id);
      }
    }
  }
  for (const std::string& id : old) {
    const Status removed = state_->catalog.remove(kKind, id, {});
    if (!removed.ok() && removed.code() != Code::kNotFound) return removed;
    const std::lock_guard lock(state_->mutex);
    state_->by_id.erase(id);
    state_->stale = true;
  }
  return {};
}

}  // namespace gatehouse::alerts
