// Recovery: a head from the snapshot and the log of its directories
// (docs/format/wal.md §7). Files are read in slices of some megabytes; within a
// slice, labels are taken in first, then each shard's part by one of a few threads.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/disk.h"
#include "store/head/head.h"

namespace gatehouse::store {

struct RecoveryReport {
  uint64_t series = 0;
  uint64_t samples = 0;          // from the log
  uint64_t unknown_samples = 0;  // of slots that nothing names: not served
  uint64_t torn_bytes = 0;
  uint64_t lost_bytes = 0;
  std::vector<std::string> damaged;  // paths; to be set aside once a new snapshot is there
  std::vector<std::string> problems;
  // For Wal::create().
  std::map<uint32_t, uint64_t> segments;
  uint32_t next_segment = 1;
  Position next_position = 1;
  uint32_t snapshot = 0;  // number of the one that was read; 0: none
};

// How far a replay is, for those who wait. Any thread.
struct RecoveryProgress {
  std::atomic<uint64_t> bytes_total{0};
  std::atomic<uint64_t> bytes_done{0};
};

// REQUIRES: a new head, and directories that are there. A file from a newer version ends it.
Result<RecoveryReport> recover(model::Disk& disk, const std::string& head_directory,
                               const std::string& wal_directory, Head& head, unsigned threads,
                               RecoveryProgress* progress);

// One file's frames into the head: what recover() is made of, and what the fuzz
// target drives.
class HeadLoader {
 public:
  HeadLoader(Head& head, unsigned threads) : head_(head), threads_(threads) {}

  struct Read {
    uint64_t end = 0;  // of the last whole frame
    uint64_t torn_bytes = 0;
    uint64_t lost_bytes = 0;
    bool damaged = false;
    bool complete = false;  // the end of a snapshot was seen
  };
  Result<Read> load(const model::File& file, RecoveryProgress* progress);

  uint64_t samples() const { return samples_; }
  uint64_t unknown() const { return unknown_; }
  Position next_position() const { return newest_ + 1; }
  bool made_sense() const { return nonsense_ == 0; }

 private:
  struct Frame {
    FrameType type;
    Position position;
    size_t offset;
    size_t size;
  };
  class PartVisitor;
  void apply_slice();
  void apply_frame(const Frame& frame, uint32_t first_shard, uint32_t step);
  bool load_series(Shard& shard, uint32_t number, std::string_view& in);
  void restore_ended(Shard& shard, uint32_t slot, std::span<const uint32_t> pairs);
  bool make_series(Shard& shard, uint32_t number, uint32_t slot, std::span<const uint32_t> pairs);

  Head& head_;
  unsigned threads_;
  bool seeded_ = false;
  std::string slice_;
  std::vector<Frame> frames_;
  std::array<Position, kShards> from_{};  // frames of the log before it are in the snapshot
  Position newest_ = 0;
  std::atomic<uint64_t> samples_{0};
  std::atomic<uint64_t> unknown_{0};
  std::atomic<uint64_t> nonsense_{0};
};

}  // namespace gatehouse::store
