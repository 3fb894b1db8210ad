#include "lang/promql/series_notation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string>

#include "base/text.h"
#include "lang/promql/histogram/arithmetic.h"
#include "lang/promql/literal.h"
#include "lang/promql/parser.h"
#include "model/sample.h"

namespace gatehouse::promql {
namespace {

using model::CounterReset;
using model::NativeHistogram;

bool is_space(char c) { return c == ' ' || c == '\t'; }

Status malformed(std::string_view what, std::string_view text) {
  return invalid_argument(std::string(what) + ": " + quote(text.substr(0, 40)));
}

// Reads from the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool done() const { return at_ == text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  std::string_view rest() const { return text_.substr(at_); }
  bool accept(std::string_view mark) {
    if (!rest().starts_with(mark)) return false;
    at_ += mark.size();
    return true;
  }
  void skip_spaces() {
    while (!done() && is_space(text_[at_])) ++at_;
  }
  std::string_view word() {
    const size_t begin = at_;
    while (!done() && is_word_character(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  // A number with or without a sign; "inf" and "nan" too.
  Result<double> number() {
    bool negative = false;
    if (peek() == '-' || peek() == '+') negative = text_[at_++] == '-';
    for (const std::string_view name : {"inf", "nan"}) {
      if (!equal_ignoring_case(rest().substr(0, 3), name)) continue;
      at_ += 3;
      if (name == "nan") return std::numeric_limits<double>::quiet_NaN();
      return negative ? -std::numeric_limits<double>::infinity()
                      : std::numeric_limits<double>::infinity();
    }
    double value = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc() || peek() == '-') return malformed("a number is missing", rest());
    at_ += static_cast<size_t>(end - begin);
    return negative ? -value : value;
  }

  Result<size_t> count() {
    size_t value = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc()) return malformed("a repetition count is missing", rest());
    if (value > kNotedValuesMax) return invalid_argument("too many repetitions");
    at_ += static_cast<size_t>(end - begin);
    return value;
  }

  // "-30s", "1ms": one number and its unit; the "x" of a repetition is none.
  Result<int64_t> duration_ms() {
    const bool negative = peek() == '-';
    if (negative || peek() == '+') ++at_;
    const size_t begin = at_;
    while (is_ascii_digit(peek())) ++at_;
    while (peek() >= 'a' && peek() <= 'z' && peek() != 'x') ++at_;
    ASSIGN_OR_RETURN(const int64_t ms, parse_unit_duration_ms(text_.substr(begin, at_ - begin)));
    return negative ? -ms : ms;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// --- Histograms: {{key:value ...}}.

Result<std::vector<double>> number_list(Scanner& scanner) {
  std::vector<double> numbers;
  if (!scanner.accept("[")) return malformed("a list of numbers is missing", scanner.rest());
  for (scanner.skip_spaces(); !scanner.accept("]"); scanner.skip_spaces()) {
    ASSIGN_OR_RETURN(const double number, scanner.number());
    numbers.push_back(number);
  }
  return numbers;
}

Result<int32_t> whole_number(Scanner& scanner) {
  ASSIGN_OR_RETURN(const double number, scanner.number());
  const auto whole = static_cast<int32_t>(std::clamp(number, -1e9, 1e9));
  if (static_cast<double>(whole) != number) return malformed("not a whole number", scanner.rest());
  return whole;
}

Result<CounterReset> reset_hint(Scanner& scanner) {
  const std::string_view word = scanner.word();
  if (word == "unknown") return CounterReset::kUnknown;
  if (word == "reset") return CounterReset::kReset;
  if (word == "not_reset") return CounterReset::kNotReset;
  if (word == "gauge") return CounterReset::kGauge;
  return malformed("no such counter_reset_hint", word);
}

struct Description {
  NativeHistogram histogram;
  int32_t offset = 0;
  int32_t negative_offset = 0;
  bool reset_given = false;
};

Status read_key(std::string_view key, Scanner& scanner, Description& description) {
  NativeHistogram& histogram = description.histogram;
  const auto number_into = [&scanner](double& value) -> Status {
    ASSIGN_OR_RETURN(value, scanner.number());
    return {};
  };
  const auto whole_into = [&scanner](int32_t& value) -> Status {
    ASSIGN_OR_RETURN(value, whole_number(scanner));
    return {};
  };
  const auto list_into = [&scanner](std::vector<double>& values) -> Status {
    ASSIGN_OR_RETURN(values, number_list(scanner));
    return {};
  };
  if (key == "schema") return whole_into(histogram.schema);
  if (key == "sum") return number_into(histogram.sum);
  if (key == "count") return number_into(histogram.count);
  if (key == "z_bucket") return number_into(histogram.zero_count);
  if (key == "z_bucket_w") return number_into(histogram.zero_threshold);
  if (key == "offset") return whole_into(description.offset);
  if (key == "n_offset") return whole_into(description.negative_offset);
  if (key == "buckets") return list_into(histogram.positive_buckets);
  if (key == "n_buckets") return list_into(histogram.negative_buckets);
  if (key == "custom_values") return list_into(histogram.bounds);
  if (key == "counter_reset_hint") {
    description.reset_given = true;
    ASSIGN_OR_RETURN(histogram.reset, reset_hint(scanner));
    return {};
  }
  return malformed("bad histogram descriptor found", key);
}

// After "{{".
Result<NotedValue> read_histogram(Scanner& scanner) {
  Description description;
  std::vector<std::string_view> keys;
  for (scanner.skip_spaces(); !scanner.accept("}}"); scanner.skip_spaces()) {
    const std::string_view key = scanner.word();
    if (!scanner.accept(":")) return malformed("a histogram is cut short", scanner.rest());
    if (std::ranges::count(keys, key) != 0) return malformed("duplicate key in histogram", key);
    keys.push_back(key);
    RETURN_IF_ERROR(read_key(key, scanner, description));
  }
  NativeHistogram& histogram = description.histogram;
  const auto span_of = [](const std::vector<double>& buckets, int32_t offset) {
    std::vector<model::BucketSpan> spans;
    if (!buckets.empty()) spans.push_back({offset, static_cast<uint32_t>(buckets.size())});
    return spans;
  };
  histogram.positive_spans = span_of(histogram.positive_buckets, description.offset);
  histogram.negative_spans = span_of(histogram.negative_buckets, description.negative_offset);
  NotedValue noted;
  noted.reset_given = description.reset_given;
  noted.histogram = std::make_shared<const NativeHistogram>(std::move(histogram));
  return noted;
}

// --- Items of a sequence.

Status append(std::vector<NotedValue>& values, const NotedValue& value, size_t times = 1) {
  if (values.size() + times > kNotedValuesMax) return invalid_argument("too many values");
  values.insert(values.end(), times, value);
  return {};
}

// After the base: "xN", "+{{...}}xN", "-{{...}}xN" or nothing.
Status read_histogram_series(Scanner& scanner, NotedValue base, std::vector<NotedValue>& values) {
  if (scanner.accept("x")) {
    ASSIGN_OR_RETURN(const size_t times, scanner.count());
    return append(values, base, times + 1);
  }
  const bool minus = scanner.peek() == '-';
  if (!minus && scanner.peek() != '+') return append(values, base);
  scanner.accept(minus ? "-" : "+");
  if (!scanner.accept("{{")) return malformed("a histogram is missing", scanner.rest());
  ASSIGN_OR_RETURN(const NotedValue step, read_histogram(scanner));
  if (!scanner.accept("x")) return malformed("a repetition is missing", scanner.rest());
  ASSIGN_OR_RETURN(const size_t times, scanner.count());
  if (base.histogram->schema > step.histogram->schema) {
    return invalid_argument("error combining histograms: cannot merge from schema " +
                            std::to_string(step.histogram->schema) + " to " +
                            std::to_string(base.histogram->schema));
  }
  base.reset_given = step.reset_given;
  RETURN_IF_ERROR(append(values, base));
  for (size_t i = 0; i < times; ++i) {
    HistogramSum sum(*base.histogram);
    if (!sum.add(*step.histogram, minus ? -1 : 1).compatible) {
      return invalid_argument("error combining histograms: exponential and custom buckets");
    }
    base.histogram = std::make_shared<const NativeHistogram>(sum.sum());
    RETURN_IF_ERROR(append(values, base));
  }
  return {};
}

Status read_number_series(Scanner& scanner, std::vector<NotedValue>& values) {
  ASSIGN_OR_RETURN(double value, scanner.number());
  double step = 0;
  const bool has_step = scanner.peek() == '+' || scanner.peek() == '-';
  if (has_step) {
    ASSIGN_OR_RETURN(step, scanner.number());
  }
  size_t times = 0;
  if (scanner.accept("x")) {
    ASSIGN_OR_RETURN(times, scanner.count());
  } else if (has_step) {
    return malformed("a repetition is missing", scanner.rest());
  }
  for (size_t i = 0; i <= times; ++i, value += step) {
    RETURN_IF_ERROR(append(values, {value, nullptr, false}));
  }
  return {};
}

Status read_item(Scanner& scanner, std::vector<NotedValue>& values) {
  if (scanner.accept("_")) {
    size_t times = 1;
    if (scanner.accept("x")) {
      ASSIGN_OR_RETURN(times, scanner.count());
    }
    return append(values, {}, times);
  }
  if (scanner.accept("{{")) {
    ASSIGN_OR_RETURN(const NotedValue base, read_histogram(scanner));
    return read_histogram_series(scanner, base, values);
  }
  if (scanner.accept("stale")) return append(values, {model::kStaleValue, nullptr, false});
  return read_number_series(scanner, values);
}

// --- Start times.

using Offset = std::optional<int64_t>;

Status read_offsets(Scanner& scanner, std::vector<Offset>& offsets) {
  Offset first;
  int64_t step = 0;
  bool has_step = false;
  const bool blank = scanner.accept("_");
  if (scanner.accept("*")) {
    // The one before again.
    first = 0;
    for (const Offset& each : offsets) first = each ? each : first;
  } else if (!blank) {
    ASSIGN_OR_RETURN(first, scanner.duration_ms());
    has_step = scanner.peek() == '+' || scanner.peek() == '-';
    if (has_step) {
      ASSIGN_OR_RETURN(step, scanner.duration_ms());
    }
  }
  size_t times = blank ? 1 : 0;
  if (scanner.accept("x")) {
    ASSIGN_OR_RETURN(times, scanner.count());
  } else if (has_step) {
    return malformed("a repetition is missing", scanner.rest());
  }
  if (!blank) ++times;
  if (offsets.size() + times > kNotedValuesMax) return invalid_argument("too many values");
  for (size_t i = 0; i < times; ++i) {
    offsets.push_back(first);
    if (first) *first += step;
  }
  return {};
}

// Calls read(scanner) for every item between spaces.
template <typename Read>
Status read_items(std::string_view text, Read read) {
  Scanner scanner(text);
  for (scanner.skip_spaces(); !scanner.done(); scanner.skip_spaces()) {
    RETURN_IF_ERROR(read(scanner));
    if (!scanner.done() && !is_space(scanner.peek())) {
      return malformed("unexpected in a sequence of values", scanner.rest());
    }
  }
  return {};
}

}  // namespace

size_t metric_end(std::string_view line) {
  size_t at = 0;
  while (at < line.size() && (is_word_character(line[at]) || line[at] == ':')) ++at;
  if (at == line.size() || line[at] != '{' || line.substr(at).starts_with("{{")) return at;
  char quoted = '\0';
  for (; at < line.size(); ++at) {
    const char c = line[at];
    if (quoted != '\0') {
      if (c == '\\' && quoted != '`') ++at;
      if (c == quoted) quoted = '\0';
    } else if (c == '"' || c == '\'' || c == '`') {
      quoted = c;
    } else if (c == '}') {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

Result<NotedSeries> parse_noted_series(std::string_view line) {
  const size_t end = metric_end(line);
  if (end == std::string_view::npos) return malformed("braces are not closed", line);
  NotedSeries series;
  ASSIGN_OR_RETURN(series.labels, parse_metric(line.substr(0, end)));
  RETURN_IF_ERROR(read_items(
      line.substr(end), [&series](Scanner& scanner) { return read_item(scanner, series.values); }));
  return series;
}

Result<std::vector<std::optional<int64_t>>> parse_start_offsets(std::string_view text) {
  std::vector<Offset> offsets;
  RETURN_IF_ERROR(
      read_items(text, [&offsets](Scanner& scanner) { return read_offsets(scanner, offsets); }));
  return offsets;
}

}  // namespace gatehouse::promql
