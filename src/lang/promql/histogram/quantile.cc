#include "lang/promql/histogram/quantile.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lang/promql/histogram/buckets.h"
#include "lang/promql/kahan.h"

namespace gatehouse::promql {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

// Counts that were summed in another order differ by rounding: not a decrease.
constexpr double kRoundingTolerance = 1e-12;

bool almost_equal(double a, double b) {
  if (a == b) return true;
  const double sum = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  if (sum < std::numeric_limits<double>::min()) {
    return difference < kRoundingTolerance * std::numeric_limits<double>::min();
  }
  return difference / std::min(sum, std::numeric_limits<double>::max()) < kRoundingTolerance;
}

}  // namespace

NativeQuantile native_quantile(double q, const NativeHistogram& histogram) {
  if (q < 0) return {-kInfinity};
  if (q > 1) return {kInfinity};
  if (histogram.count == 0 || std::isnan(q)) return {kNotANumber};
  const bool has_nan = std::isnan(histogram.sum);
  // From the nearer end: less rounding. NaN observations are in no bucket but in the
  // count, above all others.
  const bool forward = has_nan || q < 0.5;
  double rank = (forward ? q : 1 - q) * histogram.count;
  std::vector<Bucket> buckets = all_buckets(histogram);
  if (!forward) std::reverse(buckets.begin(), buckets.end());
  double count = 0;
  Bucket bucket;
  for (const Bucket& candidate : buckets) {
    bucket = candidate;
    count += bucket.count;
    if (count >= rank) break;
  }
  if (histogram.custom()) {
    if (std::isinf(bucket.lower) && bucket.lower < 0) {
      if (bucket.upper <= 0) return {bucket.upper};
      bucket.lower = 0;
    } else if (std::isinf(bucket.upper)) {
      return {bucket.lower};
    }
  } else if (bucket.kind == Bucket::Kind::kZero) {
    bias_zero_bucket(histogram, bucket);
  }
  count = std::min(count, histogram.count);
  if (count < rank) {
    if (has_nan) return {kNotANumber, true, false};
    return {forward ? bucket.upper : bucket.lower};
  }
  rank = forward ? rank - (count - bucket.count) : count - rank;
  const double fraction = rank / bucket.count;
  if (histogram.custom() || bucket.kind == Bucket::Kind::kZero) {
    return {bucket.lower + (bucket.upper - bucket.lower) * fraction, false, has_nan};
  }
  const double lower = std::log2(std::fabs(bucket.lower));
  const double upper = std::log2(std::fabs(bucket.upper));
  const double value = bucket.kind == Bucket::Kind::kPositive
                           ? std::exp2(lower + (upper - lower) * fraction)
                           : -std::exp2(upper + (lower - upper) * (1 - fraction));
  return {value, false, has_nan};
}

double native_fraction(double lower, double upper, const NativeHistogram& histogram) {
  if (histogram.count == 0 || std::isnan(lower) || std::isnan(upper)) return kNotANumber;
  if (lower >= upper) return 0;
  double below = 0;
  double below_lower = -1;
  double below_upper = -1;
  for (Bucket& bucket : all_buckets(histogram)) {
    if (bucket.kind == Bucket::Kind::kZero) bias_zero_bucket(histogram, bucket);
    if (bucket.kind == Bucket::Kind::kCustom && bucket.index == 0 && bucket.upper > 0) {
      bucket.lower = 0;
    }
    const auto place = [&](double value, double& rank) {
      if (rank >= 0) return;
      if (bucket.lower >= value) {
        rank = below;
      } else if (bucket.upper > value) {
        rank = below + bucket.count * share_below(bucket, value);
      }
    };
    place(lower, below_lower);
    place(upper, below_upper);
    below += bucket.count;
  }
  const double total = std::isnan(histogram.sum) ? below : histogram.count;
  if (below_lower < 0 || below_lower > total) below_lower = total;
  if (below_upper < 0 || below_upper > total) below_upper = total;
  return (below_upper - below_lower) / histogram.count;
}

double native_variance(const NativeHistogram& histogram) {
  const double mean = histogram.sum / histogram.count;
  Kahan variance;
  for (const Bucket& bucket : all_buckets(histogram)) {
    double value = 0;
    if (bucket.kind == Bucket::Kind::kCustom) {
      value = (bucket.upper + bucket.lower) / 2;
    } else if (bucket.kind != Bucket::Kind::kZero) {
      value = std::sqrt(bucket.upper * bucket.lower);
      if (bucket.upper < 0) value = -value;
    }
    const double delta = value - mean;
    variance.add(bucket.count * delta * delta);
  }
  return variance.value() / histogram.count;
}

namespace {

// What is left of a bucket, and where its observations are taken to be.
struct Kept {
  double count = 0;
  double middle = 0;
};

double middle_of(const Bucket& bucket) {
  if (bucket.kind == Bucket::Kind::kCustom || bucket.kind == Bucket::Kind::kZero) {
    if (std::isinf(bucket.lower)) return std::isinf(bucket.upper) ? 0 : bucket.upper;
    if (std::isinf(bucket.upper)) return bucket.lower;
    return (bucket.lower + bucket.upper) / 2;
  }
  const double middle = std::sqrt(bucket.lower * bucket.upper);
  return bucket.upper <= 0 ? -middle : middle;
}

Kept keep_below(Bucket bucket, double bound) {
  if (bound >= bucket.upper) return {bucket.count, middle_of(bucket)};
  if (std::isinf(bucket.upper) || bound <= bucket.lower) return {};
  // The bucket has no lower end: all of it may be below.
  if (std::isinf(bucket.lower)) return {bucket.count, bound};
  const double count = bucket.count * share_below(bucket, bound);
  bucket.upper = bound;
  return {count, middle_of(bucket)};
}

Kept keep_above(Bucket bucket, double bound) {
  if (bound <= bucket.lower) return {bucket.count, middle_of(bucket)};
  if (bound >= bucket.upper || std::isinf(bucket.lower)) return {};
  if (std::isinf(bucket.upper)) return {bucket.count, bound};
  const double count = bucket.count * (1 - share_below(bucket, bound));
  bucket.lower = bound;
  return {count, middle_of(bucket)};
}

}  // namespace

NativeHistogram trimmed(const NativeHistogram& histogram, double bound, bool keep_upper) {
  std::vector<IndexedCount> positive;
  std::vector<IndexedCount> negative;
  double zero_count = 0;
  Kahan count;
  Kahan sum;
  bool cut = false;
  for (Bucket& bucket : all_buckets(histogram)) {
    if (bucket.kind == Bucket::Kind::kZero) bias_zero_bucket(histogram, bucket);
    // A first bucket that reaches above 0 is taken to begin there, as for quantiles;
    // a bound below leaves nothing certain of it.
    if (bucket.kind == Bucket::Kind::kCustom && std::isinf(bucket.lower) && bucket.upper > 0 &&
        !std::isinf(bucket.upper) && (!keep_upper || bound >= 0)) {
      bucket.lower = 0;
    }
    const Kept kept = keep_upper ? keep_above(bucket, bound) : keep_below(bucket, bound);
    if (kept.count != bucket.count) cut = true;
    if (kept.count == 0) continue;
    count.add(kept.count);
    sum.add(kept.count * kept.middle);
    switch (bucket.kind) {
      case Bucket::Kind::kZero: zero_count = kept.count; break;
      case Bucket::Kind::kNegative: negative.push_back({bucket.index, kept.count}); break;
      default: positive.push_back({bucket.index, kept.count});
    }
    // The bound lies in a bucket without an end, all of which was kept.
    if (std::isinf(bucket.upper) && keep_upper && bound > bucket.lower) cut = true;
    if (std::isinf(bucket.lower) && !keep_upper && bound < bucket.upper) cut = true;
  }
  if (!cut) return histogram;
  NativeHistogram out = histogram;
  out.whole = false;
  out.zero_count = zero_count;
  out.count = count.value();
  out.sum = sum.value();
  std::reverse(negative.begin(), negative.end());
  pack(positive, out.positive_spans, out.positive_buckets);
  pack(negative, out.negative_spans, out.negative_buckets);
  return out;
}

namespace {

// Buckets with one bound become one, counts never fall. Returns how many are left.
size_t tidy(std::span<ClassicBucket> buckets, bool& forced_monotonic) {
  size_t size = 0;
  for (const ClassicBucket& bucket : buckets) {
    if (size > 0 && buckets[size - 1].upper == bucket.upper) {
      buckets[size - 1].count += bucket.count;
    } else {
      buckets[size++] = bucket;
    }
  }
  double previous = size == 0 ? 0 : buckets[0].count;
  for (size_t i = 1; i < size; ++i) {
    double& count = buckets[i].count;
    if (count == previous) continue;
    if (almost_equal(count, previous)) {
      count = previous;
    } else if (count < previous) {
      count = previous;
      forced_monotonic = true;
    } else {
      previous = count;
    }
  }
  return size;
}

}  // namespace

ClassicQuantile classic_quantile(double q, std::span<ClassicBucket> buckets) {
  if (std::isnan(q)) return {kNotANumber};
  if (q < 0) return {-kInfinity};
  if (q > 1) return {kInfinity};
  if (buckets.empty() || buckets.back().upper != kInfinity) return {kNotANumber};
  ClassicQuantile out;
  const size_t size = tidy(buckets, out.forced_monotonic);
  const double observations = buckets[size - 1].count;
  if (size < 2 || observations == 0 || std::isnan(observations)) {
    out.value = kNotANumber;
    return out;
  }
  double rank = q * observations;
  const auto found =
      std::partition_point(buckets.begin(), buckets.begin() + static_cast<ptrdiff_t>(size - 1),
                           [rank](const ClassicBucket& bucket) { return !(bucket.count >= rank); });
  const auto at = static_cast<size_t>(found - buckets.begin());
  if (at == size - 1) {
    out.value = buckets[size - 2].upper;
    return out;
  }
  if (at == 0 && buckets[0].upper <= 0) {
    out.value = buckets[0].upper;
    return out;
  }
  double lower = 0;
  double count = buckets[at].count;
  if (at > 0) {
    lower = buckets[at - 1].upper;
    count -= buckets[at - 1].count;
    rank -= buckets[at - 1].count;
  }
  out.value = lower + (buckets[at].upper - lower) * (rank / count);
  return out;
}

double classic_fraction(double lower, double upper, std::span<ClassicBucket> buckets) {
  if (buckets.empty() || buckets.back().upper != kInfinity) return kNotANumber;
  bool forced = false;
  const size_t size = tidy(buckets, forced);
  const double observations = buckets[size - 1].count;
  if (observations == 0 || std::isnan(lower) || std::isnan(upper)) return kNotANumber;
  if (lower >= upper) return 0;
  double below = 0;
  double below_lower = -1;
  double below_upper = -1;
  for (size_t i = 0; i < size; ++i) {
    Bucket bucket;
    bucket.kind = Bucket::Kind::kCustom;
    bucket.upper = buckets[i].upper;
    bucket.lower = i > 0 ? buckets[i - 1].upper : bucket.upper > 0 ? 0 : -kInfinity;
    bucket.count = buckets[i].count - below;
    const auto place = [&](double value, double& rank) {
      if (rank >= 0) return;
      if (bucket.lower >= value) {
        rank = below;
      } else if (bucket.upper > value) {
        rank = below + bucket.count * share_below(bucket, value);
      }
    };
    place(lower, below_lower);
    place(upper, below_upper);
    below = buckets[i].count;
  }
  if (below_lower < 0 || below_lower > observations) below_lower = observations;
  if (below_upper < 0 || below_upper > observations) below_upper = observations;
  return (below_upper - below_lower) / observations;
}

}  // namespace gatehouse::promql
