#include "store/block/block.h"

#include <algorithm>
#include <set>
#include <utility>

#include "store/block/block_index.h"
#include "store/block/block_samples.h"

namespace gatehouse::store {

using model::LabelsView;
using model::LabelView;
using model::Matcher;
using model::QueryContext;
using model::SampleColumns;
using model::SeriesOrder;
using model::SeriesSet;
using model::TimeRangeMs;

namespace {

constexpr std::string_view kBlockSuffix = ".block";
constexpr std::string_view kTombstonesSuffix = ".tombstones";
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr std::string_view kDamagedSuffix = ".damaged";
// How often a long selection looks whether it is to end.
constexpr size_t kSeriesPerCheck = 4096;
// Mapped pages count as the process's memory, though the kernel can take them at any
// time. A sample takes a byte at most, mostly a half: 4 MiB a block, which come back
// from the page cache in a thousandth of the time that decoding them takes.
constexpr uint64_t kSamplesUntilForget = uint64_t{4} << 20;

std::string path_of(const std::string& directory, const std::string& id, std::string_view suffix) {
  return (directory + "/" + id).append(suffix);
}

bool overlap(const ChunkPlace& chunk, TimeRangeMs range) {
  return chunk.begin_ms <= range.end_ms && range.begin_ms <= chunk.end_ms;
}

bool any_overlap(const SeriesRow& row, TimeRangeMs range) {
  return std::any_of(row.chunks.begin(), row.chunks.end(),
                     [&](const ChunkPlace& chunk) { return overlap(chunk, range); });
}

Status write_file(model::Disk& disk, const std::string& directory, const std::string& path,
                  std::string_view bytes) {
  const std::string temporary = path + std::string(kTemporarySuffix);
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<model::File> file,
                     disk.open(temporary, model::Disk::Open::kCreate));
    RETURN_IF_ERROR(file->write_at(0, bytes));
    RETURN_IF_ERROR(file->sync());
  }
  RETURN_IF_ERROR(disk.rename(temporary, path));
  return disk.sync_directory(directory);
}

}  // namespace

// The series of a selection: what the index says of them, read once.
class BlockSeriesSet : public SeriesSet {
 public:
  BlockSeriesSet(std::shared_ptr<const Block> block, TimeRangeMs range, QueryContext& context)
      : block_(std::move(block)),
        tombstones_(block_->tombstones()),
        range_(range),
        context_(context) {}

  Status load(std::span<const uint32_t> ids, SeriesOrder order) {
    RowCursor cursor(*block_->index_);
    for (size_t i = 0; i < ids.size(); ++i) {
      if (i % kSeriesPerCheck == 0) RETURN_IF_ERROR(check());
      if (!cursor.seek(ids[i])) return data_loss(block_->path_ + ": the series are damaged");
      add(ids[i], cursor.row());
    }
    if (order == SeriesOrder::kAny) {
      std::sort(entries_.begin(), entries_.end(), [this](const Entry& a, const Entry& b) {
        return chunks_[a.chunks].offset < chunks_[b.chunks].offset;
      });
    }
    return check();
  }

  size_t size() const override { return entries_.size(); }
  LabelsView labels(size_t i) const override {
    const Entry& entry = entries_[i];
    return {labels_.data() + entry.labels, entry.label_count};
  }
  Status samples(size_t i, SampleColumns& out) const override {
    const Entry& entry = entries_[i];
    out.clear();
    RETURN_IF_ERROR(context_.check());
    for (uint32_t k = 0; k < entry.chunk_count; ++k) {
      RETURN_IF_ERROR(block_->read(chunks_[entry.chunks + k], range_, out));
    }
    if (const Tombstones::Ranges* deleted = tombstones_->of(entry.series)) {
      drop_deleted(*deleted, out, 0);
    }
    return {};
  }

 private:
  struct Entry {
    uint32_t series;
    uint32_t label_count;
    uint32_t chunk_count;
    size_t labels;  // of the first in labels_
    size_t chunks;  // of the first in chunks_
  };

  void add(uint32_t series, const SeriesRow& row) {
    const size_t chunks = chunks_.size();
    for (const ChunkPlace& chunk : row.chunks) {
      if (overlap(chunk, range_)) chunks_.push_back(chunk);
    }
    if (chunks_.size() == chunks) return;
    entries_.push_back({series, static_cast<uint32_t>(row.labels.size() / 2),
                        static_cast<uint32_t>(chunks_.size() - chunks), labels_.size(), chunks});
    for (size_t i = 0; i < row.labels.size(); i += 2) {
      labels_.push_back(
          {block_->index_->symbol(row.labels[i]), block_->index_->symbol(row.labels[i + 1])});
    }
  }

  Status check() {
    const auto bytes = static_cast<int64_t>(entries_.capacity() * sizeof(Entry) +
                                            labels_.capacity() * sizeof(LabelView) +
                                            chunks_.capacity() * sizeof(ChunkPlace));
    RETURN_IF_ERROR(context_.charge(bytes - charged_));
    charged_ = bytes;
    return context_.check();
  }

  std::shared_ptr<const Block> block_;
  std::shared_ptr<const Tombstones> tombstones_;
  TimeRangeMs range_;
  QueryContext& context_;
  std::vector<Entry> entries_;
  std::vector<LabelView> labels_;
  std::vector<ChunkPlace> chunks_;
  int64_t charged_ = 0;
};

Block::Block(model::Disk& disk, std::string directory, std::string id)
    : disk_(disk),
      directory_(std::move(directory)),
      path_(path_of(directory_, id, kBlockSuffix)),
      cache_key_(new_cache_key()),
      tombstones_(std::make_shared<const Tombstones>()) {
  meta_.id = std::move(id);
}

Block::~Block() = default;

Result<std::shared_ptr<Block>> Block::open(model::Disk& disk, const std::string& directory,
                                           const std::string& id) {
  std::shared_ptr<Block> block(new Block(disk, directory, id));
  ASSIGN_OR_RETURN(block->mapping_, disk.map(block->path_));
  Result<std::unique_ptr<BlockIndex>> index = BlockIndex::open(block->mapping_->bytes());
  if (!index.ok()) return index.status().with_context(block->path_);
  block->index_ = std::move(*index);
  if (block->index_->meta().id != id)
    return data_loss(block->path_ + " is the block of another name");
  block->meta_ = block->index_->meta();
  block->mapping_->forget();  // the checks have read the index
  const std::string tombstones = path_of(directory, id, kTombstonesSuffix);
  Result<std::unique_ptr<model::Mapping>> mapping = disk.map(tombstones);
  if (!mapping.ok()) {
    if (mapping.status().code() == Code::kNotFound) return block;
    return mapping.status();
  }
  Result<Tombstones> parsed = Tombstones::parse((*mapping)->bytes());
  if (!parsed.ok()) return parsed.status().with_context(tombstones);
  block->tombstones_ = std::make_shared<const Tombstones>(std::move(*parsed));
  return block;
}

uint32_t Block::series() const { return index_->series(); }

Result<std::vector<uint32_t>> Block::postings(std::span<const Matcher> matchers) const {
  Result<std::vector<uint32_t>> ids = index_->select(matchers);
  if (!ids.ok()) return ids.status().with_context(path_);
  return ids;
}

bool Block::labels(uint32_t series, std::vector<LabelView>& out) const {
  out.clear();
  RowCursor cursor(*index_);
  if (series >= index_->series() || !cursor.seek(series)) return false;
  const std::vector<uint32_t>& labels = cursor.row().labels;
  for (size_t i = 0; i < labels.size(); i += 2) {
    out.push_back({index_->symbol(labels[i]), index_->symbol(labels[i + 1])});
  }
  return true;
}

Status Block::read(const ChunkPlace& place, TimeRangeMs range, SampleColumns& out) const {
  const Status status =
      read_chunk(index_->file(), cache_key_, place, range.begin_ms, range.end_ms, out);
  // A lost count is no harm: it is about how much memory the pages may take.
  if (samples_read_.fetch_add(place.rows, std::memory_order_relaxed) > kSamplesUntilForget) {
    samples_read_.store(0, std::memory_order_relaxed);
    mapping_->forget();
  }
  return status.ok() ? status : status.with_context(path_);
}

Status Block::samples(uint32_t series, TimeRangeMs range, SampleColumns& out) const {
  RowCursor cursor(*index_);
  if (series >= index_->series() || !cursor.seek(series)) {
    return data_loss(path_ + ": the series are damaged");
  }
  const size_t first = out.size();
  for (const ChunkPlace& chunk : cursor.row().chunks) {
    if (!overlap(chunk, range)) continue;
    RETURN_IF_ERROR(read(chunk, range, out));
  }
  const std::shared_ptr<const Tombstones> deleted = tombstones();
  if (const Tombstones::Ranges* ranges = deleted->of(series)) drop_deleted(*ranges, out, first);
  return {};
}

Result<std::unique_ptr<SeriesSet>> Block::select(std::span<const Matcher> matchers,
                                                 TimeRangeMs range, SeriesOrder order,
                                                 QueryContext& context) const {
  auto set = std::make_unique<BlockSeriesSet>(shared_from_this(), range, context);
  if (overlaps(range)) {
    ASSIGN_OR_RETURN(const std::vector<uint32_t> ids, postings(matchers));
    RETURN_IF_ERROR(set->load(ids, order));
  }
  return std::unique_ptr<SeriesSet>(std::move(set));
}

Result<std::vector<std::string>> Block::label_names(std::span<const Matcher> matchers,
                                                    TimeRangeMs range, size_t limit,
                                                    QueryContext& context) const {
  std::vector<std::string> names;
  if (!overlaps(range)) return names;
  if (limit == 0) limit = SIZE_MAX;
  if (matchers.empty()) {
    for (uint32_t i = 0; i < index_->names() && names.size() < limit; ++i) {
      names.emplace_back(index_->symbol(index_->name(i)));
    }
    return names;
  }
  ASSIGN_OR_RETURN(const std::vector<uint32_t> ids, postings(matchers));
  std::set<uint32_t> found;
  RowCursor cursor(*index_);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i % kSeriesPerCheck == 0) RETURN_IF_ERROR(context.check());
    if (!cursor.seek(ids[i])) return data_loss(path_ + ": the series are damaged");
    if (!any_overlap(cursor.row(), range)) continue;
    const std::vector<uint32_t>& labels = cursor.row().labels;
    for (size_t k = 0; k < labels.size(); k += 2) found.insert(labels[k]);
  }
  for (const uint32_t symbol : found) {
    if (names.size() < limit) names.emplace_back(index_->symbol(symbol));
  }
  return names;
}

Result<std::vector<std::string_view>> Block::label_values(std::string_view name,
                                                          std::span<const Matcher> matchers,
                                                          TimeRangeMs range, size_t limit,
                                                          QueryContext& context) const {
  std::vector<std::string_view> values;
  if (!overlaps(range)) return values;
  if (limit == 0) limit = SIZE_MAX;
  if (matchers.empty()) {
    const BlockIndex::Values all = index_->values_of(name);
    for (uint32_t i = 0; i < all.count && values.size() < limit; ++i) {
      values.emplace_back(index_->symbol(index_->value(all, i)));
    }
    return values;
  }
  const std::optional<uint32_t> symbol = index_->find_symbol(name);
  if (!symbol.has_value()) return values;
  ASSIGN_OR_RETURN(const std::vector<uint32_t> ids, postings(matchers));
  std::set<uint32_t> found;
  RowCursor cursor(*index_);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i % kSeriesPerCheck == 0) RETURN_IF_ERROR(context.check());
    if (!cursor.seek(ids[i])) return data_loss(path_ + ": the series are damaged");
    if (!any_overlap(cursor.row(), range)) continue;
    const std::vector<uint32_t>& labels = cursor.row().labels;
    for (size_t k = 0; k < labels.size(); k += 2) {
      if (labels[k] == *symbol) found.insert(labels[k + 1]);
    }
  }
  for (const uint32_t value : found) {
    if (values.size() < limit) values.emplace_back(index_->symbol(value));
  }
  return values;
}

std::shared_ptr<const Tombstones> Block::tombstones() const {
  std::lock_guard lock(tombstones_mutex_);
  return tombstones_;
}

Result<uint64_t> Block::delete_samples(std::span<const Matcher> matchers, TimeRangeMs range) {
  if (!overlaps(range)) return uint64_t{0};
  ASSIGN_OR_RETURN(const std::vector<uint32_t> ids, postings(matchers));
  std::lock_guard deleting(delete_mutex_);
  Tombstones next = *tombstones();
  RowCursor cursor(*index_);
  uint64_t concerned = 0;
  for (const uint32_t id : ids) {
    if (!cursor.seek(id)) return data_loss(path_ + ": the series are damaged");
    if (!any_overlap(cursor.row(), range)) continue;
    next.add(id, range);
    ++concerned;
  }
  if (concerned == 0) return concerned;
  RETURN_IF_ERROR(write_file(disk_, directory_, path_of(directory_, meta_.id, kTombstonesSuffix),
                             next.encode()));
  auto published = std::make_shared<const Tombstones>(std::move(next));
  std::lock_guard lock(tombstones_mutex_);
  tombstones_ = std::move(published);
  return concerned;
}

Result<OpenedBlocks> open_blocks(model::Disk& disk, const std::string& directory) {
  OpenedBlocks opened;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, disk.list(directory));
  for (const std::string& name : names) {
    if (name.ends_with(kTemporarySuffix)) {
      RETURN_IF_ERROR(disk.remove(directory + "/" + name));
      continue;
    }
    if (!name.ends_with(kBlockSuffix)) continue;
    const std::string id = name.substr(0, name.size() - kBlockSuffix.size());
    if (!is_block_id(id)) continue;
    Result<std::shared_ptr<Block>> block = Block::open(disk, directory, id);
    if (block.ok()) {
      opened.blocks.push_back(std::move(*block));
      continue;
    }
    opened.problems.push_back(block.status().message());
    // What cannot be read today may be readable tomorrow; what is damaged stays so.
    if (block.status().code() != Code::kDataLoss) continue;
    const std::string path = directory + "/" + name;
    RETURN_IF_ERROR(disk.rename(path, path + std::string(kDamagedSuffix)));
    opened.problems.back() += "; set aside as " + name + std::string(kDamagedSuffix);
  }
  // A compaction ends with its inputs' removal; where it did not, the result says who they were.
  std::set<std::string> replaced;
  for (const auto& block : opened.blocks) {
    replaced.insert(block->meta().parents.begin(), block->meta().parents.end());
  }
  for (const auto& block : opened.blocks) {
    if (!replaced.contains(block->meta().id)) continue;
    RETURN_IF_ERROR(remove_block(disk, directory, block->meta().id));
  }
  std::erase_if(opened.blocks,
                [&](const auto& block) { return replaced.contains(block->meta().id); });
  std::sort(opened.blocks.begin(), opened.blocks.end(), [](const auto& a, const auto& b) {
    return std::pair(a->meta().begin_ms, a->meta().id) <
           std::pair(b->meta().begin_ms, b->meta().id);
  });
  return opened;
}

Status remove_block(model::Disk& disk, const std::string& directory, const std::string& id) {
  // The block first: tombstones without a block say nothing, a block without its
  // tombstones would say again what was deleted.
  RETURN_IF_ERROR(disk.remove(path_of(directory, id, kBlockSuffix)));
  RETURN_IF_ERROR(disk.sync_directory(directory));
  const Status removed = disk.remove(path_of(directory, id, kTombstonesSuffix));
  return removed.code() == Code::kNotFound ? Status() : removed;
}

}  // namespace gatehouse::store
