// What a scrape gives: one interface behind all exposition formats. Views live for
// the call alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "model/sample.h"
#include "wire/label_check.h"

namespace gatehouse::wire {

struct ScrapedSample {
  // The series as it is written, the name and labels' very bytes: within one target
  // they name it, before anything is relabelled. Empty for protobuf.
  std::string_view text;
  model::LabelsView labels;
  std::optional<int64_t> time_ms;  // as the target states it
  int64_t start_ms = 0;            // 0: not known
  double value = 0;
  const model::NativeHistogram* histogram = nullptr;  // instead of `value`
  // Of time 0 where none is stated: the sample's own is meant.
  std::span<const model::Exemplar> exemplars;
};

// Of the family; what the target does not state is empty.
struct ScrapedMetadata {
  std::string_view family;
  model::SampleType type = model::SampleType::kUnknown;
  std::string_view help;
  std::string_view unit;
};

class MetricSink {
 public:
  virtual ~MetricSink() = default;
  // Before the family's first sample, or alone. False from either: no more is wanted.
  virtual bool metadata(const ScrapedMetadata& metadata) = 0;
  virtual bool sample(const ScrapedSample& sample) = 0;
};

struct ScrapeOptions {
  LabelLimits labels;
  // Of a histogram that is there in both ways, give the classic series as well.
  bool classic_too = false;
};

}  // namespace gatehouse::wire
