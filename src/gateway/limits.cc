#include "gateway/limits.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstdio>
#include <utility>

#include "base/bytes.h"

namespace gatehouse::gateway {

namespace {

constexpr int64_t kMinuteNs = 60'000'000'000;  // what a bucket holds, in time
constexpr int64_t kDayNs = 86'400 * int64_t{1'000'000'000};

__extension__ using Wide = __int128;

// a × b / c, rounded down; saturates.
int64_t scale(int64_t a, int64_t b, int64_t c) {
  int64_t product;
  if (!__builtin_mul_overflow(a, b, &product)) return product / c;
  const Wide wide = Wide{a} * b / c;
  return wide > kNoLimit ? kNoLimit : static_cast<int64_t>(wide);
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

int64_t day_of(int64_t wall_ns) { return floor_div(wall_ns, kDayNs); }

// Months since 1970-01 of a day since 1970-01-01.
int64_t month_of_day(int64_t day) {
  const std::chrono::year_month_day date{
      std::chrono::sys_days{std::chrono::days{static_cast<int>(day)}}};
  return (int64_t{int{date.year()}} - 1970) * 12 + int64_t{unsigned{date.month()}} - 1;
}

int64_t month_begin_ns(int64_t month) {
  const auto year = std::chrono::year{static_cast<int>(1970 + floor_div(month, 12))};
  const auto in_year = static_cast<unsigned>(month - floor_div(month, 12) * 12 + 1);
  const std::chrono::sys_days first{year / std::chrono::month{in_year} / std::chrono::day{1}};
  return int64_t{first.time_since_epoch().count()} * kDayNs;
}

}  // namespace

// ---- TokenBucket

int64_t TokenBucket::try_take(int64_t count, int64_t now_ns) {
  const int64_t per_minute = rate();
  if (per_minute <= 0) return 0;
  const int64_t cost_ns = scale(count, kMinuteNs, per_minute);
  if (cost_ns > kMinuteNs) return kNoLimit;
  int64_t arrival = arrival_ns_.load(std::memory_order_relaxed);
  for (;;) {
    const int64_t next = std::max(arrival, now_ns) + cost_ns;
    const int64_t wait_ns = next - now_ns - kMinuteNs;
    if (wait_ns > 0) return wait_ns;
    if (arrival_ns_.compare_exchange_weak(arrival, next, std::memory_order_relaxed)) return 0;
  }
}

void TokenBucket::settle(int64_t delta, int64_t now_ns) {
  if (delta <= 0) {
    give(-delta);
    return;
  }
  const int64_t per_minute = rate();
  if (per_minute <= 0) return;
  // A day of debt is the most that one lying usage can cause.
  const int64_t cost_ns = std::min(scale(delta, kMinuteNs, per_minute), kDayNs);
  int64_t arrival = arrival_ns_.load(std::memory_order_relaxed);
  while (!arrival_ns_.compare_exchange_weak(arrival, std::max(arrival, now_ns) + cost_ns,
                                            std::memory_order_relaxed)) {
  }
}

void TokenBucket::give(int64_t count) {
  const int64_t per_minute = rate();
  if (per_minute <= 0 || count <= 0) return;
  const int64_t cost_ns = scale(count, kMinuteNs, per_minute);
  int64_t arrival = arrival_ns_.load(std::memory_order_relaxed);
  int64_t next;
  do {
    if (__builtin_sub_overflow(arrival, cost_ns, &next)) next = INT64_MIN;
  } while (!arrival_ns_.compare_exchange_weak(arrival, next, std::memory_order_relaxed));
}

int64_t TokenBucket::remaining(int64_t now_ns) const {
  const int64_t per_minute = rate();
  if (per_minute <= 0) return kNoLimit;
  return scale(std::max<int64_t>(0, kMinuteNs - reset_ns(now_ns)), per_minute, kMinuteNs);
}

int64_t TokenBucket::reset_ns(int64_t now_ns) const {
  const int64_t arrival = arrival_ns_.load(std::memory_order_relaxed);
  return arrival <= now_ns ? 0 : arrival - now_ns;
}

void TokenBucket::restore_level(int64_t level_ns, int64_t now_ns) {
  arrival_ns_.store(level_ns <= 0 ? INT64_MIN : now_ns + level_ns, std::memory_order_relaxed);
}

// ---- Concurrency

bool Concurrency::try_enter() {
  const int64_t most = limit();
  if (most <= 0) {
    active_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  int64_t active = active_.load(std::memory_order_relaxed);
  do {
    if (active >= most) return false;
  } while (!active_.compare_exchange_weak(active, active + 1, std::memory_order_relaxed));
  return true;
}

// ---- Budget

void Budget::set_limits(int64_t daily, int64_t monthly) {
  daily_.store(daily, std::memory_order_relaxed);
  monthly_.store(monthly, std::memory_order_relaxed);
}

void Budget::roll(int64_t wall_ns) {
  if (wall_ns < day_end_ns_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(roll_mutex_);
  const int64_t day = day_of(wall_ns);
  if (day <= day_.load(std::memory_order_relaxed)) return;
  const int64_t spent = spent_.load(std::memory_order_acquire);
  day_begin_.store(spent, std::memory_order_release);
  day_.store(day, std::memory_order_release);
  if (const int64_t month = month_of_day(day); month > month_.load(std::memory_order_relaxed)) {
    month_begin_.store(spent, std::memory_order_release);
    month_.store(month, std::memory_order_release);
  }
  day_end_ns_.store((day + 1) * kDayNs, std::memory_order_release);
}

Budget::Refusal Budget::reserve(int64_t amount, int64_t wall_ns) {
  assert(amount >= 0);
  roll(wall_ns);
  const int64_t daily = daily_limit();
  const int64_t monthly = monthly_limit();
  int64_t used = used_.load(std::memory_order_acquire);
  do {
    if (daily > 0) {
      const int64_t left = daily - (used - day_begin_.load(std::memory_order_acquire));
      if (left <= 0 || amount > left) return Refusal::kDaily;
    }
    if (monthly > 0) {
      const int64_t left = monthly - (used - month_begin_.load(std::memory_order_acquire));
      if (left <= 0 || amount > left) return Refusal::kMonthly;
    }
  } while (!used_.compare_exchange_weak(used, used + amount, std::memory_order_acq_rel));
  return Refusal::kNone;
}

// `used` first: a period that begins between the two then counts `actual` as its
// own, which is stricter; the other order could lose it.
void Budget::settle(int64_t reserved, int64_t actual, int64_t wall_ns) {
  roll(wall_ns);
  used_.fetch_add(actual - reserved, std::memory_order_acq_rel);
  spent_.fetch_add(actual, std::memory_order_acq_rel);
}

int64_t Budget::spent_today(int64_t wall_ns) const {
  if (day_of(wall_ns) > day_.load(std::memory_order_acquire)) return 0;
  return spent_.load(std::memory_order_acquire) - day_begin_.load(std::memory_order_acquire);
}

int64_t Budget::spent_this_month(int64_t wall_ns) const {
  if (month_of_day(day_of(wall_ns)) > month_.load(std::memory_order_acquire)) return 0;
  return spent_.load(std::memory_order_acquire) - month_begin_.load(std::memory_order_acquire);
}

int64_t Budget::reserved() const {
  const int64_t spent = spent_.load(std::memory_order_acquire);
  return std::max<int64_t>(0, used_.load(std::memory_order_acquire) - spent);
}

void Budget::apply(int64_t amount, int64_t spent_ns) {
  roll(spent_ns);
  const std::lock_guard lock(roll_mutex_);
  const int64_t day = day_of(spent_ns);
  if (day < day_.load(std::memory_order_relaxed)) day_begin_.fetch_add(amount);
  if (month_of_day(day) < month_.load(std::memory_order_relaxed)) month_begin_.fetch_add(amount);
  used_.fetch_add(amount, std::memory_order_acq_rel);
  spent_.fetch_add(amount, std::memory_order_acq_rel);
}

Budget::Saved Budget::save() const {
  const std::lock_guard lock(roll_mutex_);
  const int64_t spent = spent_.load(std::memory_order_acquire);
  return {day_.load(), month_.load(), spent - day_begin_.load(), spent - month_begin_.load()};
}

void Budget::restore(const Saved& saved, int64_t wall_ns) {
  const std::lock_guard lock(roll_mutex_);
  const int64_t today = day_of(wall_ns);
  const int64_t day = std::min(saved.day, today);
  const int64_t spent = std::max(saved.spent_today, saved.spent_this_month);
  used_.store(spent);
  spent_.store(spent);
  day_begin_.store(spent - saved.spent_today);
  month_begin_.store(spent - saved.spent_this_month);
  day_.store(day);
  month_.store(std::min(saved.month, month_of_day(today)));
  day_end_ns_.store(day == INT64_MIN ? INT64_MIN : (day + 1) * kDayNs);
}

// ---- LimitSet

std::string_view name(LimitScope scope) {
  switch (scope) {
    case LimitScope::kKey: return "key";
    case LimitScope::kModel: return "model";
    case LimitScope::kGate: return "gate";
  }
  return "";
}

std::string_view name(LimitKind kind) {
  switch (kind) {
    case LimitKind::kRequests: return "requests_per_minute";
    case LimitKind::kTokens: return "tokens_per_minute";
    case LimitKind::kConcurrent: return "concurrent";
    case LimitKind::kDailyMoney: return "daily_usd";
    case LimitKind::kMonthlyMoney: return "monthly_usd";
  }
  return "";
}

LimitSet::LimitSet(LimitScope scope, std::string name, const model::Limits& limits)
    : scope_(scope), name_(std::move(name)) {
  configure(limits);
}

void LimitSet::configure(const model::Limits& limits) {
  requests.set_rate(limits.requests_per_minute);
  tokens.set_rate(limits.tokens_per_minute);
  concurrent.set_limit(limits.concurrent);
  budget.set_limits(limits.daily_nanodollars, limits.monthly_nanodollars);
}

model::Limits LimitSet::limits() const {
  model::Limits out;
  out.requests_per_minute = requests.rate();
  out.tokens_per_minute = tokens.rate();
  out.concurrent = concurrent.limit();
  out.daily_nanodollars = budget.daily_limit();
  out.monthly_nanodollars = budget.monthly_limit();
  return out;
}

// ---- Reservation

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this == &other) return *this;
  release();
  sets_ = std::move(other.sets_);
  count_ = std::exchange(other.count_, 0);
  estimate_ = other.estimate_;
  return *this;
}

void Reservation::settle(int64_t tokens, int64_t nanodollars, const Instant& now) {
  for (size_t i = 0; i < count_; ++i) {
    LimitSet& set = *sets_[i];
    set.tokens.settle(tokens - estimate_.tokens, now.steady_ns);
    set.budget.settle(estimate_.nanodollars, nanodollars, now.wall_ns);
    set.concurrent.leave();
    sets_[i].reset();
  }
  count_ = 0;
}

void Reservation::release() {
  for (size_t i = 0; i < count_; ++i) {
    LimitSet& set = *sets_[i];
    set.tokens.give(estimate_.tokens);
    set.requests.give(1);
    set.budget.release(estimate_.nanodollars);
    set.concurrent.leave();
    sets_[i].reset();
  }
  count_ = 0;
}

// ---- Admission

namespace {

std::string dollars(int64_t nanodollars) {
  char text[48];
  const double value = static_cast<double>(nanodollars) / 1e9;
  const bool cents = nanodollars == 0 || nanodollars >= 10'000'000;
  std::snprintf(text, sizeof text, cents ? "$%.2f" : "$%.6f", value);
  return text;
}

int64_t ms_up(int64_t ns) { return ns / 1'000'000 + (ns % 1'000'000 > 0 ? 1 : 0); }

std::string duration(int64_t ms) {
  std::string out;
  append_reset(out, ms);
  return out;
}

std::unique_ptr<LimitRefusal> refusal(const LimitSet& set, LimitKind kind) {
  auto out = std::make_unique<LimitRefusal>();
  out->scope = set.scope();
  out->kind = kind;
  out->limit_name = set.name();
  if (set.scope() == LimitScope::kGate) {
    out->message = "The gate, over all keys, ";
  } else {
    out->message = set.scope() == LimitScope::kKey ? "Key '" : "Model '";
    out->message += set.name() + "' ";
  }
  return out;
}

std::unique_ptr<LimitRefusal> refuse_rate(const LimitSet& set, LimitKind kind, int64_t count,
                                          int64_t wait_ns) {
  auto out = refusal(set, kind);
  const bool tokens = kind == LimitKind::kTokens;
  const int64_t rate = tokens ? set.tokens.rate() : set.requests.rate();
  const std::string what = std::to_string(rate) + (tokens ? " tokens" : " requests") + " a minute";
  if (wait_ns == kNoLimit) {
    out->message += "allows " + what + ", and this call alone needs about " +
                    std::to_string(count) + ". Send less, or ask an operator for a higher " +
                    std::string(name(kind)) + ".";
    return out;
  }
  out->retry_after_ms = ms_up(wait_ns);
  out->message += "has reached its limit of " + what + ". Try again in " +
                  duration(out->retry_after_ms) + ", or ask an operator for a higher " +
                  std::string(name(kind)) + ".";
  return out;
}

std::unique_ptr<LimitRefusal> refuse_concurrency(const LimitSet& set) {
  auto out = refusal(set, LimitKind::kConcurrent);
  out->retry_after_ms = 1000;  // calls end at any time; a second spares both sides a storm
  out->message += "has " + std::to_string(set.concurrent.limit()) +
                  " calls in flight, its limit. Try again when one has ended, or ask an operator "
                  "for a higher concurrent.";
  return out;
}

std::unique_ptr<LimitRefusal> refuse_money(const LimitSet& set, Budget::Refusal why, int64_t amount,
                                           int64_t wall_ns) {
  const bool daily = why == Budget::Refusal::kDaily;
  auto out = refusal(set, daily ? LimitKind::kDailyMoney : LimitKind::kMonthlyMoney);
  const int64_t limit = daily ? set.budget.daily_limit() : set.budget.monthly_limit();
  const int64_t spent =
      daily ? set.budget.spent_today(wall_ns) : set.budget.spent_this_month(wall_ns);
  const std::string of = std::string(daily ? "daily" : "monthly") + " budget of " + dollars(limit);
  const std::string raise = std::string("an operator can raise ") +
                            (set.scope() == LimitScope::kGate ? "budget." : "") +
                            std::string(name(out->kind)) + ".";
  if (amount > limit) {
    out->message += "has a " + of + ", and this call could cost " + dollars(amount) +
                    ". Lower its max_tokens, or " + raise;
    return out;
  }
  if (spent < limit && amount <= limit - spent) {
    // Only what calls in flight have reserved stands in the way.
    out->retry_after_ms = 1000;
    out->message += "has " + dollars(limit - spent) + " left of its " + of +
                    ", reserved by calls in flight. Try again when they have ended, lower "
                    "max_tokens, or " +
                    raise;
    return out;
  }
  const int64_t end_ns =
      daily ? (day_of(wall_ns) + 1) * kDayNs : month_begin_ns(month_of_day(day_of(wall_ns)) + 1);
  out->retry_after_ms = ms_up(end_ns - wall_ns);
  const std::string renews = daily ? "It renews at 00:00 UTC" : "It renews on the 1st, 00:00 UTC";
  if (spent >= limit) {
    out->message += "has spent its " + of + ". " + renews + "; " + raise;
  } else {
    out->message += "has " + dollars(limit - spent) + " left of its " + of +
                    ", and this call could cost " + dollars(amount) + ". Lower its max_tokens. " +
                    renews + "; " + raise;
  }
  return out;
}

// Takes from one set; null: taken. Else nothing was.
std::unique_ptr<LimitRefusal> take(LimitSet& set, const LimitEstimate& estimate,
                                   const Instant& now) {
  if (!set.concurrent.try_enter()) return refuse_concurrency(set);
  if (const auto why = set.budget.reserve(estimate.nanodollars, now.wall_ns);
      why != Budget::Refusal::kNone) {
    set.concurrent.leave();
    return refuse_money(set, why, estimate.nanodollars, now.wall_ns);
  }
  LimitKind kind = LimitKind::kRequests;
  int64_t wait_ns = set.requests.try_take(1, now.steady_ns);
  if (wait_ns == 0) {
    wait_ns = set.tokens.try_take(estimate.tokens, now.steady_ns);
    if (wait_ns == 0) return nullptr;
    set.requests.give(1);
    kind = LimitKind::kTokens;
  }
  set.budget.release(estimate.nanodollars);
  set.concurrent.leave();
  return refuse_rate(set, kind, estimate.tokens, wait_ns);
}

}  // namespace

struct Admitting {
  static Admission run(std::span<const LimitSetPtr> sets, const LimitEstimate& estimate,
                       const Instant& now) {
    assert(sets.size() <= Reservation::kSetsMax);
    Admission out;
    Reservation& held = out.reservation_;
    held.estimate_ = {std::max<int64_t>(0, estimate.tokens),
                      std::max<int64_t>(0, estimate.nanodollars)};
    for (const LimitSetPtr& set : sets) {
      out.refusal_ = take(*set, held.estimate_, now);
      if (out.refusal_) {
        held.release();
        break;
      }
      held.sets_[held.count_++] = set;
    }
    return out;
  }
};

Admission reserve(std::span<const LimitSetPtr> sets, const LimitEstimate& estimate,
                  const Instant& now) {
  return Admitting::run(sets, estimate, now);
}

RateState rate_state(std::span<const LimitSetPtr> sets, int64_t steady_ns) {
  RateState out;
  for (const LimitSetPtr& set : sets) {
    if (const int64_t rate = set->requests.rate(); rate > 0) {
      const int64_t left = set->requests.remaining(steady_ns);
      if (out.limit_requests == 0 || left < out.remaining_requests) {
        out.limit_requests = rate;
        out.remaining_requests = left;
        out.reset_requests_ms = ms_up(set->requests.reset_ns(steady_ns));
      }
    }
    if (const int64_t rate = set->tokens.rate(); rate > 0) {
      const int64_t left = set->tokens.remaining(steady_ns);
      if (out.limit_tokens == 0 || left < out.remaining_tokens) {
        out.limit_tokens = rate;
        out.remaining_tokens = left;
        out.reset_tokens_ms = ms_up(set->tokens.reset_ns(steady_ns));
      }
    }
  }
  return out;
}

void append_reset(std::string& out, int64_t ms) {
  ms = std::max<int64_t>(0, ms);
  if (ms == 0) {
    out += "0s";
    return;
  }
  if (ms < 1000) {
    out += std::to_string(ms) + "ms";
    return;
  }
  const int64_t hours = ms / 3'600'000;
  const int64_t minutes = ms / 60'000 % 60;
  if (hours > 0) out += std::to_string(hours) + "h";
  if (hours > 0 || minutes > 0) out += std::to_string(minutes) + "m";
  out += std::to_string(ms / 1000 % 60);
  if (int64_t fraction = ms % 1000; fraction > 0) {
    char digits[5] = {'.', static_cast<char>('0' + fraction / 100),
                      static_cast<char>('0' + fraction / 10 % 10),
                      static_cast<char>('0' + fraction % 10), 0};
    for (int end = 3; digits[end] == '0'; --end) digits[end] = 0;
    out += digits;
  }
  out += 's';
}

bool LimitSet::has_new_budget() {
  if (budget_told_.load(std::memory_order_relaxed)) return false;
  if (budget.daily_limit() == 0 && budget.monthly_limit() == 0) return false;
  return !budget_told_.exchange(true);
}

// ---- LimitRegistry

LimitSetPtr LimitRegistry::find(LimitScope scope, std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto at = map(scope).find(name);
  return at == map(scope).end() ? nullptr : at->second;
}

LimitSetPtr LimitRegistry::get(LimitScope scope, std::string_view name,
                               const model::Limits& limits) {
  LimitSetPtr set = find(scope, name);
  if (!set) {
    const std::unique_lock lock(mutex_);
    LimitSetPtr& slot = map(scope)[std::string(name)];
    if (!slot) slot = std::make_shared<LimitSet>(scope, std::string(name), limits);
    set = slot;
  }
  if (!(set->limits() == limits)) set->configure(limits);
  if (on_budget_ && set->has_new_budget()) on_budget_(set);
  return set;
}

void LimitRegistry::erase(LimitScope scope, std::string_view name) {
  const std::unique_lock lock(mutex_);
  if (const auto at = map(scope).find(name); at != map(scope).end()) map(scope).erase(at);
}

namespace {

constexpr std::string_view kSnapshotMagic = "GHL1";

void put_signed(std::string& out, int64_t value) {
  put_varint(out, (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
}

bool get_signed(std::string_view& in, int64_t& value) {
  uint64_t raw;
  if (!get_varint(in, raw)) return false;
  value = static_cast<int64_t>(raw >> 1) ^ -static_cast<int64_t>(raw & 1);
  return true;
}

struct SavedSet {
  LimitScope scope = LimitScope::kKey;
  std::string name;
  int64_t requests_level_ns = 0, tokens_level_ns = 0;
  Budget::Saved budget;
};

void put_set(std::string& out, const LimitSet& set, int64_t steady_ns) {
  put_varint(out, static_cast<uint64_t>(set.scope()));
  put_varint(out, set.name().size());
  out += set.name();
  put_signed(out, set.requests.level_ns(steady_ns));
  put_signed(out, set.tokens.level_ns(steady_ns));
  const Budget::Saved saved = set.budget.save();
  for (const int64_t v : {saved.day, saved.month, saved.spent_today, saved.spent_this_month}) {
    put_signed(out, v);
  }
}

bool get_set(std::string_view& in, SavedSet& out) {
  uint64_t scope;
  uint64_t length;
  if (!get_varint(in, scope) || scope >= kLimitScopes || !get_varint(in, length) ||
      length > in.size()) {
    return false;
  }
  out.scope = static_cast<LimitScope>(scope);
  out.name = in.substr(0, length);
  in.remove_prefix(length);
  return get_signed(in, out.requests_level_ns) && get_signed(in, out.tokens_level_ns) &&
         get_signed(in, out.budget.day) && get_signed(in, out.budget.month) &&
         get_signed(in, out.budget.spent_today) && get_signed(in, out.budget.spent_this_month);
}

}  // namespace

// "GHL1", wall_ns, position, count, sets; CRC-32C of all that, little-endian.
std::string LimitRegistry::snapshot(const Instant& now, uint64_t position) const {
  std::string out(kSnapshotMagic);
  put_signed(out, now.wall_ns);
  put_varint(out, position);
  const std::shared_lock lock(mutex_);
  size_t count = 0;
  for (const Map& sets : maps_) count += sets.size();
  put_varint(out, count);
  for (const Map& sets : maps_) {
    for (const auto& [key, set] : sets) put_set(out, *set, now.steady_ns);
  }
  put_le<uint32_t>(out, crc32c(out));
  return out;
}

Result<uint64_t> LimitRegistry::restore(std::string_view bytes, const Instant& now) {
  const Status damaged = data_loss("the saved limits are damaged; spend is rebuilt from the calls");
  if (bytes.size() < kSnapshotMagic.size() + 4 || !bytes.starts_with(kSnapshotMagic)) {
    return damaged;
  }
  const std::string_view covered = bytes.substr(0, bytes.size() - 4);
  if (crc32c(covered) != get_le<uint32_t>(bytes.data() + covered.size())) return damaged;
  std::string_view in = covered.substr(kSnapshotMagic.size());
  int64_t saved_ns;
  uint64_t position;
  uint64_t count;
  if (!get_signed(in, saved_ns) || !get_varint(in, position) || !get_varint(in, count)) {
    return damaged;
  }
  std::vector<SavedSet> sets;
  for (uint64_t i = 0; i < count; ++i) {
    if (!get_set(in, sets.emplace_back())) return damaged;
  }
  if (!in.empty()) return damaged;
  const int64_t away_ns = std::max<int64_t>(0, now.wall_ns - saved_ns);
  for (const SavedSet& saved : sets) {
    const LimitSetPtr existing = find(saved.scope, saved.name);
    const LimitSetPtr set = existing ? existing : get(saved.scope, saved.name, {});
    set->requests.restore_level(saved.requests_level_ns - away_ns, now.steady_ns);
    set->tokens.restore_level(saved.tokens_level_ns - away_ns, now.steady_ns);
    set->budget.restore(saved.budget, now.wall_ns);
  }
  return position;
}

void LimitRegistry::apply(LimitScope scope, std::string_view name, int64_t tokens,
                          int64_t nanodollars, int64_t ended_ns, const Instant& now) {
  LimitSetPtr set = find(scope, name);
  if (!set) set = get(scope, name, {});
  // A record from the future (a clock that was wrong) counts as of now.
  const int64_t at_ns = std::min(ended_ns, now.wall_ns);
  set->requests.settle(1, now.steady_ns - (now.wall_ns - at_ns));
  set->tokens.settle(tokens, now.steady_ns - (now.wall_ns - at_ns));
  set->budget.apply(nanodollars, at_ns);
}

}  // namespace gatehouse::gateway
