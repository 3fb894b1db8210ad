#include "alerts/recurrence.h"

#include <algorithm>

#include "base/time_zone.h"

namespace gatehouse::alerts {

namespace {

constexpr int64_t kDayMs = 86'400'000;

int64_t floor_day(int64_t local_ms) {
  const int64_t day = local_ms / kDayMs;
  return local_ms < 0 && local_ms % kDayMs != 0 ? day - 1 : day;
}

// Day 0 of Unix time was a Thursday.
int weekday_of(int64_t day) { return static_cast<int>(((day + 4) % 7 + 7) % 7); }

bool comes_on(const Recurrence& recurrence, int64_t day) {
  const auto& days = recurrence.weekdays;
  return days.empty() || std::find(days.begin(), days.end(), weekday_of(day)) != days.end();
}

}  // namespace

std::optional<int64_t> zone_offset_ms(const std::string& zone, int64_t unix_ms) {
  const auto local = local_time(unix_ms / 1000, zone);
  if (!local.ok()) return std::nullopt;
  return int64_t{local->offset_s} * 1000;
}

std::optional<Turn> turn_at(const Silence& silence, int64_t now_ms) {
  const Recurrence& recurrence = *silence.recurrence;
  const int64_t length_ms = silence.ends_at_ms - silence.starts_at_ms;
  const int64_t first_offset_ms =
      zone_offset_ms(recurrence.location, silence.starts_at_ms).value_or(0);
  const int64_t first_local_ms = silence.starts_at_ms + first_offset_ms;
  const int64_t time_of_day_ms = first_local_ms - floor_day(first_local_ms) * kDayMs;
  const int64_t from_ms = std::max(now_ms, silence.starts_at_ms);
  const int64_t today =
      floor_day(from_ms + zone_offset_ms(recurrence.location, from_ms).value_or(0));
  // From yesterday, as a turn may last over midnight, to the same weekday of the next week.
  for (int64_t day = today - 1; day <= today + 7; ++day) {
    if (!comes_on(recurrence, day)) continue;
    const int64_t local_ms = day * kDayMs + time_of_day_ms;
    // The offset at the local time, by its value some hours around it.
    const int64_t guess_ms = local_ms - first_offset_ms;
    Turn turn;
    turn.begin_ms = local_ms - zone_offset_ms(recurrence.location, guess_ms).value_or(0);
    turn.end_ms = turn.begin_ms + length_ms;
    if (recurrence.until_ms != 0) turn.end_ms = std::min(turn.end_ms, recurrence.until_ms);
    if (turn.begin_ms < silence.starts_at_ms || turn.end_ms <= turn.begin_ms) continue;
    if (turn.end_ms > now_ms) return turn;
  }
  return std::nullopt;
}

}  // namespace gatehouse::alerts
