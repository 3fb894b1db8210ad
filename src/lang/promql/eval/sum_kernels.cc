// sum_over_time and avg_over_time.
//
// Windows overlap: a sum from window to window must not begin anew, yet is to be as
// exact as Prometheus's compensated one. So running sums from the first sample on are
// kept, and beside each the sum of the rounding errors so far (exact by Knuth's
// two-sum); a window's sum is the difference of two such pairs. Its error is far below
// 2^-90 of the largest running sum; where that could be seen in the result (a
// sum that all but cancels, or samples of very different size), and where something
// is not finite, the window is summed by itself.
#include <algorithm>
#include <cmath>

#include "lang/promql/eval/range_kernel.h"
#include "lang/promql/histogram/arithmetic.h"
#include "lang/promql/kahan.h"

namespace gatehouse::promql {
namespace {

// Below so many samples a window is as quickly summed by itself.
constexpr uint32_t kDirectSamples = 8;
// A difference smaller than this part of the running sum is not trusted.
constexpr double kTrustedPart = 0x1p-48;

struct TwoSum {
  double sum;
  double error;
};
TwoSum two_sum(double a, double b) {
  const double sum = a + b;
  const double part = sum - a;
  return {sum, (a - (sum - part)) + (b - part)};
}

class RunningSums {
 public:
  // Of windows that do not overlap each is summed by itself.
  RunningSums(const RangeInput& input, const std::vector<double>& values)
      : values_(values), sums_(input.worker.numbers), errors_(input.worker.more_numbers) {
    if (!input.overlap()) return;
    sums_.resize(values.size() + 1);
    errors_.resize(values.size() + 1);
    double sum = 0;
    double error = 0;
    sums_[0] = errors_[0] = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const TwoSum next = two_sum(sum, values[i]);
      sum = next.sum;
      error += next.error;
      sums_[i + 1] = sum;
      errors_[i + 1] = error;
      largest_ = std::max(largest_, std::fabs(sum));
    }
    finite_ = std::isfinite(sum) && std::isfinite(error);
  }

  Kahan window(uint32_t low, uint32_t high) const {
    if (finite_ && high - low > kDirectSamples) {
      const TwoSum sum = two_sum(sums_[high], -sums_[low]);
      const double rest = sum.error + (errors_[high] - errors_[low]);
      if (std::fabs(sum.sum) >= kTrustedPart * largest_) {
        return {sum.sum, rest};
      }
    }
    Kahan direct;
    for (uint32_t i = low; i < high; ++i) direct.add(values_[i]);
    return direct;
  }

 private:
  const std::vector<double>& values_;
  std::vector<double>& sums_;
  std::vector<double>& errors_;
  double largest_ = 0;
  bool finite_ = false;
};

// The mean of numbers whose sum may be beyond what a double holds.
double mean_of(const double* values, size_t size) {
  constexpr double kShrink = 0x1p-64;
  Kahan sum;
  for (size_t i = 0; i < size; ++i) sum.add(values[i] * kShrink);
  const auto count = static_cast<double>(size);
  return (sum.sum / count + sum.rest / count) / kShrink;
}

double mean_of(const Kahan& sum, const double* values, size_t size) {
  if (std::isinf(sum.sum)) return mean_of(values, size);
  const auto count = static_cast<double>(size);
  return sum.sum / count + sum.rest / count;
}

bool all_of_one_kind(const RangeInput& input, size_t step, bool& histograms) {
  size_t count = 0;
  for (uint32_t i = input.low[step]; i < input.high[step]; ++i) {
    if (input.samples.histograms[i]) ++count;
  }
  histograms = count != 0;
  return count == 0 || count == input.high[step] - input.low[step];
}

void mixed(const RangeInput& input, bool mean, Column& out) {
  const auto& samples = input.samples;
  for (size_t step = 0; step < input.plan.count; ++step) {
    const uint32_t low = input.low[step];
    const uint32_t high = input.high[step];
    if (low == high) continue;
    bool histograms = false;
    if (!all_of_one_kind(input, step, histograms)) {
      input.notes |= kNoteMixedFloatsHistograms;
      continue;
    }
    if (!histograms) {
      Kahan sum;
      for (uint32_t i = low; i < high; ++i) sum.add(samples.values[i]);
      out.values[step] = mean ? mean_of(sum, samples.values.data() + low, high - low) : sum.value();
      continue;
    }
    HistogramSum sum;
    bool compatible = true;
    for (uint32_t i = low; i < high && compatible; ++i) {
      const HistogramSum::Outcome outcome = sum.add(*samples.histograms[i]);
      compatible = outcome.compatible;
      if (outcome.reconciled) input.notes |= kNoteReconciledAggregation;
      if (outcome.reset_collision) input.notes |= kNoteCollisionAggregation;
    }
    if (!compatible) {
      input.notes |= kNoteMixedExponentialCustom;
      continue;
    }
    out.set(step, std::make_shared<const NativeHistogram>(mean ? sum.mean() : sum.sum()));
  }
}

}  // namespace

void sum_kernel(const RangeInput& input, Column& out) {
  if (!input.floats_only()) return mixed(input, false, out);
  const RunningSums sums(input, input.samples.values);
  for (size_t step = 0; step < input.plan.count; ++step) {
    if (input.low[step] == input.high[step]) continue;
    out.values[step] = sums.window(input.low[step], input.high[step]).value();
  }
}

void avg_kernel(const RangeInput& input, Column& out) {
  if (!input.floats_only()) return mixed(input, true, out);
  const double* const values = input.samples.values.data();
  const RunningSums sums(input, input.samples.values);
  for (size_t step = 0; step < input.plan.count; ++step) {
    const uint32_t low = input.low[step];
    const uint32_t high = input.high[step];
    if (low == high) continue;
    out.values[step] = mean_of(sums.window(low, high), values + low, high - low);
  }
}

}  // namespace gatehouse::promql
