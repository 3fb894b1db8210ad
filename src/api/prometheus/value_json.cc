// A query's result as JSON, in the form of Prometheus's util/jsonutil.
#include <cmath>

#include "api/prometheus/answer.h"
#include "model/native_histogram.h"

namespace gatehouse::api::metric {

namespace {

// Which ends of a bucket belong to it, as the API numbers them.
enum class Ends { kUpper = 0, kLower = 1, kNeither = 2, kBoth = 3 };

struct BucketWriter {
  std::string& out;
  bool first = true;

  void add(Ends ends, double lower, double upper, double count) {
    if (count == 0) return;
    out += first ? "[" : ",[";
    first = false;
    out += static_cast<char>('0' + static_cast<int>(ends));
    for (const double number : {lower, upper, count}) {
      out += ",\"";
      write_number(out, number);
      out += '"';
    }
    out += ']';
  }
};

// The upper bound of the positive bucket `index`.
double bound_of(const model::NativeHistogram& histogram, int64_t index) {
  if (histogram.custom()) {
    if (index < 0) return -HUGE_VAL;
    const auto i = static_cast<size_t>(index);
    return i < histogram.bounds.size() ? histogram.bounds[i] : HUGE_VAL;
  }
  if (histogram.schema <= 0) {
    return std::ldexp(1.0, static_cast<int>(index * (int64_t{1} << -histogram.schema)));
  }
  const int64_t per_octave = int64_t{1} << histogram.schema;
  const int64_t octave =
      index >= 0 ? index / per_octave : -((-index + per_octave - 1) / per_octave);
  const double within = static_cast<double>(index - octave * per_octave);
  return std::ldexp(std::exp2(within / static_cast<double>(per_octave)), static_cast<int>(octave));
}

struct Bucket {
  int64_t index;
  double count;
};

std::vector<Bucket> buckets_of(const std::vector<model::BucketSpan>& spans,
                               const std::vector<double>& counts) {
  std::vector<Bucket> buckets;
  buckets.reserve(counts.size());
  int64_t index = 0;
  for (const model::BucketSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length && buckets.size() < counts.size(); ++i, ++index) {
      buckets.push_back({index, counts[buckets.size()]});
    }
  }
  return buckets;
}

void write_histogram(std::string& out, const model::NativeHistogram& histogram) {
  out += "{\"count\":\"";
  write_number(out, histogram.count);
  out += "\",\"sum\":\"";
  write_number(out, histogram.sum);
  out += '"';
  const size_t before = out.size();
  out += ",\"buckets\":[";
  BucketWriter writer{out};
  const auto negative = buckets_of(histogram.negative_spans, histogram.negative_buckets);
  for (auto each = negative.rbegin(); each != negative.rend(); ++each) {
    writer.add(Ends::kLower, -bound_of(histogram, each->index),
               -bound_of(histogram, each->index - 1), each->count);
  }
  writer.add(Ends::kBoth, -histogram.zero_threshold, histogram.zero_threshold,
             histogram.zero_count);
  for (const Bucket& bucket : buckets_of(histogram.positive_spans, histogram.positive_buckets)) {
    const bool lowest = histogram.custom() && bucket.index == 0;
    writer.add(lowest ? Ends::kBoth : Ends::kUpper, bound_of(histogram, bucket.index - 1),
               bound_of(histogram, bucket.index), bucket.count);
  }
  if (writer.first) {
    out.resize(before);  // no bucket has a count
  } else {
    out += ']';
  }
  out += '}';
}

void write_point(std::string& out, const promql::Point& point) {
  out += '[';
  write_time(out, point.time_ms);
  out += ',';
  if (point.histogram != nullptr) {
    write_histogram(out, *point.histogram);
  } else {
    out += '"';
    write_number(out, point.value);
    out += '"';
  }
  out += ']';
}

void write_points(std::string& out, const promql::ResultSeries& series, bool histograms) {
  const std::string_view key = histograms ? ",\"histograms\":[" : ",\"values\":[";
  bool first = true;
  for (const promql::Point& point : series.points) {
    if ((point.histogram != nullptr) != histograms) continue;
    out += first ? key : std::string_view(",");
    first = false;
    write_point(out, point);
  }
  if (!first) out += ']';
}

void write_series(std::string& out, const promql::ResultSeries& series, bool matrix) {
  out += "{\"metric\":";
  wire::JsonWriter json(out);
  write_labels(json, series.labels);
  if (matrix) {
    write_points(out, series, false);
    write_points(out, series, true);
  } else if (!series.points.empty()) {
    out += series.points[0].histogram != nullptr ? ",\"histogram\":" : ",\"value\":";
    write_point(out, series.points[0]);
  }
  out += '}';
}

}  // namespace

void write_value(std::string& out, const promql::QueryValue& value) {
  switch (value.type) {
    case promql::ValueType::kScalar: {
      out += "{\"resultType\":\"scalar\",\"result\":";
      out += '[';
      write_time(out, value.scalar.time_ms);
      out += ",\"";
      write_scalar(out, value.scalar.value);
      out += "\"]";
      break;
    }
    case promql::ValueType::kString: {
      out += "{\"resultType\":\"string\",\"result\":[";
      write_time(out, value.string.time_ms);
      out += ',';
      wire::JsonWriter(out).string(value.string.value);
      out += ']';
      break;
    }
    default: {
      const bool matrix = value.type == promql::ValueType::kMatrix;
      out += matrix ? "{\"resultType\":\"matrix\",\"result\":["
                    : "{\"resultType\":\"vector\",\"result\":[";
      bool first = true;
      for (const promql::ResultSeries& series : value.series) {
        if (!first) out += ',';
        first = false;
        write_series(out, series, matrix);
      }
      out += ']';
    }
  }
  out += '}';
}

}  // namespace gatehouse::api::metric
