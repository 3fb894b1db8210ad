// The buckets of a native histogram, one by one. Spans are how histograms are kept;
// arithmetic is simpler over (index, count) pairs in ascending order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/native_histogram.h"

namespace gatehouse::promql {

using model::BucketSpan;
using model::NativeHistogram;

struct IndexedCount {
  int32_t index = 0;
  double count = 0;
};

// The buckets of the spans whose count is not 0.
std::vector<IndexedCount> unpack(const std::vector<BucketSpan>& spans,
                                 const std::vector<double>& counts);
// The inverse. Counts of 0 are left out: what "compact" means.
void pack(const std::vector<IndexedCount>& buckets, std::vector<BucketSpan>& spans,
          std::vector<double>& counts);

// Upper bound of the positive bucket `index` of an exponential schema.
double exponential_bound(int32_t schema, int32_t index);
// The bucket of `to_schema` (not above `from_schema`) that holds the bucket.
int32_t coarser_index(int32_t index, int32_t from_schema, int32_t to_schema);

// A bucket with its bounds. A positive one holds (lower, upper], a negative one
// [lower, upper), the zero bucket both ends.
struct Bucket {
  enum class Kind : uint8_t { kNegative, kZero, kPositive, kCustom };
  Kind kind = Kind::kPositive;
  int32_t index = 0;
  double lower = 0;
  double upper = 0;
  double count = 0;
};

// In ascending order of value; those with count 0 are left out.
std::vector<Bucket> all_buckets(const NativeHistogram& histogram);

// Where the observations of the zero bucket lie: on one side alone where all other
// buckets are on that side.
void bias_zero_bucket(const NativeHistogram& histogram, Bucket& zero);

// How much of the bucket lies below `value`, 0 to 1, taking observations to be
// spread evenly (custom and zero buckets) or exponentially.
double share_below(const Bucket& bucket, double value);

// {count:2, sum:3, (0.5,1]:2}, as Prometheus prints a histogram.
std::string to_text(const NativeHistogram& histogram);

}  // namespace gatehouse::promql
