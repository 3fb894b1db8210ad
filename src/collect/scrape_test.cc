#include "collect/scrape.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "collect/appender_for_test.h"
#include "collect/local_collector.h"
#include "outbound/http_fetch.h"

namespace gatehouse::collect {
namespace {

using test::RecordingAppender;

Target target(model::Labels labels = {{"instance", "i"}, {"job", "j"}}) {
  Target out;
  out.labels = std::move(labels);
  out.url = "http://i/metrics";
  out.interval_ms = 15'000;
  out.timeout_ms = 10'000;
  return out;
}

class ScrapeTest : public ::testing::Test {
 protected:
  // A scrape with this text as its body.
  Status scrape(ScrapeIntake& intake, const std::string& text,
                const std::string& type = "text/plain; version=0.0.4") {
    ScrapedBody body;
    body.content_type = type;
    body.body = text;
    return take(intake, std::move(body));
  }
  Status take(ScrapeIntake& intake, Result<ScrapedBody> body) {
    counts = {};
    now += 15'000;
    MemoryCharge charge(budget);
    return intake.take(now, 0.25, std::move(body), charge, counts);
  }

  RecordingAppender store;
  MemoryBudget budget{64 << 20};
  ScrapeCounts counts;
  int64_t now = 1'700'000'000'000;
  ScrapeConfig config;
};

TEST_F(ScrapeTest, SamplesWithTheTargetsLabelsAndItsReport) {
  ScrapeIntake intake(config, target(), store, budget);
  const Status outcome =
      scrape(intake, "# HELP a Of a.\n# TYPE a counter\na{x=\"1\"} 5\na{x=\"2\"} 6\nb 7\n");
  ASSERT_TRUE(outcome.ok()) << outcome.message();
  EXPECT_EQ(store.last(R"({__name__="a", instance="i", job="j", x="1"})"), 5);
  EXPECT_EQ(store.last(R"({__name__="b", instance="i", job="j"})"), 7);
  EXPECT_EQ(store.last(R"({__name__="up", instance="i", job="j"})"), 1);
  EXPECT_EQ(store.last(R"({__name__="scrape_samples_scraped", instance="i", job="j"})"), 3);
  EXPECT_EQ(
      store.last(R"({__name__="scrape_samples_post_metric_relabeling", instance="i", job="j"})"),
      3);
  EXPECT_EQ(store.last(R"({__name__="scrape_series_added", instance="i", job="j"})"), 3);
  EXPECT_EQ(store.last(R"({__name__="scrape_duration_seconds", instance="i", job="j"})"), 0.25);
  EXPECT_EQ(store.metadata["a"].help, "Of a.");
  EXPECT_EQ(store.of(R"({__name__="b", instance="i", job="j"})")[0].time_ms, now);
  // The second time nothing is looked up again.
  const size_t before = store.looked_up;
  ASSERT_TRUE(scrape(intake, "a{x=\"1\"} 8\na{x=\"2\"} 6\nb 7\n").ok());
  EXPECT_EQ(store.looked_up, before);
  EXPECT_TRUE(store.wrong_refs.empty());
  EXPECT_EQ(store.last(R"({__name__="scrape_series_added", instance="i", job="j"})"), 0);
}

TEST_F(ScrapeTest, WhatIsGoneIsMarkedAndWhatFailsEndsAll) {
  ScrapeIntake intake(config, target({}), store, budget);
  ASSERT_TRUE(scrape(intake, "a 1\nb 2\nc 3 1699999999000\n").ok());
  ASSERT_TRUE(scrape(intake, "a 1\n").ok());
  EXPECT_TRUE(store.ended(R"({__name__="b"})"));
  EXPECT_FALSE(store.ended(R"({__name__="a"})"));
  EXPECT_FALSE(store.ended(R"({__name__="c"})"));  // it brings times of its own
  EXPECT_EQ(store.of(R"({__name__="c"})")[0].time_ms, 1'699'999'999'000);
  EXPECT_FALSE(take(intake, unavailable("connection refused")).ok());
  EXPECT_TRUE(store.ended(R"({__name__="a"})"));
  EXPECT_EQ(store.of(R"({__name__="a"})").size(), 3u);
  EXPECT_EQ(store.last(R"({__name__="up"})"), 0);
  // A marker is written once.
  EXPECT_FALSE(take(intake, unavailable("connection refused")).ok());
  EXPECT_EQ(store.of(R"({__name__="a"})").size(), 3u);
  ASSERT_TRUE(scrape(intake, "a 9\n").ok());
  EXPECT_EQ(store.last(R"({__name__="a"})"), 9);
  intake.end(now + 1);
  EXPECT_TRUE(store.ended(R"({__name__="a"})"));
  EXPECT_TRUE(store.ended(R"({__name__="up"})"));
}

TEST_F(ScrapeTest, ABrokenBodyGivesNothing) {
  ScrapeIntake intake(config, target({}), store, budget);
  EXPECT_FALSE(scrape(intake, "good 1\nbad{ 2\n").ok());
  EXPECT_FALSE(store.has(R"({__name__="good"})"));
  EXPECT_EQ(store.last(R"({__name__="up"})"), 0);
  EXPECT_FALSE(scrape(intake, "good 1\n", "application/octet-stream").ok());
  config.fallback_protocol = "PrometheusText0.0.4";
  EXPECT_TRUE(scrape(intake, "good 1\n", "").ok());
}

TEST_F(ScrapeTest, ConflictingLabelsAreExportedOrHonoured) {
  {
    ScrapeIntake intake(config, target(), store, budget);
    ASSERT_TRUE(scrape(intake, "a{job=\"own\"} 1\n").ok());
    EXPECT_TRUE(store.has(R"({__name__="a", exported_job="own", instance="i", job="j"})"));
  }
  config.honor_labels = true;
  ScrapeIntake intake(config, target(), store, budget);
  ASSERT_TRUE(scrape(intake, "a{job=\"own\"} 1\n").ok());
  EXPECT_TRUE(store.has(R"({__name__="a", instance="i", job="own"})"));
}

TEST_F(ScrapeTest, MetricRelabelling) {
  RelabelConfig drop;
  drop.source_labels = {"__name__"};
  drop.regex = "go_.*";
  drop.action = RelabelAction::kDrop;
  RelabelConfig cut;
  cut.regex = "x";
  cut.action = RelabelAction::kLabelDrop;
  config.metric_relabel = *create_relabel_rules(std::vector<RelabelConfig>{drop, cut});
  config.honor_timestamps = false;
  ScrapeIntake intake(config, target({}), store, budget);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(scrape(intake, "go_a 1\nb{x=\"1\"} 2 5\n").ok());
  EXPECT_FALSE(store.has(R"({__name__="go_a"})"));
  EXPECT_EQ(store.of(R"({__name__="b"})").size(), 2u);
  EXPECT_EQ(store.of(R"({__name__="b"})")[1].time_ms, now);
  EXPECT_EQ(store.last(R"({__name__="scrape_samples_scraped"})"), 2);
  EXPECT_EQ(store.last(R"({__name__="scrape_samples_post_metric_relabeling"})"), 1);
}

TEST_F(ScrapeTest, LimitsFailTheWholeScrape) {
  const auto fails = [&](const ScrapeLimits& limits, const std::string& text, const char* words) {
    ScrapeConfig limited;
    limited.limits = limits;
    RecordingAppender own;
    ScrapeIntake intake(limited, target({}), own, budget);
    const Status outcome = scrape(intake, text);
    EXPECT_FALSE(outcome.ok()) << words;
    EXPECT_NE(outcome.message().find(words), std::string::npos) << outcome.message();
    EXPECT_FALSE(own.has(R"({__name__="a"})"));
    EXPECT_EQ(own.last(R"({__name__="up"})"), 0);
  };
  ScrapeLimits limits;
  limits.samples = 1;
  fails(limits, "a 1\nb 2\n", "sample limit exceeded");
  limits = {};
  limits.labels = 2;
  fails(limits, "a 1\nb{x=\"1\",y=\"2\"} 1\n", "label_limit exceeded");
  limits = {};
  limits.label_name_bytes = 8;
  fails(limits, "a 1\nb{toolongname=\"1\"} 1\n", "label_name_length_limit");
  limits = {};
  limits.label_value_bytes = 3;
  fails(limits, "a 1\nb{x=\"long\"} 1\n", "label_value_length_limit");
}

std::string gzipped(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST_F(ScrapeTest, CompressedBodiesAndBombs) {
  ScrapeIntake intake(config, target({}), store, budget);
  ScrapedBody body{"text/plain", "gzip", gzipped("a 4\n")};
  EXPECT_TRUE(take(intake, body).ok());
  EXPECT_EQ(store.last(R"({__name__="a"})"), 4);
  body.body = gzipped("a 4\n").substr(0, 12);
  EXPECT_FALSE(take(intake, body).ok());
  const int64_t kept = budget.used_bytes();
  body.body = gzipped(std::string(200 << 20, '\n'));  // more than the budget
  const Status over = take(intake, body);
  EXPECT_EQ(over.code(), Code::kResourceExhausted) << over.message();
  EXPECT_LE(budget.used_bytes(), kept + 1024);
  config.limits.body_bytes = 1 << 20;
  EXPECT_NE(take(intake, body).message().find("longer than 1048576"), std::string::npos);
}

TEST_F(ScrapeTest, ABurstOfSeriesEndsAtTheBudget) {
  budget.set_limit_bytes(4 << 20);
  {
    ScrapeIntake intake(config, target({}), store, budget);
    ASSERT_TRUE(scrape(intake, "a 1\n").ok());
    std::string text;
    for (int i = 0; i < 50'000; ++i) text += "b{i=\"" + std::to_string(i) + "\"} 1\n";
    const Status over = scrape(intake, text);
    EXPECT_NE(over.message().find("memory budget"), std::string::npos) << over.message();
    EXPECT_TRUE(store.ended(R"({__name__="a"})"));
    EXPECT_LT(budget.used_bytes(), 4096);
    ASSERT_TRUE(scrape(intake, "a 1\n").ok());
  }
  EXPECT_EQ(budget.used_bytes(), 0);
}

TEST_F(ScrapeTest, AFullStoreIsTheTargetsError) {
  ScrapeIntake intake(config, target({}), store, budget);
  store.full = true;
  EXPECT_EQ(scrape(intake, "a 1\n").code(), Code::kResourceExhausted);
  store.full = false;
  EXPECT_TRUE(scrape(intake, "a 1\n").ok());
  EXPECT_EQ(store.last(R"({__name__="a"})"), 1);
}

TEST_F(ScrapeTest, OpenMetricsWithExemplars) {
  ScrapeIntake intake(config, target({}), store, budget);
  const Status outcome = scrape(intake, "# TYPE a counter\na_total 3 # {trace_id=\"x\"} 1\n# EOF\n",
                                "application/openmetrics-text; version=1.0.0; charset=utf-8");
  ASSERT_TRUE(outcome.ok()) << outcome.message();
  EXPECT_EQ(store.exemplars[R"({__name__="a_total"})"], 1u);
  EXPECT_FALSE(scrape(intake, "a_total 3\n", "application/openmetrics-text").ok());
}

TEST(AcceptHeaderTest, OrdersProtocols) {
  ScrapeConfig config;
  EXPECT_TRUE(accept_header(config).starts_with("application/openmetrics-text;version=1.0.0"));
  config.native_histograms = true;
  EXPECT_TRUE(accept_header(config).starts_with("application/vnd.google.protobuf"));
  config.protocols = {"PrometheusText0.0.4"};
  EXPECT_EQ(accept_header(config), "text/plain;version=0.0.4;q=0.2,*/*;q=0.1");
}

TEST(TargetTest, AddressesPathsAndLabels) {
  ScrapeConfig config;
  config.job_name = "j";
  config.params = {{"module", {"a", "b"}}};
  const auto plain = make_target(config, {{"__address__", "h:80"}, {"env", "x"}}, {{"g", "1"}});
  ASSERT_TRUE(plain.ok() && *plain);
  EXPECT_EQ((*plain)->url, "http://h:80/metrics?module=a&module=b");
  EXPECT_EQ((*plain)->labels.to_string(), R"({env="x", g="1", instance="h:80", job="j"})");
  EXPECT_EQ((*plain)->discovered.get("__scrape_interval__"), "1m");
  RelabelConfig path;
  path.source_labels = {"__address__"};
  path.regex = "(.*):.*";
  path.target_label = "__metrics_path__";
  path.replacement = "/probe/$1";
  config.relabel = *create_relabel_rules(std::vector<RelabelConfig>{path});
  EXPECT_EQ((*make_target(config, {{"__address__", "h:80"}}, {}))->url,
            "http://h:80/probe/h?module=a&module=b");
  EXPECT_FALSE(make_target(config, {{"__address__", "a/b"}}, {}).ok());
  EXPECT_FALSE(make_target(config, model::Labels(), {}).ok());
  EXPECT_FALSE(make_target(config, {{"__address__", "h"}, {"__scrape_interval__", "x"}}, {}).ok());
  path.action = RelabelAction::kDrop;
  config.relabel = *create_relabel_rules(std::vector<RelabelConfig>{path});
  const auto dropped = make_target(config, {{"__address__", "h:80"}}, {});
  EXPECT_TRUE(dropped.ok() && !*dropped);
}

TEST(LocalCollectorTest, TheMachineAndTheProgramsOwnMetrics) {
  RecordingAppender store;
  model::Registry registry;
  registry.counter("calls", "Calls.", {{"model", "m"}}).add(3);
  registry.gauge_from("load", "Load.", {}, [] { return 0.5; });
  const std::vector<double> bounds = {0.1, 1};
  registry.histogram("seconds", "Seconds.", bounds, {}).observe(0.5);
  Loop loop;
  Pool pool(1);
  LocalOptions options;
  options.instance = "here";
  LocalCollector local(loop, pool, store, registry, model::system_clock(), options);
  ASSERT_TRUE(local.collect_once().ok());
  EXPECT_EQ(store.last(R"({__name__="calls_total", instance="here", job="gatehouse", model="m"})"),
            3);
  EXPECT_EQ(store.last(R"({__name__="load", instance="here", job="gatehouse"})"), 0.5);
  EXPECT_EQ(
      store.last(R"({__name__="seconds_bucket", instance="here", job="gatehouse", le="1.0"})"), 1);
  EXPECT_EQ(
      store.last(R"({__name__="seconds_bucket", instance="here", job="gatehouse", le="0.1"})"), 0);
  EXPECT_GT(store.last(R"({__name__="node_memory_MemTotal_bytes", instance="here", job="node"})"),
            1e6);
  EXPECT_EQ(store.last(R"({__name__="up", instance="here", job="node"})"), 1);
  ASSERT_TRUE(local.collect_once().ok());
  EXPECT_TRUE(store.wrong_refs.empty());
}

}  // namespace
}  // namespace gatehouse::collect
