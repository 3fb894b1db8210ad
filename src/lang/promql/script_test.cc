#include "lang/promql/script.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/budget.h"
#include "lang/promql/memory_series.h"
#include "model/sample.h"

namespace gatehouse::promql {
namespace {

std::string shown(const std::vector<NotedValue>& values) {
  std::string out;
  for (const NotedValue& each : values) {
    if (!out.empty()) out += ' ';
    if (each.omitted()) {
      out += '_';
    } else if (each.histogram) {
      out += "h" + std::to_string(static_cast<int>(each.histogram->count));
    } else if (model::is_stale(*each.value)) {
      out += "stale";
    } else {
      out += std::to_string(*each.value).substr(0, 4);
    }
  }
  return out;
}

std::string values_of(std::string_view line) {
  const auto series = parse_noted_series(line);
  return series.ok() ? shown(series->values) : "error: " + series.status().message();
}

TEST(PromqlSeriesNotation, ReadsValues) {
  EXPECT_EQ(values_of("m 1 2+3x2 4-0.5x1 7x1"), "1.00 2.00 5.00 8.00 4.00 3.50 7.00 7.00");
  EXPECT_EQ(values_of("m{a=\"} _\"} _ _x2 stale 1"), "_ _ _ stale 1.00");
  EXPECT_EQ(values_of("{} -1x1 +2 -inf NaN 1e2 .5"), "-1.0 -1.0 2.00 -inf nan 100. 0.50");
  EXPECT_EQ(values_of("m {{}}x1 {{count:1}}+{{count:2}}x2"), "h0 h0 h1 h3 h5");
  EXPECT_EQ(values_of("m{a=\"b\"}"), "");
  for (const std::string_view bad :
       {"m 1x", "m 1+2", "m 1;2", "m {{count:1", "m {{counts:1}}", "m {{count:1 count:2}}",
        "m{a=\"b\" 1", "m 1x9999999999", "m 5 x", "m {{schema:1}}+{{schema:0}}x1"}) {
    EXPECT_FALSE(parse_noted_series(bad).ok()) << bad;
  }
}

TEST(PromqlSeriesNotation, ReadsHistograms) {
  const auto series = parse_noted_series(
      "m {{schema:1 sum:-0.3 count:22.5 z_bucket:2 z_bucket_w:0.01 offset:-2 buckets:[5 10 7] "
      "n_offset:3 n_buckets:[1 2] counter_reset_hint:gauge}}");
  ASSERT_TRUE(series.ok());
  const model::NativeHistogram& histogram = *series->values[0].histogram;
  EXPECT_EQ(histogram.schema, 1);
  EXPECT_EQ(histogram.sum, -0.3);
  EXPECT_EQ(histogram.count, 22.5);
  EXPECT_EQ(histogram.zero_count, 2);
  EXPECT_EQ(histogram.zero_threshold, 0.01);
  EXPECT_EQ(histogram.positive_spans, (std::vector<model::BucketSpan>{{-2, 3}}));
  EXPECT_EQ(histogram.negative_buckets, (std::vector<double>{1, 2}));
  EXPECT_EQ(histogram.reset, model::CounterReset::kGauge);
  EXPECT_TRUE(series->values[0].reset_given);
}

TEST(PromqlSeriesNotation, ReadsStartTimes) {
  const auto offsets = parse_start_offsets("_ -30s-1mx2 1ms *x1 _x2 0");
  ASSERT_TRUE(offsets.ok()) << offsets.status().message();
  const std::vector<std::optional<int64_t>> wanted = {
      std::nullopt, -30'000, -90'000, -150'000, 1, 1, 1, std::nullopt, std::nullopt, 0};
  EXPECT_EQ(*offsets, wanted);
  EXPECT_FALSE(parse_start_offsets("1m+1m").ok());
  EXPECT_FALSE(parse_start_offsets("soon").ok());
}

TEST(PromqlScript, ReadsCommands) {
  const auto commands = parse_script(R"(
# A comment.
load_with_nhcb 30s
  @st -1s
  m{a="1"}@st _ -2s
  m{a="1"}    1 2
  n           3

clear

eval instant at 1m30s  sum( m ) # not a comment of the script
  expect warn regex: odd .* number
  expect no_info
  {a="1"} 5

eval_fail range from 0 to 10m step 5m m / n
  expected_fail_message found duplicates

eval instant at 0 "x"
  expect string "x"

eval instant at 0 1
  1
)");
  ASSERT_TRUE(commands.ok()) << commands.status().message();
  ASSERT_EQ(commands->size(), 6U);
  const auto& load = std::get<LoadCommand>((*commands)[0]);
  EXPECT_TRUE(load.with_custom_buckets);
  EXPECT_EQ(load.step_ms, 30'000);
  ASSERT_EQ(load.series.size(), 2U);
  EXPECT_EQ(load.series[0].start_offsets_ms[1], -2000);
  EXPECT_EQ(load.series[1].start_offsets_ms[0], -1000);
  EXPECT_TRUE(std::holds_alternative<ClearCommand>((*commands)[1]));
  const auto& sum = std::get<EvalCommand>((*commands)[2]);
  EXPECT_EQ(sum.line, 11);
  EXPECT_EQ(sum.begin_ms, 90'000);
  EXPECT_EQ(sum.query, "sum( m ) # not a comment of the script");
  ASSERT_EQ(sum.warnings.size(), 1U);
  EXPECT_TRUE(sum.warnings[0].matches("an odd big number (1:2)"));
  EXPECT_FALSE(sum.warnings[0].matches("an odd number"));
  EXPECT_TRUE(sum.no_info);
  EXPECT_EQ(sum.series.size(), 1U);
  const auto& quotient = std::get<EvalCommand>((*commands)[3]);
  EXPECT_TRUE(quotient.range);
  EXPECT_EQ(quotient.end_ms, 600'000);
  EXPECT_TRUE(quotient.fail->matches("found duplicates"));
  EXPECT_EQ(*std::get<EvalCommand>((*commands)[4]).string, "x");
  EXPECT_EQ(*std::get<EvalCommand>((*commands)[5]).scalar, 1);
}

TEST(PromqlScript, NamesTheLineOfAnError) {
  const auto message = [](std::string_view script) {
    return parse_script(script).status().message();
  };
  EXPECT_EQ(message("\nfetch 5m"), "line 2: invalid command \"fetch 5m\"");
  EXPECT_EQ(message("load soon"), "line 1: not a valid duration string: \"soon\"");
  EXPECT_EQ(message("load 1m\n  m 1\n  m 1x").substr(0, 7), "line 3:");
  EXPECT_EQ(message("load 1m\n  m@st -1s\n  m 1 2"),
            "line 3: the @st line has 1 values, its series has 2");
  EXPECT_EQ(message("eval instant at 0 m\n  {} 1 2"),
            "line 2: several values in an instant evaluation");
  EXPECT_EQ(message("eval instant at 0 m\n  expect info\n  expect no_info"),
            "line 3: info and no_info cannot be used together");
  EXPECT_EQ(message("eval range from 1m to 0 step 1m m"), "line 1: the end is before the start");
}

class MemorySeriesTest : public testing::Test {
 protected:
  Status load(std::string_view script) {
    const auto commands = parse_script(script);
    return commands.ok() ? series_.load(std::get<LoadCommand>(commands->front()))
                         : commands.status();
  }
  // The samples of all series of a metric, in the order of their labels.
  std::vector<model::SampleColumns> samples(std::string_view metric,
                                            model::TimeRangeMs range = {}) {
    const model::Matcher name(model::Matcher::Op::kEqual, "__name__", std::string(metric));
    auto set = series_.select({&name, 1}, range, model::SeriesOrder::kByLabels, context_);
    std::vector<model::SampleColumns> all((*set)->size());
    for (size_t i = 0; i < all.size(); ++i) EXPECT_TRUE((*set)->samples(i, all[i]).ok());
    return all;
  }

  MemoryBudget budget_{1 << 30};
  model::QueryContext context_{budget_, INT64_MAX, INT64_MAX};
  MemorySeries series_;
};

TEST_F(MemorySeriesTest, SelectsWithinARange) {
  ASSERT_TRUE(load("load 10s\n  m{a=\"2\"} 1 _ 3 4\n  m{a=\"1\"} _ _ _ 5").ok());
  EXPECT_EQ(samples("m").size(), 2U);
  const auto found = samples("m", {1, 20'000});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].times_ms, (std::vector<int64_t>{20'000}));
  EXPECT_TRUE(found[0].histograms.empty());
  // More of the same series is added; another value at a moment is refused.
  EXPECT_TRUE(load("load 10s\n  m{a=\"1\"} _ 4 _ 5").ok());
  EXPECT_EQ(samples("m")[0].values, (std::vector<double>{4, 5}));
  EXPECT_FALSE(load("load 10s\n  m{a=\"1\"} _ _ _ 6").ok());
  EXPECT_EQ(*series_.label_values("a", {}, {}, 0, context_), (std::vector<std::string>{"1", "2"}));
}

TEST_F(MemorySeriesTest, HintsOfCounterResetsAreThoseOfAStore) {
  ASSERT_TRUE(load("load 10s\n  m {{count:1}} {{count:2}} {{count:1}} {{count:2}} 3 {{count:4}} "
                   "{{count:5 counter_reset_hint:gauge}}")
                  .ok());
  using enum model::CounterReset;
  std::vector<model::CounterReset> hints;
  const auto found = samples("m");
  for (const auto& histogram : found[0].histograms) {
    if (histogram) hints.push_back(histogram->reset);
  }
  EXPECT_EQ(hints, (std::vector{kUnknown, kNotReset, kUnknown, kNotReset, kUnknown, kGauge}));
}

TEST_F(MemorySeriesTest, ClassicHistogramsBecomeNativeOnes) {
  ASSERT_TRUE(load("load_with_nhcb 10s\n  h_bucket{le=\"+Inf\"} 7\n  h_bucket{le=\"1\"} 2\n"
                   "  h_bucket{le=\"2\"} 2\n  h_sum 9")
                  .ok());
  const auto found = samples("h");
  ASSERT_EQ(found.size(), 1U);
  const model::NativeHistogram& histogram = *found[0].histograms[0];
  EXPECT_EQ(histogram.bounds, (std::vector<double>{1, 2}));
  EXPECT_EQ(histogram.count, 7);
  EXPECT_EQ(histogram.sum, 9);
  EXPECT_EQ(histogram.positive_buckets, (std::vector<double>{2, 5}));
  EXPECT_FALSE(load("load_with_nhcb 10s\n  g_bucket{le=\"1\"} 3\n  g_bucket{le=\"2\"} 2").ok());
}

}  // namespace
}  // namespace gatehouse::promql
