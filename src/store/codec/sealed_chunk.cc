#include "store/codec/sealed_chunk.h"

#include <algorithm>
#include <vector>

#include "base/bytes.h"
#include "store/codec/int_column.h"
#include "store/codec/sample_chunk.h"
#include "store/codec/value_column.h"

namespace gatehouse::store {
namespace {

using model::SampleColumns;

Status damage() { return data_loss("a sealed chunk of samples is damaged"); }

void add_rows(const SampleColumns& from, size_t low, size_t high, SampleColumns& out) {
  const auto first = static_cast<ptrdiff_t>(low);
  const auto last = static_cast<ptrdiff_t>(high);
  if (!from.starts_ms.empty() && out.starts_ms.empty()) out.starts_ms.resize(out.size());
  if (!from.starts_ms.empty()) {
    out.starts_ms.insert(out.starts_ms.end(), from.starts_ms.begin() + first,
                         from.starts_ms.begin() + last);
  } else if (!out.starts_ms.empty()) {
    out.starts_ms.resize(out.starts_ms.size() + high - low);
  }
  out.times_ms.insert(out.times_ms.end(), from.times_ms.begin() + first,
                      from.times_ms.begin() + last);
  out.values.insert(out.values.end(), from.values.begin() + first, from.values.begin() + last);
  if (!out.histograms.empty()) out.histograms.resize(out.values.size());
}

}  // namespace

Status seal_chunks(std::span<const std::string_view> chunks, std::string& out) {
  SampleColumns columns;
  for (const std::string_view chunk : chunks) {
    RETURN_IF_ERROR(decode_sample_chunk(chunk, INT64_MIN, INT64_MAX, columns));
  }
  if (columns.empty() || columns.size() > kColumnRowsMax) return damage();
  put_varint(out, columns.size() << 1 | (columns.starts_ms.empty() ? 0 : 1));
  encode_ints(columns.times_ms, {}, out);
  if (!columns.starts_ms.empty()) encode_ints(columns.starts_ms, {}, out);
  WholeColumn whole;
  to_whole_column(columns.values, whole);
  encode_values(whole, nullptr, out);
  return {};
}

Status decode_sealed_chunk(std::string_view bytes, int64_t begin_ms, int64_t end_ms,
                           SampleColumns& out) {
  uint64_t head = 0;
  if (!get_varint(bytes, head)) return damage();
  const uint64_t rows = head >> 1;
  if (rows == 0 || rows > kColumnRowsMax) return damage();
  // 50 KiB at most, used again by the thread's next chunk.
  thread_local SampleColumns columns;
  thread_local std::vector<int64_t> whole;
  columns.times_ms.resize(rows);
  columns.values.resize(rows);
  columns.starts_ms.resize((head & 1) != 0 ? rows : 0);
  if (!decode_ints(bytes, {}, columns.times_ms)) return damage();
  const auto first = std::lower_bound(columns.times_ms.begin(), columns.times_ms.end(), begin_ms);
  const auto last = std::upper_bound(columns.times_ms.begin(), columns.times_ms.end(), end_ms);
  if (first >= last) return {};
  if ((head & 1) != 0 && !decode_ints(bytes, {}, columns.starts_ms)) return damage();
  whole.resize(rows);
  if (!decode_values(bytes, {}, whole, columns.values)) return damage();
  add_rows(columns, static_cast<size_t>(first - columns.times_ms.begin()),
           static_cast<size_t>(last - columns.times_ms.begin()), out);
  return {};
}

}  // namespace gatehouse::store
