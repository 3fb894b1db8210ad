// What is asked of a histogram's distribution: quantiles, fractions, deviation, and
// the part of it below or above a value. Native histograms by their buckets, classic
// ones by their cumulative counts.
#pragma once

#include <span>

#include "model/native_histogram.h"

namespace gatehouse::promql {

using model::NativeHistogram;

struct NativeQuantile {
  double value = 0;
  bool not_a_number = false;  // NaN observations: the answer is NaN
  bool skewed = false;        // NaN observations: the answer is too high
};
NativeQuantile native_quantile(double q, const NativeHistogram& histogram);

// The share of observations in (lower, upper].
double native_fraction(double lower, double upper, const NativeHistogram& histogram);

double native_variance(const NativeHistogram& histogram);

// The observations below `bound`, or (`lower`) above it. Its sum is estimated by the
// middles of the buckets, unless nothing was cut off.
NativeHistogram trimmed(const NativeHistogram& histogram, double bound, bool keep_upper);

struct ClassicBucket {
  double upper = 0;  // "le"
  double count = 0;  // cumulative
};
struct ClassicQuantile {
  double value = 0;
  bool forced_monotonic = false;
};
// `buckets` is in ascending order of `upper`, and is changed.
ClassicQuantile classic_quantile(double q, std::span<ClassicBucket> buckets);
double classic_fraction(double lower, double upper, std::span<ClassicBucket> buckets);

}  // namespace gatehouse::promql
