// Wal: the write-ahead log of the head, in segments (docs/format/wal.md).
//
// One writer at a time; a batch is one write at the place where the last one ended,
// after the labels that are new since. What a failed write left is cut off. Syncs
// are grouped: a thread syncs what was written within an interval. A segment whose
// sync failed is never written again.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "model/clock.h"
#include "model/disk.h"
#include "store/head/label_table.h"
#include "store/wal/wal_format.h"

namespace gatehouse::store {

struct WalPlace {
  uint32_t segment = 0;
  uint64_t offset = 0;
  friend auto operator<=>(const WalPlace&, const WalPlace&) = default;
};

struct WalOptions {
  std::string directory;
  // Large enough that files are few, small enough that what no one needs goes soon.
  uint64_t segment_bytes = uint64_t{64} << 20;
  // 0: every batch is synced before it is acknowledged.
  int64_t sync_interval_ms = 200;
  // Without it, nothing is synced but by sync(): for simulations.
  bool sync_thread = true;
  uint32_t hash_seed = 0;  // of the head, for the segments' headers
  // What consumers may hold back in all; the oldest segments go first.
  uint64_t consumers_bytes_max = uint64_t{2} << 30;
};

class Wal {
 public:
  // Goes on in a new segment `number`, whose first frame has position `next`.
  // Labels up to `labels_logged` are in segments or a snapshot already.
  // `segments`: numbers and bytes of those that are there.
  static Result<std::unique_ptr<Wal>> create(model::Disk& disk, const model::Clock& clock,
                                             LabelTable& labels, WalOptions options,
                                             std::map<uint32_t, uint64_t> segments, uint32_t number,
                                             Position next, uint32_t labels_logged);
  ~Wal();
  Wal(const Wal&) = delete;
  Wal& operator=(const Wal&) = delete;

  // Writes the labels that are new, then the batch. On an error nothing of it is
  // there. kResourceExhausted: the disk is full. Any thread.
  Status write(FrameBatch& batch);
  // For one who writes much, between two writes and without a lock that others need:
  // waits, one sync at most, where the disk is behind by more than a sync may cost. Whoever
  // writes little meanwhile waits neither for a long sync nor for it when a segment ends.
  void pace();
  // Makes durable what was written before the call.
  Status sync();
  // Ends the segment; gives the number of the next one.
  Result<uint32_t> rotate();
  // Removes segments below `number` that no consumer holds.
  Status remove_before(uint32_t number);
  // What write() and sync() do on their own account when told to stop.
  void finish();

  // The position of the next frame.
  Position next_position() const;
  // Where whole frames end.
  WalPlace end() const;
  uint32_t first_segment() const;
  uint64_t bytes() const;                                       // of all segments
  uint64_t bytes_between(uint32_t first, uint32_t last) const;  // without the last
  uint64_t bytes_written() const;                               // since create()
  // A sync failed since the last call of clear_sync_failure(), or may have in the
  // life before this one: what was written then may only be in memory. sync() goes on syncing,
  // and fails.
  bool sync_failed() const;
  void clear_sync_failure();
  std::string problem() const;  // "" where all is well

  // A consumer holds segments from `segment` on, until it says so again or leaves.
  void hold(const std::string& consumer, uint32_t segment);
  void release(const std::string& consumer);
  // The least segment that is held; UINT32_MAX: none is.
  uint32_t held_from() const;

  // Blocks until there is more than `place`, or `wait_ms` went by, or finish().
  bool wait_past(WalPlace place, int64_t wait_ms) const;

  const WalOptions& options() const { return options_; }
  static std::string segment_name(uint32_t number);

 private:
  Wal(model::Disk& disk, const model::Clock& clock, LabelTable& labels, WalOptions options);
  Status open_segment(uint32_t number);
  Status put(std::string_view bytes);
  Status put_labels(uint32_t& logged);
  void cut_to(uint64_t offset);
  Status sync_file(const std::shared_ptr<model::File>& file);
  void run_syncs();

  model::Disk& disk_;
  const model::Clock& clock_;
  LabelTable& labels_;
  const WalOptions options_;

  mutable std::mutex mutex_;
  mutable std::condition_variable written_;
  std::condition_variable wake_;
  std::condition_variable caught_up_;
  std::shared_ptr<model::File> file_;
  uint32_t number_ = 0;
  uint64_t salt_ = 0;
  uint64_t offset_ = 0;
  uint64_t synced_ = 0;  // of offset_
  Position next_ = 1;
  uint32_t labels_logged_;
  uint64_t bytes_written_ = 0;
  bool sync_failed_ = false;
  bool stopping_ = false;
  bool hurry_ = false;  // someone waits in pace()
  std::string problem_;
  bool problem_of_write_ = false;
  std::map<uint32_t, uint64_t> segments_;
  std::vector<uint32_t> to_sync_;  // closed with bytes that were not synced yet
  std::map<std::string, uint32_t> consumers_;
  std::mutex sync_mutex_;  // one sync at a time; taken before mutex_
  std::thread syncs_;
};

}  // namespace gatehouse::store
