// BlockMeta: what is known of a block without looking into it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"

namespace gatehouse::store {

struct BlockMeta {
  std::string id;        // 26 characters, a ULID: sorts by the time it was made
  int64_t begin_ms = 0;  // of the first sample
  int64_t end_ms = 0;    // of the last sample, itself included
  uint64_t series = 0;
  uint64_t samples = 0;  // floats and histograms
  uint64_t histograms = 0;
  uint64_t bytes = 0;  // of the file
  uint32_t level = 1;  // 1: from the head; else one more than the highest it was made of
  // The blocks it was made of: those that are still there are leftovers of a
  // compaction that was cut short, and go.
  std::vector<std::string> parents;
  friend bool operator==(const BlockMeta&, const BlockMeta&) = default;
};

// A new id: 48 bits of time, 80 random, in Crockford's base 32.
std::string new_block_id(int64_t now_ms, Random& random);
bool is_block_id(std::string_view text);

}  // namespace gatehouse::store
