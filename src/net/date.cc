#include "net/date.h"

#include <array>
#include <cassert>
#include <chrono>

#include "net/char_class.h"

namespace gatehouse::net {

namespace {

using namespace std::chrono;  // NOLINT: this file is about nothing else

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> kLongDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Fields {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  unsigned weekday = 0;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
};

// Reads a date from left to right; once anything fails, all that follows does.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  void literal(std::string_view text) {
    ok_ = ok_ && rest_.starts_with(text);
    if (ok_) rest_.remove_prefix(text.size());
  }
  unsigned number(std::size_t digits) {
    ok_ = ok_ && rest_.size() >= digits && all_class(rest_.substr(0, digits), kDigit);
    unsigned value = 0;
    if (!ok_) return value;
    for (const char c : rest_.substr(0, digits))
      value = value * 10 + static_cast<unsigned>(c - '0');
    rest_.remove_prefix(digits);
    return value;
  }
  // asctime pads a day below ten with a space.
  unsigned padded_day() {
    if (ok_ && rest_.starts_with(' ')) {
      rest_.remove_prefix(1);
      return number(1);
    }
    return number(2);
  }
  template <std::size_t N>
  unsigned one_of(const std::array<std::string_view, N>& names) {
    for (unsigned i = 0; ok_ && i < N; ++i) {
      if (rest_.starts_with(names[i])) {
        rest_.remove_prefix(names[i].size());
        return i;
      }
    }
    ok_ = false;
    return 0;
  }
  void time(Fields& fields) {
    fields.hour = number(2);
    literal(":");
    fields.minute = number(2);
    literal(":");
    fields.second = number(2);
  }
  bool finished() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

std::optional<std::int64_t> to_seconds(const Fields& fields) {
  const year_month_day date{year{fields.year}, month{fields.month}, day{fields.day}};
  // 60: a leap second, which POSIX time counts as the next minute's first.
  if (!date.ok() || fields.hour > 23 || fields.minute > 59 || fields.second > 60) {
    return std::nullopt;
  }
  const sys_days days{date};
  if (weekday{days}.c_encoding() != fields.weekday) return std::nullopt;
  const seconds time = hours{fields.hour} + minutes{fields.minute} + seconds{fields.second};
  return (days.time_since_epoch() + time).count();
}

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<std::int64_t> parse_fixdate(std::string_view text) {
  Reader reader(text);
  Fields fields;
  fields.weekday = reader.one_of(kDays);
  reader.literal(", ");
  fields.day = reader.number(2);
  reader.literal(" ");
  fields.month = reader.one_of(kMonths) + 1;
  reader.literal(" ");
  fields.year = static_cast<int>(reader.number(4));
  reader.literal(" ");
  reader.time(fields);
  reader.literal(" GMT");
  return reader.finished() ? to_seconds(fields) : std::nullopt;
}

// "Sunday, 06-Nov-94 08:49:37 GMT"
std::optional<std::int64_t> parse_rfc850(std::string_view text, std::int64_t now_seconds) {
  Reader reader(text);
  Fields fields;
  fields.weekday = reader.one_of(kLongDays);
  reader.literal(", ");
  fields.day = reader.number(2);
  reader.literal("-");
  fields.month = reader.one_of(kMonths) + 1;
  reader.literal("-");
  const int short_year = static_cast<int>(reader.number(2));
  reader.literal(" ");
  reader.time(fields);
  reader.literal(" GMT");
  if (!reader.finished()) return std::nullopt;
  const year_month_day now{floor<days>(sys_seconds{seconds{now_seconds}})};
  const int this_year = static_cast<int>(now.year());
  fields.year = this_year - this_year % 100 + short_year;
  if (fields.year > this_year + 50) fields.year -= 100;
  if (fields.year <= this_year - 50) fields.year += 100;
  return to_seconds(fields);
}

// "Sun Nov  6 08:49:37 1994"
std::optional<std::int64_t> parse_asctime(std::string_view text) {
  Reader reader(text);
  Fields fields;
  fields.weekday = reader.one_of(kDays);
  reader.literal(" ");
  fields.month = reader.one_of(kMonths) + 1;
  reader.literal(" ");
  fields.day = reader.padded_day();
  reader.literal(" ");
  reader.time(fields);
  reader.literal(" ");
  fields.year = static_cast<int>(reader.number(4));
  return reader.finished() ? to_seconds(fields) : std::nullopt;
}

void append_number(std::string& out, unsigned value, std::size_t digits) {
  std::array<char, 4> text{};
  assert(digits <= text.size());
  for (std::size_t i = digits; i-- > 0; value /= 10) text[i] = static_cast<char>('0' + value % 10);
  out.append(text.data(), digits);
}

}  // namespace

std::string format_http_date(std::int64_t unix_seconds) {
  const sys_seconds time{seconds{unix_seconds}};
  const sys_days date_days = floor<days>(time);
  const year_month_day date{date_days};
  const hh_mm_ss clock{time - date_days};
  std::string out;
  out.reserve(29);
  out += kDays[weekday{date_days}.c_encoding()];
  out += ", ";
  append_number(out, static_cast<unsigned>(date.day()), 2);
  out += ' ';
  out += kMonths[static_cast<unsigned>(date.month()) - 1];
  out += ' ';
  append_number(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  out += ' ';
  append_number(out, static_cast<unsigned>(clock.hours().count()), 2);
  out += ':';
  append_number(out, static_cast<unsigned>(clock.minutes().count()), 2);
  out += ':';
  append_number(out, static_cast<unsigned>(clock.seconds().count()), 2);
  out += " GMT";
  return out;
}

std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now_seconds) {
  if (text.size() > 3 && text[3] == ',') return parse_fixdate(text);
  if (text.size() > 3 && text[3] == ' ') return parse_asctime(text);
  return parse_rfc850(text, now_seconds);
}

}  // namespace gatehouse::net
