#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/random.h"
#include "store/codec/histogram_chunk.h"
#include "store/codec/histogram_column.h"

namespace gatehouse::store {
namespace {

using model::CounterReset;
using model::NativeHistogram;

NativeHistogram random_histogram(Random& random, bool odd) {
  NativeHistogram h;
  h.whole = random.below(2) == 0;
  h.reset = static_cast<CounterReset>(random.below(4));
  if (random.below(4) == 0) {
    h.schema = NativeHistogram::kCustomBounds;
    for (uint64_t i = 0; i < 3; ++i) h.bounds.push_back(static_cast<double>(i) * 0.25);
  } else {
    h.schema = static_cast<int32_t>(random.below(13)) - 4;
    h.zero_threshold = 1e-128;
  }
  const auto count = [&] {
    const auto whole = static_cast<double>(random.below(5000));
    return odd ? whole + random.uniform() : whole;
  };
  h.positive_spans = {{-3, 2}, {4, 3}};
  for (int i = 0; i < 5; ++i) h.positive_buckets.push_back(count());
  if (random.below(3) == 0) {
    h.negative_spans = {{0, 2}};
    h.negative_buckets = {count(), count()};
  }
  h.zero_count = count();
  h.count = count();
  h.sum = random.below(9) == 0 ? model::kStaleValue : random.uniform() * 1e6;
  return h;
}

struct Row {
  int64_t time_ms;
  NativeHistogram histogram;
  int64_t start_ms;
};

// Runs of like histograms with a change of layout now and then.
std::vector<Row> random_rows(Random& random, size_t count) {
  std::vector<Row> rows;
  NativeHistogram now = random_histogram(random, false);
  int64_t time = 1'700'000'000'000;
  int64_t start = 0;
  for (size_t i = 0; i < count; ++i) {
    if (random.below(12) == 0) now = random_histogram(random, random.below(3) == 0);
    for (double& bucket : now.positive_buckets) bucket += static_cast<double>(random.below(4));
    now.count += 3;
    now.sum += 0.5;
    if (random.below(20) == 0) start = static_cast<int64_t>(random.below(1000));
    rows.push_back({time, now, start});
    time += 15000 + (random.below(5) == 0 ? static_cast<int64_t>(random.below(100)) : 0);
  }
  return rows;
}

void expect_same(const NativeHistogram& a, const NativeHistogram& b) {
  EXPECT_EQ(std::bit_cast<uint64_t>(a.sum), std::bit_cast<uint64_t>(b.sum));
  NativeHistogram left = a;
  NativeHistogram right = b;
  left.sum = right.sum = 0;
  EXPECT_EQ(left, right);
}

void expect_rows(const model::SampleColumns& out, const std::vector<Row>& rows) {
  ASSERT_EQ(out.size(), rows.size());
  ASSERT_EQ(out.histograms.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(out.times_ms[i], rows[i].time_ms);
    EXPECT_EQ(out.starts_ms.empty() ? 0 : out.starts_ms[i], rows[i].start_ms);
    EXPECT_EQ(model::is_stale(out.values[i]), model::is_stale(rows[i].histogram.sum));
    expect_same(*out.histograms[i], rows[i].histogram);
  }
}

TEST(HistogramChunk, GivesBackEveryHistogram) {
  Random random(21);
  for (int round = 0; round < 300; ++round) {
    const std::vector<Row> rows = random_rows(random, 1 + random.below(100));
    HistogramChunk chunk;
    for (const Row& row : rows) {
      if (chunk.size() > 0 && random.below(10) == 0) {
        Result<HistogramChunk> resumed = HistogramChunk::resume(std::string(chunk.bytes()));
        ASSERT_TRUE(resumed.ok());
        chunk = std::move(*resumed);
      }
      chunk.append(row.time_ms, row.histogram, row.start_ms);
    }
    EXPECT_EQ(chunk.size(), rows.size());
    EXPECT_EQ(chunk.first_time_ms(), rows.front().time_ms);
    EXPECT_EQ(chunk.last_time_ms(), rows.back().time_ms);
    model::SampleColumns out;
    ASSERT_TRUE(decode_histogram_chunk(chunk.bytes(), INT64_MIN, INT64_MAX, out).ok());
    expect_rows(out, rows);
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST(HistogramChunk, RefusesWhatIsCutShort) {
  Random random(22);
  HistogramChunk chunk;
  for (const Row& row : random_rows(random, 5)) chunk.append(row.time_ms, row.histogram);
  const std::string whole(chunk.bytes());
  EXPECT_FALSE(HistogramChunk::resume("").ok());
  EXPECT_FALSE(HistogramChunk::resume(whole.substr(0, whole.size() - 1)).ok());
  EXPECT_FALSE(HistogramChunk::resume(whole.substr(0, 9)).ok());
}

TEST(HistogramColumn, GivesBackEveryHistogram) {
  Random random(23);
  for (int round = 0; round < 200; ++round) {
    std::vector<HistogramRow> rows;
    for (Row& row : random_rows(random, 1 + random.below(200))) {
      rows.push_back(std::make_shared<const NativeHistogram>(std::move(row.histogram)));
    }
    ASSERT_EQ(histogram_rows_that_fit(rows), rows.size());
    std::string bytes;
    encode_histograms(rows, bytes);
    std::string_view in = bytes;
    std::vector<HistogramRow> back;
    ASSERT_TRUE(decode_histograms(in, rows.size(), back));
    EXPECT_TRUE(in.empty());
    ASSERT_EQ(back.size(), rows.size());
    for (size_t i = 0; i < rows.size(); ++i) expect_same(*back[i], *rows[i]);
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST(HistogramColumn, ManyBucketsMakeFewRows) {
  NativeHistogram wide;
  wide.positive_spans = {{0, 5000}};
  wide.positive_buckets.resize(5000, 1);
  const std::vector<HistogramRow> rows(100, std::make_shared<const NativeHistogram>(wide));
  const size_t fit = histogram_rows_that_fit(rows);
  EXPECT_GE(fit, 50u);
  EXPECT_LE(fit * 5000, kHistogramCellsMax);
}

}  // namespace
}  // namespace gatehouse::store
