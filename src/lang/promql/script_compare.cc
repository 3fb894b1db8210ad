#include "lang/promql/script_compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lang/promql/histogram/buckets.h"
#include "lang/promql/literal.h"
#include "model/sample.h"

namespace gatehouse::promql {
namespace {

using model::NativeHistogram;

// Numbers may differ by a millionth of their sum.
constexpr double kTolerance = 0.000001;

bool almost_equal(double a, double b) {
  if ((std::isnan(a) && std::isnan(b)) || a == b) return true;
  const double size = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  constexpr double kSmallest = std::numeric_limits<double>::min();
  if (a == 0 || b == 0 || size < kSmallest) return difference < kTolerance * kSmallest;
  return difference / std::min(size, std::numeric_limits<double>::max()) < kTolerance;
}

bool almost_equal(const std::vector<model::BucketSpan>& spans_a, const std::vector<double>& a,
                  const std::vector<model::BucketSpan>& spans_b, const std::vector<double>& b) {
  // Empty buckets count for nothing, however the spans are cut.
  const auto left = unpack(spans_a, a);
  const auto right = unpack(spans_b, b);
  return std::ranges::equal(left, right, [](const IndexedCount& x, const IndexedCount& y) {
    return x.index == y.index && almost_equal(x.count, y.count);
  });
}

bool almost_equal(const NotedValue& expected, const NativeHistogram& actual) {
  const NativeHistogram& wanted = *expected.histogram;
  return wanted.schema == actual.schema && almost_equal(wanted.count, actual.count) &&
         almost_equal(wanted.sum, actual.sum) && wanted.bounds == actual.bounds &&
         wanted.zero_threshold == actual.zero_threshold &&
         almost_equal(wanted.zero_count, actual.zero_count) &&
         almost_equal(wanted.negative_spans, wanted.negative_buckets, actual.negative_spans,
                      actual.negative_buckets) &&
         almost_equal(wanted.positive_spans, wanted.positive_buckets, actual.positive_spans,
                      actual.positive_buckets) &&
         (!expected.reset_given || wanted.reset == actual.reset);
}

bool matches(const NotedValue& expected, const Point& actual) {
  if (expected.histogram || actual.histogram) {
    return expected.histogram && actual.histogram && almost_equal(expected, *actual.histogram);
  }
  return almost_equal(*expected.value, actual.value);
}

std::string hint_text(model::CounterReset reset) {
  switch (reset) {
    case model::CounterReset::kUnknown: return "";
    case model::CounterReset::kReset: return " reset";
    case model::CounterReset::kNotReset: return " not_reset";
    case model::CounterReset::kGauge: return " gauge";
  }
  return "";
}

std::string show(double value, const std::shared_ptr<const NativeHistogram>& histogram) {
  if (!histogram) return format_number_short(value);
  return to_text(*histogram) + hint_text(histogram->reset);
}
std::string show(const NotedValue& value) {
  return value.omitted() ? "_" : show(value.value.value_or(0), value.histogram);
}
std::string show(const ResultSeries& series) {
  std::string out;
  for (const Point& point : series.points) {
    if (!out.empty()) out += ' ';
    out += show(point.value, point.histogram) + " @" + std::to_string(point.time_ms);
    // Enough to see what went wrong.
    if (out.size() > 1000) return out + " ...";
  }
  return out;
}

Status differs(std::string message) { return invalid_argument(std::move(message)); }

// The last of the expected series with those labels: later lines replace earlier ones.
const NotedSeries* find_expected(const EvalCommand& eval, const model::Labels& labels,
                                 size_t& position) {
  const NotedSeries* found = nullptr;
  for (size_t i = 0; i < eval.series.size(); ++i) {
    if (eval.series[i].labels != labels) continue;
    found = &eval.series[i];
    position = i;
  }
  return found;
}

Status compare_points(const NotedSeries& expected, const ResultSeries& actual,
                      const ExpectedMoments& moments) {
  size_t next = 0;
  const auto fail = [&](const std::string& what) {
    return differs(actual.labels.to_string() + ": " + what + "; the result has " + show(actual));
  };
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const int64_t time_ms = moments.begin_ms + static_cast<int64_t>(i) * moments.step_ms;
    if (time_ms > moments.end_ms) return fail("more points are expected than the query has");
    if (expected.values[i].omitted()) continue;
    const std::string wanted = show(expected.values[i]) + " at " + std::to_string(time_ms);
    if (next == actual.points.size()) return fail("expected " + wanted + ", got nothing");
    const Point& point = actual.points[next++];
    if (point.time_ms != time_ms || !matches(expected.values[i], point)) {
      return fail("expected " + wanted + ", got " + show(point.value, point.histogram) + " at " +
                  std::to_string(point.time_ms));
    }
  }
  if (next < actual.points.size()) return fail("more points than expected");
  return {};
}

Status compare_series(const EvalCommand& eval, const QueryValue& answer) {
  const bool matrix = answer.type == ValueType::kMatrix;
  const bool by_moments = eval.range || eval.range_vector;
  ExpectedMoments moments{eval.begin_ms, eval.end_ms, eval.step_ms};
  if (eval.range_vector) moments = *eval.range_vector;
  if (matrix && eval.ordered) return differs("expected an ordered result, got a matrix");
  const auto by_labels = [](const ResultSeries& a, const ResultSeries& b) {
    return a.labels < b.labels;
  };
  if (matrix && !std::is_sorted(answer.series.begin(), answer.series.end(), by_labels)) {
    return differs("a matrix must be sorted by labels");
  }
  for (size_t i = 0; i < answer.series.size(); ++i) {
    const ResultSeries& actual = answer.series[i];
    size_t position = 0;
    const NotedSeries* expected = find_expected(eval, actual.labels, position);
    if (!expected) {
      return differs("unexpected series " + actual.labels.to_string() + ": " + show(actual));
    }
    if (matrix && by_moments) {
      RETURN_IF_ERROR(compare_points(*expected, actual, moments));
      continue;
    }
    if (eval.ordered && position != i) {
      return differs("expected " + actual.labels.to_string() + " in place " +
                     std::to_string(position + 1) + ", got it in place " + std::to_string(i + 1));
    }
    if (expected->values.empty() || expected->values[0].omitted() || actual.points.size() != 1 ||
        !matches(expected->values[0], actual.points[0])) {
      const std::string wanted = expected->values.empty() ? "" : show(expected->values[0]);
      return differs("expected " + wanted + " for " + actual.labels.to_string() + ", got " +
                     show(actual));
    }
  }
  for (const NotedSeries& expected : eval.series) {
    const bool found = std::ranges::any_of(answer.series, [&expected](const ResultSeries& each) {
      return each.labels == expected.labels;
    });
    if (!found) return differs("expected series " + expected.labels.to_string() + " not found");
  }
  return {};
}

Status compare_texts(std::string_view what, const std::vector<TextExpectation>& expected,
                     const std::set<std::string>& actual) {
  if (expected.empty()) return {};
  std::string found;
  for (const std::string& text : actual) found += (found.empty() ? "" : "; ") + text;
  for (const TextExpectation& each : expected) {
    const auto fits = [&each](const std::string& text) { return each.matches(text); };
    if (std::ranges::none_of(actual, fits)) {
      return differs("expected " + std::string(what) + " " + each.to_string() + ", got: " + found);
    }
  }
  for (const std::string& text : actual) {
    const auto fits = [&text](const TextExpectation& each) { return each.matches(text); };
    if (std::ranges::none_of(expected, fits)) {
      return differs("unexpected " + std::string(what) + ": " + text);
    }
  }
  return {};
}

}  // namespace

Status compare_answer(const EvalCommand& eval, const QueryValue& answer) {
  switch (answer.type) {
    case ValueType::kString:
      if (eval.string && *eval.string == answer.string.value) return {};
      return differs("expected string " + quote(eval.string.value_or("")) + ", got " +
                     quote(answer.string.value));
    case ValueType::kScalar:
      if (!eval.scalar) return differs("expected series, got a scalar");
      if (almost_equal(*eval.scalar, answer.scalar.value)) return {};
      return differs("expected scalar " + format_number_short(*eval.scalar) + ", got " +
                     format_number_short(answer.scalar.value));
    case ValueType::kVector:
    case ValueType::kMatrix: break;
  }
  if (eval.scalar) return differs("expected a scalar, got series");
  if (eval.string) return differs("expected a string, got series");
  return compare_series(eval, answer);
}

Status compare_annotations(const EvalCommand& eval, const Annotations& annotations) {
  const auto& [warnings, infos] = annotations;
  if (eval.any_warning && warnings.empty()) return differs("expected a warning, got none");
  if (eval.any_info && infos.empty()) return differs("expected an info, got none");
  RETURN_IF_ERROR(compare_texts("warning", eval.warnings, warnings));
  RETURN_IF_ERROR(compare_texts("info", eval.infos, infos));
  if (eval.no_warning && !warnings.empty()) {
    return differs("unexpected warning: " + *warnings.begin());
  }
  if (eval.no_info && !infos.empty()) return differs("unexpected info: " + *infos.begin());
  return {};
}

Status compare_failure(const EvalCommand& eval, const Status& failure) {
  if (!eval.fail) return differs("failed: " + failure.message());
  if (eval.fail->matches(failure.message())) return {};
  return differs("expected to fail with " + eval.fail->to_string() + ", failed with " +
                 quote(failure.message()));
}

}  // namespace gatehouse::promql
