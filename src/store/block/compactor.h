// What becomes of blocks as time goes by: small ones are merged into larger ones,
// what overlaps is merged into one, what is too old or too much is removed. The
// decisions are functions of what is known of the blocks; doing is compact().
//
// Levels of time are aligned ranges, each some times as long as the one before: 2 h, 8 h,
// 32 h at most and a tenth of the retention. A range is merged once it has
// passed, so that a block is written anew at most once a level.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/budget.h"
#include "model/disk.h"
#include "store/block/block.h"
#include "store/block/meta.h"

namespace gatehouse::store {

// The lengths of the levels, ascending, from `block_ms` (2 h) on. A block is never
// longer than a tenth of the retention (0: none), as retention removes whole blocks.
std::vector<int64_t> compaction_levels_ms(int64_t block_ms, int64_t retention_ms);

// Which blocks to merge next, as indexes into `blocks`; empty: none. Overlapping
// ones come first, whatever their size, then the oldest range that is complete: a
// block after it is there. Blocks with `deleted` part (of 1) of their series under
// tombstones above a tenth are written anew by themselves.
struct BlockState {
  BlockMeta meta;
  double deleted = 0;
};
std::vector<size_t> plan_compaction(std::span<const BlockState> blocks,
                                    std::span<const int64_t> levels_ms);

struct RetentionLimits {
  int64_t age_ms = 0;   // 0: none
  uint64_t bytes = 0;   // 0: none
  uint64_t others = 0;  // bytes that WAL and head take of `bytes`
};
// Which blocks have to go, oldest first.
std::vector<size_t> plan_retention(std::span<const BlockMeta> blocks, int64_t now_ms,
                                   const RetentionLimits& limits);

struct CompactionResult {
  std::vector<std::string> removed;  // ids of the inputs
  std::shared_ptr<Block> block;      // null: nothing was left of them
};
// Merges `inputs` into one block of the name `id`, series by series, without what is deleted and
// without what is older than `keep_from_ms`; of two samples of one time the one of
// the newer block (its id) stays. The inputs' files are still there afterwards: the
// caller publishes the new block first, then calls remove_block(). `stop` ends it
// early with kCancelled.
Result<CompactionResult> compact(model::Disk& disk, MemoryBudget& budget,
                                 const std::string& directory,
                                 std::span<const std::shared_ptr<Block>> inputs, std::string id,
                                 int64_t keep_from_ms, const std::atomic<bool>* stop = nullptr);

// The blocks with any tombstone, for clean_tombstones: compact() each by itself.
std::vector<size_t> with_tombstones(std::span<const std::shared_ptr<Block>> blocks);

// The blocks as files in `target`, which is made: links where the file system has
// them, copies elsewhere; durable when it returns.
Status snapshot_blocks(model::Disk& disk, std::span<const std::shared_ptr<Block>> blocks,
                       const std::string& target);

}  // namespace gatehouse::store
