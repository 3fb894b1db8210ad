// HeadLoader: a file's frames into a head.
//
// The caller's thread reads the file, takes labels in at once and lines the other frames up in
// slices; each of a few threads walks through all slices and applies what concerns its shards,
// as far behind the reader as it is. So a file that has one shard after another keeps them all
// busy, and a shard's frames are applied in their order.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/disk.h"
#include "store/head/head.h"

namespace gatehouse::store {

// How far a replay is, for those who wait. Any thread.
struct RecoveryProgress {
  std::atomic<uint64_t> bytes_total{0};
  std::atomic<uint64_t> bytes_done{0};
};

// One file after another; what recover() is made of, and what the fuzz target drives.
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
  struct Slice {
    std::string bytes;
    std::vector<Frame> frames;
  };
  class Line;
  class PartVisitor;
  // Reads frames until the file's end.
  Status read_frames(const model::File& file, const WalHeader& header, uint64_t size,
                     RecoveryProgress* progress, Line& line, Read& read);
  void take(const Frame& frame, std::string_view payload, Slice& slice);
  void apply(const Slice& slice, uint32_t first_shard, uint32_t step);
  void apply_frame(const Frame& frame, std::string_view payload, uint32_t first_shard,
                   uint32_t step);
  bool load_series(Shard& shard, uint32_t number, bool with_tags, std::string_view& in);
  void restore_ended(Shard& shard, uint32_t slot, std::span<const uint32_t> pairs);
  bool make_series(Shard& shard, uint32_t number, uint32_t slot, std::span<const uint32_t> pairs);
  bool are_pairs(std::span<const uint32_t> pairs) const;

  Head& head_;
  unsigned threads_;
  bool seeded_ = false;
  std::array<Position, kShards> from_{};  // frames of the log before it are in the snapshot
  Position newest_ = 0;
  std::atomic<uint64_t> samples_{0};
  std::atomic<uint64_t> unknown_{0};
  std::atomic<uint64_t> nonsense_{0};
};

}  // namespace gatehouse::store
