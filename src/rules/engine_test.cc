#include "rules/engine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <thread>

#include "lang/promql/memory_series.h"

namespace gatehouse::rules {
namespace {

using namespace std::chrono_literals;

bool wait_for(const std::function<bool()>& condition, std::chrono::seconds patience = 10s) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

// A store in memory that can be made slow, and counts who reads it at a time.
class TestStore : public model::SampleAppender, public model::SampleReader {
 public:
  Result<model::AppendOutcome> append(std::span<model::SeriesAppend> batch,
                                      const model::AppendOptions&) override {
    const std::lock_guard lock(mutex_);
    if (full) return resource_exhausted("the disk is full");
    model::AppendOutcome outcome;
    for (model::SeriesAppend& each : batch) {
      std::vector<model::Labels::Pair> pairs;
      for (const auto& [name, value] : each.labels) pairs.emplace_back(name, value);
      for (const model::Sample& sample : each.samples) {
        if (!series_.insert(model::Labels(pairs), sample.time_ms, {sample.value, nullptr, 0})
                 .ok()) {
          ++outcome.duplicate;
        }
        ++outcome.samples;
      }
    }
    return outcome;
  }
  void describe(std::string_view, const model::MetricMetadata&) override {}

  Result<std::unique_ptr<model::SeriesSet>> select(std::span<const model::Matcher> matchers,
                                                   model::TimeRangeMs range,
                                                   model::SeriesOrder order,
                                                   model::QueryContext& context) const override {
    const int now = ++reading_;
    for (int most = reading_most.load();
         now > most && !reading_most.compare_exchange_weak(most, now);) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(slow_ms.load()));
    --reading_;
    const std::lock_guard lock(mutex_);
    ASSIGN_OR_RETURN(const auto set, series_.select(matchers, range, order, context));
    auto copy = std::make_unique<Copy>();
    copy->slow_ms = slow_series_ms;
    for (size_t i = 0; i < set->size(); ++i) {
      const auto labels = set->labels(i);
      copy->names.emplace_back();
      for (const auto& [name, value] : labels) copy->names.back().emplace_back(name, value);
      RETURN_IF_ERROR(set->samples(i, copy->columns.emplace_back()));
    }
    for (const auto& pairs : copy->names) {
      copy->views.emplace_back();
      for (const auto& [name, value] : pairs) copy->views.back().push_back({name, value});
    }
    return std::unique_ptr<model::SeriesSet>(std::move(copy));
  }
  Result<std::vector<std::string>> label_names(std::span<const model::Matcher>, model::TimeRangeMs,
                                               size_t, model::QueryContext&) const override {
    return std::vector<std::string>();
  }
  Result<std::vector<std::string>> label_values(std::string_view, std::span<const model::Matcher>,
                                                model::TimeRangeMs, size_t,
                                                model::QueryContext&) const override {
    return std::vector<std::string>();
  }
  std::vector<std::pair<std::string, model::MetricMetadata>> metadata(std::string_view,
                                                                      size_t) const override {
    return {};
  }
  Result<std::vector<SeriesExemplars>> exemplars(std::span<const model::Selector>,
                                                 model::TimeRangeMs) const override {
    return std::vector<SeriesExemplars>();
  }

  void put(const model::Labels& labels, double value) {
    const std::lock_guard lock(mutex_);
    const Status put =
        series_.insert(labels, model::system_clock().wall_ns() / 1'000'000, {value, nullptr, 0});
    EXPECT_TRUE(put.ok()) << put.message();
  }
  // The value of each series of the metric, at its last sample; stale ones left out.
  std::map<model::Labels, double> last(const std::string& metric) const {
    MemoryBudget budget(1 << 30);
    model::QueryContext context(budget, INT64_MAX, INT64_MAX);
    const std::vector<model::Matcher> matchers = {{model::Matcher::Op::kEqual, "__name__", metric}};
    const std::lock_guard lock(mutex_);
    const auto set = series_.select(matchers, {}, model::SeriesOrder::kAny, context);
    std::map<model::Labels, double> out;
    model::SampleColumns columns;
    for (size_t i = 0; set.ok() && i < (*set)->size(); ++i) {
      EXPECT_TRUE((*set)->samples(i, columns).ok());
      if (columns.empty() || model::is_stale(columns.values.back())) continue;
      std::vector<model::Labels::Pair> pairs;
      for (const auto& [name, value] : (*set)->labels(i)) pairs.emplace_back(name, value);
      out[model::Labels(pairs)] = columns.values.back();
    }
    return out;
  }

  std::atomic<bool> full{false};
  std::atomic<int> slow_ms{0}, slow_series_ms{0};
  mutable std::atomic<int> reading_most{0};

 private:
  // What was selected, out of the reach of later appends.
  struct Copy : model::SeriesSet {
    std::vector<std::vector<std::pair<std::string, std::string>>> names;
    std::vector<std::vector<model::LabelView>> views;
    std::vector<model::SampleColumns> columns;
    size_t size() const override { return views.size(); }
    model::LabelsView labels(size_t i) const override { return views[i]; }
    int64_t slow_ms = 0;
    Status samples(size_t i, model::SampleColumns& out) const override {
      std::this_thread::sleep_for(std::chrono::milliseconds(slow_ms));
      out = columns[i];
      return {};
    }
  };
  mutable std::mutex mutex_;
  mutable std::atomic<int> reading_{0};
  promql::MemorySeries series_;
};

class TestRecords : public model::Appender {
 public:
  Result<model::StreamId> stream(const model::Labels& labels) override {
    EXPECT_EQ(labels, (model::Labels{{"stream", "alerts"}}));
    return model::StreamId{7};
  }
  Result<model::Position> append(std::span<const model::StreamRecord> records) override {
    const std::lock_guard lock(mutex_);
    for (const model::StreamRecord& each : records) {
      EXPECT_EQ(each.stream, 7u);
      records_.emplace_back(each.record);
    }
    return records_.size();
  }
  // "kind alertname" of each.
  std::vector<std::string> said() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const model::OwnedRecord& each : records_) {
      const model::Record record = each.view();
      out.push_back(std::string(record.text("kind")) + " " + std::string(record.text("alertname")));
    }
    return out;
  }
  model::OwnedRecord at(size_t i) const {
    const std::lock_guard lock(mutex_);
    return records_.at(i);
  }

 private:
  mutable std::mutex mutex_;
  std::vector<model::OwnedRecord> records_;
};

class TestNotifier : public model::Notifier {
 public:
  void notify(std::span<const model::Alert> alerts) override {
    const std::lock_guard lock(mutex_);
    alerts_.insert(alerts_.end(), alerts.begin(), alerts.end());
  }
  std::vector<model::Alert> alerts() const {
    const std::lock_guard lock(mutex_);
    return alerts_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<model::Alert> alerts_;
};

class RuleEngineTest : public testing::Test {
 protected:
  void begin(int concurrency = 4) {
    engine = std::make_unique<RuleEngine>(RuleEngineParts{.reader = store,
                                                          .appender = store,
                                                          .records = records,
                                                          .notifier = notifier,
                                                          .budget = budget,
                                                          .registry = registry,
                                                          .clock = model::system_clock()},
                                          concurrency);
  }
  void configure(const std::string& yaml) {
    auto file = read_rule_file(yaml, "rules.yml");
    ASSERT_TRUE(file.ok()) << file.status().message();
    engine->configure(std::move(file->groups), options);
  }
  double counter(std::string_view name) const {
    double sum = 0;
    registry.visit([&](const model::Registry::Family& family) {
      if (family.name != name) return;
      for (const auto& child : family.children) sum += child.counter.value();
    });
    return sum;
  }
  RuleView rule(const std::string& name) const {
    for (const GroupView& group : engine->groups()) {
      for (const RuleView& each : group.rules) {
        if (each.rule->name() == name) return each;
      }
    }
    return {};
  }

  TestStore store;
  TestRecords records;
  TestNotifier notifier;
  MemoryBudget budget{int64_t{1} << 30};
  model::Registry registry;
  EvaluationOptions options;
  std::unique_ptr<RuleEngine> engine;
};

TEST_F(RuleEngineTest, ARuleReadsWhatTheOneBeforeItGaveAndAlertsAreSaidAndWrittenDown) {
  store.put({{"__name__", "load"}, {"host", "a"}}, 3);
  begin();
  EXPECT_FALSE(engine->ready());
  configure(R"(groups: [{name: g, interval: 50ms, rules: [
    {record: doubled, expr: load * 2},
    {alert: High, expr: doubled > 5, labels: {severity: page},
     annotations: {summary: "at {{ $value }}"}}]}])");
  ASSERT_TRUE(wait_for([&] { return engine->ready(); }));
  // In the first evaluation already: both of them.
  EXPECT_EQ(store.last("doubled").size(), 1u);
  ASSERT_TRUE(wait_for([&] { return !notifier.alerts().empty(); }));
  const model::Alert said = notifier.alerts().front();
  EXPECT_EQ(said.labels,
            (model::Labels{{"alertname", "High"}, {"host", "a"}, {"severity", "page"}}));
  EXPECT_GT(said.ends_at_ms, said.starts_at_ms);
  ASSERT_TRUE(wait_for([&] { return records.said().size() >= 1; }));
  EXPECT_EQ(records.said().front(), "firing High");
  const model::OwnedRecord kept = records.at(0);
  EXPECT_EQ(kept.view().text("labels"), R"({"alertname":"High","host":"a","severity":"page"})");
  EXPECT_EQ(kept.view().text("summary"), "at 6");
  EXPECT_EQ(kept.view().text("source"), "rules");
  EXPECT_EQ(kept.view().text("fingerprint").size(), 16u);
  EXPECT_EQ(kept.view().number("value"), 6);
  ASSERT_TRUE(wait_for([&] { return store.last("ALERTS").size() == 1; }));
  EXPECT_EQ(store.last("ALERTS").begin()->first.get("alertstate"), "firing");
  EXPECT_EQ(rule("High").state, AlertState::kFiring);
  EXPECT_EQ(rule("High").alerts.size(), 1u);
  EXPECT_EQ(rule("doubled").health, RuleHealth::kOk);
  EXPECT_TRUE(engine->groups(false)[0].rules[1].alerts.empty());

  store.put({{"__name__", "load"}, {"host", "a"}}, 1);
  ASSERT_TRUE(wait_for([&] { return records.said().back() == "resolved High"; }));
  ASSERT_TRUE(wait_for([&] { return notifier.alerts().back().resolved_at(INT64_MAX - 1); }));
  EXPECT_TRUE(store.last("ALERTS").empty());
}

TEST_F(RuleEngineTest, NoMoreGroupsAtATimeThanAllowed) {
  store.slow_ms = 20;
  store.put({{"__name__", "load"}}, 3);
  begin(2);
  std::string groups;
  for (int i = 0; i < 8; ++i) {
    groups += "- {name: g" + std::to_string(i) + ", interval: 100ms, rules: [{record: r" +
              std::to_string(i) + ", expr: load}]}\n";
  }
  configure("groups:\n" + groups);
  ASSERT_TRUE(wait_for([&] { return engine->ready(); }));
  engine->finish();
  EXPECT_EQ(store.reading_most, 2);
}

TEST_F(RuleEngineTest, EvaluationsThatCannotBeInTimeAreCountedAndLeftOut) {
  store.slow_ms = 120;
  store.put({{"__name__", "load"}}, 3);
  begin();
  configure("groups: [{name: g, interval: 50ms, rules: [{record: r, expr: load}]}]");
  ASSERT_TRUE(wait_for([&] { return engine->groups()[0].missed >= 4; }));
  engine->finish();
  // What was due is what was done, what was missed, and one that finish() may have cut short.
  const double left = counter("prometheus_rule_group_iterations") -
                      counter("prometheus_rule_evaluations") -
                      counter("prometheus_rule_group_iterations_missed");
  EXPECT_TRUE(left == 0 || left == 1) << left;
}

TEST_F(RuleEngineTest, AViewDoesNotWaitForASlowRuleWhoseLastEvaluationIsKnown) {
  store.put({{"__name__", "load"}}, 3);
  store.slow_ms = 200;
  begin();
  configure("groups: [{name: g, interval: 50ms, rules: [{record: r, expr: load}]}]");
  ASSERT_TRUE(wait_for([&] { return engine->ready(); }));
  store.slow_ms = 3'000;
  std::this_thread::sleep_for(400ms);
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(rule("r").health, RuleHealth::kOk);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 1500ms);
  store.slow_ms = 0;
}

TEST_F(RuleEngineTest, AReloadKeepsAlertsOfRulesThatStayAndEndsTheSeriesOfWhatIsGone) {
  store.put({{"__name__", "load"}}, 3);
  begin();
  configure(R"(groups:
- {name: a, interval: 50ms, rules: [{alert: Stays, expr: load > 1}, {alert: Goes, expr: load > 1},
                                     {record: kept, expr: load}, {record: gone, expr: load}]}
- {name: b, interval: 50ms, rules: [{record: other, expr: load}]})");
  ASSERT_TRUE(wait_for([&] { return engine->ready() && store.last("ALERTS").size() == 2; }));
  const int64_t since = rule("Stays").alerts.at(0).active_at_ms;
  configure(R"(groups: [{name: a, interval: 50ms, rules: [{record: kept, expr: load},
                                     {alert: Stays, expr: load > 2}]}])");
  EXPECT_TRUE(engine->ready());
  EXPECT_EQ(engine->groups().size(), 1u);
  ASSERT_TRUE(wait_for([&] {
    return store.last("gone").empty() && store.last("other").empty() &&
           store.last("ALERTS").size() == 1;
  }));
  EXPECT_EQ(store.last("kept").size(), 1u);
  EXPECT_EQ(rule("Stays").alerts.at(0).active_at_ms, since);
  EXPECT_EQ(records.said().back(), "removed Goes");
}

TEST_F(RuleEngineTest, WhatFiredBeforeARestartFiresAfterItWithoutWaiting) {
  const std::string yaml =
      "groups: [{name: g, interval: 100ms, rules: [{alert: High, expr: load > 1, for: 1s}]}]";
  store.put({{"__name__", "load"}}, 3);
  begin();
  configure(yaml);
  ASSERT_TRUE(wait_for([&] { return rule("High").state == AlertState::kFiring; }));
  std::this_thread::sleep_for(1500ms);  // ALERTS_FOR_STATE knows whole seconds
  engine.reset();
  begin();
  configure(yaml);
  ASSERT_TRUE(wait_for([&] { return engine->ready(); }));
  ASSERT_TRUE(wait_for([&] { return rule("High").state == AlertState::kFiring; }, 1s));
}

TEST_F(RuleEngineTest, NeitherTheEndNorAReloadWaitsForARuleThatTakesLong) {
  for (int i = 0; i < 100; ++i) store.put({{"__name__", "load"}, {"n", std::to_string(i)}}, 3);
  store.slow_series_ms = 200;  // twenty seconds together
  begin();
  const std::string yaml = "groups: [{name: g, interval: 50ms, rules: [{record: r, expr: load}]}]";
  const auto begun = std::chrono::steady_clock::now();
  configure(yaml);
  ASSERT_TRUE(wait_for([&] { return counter("prometheus_rule_group_iterations") >= 1; }));
  configure("groups: [{name: g, interval: 50ms, rules: [{record: s, expr: load * 2}]}]");
  ASSERT_TRUE(wait_for([&] { return counter("prometheus_rule_group_iterations") >= 2; }));
  engine->finish();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
  EXPECT_EQ(counter("prometheus_rule_evaluation_failures"), 0);
}

TEST_F(RuleEngineTest, AnErrorIsShownAndAlertsGoOutThoughNothingCanBeStored) {
  store.put({{"__name__", "load"}, {"host", "a"}}, 3);
  store.put({{"__name__", "load"}, {"host", "b"}}, 3);
  store.full = true;
  begin();
  configure(R"(groups: [{name: g, interval: 50ms, rules: [
    {record: bad, expr: load + on () load}, {alert: High, expr: load > 1}]}])");
  ASSERT_TRUE(wait_for([&] { return notifier.alerts().size() >= 2; }));
  EXPECT_EQ(rule("bad").health, RuleHealth::kError);
  EXPECT_NE(rule("bad").last_error.find("many-to-many"), std::string::npos)
      << rule("bad").last_error;
  ASSERT_TRUE(wait_for([&] { return rule("High").last_error == "the disk is full"; }));
  EXPECT_GE(counter("prometheus_rule_evaluation_failures"), 2);
}

}  // namespace
}  // namespace gatehouse::rules
