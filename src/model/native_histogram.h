// A native histogram: sparse buckets of exponential width, or of given bounds.
// One type for counts that are whole and counts that are not (Prometheus's
// histogram.Histogram and histogram.FloatHistogram), after the "Native
// Histograms" specification of Prometheus.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gatehouse::model {

// `length` buckets in a row, `offset` after the end of the span before (in the
// first span: the index of its first bucket).
struct BucketSpan {
  int32_t offset = 0;
  uint32_t length = 0;
  friend bool operator==(const BucketSpan&, const BucketSpan&) = default;
};

// Whether a counter was reset between the sample before and this one.
enum class CounterReset : uint8_t { kUnknown, kReset, kNotReset, kGauge };

struct NativeHistogram {
  // -4 to 8: bucket bounds are powers of 2^(2^-schema). kCustomBounds: `bounds`.
  static constexpr int32_t kCustomBounds = -53;
  static constexpr int32_t kSchemaMin = -4;
  static constexpr int32_t kSchemaMax = 8;

  CounterReset reset = CounterReset::kUnknown;
  // Counts are whole numbers (each below 2^53), and are written so where a format tells them apart.
  bool whole = false;
  int32_t schema = 0;
  double zero_threshold = 0;
  double zero_count = 0;
  double count = 0;
  double sum = 0;
  std::vector<BucketSpan> positive_spans;
  std::vector<BucketSpan> negative_spans;
  std::vector<double> positive_buckets;  // absolute counts, one a bucket of the spans
  std::vector<double> negative_buckets;
  std::vector<double> bounds;  // upper bounds, ascending, +Inf left out; custom bounds alone

  bool custom() const { return schema == kCustomBounds; }
  friend bool operator==(const NativeHistogram&, const NativeHistogram&) = default;
};

}  // namespace gatehouse::model
