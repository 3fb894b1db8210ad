#include "lang/promql/histogram/buckets.h"

#include <cmath>
#include <limits>

#include "lang/promql/eval/annotator.h"

namespace gatehouse::promql {

std::vector<IndexedCount> unpack(const std::vector<BucketSpan>& spans,
                                 const std::vector<double>& counts) {
  std::vector<IndexedCount> buckets;
  buckets.reserve(counts.size());
  int32_t index = 0;
  size_t next = 0;
  for (const BucketSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length && next < counts.size(); ++i, ++index, ++next) {
      if (counts[next] != 0) buckets.push_back({index, counts[next]});
    }
  }
  return buckets;
}

void pack(const std::vector<IndexedCount>& buckets, std::vector<BucketSpan>& spans,
          std::vector<double>& counts) {
  spans.clear();
  counts.clear();
  int32_t after = 0;
  for (const IndexedCount& bucket : buckets) {
    if (bucket.count == 0) continue;
    if (spans.empty() || bucket.index != after) {
      spans.push_back({spans.empty() ? bucket.index : bucket.index - after, 0});
    }
    ++spans.back().length;
    counts.push_back(bucket.count);
    after = bucket.index + 1;
  }
}

double exponential_bound(int32_t schema, int32_t index) {
  if (schema <= 0) return std::ldexp(1.0, index * (1 << -schema));
  const int32_t fraction = index & ((1 << schema) - 1);
  const int32_t exponent = index >> schema;
  if (fraction == 0 && exponent == 1024) return std::numeric_limits<double>::max();
  return std::ldexp(std::exp2(static_cast<double>(fraction) / (1 << schema)), exponent);
}

int32_t coarser_index(int32_t index, int32_t from_schema, int32_t to_schema) {
  return ((index - 1) >> (from_schema - to_schema)) + 1;
}

std::vector<Bucket> all_buckets(const NativeHistogram& histogram) {
  std::vector<Bucket> buckets;
  if (histogram.custom()) {
    const auto& bounds = histogram.bounds;
    for (const auto& [index, count] :
         unpack(histogram.positive_spans, histogram.positive_buckets)) {
      const auto at = static_cast<size_t>(index);
      const double lower = index == 0 || at > bounds.size()
                               ? -std::numeric_limits<double>::infinity()
                               : bounds[at - 1];
      const double upper =
          at < bounds.size() ? bounds[at] : std::numeric_limits<double>::infinity();
      buckets.push_back({Bucket::Kind::kCustom, index, lower, upper, count});
    }
    return buckets;
  }
  const int32_t schema = histogram.schema;
  const auto negative = unpack(histogram.negative_spans, histogram.negative_buckets);
  for (auto at = negative.rbegin(); at != negative.rend(); ++at) {
    buckets.push_back({Bucket::Kind::kNegative, at->index, -exponential_bound(schema, at->index),
                       -exponential_bound(schema, at->index - 1), at->count});
  }
  if (histogram.zero_count != 0) {
    buckets.push_back({Bucket::Kind::kZero, 0, -histogram.zero_threshold, histogram.zero_threshold,
                       histogram.zero_count});
  }
  for (const auto& [index, count] : unpack(histogram.positive_spans, histogram.positive_buckets)) {
    buckets.push_back({Bucket::Kind::kPositive, index, exponential_bound(schema, index - 1),
                       exponential_bound(schema, index), count});
  }
  return buckets;
}

void bias_zero_bucket(const NativeHistogram& histogram, Bucket& zero) {
  const bool negative = !histogram.negative_buckets.empty();
  const bool positive = !histogram.positive_buckets.empty();
  if (positive && !negative) zero.lower = 0;
  if (negative && !positive) zero.upper = 0;
}

double share_below(const Bucket& bucket, double value) {
  if (bucket.kind == Bucket::Kind::kCustom || bucket.kind == Bucket::Kind::kZero) {
    // Of a bucket without a lower end no part is taken to be above a value in it, as
    // none of one without an upper end is below.
    if (std::isinf(bucket.lower)) return 1;
    return (value - bucket.lower) / (bucket.upper - bucket.lower);
  }
  const double lower = std::log2(std::fabs(bucket.lower));
  const double upper = std::log2(std::fabs(bucket.upper));
  const double at = std::log2(std::fabs(value));
  if (bucket.kind == Bucket::Kind::kPositive) return (at - lower) / (upper - lower);
  return 1 - (at - upper) / (lower - upper);
}

std::string to_text(const NativeHistogram& histogram) {
  std::string out = "{count:" + go_number(histogram.count) + ", sum:" + go_number(histogram.sum);
  for (const Bucket& bucket : all_buckets(histogram)) {
    const bool from = bucket.kind == Bucket::Kind::kNegative ||
                      bucket.kind == Bucket::Kind::kZero || std::isinf(bucket.lower);
    const bool to = bucket.kind != Bucket::Kind::kNegative;
    out += ", ";
    out += from ? '[' : '(';
    out += go_number(bucket.lower) + "," + go_number(bucket.upper);
    out += to ? ']' : ')';
    out += ":" + go_number(bucket.count);
  }
  return out + "}";
}

}  // namespace gatehouse::promql
