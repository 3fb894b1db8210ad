// Postings: which slots of a shard have a label pair. A pair of one series keeps its slot in the
// table itself; more are in a chain of growing pieces, newest first, so that
// nothing is copied as a list grows and little of it is unused. Not locked.
#pragma once

#include <cstdint>
#include <vector>

#include "store/head/arena.h"

namespace gatehouse::store {

class Postings {
 public:
  explicit Postings(MemoryBudget& budget) : budget_(budget), arena_(budget) {}
  ~Postings();

  // REQUIRES: `slot` < 2^31, not there yet. False: no room.
  bool add(uint32_t pair, uint32_t slot);
  size_t count(uint32_t pair) const;
  bool any(uint32_t pair) const {
    return !table_.empty() && static_cast<uint32_t>(table_[find(pair)]) != 0;
  }
  // Adds the pair's slots to `out`, in no order.
  void collect(uint32_t pair, std::vector<uint32_t>& out) const;
  // Takes away the slots for which `gone[slot]`.
  void remove(uint32_t pair, const std::vector<bool>& gone);
  size_t memory_bytes() const { return arena_.memory_bytes() + table_.capacity() * 8; }
  void prefetch(uint32_t pair) const {
    if (!table_.empty()) __builtin_prefetch(&table_[place_of(pair)]);
  }

 private:
  static constexpr uint32_t kInline = 0x8000'0000;
  // What a piece begins with; its slots follow.
  struct Piece {
    uint32_t older;
    uint32_t before;  // slots in the pieces before it
    uint16_t used;
    uint16_t room;
  };
  // Large lists waste half of such a piece at most: 1 KiB.
  static constexpr uint32_t kRoomMax = 256;

  size_t place_of(uint32_t pair) const {
    return static_cast<size_t>(pair * uint64_t{0x9E37'79B9'7F4A'7C15} >> 32) & (table_.size() - 1);
  }
  // Where the pair is, or could be.
  size_t find(uint32_t pair) const;
  void grow();
  uint32_t make_piece(uint32_t older, uint32_t before, uint32_t room);
  void free_chain(uint32_t handle);

  MemoryBudget& budget_;
  SizedArena arena_;
  std::vector<uint64_t> table_;  // pair << 32 | handle: a slot with kInline, a ref, or 0: none
  size_t entries_ = 0;
};

}  // namespace gatehouse::store
