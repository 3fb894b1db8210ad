// Block: an immutable file of series and their samples over a range of time, with
// an index of their labels (docs/format/block.md). The file is mapped; in memory
// of its own a block holds next to nothing, and of the page cache's some megabytes. Sections of the
// index are checked when it is opened, a chunk of samples whenever it is read.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "model/disk.h"
#include "model/series.h"
#include "store/block/meta.h"
#include "store/block/tombstones.h"

namespace gatehouse::store {

class BlockIndex;
struct ChunkPlace;

// From any thread, all of it.
class Block : public std::enable_shared_from_this<Block> {
 public:
  // Opens `directory`/`id`.block, and the tombstones beside it. kDataLoss: it is
  // damaged; open_blocks() sets such a file aside.
  static Result<std::shared_ptr<Block>> open(model::Disk& disk, const std::string& directory,
                                             const std::string& id);
  ~Block();

  const BlockMeta& meta() const { return meta_; }
  bool overlaps(model::TimeRangeMs range) const {
    return meta_.begin_ms <= range.end_ms && range.begin_ms <= meta_.end_ms;
  }

  // As model::SampleReader has them, of this block alone. The set keeps the block
  // alive. kAny gives series in the order in which they lie in the file, which is
  // the fastest to read. Series without a sample in the range are left out as far
  // as the index tells.
  Result<std::unique_ptr<model::SeriesSet>> select(std::span<const model::Matcher> matchers,
                                                   model::TimeRangeMs range,
                                                   model::SeriesOrder order,
                                                   model::QueryContext& context) const;
  Result<std::vector<std::string>> label_names(std::span<const model::Matcher> matchers,
                                               model::TimeRangeMs range, size_t limit,
                                               model::QueryContext& context) const;
  // They live as long as the block.
  Result<std::vector<std::string_view>> label_values(std::string_view name,
                                                     std::span<const model::Matcher> matchers,
                                                     model::TimeRangeMs range, size_t limit,
                                                     model::QueryContext& context) const;

  // Series are numbered from 0 in the order of their labels.
  uint32_t series() const;
  // The series that every matcher matches, ascending.
  Result<std::vector<uint32_t>> postings(std::span<const model::Matcher> matchers) const;
  // The labels are views of the file: good as long as the block. False: damage.
  bool labels(uint32_t series, std::vector<model::LabelView>& out) const;
  // Adds the samples in the range behind those of `out`, without the deleted ones.
  Status samples(uint32_t series, model::TimeRangeMs range, model::SampleColumns& out) const;

  // Deletes the samples in the range of the series selected: written beside the
  // block, durable when it returns; they go for good when the block is compacted.
  // Gives the number of series concerned.
  Result<uint64_t> delete_samples(std::span<const model::Matcher> matchers,
                                  model::TimeRangeMs range);
  std::shared_ptr<const Tombstones> tombstones() const;

  const std::string& path() const { return path_; }

 private:
  friend class BlockSeriesSet;
  Block(model::Disk& disk, std::string directory, std::string id);
  // Adds a chunk's samples. Now and then the mapped pages are let go.
  Status read(const ChunkPlace& place, model::TimeRangeMs range, model::SampleColumns& out) const;

  model::Disk& disk_;
  std::string directory_;
  std::string path_;
  BlockMeta meta_;
  std::unique_ptr<model::Mapping> mapping_;
  std::unique_ptr<BlockIndex> index_;
  uint64_t cache_key_;
  mutable std::atomic<uint64_t> samples_read_{0};
  std::mutex delete_mutex_;  // one deletion at a time
  mutable std::mutex tombstones_mutex_;
  std::shared_ptr<const Tombstones> tombstones_;
};

struct OpenedBlocks {
  std::vector<std::shared_ptr<Block>> blocks;  // by time
  std::vector<std::string> problems;           // what was set aside, and why
};
// All blocks of a directory. A damaged one is renamed to NAME.damaged, what an
// interrupted compaction left behind is removed, and the rest is served.
Result<OpenedBlocks> open_blocks(model::Disk& disk, const std::string& directory);

// Removes the block's files. Those who read it go on reading.
Status remove_block(model::Disk& disk, const std::string& directory, const std::string& id);

}  // namespace gatehouse::store
