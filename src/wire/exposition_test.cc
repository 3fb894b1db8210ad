#include "wire/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatehouse::wire {
namespace {

using ::testing::HasSubstr;

void fill(model::Registry& registry) {
  registry.counter("calls", "Calls \"made\" \\ done\nsince the start", {{"model", "a\"b\\c\nd"}})
      .add(3);
  registry.gauge("memory_bytes", "Memory", {}).set(1.5e9);
  registry.counter_from("kept", "", {}, [] { return 3.0; });
  registry.gauge_from("saturation", "", {}, [] { return 0.25; });
  const double bounds[] = {0.1, 1};
  auto& histogram = registry.histogram("wait_seconds", "Waits", bounds, {{"m", "x"}});
  for (const double value : {0.05, 0.5, 0.5, 7.0}) histogram.observe(value);
}

TEST(Exposition, PrometheusText) {
  model::Registry registry;
  fill(registry);
  EXPECT_EQ(write_exposition(registry, ExpositionFormat::kPrometheusText),
            "# HELP calls_total Calls \"made\" \\\\ done\\nsince the start\n"
            "# TYPE calls_total counter\n"
            "calls_total{model=\"a\\\"b\\\\c\\nd\"} 3\n"
            "# TYPE kept_total counter\n"
            "kept_total 3\n"
            "# HELP memory_bytes Memory\n"
            "# TYPE memory_bytes gauge\n"
            "memory_bytes 1.5e+09\n"
            "# TYPE saturation gauge\n"
            "saturation 0.25\n"
            "# HELP wait_seconds Waits\n"
            "# TYPE wait_seconds histogram\n"
            "wait_seconds_bucket{m=\"x\",le=\"0.1\"} 1\n"
            "wait_seconds_bucket{m=\"x\",le=\"1.0\"} 3\n"
            "wait_seconds_bucket{m=\"x\",le=\"+Inf\"} 4\n"
            "wait_seconds_sum{m=\"x\"} 8.05\n"
            "wait_seconds_count{m=\"x\"} 4\n");
}

TEST(Exposition, OpenMetrics) {
  model::Registry registry;
  fill(registry);
  const std::string text = write_exposition(registry, ExpositionFormat::kOpenMetrics);
  EXPECT_TRUE(
      text.starts_with("# TYPE calls counter\n"
                       "# HELP calls Calls \\\"made\\\" \\\\ done\\nsince the start\n"
                       "calls_total{"));
  EXPECT_THAT(text, HasSubstr("# UNIT wait_seconds seconds\n"));
  EXPECT_THAT(text, HasSubstr("# UNIT memory_bytes bytes\n"));
  EXPECT_TRUE(text.ends_with("\n# EOF\n"));
}

TEST(Exposition, FollowsTheAcceptHeader) {
  const auto open = ExpositionFormat::kOpenMetrics;
  const auto text = ExpositionFormat::kPrometheusText;
  EXPECT_EQ(negotiate_exposition(""), text);
  EXPECT_EQ(negotiate_exposition("*/*"), text);
  EXPECT_EQ(negotiate_exposition("text/html"), text);
  EXPECT_EQ(negotiate_exposition("application/openmetrics-text;version=1.0.0;q=0.5,"
                                 "application/openmetrics-text;version=0.0.1;q=0.4,"
                                 "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"),
            open);
  EXPECT_EQ(negotiate_exposition("application/openmetrics-text; version=2.0.0, text/plain"), text);
  EXPECT_EQ(negotiate_exposition("text/plain, application/openmetrics-text;q=0.5"), text);
  EXPECT_EQ(negotiate_exposition("application/openmetrics-text;q=0"), text);
}

}  // namespace
}  // namespace gatehouse::wire
