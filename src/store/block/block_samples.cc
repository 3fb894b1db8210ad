#include "store/block/block_samples.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "store/codec/histogram_column.h"
#include "store/codec/int_column.h"

namespace gatehouse::store {
namespace {

using model::SampleColumns;

struct CachedColumn {
  uint64_t block = 0;
  uint64_t offset = 0;
  std::vector<int64_t> values;
};

template <size_t kEntries>
class ColumnRing {
 public:
  const CachedColumn* find(uint64_t block, uint64_t offset) const {
    for (const CachedColumn& entry : entries_) {
      if (entry.offset == offset && entry.block == block) return &entry;
    }
    return nullptr;
  }
  // In place of the oldest; nobody finds it until `block` and `offset` are set.
  CachedColumn& take(size_t rows) {
    CachedColumn& entry = entries_[next_++ % kEntries];
    entry.block = 0;
    entry.values.resize(rows);
    return entry;
  }

 private:
  std::array<CachedColumn, kEntries> entries_;
  size_t next_ = 0;
};

// Half a megabyte a thread at most. More values than may refer to each other in a
// row, so that none is lost while those that it refers to are decoded.
struct ThreadColumns {
  ColumnRing<8> times;
  ColumnRing<2 * kReferenceDepthMax> values;
  std::vector<double> doubles;
  std::vector<int64_t> starts;
};

ThreadColumns& thread_columns() {
  thread_local ThreadColumns columns;
  return columns;
}

class ChunkReader {
 public:
  ChunkReader(std::string_view file, uint64_t cache_key)
      : file_(file), key_(cache_key), columns_(thread_columns()) {}

  bool read(const ChunkPlace& place, int64_t begin_ms, int64_t end_ms, SampleColumns& out) {
    const CachedColumn* times = read_times(place.times);
    if (times == nullptr) return false;
    const std::span<const int64_t> all = times->values;
    const auto first = std::lower_bound(all.begin(), all.end(), begin_ms);
    const auto last = std::upper_bound(first, all.end(), end_ms);
    if (first == last) return true;
    if (!out.empty() && *first <= out.times_ms.back()) return false;
    const auto low = static_cast<size_t>(first - all.begin());
    const auto high = static_cast<size_t>(last - all.begin());
    const std::optional<Record> record = open_record(file_, place.offset);
    if (!record.has_value() || record->rows != all.size()) return false;
    std::string_view in = record->columns;
    bool has_starts = false;
    if (!take_starts(in, record->rows, has_starts)) return false;
    if (has_starts && out.starts_ms.empty()) out.starts_ms.resize(out.size());
    const bool ok = record->kind == RecordKind::kHistograms
                        ? read_histograms(in, record->rows, low, high, out)
                        : read_floats(*record, place.offset, low, high, out);
    if (!ok) return false;
    if (has_starts) {
      out.starts_ms.insert(out.starts_ms.end(), columns_.starts.begin() + as_offset(low),
                           columns_.starts.begin() + as_offset(high));
    } else if (!out.starts_ms.empty()) {
      out.starts_ms.resize(out.starts_ms.size() + high - low);
    }
    out.times_ms.insert(out.times_ms.end(), first, last);
    return true;
  }

 private:
  static ptrdiff_t as_offset(size_t row) { return static_cast<ptrdiff_t>(row); }

  const CachedColumn* read_times(uint64_t offset) {
    if (const CachedColumn* known = columns_.times.find(key_, offset)) return known;
    const std::optional<Record> record = open_record(file_, offset);
    if (!record.has_value() || record->kind != RecordKind::kTimes) return nullptr;
    CachedColumn& column = columns_.times.take(record->rows);
    std::string_view in = record->columns;
    if (!decode_ints(in, {}, column.values)) return nullptr;
    const auto unordered = std::adjacent_find(column.values.begin(), column.values.end(),
                                              [](int64_t a, int64_t b) { return a >= b; });
    if (unordered != column.values.end()) return nullptr;
    column.block = key_;
    column.offset = offset;
    return &column;
  }

  bool take_starts(std::string_view& in, size_t rows, bool& has_starts) {
    if (in.empty() || static_cast<uint8_t>(in[0]) > 1) return false;
    has_starts = in[0] != 0;
    in.remove_prefix(1);
    if (!has_starts) return true;
    columns_.starts.resize(rows);
    return decode_ints(in, {}, columns_.starts);
  }

  // The chunk's values as whole numbers, kept for the next that refers to them.
  // `doubles` is empty where they are wanted for that alone.
  bool decode_floats(const Record& record, uint64_t offset, std::span<double> doubles,
                     uint32_t depth) {
    std::string_view in = record.columns;
    bool has_starts = false;
    std::vector<int64_t> kept;
    if (depth > 0) kept.swap(columns_.starts);
    const bool taken = take_starts(in, record.rows, has_starts);
    if (depth > 0) kept.swap(columns_.starts);
    uint64_t back = 0;
    if (!taken || !get_varint(in, back) || back > offset) return false;
    std::span<const int64_t> reference;
    if (back != 0) {
      const CachedColumn* known = columns_.values.find(key_, offset - back);
      if (known == nullptr) {
        if (depth + 1 >= kReferenceDepthMax) return false;
        const std::optional<Record> other = open_record(file_, offset - back);
        if (!other.has_value() || other->kind != RecordKind::kFloats ||
            other->rows != record.rows || !decode_floats(*other, offset - back, {}, depth + 1)) {
          return false;
        }
        known = columns_.values.find(key_, offset - back);
      }
      reference = known->values;
    }
    CachedColumn& column = columns_.values.take(record.rows);
    if (!decode_values(in, reference, column.values, doubles)) return false;
    column.block = key_;
    column.offset = offset;
    return true;
  }

  bool read_floats(const Record& record, uint64_t offset, size_t low, size_t high,
                   SampleColumns& out) {
    if (record.kind != RecordKind::kFloats) return false;
    columns_.doubles.resize(record.rows);
    if (!decode_floats(record, offset, columns_.doubles, 0)) return false;
    const auto doubles = columns_.doubles.begin();
    out.values.insert(out.values.end(), doubles + as_offset(low), doubles + as_offset(high));
    if (!out.histograms.empty()) out.histograms.resize(out.histograms.size() + high - low);
    return true;
  }

  bool read_histograms(std::string_view in, size_t rows, size_t low, size_t high,
                       SampleColumns& out) {
    std::vector<HistogramRow> decoded;
    if (!decode_histograms(in, rows, decoded)) return false;
    if (out.histograms.empty()) out.histograms.resize(out.size());
    for (size_t i = low; i < high; ++i) {
      const double sum = decoded[i]->sum;
      out.values.push_back(model::is_stale(sum) ? sum : 0);
      out.histograms.push_back(std::move(decoded[i]));
    }
    return true;
  }

  std::string_view file_;
  uint64_t key_;
  ThreadColumns& columns_;
};

}  // namespace

uint64_t new_cache_key() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

Status read_chunk(std::string_view file, uint64_t cache_key, const ChunkPlace& place,
                  int64_t begin_ms, int64_t end_ms, SampleColumns& out) {
  if (ChunkReader(file, cache_key).read(place, begin_ms, end_ms, out)) return {};
  return data_loss("the chunk at byte " + std::to_string(place.offset) + " is damaged");
}

}  // namespace gatehouse::store
