// How an evaluation passes instant vectors from one part of the tree to the next:
// a VectorSource has series, and gives the column of one of them on demand. What
// works series by series (a selector, rate(), abs(), a comparison with a number) is
// computed while whoever asks, an aggregation say, takes it: no part of a fused
// chain is ever whole in memory. What needs all series at once makes a Block.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "lang/promql/eval/column.h"
#include "lang/promql/eval/labels.h"
#include "model/series.h"

namespace gatehouse::promql {

class Block;

struct SeriesName {
  LabelsView labels;
  bool drop_name = false;  // the metric's name is to be left out of the answer
  std::string_view metric() const { return model::find_label(labels, model::kMetricName); }
};

// Which samples each window of a series holds, and how much of the window they cover. Series of
// one target have the same times: what was found for one holds for the next.
struct Windows {
  std::vector<uint32_t> low, high;  // window s holds the samples [low[s], high[s])

  // What the above was found for.
  std::vector<int64_t> times_ms;
  int64_t first_end_ms = 0, step_ms = 0, range_ms = 0;

  // rate_kernels.cc: by window, for the kind of rate that asked last.
  struct Cover {
    double sampled = 0;   // from the first sample to the last
    double to_start = 0;  // how far it is extrapolated beyond them
    double to_end = 0;
    double factor = 0;  // of the increase between the samples
  };
  enum class CoverOf : uint8_t { kNothing, kIncrease, kRate };
  CoverOf cover_of = CoverOf::kNothing;
  std::vector<Cover> covers;
};

// What one thread of an evaluation uses again from series to series.
struct Worker {
  explicit Worker(model::QueryContext& query_context) : context(query_context) {}

  // To be called with what was read; asks the context from time to time.
  Status count(size_t read) {
    RETURN_IF_ERROR(context.count_samples(static_cast<int64_t>(read)));
    unchecked_ += read + 16;  // a series without samples costs too
    if (unchecked_ < kCheckSamples) return {};
    unchecked_ = 0;
    return context.check();
  }

  model::QueryContext& context;
  model::SampleColumns samples;
  Windows windows;
  std::vector<uint32_t> indices;
  std::vector<double> numbers;
  std::vector<double> more_numbers;
  Column column;
  std::string key;

 private:
  static constexpr size_t kCheckSamples = 4096;  // about 10 us of work
  size_t unchecked_ = 0;
};

class VectorSource {
 public:
  virtual ~VectorSource() = default;
  virtual size_t size() const = 0;
  // Lives as long as the evaluation.
  virtual SeriesName name(size_t i) const = 0;
  // Writes over `out`. From any thread, with a Worker of its own.
  virtual Status column(size_t i, Column& out, Worker& worker) const = 0;
  // Whether the series differ by more than their metric's names: these can go without
  // two series becoming one.
  virtual bool one_metric() const { return false; }
  // The series of a Block can be read where they lie.
  virtual const Block* block() const { return nullptr; }
};
using VectorPtr = std::unique_ptr<VectorSource>;

// Series whose columns are in memory.
class Block final : public VectorSource {
 public:
  explicit Block(size_t steps) : steps_(steps) {}

  size_t size() const override { return names_.size(); }
  SeriesName name(size_t i) const override { return names_[i]; }
  Status column(size_t i, Column& out, Worker& worker) const override;
  const Block* block() const override { return this; }
  bool one_metric() const override;

  size_t steps() const { return steps_; }
  void resize(size_t series) {
    names_.resize(series);
    values_.assign(series * steps_, kNoSample);
    histograms_.resize(series);
  }
  void set_name(size_t i, SeriesName name) { names_[i] = name; }
  void put(size_t i, Column&& column);
  size_t add(SeriesName name, Column&& column);
  // A row with no sample yet.
  size_t add(SeriesName name);

  std::span<double> values(size_t i) { return {values_.data() + i * steps_, steps_}; }
  std::span<const double> values(size_t i) const { return {values_.data() + i * steps_, steps_}; }
  double value(size_t i, size_t step) const { return values_[i * steps_ + step]; }
  bool has_histograms(size_t i) const { return !histograms_[i].empty(); }
  const model::NativeHistogram* histogram(size_t i, size_t step) const {
    return histograms_[i].empty() ? nullptr : histograms_[i][step].get();
  }
  HistogramPtr share_histogram(size_t i, size_t step) const {
    return histograms_[i].empty() ? nullptr : histograms_[i][step];
  }
  bool present(size_t i, size_t step) const {
    return is_present(value(i, step)) || histogram(i, step) != nullptr;
  }
  void set(size_t i, size_t step, double value) { values_[i * steps_ + step] = value; }
  void set(size_t i, size_t step, HistogramPtr histogram) {
    if (histograms_[i].empty()) histograms_[i].resize(steps_);
    values_[i * steps_ + step] = kNoSample;
    histograms_[i][step] = std::move(histogram);
  }
  void copy(size_t i, size_t step, const Block& from, size_t from_i) {
    if (const HistogramPtr histogram = from.share_histogram(from_i, step)) {
      set(i, step, histogram);
    } else {
      set(i, step, from.value(from_i, step));
    }
  }
  bool any(size_t i) const;
  // Leaves out the series without any sample.
  void drop_empty();

 private:
  size_t steps_;
  std::vector<SeriesName> names_;
  std::vector<double> values_;  // series by series
  std::vector<std::vector<HistogramPtr>> histograms_;
};
using BlockPtr = std::unique_ptr<Block>;

}  // namespace gatehouse::promql
