#include "alerts/engine.h"

#include <gtest/gtest.h>

#include <thread>

#include "alerts/engine_for_test.h"
#include "alerts/webhook_for_test.h"

namespace gatehouse::alerts {
namespace {

using std::chrono::milliseconds;

// The engine with the machine's clock, as its Loop has that of the machine.
struct EngineFixture : testing::Test {
  void open(std::function<bool()> rules_ready = {}) {
    AlertEngineOptions options;
    options.external_url = "http://gatehouse.test";
    options.dial.allow = {"127.0.0.0/8"};
    AlertEngineParts parts{*scratch.catalog, *scratch.records,      *scratch.records,      budget,
                           registry,         model::system_clock(), std::move(rules_ready)};
    auto opened = AlertEngine::open(std::move(parts), std::move(options));
    ASSERT_TRUE(opened.ok()) << opened.status().to_string();
    engine = std::move(*opened);
  }
  void configure(const std::string& text) {
    auto config = read_alertmanager_config(text, "test");
    ASSERT_TRUE(config.ok()) << config.status().message();
    engine->configure(*config);
  }
  // One receiver per webhook.
  static std::string config_of(const std::string& route, const std::vector<std::string>& urls) {
    std::string text =
        "route:\n  receiver: hook\n" + route + "receivers:\n- name: hook\n  webhook_configs:\n";
    for (const std::string& url : urls) text += "  - url: " + url + "\n";
    return text;
  }
  static int64_t now_ms() { return model::system_clock().wall_ns() / 1'000'000; }
  static model::Alert alert_of(std::initializer_list<model::Labels::Pair> labels,
                               int64_t ends_ms = 0) {
    model::Alert alert;
    alert.labels = model::Labels(labels);
    alert.starts_at_ms = ends_ms == 0 ? now_ms() : ends_ms - 1000;
    alert.ends_at_ms = ends_ms;
    return alert;
  }
  template <typename Holds>
  static bool soon(Holds holds) {
    for (int i = 0; i < 300; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(milliseconds(20));
    }
    return false;
  }
  bool has(const std::string& text, std::string_view wanted) {
    return text.find(wanted) != std::string::npos;
  }

  Scratch scratch;
  MemoryBudget budget{256 << 20};
  model::Registry registry;
  std::unique_ptr<AlertEngine> engine;
};

constexpr const char* kQuick = "  group_wait: 50ms\n  group_interval: 200ms\n";

TEST_F(EngineFixture, TellsThatItFiresOnceAndThatItIsOverOnce) {
  Webhook hook;
  open();
  configure(config_of(kQuick, {hook.url()}));
  ASSERT_TRUE(engine->take({alert_of({{"alertname", "A"}, {"job", "x"}})}).ok());
  auto bodies = hook.bodies(1);
  ASSERT_EQ(bodies.size(), 1U);
  EXPECT_TRUE(has(bodies[0], R"("status":"firing")")) << bodies[0];
  EXPECT_TRUE(has(bodies[0], R"("groupKey":"{}:{}")")) << bodies[0];
  EXPECT_EQ(hook.bodies(2, 600).size(), 1U);  // nothing new over three intervals
  ASSERT_TRUE(engine->take({alert_of({{"alertname", "A"}, {"job", "x"}}, now_ms())}).ok());
  bodies = hook.bodies(2);
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_TRUE(has(bodies[1], R"("status":"resolved")")) << bodies[1];
  EXPECT_EQ(hook.bodies(3, 600).size(), 2U);
  EXPECT_TRUE(engine->alerts({}).empty());
}

TEST_F(EngineFixture, WhatWasToldIsKnownAfterARestart) {
  Webhook hook;
  open();
  configure(config_of(kQuick, {hook.url()}));
  ASSERT_TRUE(engine->take({alert_of({{"alertname", "A"}})}).ok());
  ASSERT_EQ(hook.bodies(1).size(), 1U);
  ASSERT_TRUE(soon([&] { return !engine->deliveries("hook", 9).empty(); }));
  engine->finish(1000);
  engine.reset();
  scratch.close();
  scratch.open();
  open();
  configure(config_of(kQuick, {hook.url()}));
  ASSERT_EQ(engine->alerts({}).size(), 1U);
  EXPECT_EQ(hook.bodies(2, 600).size(), 1U);  // told already
  ASSERT_TRUE(engine->take({alert_of({{"alertname", "A"}}, now_ms())}).ok());
  const auto bodies = hook.bodies(2);
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_TRUE(has(bodies[1], R"("status":"resolved")"));
}

TEST_F(EngineFixture, ASnapshotThatIsDamagedIsNoLoss) {
  Webhook hook;
  open();
  configure(config_of(kQuick, {hook.url()}));
  ASSERT_TRUE(engine->take({alert_of({{"alertname", "A"}})}).ok());
  ASSERT_EQ(hook.bodies(1).size(), 1U);
  engine->finish(1000);
  engine.reset();
  ASSERT_TRUE(scratch.catalog->put_snapshot("alerts", "\x01\x05\xff\xff").ok());
  open();
  configure(config_of(kQuick, {hook.url()}));
  ASSERT_EQ(engine->alerts({}).size(), 1U);
  EXPECT_EQ(hook.bodies(2, 600).size(), 1U);
}

TEST_F(EngineFixture, AReceiverThatHangsOrFailsDelaysNobodyElse) {
  Webhook hanging, failing, good;
  hanging.hang(true);
  failing.answer("503 Service Unavailable");
  open();
  configure(config_of("  group_by: [job]\n" + std::string(kQuick),
                      {hanging.url(), failing.url(), good.url()}));
  for (const char* job : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(engine->take({alert_of({{"alertname", "A"}, {"job", job}})}).ok());
  }
  EXPECT_EQ(good.bodies(4, 2000).size(), 4U);
  // What comes later to the same groups is told to the good one all the same.
  ASSERT_TRUE(engine->take({alert_of({{"alertname", "A"}, {"job", "a"}}, now_ms())}).ok());
  const auto bodies = good.bodies(5, 3000);
  ASSERT_EQ(bodies.size(), 5U);
  EXPECT_TRUE(has(bodies[4], "resolved"));
  EXPECT_GE(failing.bodies(5).size(), 5U);  // it is tried again
  bool seen = false;
  for (const DeliveryView& each : engine->deliveries("hook", 100)) {
    seen = seen || (each.integration == "webhook[1]" && each.status == 503 && !each.delivered);
  }
  EXPECT_TRUE(seen);
}

TEST_F(EngineFixture, WaitsAsTheReceiverAsks) {
  Webhook hook;
  hook.answer("429 Too Many Requests\r\nretry-after: 2");
  open();
  configure(config_of(kQuick, {hook.url()}));
  ASSERT_TRUE(engine->take({alert_of({{"alertname", "A"}})}).ok());
  ASSERT_EQ(hook.bodies(1).size(), 1U);
  EXPECT_EQ(hook.bodies(2, 1500).size(), 1U);
  hook.answer("200 OK");
  EXPECT_EQ(hook.bodies(2, 3000).size(), 2U);
}

TEST_F(EngineFixture, HidesWhatIsSilencedAndInhibitedAndSaysWhy) {
  Webhook hook;
  open();
  configure(
      "inhibit_rules:\n- source_matchers: [sev=high]\n  target_matchers: [sev=low]\n"
      "  equal: [job]\n" +
      config_of("  group_by: ['...']\n" + std::string(kQuick), {hook.url()}));
  Silence silence;
  silence.matchers = *parse_matchers("{job=\"quiet\"}");
  silence.starts_at_ms = now_ms();
  silence.ends_at_ms = now_ms() + 60'000;
  silence.created_by = "ada";
  const std::string id = *engine->silences().set(silence, "user:ada");
  ASSERT_TRUE(engine
                  ->take({alert_of({{"alertname", "A"}, {"job", "x"}, {"sev", "high"}}),
                          alert_of({{"alertname", "A"}, {"job", "x"}, {"sev", "low"}}),
                          alert_of({{"alertname", "A"}, {"job", "quiet"}})})
                  .ok());
  const auto bodies = hook.bodies(2, 800);
  ASSERT_EQ(bodies.size(), 1U);
  EXPECT_TRUE(has(bodies[0], R"("sev":"high")"));
  AlertFilter suppressed;
  suppressed.active = false;
  auto views = engine->alerts(suppressed);
  ASSERT_EQ(views.size(), 2U);
  if (views[0].silenced_by.empty()) std::swap(views[0], views[1]);  // they come by fingerprint
  EXPECT_EQ(views[0].silenced_by, std::vector<std::string>{id});
  EXPECT_EQ(views[1].inhibited_by.size(), 1U);
  // The history knows who.
  ASSERT_TRUE(soon([&] {
    const auto found =
        engine->history(*parse_matchers("{job=\"quiet\"}"), 0, INT64_MAX / 2'000'000, 50);
    if (!found.ok()) return false;
    for (const HistoryEntry& each : *found) {
      if (each.kind == "suppressed" && each.silence == id && each.person == "ada") return true;
    }
    return false;
  }));
  // Once it is lifted, the alert is told.
  ASSERT_TRUE(engine->silences().expire(id, "user:ada").ok());
  EXPECT_EQ(hook.bodies(2).size(), 2U);
}

TEST_F(EngineFixture, HistoryTellsWhatFiredAndWhoWasTold) {
  Webhook hook;
  open();
  configure(config_of(kQuick, {hook.url()}));
  ASSERT_TRUE(engine
                  ->take({alert_of({{"alertname", "A"}, {"job", "x"}}),
                          alert_of({{"alertname", "B"}, {"job", "y"}})})
                  .ok());
  ASSERT_EQ(hook.bodies(1).size(), 1U);
  ASSERT_TRUE(soon([&] { return !engine->deliveries("hook", 1).empty(); }));
  ASSERT_TRUE(engine->take({alert_of({{"alertname", "A"}, {"job", "x"}}, now_ms())}).ok());
  const auto found = engine->history(*parse_matchers("{alertname=\"A\"}"), now_ms() - 60'000,
                                     now_ms() + 60'000, 50);
  ASSERT_TRUE(found.ok());
  std::vector<std::string> kinds;
  for (const HistoryEntry& each : *found) kinds.push_back(each.kind);
  ASSERT_GE(kinds.size(), 3U);
  EXPECT_EQ(kinds[kinds.size() - 1], "firing");
  EXPECT_EQ(kinds[kinds.size() - 2], "notified");
  EXPECT_EQ((*found)[kinds.size() - 2].receiver, "hook");
  for (const HistoryEntry& each : *found) EXPECT_NE(each.alertname, "B");
}

TEST_F(EngineFixture, NothingEndsBeforeTheRulesWereEvaluated) {
  Webhook hook;
  open();
  configure("global: {resolve_timeout: 300ms}\n" + config_of(kQuick, {hook.url()}));
  ASSERT_TRUE(engine->take({alert_of({{"alertname", "A"}})}).ok());
  ASSERT_EQ(hook.bodies(1).size(), 1U);
  engine->finish(1000);
  engine.reset();
  std::atomic<bool> ready = false;
  open([&ready] { return ready.load(); });
  configure("global: {resolve_timeout: 300ms}\n" + config_of(kQuick, {hook.url()}));
  EXPECT_EQ(hook.bodies(2, 1500).size(), 1U);  // five times resolve_timeout
  EXPECT_EQ(engine->alerts({}).size(), 1U);
  ready = true;
  const auto bodies = hook.bodies(2);
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_TRUE(has(bodies[1], R"("status":"resolved")"));
}

TEST_F(EngineFixture, TheTestButtonSends) {
  Webhook hook;
  open();
  configure(config_of(kQuick, {hook.url()}));
  const auto sent = engine->test_receiver("hook", "webhook[0]");
  ASSERT_TRUE(sent.ok()) << sent.status().to_string();
  EXPECT_TRUE(sent->delivered) << sent->error;
  EXPECT_EQ(hook.bodies(1).size(), 1U);
  EXPECT_EQ(engine->test_receiver("nobody", "webhook[0]").status().code(), Code::kNotFound);
}

TEST_F(EngineFixture, AVanishedAlertIsToldAsSuch) {
  Webhook hook;
  open();
  configure(config_of(kQuick, {hook.url()}));
  ASSERT_TRUE(engine->take({alert_of({{"alertname", "A"}})}).ok());
  ASSERT_EQ(hook.bodies(1).size(), 1U);
  model::Alert gone = alert_of({{"alertname", "A"}});
  gone.vanished = true;
  ASSERT_TRUE(engine->take({gone}).ok());
  const auto bodies = hook.bodies(2);
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_TRUE(has(bodies[1], R"("status":"firing")"));
  EXPECT_TRUE(has(bodies[1], "The data that this alert was computed from is gone"));
}

}  // namespace
}  // namespace gatehouse::alerts
