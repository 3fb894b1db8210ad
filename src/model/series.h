// The interfaces between engines and the store of Samples: a SampleAppender takes
// batches of series, a SampleReader gives the series that matchers select. A
// Series is a Stream of Samples.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "model/matcher.h"
#include "model/sample.h"

namespace gatehouse::model {

// Names a series within one store for the life of the process. 0: none.
using SeriesRef = uint64_t;

// What a sender has to say of one series. Everything but `ref` is borrowed for
// the call.
struct SeriesAppend {
  SeriesRef ref = 0;  // in: what an earlier append gave, or 0; out: the series' name
  LabelsView labels;  // always set, with `ref` too
  std::span<const Sample> samples;
  std::span<const HistogramSample> histograms;
  std::span<const Exemplar> exemplars;
  const MetricMetadata* metadata = nullptr;  // of the metric "__name__"
};

struct AppendOptions {
  // How far behind the newest sample of the store one may lie; < 0: as configured.
  int64_t out_of_order_ms = -1;
  // A sample with the time and value of the last is taken without a word (retries).
};

// How a batch went. What is refused is refused alone: the rest is in.
struct AppendOutcome {
  uint64_t samples = 0;
  uint64_t histograms = 0;
  uint64_t exemplars = 0;
  uint64_t duplicate = 0;     // same time, other value
  uint64_t out_of_order = 0;  // before the series' last, the window being shut
  uint64_t too_old = 0;       // behind the window
  uint64_t too_new = 0;       // further ahead of the clock than is allowed
  uint64_t invalid = 0;       // labels or a histogram that may not be
  std::string first_refusal;  // which series, and why; empty where all went in
  uint64_t refused() const { return duplicate + out_of_order + too_old + too_new + invalid; }
};

class SampleAppender {
 public:
  virtual ~SampleAppender() = default;
  // From any thread. When it returns ok what was taken survives the end of the
  // process at any instant. kResourceExhausted: the memory budget or the disk is
  // full; what there was room for may have been taken, and may be sent again: try again later.
  virtual Result<AppendOutcome> append(std::span<SeriesAppend> batch,
                                       const AppendOptions& options) = 0;
  // What a sender says of a metric apart from its series. Any thread; what there is no
  // room for is dropped, as the next sender says it again.
  virtual void describe(std::string_view metric, const MetricMetadata& metadata) = 0;
};

// Milliseconds, both ends included, as PromQL and remote read have them.
struct TimeRangeMs {
  int64_t begin_ms = INT64_MIN;
  int64_t end_ms = INT64_MAX;
};

// What bounds a query: every reader asks check() every few thousand samples.
class QueryContext {
 public:
  // `share`: what all queries together may charge, besides; null: no bound of its own.
  QueryContext(MemoryBudget& budget, int64_t deadline_steady_ms, int64_t samples_max,
               MemoryBudget* share = nullptr)
      : memory_(budget), deadline_steady_ms_(deadline_steady_ms), samples_max_(samples_max) {
    if (share != nullptr) share_.emplace(*share);
  }

  // kDeadlineExceeded or kCancelled, once it is time; kResourceExhausted, once
  // charge_or_refuse() has failed. Any thread.
  Status check() const;
  // Charges memory for the life of the query. Any thread.
  Status charge(int64_t bytes);
  // The same where the caller's caller cannot be told: it goes on without the memory, and
  // check() fails from then on.
  bool charge_or_refuse(int64_t bytes) {
    if (charge(bytes).ok()) return true;
    refused_.store(true, std::memory_order_relaxed);
    return false;
  }
  // kResourceExhausted once charge_or_refuse() has failed.
  Status refused() const;
  // Counts samples read towards the limit a query has. Any thread.
  Status count_samples(int64_t samples);
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  int64_t samples() const { return samples_.load(std::memory_order_relaxed); }

 private:
  class SharedCharge {
   public:
    explicit SharedCharge(MemoryBudget& budget) : budget_(budget) {}
    ~SharedCharge() { budget_.release(bytes_.load(std::memory_order_relaxed)); }
    SharedCharge(const SharedCharge&) = delete;
    SharedCharge& operator=(const SharedCharge&) = delete;
    bool grow(int64_t bytes) {
      if (!budget_.try_charge(bytes, bytes_.load(std::memory_order_relaxed))) return false;
      bytes_.fetch_add(bytes, std::memory_order_relaxed);
      return true;
    }

   private:
    MemoryBudget& budget_;
    std::atomic<int64_t> bytes_{0};
  };
  SharedCharge memory_;
  std::optional<SharedCharge> share_;
  std::atomic<int64_t> charged_{0};
  int64_t deadline_steady_ms_;
  int64_t samples_max_;
  std::atomic<int64_t> samples_{0};
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> refused_{false};
};

// The series of a selection. Lives no longer than its reader and its QueryContext.
class SeriesSet {
 public:
  virtual ~SeriesSet() = default;
  virtual size_t size() const = 0;
  // Live as long as the set. Any thread.
  virtual LabelsView labels(size_t i) const = 0;
  // The samples of series `i` in the range asked for, written over `out`, whose
  // capacity is reused. From any thread, with an `out` of its own.
  virtual Status samples(size_t i, SampleColumns& out) const = 0;
};

enum class SeriesOrder { kAny, kByLabels };

class SampleReader {
 public:
  virtual ~SampleReader() = default;

  // Any thread; a consistent view as of the call. At least one matcher must not
  // match the empty string (the caller checks).
  virtual Result<std::unique_ptr<SeriesSet>> select(std::span<const Matcher> matchers,
                                                    TimeRangeMs range, SeriesOrder order,
                                                    QueryContext& context) const = 0;

  // Sorted, at most `limit` (0: all), of series with a sample in the range that
  // every matcher matches; without matchers, of all.
  virtual Result<std::vector<std::string>> label_names(std::span<const Matcher> matchers,
                                                       TimeRangeMs range, size_t limit,
                                                       QueryContext& context) const = 0;
  virtual Result<std::vector<std::string>> label_values(std::string_view name,
                                                        std::span<const Matcher> matchers,
                                                        TimeRangeMs range, size_t limit,
                                                        QueryContext& context) const = 0;

  // By metric name; of one metric where `metric` is not empty.
  virtual std::vector<std::pair<std::string, MetricMetadata>> metadata(std::string_view metric,
                                                                       size_t limit) const = 0;

  struct SeriesExemplars {
    Labels series;
    std::vector<Exemplar> exemplars;  // by time
  };
  // Of the series that any of the selectors selects.
  virtual Result<std::vector<SeriesExemplars>> exemplars(std::span<const Selector> selectors,
                                                         TimeRangeMs range) const = 0;
};

}  // namespace gatehouse::model
