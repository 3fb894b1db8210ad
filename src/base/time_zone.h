// Local time in the zones of the system's database (/usr/share/zoneinfo, package tzdata),
// read as RFC 8536 lays them out. A zone is read once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gatehouse {

struct LocalTime {
  int64_t year = 1970;
  int month = 1;  // 1 to 12
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int weekday = 4;      // 0: Sunday
  int day_of_year = 1;  // 1 to 366
  int offset_s = 0;     // east of UTC
  std::string abbreviation = "UTC";
};

// Of a zone by its name ("Europe/Zurich"); "" and "UTC" are UTC, "Local" is the machine's.
// kInvalidArgument: the machine knows no such zone.
Result<LocalTime> local_time(int64_t unix_s, std::string_view zone);
Status check_time_zone(std::string_view zone);

// Days since 1970-01-01 of a date in the proleptic Gregorian calendar. A month beyond 1 to
// 12 and any day count on from there, as in Go's time.Date.
int64_t days_of_date(int64_t year, int64_t month, int64_t day);

}  // namespace gatehouse
