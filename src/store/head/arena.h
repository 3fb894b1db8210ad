// Arena: memory for the many small things of the head, named by 32-bit refs.
//
// Blocks of 256 KiB, never moved and never given back, so that a place stays good
// for the life of the arena; a ref is a place divided by 4. SizedArena also takes
// pieces back, into lists by size, and hands them out again. Neither locks.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/budget.h"

namespace gatehouse::store {

class Arena {
 public:
  static constexpr size_t kBlockBytes = size_t{256} << 10;
  static constexpr size_t kBlocksMax = 16'384;  // 4 GiB; the table of them takes 128 KiB
  static constexpr size_t kUnitBytes = 4;
  // Ref 0 names nothing.
  static constexpr uint32_t kFirst = 2;

  explicit Arena(MemoryBudget& budget);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Zeroed; at most kBlockBytes. 0: the arena is full.
  uint32_t allocate(size_t bytes);
  char* at(uint32_t ref) const {
    const size_t place = size_t{ref} * kUnitBytes;
    return blocks_[place / kBlockBytes] + place % kBlockBytes;
  }
  // The place after the last piece, as a ref.
  uint32_t end() const { return static_cast<uint32_t>(used_ / kUnitBytes); }
  // Makes everything before `end` there, zeroed where nothing was. False: too large.
  bool extend(uint32_t end);
  size_t memory_bytes() const { return made_ * kBlockBytes; }

 private:
  bool make_blocks(size_t count);

  MemoryBudget& budget_;
  char** blocks_;
  size_t made_ = 0;
  size_t used_ = kFirst * kUnitBytes;
};

class SizedArena {
 public:
  explicit SizedArena(MemoryBudget& budget) : arena_(budget) {}

  // Not zeroed. 0: the arena is full. REQUIRES: 1 to kBlockBytes.
  uint32_t allocate(size_t bytes);
  void free(uint32_t ref, size_t bytes);
  char* at(uint32_t ref) const { return arena_.at(ref); }
  size_t memory_bytes() const { return arena_.memory_bytes(); }
  // Of what was handed out.
  size_t used_bytes() const { return used_bytes_; }
  static size_t rounded(size_t bytes) { return class_bytes(class_of(bytes)); }

 private:
  // Steps of 4 bytes to 256, of 16 to 1 KiB, of 64 to 4 KiB, then doubling.
  static constexpr size_t kClasses = 64 + 48 + 48 + 6;
  static size_t class_of(size_t bytes);
  static size_t class_bytes(size_t size_class);

  Arena arena_;
  std::array<uint32_t, kClasses> free_{};
  size_t used_bytes_ = 0;
};

}  // namespace gatehouse::store
