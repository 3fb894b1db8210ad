#include "store/metric_store.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "store/simulated_disk.h"
#include "store/wal/wal_reader.h"

namespace gatehouse::store {
namespace {

using model::Matcher;

class HandClock : public model::Clock {
 public:
  int64_t wall_ns() const override { return now_ms * 1'000'000; }
  int64_t steady_ns() const override { return now_ms * 1'000'000; }
  int64_t now_ms = 1'700'000'000'000;
};

class MetricStoreTest : public testing::Test {
 protected:
  MetricStoreTest() : disk_(1) {
    options_.directory = "/store";
    options_.background = false;
    options_.disk = &disk_;
    options_.clock = &clock_;
    options_.retention_ms = 0;
    open();
  }
  void open() {
    store_.reset();
    auto opened = MetricStore::open(budget_, options_);
    ASSERT_TRUE(opened.ok()) << opened.status().to_string();
    store_ = std::move(*opened);
  }
  // As a kill -9 does.
  void open_after_kill() {
    disk_.end_process();
    open();
  }

  Result<model::AppendOutcome> append(const model::Labels& labels,
                                      std::vector<model::Sample> samples,
                                      std::vector<model::HistogramSample> histograms = {},
                                      int64_t window_ms = -1) {
    std::vector<model::LabelView> views;
    for (const auto& [name, value] : labels.pairs()) views.push_back({name, value});
    model::SeriesAppend one;
    one.labels = views;
    one.samples = samples;
    one.histograms = histograms;
    model::AppendOptions append_options;
    append_options.out_of_order_ms = window_ms;
    return store_->append(std::span(&one, 1), append_options);
  }

  // "{labels} time:value time:value; ..." by labels.
  std::string read(std::vector<Matcher> matchers, model::TimeRangeMs range = {}) {
    model::QueryContext context(budget_, INT64_MAX, INT64_MAX);
    auto set = store_->select(matchers, range, model::SeriesOrder::kByLabels, context);
    if (!set.ok()) return set.status().to_string();
    std::string out;
    model::SampleColumns columns;
    for (size_t i = 0; i < (*set)->size(); ++i) {
      if (!out.empty()) out += "; ";
      std::vector<model::Labels::Pair> pairs;
      for (const auto& label : (*set)->labels(i)) pairs.emplace_back(label.name, label.value);
      out += model::Labels(pairs).to_string();
      const Status status = (*set)->samples(i, columns);
      if (!status.ok()) return status.to_string();
      for (size_t at = 0; at < columns.size(); ++at) {
        out += " " + std::to_string(columns.times_ms[at] - kStart) + ":";
        if (!columns.histograms.empty() && columns.histograms[at] != nullptr) {
          out += "h" + std::to_string(static_cast<int>(columns.histograms[at]->count));
        } else {
          out += std::to_string(static_cast<int>(columns.values[at]));
        }
        if (!columns.starts_ms.empty() && columns.starts_ms[at] != 0) {
          out += "@" + std::to_string(columns.starts_ms[at] - kStart);
        }
      }
    }
    return out;
  }
  static Matcher equal(std::string name, std::string value) {
    return *Matcher::create(Matcher::Op::kEqual, std::move(name), std::move(value));
  }
  static Matcher with(Matcher::Op op, std::string name, std::string value) {
    return *Matcher::create(op, std::move(name), std::move(value));
  }

  static constexpr int64_t kStart = 1'700'000'000'000 - 3'600'000;
  SimulatedDisk disk_;
  HandClock clock_;
  MemoryBudget budget_{int64_t{1} << 30};
  MetricStoreOptions options_;
  std::unique_ptr<MetricStore> store_;
};

TEST_F(MetricStoreTest, TakesSamplesByTheRules) {
  const model::Labels up{{"__name__", "up"}};
  auto outcome = append(up, {{kStart + 2'400'000, 1, 0}});
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->samples, 1u);
  // The same again is nothing; another value at its time is refused.
  EXPECT_EQ(append(up, {{kStart + 2'400'000, 1, 0}})->refused(), 0u);
  EXPECT_EQ(append(up, {{kStart + 2'400'000, 2, 0}})->duplicate, 1u);
  // Out of order within the window; again; with another value; behind it.
  EXPECT_EQ(append(up, {{kStart + 2'000'000, 5, 0}})->samples, 1u);
  EXPECT_EQ(append(up, {{kStart + 2'000'000, 5, 0}})->refused(), 0u);
  EXPECT_EQ(append(up, {{kStart + 2'000'000, 6, 0}})->duplicate, 1u);
  EXPECT_EQ(append(up, {{kStart + 500'000, 6, 0}})->too_old, 1u);
  EXPECT_EQ(append(up, {{kStart + 2'300'000, 6, 0}}, {}, 0)->out_of_order, 1u);
  // Ahead of the clock.
  outcome = append(up, {{clock_.now_ms + 11 * 60'000, 6, 0}});
  EXPECT_EQ(outcome->too_new, 1u);
  EXPECT_NE(outcome->first_refusal.find("future"), std::string::npos) << outcome->first_refusal;
  EXPECT_EQ(read({equal("__name__", "up")}), "{__name__=\"up\"} 2000000:5 2400000:1");
}

TEST_F(MetricStoreTest, RefusesWhatIsNoSeries) {
  const auto refused = [&](std::vector<model::LabelView> labels) {
    model::SeriesAppend one;
    const model::Sample sample{kStart, 1, 0};
    one.labels = labels;
    one.samples = std::span(&sample, 1);
    const auto outcome = store_->append(std::span(&one, 1), {});
    return outcome.ok() ? outcome->invalid : 99;
  };
  EXPECT_EQ(refused({}), 1u);
  EXPECT_EQ(refused({{"b", "1"}, {"a", "1"}}), 1u);
  EXPECT_EQ(refused({{"a", "1"}, {"a", "1"}}), 1u);
  EXPECT_EQ(refused({{"a", ""}}), 1u);
  EXPECT_EQ(refused({{"a", "\xff"}}), 1u);
  const std::string large(1 << 20, 'x');
  EXPECT_EQ(refused({{"a", large}}), 1u);
  std::vector<std::string> names;
  for (int i = 0; i < 10'000; ++i) names.push_back("l" + std::to_string(100'000 + i));
  std::vector<model::LabelView> many;
  for (const std::string& name : names) many.push_back({name, "v"});
  EXPECT_EQ(refused(many), 1u);
  EXPECT_EQ(store_->stats().head.series, 0u);
}

TEST_F(MetricStoreTest, SelectsByAllKindsOfMatchers) {
  for (const char* job : {"api", "web", "db"}) {
    for (const char* env : {"prod", "test"}) {
      ASSERT_TRUE(append({{"__name__", "m"}, {"env", env}, {"job", job}}, {{kStart, 1, 0}}).ok());
    }
  }
  ASSERT_TRUE(append({{"__name__", "m"}, {"job", "none"}}, {{kStart, 1, 0}}).ok());
  const auto count = [&](std::vector<Matcher> matchers) {
    model::QueryContext context(budget_, INT64_MAX, INT64_MAX);
    return (*store_->select(matchers, {}, model::SeriesOrder::kAny, context))->size();
  };
  using Op = Matcher::Op;
  EXPECT_EQ(count({equal("__name__", "m")}), 7u);
  EXPECT_EQ(count({equal("__name__", "m"), equal("env", "")}), 1u);
  EXPECT_EQ(count({equal("__name__", "m"), with(Op::kNotEqual, "env", "")}), 6u);
  EXPECT_EQ(count({equal("__name__", "m"), with(Op::kNotEqual, "env", "prod")}), 4u);
  EXPECT_EQ(count({with(Op::kRegex, "job", "api|db")}), 4u);
  EXPECT_EQ(count({with(Op::kRegex, "job", "(a|w).*"), equal("env", "test")}), 2u);
  EXPECT_EQ(count({equal("__name__", "m"), with(Op::kNotRegex, "job", "a.*|web")}), 3u);
  EXPECT_EQ(count({equal("__name__", "m"), with(Op::kRegex, "env", "prod|")}), 4u);
  EXPECT_EQ(count({equal("__name__", "n")}), 0u);
  model::QueryContext context(budget_, INT64_MAX, INT64_MAX);
  EXPECT_EQ(*store_->label_names({}, {}, 0, context),
            (std::vector<std::string>{"__name__", "env", "job"}));
  EXPECT_EQ(*store_->label_values("job", {}, {}, 0, context),
            (std::vector<std::string>{"api", "db", "none", "web"}));
  const std::vector<Matcher> prod{equal("env", "prod")};
  EXPECT_EQ(*store_->label_values("job", prod, {}, 2, context),
            (std::vector<std::string>{"api", "db"}));
}

TEST_F(MetricStoreTest, KnowsValuesThatCameAfterItWasAsked) {
  const auto values = [&] {
    model::QueryContext context(budget_, INT64_MAX, INT64_MAX);
    return *store_->label_values("job", {}, {}, 0, context);
  };
  EXPECT_TRUE(values().empty());
  ASSERT_TRUE(append({{"job", "m"}}, {{kStart, 1, 0}}).ok());
  EXPECT_EQ(values(), (std::vector<std::string>{"m"}));
  ASSERT_TRUE(append({{"job", "z"}}, {{kStart, 1, 0}}).ok());
  ASSERT_TRUE(append({{"job", "a"}}, {{kStart, 1, 0}}).ok());
  EXPECT_EQ(values(), (std::vector<std::string>{"a", "m", "z"}));
}

// As many labels as a series may have, and a snapshot once nothing has come for a while.
TEST_F(MetricStoreTest, WritesTheHeadOutWhenItIsQuiet) {
  std::vector<model::Labels::Pair> pairs;
  for (int i = 0; i < 128; ++i) pairs.emplace_back("l" + std::to_string(1000 + i), "v");
  ASSERT_EQ(append(model::Labels(pairs), {{kStart, 1, 0}, {kStart + 1, 2, 0}})->samples, 2u);
  const std::string before = read({equal("l1000", "v")});
  // Enough log to be worth it.
  std::vector<model::Sample> samples;
  for (int i = 0; i < 2000; ++i) samples.push_back({kStart + i, 0.1 + i / 3.0, 0});
  for (int i = 0; store_->stats(0).wal_bytes < (uint64_t{5} << 20); ++i) {
    ASSERT_TRUE(append({{"series", std::to_string(i)}}, samples).ok());
  }
  ASSERT_TRUE(store_->upkeep().ok());
  EXPECT_EQ(store_->stats(0).snapshots, 0u);
  clock_.now_ms += 5'000;
  ASSERT_TRUE(store_->upkeep().ok());
  EXPECT_EQ(store_->stats(0).snapshots, 1u);
  clock_.now_ms += 5'000;
  ASSERT_TRUE(store_->upkeep().ok());
  EXPECT_EQ(store_->stats(0).snapshots, 1u);
  const std::string other = read({equal("series", "0")});
  open_after_kill();
  EXPECT_EQ(store_->recovery().samples, 0u);
  EXPECT_EQ(read({equal("l1000", "v")}), before);
  EXPECT_EQ(read({equal("series", "0")}), other);
}

TEST_F(MetricStoreTest, KeepsEverythingAcrossAKill) {
  model::NativeHistogram histogram;
  histogram.whole = true;
  histogram.count = 7;
  histogram.sum = 3.5;
  histogram.zero_count = 2;
  histogram.positive_spans = {{0, 2}};
  histogram.positive_buckets = {4, 1};
  const model::Labels h{{"__name__", "h"}};
  const model::Labels f{{"__name__", "f"}};
  for (int round = 0; round < 3; ++round) {
    const int64_t base = kStart + round * 1'000'000;
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(append(f, {{base + i * 1000, static_cast<double>(i), base}})->samples, 1u);
    }
    ASSERT_EQ(append(f, {{base + 500, 77, 0}})->samples, 1u);
    ASSERT_EQ(append(h, {}, {{base, histogram, base - 5}})->histograms, 1u);
    ASSERT_EQ(append(h, {{base + 10, 1, 0}})->samples, 1u);
    const std::string before_f = read({equal("__name__", "f")});
    const std::string before_h = read({equal("__name__", "h")});
    if (round == 1) {
      ASSERT_TRUE(store_->snapshot_head().ok());
    }
    open_after_kill();
    EXPECT_EQ(read({equal("__name__", "f")}), before_f);
    EXPECT_EQ(read({equal("__name__", "h")}), before_h);
  }
  EXPECT_NE(read({equal("__name__", "h")}).find("0:h7@-5 10:1 1000000:h7@999995"),
            std::string::npos);
}

TEST_F(MetricStoreTest, FlushesDeletesAndReadsBothAsOne) {
  const model::Labels a{{"__name__", "m"}, {"i", "a"}};
  const model::Labels b{{"__name__", "m"}, {"i", "b"}};
  clock_.now_ms = kStart;
  for (int i = 0; i < 100; ++i) {
    clock_.now_ms += 300'000;
    ASSERT_EQ(append(a, {{clock_.now_ms, static_cast<double>(i), 0}})->samples, 1u);
    if (i < 20) {
      ASSERT_EQ(append(b, {{clock_.now_ms, static_cast<double>(i), 0}})->samples, 1u);
    }
  }
  const std::string before = read({equal("__name__", "m")});
  ASSERT_TRUE(store_->upkeep().ok());
  EXPECT_GT(store_->stats().blocks.size(), 0u);
  EXPECT_EQ(store_->stats().head.series, 1u);
  EXPECT_EQ(read({equal("__name__", "m")}), before);
  // The series that ended comes again, in the head alone.
  ASSERT_EQ(append(b, {{clock_.now_ms, 5, 0}})->samples, 1u);
  const std::string with_b = read({equal("__name__", "m")});
  open_after_kill();
  EXPECT_EQ(read({equal("__name__", "m")}), with_b);
  const std::vector<Matcher> only_b{equal("i", "b")};
  ASSERT_TRUE(store_->delete_series(only_b, {}).ok());
  EXPECT_EQ(read({equal("__name__", "m"), equal("i", "b")}, {}).find(":"), std::string::npos);
  ASSERT_TRUE(store_->clean_tombstones().ok());
  open_after_kill();
  EXPECT_EQ(read({equal("i", "b")}).find(":"), std::string::npos);
  EXPECT_EQ(read({equal("i", "a")}), before.substr(0, before.find("; ")));
}

TEST_F(MetricStoreTest, SetsDamageAsideAndServesTheRest) {
  for (int i = 0; i < 50; ++i) {
    const model::Labels one{{"__name__", "m" + std::to_string(i)}};
    ASSERT_EQ(append(one, {{kStart, 1, 0}})->samples, 1u);
  }
  disk_.end_process();
  store_.reset();
  std::string* segment = nullptr;
  for (const std::string& path : disk_.paths()) {
    if (path.ends_with(".wal")) segment = disk_.bytes(path);
  }
  ASSERT_NE(segment, nullptr);
  (*segment)[segment->size() / 2] ^= 0x10;
  const std::string half = *segment;
  open();
  EXPECT_EQ(store_->recovery().damaged.size(), 1u);
  EXPECT_GE(store_->stats().head.series, 40u);
  EXPECT_LT(store_->stats().head.series, 50u);
  EXPECT_NE(store_->problem().find("damaged"), std::string::npos);
  const uint64_t series = store_->stats().head.series;
  ASSERT_TRUE(store_->upkeep().ok());
  open_after_kill();
  EXPECT_EQ(store_->stats().head.series, series);
  EXPECT_EQ(store_->recovery().damaged.size(), 0u);
}

TEST_F(MetricStoreTest, StaysWithinItsMemory) {
  budget_.set_limit_bytes(budget_.used_bytes() + (8 << 20));
  uint64_t made = 0;
  Status refusal;
  for (int i = 0; i < 200'000 && refusal.ok(); ++i) {
    const auto outcome =
        append({{"__name__", "burst"}, {"id", std::to_string(i)}}, {{kStart, 1, 0}});
    if (outcome.ok()) {
      ++made;
    } else {
      refusal = outcome.status();
    }
  }
  EXPECT_EQ(refusal.code(), Code::kResourceExhausted);
  EXPECT_GT(made, 100u);
  EXPECT_LE(budget_.used_bytes(), budget_.limit_bytes());
  // Those that are known still come in.
  EXPECT_EQ(append({{"__name__", "burst"}, {"id", "1"}}, {{kStart + 1000, 2, 0}})->samples, 1u);
}

TEST_F(MetricStoreTest, WhatFindsNoRoomLeavesNothingBehind) {
  const model::Labels known{{"__name__", "known"}};
  ASSERT_TRUE(append(known, {{kStart, 1, 0}}).ok());
  // Three quarters of it are in use.
  budget_.set_limit_bytes(budget_.used_bytes() * 4 / 3);
  const std::string large(15'000, 'x');
  const auto push = [&](int64_t at) {
    const std::vector<model::LabelView> of_known = {{"__name__", "known"}};
    std::vector<std::string> texts;
    for (int i = 0; i < 100; ++i) texts.push_back(std::to_string(at + i) + large);
    std::vector<std::vector<model::LabelView>> of_new;
    for (const std::string& text : texts) of_new.push_back({{"__name__", "new"}, {"v", text}});
    const model::Sample sample{at, 2, 0};
    std::vector<model::SeriesAppend> batch(101);
    for (size_t i = 0; i < 100; ++i) {
      batch[i].labels = of_new[i];
      batch[i].samples = {&sample, 1};
    }
    batch[100].labels = of_known;
    batch[100].samples = {&sample, 1};
    return store_->append(batch, {}).status();
  };
  const int64_t used_before = budget_.used_bytes();
  const uint64_t pairs_before = store_->stats().head.label_pairs;
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(push(kStart + i * 1000).code(), Code::kResourceExhausted);
  }
  EXPECT_EQ(store_->stats().head.series, 1u);
  EXPECT_EQ(store_->stats().head.label_pairs, pairs_before);
  EXPECT_LT(budget_.used_bytes() - used_before, 1 << 20);
  // What is known comes in with each of them, and may be sent again.
  EXPECT_EQ(read({equal("__name__", "known")}),
            "{__name__=\"known\"} 0:1 1000:2 2000:2 3000:2 4000:2 5000:2");
  budget_.set_limit_bytes(int64_t{1} << 30);
  EXPECT_TRUE(push(kStart + 5000).ok());
  EXPECT_EQ(store_->stats().head.series, 101u);
}

TEST_F(MetricStoreTest, AFullDiskRefusesAndLosesNothing) {
  const model::Labels up{{"__name__", "up"}};
  ASSERT_TRUE(append(up, {{kStart, 1, 0}}).ok());
  SimulatedDisk::Faults full;
  full.capacity_bytes = disk_.used_bytes() + 5;
  disk_.set_faults(full);
  EXPECT_EQ(append(up, {{kStart + 1000, 2, 0}}).status().code(), Code::kResourceExhausted);
  EXPECT_EQ(read({equal("__name__", "up")}), "{__name__=\"up\"} 0:1");
  disk_.set_faults({});
  EXPECT_TRUE(append(up, {{kStart + 1000, 2, 0}}).ok());
  open_after_kill();
  EXPECT_EQ(read({equal("__name__", "up")}), "{__name__=\"up\"} 0:1 1000:2");
}

TEST_F(MetricStoreTest, KeepsExemplarsAndMetadata) {
  std::vector<model::LabelView> views{{"__name__", "m"}};
  const model::Exemplar exemplar{{{"trace_id", "abc"}}, kStart, 0.5};
  const model::MetricMetadata metadata{model::SampleType::kCounter, "Help.", "seconds"};
  const model::Sample sample{kStart, 1, 0};
  model::SeriesAppend one;
  one.labels = views;
  one.samples = std::span(&sample, 1);
  one.exemplars = std::span(&exemplar, 1);
  one.metadata = &metadata;
  ASSERT_EQ(store_->append(std::span(&one, 1), {})->exemplars, 1u);
  store_->describe("n", metadata);
  for (int start = 0; start < 2; ++start) {
    model::Selector selector;
    selector.matchers.push_back(equal("__name__", "m"));
    const auto found = *store_->exemplars(std::span(&selector, 1), {});
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].exemplars[0].labels[0].second, "abc");
    EXPECT_EQ(store_->metadata("", 0).size(), 2u);
    EXPECT_EQ(store_->metadata("m", 0).at(0).second, metadata);
    if (start == 0) {
      ASSERT_TRUE(store_->snapshot_head().ok());
    }
    open_after_kill();
  }
}

TEST_F(MetricStoreTest, TheLogCanBeFollowedAcrossStarts) {
  auto reader = std::make_unique<WalReader>(store_->head(), *store_->wal(), disk_, "out");
  const model::Labels up{{"__name__", "up"}};
  WalBatch batch;
  ASSERT_TRUE(reader->next(batch).ok());
  EXPECT_TRUE(batch.empty());
  ASSERT_TRUE(append(up, {{kStart, 1, 0}}).ok());
  ASSERT_TRUE(reader->next(batch).ok());
  ASSERT_EQ(batch.floats.size(), 1u);
  std::vector<model::LabelView> labels;
  ASSERT_TRUE(reader->labels_of(batch.floats[0].shard, batch.floats[0].slot, labels));
  EXPECT_EQ(labels[0].value, "up");
  const WalPlace place = reader->place();
  ASSERT_TRUE(append(up, {{kStart + 1, 2, 0}}).ok());
  ASSERT_TRUE(store_->snapshot_head().ok());
  ASSERT_TRUE(append(up, {{kStart + 2, 3, 0}}).ok());
  EXPECT_GT(reader->behind_bytes(), 0u);
  reader.reset();
  open_after_kill();
  WalReader again(store_->head(), *store_->wal(), disk_, "out", place);
  std::vector<double> values;
  for (;;) {
    ASSERT_TRUE(again.next(batch).ok());
    if (batch.empty()) break;
    for (const WalBatch::Float& sample : batch.floats) values.push_back(sample.value);
  }
  EXPECT_EQ(values, (std::vector<double>{2, 3}));
  EXPECT_EQ(again.missed_bytes(), 0u);
  EXPECT_EQ(again.behind_bytes(), 0u);
}

// Readers, writers and upkeep at once, on the machine's threads: what is read is
// always a prefix of what was written.
TEST(MetricStoreThreads, ReadWhileItIsWritten) {
  SimulatedDisk disk(2);
  MemoryBudget budget(int64_t{1} << 30);
  MetricStoreOptions options;
  options.directory = "/store";
  options.disk = &disk;
  options.retention_ms = 0;
  options.snapshot_wal_bytes = 1 << 16;
  auto store = *MetricStore::open(budget, options);
  ASSERT_TRUE(store->wait_ready(10'000));
  std::atomic<bool> done{false};
  std::atomic<int> failures{0};
  const int64_t base = model::system_clock().wall_ns() / 1'000'000 - 12 * 3'600'000;
  std::vector<std::thread> threads;
  for (int writer = 0; writer < 2; ++writer) {
    threads.emplace_back([&, writer] {
      const std::string id = std::to_string(writer);
      const std::vector<model::LabelView> views{{"__name__", "m"}, {"id", id}};
      for (int i = 0; i < 2'500; ++i) {
        const model::Sample sample{base + i * 15'000, static_cast<double>(i), 0};
        model::SeriesAppend one;
        one.labels = views;
        one.samples = std::span(&sample, 1);
        model::AppendOptions wide;
        wide.out_of_order_ms = 24 * 3'600'000;
        const auto outcome = store->append(std::span(&one, 1), wide);
        if (!outcome.ok() || outcome->samples != 1) ++failures;
      }
    });
  }
  threads.emplace_back([&] {
    while (!done) {
      (void)store->upkeep();
      std::this_thread::yield();
    }
  });
  threads.emplace_back([&] {
    const Matcher all = *Matcher::create(Matcher::Op::kEqual, "__name__", "m");
    model::SampleColumns columns;
    while (!done) {
      model::QueryContext context(budget, INT64_MAX, INT64_MAX);
      auto set = store->select(std::span(&all, 1), {}, model::SeriesOrder::kAny, context);
      if (!set.ok()) ++failures;
      for (size_t i = 0; set.ok() && i < (*set)->size(); ++i) {
        if (!(*set)->samples(i, columns).ok()) ++failures;
        for (size_t at = 0; at < columns.size(); ++at) {
          if (columns.values[at] != static_cast<double>(at)) {
            ++failures;
            break;
          }
        }
      }
    }
  });
  threads[0].join();
  threads[1].join();
  done = true;
  threads[2].join();
  threads[3].join();
  EXPECT_EQ(failures, 0);
  store->finish();
}

// A flush of nothing must not leave a begin before all times: the head would never be
// flushed again.
TEST_F(MetricStoreTest, AHeadThatWasFlushedWhileEmptyIsFlushedLater) {
  ASSERT_TRUE(store_->flush_before(clock_.now_ms).ok());
  const model::Labels up{{"__name__", "up"}};
  for (int64_t hour = 0; hour < 6; ++hour) {
    ASSERT_EQ(append(up, {{clock_.now_ms, 1, 0}})->samples, 1u);
    clock_.now_ms += 3'600'000;
  }
  ASSERT_TRUE(store_->upkeep().ok());
  EXPECT_FALSE(store_->stats(0).blocks.empty());
}

}  // namespace
}  // namespace gatehouse::store
