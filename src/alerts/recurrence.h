// When a silence that comes again is in force: the turns of a Recurrence in the local time
// of its zone, so that "each day from 22:00" stays so when the clocks change.
#pragma once

#include <cstdint>
#include <optional>

#include "alerts/silences.h"

namespace gatehouse::alerts {

// [begin_ms, end_ms)
struct Turn {
  int64_t begin_ms = 0;
  int64_t end_ms = 0;
};

// Longest turn: so that two turns never overlap, and a look at two days finds the one that
// is under way.
inline constexpr int64_t kTurnMsMax = 86'400'000;

// The turn under way at the moment, or the next one; none: there is none any more.
// REQUIRES: the silence has a recurrence.
std::optional<Turn> turn_at(const Silence& silence, int64_t now_ms);

// How far the zone's local time is ahead of UTC; none: a zone that the machine does not know.
std::optional<int64_t> zone_offset_ms(const std::string& zone, int64_t unix_ms);

}  // namespace gatehouse::alerts
