// Limits of a key, a model or the whole gate: requests and tokens a minute, concurrent calls,
// money a day and a month; exact under any number of threads.
//
// The principle: money reserves the worst case (so it is never overspent), rate
// reserves the likely (so that it is not wasted), and both settle on what the
// call really used.
//
// - TokenBucket is GCRA (ITU-T I.371): one atomic integer, the theoretical
//   arrival time. A bucket of N a minute holds N and refills evenly.
// - Budget keeps one running total for both of its periods: `used` (spent and
//   reserved, since ever), and for day and month the total at which the period
//   began. Admission is one compare-and-swap on `used`. A new period only moves
//   its beginning up, so whoever still reads the old one is stricter, never laxer.
// - A clock that jumps back never begins a period again: periods only advance.
//   A clock that was set wrongly ahead is forgotten at restore().
//
// No function here reads a clock or allocates on the admitted path.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/principal.h"

namespace gatehouse::gateway {

inline constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// Rates count on the steady clock, days and months on the wall clock.
struct Instant {
  int64_t steady_ns = 0;
  int64_t wall_ns = 0;
};

class TokenBucket {
 public:
  // 0: no limit, everything is admitted and nothing counted. A change keeps the
  // share of the bucket that is full.
  void set_rate(int64_t per_minute) { rate_.store(per_minute, std::memory_order_relaxed); }
  int64_t rate() const { return rate_.load(std::memory_order_relaxed); }

  // Takes `count`; returns 0, or the nanoseconds until it could be taken with
  // nothing taken. kNoLimit: never, `count` is more than the bucket holds.
  // Exact to 1 ns of refill a take (6 ppm at 1,000 takes of 1 from 100,000).
  int64_t try_take(int64_t count, int64_t now_ns);
  // Gives back (delta < 0) or takes without asking (delta > 0, into debt).
  void settle(int64_t delta, int64_t now_ns);
  void give(int64_t count);  // back what was taken; needs no time

  int64_t remaining(int64_t now_ns) const;  // kNoLimit without a rate
  int64_t reset_ns(int64_t now_ns) const;   // until the bucket is full

  // Nanoseconds until full, may be in debt; what a snapshot keeps.
  int64_t level_ns(int64_t now_ns) const { return reset_ns(now_ns); }
  void restore_level(int64_t level_ns, int64_t now_ns);

 private:
  std::atomic<int64_t> rate_{0};                // a minute
  std::atomic<int64_t> arrival_ns_{INT64_MIN};  // when it is full again
};

class Concurrency {
 public:
  void set_limit(int64_t limit) { limit_.store(limit, std::memory_order_relaxed); }  // 0: none
  int64_t limit() const { return limit_.load(std::memory_order_relaxed); }
  bool try_enter();
  void leave() { active_.fetch_sub(1, std::memory_order_relaxed); }
  int64_t active() const { return active_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> limit_{0};
  std::atomic<int64_t> active_{0};
};

// Nano-dollars in the UTC day and the UTC month. What is reserved counts in
// every period until it is settled; what is spent counts in the period in which
// it is settled.
class Budget {
 public:
  enum class Refusal { kNone, kDaily, kMonthly };

  void set_limits(int64_t daily, int64_t monthly);  // 0: none
  int64_t daily_limit() const { return daily_.load(std::memory_order_relaxed); }
  int64_t monthly_limit() const { return monthly_.load(std::memory_order_relaxed); }

  // Admits where spent + reserved + amount stays within both limits. A limit of
  // which nothing is left refuses an amount of 0 too. REQUIRES: amount >= 0.
  Refusal reserve(int64_t amount, int64_t wall_ns);
  // Turns a reservation into what was really spent, also where that is more.
  void settle(int64_t reserved, int64_t actual, int64_t wall_ns);
  void release(int64_t reserved) { used_.fetch_sub(reserved, std::memory_order_acq_rel); }

  int64_t spent_today(int64_t wall_ns) const;
  int64_t spent_this_month(int64_t wall_ns) const;
  int64_t reserved() const;

  // Adds what was spent at `spent_ns` to the periods it lies in, if they are the
  // current ones; for replaying records. One caller at a time.
  void apply(int64_t amount, int64_t spent_ns);

  struct Saved {
    int64_t day = 0, month = 0;  // since 1970
    int64_t spent_today = 0, spent_this_month = 0;
  };
  Saved save() const;
  // REQUIRES: no reservation is open. Periods later than `wall_ns` become its own.
  void restore(const Saved& saved, int64_t wall_ns);

 private:
  void roll(int64_t wall_ns);

  std::atomic<int64_t> daily_{0}, monthly_{0};
  std::atomic<int64_t> used_{0};                        // spent and reserved, since ever
  std::atomic<int64_t> spent_{0};                       // since ever
  std::atomic<int64_t> day_begin_{0}, month_begin_{0};  // `spent_` when the period began
  std::atomic<int64_t> day_{INT64_MIN}, month_{INT64_MIN};
  std::atomic<int64_t> day_end_ns_{INT64_MIN};  // the next midnight: the only check of a hot call
  mutable std::mutex roll_mutex_;
};

// kGate: the one set that every call passes, named kWholeGate.
enum class LimitScope : uint8_t { kKey, kModel, kGate };
inline constexpr size_t kLimitScopes = 3;
inline constexpr std::string_view kWholeGate = "gate";
std::string_view name(LimitScope scope);  // "key", "model", "gate"

enum class LimitKind : uint8_t { kRequests, kTokens, kConcurrent, kDailyMoney, kMonthlyMoney };
// "requests_per_minute", "tokens_per_minute", "concurrent", "daily_usd", "monthly_usd"
std::string_view name(LimitKind kind);

// The limits of one key, one model or the whole gate, and their state.
class LimitSet {
 public:
  LimitSet(LimitScope scope, std::string name, const model::Limits& limits);

  LimitScope scope() const { return scope_; }
  const std::string& name() const { return name_; }
  void configure(const model::Limits& limits);  // in place; state is kept
  model::Limits limits() const;
  // True once, when it has a budget.
  bool has_new_budget();

  TokenBucket requests;
  TokenBucket tokens;
  Concurrency concurrent;
  Budget budget;

 private:
  const LimitScope scope_;
  const std::string name_;
  std::atomic<bool> budget_told_{false};
};
using LimitSetPtr = std::shared_ptr<LimitSet>;

struct LimitEstimate {
  int64_t tokens = 0;       // the likely: prompt bytes / 4 + a usual reply
  int64_t nanodollars = 0;  // the worst case: see PriceTable::upper_bound
};

struct LimitRefusal {
  LimitScope scope = LimitScope::kKey;
  LimitKind kind = LimitKind::kRequests;
  std::string limit_name;       // the key's id, the model's name, or kWholeGate
  int64_t retry_after_ms = -1;  // < 0: waiting does not help
  std::string message;          // for a person, with a next step
  bool money() const { return kind == LimitKind::kDailyMoney || kind == LimitKind::kMonthlyMoney; }
};

// Holds what was reserved from up to kSetsMax sets. Dropped unsettled, it gives
// everything back, as if the call had never been.
class Reservation {
 public:
  static constexpr size_t kSetsMax = 4;  // a key, a model, the gate; room for a team

  Reservation() = default;
  Reservation(Reservation&& other) noexcept { *this = std::move(other); }
  Reservation& operator=(Reservation&& other) noexcept;
  ~Reservation() { release(); }

  bool active() const { return count_ > 0; }
  const LimitEstimate& reserved() const { return estimate_; }
  // The call is over and used this much (0 and 0: it reached no model, but
  // counts as a request). At most once.
  void settle(int64_t tokens, int64_t nanodollars, const Instant& now);
  // Everything back, the request too.
  void release();

 private:
  friend class Admission;
  friend struct Admitting;
  std::array<LimitSetPtr, kSetsMax> sets_;
  size_t count_ = 0;
  LimitEstimate estimate_;
};

class Admission {
 public:
  bool ok() const { return !refusal_; }
  Reservation& reservation() { return reservation_; }        // REQUIRES: ok()
  const LimitRefusal& refusal() const { return *refusal_; }  // REQUIRES: !ok()

 private:
  friend struct Admitting;
  Reservation reservation_;
  std::unique_ptr<LimitRefusal> refusal_;
};

// All or nothing over the sets. Never admits too much; a call that races with
// one that is being refused by a later limit can be refused with it.
// REQUIRES: sets.size() <= Reservation::kSetsMax, no null.
Admission reserve(std::span<const LimitSetPtr> sets, const LimitEstimate& estimate,
                  const Instant& now);

// The x-ratelimit-* headers of a reply, after the tightest of the sets. A part
// without a limit is left out (limit == 0).
struct RateState {
  int64_t limit_requests = 0, remaining_requests = 0, reset_requests_ms = 0;
  int64_t limit_tokens = 0, remaining_tokens = 0, reset_tokens_ms = 0;
};
RateState rate_state(std::span<const LimitSetPtr> sets, int64_t steady_ns);
// "6m0s", "1.5s", "20ms", "0s": OpenAI's form of a duration.
void append_reset(std::string& out, int64_t ms);

// All LimitSets of the process. A caller looks its set up once (a shared_ptr
// stays good, and follows changes of the configuration) and keeps it.
class LimitRegistry {
 public:
  // The set, made on first sight; its limits become `limits` where they differ.
  LimitSetPtr get(LimitScope scope, std::string_view name, const model::Limits& limits);
  LimitSetPtr find(LimitScope scope, std::string_view name) const;  // null: none
  // Called with each set once it has a budget, from any thread. REQUIRES: before the first get().
  void on_budget(std::function<void(const LimitSetPtr&)> told) { on_budget_ = std::move(told); }
  // A key that was revoked, a model that is gone.
  void erase(LimitScope scope, std::string_view name);

  // What survives a restart, with `position`: how far the call log was applied.
  // Read the position BEFORE calling this: a call that ends in between is then
  // counted twice after a crash, and none is ever forgotten.
  std::string snapshot(const Instant& now, uint64_t position) const;
  // Returns the position. kDataLoss: damaged; nothing was restored. Sets that do
  // not exist yet are made, without limits until get() brings them.
  // REQUIRES: before the first call.
  Result<uint64_t> restore(std::string_view bytes, const Instant& now);
  // Replays one record of a call that ended at `ended_ns` (wall).
  void apply(LimitScope scope, std::string_view name, int64_t tokens, int64_t nanodollars,
             int64_t ended_ns, const Instant& now);

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Map = std::unordered_map<std::string, LimitSetPtr, Hash, std::equal_to<>>;

  Map& map(LimitScope scope) { return maps_[static_cast<size_t>(scope)]; }
  const Map& map(LimitScope scope) const { return maps_[static_cast<size_t>(scope)]; }

  std::function<void(const LimitSetPtr&)> on_budget_;
  mutable std::shared_mutex mutex_;
  std::array<Map, kLimitScopes> maps_;
};

}  // namespace gatehouse::gateway
