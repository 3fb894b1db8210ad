// Durations counted in buckets that grow with them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace gatehouse::gateway {

// Durations in two buckets an octave from 131 µs to 137 s: a percentile is
// within a quarter of the truth, in 168 bytes.
class DurationHistogram {
 public:
  static constexpr size_t kBuckets = 42;

  void add(int64_t ns) { ++counts_[bucket_of(ns)]; }
  void add(const DurationHistogram& other);
  // Milliseconds below which the share `q` lies; none where empty.
  std::optional<double> quantile_ms(double q) const;

 private:
  static size_t bucket_of(int64_t ns);
  static double begin_ms(size_t bucket);
  std::array<uint32_t, kBuckets> counts_{};
};

}  // namespace gatehouse::gateway
