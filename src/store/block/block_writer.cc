#include "store/block/block_writer.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "store/block/block_format.h"
#include "store/block/chunk_layout.h"
#include "store/block/symbols.h"
#include "store/codec/histogram_column.h"
#include "store/codec/int_column.h"
#include "store/codec/value_column.h"

namespace gatehouse::store {
namespace {

using model::LabelsView;
using model::SampleColumns;

// Samples held back to be put in order: 500 series of 8 h at 15 s.
constexpr size_t kHeldBytesMax = size_t{8} << 20;
constexpr size_t kPieceBytes = size_t{256} << 10;
// Of columns of time that others may share; what was told longest ago is told again.
constexpr size_t kKnownTimesBytesMax = size_t{2} << 20;
// The budget is charged in steps, as each is an atomic operation.
constexpr int64_t kChargeStepBytes = int64_t{1} << 20;

using Times = std::shared_ptr<const std::vector<int64_t>>;

// A part of a series' samples that becomes one chunk.
struct Held {
  uint32_t series = 0;
  uint32_t piece = 0;  // within the series
  ChunkOrder order;
  Times times;
  std::vector<double> values;            // or
  std::vector<HistogramRow> histograms;  // one of the two
  std::vector<int64_t> starts;

  auto key() const {
    return std::tie(order.family, times->front(), order.total, order.bound, series, piece);
  }
  size_t bytes() const {
    size_t sum = 256 + order.family.size() + values.size() * 8 + starts.size() * 8;
    for (const HistogramRow& row : histograms) {
      sum += 200 + (row->positive_buckets.size() + row->negative_buckets.size()) * 8;
    }
    return sum;
  }
};

// A file written from its beginning to its end.
class Output {
 public:
  explicit Output(std::unique_ptr<model::File> file) : file_(std::move(file)) {}

  uint64_t offset() const { return written_ + waiting_.size(); }
  Status put(std::string_view bytes) {
    waiting_ += bytes;
    return waiting_.size() >= kPieceBytes ? flush() : Status();
  }
  Status sync() {
    RETURN_IF_ERROR(flush());
    return file_->sync();
  }

 private:
  Status flush() {
    RETURN_IF_ERROR(file_->write_at(written_, waiting_));
    written_ += waiting_.size();
    waiting_.clear();
    return {};
  }

  std::unique_ptr<model::File> file_;
  std::string waiting_;
  uint64_t written_ = 0;
};

class Writer : public BlockWriter {
 public:
  Writer(model::Disk& disk, MemoryBudget& budget, std::string directory, Options options,
         std::unique_ptr<model::File> file)
      : disk_(disk),
        charge_(budget),
        directory_(std::move(directory)),
        output_(std::in_place, std::move(file)) {
    meta_.id = std::move(options.id);
    meta_.level = options.level;
    meta_.parents = std::move(options.parents);
    meta_.begin_ms = INT64_MAX;
    meta_.end_ms = INT64_MIN;
  }
  ~Writer() override {
    output_.reset();
    if (!finished_) (void)disk_.remove(temporary_path());
  }

  Status begin() {
    RETURN_IF_ERROR(charge_.grow(static_cast<int64_t>(kHeldBytesMax + kPieceBytes)));
    return output_->put(block_header());
  }

  Status add(LabelsView labels, const SampleColumns& samples) override;
  Result<BlockMeta> finish() override;

 private:
  std::string temporary_path() const { return directory_ + "/" + meta_.id + ".block.tmp"; }

  void hold(LabelsView labels, const SampleColumns& samples);
  Status flush();
  Status write_chunk(const Held& held);
  Result<uint64_t> place_times(const Times& times);
  Status charge_index();

  void renumber_symbols();
  Status put_section(Section section, std::string_view bytes);
  Status write_symbols();
  Status write_series();
  Status write_postings();

  model::Disk& disk_;
  MemoryCharge charge_;
  std::string directory_;
  std::optional<Output> output_;
  BlockMeta meta_;
  bool finished_ = false;

  std::vector<Held> held_;
  size_t held_bytes_ = 0;
  Times last_times_;
  // What the last chunk was, for the next one to refer to.
  WholeColumn columns_[2];
  size_t column_ = 0;
  uint64_t last_chunk_ = 0;
  uint32_t last_depth_ = 0;
  const Held* last_held_ = nullptr;
  uint64_t last_times_offset_ = 0;
  // By their coded bytes; most are a dozen.
  std::unordered_map<std::string, uint64_t> known_times_;
  size_t known_times_bytes_ = 0;

  SymbolTable symbols_;
  std::vector<uint32_t> sorted_symbols_;                 // by place in the file: the id
  std::vector<uint32_t> symbol_places_;                  // by id: the place in the file
  std::vector<uint32_t> labels_;                         // of all series, one after another
  std::vector<uint64_t> label_ends_;                     // by series
  std::vector<std::pair<uint32_t, ChunkPlace>> chunks_;  // series, in the order of writing
  int64_t charged_index_ = 0;
  Contents contents_;
};

Status Writer::add(LabelsView labels, const SampleColumns& samples) {
  if (samples.empty()) return {};
  for (const model::LabelView& label : labels) {
    labels_.push_back(symbols_.id_of(label.name));
    labels_.push_back(symbols_.id_of(label.value));
  }
  label_ends_.push_back(labels_.size());
  hold(labels, samples);
  meta_.begin_ms = std::min(meta_.begin_ms, samples.times_ms.front());
  meta_.end_ms = std::max(meta_.end_ms, samples.times_ms.back());
  meta_.samples += samples.size();
  RETURN_IF_ERROR(charge_index());
  return held_bytes_ >= kHeldBytesMax ? flush() : Status();
}

Status Writer::charge_index() {
  const auto bytes =
      static_cast<int64_t>(symbols_.memory_bytes() + labels_.capacity() * 4 +
                           label_ends_.capacity() * 8 + chunks_.capacity() * sizeof(chunks_[0]));
  while (charged_index_ < bytes) {
    RETURN_IF_ERROR(charge_.grow(kChargeStepBytes));
    charged_index_ += kChargeStepBytes;
  }
  return {};
}

// Cuts the samples into what becomes chunks: floats and histograms apart.
void Writer::hold(LabelsView labels, const SampleColumns& samples) {
  const ChunkOrder order = chunk_order(labels);
  const auto row_of = [&](size_t i) {
    return samples.histograms.empty() ? nullptr : samples.histograms[i];
  };
  const auto begin_of = [](const auto& column, size_t i) {
    return column.begin() + static_cast<ptrdiff_t>(i);
  };
  uint32_t piece = 0;
  for (size_t i = 0; i < samples.size(); ++piece) {
    Held held;
    held.series = static_cast<uint32_t>(label_ends_.size() - 1);
    held.piece = piece;
    held.order = order;
    const bool histograms = row_of(i) != nullptr;
    size_t end = i + 1;
    while (end < samples.size() && end - i < kColumnRowsMax &&
           (row_of(end) != nullptr) == histograms) {
      ++end;
    }
    if (histograms) {
      end = i + histogram_rows_that_fit(std::span(samples.histograms).subspan(i, end - i));
      held.histograms.assign(begin_of(samples.histograms, i), begin_of(samples.histograms, end));
      meta_.histograms += end - i;
    } else {
      held.values.assign(begin_of(samples.values, i), begin_of(samples.values, end));
    }
    if (!samples.starts_ms.empty()) {
      held.starts.assign(begin_of(samples.starts_ms, i), begin_of(samples.starts_ms, end));
    }
    const std::span<const int64_t> times = std::span(samples.times_ms).subspan(i, end - i);
    if (last_times_ == nullptr ||
        !std::equal(times.begin(), times.end(), last_times_->begin(), last_times_->end())) {
      last_times_ = std::make_shared<const std::vector<int64_t>>(times.begin(), times.end());
      held_bytes_ += times.size() * 8;
    }
    held.times = last_times_;
    held_bytes_ += held.bytes();
    held_.push_back(std::move(held));
    i = end;
  }
}

Status Writer::flush() {
  std::sort(held_.begin(), held_.end(),
            [](const Held& a, const Held& b) { return a.key() < b.key(); });
  last_held_ = nullptr;
  for (const Held& held : held_) RETURN_IF_ERROR(write_chunk(held));
  held_.clear();
  last_held_ = nullptr;
  last_times_ = nullptr;
  held_bytes_ = 0;
  return {};
}

Result<uint64_t> Writer::place_times(const Times& times) {
  if (last_held_ != nullptr && last_held_->times == times) return last_times_offset_;
  std::string columns;
  encode_ints(*times, {}, columns);
  std::string record = seal_record(RecordKind::kTimes, times->size(), columns);
  const auto known = known_times_.find(record);
  if (known != known_times_.end()) return known->second;
  if (known_times_bytes_ > kKnownTimesBytesMax) {
    known_times_.clear();
    known_times_bytes_ = 0;
  }
  const uint64_t offset = output_->offset();
  RETURN_IF_ERROR(output_->put(record));
  known_times_bytes_ += record.size() + 64;
  known_times_.emplace(std::move(record), offset);
  return offset;
}

Status Writer::write_chunk(const Held& held) {
  ASSIGN_OR_RETURN(const uint64_t times, place_times(held.times));
  const uint64_t offset = output_->offset();
  std::string columns;
  columns.push_back(held.starts.empty() ? 0 : 1);
  if (!held.starts.empty()) encode_ints(held.starts, {}, columns);
  RecordKind kind = RecordKind::kHistograms;
  if (!held.histograms.empty()) {
    encode_histograms(held.histograms, columns);
    last_chunk_ = 0;
  } else {
    kind = RecordKind::kFloats;
    const bool related = last_held_ != nullptr && last_chunk_ != 0 && !held.order.family.empty() &&
                         held.order.family == last_held_->order.family &&
                         times == last_times_offset_ && last_depth_ + 1 < kReferenceDepthMax;
    const WholeColumn* before = related ? &columns_[column_] : nullptr;
    column_ ^= 1;
    to_whole_column(held.values, columns_[column_]);
    std::string values;
    const bool used = encode_values(columns_[column_], before, values);
    put_varint(columns, used ? offset - last_chunk_ : 0);
    columns += values;
    last_depth_ = used ? last_depth_ + 1 : 0;
    last_chunk_ = offset;
  }
  last_held_ = &held;
  last_times_offset_ = times;
  ChunkPlace place;
  place.offset = offset;
  place.times = times;
  place.begin_ms = held.times->front();
  place.end_ms = held.times->back();
  place.rows = static_cast<uint32_t>(held.times->size());
  chunks_.emplace_back(held.series, place);
  return output_->put(seal_record(kind, held.times->size(), columns));
}

Status Writer::put_section(Section section, std::string_view bytes) {
  SectionPlace& place = contents_[static_cast<size_t>(section)];
  place.offset = output_->offset();
  place.length = bytes.size();
  place.crc = crc32c(bytes);
  // Offsets within a section have 32 bits.
  if (bytes.size() > UINT32_MAX) return resource_exhausted("a block's index is over 4 GiB");
  return output_->put(bytes);
}

void Writer::renumber_symbols() {
  sorted_symbols_ = symbols_.sorted();
  symbol_places_.resize(sorted_symbols_.size());
  for (size_t i = 0; i < sorted_symbols_.size(); ++i) {
    symbol_places_[sorted_symbols_[i]] = static_cast<uint32_t>(i);
  }
  for (uint32_t& id : labels_) id = symbol_places_[id];
}

Status Writer::write_symbols() {
  std::string section;
  std::string texts;
  put_le<uint32_t>(section, static_cast<uint32_t>(sorted_symbols_.size()));
  for (const uint32_t id : sorted_symbols_) {
    put_le<uint32_t>(section, static_cast<uint32_t>(texts.size()));
    texts += symbols_.text(id);
  }
  put_le<uint32_t>(section, static_cast<uint32_t>(texts.size()));
  section += texts;
  return put_section(Section::kSymbols, section);
}

Status Writer::write_series() {
  std::sort(chunks_.begin(), chunks_.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first, a.second.begin_ms) < std::tie(b.first, b.second.begin_ms);
  });
  std::string restarts;
  std::string rows;
  SeriesRow row;
  SeriesRow before;
  size_t chunk = 0;
  for (uint32_t series = 0; series < label_ends_.size(); ++series) {
    const uint64_t from = series == 0 ? 0 : label_ends_[series - 1];
    row.labels.assign(labels_.begin() + static_cast<ptrdiff_t>(from),
                      labels_.begin() + static_cast<ptrdiff_t>(label_ends_[series]));
    row.chunks.clear();
    for (; chunk < chunks_.size() && chunks_[chunk].first == series; ++chunk) {
      row.chunks.push_back(chunks_[chunk].second);
    }
    if (series % kRowsPerRestart == 0) {
      put_le<uint32_t>(restarts, static_cast<uint32_t>(rows.size()));
      before = {};
    }
    put_row(rows, row, before);
    std::swap(row, before);
    if (rows.size() > UINT32_MAX) return resource_exhausted("a block's index is over 4 GiB");
  }
  std::string section;
  put_le<uint32_t>(section, static_cast<uint32_t>(label_ends_.size()));
  section += restarts;
  section += rows;
  return put_section(Section::kSeries, section);
}

// One name at a time, so that no more than its pairs are in memory.
Status Writer::write_postings() {
  std::vector<uint32_t> names;
  {
    std::vector<bool> seen(sorted_symbols_.size());
    for (size_t i = 0; i < labels_.size(); i += 2) seen[labels_[i]] = true;
    for (uint32_t i = 0; i < seen.size(); ++i) {
      if (seen[i]) names.push_back(i);
    }
  }
  std::string postings;
  std::string table;
  std::string values;
  std::vector<std::pair<uint32_t, uint32_t>> pairs;  // value, series
  std::vector<uint32_t> ids;
  const size_t values_at = 4 + names.size() * 12;
  put_le<uint32_t>(table, static_cast<uint32_t>(names.size()));
  for (const uint32_t name : names) {
    pairs.clear();
    for (size_t series = 0, i = 0; series < label_ends_.size(); ++series) {
      for (; i < label_ends_[series]; i += 2) {
        if (labels_[i] == name) pairs.emplace_back(labels_[i + 1], static_cast<uint32_t>(series));
      }
    }
    std::sort(pairs.begin(), pairs.end());
    put_le<uint32_t>(table, name);
    put_le<uint32_t>(table, static_cast<uint32_t>(values_at + values.size()));
    uint32_t count = 0;
    for (size_t i = 0; i < pairs.size(); ++count) {
      ids.clear();
      const uint32_t value = pairs[i].first;
      for (; i < pairs.size() && pairs[i].first == value; ++i) ids.push_back(pairs[i].second);
      put_le<uint32_t>(values, value);
      put_le<uint32_t>(values, static_cast<uint32_t>(postings.size()));
      put_postings(postings, ids);
    }
    put_le<uint32_t>(table, count);
    if (postings.size() > UINT32_MAX) return resource_exhausted("a block's index is over 4 GiB");
  }
  RETURN_IF_ERROR(put_section(Section::kPostings, postings));
  return put_section(Section::kLabels, table + values);
}

Result<BlockMeta> Writer::finish() {
  if (label_ends_.empty()) return not_found("there are no samples to make a block of");
  RETURN_IF_ERROR(flush());
  RETURN_IF_ERROR(charge_index());
  // The sections are built from what is held, one at a time, and take about as much again.
  RETURN_IF_ERROR(charge_.grow(charged_index_));
  renumber_symbols();
  meta_.series = label_ends_.size();
  RETURN_IF_ERROR(write_symbols());
  RETURN_IF_ERROR(write_series());
  RETURN_IF_ERROR(write_postings());
  RETURN_IF_ERROR(put_section(Section::kMeta, encode_meta(meta_)));
  RETURN_IF_ERROR(output_->put(encode_contents(contents_)));
  meta_.bytes = output_->offset();
  RETURN_IF_ERROR(output_->sync());
  output_.reset();
  RETURN_IF_ERROR(disk_.rename(temporary_path(), directory_ + "/" + meta_.id + ".block"));
  finished_ = true;
  const Status named = disk_.sync_directory(directory_);
  if (named.ok()) return meta_;
  // A block that the caller was told of as failed must not turn up later.
  (void)disk_.remove(directory_ + "/" + meta_.id + ".block");
  return named;
}

}  // namespace

Result<std::unique_ptr<BlockWriter>> BlockWriter::create(model::Disk& disk, MemoryBudget& budget,
                                                         const std::string& directory,
                                                         Options options) {
  if (!is_block_id(options.id)) return invalid_argument("\"" + options.id + "\" names no block");
  const std::string path = directory + "/" + options.id + ".block.tmp";
  ASSIGN_OR_RETURN(std::unique_ptr<model::File> file, disk.open(path, model::Disk::Open::kCreate));
  auto writer =
      std::make_unique<Writer>(disk, budget, directory, std::move(options), std::move(file));
  RETURN_IF_ERROR(writer->begin());
  return std::unique_ptr<BlockWriter>(std::move(writer));
}

int compare_labels(LabelsView a, LabelsView b) {
  const size_t both = std::min(a.size(), b.size());
  for (size_t i = 0; i < both; ++i) {
    if (const int order = a[i].name.compare(b[i].name); order != 0) return order;
    if (const int order = a[i].value.compare(b[i].value); order != 0) return order;
  }
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

}  // namespace gatehouse::store
