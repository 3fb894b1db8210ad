// RecordLog: a durable, append-only log of Records in segment files, after
// docs/format/record-log.md.
//
// An append encodes its batch on the caller's thread without a lock, then takes
// the lock for one write() into the newest segment: once that returns, the
// records survive kill -9 (they are in the kernel's page cache). A thread of the
// log's own syncs the file every sync interval, seals the segments that are full,
// repairs damaged ones and retires old ones.
//
// Invariants:
// - The newest entry of segments_ is the one written; all but it are constant,
//   and become `sealed` when their footer is durable.
// - What the index of a segment covers, [0, index.end), is whole frames; whatever
//   a failed write left beyond is overwritten by the next one.
// - Lock order: sync_mutex_, then mutex_, then the dictionary's or the window's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "model/clock.h"
#include "model/disk.h"
#include "model/metrics.h"
#include "model/stream.h"
#include "store/batch.h"
#include "store/real_disk.h"
#include "store/recent_window.h"
#include "store/segment.h"

namespace gatehouse::store {

struct RecordLogOptions {
  std::string directory;
  model::Disk* disk = &real_disk();
  const model::Clock* clock = &model::system_clock();
  int64_t segment_bytes = int64_t{64} << 20;    // a sealed file's size, about
  int64_t segment_age_ms = 24LL * 3600 * 1000;  // so that retention by age has what to delete
  int64_t sync_interval_ms = 1000;              // 0: before append returns
  int64_t retention_age_ms = 0;                 // 0: no limit
  int64_t retention_bytes = 0;                  // 0: no limit
  size_t window_records = 10'000;
  size_t window_bytes = size_t{32} << 20;
  bool background = true;  // false: the caller runs upkeep() itself
};

class RecordLog : public model::Appender, public model::Reader {
 public:
  // Locks the directory (kUnavailable where another process has it), recovers
  // what is there, and fills the window.
  static Result<std::unique_ptr<RecordLog>> open(RecordLogOptions options);
  // Syncs what is not yet synced. REQUIRES: no call is in progress, no Follower left.
  ~RecordLog() override;

  Result<model::StreamId> stream(const model::Labels& labels) override;
  Result<Position> append(std::span<const model::StreamRecord> records) override;

  // Order is that of appending, in which times rise but for the time a record took to arrive.
  // Damage found on the way is skipped, counted and repaired in the background.
  Status read(const model::Selector& selector, model::TimeRange range, model::Order order,
              const Visit& visit) const override;
  Status read_after(Position position, const Visit& visit) const override;

  // The newest record in the range whose attribute has this text; kNotFound. An id that
  // is a UUIDv7 says when it was made, and is looked for around then first.
  struct Found {
    model::Labels labels;
    model::OwnedRecord record;
    Position position;
  };
  Result<Found> find_one(std::string_view attribute, std::string_view value,
                         model::TimeRange range) const;

  RecentWindow& window() { return window_; }
  // The position of the last record appended; 0: none yet, ever.
  Position last_position() const;

  // Makes all that was appended durable.
  Status sync();
  // What the log's thread does in each round: sync, seal, repair, retire.
  void upkeep();

  // Ok, or the last error of a write or sync that has not been followed by a success.
  Status health() const;
  struct Stats {
    uint64_t segments = 0;
    uint64_t bytes = 0;
    uint64_t records_appended = 0;  // by this process
    uint64_t append_failures = 0;
    uint64_t sync_failures = 0;
    uint64_t torn_bytes = 0;     // cut off at the tail, at start
    uint64_t lost_bytes = 0;     // unreadable in damaged files
    uint64_t damaged_files = 0;  // set aside
    uint64_t segments_retired = 0;
    double recovery_seconds = 0;
  };
  Stats stats() const;
  // Declares the figures above as gatehouse_store_*. REQUIRES: the registry is
  // read no more once the log is gone.
  void publish(model::Registry& registry, const model::Labels& labels) const;

 private:
  struct Segment {
    std::string name;
    FileHeader header;
    std::shared_ptr<model::File> file;  // null once sealed: opened for each read
    SegmentIndex index;                 // names and streams filled in when it is sealed
    uint64_t bytes = 0;                 // of the file
    uint64_t synced_end = 0;
    size_t names_defined = 0;
    size_t streams_defined = 0;
    bool sealed = false;
    bool suspect = false;    // damage was seen: repair it
    bool untrusted = false;  // a sync failed: no footer, so that the next start reads it all
  };
  using SegmentPtr = std::shared_ptr<Segment>;
  // What a reader takes of a segment under the lock.
  struct View;
  struct Query;

  explicit RecordLog(RecordLogOptions options);

  // recovery.cc
  Status recover();
  Status recover_segment(const std::string& name, bool newest);
  Status finish_repairs(std::vector<std::string>& names);
  Status adopt(const std::string& name, const FileHeader& header, ScanResult scan, bool newest);
  Status set_aside(const std::string& name, std::string_view why);
  void fill_window();

  // record_log.cc, all REQUIRE mutex_
  Status make_room(const EncodedBatch& batch);
  Status start_segment();
  Status define(const EncodedBatch& batch);
  Status write_frame(std::string_view frame);
  void note_failure(const Status& status, std::string_view what);

  // upkeep.cc
  Status sync_through(Position position);
  Status sync_locked();  // REQUIRES sync_mutex_
  void sync_failed(const SegmentPtr& segment, const Status& status);
  Status seal_full_segments();  // REQUIRES sync_mutex_
  void repair_suspects();
  void retire();
  bool age_retention_holds(int64_t wall_ns);
  void run_background();

  // record_log_read.cc
  std::vector<View> views() const;
  Result<std::unique_ptr<model::File>> open_sealed(const View& view) const;
  Status scan_view(const View& view, const Query& query, bool& go_on) const;
  Status scan_chunk(const View& view, const Query& query, const model::File& file, size_t chunk,
                    bool& go_on) const;
  Status scan(const Query& query) const;
  void suspect(const View& view, std::string_view why) const;

  std::string path(const std::string& name) const { return options_.directory + "/" + name; }

  const RecordLogOptions options_;
  std::unique_ptr<model::FileLock> directory_lock_;
  Dictionary dictionary_;
  RecentWindow window_;

  mutable std::mutex mutex_;
  std::vector<SegmentPtr> segments_;
  Position next_position_ = 1;
  bool start_new_segment_ = false;
  Status health_;
  int64_t last_failure_log_ns_ = 0;
  bool directory_dirty_ = false;
  mutable Stats stats_;
  mutable bool wake_upkeep_ = false;

  std::mutex sync_mutex_;
  Position synced_position_ = 0;  // guarded by sync_mutex_
  // Positions that a failed sync took back, with a sync interval of 0.
  struct LostRange {
    Position after;
    Position through;
  };
  std::vector<LostRange> lost_;
  // To tell a wall clock that jumped from time that passed.
  int64_t last_wall_ns_ = 0;
  int64_t last_steady_ns_ = 0;
  int64_t hold_retention_until_ns_ = 0;  // steady

  mutable std::condition_variable wake_;
  bool stopping_ = false;
  std::thread background_;
};

}  // namespace gatehouse::store
