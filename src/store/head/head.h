// Head: the newest samples of every live series, in memory, behind a write-ahead
// log; what has not been written into a block yet.
//
// append() plans a batch under the append locks of the shards it touches (which
// series, which samples may be), writes the plan to the log in one write, and only
// then makes it so: what a reader sees is in the log, and a batch that cannot be
// logged leaves nothing behind. Replaying a log applies the same plans.
//
// A cardinality burst ends at three quarters of the memory budget: above it, no
// series is made, while samples of the known ones still come in, those of the same
// batch among them.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "model/clock.h"
#include "model/series.h"
#include "store/head/label_table.h"
#include "store/head/shard.h"
#include "store/wal/wal.h"

namespace gatehouse::store {

struct HeadOptions {
  int64_t out_of_order_ms = 30 * 60'000;
  // How far ahead of the clock a sample may lie, as Prometheus has it. 0: any.
  int64_t future_ms = 10 * 60'000;
  size_t exemplars_max = 100'000;
  size_t metrics_max = 100'000;  // with metadata
};

struct HeadStats {
  uint64_t series = 0;
  uint64_t ended_series = 0;
  uint64_t sealed_chunks = 0;
  uint64_t late_samples = 0;
  uint64_t exemplars = 0;
  uint64_t label_pairs = 0;
  uint64_t label_names = 0;
  int64_t begin_ms = INT64_MAX;
  int64_t end_ms = INT64_MIN;
  uint64_t memory_bytes = 0;
};

struct NamedCount {
  std::string name;
  uint64_t count = 0;
};
struct Cardinality {
  std::vector<NamedCount> series_by_metric;
  std::vector<NamedCount> values_by_label;
  std::vector<NamedCount> bytes_by_label;  // of the values' texts
  std::vector<NamedCount> series_by_pair;  // "name=value"
};

class Head {
 public:
  Head(MemoryBudget& budget, const model::Clock& clock, HeadOptions options);
  ~Head();

  // From here on append() logs to it. Before, it refuses.
  void use_log(Wal* wal) { wal_.store(wal); }

  Result<model::AppendOutcome> append(std::span<model::SeriesAppend> batch,
                                      const model::AppendOptions& options);

  // What there is no room for, or cannot be logged, is dropped.
  void describe(std::string_view metric, const model::MetricMetadata& metadata);

  // Of series with a sample in the range; without matchers, all. The set reads as
  // long as the head lives, and keeps `pin`.
  Result<std::unique_ptr<model::SeriesSet>> select(std::span<const model::Matcher> matchers,
                                                   model::TimeRangeMs range,
                                                   model::SeriesOrder order,
                                                   model::QueryContext& context,
                                                   std::shared_ptr<const void> pin) const;
  // Sorted.
  Result<std::vector<std::string>> label_names(std::span<const model::Matcher> matchers,
                                               model::TimeRangeMs range,
                                               model::QueryContext& context) const;
  // They live as long as the head.
  Result<std::vector<std::string_view>> label_values(std::string_view name,
                                                     std::span<const model::Matcher> matchers,
                                                     model::TimeRangeMs range,
                                                     model::QueryContext& context) const;
  std::vector<std::pair<std::string, model::MetricMetadata>> metadata(std::string_view metric,
                                                                      size_t limit) const;
  std::vector<model::SampleReader::SeriesExemplars> exemplars(
      std::span<const model::Selector> selectors, model::TimeRangeMs range) const;

  // Deletes samples in the range, durably. Gives the number of series concerned.
  Result<uint64_t> delete_samples(std::span<const model::Matcher> matchers,
                                  model::TimeRangeMs range);

  // A flush: begin_flush(), read what is before the cut, write it elsewhere, then
  // truncate(), which also ends series that have no samples left, unless `keep_all`. One at a time.
  void begin_flush(int64_t cut_ms);
  Status truncate(int64_t cut_ms, bool keep_all);
  void end_flush();

  // Writes the head out, shard by shard, so that the log before segment `number` is
  // of no use any more.
  // `size` becomes that of the file.
  Status write_snapshot(model::Disk& disk, const std::string& directory, uint32_t number,
                        uint64_t& size);
  static std::string snapshot_name(uint32_t number);

  // Every series with samples in the range, in the order of BlockWriter. One
  // thread at a time, none of truncate(), delete_samples(), reuse_slots() meanwhile.
  using SeriesVisit = std::function<Status(model::LabelsView, const model::SampleColumns&)>;
  Status visit_by_labels(model::TimeRangeMs range, const SeriesVisit& visit) const;
  // The least time of a sample from `from_ms` on; INT64_MAX: there is none.
  int64_t least_time_from(int64_t from_ms) const;

  // For a reader of the log. False: nothing is known of the slot.
  bool labels_of(uint32_t shard, uint32_t slot, std::vector<model::LabelView>& out) const;
  model::MetricMetadata metadata_of(std::string_view metric) const;

  // Slots whose series ended before the log's first segment can be given out again.
  void reuse_slots(uint32_t first_segment);

  // Fixes the shards of series: those of one directory have it in common.
  uint32_t hash_seed() const { return hash_seed_; }
  LabelTable& labels() { return labels_; }
  MemoryBudget& budget() const { return budget_; }
  int64_t begin_ms() const { return begin_ms_.load(std::memory_order_relaxed); }
  int64_t end_ms() const { return end_ms_.load(std::memory_order_relaxed); }
  HeadStats stats() const;
  Cardinality cardinality(size_t most) const;

 private:
  friend class HeadLoader;
  friend class HeadSeriesSet;
  struct Plan;  // of a batch: head_append.cc
  // Matchers as sets of label pairs.
  struct Resolved {
    struct Set {
      std::vector<uint32_t> pairs;  // sorted
      bool contains(uint32_t pair) const {
        return std::binary_search(pairs.begin(), pairs.end(), pair);
      }
    };
    std::vector<Set> wanted;    // a series has a pair of each
    std::vector<Set> unwanted;  // and of none of these
    bool nothing = false;       // no series can match
  };
  struct Found {
    uint32_t shard;
    uint32_t slot;
    uint16_t generation;
  };
  struct StoredExemplar {
    uint32_t shard;
    uint32_t slot;
    uint16_t generation;
    model::Exemplar exemplar;
  };

  uint32_t tag_and_shard(model::LabelsView labels, uint32_t& shard) const;
  Status append_some(std::span<model::SeriesAppend> batch, const model::AppendOptions& options,
                     Plan& plan, model::AppendOutcome& outcome);
  void plan_shard(std::span<model::SeriesAppend> batch, Plan& plan, uint32_t shard,
                  model::AppendOutcome& outcome);
  uint32_t plan_new_series(Plan& plan, uint32_t shard, uint32_t tag,
                           const model::SeriesAppend& append, model::AppendOutcome& outcome);
  void plan_samples(Plan& plan, uint32_t shard, uint32_t slot, model::SeriesAppend& append,
                    model::AppendOutcome& outcome);
  void plan_metadata(Plan& plan, std::span<model::SeriesAppend> batch);
  Status log_plan(Plan& plan);
  void abandon(Plan& plan);
  void carry_out(Plan& plan, std::span<model::SeriesAppend> batch);
  void keep_exemplar(uint32_t shard, uint32_t slot, const model::Exemplar& exemplar);
  // Whether it says anything that is not known yet. REQUIRES: metadata_mutex_.
  bool is_news(std::string_view metric, const model::MetricMetadata& metadata) const;
  void keep_metadata(std::string metric, model::MetricMetadata metadata);
  void widen(int64_t begin_ms, int64_t end_ms);

  Status put_snapshot(model::File& file, uint32_t number, uint64_t& size);
  std::string exemplars_for_snapshot(uint32_t shard, uint64_t& count) const;

  Resolved resolve(std::span<const model::Matcher> matchers) const;
  // Slots of a shard that match, ascending. REQUIRES: one of its locks.
  std::vector<uint32_t> slots_of(const Shard& shard, const Resolved& resolved) const;
  Result<std::vector<uint32_t>> pairs_in_use(const std::vector<uint32_t>& pairs,
                                             model::QueryContext& context) const;
  Result<std::vector<Found>> find_series(std::span<const model::Matcher> matchers,
                                         model::TimeRangeMs range,
                                         model::QueryContext& context) const;

  MemoryBudget& budget_;
  const model::Clock& clock_;
  const HeadOptions options_;
  LabelTable labels_;
  std::array<std::unique_ptr<Shard>, kShards> shards_;
  uint32_t hash_seed_;
  std::atomic<Wal*> wal_ = nullptr;
  std::atomic<int64_t> begin_ms_{INT64_MAX};
  std::atomic<int64_t> end_ms_{INT64_MIN};
  std::atomic<int64_t> flush_cut_ms_{INT64_MIN};

  mutable std::mutex exemplars_mutex_;
  std::deque<StoredExemplar> exemplars_;
  mutable std::mutex metadata_mutex_;
  std::map<std::string, model::MetricMetadata, std::less<>> metadata_;
  MemoryCharge side_memory_;  // exemplars and metadata
};

}  // namespace gatehouse::store
