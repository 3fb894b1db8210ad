// How test scripts write the samples of a series (the notation of Prometheus's unit
// tests): "1 2+3x4 _ _x3 stale {{schema:1 sum:3 count:22 buckets:[5 10 7]}}x2".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/native_histogram.h"

namespace gatehouse::promql {

// A value at one step; neither: there is no sample.
struct NotedValue {
  std::optional<double> value;
  std::shared_ptr<const model::NativeHistogram> histogram;
  bool reset_given = false;  // the histogram says whether the counter was reset
  bool omitted() const { return !value && !histogram; }
};

struct NotedSeries {
  model::Labels labels;
  std::vector<NotedValue> values;
};

// A series has at most this many values: a script is read into memory whole.
inline constexpr size_t kNotedValuesMax = 1'000'000;

// "metric{label="value"} values".
Result<NotedSeries> parse_noted_series(std::string_view line);

// Where the metric at the begin of the line ends; npos: its braces are not closed.
size_t metric_end(std::string_view line);

// Start times as offsets from their samples, in milliseconds: "-1m", "_", "-30s-1mx2",
// "*" for the one before again.
Result<std::vector<std::optional<int64_t>>> parse_start_offsets(std::string_view text);

}  // namespace gatehouse::promql
