#include "wire/otlp_names.h"

#include <gtest/gtest.h>

namespace gatehouse::wire {
namespace {

OtlpMetric metric(std::string_view name, std::string_view unit, OtlpKind kind,
                  bool monotonic = false) {
  OtlpMetric out;
  out.name = name;
  out.unit = unit;
  out.kind = kind;
  out.monotonic = monotonic;
  return out;
}

std::string name_of(const OtlpMetric& metric) {
  return otlp_metric_name(metric, OtlpTranslation::kUnderscoreEscapingWithSuffixes);
}

TEST(OtlpNames, UnitsAndTypesBecomeSuffixes) {
  const auto gauge = [](std::string_view name, std::string_view unit) {
    return name_of(metric(name, unit, OtlpKind::kGauge));
  };
  const auto counter = [](std::string_view name, std::string_view unit) {
    return name_of(metric(name, unit, OtlpKind::kSum, true));
  };
  EXPECT_EQ(counter("system.io", "By"), "system_io_bytes_total");
  EXPECT_EQ(counter("network_transmitted_bytes_total", "By"), "network_transmitted_bytes_total");
  EXPECT_EQ(counter("requests.total.count", "1"), "requests_count_total");
  EXPECT_EQ(gauge("memory.usage", "1"), "memory_usage_ratio");
  EXPECT_EQ(gauge("hit_ratio", "1"), "hit_ratio");
  EXPECT_EQ(name_of(metric("queue", "1", OtlpKind::kSum)), "queue_ratio");
  EXPECT_EQ(name_of(metric("http.server.request.duration", "s", OtlpKind::kHistogram)),
            "http_server_request_duration_seconds");
  EXPECT_EQ(gauge("speed", "m/s"), "speed_meters_per_second");
  EXPECT_EQ(gauge("rate", "{request}/s"), "rate_per_second");
  EXPECT_EQ(gauge("packets", "{packet}"), "packets");
  EXPECT_EQ(gauge("broken", "/"), "broken");
  EXPECT_EQ(gauge("odd", "unit.with.dots"), "odd_unit_with_dots");
  EXPECT_EQ(gauge("__a..b__", ""), "a_b");
  EXPECT_EQ(gauge("3xx", ""), "_3xx");
  EXPECT_EQ(gauge("...", ""), "");
  EXPECT_EQ(gauge("caf\xc3\xa9.x", ""), "caf_x");
}

TEST(OtlpNames, OtherStrategies) {
  const OtlpMetric counter = metric("http.reqs", "By/s", OtlpKind::kSum, true);
  EXPECT_EQ(otlp_metric_name(counter, OtlpTranslation::kUnderscoreEscapingWithoutSuffixes),
            "http_reqs");
  EXPECT_EQ(otlp_metric_name(counter, OtlpTranslation::kNoUtf8EscapingWithSuffixes),
            "http.reqs_bytes_per_second_total");
  EXPECT_EQ(otlp_metric_name(metric("a.total", "", OtlpKind::kSum, true),
                             OtlpTranslation::kNoUtf8EscapingWithSuffixes),
            "a_total");
  EXPECT_EQ(otlp_metric_name(counter, OtlpTranslation::kNoTranslation), "http.reqs");
}

TEST(OtlpNames, Labels) {
  const auto label = [](std::string_view key) {
    return otlp_label_name(key, OtlpTranslation::kUnderscoreEscapingWithSuffixes);
  };
  EXPECT_EQ(label("http.method"), "http_method");
  EXPECT_EQ(label("1st"), "key_1st");
  EXPECT_EQ(label("_a"), "key_a");
  EXPECT_EQ(label("__a"), "__a");
  EXPECT_EQ(label("a:b"), "a_b");
  EXPECT_EQ(label("\xc3\xa9t\xc3\xa9"), "key_t_");
  EXPECT_EQ(label(".."), "");
  EXPECT_EQ(label(""), "");
  EXPECT_EQ(otlp_label_name("http.method", OtlpTranslation::kNoTranslation), "http.method");
}

TEST(OtlpNames, Units) {
  EXPECT_EQ(otlp_unit_name("By/s"), "bytes_per_second");
  EXPECT_EQ(otlp_unit_name("1"), "");
  EXPECT_EQ(otlp_unit_name("{x}"), "");
  EXPECT_EQ(otlp_unit_name("ms"), "milliseconds");
  EXPECT_EQ(otlp_unit_name("%"), "percent");
}

}  // namespace
}  // namespace gatehouse::wire
