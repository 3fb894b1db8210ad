// What holds for every query: threads do not change its answer, bounds end it, and
// options do what they say.
#include "lang/promql/engine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "base/budget.h"
#include "lang/promql/memory_series.h"
#include "lang/promql/parser.h"
#include "lang/promql/script.h"

namespace gatehouse::promql {
namespace {

class Threads : public Parallel {
 public:
  void run(size_t parts, const std::function<void(size_t)>& work) override {
    std::vector<std::thread> threads;
    for (size_t part = 1; part < parts; ++part) threads.emplace_back(work, part);
    work(0);
    for (std::thread& thread : threads) thread.join();
    parts_max = std::max(parts_max, parts);
  }
  size_t parts_max = 0;
};

// 300 series: enough for several parts.
std::string script() {
  std::string text = "load 10s\n";
  for (int i = 0; i < 300; ++i) {
    const std::string number = std::to_string(i);
    text += "  calls_total{group=\"" + std::to_string(i % 7) + "\", series=\"" + number + "\"} 0+" +
            number + "x40\n";
    if (i % 10 == 0) {
      text += "  sizes{group=\"" + std::to_string(i % 7) + "\", series=\"" + number +
              "\"} {{schema:0 count:1 sum:1 buckets:[1]}}+{{schema:0 count:1 sum:1 "
              "buckets:[1]}}x40\n";
    }
  }
  return text;
}

Result<QueryValue> ask(const MemorySeries& series, std::string_view query, int threads,
                       Threads& parallel) {
  MemoryBudget budget(1 << 30);
  model::QueryContext context(budget, INT64_MAX, INT64_MAX);
  ASSIGN_OR_RETURN(const ExprPtr expr, parse(query));
  QueryOptions options;
  options.threads = threads;
  return evaluate_range(*expr, query, 100'000, 400'000, 10'000, options, series, context,
                        &parallel);
}

TEST(Parallel, ThreadsDoNotChangeTheAnswer) {
  MemorySeries series;
  const auto commands = parse_script(script());
  ASSERT_TRUE(commands.ok()) << commands.status().to_string();
  for (const ScriptCommand& command : *commands) {
    const auto* load = std::get_if<LoadCommand>(&command);
    ASSERT_NE(load, nullptr);
    ASSERT_TRUE(series.load(*load).ok());
  }
  Threads parallel;
  for (const std::string_view query :
       {"sum by (group) (rate(calls_total[1m]))", "stddev(calls_total)", "topk(3, calls_total)",
        "max by (group) (max_over_time(calls_total[1m:10s]))", "avg by (group) (sizes)",
        "sum(calls_total) / count(calls_total)", "{__name__=~\".+\", group=\"3\"}",
        "calls_total / on (series) group_right () calls_total", "sum({__name__=~\".+\"})"}) {
    const auto one = ask(series, query, 1, parallel);
    const auto four = ask(series, query, 4, parallel);
    ASSERT_TRUE(one.ok()) << query << one.status().to_string();
    ASSERT_TRUE(four.ok()) << query;
    ASSERT_EQ(one->series.size(), four->series.size()) << query;
    EXPECT_EQ(one->annotations.warnings, four->annotations.warnings) << query;
    for (size_t i = 0; i < one->series.size(); ++i) {
      ASSERT_EQ(one->series[i].labels, four->series[i].labels) << query;
      ASSERT_EQ(one->series[i].points.size(), four->series[i].points.size()) << query;
      for (size_t k = 0; k < one->series[i].points.size(); ++k) {
        const Point& a = one->series[i].points[k];
        const Point& b = four->series[i].points[k];
        EXPECT_EQ(std::isnan(a.value), std::isnan(b.value)) << query;
        if (!std::isnan(a.value)) {
          EXPECT_DOUBLE_EQ(a.value, b.value) << query;
        }
        EXPECT_EQ(a.histogram ? a.histogram->count : 0, b.histogram ? b.histogram->count : 0);
      }
    }
  }
  EXPECT_GT(parallel.parts_max, 1U);
}

TEST(Names, GoAtOnceWhereTheirRemovalIsNotDelayed) {
  MemorySeries series;
  const auto commands = parse_script(
      "load 10s\n  a_total{x=\"1\"} 0+1x9\n  b_total{x=\"1\"} 0+1x9\n  c_total{x=\"2\"} 0+1x9\n");
  ASSERT_TRUE(commands.ok());
  ASSERT_TRUE(series.load(std::get<LoadCommand>(commands->front())).ok());
  const auto labels_of = [&series](const std::string& query, bool delayed) {
    MemoryBudget budget(1 << 30);
    model::QueryContext context(budget, INT64_MAX, INT64_MAX);
    const auto expr = parse(query);
    EXPECT_TRUE(expr.ok()) << query;
    QueryOptions options;
    options.delayed_name_removal = delayed;
    const auto value = evaluate_instant(**expr, query, 90'000, options, series, context);
    if (!value.ok()) return value.status().message();
    return value->series.empty() ? std::string("nothing") : value->series[0].labels.to_string();
  };
  const std::string kept =
      "label_replace(rate(c_total[1m]), \"n\", \"$1\", \"__name__\", \"(.*)\")";
  EXPECT_EQ(labels_of(kept, true), "{n=\"c_total\", x=\"2\"}");
  EXPECT_EQ(labels_of(kept, false), "{x=\"2\"}");
  EXPECT_EQ(labels_of("sum by (__name__) (rate(c_total[1m]))", false), "{}");
  EXPECT_EQ(labels_of("rate({x=\"1\"}[1m])", false),
            "vector cannot contain metrics with the same labelset");
  EXPECT_EQ(labels_of("sum(abs({x=\"1\"}))", false),
            "vector cannot contain metrics with the same labelset");
}

TEST(Bounds, EndAQueryWithItsReason) {
  MemorySeries series;
  const auto commands = parse_script(script());
  ASSERT_TRUE(commands.ok());
  ASSERT_TRUE(series.load(std::get<LoadCommand>(commands->front())).ok());
  const std::string query = "rate(calls_total[1m])";
  const auto expr = parse(query);
  ASSERT_TRUE(expr.ok());
  const auto run = [&](int64_t bytes, int64_t deadline_ms, int64_t samples, bool cancel) {
    MemoryBudget budget(bytes);
    model::QueryContext context(budget, deadline_ms, samples);
    if (cancel) context.cancel();
    const auto value =
        evaluate_range(**expr, query, 0, 400'000, 1000, QueryOptions(), series, context);
    EXPECT_FALSE(value.ok());
    return value.status().code();
  };
  EXPECT_EQ(run(1000, INT64_MAX, INT64_MAX, false), Code::kResourceExhausted);
  EXPECT_EQ(run(1 << 30, 0, INT64_MAX, false), Code::kDeadlineExceeded);
  EXPECT_EQ(run(1 << 30, INT64_MAX, 100, false), Code::kResourceExhausted);
  EXPECT_EQ(run(1 << 30, INT64_MAX, INT64_MAX, true), Code::kCancelled);
}

}  // namespace
}  // namespace gatehouse::promql
