// min, max, count, first and last over time, and the times of them.
//
// The extremes of sliding windows come from a queue that holds, in order, the samples
// that may still be the extreme of a window to come: every sample enters and leaves it
// once (the "monotonic queue").
#include <cmath>

#include "lang/promql/eval/range_kernel.h"

namespace gatehouse::promql {
namespace {

// Windows of less overlap than this are scanned.
constexpr uint32_t kScannedSamples = 8;

// Calls put(step, index) with each window's extreme float; of equal ones, and where
// all are NaN, with the first, or (`last_of_equal`) the last.
template <bool kMax, bool kLastOfEqual, typename Put>
void extremes(const RangeInput& input, Put&& put) {
  const double* const values = input.samples.values.data();
  // Whether `b`, the later one, takes the place of `a`.
  const auto better = [](double b, double a) {
    if (std::isnan(a)) return true;  // anything is better than NaN
    if (kMax) return kLastOfEqual ? b >= a : b > a;
    return kLastOfEqual ? b <= a : b < a;
  };
  std::vector<uint32_t>& queue = input.worker.indices;
  queue.clear();
  size_t front = 0;
  uint32_t seen = 0;
  for (size_t step = 0; step < input.plan.count; ++step) {
    const uint32_t low = input.low[step];
    const uint32_t high = input.high[step];
    if (low == high) continue;
    if (high - low <= kScannedSamples) {
      uint32_t best = low;
      for (uint32_t i = low + 1; i < high; ++i) {
        if (better(values[i], values[best])) best = i;
      }
      put(step, best);
      continue;
    }
    if (seen < low) seen = low;
    for (; seen < high; ++seen) {
      while (queue.size() > front && better(values[seen], values[queue.back()])) queue.pop_back();
      queue.push_back(seen);
    }
    while (queue[front] < low) ++front;
    put(step, queue[front]);
    if (front > 1024 && front * 2 > queue.size()) {
      queue.erase(queue.begin(), queue.begin() + static_cast<ptrdiff_t>(front));
      front = 0;
    }
  }
}

// With NaN among the numbers, or histograms between them, windows are scanned.
template <bool kMax, bool kLastOfEqual, bool kTime>
void extreme_kernel(const RangeInput& input, Column& out) {
  const auto& samples = input.samples;
  bool plain = input.floats_only();
  for (size_t i = 0; plain && i < samples.size(); ++i) plain = !std::isnan(samples.values[i]);
  if (plain) {
    extremes<kMax, kLastOfEqual>(input, [&](size_t step, uint32_t i) {
      out.values[step] =
          kTime ? static_cast<double>(samples.times_ms[i]) / 1000 : samples.values[i];
    });
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
  for_each_filled(input, [&](size_t step, uint32_t low, uint32_t) {
    put_sample(input, step, low, out);
  });
}
void last_kernel(const RangeInput& input, Column& out) {
  for_each_filled(input, [&](size_t step, uint32_t, uint32_t high) {
    put_sample(input, step, high - 1, out);
  });
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
