#include "lang/gotemplate/go_time.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/time_zone.h"
#include "lang/gotemplate/builtins.h"

namespace gatehouse::gotemplate {
namespace {

constexpr int64_t kSecond_ns = 1'000'000'000;
constexpr int64_t kDay_s = 86'400;
constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
constexpr std::string_view kTextLayout = "2006-01-02 15:04:05.999999999 -0700 MST";

struct Moment {
  LocalTime local;
  int64_t nanosecond = 0;
};

int64_t seconds_of(const Time& time) {
  return time.unix_ns / kSecond_ns - (time.unix_ns % kSecond_ns < 0 ? 1 : 0);
}

Result<Moment> moment_of(const Time& time) {
  Moment moment;
  const int64_t seconds = seconds_of(time);
  ASSIGN_OR_RETURN(moment.local, local_time(seconds, time.zone));
  // Seconds before the earliest whole one do not fit in nanoseconds.
  moment.nanosecond = time.unix_ns % kSecond_ns;
  if (moment.nanosecond < 0) moment.nanosecond += kSecond_ns;
  return moment;
}

std::string padded(int64_t value, int width, char fill = '0') {
  const bool negative = value < 0;
  std::string digits = std::to_string(negative ? -value : value);
  while (static_cast<int>(digits.size()) < width) digits.insert(0, 1, fill);
  return negative ? "-" + digits : digits;
}

// -0700, -07:00:00, Z07 and the like.
std::string offset_text(int offset_s, std::string_view form) {
  if (form[0] == 'Z' && offset_s == 0) return "Z";
  const int magnitude = std::abs(offset_s);
  std::string text(1, offset_s < 0 ? '-' : '+');
  text += padded(magnitude / 3'600, 2);
  const bool colons = form.find(':') != std::string_view::npos;
  const auto digits = static_cast<size_t>(
      std::count_if(form.begin(), form.end(), [](char c) { return c >= '0' && c <= '9'; }));
  if (digits >= 4) text += (colons ? ":" : "") + padded(magnitude / 60 % 60, 2);
  if (digits >= 6) text += (colons ? ":" : "") + padded(magnitude % 60, 2);
  return text;
}

// The parts of a layout that stand for something, each before its own beginnings.
constexpr std::array<std::string_view, 33> kParts = {
    "January",   "Jan",    "Monday",  "Mon",   "MST", "2006",      "__2",    "_2",      "002",
    "01",        "02",     "03",      "04",    "05",  "06",        "15",     "PM",      "pm",
    "-07:00:00", "-07:00", "-070000", "-0700", "-07", "Z07:00:00", "Z07:00", "Z070000", "Z0700",
    "Z07",       "1",      "2",       "3",     "4",   "5"};

bool lower_case_at(std::string_view text, size_t at) {
  return at < text.size() && text[at] >= 'a' && text[at] <= 'z';
}
bool digit_at(std::string_view text, size_t at) {
  return at < text.size() && text[at] >= '0' && text[at] <= '9';
}

// The part at the beginning of `layout`; empty: none.
std::string_view part_of(std::string_view layout) {
  if (layout[0] == '.' || layout[0] == ',') {
    const char digit = layout.size() > 1 ? layout[1] : '\0';
    if (digit != '0' && digit != '9') return {};
    size_t end = 1;
    while (end < layout.size() && layout[end] == digit) ++end;
    return digit_at(layout, end) ? std::string_view() : layout.substr(0, end);
  }
  for (const std::string_view part : kParts) {
    if (!layout.starts_with(part)) continue;
    // "Jan" of "Janitor" is text.
    if ((part == "Jan" || part == "Mon") && lower_case_at(layout, 3)) return {};
    if (part == "_2" && layout.starts_with("_2006")) return {};
    return layout.substr(0, part.size());
  }
  return {};
}

std::string fraction_text(int64_t nanosecond, std::string_view part) {
  std::string digits = padded(nanosecond, 9);
  while (digits.size() < part.size() - 1 && part[1] == '0') digits += '0';
  digits.resize(std::min(part.size() - 1, digits.size()));
  if (part[1] == '9') {
    while (!digits.empty() && digits.back() == '0') digits.pop_back();
    if (digits.empty()) return "";
  }
  return part[0] + digits;
}

// An abbreviation; zones without one have their offset.
std::string zone_text(const LocalTime& local) {
  if (!local.abbreviation.empty()) return local.abbreviation;
  return offset_text(local.offset_s, local.offset_s % 3'600 == 0 ? "-07" : "-0700");
}

std::string part_text(const Moment& moment, std::string_view part) {
  const LocalTime& local = moment.local;
  const int hour12 = local.hour % 12 == 0 ? 12 : local.hour % 12;
  const std::string_view month = kMonths[static_cast<size_t>(local.month - 1)];
  const std::string_view weekday = kWeekdays[static_cast<size_t>(local.weekday)];
  if (part[0] == '.' || part[0] == ',') return fraction_text(moment.nanosecond, part);
  if (part[0] == '-' || part[0] == 'Z') return offset_text(local.offset_s, part);
  if (part == "January") return std::string(month);
  if (part == "Jan") return std::string(month.substr(0, 3));
  if (part == "Monday") return std::string(weekday);
  if (part == "Mon") return std::string(weekday.substr(0, 3));
  if (part == "MST") return zone_text(local);
  if (part == "2006") return padded(local.year, 4);
  if (part == "06") return padded((local.year % 100 + 100) % 100, 2);
  if (part == "01") return padded(local.month, 2);
  if (part == "1") return std::to_string(local.month);
  if (part == "02") return padded(local.day, 2);
  if (part == "_2") return padded(local.day, 2, ' ');
  if (part == "2") return std::to_string(local.day);
  if (part == "002") return padded(local.day_of_year, 3);
  if (part == "__2") return padded(local.day_of_year, 3, ' ');
  if (part == "15") return padded(local.hour, 2);
  if (part == "03") return padded(hour12, 2);
  if (part == "3") return std::to_string(hour12);
  if (part == "04") return padded(local.minute, 2);
  if (part == "4") return std::to_string(local.minute);
  if (part == "05") return padded(local.second, 2);
  if (part == "5") return std::to_string(local.second);
  return part == "PM" ? (local.hour >= 12 ? "PM" : "AM") : (local.hour >= 12 ? "pm" : "am");
}

std::string format_moment(const Moment& moment, std::string_view layout) {
  std::string out;
  while (!layout.empty()) {
    const std::string_view part = part_of(layout);
    if (part.empty()) {
      out += layout[0];
      layout.remove_prefix(1);
      continue;
    }
    out += part_text(moment, part);
    layout.remove_prefix(part.size());
  }
  return out;
}

int64_t saturated(double value) {
  if (value >= 9.2e18) return std::numeric_limits<int64_t>::max();
  if (value <= -9.2e18) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}
int64_t add(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
}
int64_t subtract(int64_t a, int64_t b) {
  int64_t difference = 0;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return a > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
}

Result<Duration> duration_argument(const Value& value) {
  if (const auto* duration = value.as<Duration>()) return *duration;
  if (const auto* whole = value.as<int64_t>()) return Duration{*whole};
  return invalid_argument("wrong type for value; expected time.Duration; got " +
                          std::string(value.type_name()));
}
Result<Time> time_argument(const Value& value) {
  if (const auto* time = value.as<Time>()) return *time;
  return invalid_argument("wrong type for value; expected time.Time; got " +
                          std::string(value.type_name()));
}

// The unix nanoseconds of a time when `zone` shows a date and clock; of two the earlier.
int64_t unix_of(int64_t days, int64_t second, int64_t nanosecond, const std::string& zone) {
  const int64_t wall = days * kDay_s + second;
  int64_t unix_s = wall;
  for (int i = 0; i < 2; ++i) {
    const auto local = local_time(unix_s, zone);
    if (local.ok()) unix_s = wall - local->offset_s;
  }
  return saturated(static_cast<double>(unix_s) * 1e9) == std::numeric_limits<int64_t>::max()
             ? std::numeric_limits<int64_t>::max()
             : unix_s * kSecond_ns + nanosecond;
}

Result<Value> add_date(const Time& time, const Moment& moment, std::span<const Value> arguments) {
  RETURN_IF_ERROR(check_count("AddDate", arguments, 3));
  int64_t by[3];
  for (size_t i = 0; i < 3; ++i) {
    ASSIGN_OR_RETURN(by[i], int_argument(arguments[i]));
    if (by[i] < -1'000'000 || by[i] > 1'000'000) return invalid_argument("AddDate: out of range");
  }
  const LocalTime& local = moment.local;
  const int64_t days = days_of_date(local.year + by[0], local.month + by[1], local.day + by[2]);
  if (days < -106'000 || days > 106'000) return invalid_argument("AddDate: out of range");
  const int64_t second = local.hour * 3'600 + local.minute * 60 + local.second;
  return Value(Time{unix_of(days, second, moment.nanosecond, time.zone), time.zone});
}

// "truncate" to a multiple of a step since the zero time or zero duration, or round to it.
int64_t to_step(int64_t ns, int64_t step, bool rounds) {
  if (step <= 0) return ns;
  const int64_t rest = ns % step;
  const int64_t below = ns - rest;
  if (!rounds) return below;
  const int64_t magnitude = rest < 0 ? -rest : rest;
  if (magnitude < step - magnitude) return below;
  return rest < 0 ? subtract(below, step) : add(below, step);
}

std::optional<Result<Value>> time_field(const Time& time, const Moment& moment,
                                        std::string_view name) {
  const LocalTime& local = moment.local;
  if (name == "Year") return Value(local.year);
  if (name == "Month") return Value(kMonths[static_cast<size_t>(local.month - 1)]);
  if (name == "Day") return Value(local.day);
  if (name == "Hour") return Value(local.hour);
  if (name == "Minute") return Value(local.minute);
  if (name == "Second") return Value(local.second);
  if (name == "Nanosecond") return Value(moment.nanosecond);
  if (name == "Weekday") return Value(kWeekdays[static_cast<size_t>(local.weekday)]);
  if (name == "YearDay") return Value(local.day_of_year);
  if (name == "Unix") return Value(seconds_of(time));
  if (name == "UnixMilli") return Value(time.unix_ns / 1'000'000);
  if (name == "UnixMicro") return Value(time.unix_ns / 1'000);
  if (name == "UnixNano") return Value(time.unix_ns);
  if (name == "UTC") return Value(Time{time.unix_ns, ""});
  if (name == "Local") return Value(Time{time.unix_ns, "Local"});
  if (name == "String") return Value(format_moment(moment, kTextLayout));
  if (name == "Location") return Value(time.zone.empty() ? "UTC" : time.zone);
  // Go's zero time is the year 1, which nanoseconds do not reach: "no time" is 0 here.
  if (name == "IsZero") return Value(time.unix_ns == 0);
  return std::nullopt;
}

}  // namespace

Result<std::string> format_time(const Time& time, std::string_view layout) {
  ASSIGN_OR_RETURN(const Moment moment, moment_of(time));
  return format_moment(moment, layout);
}

std::string format_rfc3339(const Time& time) {
  auto text = format_time(time, "2006-01-02T15:04:05.999999999Z07:00");
  if (text.ok()) return std::move(*text);
  return format_rfc3339({time.unix_ns, ""});
}

std::string time_text(const Time& time) {
  auto text = format_time(time, kTextLayout);
  if (text.ok()) return std::move(*text);
  return time_text({time.unix_ns, ""});
}

std::string format_duration(Duration duration) {
  if (duration.ns == 0) return "0s";
  const bool negative = duration.ns < 0;
  const uint64_t ns =
      negative ? ~static_cast<uint64_t>(duration.ns) + 1 : static_cast<uint64_t>(duration.ns);
  const auto decimal = [](uint64_t value, uint64_t unit) {
    std::string text = std::to_string(value / unit);
    std::string rest = std::to_string(unit + value % unit).substr(1);
    while (!rest.empty() && rest.back() == '0') rest.pop_back();
    return rest.empty() ? text : text + "." + rest;
  };
  std::string text;
  if (ns < 1'000) {
    text = std::to_string(ns) + "ns";
  } else if (ns < 1'000'000) {
    text = decimal(ns, 1'000) + "µs";
  } else if (ns < 1'000'000'000) {
    text = decimal(ns, 1'000'000) + "ms";
  } else {
    constexpr uint64_t kMinute_ns = 60'000'000'000;
    const uint64_t minutes = ns / kMinute_ns;
    if (minutes >= 60) text += std::to_string(minutes / 60) + "h";
    if (minutes > 0) text += std::to_string(minutes % 60) + "m";
    text += decimal(ns % kMinute_ns, 1'000'000'000) + "s";
  }
  return negative ? "-" + text : text;
}

std::optional<Duration> parse_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return Duration{0};
  if (text.empty()) return std::nullopt;
  long double total = 0;
  while (!text.empty()) {
    size_t size = 0;
    bool digits = false;
    long double value = 0, place = 1;
    for (bool fraction = false; size < text.size(); ++size) {
      const char c = text[size];
      if (c == '.' && !fraction) {
        fraction = true;
      } else if (c >= '0' && c <= '9') {
        digits = true;
        if (fraction) place /= 10;
        value = fraction ? value + place * (c - '0') : value * 10 + (c - '0');
      } else {
        break;
      }
    }
    if (!digits) return std::nullopt;
    text.remove_prefix(size);
    constexpr std::array<std::pair<std::string_view, int64_t>, 8> kUnits = {
        {{"ns", 1},
         {"us", 1'000},
         {"µs", 1'000},
         {"μs", 1'000},
         {"ms", 1'000'000},
         {"s", kSecond_ns},
         {"m", 60 * kSecond_ns},
         {"h", 3'600 * kSecond_ns}}};
    size_t end = 0;
    while (end < text.size() && text[end] != '.' && !digit_at(text, end)) ++end;
    int64_t unit = 0;
    for (const auto& [name, ns] : kUnits) {
      if (text.substr(0, end) == name) unit = ns;
    }
    if (unit == 0) return std::nullopt;
    total += value * static_cast<long double>(unit);
    if (total > 9.2233720368547758e18L) return std::nullopt;
    text.remove_prefix(end);
  }
  const auto ns = static_cast<int64_t>(total);
  return Duration{negative ? -ns : ns};
}

std::optional<Result<Value>> time_member(const Time& time, std::string_view name,
                                         std::span<const Value> arguments) {
  const auto moment = moment_of(time);
  if (!moment.ok()) return moment.status();
  const auto field = time_field(time, *moment, name);
  if (field) {
    if (auto status = check_count(name, arguments, 0); !status.ok()) return status;
    return field;
  }
  if (name == "AddDate") return add_date(time, *moment, arguments);
  constexpr std::array<std::string_view, 9> kWithOne = {
      "Format", "Add", "Sub", "Before", "After", "Equal", "Truncate", "Round", "Compare"};
  if (std::find(kWithOne.begin(), kWithOne.end(), name) == kWithOne.end()) return std::nullopt;
  if (auto status = check_count(name, arguments, 1); !status.ok()) return status;
  if (name == "Format") {
    const auto layout = text_argument(arguments[0]);
    if (!layout.ok()) return layout.status();
    return Value(format_moment(*moment, *layout));
  }
  if (name == "Add" || name == "Truncate" || name == "Round") {
    const auto by = duration_argument(arguments[0]);
    if (!by.ok()) return by.status();
    if (name == "Add") return Value(Time{add(time.unix_ns, by->ns), time.zone});
    return Value(Time{to_step(time.unix_ns, by->ns, name == "Round"), time.zone});
  }
  const auto other = time_argument(arguments[0]);
  if (!other.ok()) return other.status();
  if (name == "Sub") return Value(Duration{subtract(time.unix_ns, other->unix_ns)});
  if (name == "Before") return Value(time.unix_ns < other->unix_ns);
  if (name == "After") return Value(time.unix_ns > other->unix_ns);
  if (name == "Equal") return Value(time.unix_ns == other->unix_ns);
  return Value(time.unix_ns < other->unix_ns ? -1 : time.unix_ns > other->unix_ns ? 1 : 0);
}

std::optional<Result<Value>> duration_member(Duration duration, std::string_view name,
                                             std::span<const Value> arguments) {
  if (name == "Round" || name == "Truncate") {
    if (auto status = check_count(name, arguments, 1); !status.ok()) return status;
    const auto step = duration_argument(arguments[0]);
    if (!step.ok()) return step.status();
    return Value(Duration{to_step(duration.ns, step->ns, name == "Round")});
  }
  std::optional<Value> value;
  const auto number = static_cast<double>(duration.ns);
  if (name == "Seconds") value = number / 1e9;
  if (name == "Minutes") value = number / 6e10;
  if (name == "Hours") value = number / 3.6e12;
  if (name == "Milliseconds") value = duration.ns / 1'000'000;
  if (name == "Microseconds") value = duration.ns / 1'000;
  if (name == "Nanoseconds") value = duration.ns;
  if (name == "Abs") value = Duration{duration.ns < 0 ? subtract(0, duration.ns) : duration.ns};
  if (name == "String") value = format_duration(duration);
  if (!value) return std::nullopt;
  if (auto status = check_count(name, arguments, 0); !status.ok()) return status;
  return *value;
}

}  // namespace gatehouse::gotemplate
