// A log-linear histogram of nanoseconds, after HdrHistogram: 128 steps to each power
// of two, so that any percentile is within 0.8 % of the true value, at any size.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace loadgen {

class Histogram {
 public:
  void record(int64_t ns);
  void merge(const Histogram& other);
  uint64_t count() const { return count_; }
  // The value below or at which `share` (0 to 1) of the recorded ones lie; 0 when empty.
  int64_t percentile(double share) const;
  int64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

 private:
  static constexpr int kStepBits = 7;
  static constexpr int kPowers = 40;  // up to 2^47 ns: a day and a half
  static constexpr size_t kSize = static_cast<size_t>(kPowers + 1) << kStepBits;
  static size_t index_of(uint64_t ns);
  static int64_t highest_of(size_t index);

  std::array<uint64_t, kSize> counts_{};
  uint64_t count_ = 0;
  int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace loadgen
