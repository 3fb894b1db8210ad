#include "wire/otlp_names.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace gatehouse::wire {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// What stays in a metric's name; underscores separate, as all else does.
bool in_word(char c) { return is_letter(c) || is_digit(c) || c == ':'; }

// UCUM's case-sensitive codes, in the words of Prometheus's conventions.
constexpr std::pair<std::string_view, std::string_view> kUnits[] = {
    {"d", "days"},
    {"h", "hours"},
    {"min", "minutes"},
    {"s", "seconds"},
    {"ms", "milliseconds"},
    {"us", "microseconds"},
    {"ns", "nanoseconds"},
    {"By", "bytes"},
    {"KiBy", "kibibytes"},
    {"MiBy", "mebibytes"},
    {"GiBy", "gibibytes"},
    {"TiBy", "tibibytes"},
    {"KBy", "kilobytes"},
    {"MBy", "megabytes"},
    {"GBy", "gigabytes"},
    {"TBy", "terabytes"},
    {"m", "meters"},
    {"V", "volts"},
    {"A", "amperes"},
    {"J", "joules"},
    {"W", "watts"},
    {"g", "grams"},
    {"Cel", "celsius"},
    {"Hz", "hertz"},
    {"1", ""},
    {"%", "percent"},
};
constexpr std::pair<std::string_view, std::string_view> kPerUnits[] = {
    {"s", "second"}, {"m", "minute"}, {"h", "hour"}, {"d", "day"},
    {"w", "week"},   {"mo", "month"}, {"y", "year"},
};

template <size_t N>
std::string_view look_up(const std::pair<std::string_view, std::string_view> (&table)[N],
                         std::string_view unit) {
  for (const auto& [code, word] : table) {
    if (code == unit) return word;
  }
  return unit;
}

struct UnitWords {
  std::string main;
  std::string per;  // with "per_" before it
};

UnitWords unit_words(std::string_view unit) {
  const auto usable = [](std::string_view part) {
    return !part.empty() && part.find_first_of("{}") == std::string_view::npos;
  };
  UnitWords words;
  const size_t slash = unit.find('/');
  const std::string_view main = trim(unit.substr(0, slash));
  if (usable(main)) words.main = look_up(kUnits, main);
  if (slash == std::string_view::npos) return words;
  const std::string_view per = trim(unit.substr(slash + 1));
  if (usable(per)) words.per = "per_" + std::string(look_up(kPerUnits, per));
  return words;
}

// Runs of what may not stand in a name become one underscore; none at the front.
std::string clean_unit(std::string_view unit) {
  std::string out;
  for (const char c : unit) {
    if (in_word(c)) {
      out += c;
    } else if (!out.empty() && out.back() != '_') {
      out += '_';
    }
  }
  return out;
}

std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words;
  bool inside = false;
  for (const char c : name) {
    if (!in_word(c)) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    inside = true;
    words.back() += c;
  }
  return words;
}

void move_to_end(std::vector<std::string>& words, std::string_view word) {
  std::erase(words, word);
  words.emplace_back(word);
}

bool is_counter(const OtlpMetric& metric) {
  return metric.kind == OtlpKind::kSum && metric.monotonic;
}
// A gauge without dimension is a ratio, by convention; a sum that may fall is a
// gauge too.
bool is_ratio(const OtlpMetric& metric) {
  return metric.unit == "1" &&
         (metric.kind == OtlpKind::kGauge || (metric.kind == OtlpKind::kSum && !metric.monotonic));
}

std::string escaped_with_suffixes(const OtlpMetric& metric) {
  std::vector<std::string> words = words_of(metric.name);
  const auto has = [&](const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  const UnitWords raw = unit_words(metric.unit);
  std::string main = clean_unit(raw.main);
  std::string per = clean_unit(raw.per);
  if (per == "per_") per.clear();
  if (per.ends_with('_')) per.pop_back();
  if (has(main)) main.clear();
  if (has(per)) per.clear();
  if (!per.empty() && main.ends_with('_')) main.pop_back();
  if (!main.empty()) words.push_back(main);
  if (!per.empty()) words.push_back(per);
  if (is_counter(metric)) move_to_end(words, "total");
  if (is_ratio(metric)) move_to_end(words, "ratio");
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += '_';
    out += word;
  }
  return out;
}

std::string escaped_without_suffixes(std::string_view name) {
  std::string out;
  bool gap = false;
  for (const char c : name) {
    if (!in_word(c) && c != '_') {
      gap = !out.empty();
      continue;
    }
    if (gap) out += '_';
    gap = false;
    out += c;
  }
  return out;
}

// Takes `suffix` and the character before it off, where the name has more.
void drop_suffix(std::string& name, std::string_view suffix) {
  if (name.ends_with(suffix) && name.size() > suffix.size() + 1) {
    name.resize(name.size() - suffix.size() - 1);
  }
}

std::string plain_with_suffixes(const OtlpMetric& metric) {
  std::string name(metric.name);
  const UnitWords unit = unit_words(metric.unit);
  if (is_ratio(metric)) drop_suffix(name, "ratio");
  if (is_counter(metric)) drop_suffix(name, "total");
  if (!unit.per.empty()) drop_suffix(name, unit.per);
  if (!unit.main.empty() && !name.ends_with(unit.main)) name += "_" + unit.main;
  if (!unit.per.empty()) name += "_" + unit.per;
  if (is_counter(metric)) name += "_total";
  if (is_ratio(metric)) name += "_ratio";
  return name;
}

bool only_underscores(std::string_view name) {
  return name.find_first_not_of('_') == std::string_view::npos;
}

}  // namespace

std::string otlp_metric_name(const OtlpMetric& metric, OtlpTranslation translation) {
  if (translation == OtlpTranslation::kNoTranslation) return std::string(metric.name);
  if (translation == OtlpTranslation::kNoUtf8EscapingWithSuffixes) {
    return plain_with_suffixes(metric);
  }
  std::string out = translation == OtlpTranslation::kUnderscoreEscapingWithSuffixes
                        ? escaped_with_suffixes(metric)
                        : escaped_without_suffixes(metric.name);
  if (!out.empty() && is_digit(out[0])) out.insert(0, "_");
  if (out != metric.name && only_underscores(out)) out.clear();
  return out;
}

std::string otlp_label_name(std::string_view key, OtlpTranslation translation) {
  std::string out(key);
  if (translation == OtlpTranslation::kNoTranslation ||
      translation == OtlpTranslation::kNoUtf8EscapingWithSuffixes) {
    return out;
  }
  // A character becomes one underscore, however many bytes it has.
  out.clear();
  for (const char c : key) {
    if (is_letter(c) || is_digit(c) || c == '_') {
      out += c;
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
      out += '_';
    }
  }
  if (out.empty()) return out;
  if (is_digit(out[0])) {
    out.insert(0, "key_");
  } else if (out.starts_with('_') && !out.starts_with("__")) {
    out.insert(0, "key");
  }
  if (out != key && only_underscores(out)) out.clear();
  return out;
}

std::string otlp_unit_name(std::string_view unit) {
  const UnitWords raw = unit_words(unit);
  std::string main = clean_unit(raw.main);
  const std::string per = clean_unit(raw.per);
  if (!main.empty() && !per.empty()) main += '_';
  main += per;
  if (main.ends_with('_')) main.pop_back();
  return main;
}

}  // namespace gatehouse::wire
