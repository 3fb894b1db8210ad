#include "store/codec/histogram_column.h"

#include <algorithm>

#include "base/bytes.h"
#include "store/codec/histogram_layout.h"
#include "store/codec/int_column.h"
#include "store/codec/value_column.h"

namespace gatehouse::store {
namespace {

using model::CounterReset;
using model::NativeHistogram;

size_t cells_of(const NativeHistogram& histogram) {
  return 3 + histogram.positive_buckets.size() + histogram.negative_buckets.size();
}

// Sum, count, zero count, then the buckets.
template <typename Histogram>
auto& cell(Histogram& histogram, size_t i) {
  if (i == 0) return histogram.sum;
  if (i == 1) return histogram.count;
  if (i == 2) return histogram.zero_count;
  i -= 3;
  const size_t positive = histogram.positive_buckets.size();
  return i < positive ? histogram.positive_buckets[i] : histogram.negative_buckets[i - positive];
}

void encode_run(std::span<const HistogramRow> rows, std::string& out) {
  put_varint(out, rows.size());
  put_layout(out, *rows[0]);
  std::vector<int64_t> marks;
  for (const HistogramRow& row : rows) {
    marks.push_back(static_cast<int64_t>(row->reset) | (row->whole ? 4 : 0));
  }
  encode_ints(marks, {}, out);
  std::vector<double> values(rows.size());
  WholeColumn columns[2];
  for (size_t c = 0; c < cells_of(*rows[0]); ++c) {
    for (size_t r = 0; r < rows.size(); ++r) values[r] = cell(*rows[r], c);
    to_whole_column(values, columns[c % 2]);
    encode_values(columns[c % 2], c == 0 ? nullptr : &columns[(c + 1) % 2], out);
  }
}

bool decode_run(std::string_view& in, size_t rows, std::vector<HistogramRow>& out) {
  NativeHistogram layout;
  // A column takes three bytes at least.
  if (!take_layout(in, in.size() / 3, layout)) return false;
  const size_t cells = cells_of(layout);
  if (rows > 1 && cells > kHistogramCellsMax / rows) return false;
  std::vector<int64_t> whole[2] = {std::vector<int64_t>(rows), std::vector<int64_t>(rows)};
  std::vector<double> values(rows);
  if (!decode_ints(in, {}, whole[1])) return false;
  std::vector<std::shared_ptr<NativeHistogram>> made(rows);
  for (size_t r = 0; r < rows; ++r) {
    if (whole[1][r] < 0 || whole[1][r] > 7) return false;
    made[r] = std::make_shared<NativeHistogram>(layout);
    made[r]->reset = static_cast<CounterReset>(whole[1][r] & 3);
    made[r]->whole = (whole[1][r] & 4) != 0;
  }
  for (size_t c = 0; c < cells; ++c) {
    std::span<const int64_t> before;
    if (c > 0) before = whole[(c + 1) % 2];
    if (!decode_values(in, before, whole[c % 2], values)) return false;
    for (size_t r = 0; r < rows; ++r) cell(*made[r], c) = values[r];
  }
  out.insert(out.end(), made.begin(), made.end());
  return true;
}

}  // namespace

size_t histogram_rows_that_fit(std::span<const HistogramRow> rows) {
  size_t most = 0;
  size_t count = 0;
  for (const HistogramRow& row : rows) {
    most = std::max(most, cells_of(*row));
    if (count > 0 && most * (count + 1) > kHistogramCellsMax) break;
    if (++count == kColumnRowsMax) break;
  }
  return count;
}

void encode_histograms(std::span<const HistogramRow> rows, std::string& out) {
  for (size_t i = 0; i < rows.size();) {
    size_t end = i + 1;
    while (end < rows.size() && same_layout(*rows[i], *rows[end])) ++end;
    encode_run(rows.subspan(i, end - i), out);
    i = end;
  }
}

bool decode_histograms(std::string_view& in, size_t rows, std::vector<HistogramRow>& out) {
  while (rows > 0) {
    uint64_t run = 0;
    if (!get_varint(in, run) || run == 0 || run > rows || run > kColumnRowsMax) return false;
    if (!decode_run(in, run, out)) return false;
    rows -= run;
  }
  return true;
}

}  // namespace gatehouse::store
