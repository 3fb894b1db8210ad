// The kernels that carry work from window to window give what each window gives by
// itself.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "lang/promql/eval/range_kernel.h"
#include "lang/promql/kahan.h"

namespace gatehouse::promql {
namespace {

class Kernels : public ::testing::Test {
 protected:
  Column run(RangeKernel kernel) {
    find_windows(samples_.times_ms, plan_, worker_.windows);
    std::vector<int64_t> times;
    for (size_t i = 0; i < plan_.count; ++i) times.push_back(plan_.end_ms(i));
    Column out;
    out.reset(plan_.count);
    kernel({samples_,
            plan_,
            worker_.windows.low,
            worker_.windows.high,
            times,
            {},
            {},
            notes_,
            worker_},
           out);
    return out;
  }

  template <typename Function>
  void expect_each(RangeKernel kernel, Function&& function) {
    const Column out = run(kernel);
    for (size_t step = 0; step < plan_.count; ++step) {
      std::vector<double> window;
      for (size_t i = 0; i < samples_.size(); ++i) {
        const int64_t time = samples_.times_ms[i];
        if (time > plan_.begin_ms(step) && time <= plan_.end_ms(step)) {
          window.push_back(samples_.values[i]);
        }
      }
      if (window.empty()) {
        EXPECT_FALSE(is_present(out.values[step])) << step;
        continue;
      }
      const double expected = function(window);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(out.values[step])) << step;
      } else {
        EXPECT_DOUBLE_EQ(out.values[step], expected) << step;
      }
    }
  }

  void fill(bool with_nan) {
    std::mt19937 random(7);
    std::uniform_real_distribution<double> value(-1000, 1000);
    samples_.clear();
    int64_t time = 0;
    for (int i = 0; i < 800; ++i) {
      time += 1000 + static_cast<int64_t>(random() % 20) * (random() % 50 == 0 ? 20'000 : 100);
      samples_.times_ms.push_back(time);
      samples_.values.push_back(with_nan && random() % 7 == 0 ? NAN : value(random));
    }
  }

  MemoryBudget budget_{1 << 30};
  model::QueryContext context_{budget_, INT64_MAX, INT64_MAX};
  Worker worker_{context_};
  model::SampleColumns samples_;
  WindowPlan plan_{.first_end_ms = -5000,
                   .step_ms = 3333,
                   .count = 500,
                   .range_ms = 60'000,
                   .lookback_ms = 300'000};
  Notes notes_ = 0;
};

double sum_of(const std::vector<double>& window) {
  Kahan sum;
  for (double value : window) sum.add(value);
  return sum.value();
}

TEST_F(Kernels, SumsSlide) {
  for (const bool with_nan : {false, true}) {
    fill(with_nan);
    expect_each(sum_kernel, sum_of);
    expect_each(avg_kernel, [](const std::vector<double>& window) {
      return sum_of(window) / static_cast<double>(window.size());
    });
  }
}

TEST_F(Kernels, SumsSurviveVeryLargeNeighbours) {
  fill(false);
  samples_.values[100] = 1e300;
  samples_.values[101] = -1e300;
  expect_each(sum_kernel, sum_of);
  samples_.values[300] = kInf;
  expect_each(sum_kernel, sum_of);
}

TEST_F(Kernels, ExtremesSlide) {
  const auto best_of = [](bool max) {
    return [max](const std::vector<double>& window) {
      double best = NAN;
      for (double value : window) {
        if (std::isnan(best) || (max ? value > best : value < best)) best = value;
      }
      return best;
    };
  };
  for (const bool with_nan : {false, true}) {
    fill(with_nan);
    expect_each(max_kernel, best_of(true));
    expect_each(min_kernel, best_of(false));
  }
}

TEST_F(Kernels, IncreaseMakesUpForResets) {
  // 0 10 20 5 15 at 10 s: grows by 20, then from 0 by 15.
  samples_.times_ms = {10'000, 20'000, 30'000, 40'000, 50'000};
  samples_.values = {0, 10, 20, 5, 15};
  plan_ = {.first_end_ms = 50'000, .step_ms = 1, .count = 1, .range_ms = 40'001};
  EXPECT_NEAR(run(increase_kernel).values[0], 35, 0.01);
  EXPECT_NEAR(run(rate_kernel).values[0], 35 / 40.0, 0.001);
  EXPECT_EQ(run(resets_kernel).values[0], 1);
  EXPECT_EQ(run(changes_kernel).values[0], 4);
}

TEST_F(Kernels, ExtrapolationEndsAtZero) {
  // From 1 at 60 s up to 4 at 240 s, one a minute: zero was at 0 s, and the next
  // sample would come at 300 s.
  samples_.times_ms = {60'000, 120'000, 180'000, 240'000};
  samples_.values = {1, 2, 3, 4};
  plan_ = {.first_end_ms = 300'000, .step_ms = 1, .count = 1, .range_ms = 305'000};
  EXPECT_DOUBLE_EQ(run(increase_kernel).values[0], 5);
  // Far from the ends by half a distance alone.
  samples_.values = {100, 101, 102, 103};
  plan_ = {.first_end_ms = 400'000, .step_ms = 1, .count = 1, .range_ms = 600'000};
  EXPECT_DOUBLE_EQ(run(increase_kernel).values[0], 4);
}

TEST(Quantile, IsLinearBetweenRanks) {
  std::vector<double> values = {4, 1, 0};
  EXPECT_DOUBLE_EQ(quantile_of(0.75, values), 2.5);
  EXPECT_DOUBLE_EQ(quantile_of(0, values), 0);
  EXPECT_EQ(quantile_of(2, values), kInf);
  values = {0, 1, NAN};
  EXPECT_NEAR(quantile_of(0.8, values), 0.6, 1e-12);
  EXPECT_TRUE(std::isnan(quantile_of(0.2, values)));
}

}  // namespace
}  // namespace gatehouse::promql
