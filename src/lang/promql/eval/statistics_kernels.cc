// Deviation, quantiles and trends of the floats in a window.
#include <algorithm>
#include <cmath>

#include "lang/promql/eval/range_kernel.h"
#include "lang/promql/kahan.h"

namespace gatehouse::promql {

double quantile_of(double q, std::vector<double>& values) {
  if (values.empty() || std::isnan(q)) return kNan;
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  // NaN is the smallest.
  const auto numbers =
      std::partition(values.begin(), values.end(), [](double value) { return std::isnan(value); });
  const auto nans = static_cast<size_t>(numbers - values.begin());
  const double rank = q * static_cast<double>(values.size() - 1);
  const auto lower = static_cast<size_t>(rank);
  const size_t upper = std::min(lower + 1, values.size() - 1);
  const auto nth = [&](size_t n) {
    if (n < nans) return kNan;
    std::nth_element(numbers, values.begin() + static_cast<ptrdiff_t>(n), values.end());
    return values[n];
  };
  const double weight = rank - static_cast<double>(lower);
  const double low = nth(lower);
  const double high = nth(upper);
  return low * (1 - weight) + high * weight;
}

namespace {

// Welford's variance, compensated.
double variance_of(const FloatWindow& window) {
  double count = 0;
  Kahan mean;
  Kahan squares;
  for (size_t i = 0; i < window.size; ++i) {
    const double value = window.values[i];
    ++count;
    const double delta = value - mean.value();
    mean.add(delta / count);
    squares.add(delta * (value - mean.value()));
  }
  return squares.value() / count;
}

struct Line {
  double slope = kNan;
  double at_origin = kNan;
};

// Least squares; times in seconds from `origin_ms`. A constant series is level,
// whatever the rounding.
Line fit(const FloatWindow& window, int64_t origin_ms) {
  const double first = window.values[0];
  bool constant = true;
  for (size_t i = 1; i < window.size && constant; ++i) constant = window.values[i] == first;
  if (constant) {
    if (std::isinf(first)) return {};
    return {0, first};
  }
  Kahan x_sum;
  Kahan y_sum;
  Kahan xy_sum;
  Kahan xx_sum;
  for (size_t i = 0; i < window.size; ++i) {
    const double x = static_cast<double>(window.times_ms[i] - origin_ms) / 1000;
    const double y = window.values[i];
    x_sum.add(x);
    y_sum.add(y);
    xy_sum.add(x * y);
    xx_sum.add(x * x);
  }
  const auto n = static_cast<double>(window.size);
  const double covariance = xy_sum.value() - x_sum.value() * y_sum.value() / n;
  const double variance = xx_sum.value() - x_sum.value() * x_sum.value() / n;
  const double slope = covariance / variance;
  return {slope, y_sum.value() / n - slope * x_sum.value() / n};
}

// Holt's double exponential smoothing.
double smoothed(const FloatWindow& window, double smoothing, double trend) {
  double before = 0;
  double level = window.values[0];
  double slope = window.values[1] - window.values[0];
  for (size_t i = 1; i < window.size; ++i) {
    if (i > 1) slope = trend * (level - before) + (1 - trend) * slope;
    before = level;
    level = smoothing * window.values[i] + (1 - smoothing) * (level + slope);
  }
  return level;
}

}  // namespace

void stdvar_kernel(const RangeInput& input, Column& out) {
  for_each_float_window(input, [&](size_t step, const FloatWindow& window) {
    out.values[step] = variance_of(window);
  });
}

void stddev_kernel(const RangeInput& input, Column& out) {
  for_each_float_window(input, [&](size_t step, const FloatWindow& window) {
    out.values[step] = std::sqrt(variance_of(window));
  });
}

void quantile_kernel(const RangeInput& input, Column& out) {
  std::vector<double>& values = input.worker.numbers;
  for_each_float_window(input, [&](size_t step, const FloatWindow& window) {
    const double q = input.first_parameter[step];
    if (!(q >= 0 && q <= 1)) input.notes |= kNoteInvalidQuantile;
    values.assign(window.values, window.values + window.size);
    out.values[step] = quantile_of(q, values);
  });
}

void mad_kernel(const RangeInput& input, Column& out) {
  std::vector<double>& values = input.worker.numbers;
  for_each_float_window(input, [&](size_t step, const FloatWindow& window) {
    for (size_t i = 0; i < window.size; ++i) {
      if (!std::isnan(window.values[i])) continue;
      out.values[step] = kNan;
      return;
    }
    values.assign(window.values, window.values + window.size);
    const double median = quantile_of(0.5, values);
    for (double& value : values) value = std::fabs(value - median);
    out.values[step] = quantile_of(0.5, values);
  });
}

void deriv_kernel(const RangeInput& input, Column& out) {
  for_each_float_window(input, [&](size_t step, const FloatWindow& window) {
    if (window.size < 2) return;
    // From the first sample's time on: large times would cost digits.
    out.values[step] = fit(window, window.times_ms[0]).slope;
  });
}

void predict_kernel(const RangeInput& input, Column& out) {
  for_each_float_window(input, [&](size_t step, const FloatWindow& window) {
    if (window.size < 2) return;
    const Line line = fit(window, input.step_times_ms[step]);
    out.values[step] = line.slope * input.first_parameter[step] + line.at_origin;
  });
}

void smoothing_kernel(const RangeInput& input, Column& out) {
  for_each_float_window(input, [&](size_t step, const FloatWindow& window) {
    if (window.size < 2) return;
    out.values[step] = smoothed(window, input.first_parameter[step], input.second_parameter[step]);
  });
}

}  // namespace gatehouse::promql
