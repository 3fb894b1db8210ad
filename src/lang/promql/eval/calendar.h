// Dates in UTC of Unix times.
#pragma once

namespace gatehouse::promql {

struct Calendar {
  double year = 0;
  double month = 0;  // 1 to 12
  double day_of_month = 0;
  double day_of_week = 0;  // 0: Sunday
  double day_of_year = 0;  // from 1
  double days_in_month = 0;
  double hour = 0;
  double minute = 0;
};

// Of a Unix time in seconds; its fraction is cut off. All NaN where it is not finite.
Calendar calendar_of(double seconds);

}  // namespace gatehouse::promql
