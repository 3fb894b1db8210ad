// Hands one source's samples to the store, collection by collection, and marks the
// end of the series that are there no more.
//
// A source gives its series under keys of its own (what a target writes, before
// relabelling); the Publisher keeps, for each, the labels under which it is stored and
// the store's name for it, so that a series is relabelled once and looked up once.
//
// A collection is begin, any number of add, and commit. What was added in the last
// collection and is not in this one gets a staleness marker at the collection's time.
// One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "collect/sink.h"
#include "model/labels.h"
#include "model/series.h"

namespace gatehouse::collect {

// 128 bits of what a source calls a series: collisions are out of the question.
struct SeriesKey {
  uint64_t low = 0, high = 0;
  friend bool operator==(const SeriesKey&, const SeriesKey&) = default;
};
SeriesKey series_key(std::string_view text);
SeriesKey series_key(model::LabelsView labels);

class Publisher {
 public:
  // `labels` and its text live as long as they are used; see remember().
  struct Series {
    std::string packed;  // the labels: lengths and texts
    model::SeriesRef ref = 0;
    uint32_t charged = 0;  // bytes of the budget
    uint32_t round = 0;    // the last collection it was in
    bool dropped = false;  // relabelling wants none of it
    bool tracked = true;   // gets a marker when it is gone
  };

  // What it keeps is charged to `budget`, where there is one.
  explicit Publisher(model::SampleAppender& appender, MemoryBudget* budget = nullptr)
      : appender_(appender), budget_(budget) {}
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  void begin(int64_t time_ms);
  int64_t time_ms() const { return time_ms_; }

  Series* find(const SeriesKey& key);
  // `labels` sorted; none: the series is dropped, now and later. Null: over the budget.
  // REQUIRES: find() knows no such series.
  Series* remember(const SeriesKey& key, model::LabelsView labels);

  // With `tracked` false (a sample with a time of its own) its end is not marked.
  // False: over the budget.
  bool add(Series& series, const model::Sample& sample, bool tracked = true);
  bool add(Series& series, const model::HistogramSample& sample, bool tracked = true);
  // Of the sample added last.
  void add_exemplar(const model::Exemplar& exemplar);

  // While set, nothing is refused for the budget's sake: for the few samples that say
  // how the collection went.
  void set_essential(bool essential) { essential_ = essential; }

  // All that was added since begin, and the markers. kResourceExhausted: the store
  // takes nothing now; part of the batch may be in.
  Result<model::AppendOutcome> commit();
  // Forgets what was added since begin: the series count as gone.
  void discard();
  // Marks every series as ended at `time_ms` and forgets them.
  Result<model::AppendOutcome> end(int64_t time_ms);

  size_t series() const { return series_.size(); }
  size_t pending() const { return pending_.size(); }
  // Series seen for the first time since begin.
  size_t added() const { return added_; }
  model::SampleAppender& appender() { return appender_; }

 private:
  struct Pending {
    Series* series;
    model::Sample sample;
    int32_t histogram = -1;  // into histograms_
    uint32_t exemplars_begin = 0, exemplars_end = 0;
  };
  struct KeyHash {
    size_t operator()(const SeriesKey& key) const { return key.low; }
  };
  Status append_pending(model::AppendOutcome& total);
  void mark_unseen();
  // Whether there is room, and adds to `account` what was charged for it.
  bool charge(int64_t bytes, int64_t& account);
  bool make_room();
  void clear_pending();
  template <typename Predicate>
  void forget_if(Predicate predicate);

  model::SampleAppender& appender_;
  MemoryBudget* budget_;
  int64_t series_bytes_ = 0, pending_bytes_ = 0;           // charged
  std::unordered_map<SeriesKey, Series, KeyHash> series_;  // addresses stay
  std::vector<Pending> pending_;
  std::vector<model::HistogramSample> histograms_;
  std::vector<model::Exemplar> exemplars_;
  int64_t time_ms_ = 0;
  uint32_t round_ = 0;
  size_t added_ = 0;
  bool essential_ = false;
};

// A SampleSink over a Publisher: every sample gets the source's labels (job, instance),
// which stand back where the sample has one of that name.
class PublishingSink : public SampleSink {
 public:
  PublishingSink(model::SampleAppender& appender, const model::Labels& labels)
      : publisher_(appender), labels_(labels) {}

  void begin(int64_t time_ms) { publisher_.begin(time_ms); }
  void add(const Metric& metric, std::span<const model::LabelView> labels, double value) override;
  Result<model::AppendOutcome> commit() { return publisher_.commit(); }
  Result<model::AppendOutcome> end(int64_t time_ms) { return publisher_.end(time_ms); }
  const Publisher& publisher() const { return publisher_; }

 private:
  Publisher publisher_;
  model::Labels labels_;
  std::vector<model::LabelView> merged_;
  std::unordered_map<std::string, size_t> described_;  // a hash of what was said of each metric
};

}  // namespace gatehouse::collect
