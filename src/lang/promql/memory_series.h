// Series in memory, in plain maps: what test scripts load and query. Simple rather
// than fast. Counter reset hints of native histograms come out as a store gives
// them, which keeps them by chunk: "not reset" behind a histogram of the same layout
// that nothing was taken from, else "unknown"; gauges stay gauges.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "lang/promql/script.h"
#include "model/series.h"

namespace gatehouse::promql {

class MemorySeries : public model::SampleReader {
 public:
  void clear() { series_.clear(); }
  // kInvalidArgument: another value at a moment that has one, or classic buckets that
  // are no histogram.
  Status load(const LoadCommand& command);

  Result<std::unique_ptr<model::SeriesSet>> select(std::span<const model::Matcher> matchers,
                                                   model::TimeRangeMs range,
                                                   model::SeriesOrder order,
                                                   model::QueryContext& context) const override;
  Result<std::vector<std::string>> label_names(std::span<const model::Matcher> matchers,
                                               model::TimeRangeMs range, size_t limit,
                                               model::QueryContext& context) const override;
  Result<std::vector<std::string>> label_values(std::string_view name,
                                                std::span<const model::Matcher> matchers,
                                                model::TimeRangeMs range, size_t limit,
                                                model::QueryContext& context) const override;
  std::vector<std::pair<std::string, model::MetricMetadata>> metadata(std::string_view metric,
                                                                      size_t limit) const override;
  Result<std::vector<SeriesExemplars>> exemplars(std::span<const model::Selector> selectors,
                                                 model::TimeRangeMs range) const override;

  struct Stored {
    double value = 0;
    std::shared_ptr<const model::NativeHistogram> histogram;
    int64_t start_ms = 0;
  };
  using Samples = std::map<int64_t, Stored>;  // by time
  // One sample. kInvalidArgument: another value is there.
  Status insert(const model::Labels& labels, int64_t time_ms, Stored stored);

 private:
  using Entry = std::map<model::Labels, Samples>::value_type;

  Status load_custom_buckets(const LoadCommand& command);
  std::vector<const Entry*> matching(std::span<const model::Matcher> matchers,
                                     model::TimeRangeMs range) const;

  std::map<model::Labels, Samples> series_;
};

}  // namespace gatehouse::promql
