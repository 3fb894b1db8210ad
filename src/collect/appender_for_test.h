// A store of samples for the tests: everything that was appended, by series.
#pragma once

#include <cmath>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "model/labels.h"
#include "model/series.h"

namespace gatehouse::collect::test {

class RecordingAppender : public model::SampleAppender {
 public:
  Result<model::AppendOutcome> append(std::span<model::SeriesAppend> batch,
                                      const model::AppendOptions&) override {
    const std::lock_guard lock(mutex_);
    if (full) return resource_exhausted("full");
    model::AppendOutcome outcome;
    for (model::SeriesAppend& each : batch) {
      std::vector<model::Labels::Pair> pairs;
      for (const auto& label : each.labels) pairs.emplace_back(label.name, label.value);
      const std::string name = model::Labels(pairs).to_string();
      if (each.ref == 0) {
        each.ref = ++last_ref_;
        names_[each.ref] = name;
        ++looked_up;
      } else if (names_[each.ref] != name) {
        wrong_refs.push_back(name);
      }
      auto& samples = series[name];
      samples.insert(samples.end(), each.samples.begin(), each.samples.end());
      histograms[name] += each.histograms.size();
      exemplars[name] += each.exemplars.size();
      outcome.samples += each.samples.size();
    }
    return outcome;
  }
  void describe(std::string_view metric, const model::MetricMetadata& said) override {
    const std::lock_guard lock(mutex_);
    metadata[std::string(metric)] = said;
  }

  std::vector<model::Sample> of(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = series.find(name);
    return found == series.end() ? std::vector<model::Sample>() : found->second;
  }
  bool has(const std::string& name) const { return !of(name).empty(); }
  // The last value; NaN where there is none.
  double last(const std::string& name) const {
    const auto all = of(name);
    return all.empty() ? std::nan("") : all.back().value;
  }
  bool ended(const std::string& name) const {
    const auto all = of(name);
    return !all.empty() && model::is_stale(all.back().value);
  }
  std::vector<std::string> names() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const auto& [name, samples] : series) out.push_back(name);
    return out;
  }

  bool full = false;
  std::map<std::string, std::vector<model::Sample>> series;
  std::map<std::string, size_t> histograms, exemplars;
  std::map<std::string, model::MetricMetadata> metadata;
  std::vector<std::string> wrong_refs;
  size_t looked_up = 0;

 private:
  mutable std::mutex mutex_;
  std::map<model::SeriesRef, std::string> names_;
  model::SeriesRef last_ref_ = 0;
};

}  // namespace gatehouse::collect::test
