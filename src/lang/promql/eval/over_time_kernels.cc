// min, max, count, first and last over time, and the times of them.
//
// The times of the extremes of sliding windows come from a queue that holds, in order,
// the samples that may still be the extreme of a window to come: every sample enters
// and leaves it once (the "monotonic queue"). Their values come from blocks.
#include <algorithm>
#include <cmath>

#include "lang/promql/eval/range_kernel.h"

namespace gatehouse::promql {
namespace {

// Windows of less overlap than this are scanned.
constexpr uint32_t kScannedSamples = 8;

// Calls put(step, index) with each window's extreme; of equal ones with the first, or
// (kLastOfEqual) the last. REQUIRES: no value is NaN.
template <bool kMax, bool kLastOfEqual, typename Put>
void extremes(const RangeInput& input, Put&& put) {
  const double* const values = input.samples.values.data();
  // Whether `b`, the later one, takes the place of `a`.
  const auto better = [](double b, double a) {
    if (kMax) return kLastOfEqual ? b >= a : b > a;
    return kLastOfEqual ? b <= a : b < a;
  };
  const bool scan_all = !input.overlap();
  std::vector<uint32_t>& queue = input.worker.indices;
  queue.resize(input.samples.size());
  size_t front = 0;  // the queue is [front, back): no sample enters it twice
  size_t back = 0;
  uint32_t seen = 0;
  for (size_t step = 0; step < input.plan.count; ++step) {
    const uint32_t low = input.low[step];
    const uint32_t high = input.high[step];
    if (low == high) continue;
    if (scan_all || high - low <= kScannedSamples) {
      uint32_t best = low;
      for (uint32_t i = low + 1; i < high; ++i) best = better(values[i], values[best]) ? i : best;
      put(step, best);
      continue;
    }
    seen = std::max(seen, low);
    for (; seen < high; ++seen) {
      while (back > front && better(values[seen], values[queue[back - 1]])) --back;
      queue[back++] = seen;
    }
    while (queue[front] < low) ++front;
    put(step, queue[front]);
  }
}

// The extreme of any range of a series in a few dozen steps: those of blocks of 16
// samples, and of 16 such blocks, are kept. Without the queue's unpredictable
// branches this is several times faster wherever the value alone is wanted.
template <bool kMax>
class BlockExtremes {
 public:
  BlockExtremes(const std::vector<double>& values, std::vector<double>& small,
                std::vector<double>& large)
      : values_(values.data()), small_(small), large_(large) {
    const size_t blocks = values.size() / kSmall;
    small_.resize(blocks);
    for (size_t i = 0; i < blocks; ++i) small_[i] = of(values_ + i * kSmall, kSmall);
    large_.resize(values.size() / kLarge);
    for (size_t i = 0; i < large_.size(); ++i) {
      large_[i] = of(small_.data() + i * kRatio, kRatio);
    }
  }

  // REQUIRES: low < high.
  double window(size_t low, size_t high) const {
    const size_t first = (low + kSmall - 1) / kSmall;
    const size_t last = high / kSmall;
    if (first >= last) return of(values_ + low, high - low);
    double best = blocks(first, last);
    for (size_t i = low; i < first * kSmall; ++i) best = better(values_[i], best);
    for (size_t i = last * kSmall; i < high; ++i) best = better(values_[i], best);
    return best;
  }

  // REQUIRES: size > 0, and no NaN.
  static double of(const double* values, size_t size) {
    double best[4] = {values[0], values[0], values[0], values[0]};
    const size_t whole = size / 4 * 4;
    for (size_t i = 0; i < whole; i += 4) {
      for (size_t lane = 0; lane < 4; ++lane) best[lane] = better(values[i + lane], best[lane]);
    }
    for (size_t i = whole; i < size; ++i) best[0] = better(values[i], best[0]);
    return better(better(best[0], best[1]), better(best[2], best[3]));
  }

 private:
  static constexpr size_t kSmall = 16;
  static constexpr size_t kLarge = 256;
  static constexpr size_t kRatio = kLarge / kSmall;

  // Of the small blocks [low, high), low < high.
  double blocks(size_t low, size_t high) const {
    const size_t first = (low + kRatio - 1) / kRatio;
    const size_t last = high / kRatio;
    if (first >= last) return of(small_.data() + low, high - low);
    double best = of(large_.data() + first, last - first);
    for (size_t i = low; i < first * kRatio; ++i) best = better(small_[i], best);
    for (size_t i = last * kRatio; i < high; ++i) best = better(small_[i], best);
    return best;
  }

  static double better(double a, double b) { return kMax ? (a > b ? a : b) : (a < b ? a : b); }

  const double* values_;
  std::vector<double>& small_;
  std::vector<double>& large_;
};

bool any_nan(const std::vector<double>& values) {
  size_t count = 0;
  for (double value : values) count += value != value ? 1 : 0;
  return count != 0;
}

// With NaN among the numbers, or histograms between them, windows are scanned.
template <bool kMax, bool kLastOfEqual, bool kTime>
void extreme_kernel(const RangeInput& input, Column& out) {
  const auto& samples = input.samples;
  if (input.floats_only() && !any_nan(samples.values)) {
    if (kTime) {
      extremes<kMax, kLastOfEqual>(input, [&](size_t step, uint32_t i) {
        out.values[step] = static_cast<double>(samples.times_ms[i]) / 1000;
      });
      return;
    }
    if (input.overlap()) {
      const BlockExtremes<kMax> blocks(samples.values, input.worker.numbers,
                                       input.worker.more_numbers);
      for (size_t step = 0; step < input.plan.count; ++step) {
        if (input.low[step] == input.high[step]) continue;
        out.values[step] = blocks.window(input.low[step], input.high[step]);
      }
      return;
    }
    for (size_t step = 0; step < input.plan.count; ++step) {
      const uint32_t low = input.low[step];
      if (low == input.high[step]) continue;
      out.values[step] =
          BlockExtremes<kMax>::of(samples.values.data() + low, input.high[step] - low);
    }
    return;
  }
  for_each_float_window(input, [&](size_t step, const FloatWindow& window) {
    size_t best = 0;
    for (size_t i = 1; i < window.size; ++i) {
      const double now = window.values[i];
      const double before = window.values[best];
      const bool beyond = kMax ? (kLastOfEqual ? now >= before : now > before)
                               : (kLastOfEqual ? now <= before : now < before);
      if (beyond || std::isnan(before)) best = i;
    }
    out.values[step] =
        kTime ? static_cast<double>(window.times_ms[best]) / 1000 : window.values[best];
  });
}

template <typename Put>
void for_each_filled(const RangeInput& input, Put&& put) {
  for (size_t step = 0; step < input.plan.count; ++step) {
    if (input.low[step] != input.high[step]) put(step, input.low[step], input.high[step]);
  }
}

void put_sample(const RangeInput& input, size_t step, uint32_t i, Column& out) {
  if (!input.floats_only() && input.samples.histograms[i]) {
    out.set(step, input.samples.histograms[i]);
  } else {
    out.values[step] = input.samples.values[i];
  }
}

}  // namespace

void min_kernel(const RangeInput& input, Column& out) {
  extreme_kernel<false, false, false>(input, out);
}
void max_kernel(const RangeInput& input, Column& out) {
  extreme_kernel<true, false, false>(input, out);
}
void time_of_min_kernel(const RangeInput& input, Column& out) {
  extreme_kernel<false, true, true>(input, out);
}
void time_of_max_kernel(const RangeInput& input, Column& out) {
  extreme_kernel<true, true, true>(input, out);
}

void count_kernel(const RangeInput& input, Column& out) {
  for_each_filled(input, [&](size_t step, uint32_t low, uint32_t high) {
    out.values[step] = static_cast<double>(high - low);
  });
}
void present_kernel(const RangeInput& input, Column& out) {
  for_each_filled(input, [&](size_t step, uint32_t, uint32_t) { out.values[step] = 1; });
}
void first_kernel(const RangeInput& input, Column& out) {
  for_each_filled(input,
                  [&](size_t step, uint32_t low, uint32_t) { put_sample(input, step, low, out); });
}
void last_kernel(const RangeInput& input, Column& out) {
  for_each_filled(
      input, [&](size_t step, uint32_t, uint32_t high) { put_sample(input, step, high - 1, out); });
}
void time_of_first_kernel(const RangeInput& input, Column& out) {
  for_each_filled(input, [&](size_t step, uint32_t low, uint32_t) {
    out.values[step] = static_cast<double>(input.samples.times_ms[low]) / 1000;
  });
}
void time_of_last_kernel(const RangeInput& input, Column& out) {
  for_each_filled(input, [&](size_t step, uint32_t, uint32_t high) {
    out.values[step] = static_cast<double>(input.samples.times_ms[high - 1]) / 1000;
  });
}

}  // namespace gatehouse::promql
