#include "lang/promql/histogram/arithmetic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace gatehouse::promql {
namespace {

using model::CounterReset;

NativeHistogram exponential(int32_t schema, double count, double sum, int32_t first,
                            std::vector<double> buckets) {
  NativeHistogram out;
  out.schema = schema;
  out.count = count;
  out.sum = sum;
  out.positive_spans = {{first, static_cast<uint32_t>(buckets.size())}};
  out.positive_buckets = std::move(buckets);
  return out;
}

NativeHistogram custom(std::vector<double> bounds, std::vector<double> buckets) {
  NativeHistogram out = exponential(NativeHistogram::kCustomBounds, 0, 0, 0, std::move(buckets));
  out.bounds = std::move(bounds);
  for (double count : out.positive_buckets) out.count += count;
  return out;
}

TEST(HistogramBuckets, PackLeavesEmptyBucketsOutAndUnpackFindsThemAgain) {
  const std::vector<IndexedCount> buckets = {{-3, 1}, {-2, 2}, {0, 0}, {4, 3}};
  std::vector<BucketSpan> spans;
  std::vector<double> counts;
  pack(buckets, spans, counts);
  EXPECT_EQ(spans, (std::vector<BucketSpan>{{-3, 2}, {5, 1}}));
  EXPECT_EQ(counts, (std::vector<double>{1, 2, 3}));
  const std::vector<IndexedCount> again = unpack(spans, counts);
  ASSERT_EQ(again.size(), 3U);
  EXPECT_EQ(again[2].index, 4);
}

TEST(HistogramBuckets, BoundsAreExactPowersOfTwo) {
  EXPECT_EQ(exponential_bound(0, 3), 8);
  EXPECT_EQ(exponential_bound(-1, 1), 4);
  EXPECT_EQ(exponential_bound(-4, -1), 0x1p-16);
  EXPECT_EQ(exponential_bound(3, 8), 2);
  EXPECT_NEAR(exponential_bound(1, 1), std::sqrt(2.0), 1e-15);
  EXPECT_EQ(exponential_bound(8, 1024 << 8), std::numeric_limits<double>::max());
}

TEST(HistogramSum, ReducesToTheCoarserResolution) {
  HistogramSum sum(exponential(1, 4, 4, 1, {1, 1, 1, 1}));  // up to 1.41, 2, 2.8, 4
  sum.add(exponential(0, 2, 3, 1, {1, 1}));                 // up to 2, 4
  const NativeHistogram out = sum.sum();
  EXPECT_EQ(out.schema, 0);
  EXPECT_EQ(out.count, 6);
  EXPECT_EQ(out.positive_spans, (std::vector<BucketSpan>{{1, 2}}));
  EXPECT_EQ(out.positive_buckets, (std::vector<double>{3, 3}));
}

TEST(HistogramSum, WidensTheZeroBucketToAnEndNoBucketCrosses) {
  NativeHistogram wide;
  wide.count = 1;
  wide.zero_count = 1;
  wide.zero_threshold = 0.3;                           // inside (0.25, 0.5], which the other has
  HistogramSum sum(exponential(0, 2, 1, -1, {1, 1}));  // (0.25, 0.5], (0.5, 1]
  sum.add(wide);
  const NativeHistogram out = sum.sum();
  EXPECT_EQ(out.zero_threshold, 0.5);
  EXPECT_EQ(out.zero_count, 2);
  EXPECT_EQ(out.positive_buckets, (std::vector<double>{1}));
}

TEST(HistogramSum, KeepsTheBoundsBothHave) {
  HistogramSum sum(custom({2, 4, 6}, {1, 2, 5, 7}));
  const HistogramSum::Outcome outcome = sum.add(custom({1, 2, 6, 8}, {1, 1, 1, 1, 1}));
  EXPECT_TRUE(outcome.compatible);
  EXPECT_TRUE(outcome.reconciled);
  const NativeHistogram out = sum.sum();
  EXPECT_EQ(out.bounds, (std::vector<double>{2, 6}));
  EXPECT_EQ(out.positive_buckets, (std::vector<double>{3, 8, 9}));
  EXPECT_FALSE(sum.add(exponential(0, 1, 1, 0, {1})).compatible);
}

TEST(HistogramSum, MeansOfWhatOverflowsAreFinite) {
  HistogramSum sum(exponential(0, 1.5e308, 1, 0, {1.5e308}));
  sum.add(exponential(0, 1.5e308, 1e100, 0, {1.5e308}));
  sum.add(exponential(0, 0, -1e100, 0, {0}));
  EXPECT_DOUBLE_EQ(sum.mean().count, 1e308);
  EXPECT_DOUBLE_EQ(sum.mean().sum, 1.0 / 3);
  EXPECT_TRUE(std::isinf(sum.sum().count));
}

TEST(HistogramSum, HintsFollowWhatIsAdded) {
  const auto hinted = [](CounterReset reset) {
    NativeHistogram out = exponential(0, 1, 1, 0, {1});
    out.reset = reset;
    return out;
  };
  HistogramSum sum(hinted(CounterReset::kNotReset));
  EXPECT_FALSE(sum.add(hinted(CounterReset::kNotReset)).reset_collision);
  EXPECT_EQ(sum.sum().reset, CounterReset::kNotReset);
  EXPECT_TRUE(sum.add(hinted(CounterReset::kReset)).reset_collision);
  EXPECT_EQ(sum.sum().reset, CounterReset::kUnknown);
  sum.add(hinted(CounterReset::kGauge));
  EXPECT_EQ(sum.sum().reset, CounterReset::kGauge);
}

TEST(HistogramReset, IsSeenInCountBucketsAndLayout) {
  const NativeHistogram before = exponential(0, 4, 4, 0, {1, 2, 1});
  EXPECT_FALSE(is_reset(before, before));
  EXPECT_TRUE(is_reset(exponential(0, 3, 4, 0, {1, 1, 1}), before));
  EXPECT_TRUE(is_reset(exponential(0, 5, 4, 0, {1, 1, 3}), before));
  EXPECT_TRUE(is_reset(exponential(1, 5, 4, 0, {1, 2, 2}), before));  // finer
  EXPECT_FALSE(is_reset(exponential(-1, 5, 4, 0, {1, 4}), before));   // coarser
  EXPECT_TRUE(is_reset(custom({1, 2}, {3, 2}), before));
  NativeHistogram wider = exponential(0, 5, 4, 1, {2, 2});
  wider.zero_threshold = 1;
  wider.zero_count = 1;
  EXPECT_FALSE(is_reset(wider, before));
  wider.zero_threshold = 0.75;  // inside a bucket that had observations
  EXPECT_TRUE(is_reset(wider, before));
}

TEST(HistogramScale, ByZeroAndBelow) {
  const NativeHistogram one = exponential(0, 3, 6, 0, {1, 2});
  EXPECT_EQ(multiplied(one, -2).reset, CounterReset::kGauge);
  EXPECT_EQ(multiplied(one, -2).positive_buckets, (std::vector<double>{-2, -4}));
  EXPECT_TRUE(multiplied(one, 0).positive_buckets.empty());
  EXPECT_TRUE(std::isinf(divided(one, 0).count));
  EXPECT_TRUE(divided(one, 0).positive_buckets.empty());
}

}  // namespace
}  // namespace gatehouse::promql
