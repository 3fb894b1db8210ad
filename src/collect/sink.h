// Where a source of samples that are all taken now puts them: the host collector,
// the program's own metrics. Whoever implements it adds the labels that name the
// source and hands the whole to a store (collect/publisher.h).
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>

#include "model/sample.h"

namespace gatehouse::collect {

// What is said of a metric; borrowed for the call.
struct Metric {
  std::string_view name;
  model::SampleType type = model::SampleType::kUnknown;
  std::string_view help;
};

class SampleSink {
 public:
  virtual ~SampleSink() = default;
  // `labels` in any order, every name once, without the metric's name; one with an
  // empty value counts as absent. All is borrowed for the call.
  virtual void add(const Metric& metric, std::span<const model::LabelView> labels,
                   double value) = 0;

  using LabelList = std::initializer_list<model::LabelView>;
  void gauge(std::string_view name, std::string_view help, double value, LabelList labels = {}) {
    add({name, model::SampleType::kGauge, help}, {labels.begin(), labels.size()}, value);
  }
  void counter(std::string_view name, std::string_view help, double value, LabelList labels = {}) {
    add({name, model::SampleType::kCounter, help}, {labels.begin(), labels.size()}, value);
  }
  void untyped(std::string_view name, std::string_view help, double value, LabelList labels = {}) {
    add({name, model::SampleType::kUnknown, help}, {labels.begin(), labels.size()}, value);
  }
};

}  // namespace gatehouse::collect
