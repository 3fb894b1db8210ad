#include "store/block/compactor.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "store/block/block_writer.h"

namespace gatehouse::store {
namespace {

using model::LabelView;
using model::SampleColumns;

// Each level is so many times the one before: fewer rewrites than twos and threes,
// and no level so long that a query of a day opens a dozen blocks.
constexpr int64_t kLevelFactor = 4;
// 31 days: a month is one block at most, and what is merged at once is bounded.
constexpr int64_t kLevelMaxMs = int64_t{31} * 24 * 3600 * 1000;
// Of the retention that a block may span, as a block goes only as a whole.
constexpr int64_t kRetentionShare = 10;
// From this share of its series on, a block is rewritten for its tombstones.
constexpr double kDeletedShare = 0.1;

int64_t floor_to(int64_t time_ms, int64_t length_ms) {
  const int64_t rest = time_ms % length_ms;
  return time_ms - (rest < 0 ? rest + length_ms : rest);
}

// The blocks in the order of time.
std::vector<size_t> by_time(std::span<const BlockState> blocks) {
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(blocks[a].meta.begin_ms, blocks[a].meta.id) <
           std::pair(blocks[b].meta.begin_ms, blocks[b].meta.id);
  });
  return order;
}

// The first blocks that lie over each other.
std::vector<size_t> find_overlapping(std::span<const BlockState> blocks,
                                     std::span<const size_t> order) {
  std::vector<size_t> found;
  int64_t end_ms = INT64_MIN;
  for (const size_t i : order) {
    const BlockMeta& meta = blocks[i].meta;
    if (!found.empty() && meta.begin_ms <= end_ms) {
      found.push_back(i);
    } else if (found.size() > 1) {
      return found;
    } else {
      found = {i};
    }
    end_ms = std::max(end_ms, meta.end_ms);
  }
  return found.size() > 1 ? found : std::vector<size_t>();
}

// The oldest blocks, two at least, that fill one aligned range which has passed.
std::vector<size_t> find_range(std::span<const BlockState> blocks, std::span<const size_t> order,
                               int64_t length_ms) {
  const int64_t newest_ms = blocks[order.back()].meta.begin_ms;
  std::vector<size_t> found;
  int64_t begin_ms = INT64_MIN;
  for (const size_t i : order) {
    const BlockMeta& meta = blocks[i].meta;
    const int64_t range_ms = floor_to(meta.begin_ms, length_ms);
    if (range_ms != begin_ms) {
      if (found.size() > 1) return found;
      found.clear();
      begin_ms = range_ms;
    }
    const bool inside = meta.end_ms < range_ms + length_ms;
    const bool passed = range_ms + length_ms <= newest_ms;
    if (inside && passed) found.push_back(i);
  }
  return found.size() > 1 ? found : std::vector<size_t>();
}

// One input's way through its series.
class Source {
 public:
  explicit Source(const Block& block) : block_(block) {}
  // False: the end, or damage (status()).
  bool next() {
    if (next_ == block_.series()) return false;
    series_ = next_++;
    if (block_.labels(series_, labels_)) return true;
    status_ = data_loss(block_.path() + ": the series are damaged");
    return false;
  }
  std::span<const LabelView> labels() const { return labels_; }
  uint32_t series() const { return series_; }
  const Block& block() const { return block_; }
  const Status& status() const { return status_; }

 private:
  const Block& block_;
  uint32_t next_ = 0;
  uint32_t series_ = 0;
  std::vector<LabelView> labels_;
  Status status_;
};

void move_row(SampleColumns& from, size_t i, SampleColumns& out) {
  if (!from.histograms.empty() && out.histograms.empty()) out.histograms.resize(out.size());
  if (!from.starts_ms.empty() && out.starts_ms.empty()) out.starts_ms.resize(out.size());
  if (!out.histograms.empty()) {
    out.histograms.push_back(from.histograms.empty() ? nullptr : std::move(from.histograms[i]));
  }
  if (!out.starts_ms.empty()) {
    out.starts_ms.push_back(from.starts_ms.empty() ? 0 : from.starts_ms[i]);
  }
  out.times_ms.push_back(from.times_ms[i]);
  out.values.push_back(from.values[i]);
}

// Merges `newer` into `merged`: of one time the newer stays.
void merge(SampleColumns& merged, SampleColumns& newer, SampleColumns& scratch) {
  if (merged.empty()) {
    std::swap(merged, newer);
    return;
  }
  scratch.clear();
  size_t a = 0;
  size_t b = 0;
  while (a < merged.size() || b < newer.size()) {
    if (b == newer.size() || (a < merged.size() && merged.times_ms[a] < newer.times_ms[b])) {
      move_row(merged, a++, scratch);
      continue;
    }
    if (a < merged.size() && merged.times_ms[a] == newer.times_ms[b]) ++a;
    move_row(newer, b++, scratch);
  }
  std::swap(merged, scratch);
}

class Compaction {
 public:
  Compaction(std::span<const std::shared_ptr<Block>> inputs, int64_t keep_from_ms,
             const std::atomic<bool>* stop)
      : keep_from_ms_(keep_from_ms), stop_(stop) {
    std::vector<const Block*> order;
    for (const auto& block : inputs) order.push_back(block.get());
    std::sort(order.begin(), order.end(),
              [](const Block* a, const Block* b) { return a->meta().id < b->meta().id; });
    for (const Block* block : order) sources_.emplace_back(*block);
  }

  Status run(BlockWriter& writer) {
    std::vector<Source*> waiting;
    for (Source& source : sources_) {
      if (source.next()) waiting.push_back(&source);
    }
    while (!waiting.empty()) {
      if (stop_ != nullptr && stop_->load(std::memory_order_relaxed)) {
        return {Code::kCancelled, "the compaction was stopped"};
      }
      const Source* least = waiting[0];
      for (const Source* source : waiting) {
        if (compare_labels(source->labels(), least->labels()) < 0) least = source;
      }
      labels_.assign(least->labels().begin(), least->labels().end());
      RETURN_IF_ERROR(write_series(writer, waiting));
      std::erase_if(waiting, [&](Source* source) {
        return compare_labels(source->labels(), labels_) == 0 && !source->next();
      });
    }
    for (const Source& source : sources_) RETURN_IF_ERROR(source.status());
    return {};
  }

 private:
  Status write_series(BlockWriter& writer, std::span<Source* const> waiting) {
    merged_.clear();
    // In the order of the ids: the newest last.
    for (const Source* source : waiting) {
      if (compare_labels(source->labels(), labels_) != 0) continue;
      newer_.clear();
      RETURN_IF_ERROR(
          source->block().samples(source->series(), {keep_from_ms_, INT64_MAX}, newer_));
      merge(merged_, newer_, scratch_);
    }
    return writer.add(labels_, merged_);
  }

  int64_t keep_from_ms_;
  const std::atomic<bool>* stop_;
  std::vector<Source> sources_;
  std::vector<LabelView> labels_;
  SampleColumns merged_;
  SampleColumns newer_;
  SampleColumns scratch_;
};

}  // namespace

std::vector<int64_t> compaction_levels_ms(int64_t block_ms, int64_t retention_ms) {
  int64_t longest = kLevelMaxMs;
  if (retention_ms > 0) longest = std::min(longest, retention_ms / kRetentionShare);
  std::vector<int64_t> levels{block_ms};
  while (levels.back() * kLevelFactor <= longest) levels.push_back(levels.back() * kLevelFactor);
  return levels;
}

std::vector<size_t> plan_compaction(std::span<const BlockState> blocks,
                                    std::span<const int64_t> levels_ms) {
  if (blocks.empty()) return {};
  const std::vector<size_t> order = by_time(blocks);
  if (std::vector<size_t> found = find_overlapping(blocks, order); !found.empty()) return found;
  for (const int64_t length_ms : levels_ms) {
    if (std::vector<size_t> found = find_range(blocks, order, length_ms); !found.empty()) {
      return found;
    }
  }
  for (const size_t i : order) {
    if (blocks[i].deleted > kDeletedShare) return {i};
  }
  return {};
}

std::vector<size_t> plan_retention(std::span<const BlockMeta> blocks, int64_t now_ms,
                                   const RetentionLimits& limits) {
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(blocks[a].end_ms, blocks[a].id) < std::pair(blocks[b].end_ms, blocks[b].id);
  });
  uint64_t bytes = limits.others;
  for (const BlockMeta& block : blocks) bytes += block.bytes;
  std::vector<size_t> gone;
  for (const size_t i : order) {
    const bool old = limits.age_ms > 0 && blocks[i].end_ms < now_ms - limits.age_ms;
    const bool much = limits.bytes > 0 && bytes > limits.bytes;
    if (!old && !much) break;
    bytes -= blocks[i].bytes;
    gone.push_back(i);
  }
  return gone;
}

Result<CompactionResult> compact(model::Disk& disk, MemoryBudget& budget,
                                 const std::string& directory,
                                 std::span<const std::shared_ptr<Block>> inputs, std::string id,
                                 int64_t keep_from_ms, const std::atomic<bool>* stop) {
  BlockWriter::Options options;
  options.id = std::move(id);
  options.level = 1;
  CompactionResult result;
  for (const auto& block : inputs) {
    options.level = std::max(options.level, block->meta().level + 1);
    options.parents.push_back(block->meta().id);
    result.removed.push_back(block->meta().id);
  }
  const std::string name = options.id;
  ASSIGN_OR_RETURN(const std::unique_ptr<BlockWriter> writer,
                   BlockWriter::create(disk, budget, directory, std::move(options)));
  RETURN_IF_ERROR(Compaction(inputs, keep_from_ms, stop).run(*writer));
  const Result<BlockMeta> meta = writer->finish();
  if (!meta.ok()) {
    if (meta.status().code() == Code::kNotFound) return result;
    return meta.status();
  }
  ASSIGN_OR_RETURN(result.block, Block::open(disk, directory, name));
  return result;
}

std::vector<size_t> with_tombstones(std::span<const std::shared_ptr<Block>> blocks) {
  std::vector<size_t> found;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (!blocks[i]->tombstones()->empty()) found.push_back(i);
  }
  return found;
}

Status snapshot_blocks(model::Disk& disk, std::span<const std::shared_ptr<Block>> blocks,
                       const std::string& target) {
  RETURN_IF_ERROR(disk.make_directory(target));
  for (const auto& block : blocks) {
    const std::string name = target + "/" + block->meta().id;
    RETURN_IF_ERROR(disk.link(block->path(), name + ".block"));
    // Tombstones are replaced, never written over, so that a link keeps what there was.
    if (block->tombstones()->empty()) continue;
    const std::string& path = block->path();
    const std::string stem = path.substr(0, path.size() - std::string_view(".block").size());
    RETURN_IF_ERROR(disk.link(stem + ".tombstones", name + ".tombstones"));
  }
  return disk.sync_directory(target);
}

}  // namespace gatehouse::store
