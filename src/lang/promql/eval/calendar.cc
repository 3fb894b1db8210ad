#include "lang/promql/eval/calendar.h"

#include <chrono>
#include <cmath>

#include "lang/promql/eval/column.h"

namespace gatehouse::promql {

Calendar calendar_of(double seconds) {
  // About as far as std::chrono's years go.
  constexpr double kSecondsMax = 1e12;
  if (!(std::fabs(seconds) < kSecondsMax)) {
    return {kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan};
  }
  using namespace std::chrono;
  const auto time = sys_seconds(std::chrono::seconds(static_cast<int64_t>(seconds)));
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  const year_month_day_last month_end(date.year(), month_day_last(date.month()));
  Calendar out;
  out.year = static_cast<int>(date.year());
  out.month = static_cast<unsigned>(date.month());
  out.day_of_month = static_cast<unsigned>(date.day());
  out.day_of_week = weekday(day).c_encoding();
  out.day_of_year = static_cast<double>((day - sys_days(date.year() / January / 1)).count()) + 1;
  out.days_in_month = static_cast<unsigned>(month_end.day());
  out.hour = static_cast<double>(clock.hours().count());
  out.minute = static_cast<double>(clock.minutes().count());
  return out;
}

}  // namespace gatehouse::promql
