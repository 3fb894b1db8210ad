#include "gateway/duration_histogram.h"

#include <algorithm>
#include <bit>

namespace gatehouse::gateway {

// Bucket 0: below 2^17 ns; then two buckets an octave; the last: 2^37 ns and more.
size_t DurationHistogram::bucket_of(int64_t ns) {
  if (ns < (int64_t{1} << 17)) return 0;
  const auto bits = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(ns))) - 1;
  const auto upper_half = static_cast<size_t>((ns >> (bits - 1)) & 1);
  return std::min(1 + 2 * (bits - 17) + upper_half, kBuckets - 1);
}

double DurationHistogram::begin_ms(size_t bucket) {
  if (bucket == 0) return 0;
  const double octave = static_cast<double>(int64_t{1} << (17 + (bucket - 1) / 2));
  return ((bucket - 1) % 2 == 0 ? octave : 1.5 * octave) / 1e6;
}

void DurationHistogram::add(const DurationHistogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
}

std::optional<double> DurationHistogram::quantile_ms(double q) const {
  uint64_t total = 0;
  for (const uint32_t count : counts_) total += count;
  if (total == 0) return std::nullopt;
  const double rank = q * static_cast<double>(total);
  double below = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    const auto here = static_cast<double>(counts_[i]);
    if (here > 0 && below + here >= rank) {
      const double begin = begin_ms(i);
      if (i + 1 == kBuckets) return begin;
      return begin + (begin_ms(i + 1) - begin) * (rank - below) / here;
    }
    below += here;
  }
  return begin_ms(kBuckets - 1);
}

}  // namespace gatehouse::gateway
