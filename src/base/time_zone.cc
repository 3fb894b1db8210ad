#include "base/time_zone.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace gatehouse {
namespace {

constexpr int64_t kDay_s = 86'400;
// The largest file of the database has 4 KB; what is far above is not one.
constexpr size_t kFileBytesMax = 1 << 20;
constexpr const char* kDirectory = "/usr/share/zoneinfo/";

// Division that rounds down, for times before 1970.
int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

struct Date {
  int64_t year;
  int month, day;
};

// The inverse of days_of_date: eras of 400 years that begin in March.
Date date_of_days(int64_t days) {
  days += 719'468;
  const int64_t era = floor_div(days, 146'097);
  const int64_t of_era = days - era * 146'097;
  const int64_t year = (of_era - of_era / 1'460 + of_era / 36'524 - of_era / 146'096) / 365;
  const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  const int64_t shifted = (5 * of_year + 2) / 153;
  const auto day = static_cast<int>(of_year - (153 * shifted + 2) / 5 + 1);
  const auto month = static_cast<int>(shifted < 10 ? shifted + 3 : shifted - 9);
  return {year + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

// A day on which a footer's rule changes the offset: "M10.5.0/3", "J60", "59".
struct ChangeDay {
  char form = 'M';  // 'M', 'J' or 'N'
  int month = 0, week = 0, weekday = 0, day = 0;
  int64_t time_s = 7'200;

  // Seconds since 1970 of the change in local standard time's clock as it stood before.
  int64_t at(int64_t year) const {
    int64_t days = days_of_date(year, 1, 1);
    if (form == 'N') {
      days += day;
    } else if (form == 'J') {
      const bool leap = days_of_date(year, 3, 1) - days_of_date(year, 2, 28) == 2;
      days += day - 1 + (leap && day >= 60 ? 1 : 0);
    } else {
      const int64_t first = days_of_date(year, month, 1);
      const int64_t first_weekday = ((first + 4) % 7 + 7) % 7;
      days = first + (weekday - first_weekday + 7) % 7 + (week - 1) * 7;
      const int64_t next =
          month == 12 ? days_of_date(year + 1, 1, 1) : days_of_date(year, month + 1, 1);
      while (days >= next) days -= 7;
    }
    return days * kDay_s + time_s;
  }
};

struct Offset {
  int32_t seconds = 0;
  std::string abbreviation;
};

// POSIX's TZ, which rules after the last transition of the file.
struct Rule {
  Offset standard;
  std::optional<Offset> summer;
  ChangeDay begin, end;

  const Offset& at(int64_t unix_s) const {
    if (!summer) return standard;
    const int64_t year = date_of_days(floor_div(unix_s + standard.seconds, kDay_s)).year;
    const int64_t from = begin.at(year) - standard.seconds;
    const int64_t until = end.at(year) - summer->seconds;
    const bool in_summer =
        from < until ? unix_s >= from && unix_s < until : unix_s >= from || unix_s < until;
    return in_summer ? *summer : standard;
  }
};

class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : text_(text) {}

  std::optional<Rule> read() {
    Rule rule;
    rule.standard.abbreviation = name();
    auto offset = clock();
    if (rule.standard.abbreviation.empty() || !offset) return std::nullopt;
    rule.standard.seconds = static_cast<int32_t>(-*offset);
    if (text_.empty()) return rule;
    Offset summer;
    summer.abbreviation = name();
    summer.seconds = rule.standard.seconds + 3'600;
    if (!text_.empty() && text_[0] != ',') {
      offset = clock();
      if (!offset) return std::nullopt;
      summer.seconds = static_cast<int32_t>(-*offset);
    }
    if (!change(rule.begin) || !change(rule.end) || !text_.empty()) return std::nullopt;
    rule.summer = std::move(summer);
    return rule;
  }

 private:
  bool take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  std::string name() {
    size_t size = 0;
    if (take('<')) {
      size = std::min(text_.find('>'), text_.size());
    } else {
      while (size < text_.size() &&
             std::string_view("+-,0123456789").find(text_[size]) == std::string_view::npos) {
        ++size;
      }
    }
    std::string found(text_.substr(0, size));
    text_.remove_prefix(size);
    (void)take('>');
    return found;
  }

  std::optional<int64_t> number() {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0 || value > 1'000) return std::nullopt;
    text_.remove_prefix(static_cast<size_t>(end - text_.data()));
    return value;
  }

  // [+-]hh[:mm[:ss]]
  std::optional<int64_t> clock() {
    const bool negative = take('-');
    if (!negative) (void)take('+');
    auto part = number();
    if (!part) return std::nullopt;
    int64_t seconds = *part * 3'600;
    for (const int64_t unit : {60, 1}) {
      if (!take(':')) break;
      part = number();
      if (!part) return std::nullopt;
      seconds += *part * unit;
    }
    return negative ? -seconds : seconds;
  }

  bool change(ChangeDay& day) {
    if (!take(',')) return false;
    std::optional<int64_t> part;
    if (take('M')) {
      part = number();
      if (!part || *part < 1 || *part > 12 || !take('.')) return false;
      day.month = static_cast<int>(*part);
      part = number();
      if (!part || *part < 1 || *part > 5 || !take('.')) return false;
      day.week = static_cast<int>(*part);
      part = number();
      if (!part || *part > 6) return false;
      day.weekday = static_cast<int>(*part);
    } else {
      day.form = take('J') ? 'J' : 'N';
      part = number();
      if (!part || *part > 366) return false;
      day.day = static_cast<int>(*part);
    }
    if (take('/')) {
      part = clock();
      if (!part) return false;
      day.time_s = *part;
    }
    return true;
  }

  std::string_view text_;
};

class Zone {
 public:
  // nullptr: not a file of the format's second version or later.
  static std::shared_ptr<const Zone> parse(const std::string& bytes);

  const Offset& at(int64_t unix_s) const {
    const auto after = std::upper_bound(transitions_.begin(), transitions_.end(), unix_s);
    if (after == transitions_.end() && rule_) return rule_->at(unix_s);
    if (after == transitions_.begin()) return offsets_[first_];
    return offsets_[kinds_[static_cast<size_t>(after - transitions_.begin()) - 1]];
  }

 private:
  std::vector<int64_t> transitions_;
  std::vector<uint8_t> kinds_;  // of the offset from each transition on
  std::vector<Offset> offsets_;
  size_t first_ = 0;  // before the first transition
  std::optional<Rule> rule_;
};

uint64_t big_endian(std::string_view bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

struct Counts {
  size_t utc, standard, leaps, transitions, types, characters;

  static constexpr size_t kHeaderBytes = 44;
  static Counts read(std::string_view bytes, size_t at) {
    const auto count = [&](size_t i) {
      return static_cast<size_t>(big_endian(bytes, at + 20 + i * 4, 4));
    };
    return {count(0), count(1), count(2), count(3), count(4), count(5)};
  }
  size_t body_bytes(size_t time_bytes) const {
    return transitions * (time_bytes + 1) + types * 6 + characters + leaps * (time_bytes + 4) +
           standard + utc;
  }
};

std::shared_ptr<const Zone> Zone::parse(const std::string& bytes) {
  constexpr size_t kHeader = Counts::kHeaderBytes;
  if (bytes.size() < kHeader || !bytes.starts_with("TZif") || bytes[4] < '2') return nullptr;
  // The first block has 32-bit times, for readers that know no others.
  size_t at = kHeader + Counts::read(bytes, 0).body_bytes(4);
  if (at > bytes.size() || bytes.size() - at < kHeader) return nullptr;
  const Counts counts = Counts::read(bytes, at);
  at += kHeader;
  if (counts.types == 0 || counts.body_bytes(8) > bytes.size() - at) return nullptr;
  auto zone = std::make_shared<Zone>();
  for (size_t i = 0; i < counts.transitions; ++i) {
    zone->transitions_.push_back(static_cast<int64_t>(big_endian(bytes, at + i * 8, 8)));
  }
  at += counts.transitions * 8;
  for (size_t i = 0; i < counts.transitions; ++i) {
    const auto kind = static_cast<uint8_t>(bytes[at + i]);
    if (kind >= counts.types) return nullptr;
    zone->kinds_.push_back(kind);
  }
  at += counts.transitions;
  const size_t names = at + counts.types * 6;
  for (size_t i = 0; i < counts.types; ++i) {
    const auto seconds = static_cast<int32_t>(big_endian(bytes, at + i * 6, 4));
    const auto name = static_cast<unsigned char>(bytes[at + i * 6 + 5]);
    if (name >= counts.characters || seconds < -kDay_s || seconds > kDay_s) return nullptr;
    const size_t end = std::min(bytes.find('\0', names + name), names + counts.characters);
    zone->offsets_.push_back({seconds, bytes.substr(names + name, end - names - name)});
  }
  at += counts.body_bytes(8) - counts.transitions * 9;
  if (at < bytes.size() && bytes[at] == '\n') {
    const size_t end = bytes.find('\n', at + 1);
    if (end != std::string::npos && end > at + 1) {
      zone->rule_ = RuleReader(std::string_view(bytes).substr(at + 1, end - at - 1)).read();
    }
  }
  return zone;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes;
  char buffer[4'096];
  while (file && bytes.size() <= kFileBytesMax) {
    file.read(buffer, sizeof(buffer));
    bytes.append(buffer, static_cast<size_t>(file.gcount()));
  }
  return bytes;
}

// Names are paths below the directory of zones, and of nothing else.
bool is_zone_name(std::string_view name) {
  if (name.empty() || name.size() > 100 || name.front() == '/' ||
      name.find("..") != std::string_view::npos) {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '_' || c == '-' || c == '+';
  });
}

// nullptr: UTC. Only zones that are there are kept, some 600 at most.
Result<std::shared_ptr<const Zone>> find_zone(std::string_view name) {
  if (name.empty() || name == "UTC") return std::shared_ptr<const Zone>();
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Zone>, std::less<>> zones;
  const std::lock_guard lock(mutex);
  const auto known = zones.find(name);
  if (known != zones.end()) return known->second;
  std::shared_ptr<const Zone> zone;
  if (name == "Local") {
    zone = Zone::parse(read_file("/etc/localtime"));  // none: UTC
  } else {
    if (name.find("..") != std::string_view::npos || name.starts_with('/')) {
      return invalid_argument("time: invalid location name");
    }
    if (is_zone_name(name)) zone = Zone::parse(read_file(kDirectory + std::string(name)));
    if (!zone) return invalid_argument("unknown time zone " + std::string(name));
  }
  zones.emplace(name, zone);
  return zone;
}

}  // namespace

int64_t days_of_date(int64_t year, int64_t month, int64_t day) {
  year += floor_div(month - 1, 12);
  month = month - 1 - floor_div(month - 1, 12) * 12 + 1;
  if (month <= 2) --year;
  const int64_t era = floor_div(year, 400);
  const int64_t of_era = year - era * 400;
  const int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}

Status check_time_zone(std::string_view zone) { return find_zone(zone).status(); }

Result<LocalTime> local_time(int64_t unix_s, std::string_view zone) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const Zone> found, find_zone(zone));
  LocalTime local;
  if (found) {
    const Offset& offset = found->at(unix_s);
    local.offset_s = offset.seconds;
    local.abbreviation = offset.abbreviation;
  }
  // In halves, as the sum of a time and its offset may not fit.
  const int64_t days_utc = floor_div(unix_s, kDay_s);
  const int64_t of_day = unix_s - days_utc * kDay_s + local.offset_s;
  const int64_t days = days_utc + floor_div(of_day, kDay_s);
  const auto second = static_cast<int>(of_day - floor_div(of_day, kDay_s) * kDay_s);
  const Date date = date_of_days(days);
  local.year = date.year;
  local.month = date.month;
  local.day = date.day;
  local.hour = second / 3'600;
  local.minute = second / 60 % 60;
  local.second = second % 60;
  local.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  local.day_of_year = static_cast<int>(days - days_of_date(date.year, 1, 1) + 1);
  return local;
}

}  // namespace gatehouse
