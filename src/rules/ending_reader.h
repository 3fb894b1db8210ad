// A SampleReader that says no once its group is to end: so that neither the program's end nor
// a reload waits for a rule that takes minutes.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/series.h"

namespace gatehouse::rules {

class EndingReader : public model::SampleReader {
 public:
  // Ends with either. REQUIRES: all outlive it.
  EndingReader(const model::SampleReader& reader, const std::atomic<bool>& one,
               const std::atomic<bool>& other)
      : reader_(reader), one_(one), other_(other) {}

  bool ending() const { return one_ || other_; }

  Result<std::unique_ptr<model::SeriesSet>> select(std::span<const model::Matcher> matchers,
                                                   model::TimeRangeMs range,
                                                   model::SeriesOrder order,
                                                   model::QueryContext& context) const override {
    if (ending()) return refusal();
    ASSIGN_OR_RETURN(auto set, reader_.select(matchers, range, order, context));
    return std::unique_ptr<model::SeriesSet>(std::make_unique<Set>(*this, std::move(set)));
  }
  Result<std::vector<std::string>> label_names(std::span<const model::Matcher> matchers,
                                               model::TimeRangeMs range, size_t limit,
                                               model::QueryContext& context) const override {
    return reader_.label_names(matchers, range, limit, context);
  }
  Result<std::vector<std::string>> label_values(std::string_view name,
                                                std::span<const model::Matcher> matchers,
                                                model::TimeRangeMs range, size_t limit,
                                                model::QueryContext& context) const override {
    return reader_.label_values(name, matchers, range, limit, context);
  }
  std::vector<std::pair<std::string, model::MetricMetadata>> metadata(std::string_view metric,
                                                                      size_t limit) const override {
    return reader_.metadata(metric, limit);
  }
  Result<std::vector<SeriesExemplars>> exemplars(std::span<const model::Selector> selectors,
                                                 model::TimeRangeMs range) const override {
    return reader_.exemplars(selectors, range);
  }

 private:
  static Status refusal() { return {Code::kCancelled, "the rule's group is ending"}; }

  class Set : public model::SeriesSet {
   public:
    Set(const EndingReader& reader, std::unique_ptr<model::SeriesSet> set)
        : reader_(reader), set_(std::move(set)) {}
    size_t size() const override { return set_->size(); }
    model::LabelsView labels(size_t i) const override { return set_->labels(i); }
    Status samples(size_t i, model::SampleColumns& out) const override {
      if (reader_.ending()) return refusal();
      return set_->samples(i, out);
    }

   private:
    const EndingReader& reader_;
    std::unique_ptr<model::SeriesSet> set_;
  };

  const model::SampleReader& reader_;
  const std::atomic<bool>& one_;
  const std::atomic<bool>& other_;
};

}  // namespace gatehouse::rules
