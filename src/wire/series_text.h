// Samples of any series as Prometheus text, for federation: what a store has, not
// what the program counts of itself (that is exposition.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/sample.h"

namespace gatehouse::wire {

class SeriesTextWriter {
 public:
  explicit SeriesTextWriter(std::string& out) : out_(out) {}

  // Before the samples of a metric, as "# TYPE name type". OpenMetrics's types that
  // the text format does not know are "untyped".
  void type(std::string_view metric, model::SampleType type);
  // A metric's name that is no word goes into the braces, in quotes (version 1.0.0).
  // REQUIRES: labels have "__name__".
  void sample(model::LabelsView labels, double value, std::optional<int64_t> time_ms);

 private:
  std::string& out_;
};

}  // namespace gatehouse::wire
