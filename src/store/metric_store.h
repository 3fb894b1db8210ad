// MetricStore: the store of samples, whole: a head behind a log, and blocks
// (docs/format/wal.md, block.md). One thread keeps it up: snapshots of the head, flushes of ranges
// that are complete, compaction, retention.
//
// A reader holds the list of blocks as it was when it came. A flush publishes its
// block, then waits for those who hold an older list before it takes the samples
// out of the head: everyone sees every sample, once.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "model/clock.h"
#include "model/disk.h"
#include "model/series.h"
#include "store/block/block.h"
#include "store/head/head.h"
#include "store/head/recovery.h"
#include "store/wal/wal.h"

namespace gatehouse::store {

struct MetricStoreOptions {
  std::string directory = "./data/metrics";
  // Blocks go once they are older, or while all files are larger: whichever comes
  // first. 0: no limit of that kind.
  int64_t retention_ms = 30 * 86'400'000LL;
  uint64_t retention_bytes = uint64_t{10} << 30;
  // How long what is written may wait for the fsync that it shares; 0: not at all.
  int64_t sync_interval_ms = 200;
  HeadOptions head;
  int64_t block_ms = 2 * 3'600'000;
  // A snapshot of the head is due after so much log, or half its own size if that
  // is more: it bounds what a start replays, at some 20 million samples a second.
  uint64_t snapshot_wal_bytes = uint64_t{32} << 20;
  uint64_t consumers_bytes_max = uint64_t{2} << 30;
  // Called when the log is there, before anything of it is removed: for consumers to
  // say what they still need (Wal::hold).
  std::function<void(Wal&)> on_log;
  unsigned recovery_threads = 2;
  // Without it, open() recovers before it returns and upkeep() is the caller's.
  bool background = true;
  model::Disk* disk = nullptr;          // null: the machine's
  const model::Clock* clock = nullptr;  // null: the machine's
};

struct MetricStoreStats {
  HeadStats head;
  Cardinality cardinality;
  std::vector<BlockMeta> blocks;  // by time
  uint64_t blocks_bytes = 0;
  uint64_t wal_bytes = 0;
  uint32_t wal_first_segment = 0;
  uint32_t wal_last_segment = 0;
  int64_t retention_ms = 0;
  uint64_t retention_bytes = 0;
  uint64_t samples_appended = 0;
  uint64_t compactions = 0;
  uint64_t flushes = 0;
  uint64_t snapshots = 0;
  std::string problem;  // "" where all is well
};

class MetricStore : public model::SampleAppender, public model::SampleReader {
 public:
  // Opens the blocks and begins to read the log; reads are served from then on,
  // appends once ready(). kUnavailable: another process has the directory open.
  // REQUIRES: `budget` outlives the store.
  static Result<std::unique_ptr<MetricStore>> open(MemoryBudget& budget,
                                                   MetricStoreOptions options);
  ~MetricStore() override;

  Result<model::AppendOutcome> append(std::span<model::SeriesAppend> batch,
                                      const model::AppendOptions& options) override;
  void describe(std::string_view metric, const model::MetricMetadata& metadata) override {
    head_->describe(metric, metadata);
  }
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
  // The same without a copy of each.
  struct LabelValues {
    std::vector<std::string_view> values;  // sorted
    std::shared_ptr<const void> pin;       // as long as it lives, so do they
  };
  Result<LabelValues> label_value_views(std::string_view name,
                                        std::span<const model::Matcher> matchers,
                                        model::TimeRangeMs range, size_t limit,
                                        model::QueryContext& context) const;
  std::vector<std::pair<std::string, model::MetricMetadata>> metadata(std::string_view metric,
                                                                      size_t limit) const override;
  Result<std::vector<SeriesExemplars>> exemplars(std::span<const model::Selector> selectors,
                                                 model::TimeRangeMs range) const override;

  // Whether the log has been read, and appends are taken.
  bool ready() const { return ready_.load(); }
  bool wait_ready(int64_t wait_ms) const;
  // Of 1; and what went wrong where reading the log failed.
  double replayed() const;
  Status recovery_status() const;
  RecoveryReport recovery() const;

  // Deletes samples of the series selected, durably; they go from the files later.
  // Gives how many series in how many places were concerned.
  Result<uint64_t> delete_series(std::span<const model::Matcher> matchers,
                                 model::TimeRangeMs range);
  // Writes blocks with deleted samples anew.
  Status clean_tombstones();
  // All blocks, and the head as one more unless `skip_head`, as files in `target`.
  Status snapshot(const std::string& target, bool skip_head);

  // What the thread does: all that is due. For those without it.
  Status upkeep();
  // Writes ranges before `cut_ms` into blocks, and takes them out of the head.
  Status flush_before(int64_t cut_ms);
  // Writes the head out and cuts the log behind it.
  Status snapshot_head();
  Status sync();
  // Ends the thread and writes the head out, so that the next start has nothing to
  // replay. Appends fail from here on.
  void finish();

  MetricStoreStats stats(size_t cardinality_most = 10) const;
  std::string problem() const;
  const Head& head() const { return *head_; }
  // Null until ready().
  Wal* wal() const { return ready_.load() ? wal_.get() : nullptr; }
  model::Disk& disk() const { return *disk_; }

 private:
  struct View {
    std::vector<std::shared_ptr<Block>> blocks;
  };
  MetricStore(MemoryBudget& budget, MetricStoreOptions options);
  Status recover_head();
  // REQUIRES: upkeep_mutex_, ready().
  Status snapshot_head_locked();
  bool snapshot_due();
  Status sync_locked();
  void run();
  Status flush_window(model::TimeRangeMs window, const std::string& directory,
                      std::shared_ptr<Block>* made);
  Status compact_some();
  Status compact_these(const std::vector<std::shared_ptr<Block>>& inputs);
  Status retain();
  void publish(std::vector<std::shared_ptr<Block>> add, const std::vector<std::string>& remove);
  bool wait_for_readers(std::weak_ptr<const View> old);
  std::shared_ptr<const View> view() const;
  int64_t now_ms() const { return clock_->wall_ns() / 1'000'000; }
  void note(Status status, std::string_view what);

  MemoryBudget& budget_;
  const MetricStoreOptions options_;
  model::Disk* const disk_;
  const model::Clock* const clock_;
  const std::string head_directory_, wal_directory_, blocks_directory_;
  std::unique_ptr<model::FileLock> lock_;
  std::unique_ptr<Head> head_;
  std::unique_ptr<Wal> wal_;

  mutable std::mutex view_mutex_;
  std::shared_ptr<const View> view_ = std::make_shared<View>();

  mutable std::mutex state_mutex_;
  mutable std::condition_variable state_changed_;
  std::atomic<bool> ready_{false};
  std::atomic<bool> stopping_{false};
  bool recovered_ = false;
  Status recovery_status_;
  RecoveryReport report_;
  RecoveryProgress progress_;
  std::vector<std::string> problems_;  // of blocks, at the start
  std::string problem_;

  // Serialises what changes files: flushes, compaction, deletion, snapshots.
  std::mutex upkeep_mutex_;
  std::vector<std::string> damaged_;  // set aside once a snapshot is there
  uint64_t snapshot_at_bytes_ = 0;    // of the log, when the last one was written
  uint64_t snapshot_size_bytes_ = 0;
  uint64_t quiet_at_bytes_ = 0;  // of the log, since quiet_since_ms_
  int64_t quiet_since_ms_ = 0;
  std::atomic<uint64_t> samples_{0}, compactions_{0}, flushes_{0}, snapshots_{0};
  std::thread thread_;
};

}  // namespace gatehouse::store
