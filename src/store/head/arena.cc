#include "store/head/arena.h"

#include <sys/mman.h>

#include <bit>
#include <cassert>
#include <cstdlib>
#include <cstring>

namespace gatehouse::store {

Arena::Arena(MemoryBudget& budget)
    : budget_(budget), blocks_(static_cast<char**>(std::calloc(kBlocksMax, sizeof(char*)))) {}

Arena::~Arena() {
  for (size_t i = 0; i < made_; ++i) ::munmap(blocks_[i], kBlockBytes);
  budget_.release(static_cast<int64_t>(made_ * kBlockBytes));
  std::free(static_cast<void*>(blocks_));
}

bool Arena::make_blocks(size_t count) {
  if (count > kBlocksMax) return false;
  for (; made_ < count; ++made_) {
    // Pages that nothing touches cost nothing, and all are zero.
    void* block =
        ::mmap(nullptr, kBlockBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return false;
    blocks_[made_] = static_cast<char*>(block);
    // The caller has made sure of the room; what is charged here is what it is.
    budget_.release(-static_cast<int64_t>(kBlockBytes));
  }
  return true;
}

uint32_t Arena::allocate(size_t bytes) {
  assert(bytes > 0 && bytes <= kBlockBytes);
  bytes = (bytes + kUnitBytes - 1) / kUnitBytes * kUnitBytes;
  if (used_ % kBlockBytes + bytes > kBlockBytes) {
    used_ = (used_ + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  }
  if (used_ + bytes > made_ * kBlockBytes && !make_blocks((used_ + bytes - 1) / kBlockBytes + 1)) {
    return 0;
  }
  const auto ref = static_cast<uint32_t>(used_ / kUnitBytes);
  used_ += bytes;
  return ref;
}

bool Arena::extend(uint32_t end) {
  const size_t bytes = size_t{end} * kUnitBytes;
  if (bytes <= used_) return true;
  if (!make_blocks((bytes + kBlockBytes - 1) / kBlockBytes)) return false;
  used_ = bytes;
  return true;
}

size_t SizedArena::class_of(size_t bytes) {
  if (bytes <= 256) return (bytes + 3) / 4 - 1;
  if (bytes <= 1024) return 64 + (bytes - 256 + 15) / 16 - 1;
  if (bytes <= 4096) return 112 + (bytes - 1024 + 63) / 64 - 1;
  return 160 + static_cast<size_t>(std::bit_width((bytes - 1) / 4096)) - 1;
}

size_t SizedArena::class_bytes(size_t size_class) {
  if (size_class < 64) return (size_class + 1) * 4;
  if (size_class < 112) return 256 + (size_class - 63) * 16;
  if (size_class < 160) return 1024 + (size_class - 111) * 64;
  return size_t{8192} << (size_class - 160);
}

uint32_t SizedArena::allocate(size_t bytes) {
  const size_t size_class = class_of(bytes);
  used_bytes_ += class_bytes(size_class);
  if (const uint32_t ref = free_[size_class]; ref != 0) {
    std::memcpy(&free_[size_class], arena_.at(ref), sizeof(uint32_t));
    return ref;
  }
  return arena_.allocate(class_bytes(size_class));
}

void SizedArena::free(uint32_t ref, size_t bytes) {
  const size_t size_class = class_of(bytes);
  used_bytes_ -= class_bytes(size_class);
  std::memcpy(arena_.at(ref), &free_[size_class], sizeof(uint32_t));
  free_[size_class] = ref;
}

}  // namespace gatehouse::store
