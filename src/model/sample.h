// Sample: (time, float64 or native histogram). What metrics are made of, and the
// views in which they go in and come out of a store.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/native_histogram.h"

namespace gatehouse::model {

// A pair of a borrowed label set. Whoever hands one out says how long it lives.
struct LabelView {
  std::string_view name;
  std::string_view value;
  friend auto operator<=>(const LabelView&, const LabelView&) = default;
};

// Sorted by name, every name once, no empty value. "__name__" is the metric's name.
using LabelsView = std::span<const LabelView>;

inline constexpr std::string_view kMetricName = "__name__";

// The value of a label, or "" where there is none.
inline std::string_view find_label(LabelsView labels, std::string_view name) {
  for (const LabelView& label : labels) {
    if (label.name == name) return label.value;
  }
  return {};
}

// Marks the end of a series; a NaN of this very bit pattern (Prometheus,
// model/value/value.go). Told from other NaNs by its bits alone.
inline constexpr uint64_t kStaleBits = 0x7ff0000000000002;
// The NaN that arithmetic gives, as Prometheus writes it.
inline constexpr uint64_t kNormalNanBits = 0x7ff8000000000001;
inline const double kStaleValue = std::bit_cast<double>(kStaleBits);
inline bool is_stale(double value) { return std::bit_cast<uint64_t>(value) == kStaleBits; }

struct Sample {
  int64_t time_ms = 0;  // Unix time
  double value = 0;
  int64_t start_ms = 0;  // since when a counter counts; 0: not known
};

struct HistogramSample {
  int64_t time_ms = 0;
  NativeHistogram histogram;
  int64_t start_ms = 0;
};

// Points from a sample to the trace that caused it.
struct Exemplar {
  std::vector<std::pair<std::string, std::string>> labels;  // sorted; 128 runes at most together
  int64_t time_ms = 0;
  double value = 0;
};

enum class SampleType : uint8_t {
  kUnknown,
  kCounter,
  kGauge,
  kHistogram,
  kGaugeHistogram,
  kSummary,
  kInfo,
  kStateset,
};
// "unknown", "counter", ... as exposition formats write them.
std::string_view name(SampleType type);

// What is said of a metric rather than of a series.
struct MetricMetadata {
  SampleType type = SampleType::kUnknown;
  std::string help;
  std::string unit;
  friend bool operator==(const MetricMetadata&, const MetricMetadata&) = default;
};

// One series' samples, in columns, oldest first, times strictly ascending.
// `histograms` is empty where all are floats, else as long as `times_ms`: null
// where the sample is a float. A sample that is a histogram has value 0, or the
// stale NaN where the histogram's sum is that. `starts_ms` is empty where no start
// is known, else as long as `times_ms`, 0 where one is not.
struct SampleColumns {
  std::vector<int64_t> times_ms;
  std::vector<double> values;
  std::vector<std::shared_ptr<const NativeHistogram>> histograms;
  std::vector<int64_t> starts_ms;

  size_t size() const { return times_ms.size(); }
  bool empty() const { return times_ms.empty(); }
  void clear() {
    times_ms.clear();
    values.clear();
    histograms.clear();
    starts_ms.clear();
  }
};

}  // namespace gatehouse::model
