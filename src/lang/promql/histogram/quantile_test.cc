#include "lang/promql/histogram/quantile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace gatehouse::promql {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

NativeHistogram exponential(std::vector<double> buckets, double zero_count = 0) {
  NativeHistogram out;
  out.zero_threshold = 0.5;
  out.zero_count = zero_count;
  out.positive_spans = {{0, static_cast<uint32_t>(buckets.size())}};
  out.positive_buckets = std::move(buckets);
  out.count = zero_count;
  for (double count : out.positive_buckets) out.count += count;
  out.sum = 5;
  return out;
}

TEST(NativeQuantile, InterpolatesOnALogarithmicScale) {
  const NativeHistogram histogram = exponential({1, 2, 1});  // up to 1, 2, 4
  EXPECT_NEAR(native_quantile(0.5, histogram).value, std::sqrt(2.0), 1e-12);
  EXPECT_EQ(native_quantile(1, histogram).value, 4);
  EXPECT_EQ(native_quantile(-0.1, histogram).value, -kInfinity);
  EXPECT_EQ(native_quantile(1.1, histogram).value, kInfinity);
  EXPECT_TRUE(std::isnan(native_quantile(NAN, histogram).value));
  EXPECT_TRUE(std::isnan(native_quantile(0.5, NativeHistogram()).value));
}

TEST(NativeQuantile, InterpolatesLinearlyAroundZero) {
  const NativeHistogram histogram = exponential({1}, 4);
  EXPECT_DOUBLE_EQ(native_quantile(0.4, histogram).value, 0.25);
}

TEST(NativeQuantile, ObservationsThatAreNoNumbersAreAboveAll) {
  NativeHistogram histogram = exponential({12});
  histogram.count = 15;
  histogram.sum = NAN;
  EXPECT_TRUE(native_quantile(0.9, histogram).not_a_number);
  EXPECT_TRUE(native_quantile(0.4, histogram).skewed);
  EXPECT_DOUBLE_EQ(native_fraction(-kInfinity, kInfinity, histogram), 0.8);
}

TEST(NativeFraction, IsTheInverseOfTheQuantile) {
  const NativeHistogram histogram = exponential({3, 5, 2, 7}, 2);
  for (const double q : {0.05, 0.2, 0.5, 0.77, 0.99}) {
    const double value = native_quantile(q, histogram).value;
    EXPECT_NEAR(native_fraction(-kInfinity, value, histogram), q, 1e-12) << q;
  }
}

TEST(Trimmed, KeepsOneSideAndEstimatesItsSum) {
  const NativeHistogram histogram = exponential({0, 4});  // 1 to 2
  const NativeHistogram below = trimmed(histogram, std::sqrt(2.0), false);
  EXPECT_NEAR(below.count, 2, 1e-12);
  EXPECT_NEAR(below.sum, 2 * std::pow(2.0, 0.25), 1e-12);
  const NativeHistogram above = trimmed(histogram, std::sqrt(2.0), true);
  EXPECT_NEAR(above.count, 2, 1e-12);
  EXPECT_EQ(trimmed(histogram, kInfinity, false), histogram);
  EXPECT_EQ(trimmed(histogram, kInfinity, true).count, 0);
}

TEST(ClassicQuantile, InterpolatesBetweenBounds) {
  ClassicBucket buckets[] = {{0.1, 1}, {0.2, 3}, {kInfinity, 4}};
  EXPECT_DOUBLE_EQ(classic_quantile(0.5, buckets).value, 0.15);
  EXPECT_EQ(classic_quantile(0.99, buckets).value, 0.2);
  ClassicBucket open[] = {{0.1, 1}, {0.2, 3}};
  EXPECT_TRUE(std::isnan(classic_quantile(0.5, open).value));
}

TEST(ClassicQuantile, MakesCountsRise) {
  ClassicBucket falling[] = {{1, 5}, {2, 3}, {kInfinity, 8}};
  EXPECT_TRUE(classic_quantile(0.5, falling).forced_monotonic);
  ClassicBucket rounded[] = {{1, 5}, {2, 5 - 1e-15}, {kInfinity, 8}};
  EXPECT_FALSE(classic_quantile(0.5, rounded).forced_monotonic);
}

TEST(ClassicFraction, CountsNoPartOfAnEndlessBucket) {
  ClassicBucket buckets[] = {{-3, 10}, {-2, 12}, {-1, 15}, {kInfinity, 100}};
  EXPECT_DOUBLE_EQ(classic_fraction(-4, -2, buckets), 0.02);
  EXPECT_DOUBLE_EQ(classic_fraction(-kInfinity, -1.5, buckets), 0.135);
  EXPECT_DOUBLE_EQ(classic_fraction(0, 1, buckets), 0);
}

}  // namespace
}  // namespace gatehouse::promql
