#include "alerts/dispatcher.h"

#include <gtest/gtest.h>

#include "alerts/notification_log.h"

namespace gatehouse::alerts {
namespace {

constexpr int64_t kNow = 1'790'000'000'000;
constexpr int64_t kResolveMs = 300'000;

std::shared_ptr<const AlertmanagerConfig> config_of(std::string routes) {
  auto config =
      read_alertmanager_config("receivers: [{name: a}, {name: b}]\nroute:\n" + routes, "t");
  EXPECT_TRUE(config.ok()) << config.status().message();
  return *config;
}

model::Alert alert_of(std::initializer_list<model::Labels::Pair> labels, int64_t starts_ms,
                      int64_t ends_ms = 0) {
  model::Alert alert;
  alert.labels = model::Labels(labels);
  alert.starts_at_ms = starts_ms;
  alert.ends_at_ms = ends_ms;
  return alert;
}

struct DispatcherFixture : testing::Test {
  AlertStore::Put put(model::Alert alert, int64_t now_ms = kNow) {
    const model::Labels labels = alert.labels;
    auto done = store.put(std::move(alert), now_ms, kResolveMs);
    EXPECT_TRUE(done.ok()) << done.status().to_string();
    if (dispatcher.config() != nullptr) dispatcher.insert(*done->alert, labels, {now_ms, now_ms});
    return *done;
  }
  std::vector<std::string> due(int64_t at_ms) {
    std::vector<std::string> keys;
    for (const auto& group : dispatcher.take_due(at_ms, 100)) keys.push_back(group->key());
    return keys;
  }
  MemoryBudget budget{64 << 20};
  AlertStore store{budget, 1000};
  Dispatcher dispatcher;
};

using Change = AlertStore::Change;

TEST_F(DispatcherFixture, MergesWordsThatOverlap) {
  StoredAlert& alert = *put(alert_of({{"a", "1"}}, kNow - 5000)).alert;
  EXPECT_TRUE(alert.timeout);
  EXPECT_EQ(alert.ends_at_ms, kNow + kResolveMs);
  // A later start within it changes nothing; a sender's own end holds.
  EXPECT_EQ(put(alert_of({{"a", "1"}}, kNow - 1000, kNow + 60'000)).change, Change::kRepeated);
  EXPECT_EQ(alert.starts_at_ms, kNow - 5000);
  EXPECT_EQ(alert.ends_at_ms, kNow + 60'000);
  // An earlier end of the sender's does not shorten the one it gave before.
  put(alert_of({{"a", "1"}}, kNow - 1000, kNow + 30'000));
  EXPECT_EQ(alert.ends_at_ms, kNow + 60'000);
  EXPECT_EQ(put(alert_of({{"a", "1"}}, kNow - 1000, kNow)).change, Change::kResolved);
  EXPECT_TRUE(store.resolved(alert, kNow));
  // Anew after its end: another firing, with its own start.
  EXPECT_EQ(put(alert_of({{"a", "1"}}, kNow + 10), kNow + 20).change, Change::kFiring);
  EXPECT_EQ(alert.starts_at_ms, kNow + 10);
}

TEST_F(DispatcherFixture, RefusesWhatIsWrongOrTooMuch) {
  EXPECT_EQ(store.put(model::Alert{}, kNow, kResolveMs).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(store.put(alert_of({{"a", "1"}}, kNow, kNow - 1), kNow, kResolveMs).status().code(),
            Code::kInvalidArgument);
  for (int i = 0; i < 1000; ++i) put(alert_of({{"n", std::to_string(i)}}, kNow));
  EXPECT_EQ(store.put(alert_of({{"n", "x"}}, kNow), kNow, kResolveMs).status().code(),
            Code::kResourceExhausted);
  EXPECT_GT(budget.used_bytes(), 0);
  // One that is over and told makes room.
  put(alert_of({{"n", "7"}}, kNow, kNow));
  EXPECT_TRUE(store.put(alert_of({{"n", "x"}}, kNow), kNow, kResolveMs).ok());
  EXPECT_EQ(store.find(model::alert_fingerprint(model::Labels{{"n", "7"}})), nullptr);
}

TEST_F(DispatcherFixture, HoldsWhatWasNotHeardOf) {
  StoredAlert saved = *put(alert_of({{"a", "1"}}, kNow - 5000)).alert;
  saved.member_of.clear();
  saved.ends_at_ms = kNow - 1;  // the program was away
  saved.explicit_end = false;
  saved.restored = true;
  StoredAlert& alert = **store.restore(saved);
  store.hold();
  EXPECT_FALSE(store.resolved(alert, kNow));
  store.end_hold(kNow + 1000, kResolveMs);
  EXPECT_FALSE(store.resolved(alert, kNow + kResolveMs));
  EXPECT_TRUE(store.resolved(alert, kNow + 1000 + kResolveMs));
  // An end that was said holds meanwhile too.
  store.hold();
  put(alert_of({{"b", "1"}}, kNow - 10, kNow));
  EXPECT_TRUE(
      store.resolved(*store.find(model::alert_fingerprint(model::Labels{{"b", "1"}})), kNow));
}

TEST_F(DispatcherFixture, AVanishedAlertIsNoEnd) {
  put(alert_of({{"a", "1"}}, kNow - 10));
  model::Alert gone = alert_of({{"a", "1"}}, kNow - 10, kNow);
  gone.vanished = true;
  const auto done = put(gone);
  EXPECT_EQ(done.change, Change::kVanished);
  EXPECT_FALSE(store.resolved(*done.alert, kNow));
  EXPECT_EQ(put(gone).change, Change::kRepeated);
  EXPECT_EQ(put(alert_of({{"a", "1"}}, kNow - 10)).change, Change::kFiring);
}

TEST_F(DispatcherFixture, SaysThatAnAlertFlaps) {
  int64_t now = kNow;
  for (int i = 0; i < 3; ++i, now += 60'000) {
    put(alert_of({{"a", "1"}}, now), now);
    EXPECT_FALSE(
        store.find(model::alert_fingerprint(model::Labels{{"a", "1"}}))->flaps.flapping(now));
    put(alert_of({{"a", "1"}}, now, now + 1000), now + 1000);
  }
  const StoredAlert& alert = *store.find(model::alert_fingerprint(model::Labels{{"a", "1"}}));
  EXPECT_TRUE(alert.flaps.flapping(now));
  EXPECT_FALSE(alert.flaps.flapping(now + FlapWindow::kWindowMs));
}

TEST_F(DispatcherFixture, GroupsWaitThenComeEachInterval) {
  dispatcher.configure(
      config_of(" receiver: a\n group_by: [job]\n group_wait: 30s\n group_interval: 5m\n"), store,
      {kNow, kNow});
  put(alert_of({{"job", "x"}, {"i", "1"}}, kNow));
  put(alert_of({{"job", "x"}, {"i", "2"}}, kNow));
  put(alert_of({{"job", "y"}}, kNow + 5000), kNow + 5000);
  EXPECT_EQ(dispatcher.next_due_ms(), kNow + 30'000);
  EXPECT_TRUE(due(kNow + 29'999).empty());
  EXPECT_EQ(due(kNow + 30'000), std::vector<std::string>{"{}:{job=\"x\"}"});
  EXPECT_EQ(due(kNow + 35'000), std::vector<std::string>{"{}:{job=\"y\"}"});
  EXPECT_EQ(dispatcher.next_due_ms(), kNow + 330'000);
  // What joins a group that was flushed waits for its interval.
  put(alert_of({{"job", "x"}, {"i", "3"}}, kNow - 3'600'000), kNow + 40'000);
  EXPECT_EQ(dispatcher.next_due_ms(), kNow + 330'000);
}

TEST_F(DispatcherFixture, AnAlertThatIsOldAlreadyIsDueAtOnce) {
  dispatcher.configure(config_of(" receiver: a\n group_wait: 30s\n"), store, {kNow, kNow});
  put(alert_of({{"job", "x"}}, kNow - 30'001));
  EXPECT_EQ(due(kNow), std::vector<std::string>{"{}:{}"});
}

TEST_F(DispatcherFixture, OneThatWasToldIsOverLeavesAndComesBack) {
  dispatcher.configure(config_of(" receiver: a\n group_by: ['...']\n group_wait: 30s\n"), store,
                       {kNow, kNow});
  put(alert_of({{"job", "x"}}, kNow, kNow + 1));
  const auto groups = dispatcher.take_due(kNow + 30'000, 100);
  ASSERT_EQ(groups.size(), 1U);
  StoredAlert& alert = *groups[0]->alerts.at(0);
  dispatcher.remove(*groups[0], alert);
  EXPECT_TRUE(groups[0]->alerts.empty());
  dispatcher.collect_empty();
  EXPECT_EQ(dispatcher.groups(), 0U);
  put(alert_of({{"job", "x"}}, kNow + 60'000), kNow + 60'000);
  EXPECT_EQ(dispatcher.groups(), 1U);
  EXPECT_EQ(dispatcher.next_due_ms(), kNow + 90'000);
}

TEST_F(DispatcherFixture, RemovingKeepsThePlacesOfOthers) {
  dispatcher.configure(config_of(" receiver: a\n"), store, {kNow, kNow});
  for (int i = 0; i < 10; ++i) put(alert_of({{"n", std::to_string(i)}}, kNow));
  const auto groups = dispatcher.take_due(kNow + 30'000, 100);
  Group& group = *groups.at(0);
  while (!group.alerts.empty()) {
    dispatcher.remove(group, *group.alerts[group.alerts.size() / 2]);
    for (uint32_t i = 0; i < group.alerts.size(); ++i) {
      EXPECT_EQ(group.alerts[i]->member_of.at(0).index, i);
    }
  }
}

TEST_F(DispatcherFixture, GroupsOfRoutesThatStayGoOnOverAReload) {
  const std::string routes =
      " receiver: a\n group_by: [job]\n group_interval: 5m\n routes:\n"
      " - matchers: [team=\"x\"]\n   receiver: b\n";
  dispatcher.configure(config_of(routes), store, {kNow, kNow});
  put(alert_of({{"job", "1"}, {"team", "x"}}, kNow));
  put(alert_of({{"job", "2"}}, kNow));
  EXPECT_EQ(due(kNow + 30'000).size(), 2U);
  // The same again: nothing is due anew.
  dispatcher.configure(config_of(routes), store, {kNow + 60'000, kNow + 60'000});
  EXPECT_EQ(dispatcher.groups(), 2U);
  EXPECT_EQ(dispatcher.next_due_ms(), kNow + 330'000);
  // Another route for one of them: that group is new, the other goes on.
  dispatcher.configure(config_of(" receiver: a\n group_by: [job]\n group_interval: 5m\n routes:\n"
                                 " - matchers: [team=~\"x|y\"]\n   receiver: b\n"),
                       store, {kNow + 70'000, kNow + 70'000});
  EXPECT_EQ(dispatcher.groups(), 2U);
  EXPECT_EQ(dispatcher.next_due_ms(), kNow + 70'000);  // its alert is older than group_wait
  // No such route any more: all alerts are in groups of the root.
  dispatcher.configure(config_of(" receiver: b\n group_by: [job]\n"), store,
                       {kNow + 80'000, kNow + 80'000});
  size_t alerts = 0;
  dispatcher.each_group([&](const auto& group) { alerts += group->alerts.size(); });
  EXPECT_EQ(alerts, 2U);
  // A shorter interval holds at once.
  dispatcher.configure(config_of(" receiver: b\n group_by: [job]\n group_interval: 1s\n"), store,
                       {kNow + 90'000, kNow + 90'000});
  EXPECT_LE(dispatcher.next_due_ms(), kNow + 91'000);
}

TEST(NotificationLog, SaysWhatIsNews) {
  const auto needs = [](std::optional<ToldAlerts> before, ToldAlerts now, bool resolved = true,
                        int64_t ago_ms = 1000) {
    NotificationLogEntry entry;
    if (before) entry.told = *before;
    entry.time_ms = kNow - ago_ms;
    return needs_notification(before ? &entry : nullptr, now, resolved, 60'000, kNow);
  };
  EXPECT_TRUE(needs({}, {{1}, {}}));
  EXPECT_FALSE(needs({}, {{}, {1}}));  // it never heard of it
  EXPECT_FALSE(needs(ToldAlerts{{1}, {}}, {{1}, {}}));
  EXPECT_TRUE(needs(ToldAlerts{{1}, {}}, {{1, 2}, {}}));
  EXPECT_FALSE(needs(ToldAlerts{{1, 2}, {}}, {{1}, {}}));  // one is hidden now
  EXPECT_TRUE(needs(ToldAlerts{{1, 2}, {}}, {{1}, {2}}));
  EXPECT_FALSE(needs(ToldAlerts{{1, 2}, {}}, {{1}, {2}}, false));
  EXPECT_TRUE(needs(ToldAlerts{{1}, {}}, {{}, {1}}));
  EXPECT_TRUE(needs(ToldAlerts{{1}, {}}, {{}, {1}}, false));  // so that it is forgotten
  EXPECT_FALSE(needs(ToldAlerts{{}, {1}}, {{}, {1}}));
  EXPECT_TRUE(needs(ToldAlerts{{1}, {}}, {{1}, {}}, true, 60'001));
  // One that lost its data is told anew, and when it is back.
  EXPECT_TRUE(needs(ToldAlerts{{1}, {}}, {{told_hash(1, true)}, {}}));
  EXPECT_TRUE(needs(ToldAlerts{{told_hash(1, true)}, {}}, {{1}, {}}));
}

}  // namespace
}  // namespace gatehouse::alerts
