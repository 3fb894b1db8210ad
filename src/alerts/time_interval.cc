#include "alerts/time_interval.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "base/time_zone.h"

namespace gatehouse::alerts {

namespace {

using wire::ConfigFields;
using wire::ConfigLog;
using wire::YamlNode;

constexpr std::array<std::string_view, 7> kWeekdays = {"sunday",   "monday", "tuesday", "wednesday",
                                                       "thursday", "friday", "saturday"};
constexpr std::array<std::string_view, 12> kMonths = {
    "january", "february", "march",     "april",   "may",      "june",
    "july",    "august",   "september", "october", "november", "december"};

template <size_t N>
std::optional<int> place_in(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) return std::nullopt;
  return static_cast<int>(at - names.begin());
}

std::optional<int> whole_number(std::string_view text) {
  const bool minus = text.starts_with('-');
  if (minus || text.starts_with('+')) text.remove_prefix(1);
  const auto value = parse_uint(text);
  if (!value || *value > 1'000'000) return std::nullopt;  // far beyond any year
  return minus ? -static_cast<int>(*value) : static_cast<int>(*value);
}

Result<int> weekday_of(std::string_view text) {
  if (const auto day = place_in(kWeekdays, text)) return *day;
  return invalid_argument(std::string(text) + " is not a valid weekday");
}

Result<int> month_of(std::string_view text) {
  if (const auto month = place_in(kMonths, text)) return *month + 1;
  if (const auto number = whole_number(text)) return *number;
  return invalid_argument(std::string(text) + " is not a valid month");
}

Result<int> number_of(std::string_view text) {
  if (const auto number = whole_number(text)) return *number;
  return invalid_argument("\"" + std::string(text) + "\" is not a whole number");
}

Status check_weekdays(const InclusiveRange& range) {
  if (range.begin > range.end) return invalid_argument("start day cannot be before end day");
  return {};
}

Status check_days_of_month(const InclusiveRange& range) {
  for (const int day : {range.begin, range.end}) {
    if (day == 0 || day < -31 || day > 31) {
      return invalid_argument(std::to_string(day) +
                              " is not a valid day of the month: out of range");
    }
  }
  // Otherwise begin > end in longer months, but not in shorter ones.
  if (range.begin < 0 && range.end > 0) {
    return invalid_argument("end day must be negative if start day is negative");
  }
  // Always wrong is what is wrong in the shortest month.
  const int begin = range.begin < 0 ? 28 + range.begin : range.begin;
  const int end = range.end < 0 ? 28 + range.end : range.end;
  if (begin > end) {
    return invalid_argument("end day " + std::to_string(range.end) +
                            " is always before start day " + std::to_string(range.begin));
  }
  return {};
}

Status check_months(const InclusiveRange& range) {
  for (const int month : {range.begin, range.end}) {
    if (month < 1 || month > 12) {
      return invalid_argument(std::to_string(month) + " is not a valid month: out of range");
    }
  }
  if (range.begin <= range.end) return {};
  return invalid_argument("end month " + std::string(kMonths[static_cast<size_t>(range.end - 1)]) +
                          " is before start month " +
                          std::string(kMonths[static_cast<size_t>(range.begin - 1)]));
}

Status check_years(const InclusiveRange& range) {
  if (range.begin <= range.end) return {};
  return invalid_argument("end year " + std::to_string(range.end) + " is before start year " +
                          std::to_string(range.begin));
}

// "begin:end", or one value that is both.
Result<InclusiveRange> range_of(std::string_view raw, Result<int> (*member)(std::string_view),
                                Status (*check)(const InclusiveRange&)) {
  const std::string text = to_lower(raw);
  const auto parts = split(text, ':');
  if (parts.size() > 2) {
    return invalid_argument("couldn't parse range " + text + ", invalid format");
  }
  InclusiveRange range;
  ASSIGN_OR_RETURN(range.begin, member(parts[0]));
  ASSIGN_OR_RETURN(range.end, member(parts.back()));
  RETURN_IF_ERROR(check(range));
  return range;
}

void read_ranges(ConfigFields& fields, std::string_view key,
                 Result<int> (*member)(std::string_view), Status (*check)(const InclusiveRange&),
                 std::vector<InclusiveRange>& out) {
  const YamlNode* list = fields.take(key);
  if (list == nullptr) return;
  if (!list->is_sequence()) {
    fields.log().problem(list->mark, std::string(key) + ": a list is expected");
    return;
  }
  for (const YamlNode* item : list->items) {
    if (!item->is_scalar()) {
      fields.log().problem(item->mark, std::string(key) + ": a string is expected");
      continue;
    }
    auto range = range_of(item->value, member, check);
    if (range.ok()) {
      out.push_back(*range);
    } else {
      fields.log().problem(item->mark, range.status().message());
    }
  }
}

// "HH:MM", up to 24:00, as minutes of the day.
Result<int> minutes_of(std::string_view text) {
  const auto digit = [text](size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  if (text.size() == 5 && text[2] == ':' && digit(0) && digit(1) && digit(3) && digit(4)) {
    const int hours = (text[0] - '0') * 10 + text[1] - '0';
    const int minutes = (text[3] - '0') * 10 + text[4] - '0';
    if ((hours < 24 && minutes < 60) || (hours == 24 && minutes == 0)) return hours * 60 + minutes;
  }
  return invalid_argument("couldn't parse timestamp " + std::string(text) + ", invalid format");
}

Result<InclusiveRange> time_range(ConfigFields& fields) {
  std::string start, end;
  fields.text("start_time", start);
  fields.text("end_time", end);
  fields.done();
  if (start.empty() || end.empty()) {
    return invalid_argument("both start and end times must be provided");
  }
  InclusiveRange range;
  ASSIGN_OR_RETURN(range.begin, minutes_of(start));
  ASSIGN_OR_RETURN(range.end, minutes_of(end));
  if (range.begin >= range.end) {
    return invalid_argument("start time cannot be equal or greater than end time");
  }
  return range;
}

void read_times(ConfigFields& fields, std::vector<InclusiveRange>& out) {
  const YamlNode* list = fields.take("times");
  if (list == nullptr) return;
  if (!list->is_sequence()) {
    fields.log().problem(list->mark, "times: a list is expected");
    return;
  }
  for (const YamlNode* item : list->items) {
    ConfigFields entry(fields.log(), *item, "times");
    const auto range = time_range(entry);
    if (range.ok()) {
      out.push_back(*range);
    } else {
      fields.log().problem(item->mark, range.status().message());
    }
  }
}

// Empty lists do not restrict.
template <typename Within>
bool none_or_any(const std::vector<InclusiveRange>& ranges, Within within) {
  return ranges.empty() || std::any_of(ranges.begin(), ranges.end(), within);
}

}  // namespace

bool TimeInterval::contains(int64_t unix_ms) const {
  const auto local = local_time(unix_ms >= 0 ? unix_ms / 1000 : (unix_ms - 999) / 1000, location);
  if (!local.ok()) return false;  // the zone has been taken off the machine since
  const auto in = [](int value) {
    return
        [value](const InclusiveRange& range) { return value >= range.begin && value <= range.end; };
  };
  const int minute = local->hour * 60 + local->minute;
  if (!none_or_any(times, [minute](const InclusiveRange& range) {
        return minute >= range.begin && minute < range.end;
      })) {
    return false;
  }
  const auto last = static_cast<int>(days_of_date(local->year, local->month + 1, 1) -
                                     days_of_date(local->year, local->month, 1));
  const int day = local->day;
  if (!none_or_any(days_of_month, [last, day](const InclusiveRange& range) {
        const int begin = range.begin < 0 ? last + range.begin + 1 : range.begin;
        const int end = range.end < 0 ? last + range.end + 1 : range.end;
        return day >= begin && day <= end;
      })) {
    return false;
  }
  return none_or_any(months, in(local->month)) && none_or_any(weekdays, in(local->weekday)) &&
         none_or_any(years, in(static_cast<int>(local->year)));
}

bool NamedTimeIntervals::contains(int64_t unix_ms) const {
  return std::any_of(intervals.begin(), intervals.end(),
                     [unix_ms](const TimeInterval& each) { return each.contains(unix_ms); });
}

TimeInterval read_time_interval(ConfigLog& log, const YamlNode& node) {
  TimeInterval out;
  ConfigFields fields(log, node, "time_interval");
  read_times(fields, out.times);
  read_ranges(fields, "weekdays", weekday_of, check_weekdays, out.weekdays);
  read_ranges(fields, "days_of_month", number_of, check_days_of_month, out.days_of_month);
  read_ranges(fields, "months", month_of, check_months, out.months);
  read_ranges(fields, "years", number_of, check_years, out.years);
  if (fields.text("location", out.location) && !check_time_zone(out.location).ok()) {
    log.problem(node.get("location")->mark, "unknown time zone " + out.location);
  }
  fields.done();
  return out;
}

}  // namespace gatehouse::alerts
