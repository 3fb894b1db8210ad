#include "gateway/limits.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "base/case_file_for_test.h"
#include "base/random.h"

namespace gatehouse::gateway {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

class LimitDriver : public CaseDriver {
 public:
  std::string run(const Step& step) override {
    if (step.verb == "key" || step.verb == "model" || step.verb == "gate") return configure(step);
    if (step.verb == "clock") {
      start_ns_ = parse_time_ns(step.rest).value();
      return "";
    }
    const Instant now = instant(step.duration_ms("at", last_ms_));
    last_ms_ = step.duration_ms("at", last_ms_);
    if (step.verb == "reserve") return reserve_one(step, now);
    if (step.verb == "settle") {
      held_.at(step.words[0]).settle(step.integer("tokens"), step.integer("money"), now);
      held_.erase(step.words[0]);
      return "";
    }
    if (step.verb == "release") {
      held_.erase(step.words[0]);
      return "";
    }
    if (step.verb == "state") return state(now);
    if (step.verb == "spent") {
      const LimitSetPtr set = registry_->find(scope(step.words[0]), "it");
      return std::to_string(set->budget.spent_today(now.wall_ns)) + " " +
             std::to_string(set->budget.spent_this_month(now.wall_ns));
    }
    if (step.verb == "restart") return restart(now);
    if (step.verb == "replay") {
      registry_->apply(scope(step.words[0]), "it", step.integer("tokens"), step.integer("money"),
                       instant(step.duration_ms("ended")).wall_ns, now);
      return "";
    }
    return "unknown step";
  }

 private:
  static LimitScope scope(std::string_view word) {
    return word == "key"    ? LimitScope::kKey
           : word == "gate" ? LimitScope::kGate
                            : LimitScope::kModel;
  }
  Instant instant(int64_t ms) const {
    // Clocks of a machine that has been up for an hour.
    return {3600 * kSecondNs + ms * 1'000'000, start_ns_ + ms * 1'000'000};
  }
  std::string configure(const Step& step) {
    model::Limits limits;
    limits.requests_per_minute = step.integer("requests");
    limits.tokens_per_minute = step.integer("tokens");
    limits.concurrent = step.integer("concurrent");
    limits.daily_nanodollars = step.integer("daily");
    limits.monthly_nanodollars = step.integer("monthly");
    configured_[scope(step.verb)] = limits;
    sets_.clear();
    for (const auto& [of, wanted] : configured_) {
      sets_.push_back(registry_->get(of, "it", wanted));
    }
    return "";
  }
  std::string reserve_one(const Step& step, const Instant& now) {
    Admission admission = reserve(sets_, {step.integer("tokens"), step.integer("money")}, now);
    if (admission.ok()) {
      held_[step.words[0]] = std::move(admission.reservation());
      return "ok";
    }
    const LimitRefusal& why = admission.refusal();
    EXPECT_NE(why.message.find(name(why.kind)), std::string::npos) << why.message;
    std::string out = "refused " + std::string(name(why.scope)) + " " + std::string(name(why.kind));
    if (why.retry_after_ms < 0) return out + " never";
    out += " retry ";
    append_reset(out, why.retry_after_ms);
    return out;
  }
  std::string state(const Instant& now) {
    const RateState rates = rate_state(sets_, now.steady_ns);
    std::string out =
        std::to_string(rates.remaining_requests) + "/" + std::to_string(rates.limit_requests) + " ";
    append_reset(out, rates.reset_requests_ms);
    out += " " + std::to_string(rates.remaining_tokens) + "/" + std::to_string(rates.limit_tokens) +
           " ";
    append_reset(out, rates.reset_tokens_ms);
    return out;
  }
  std::string restart(const Instant& now) {
    const std::string bytes = registry_->snapshot(now, 42);
    held_.clear();
    registry_ = std::make_unique<LimitRegistry>();
    const auto position = registry_->restore(bytes, now);
    EXPECT_TRUE(position.ok());
    EXPECT_EQ(position.value_or(0), 42u);
    sets_.clear();
    for (const auto& [of, limits] : configured_) sets_.push_back(registry_->get(of, "it", limits));
    return "";
  }

  std::unique_ptr<LimitRegistry> registry_ = std::make_unique<LimitRegistry>();
  std::map<LimitScope, model::Limits> configured_;
  std::vector<LimitSetPtr> sets_;
  std::map<std::string, Reservation> held_;
  int64_t start_ns_ = parse_time_ns("2026-03-15T12:00:00Z").value();
  int64_t last_ms_ = 0;
};

TEST(Limits, Cases) {
  run_case_folder("test/gateway/limits", [] { return std::make_unique<LimitDriver>(); });
}

template <typename Body>
void on_threads(int count, Body body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

TEST(Limits, AThousandConcurrentCallsNeverOverspendADollar) {
  model::Limits limits;
  limits.daily_nanodollars = 1'000'000'000;
  const LimitSetPtr set = std::make_shared<LimitSet>(LimitScope::kKey, "k", limits);
  const std::vector<LimitSetPtr> sets = {set};
  std::atomic<int64_t> truly_spent{0};
  std::atomic<int64_t> most{0};
  // 100 threads with 10 calls in flight each; every call reserves up to 5 cents
  // and spends less, until nothing more is admitted.
  on_threads(100, [&](int seed) {
    Random random(static_cast<uint64_t>(seed));
    for (int round = 0; round < 20; ++round) {
      std::vector<Reservation> inflight;
      for (int i = 0; i < 10; ++i) {
        const auto amount = static_cast<int64_t>(random.below(50'000'000)) + 1;
        Admission admission = reserve(sets, {10, amount}, {kSecondNs, kSecondNs});
        if (admission.ok()) inflight.push_back(std::move(admission.reservation()));
      }
      for (Reservation& one : inflight) {
        const auto actual =
            static_cast<int64_t>(random.below(static_cast<uint64_t>(one.reserved().nanodollars)));
        const int64_t total = truly_spent.fetch_add(actual) + actual;
        int64_t seen = most.load();
        while (total > seen && !most.compare_exchange_weak(seen, total)) {
        }
        one.settle(10, actual, {kSecondNs, kSecondNs});
      }
    }
  });
  EXPECT_LE(truly_spent.load(), 1'000'000'000);
  EXPECT_LE(most.load(), 1'000'000'000);
  EXPECT_GT(truly_spent.load(), 900'000'000);  // it was worth racing for
  EXPECT_EQ(set->budget.spent_today(kSecondNs), truly_spent.load());
  EXPECT_EQ(set->budget.reserved(), 0);
  EXPECT_EQ(set->concurrent.active(), 0);
}

TEST(Limits, ExactlyAsManyAsTheLimitUnderContention) {
  model::Limits limits;
  limits.requests_per_minute = 1000;
  limits.daily_nanodollars = 500 * 7;
  const std::vector<LimitSetPtr> rate = {
      std::make_shared<LimitSet>(LimitScope::kKey, "k", model::Limits{1000, 0, 0, 0, 0})};
  const std::vector<LimitSetPtr> money = {
      std::make_shared<LimitSet>(LimitScope::kKey, "k", model::Limits{0, 0, 0, 500 * 7, 0})};
  const std::vector<LimitSetPtr> width = {
      std::make_shared<LimitSet>(LimitScope::kKey, "k", model::Limits{0, 0, 333, 0, 0})};
  std::atomic<int> by_rate{0}, by_money{0}, by_width{0};
  std::mutex mutex;
  std::vector<Reservation> keep;
  on_threads(50, [&](int) {
    for (int i = 0; i < 40; ++i) {
      for (auto [sets, count] :
           {std::pair{&rate, &by_rate}, {&money, &by_money}, {&width, &by_width}}) {
        Admission admission = reserve(*sets, {0, 7}, {kSecondNs, kSecondNs});
        if (!admission.ok()) continue;
        ++*count;
        const std::lock_guard lock(mutex);
        keep.push_back(std::move(admission.reservation()));
      }
    }
  });
  EXPECT_EQ(by_rate.load(), 1000);
  EXPECT_EQ(by_money.load(), 500);
  EXPECT_EQ(by_width.load(), 333);
}

TEST(Limits, MidnightUnderLoadKeepsEveryDollarInExactlyOneDay) {
  Budget budget;
  budget.set_limits(1'000'000, 0);
  const int64_t midnight_ns = 86'400 * kSecondNs;
  std::atomic<int64_t> spent{0};
  std::atomic<int64_t> clock{midnight_ns - 2000};
  on_threads(8, [&](int) {
    for (int i = 0; i < 2000; ++i) {
      const int64_t now = clock.fetch_add(1);
      if (budget.reserve(1000, now) != Budget::Refusal::kNone) continue;
      spent.fetch_add(600);
      budget.settle(1000, 600, clock.load());
    }
  });
  EXPECT_EQ(budget.reserved(), 0);
  EXPECT_LE(budget.spent_today(clock.load()), 1'000'000);
  EXPECT_EQ(budget.spent_this_month(clock.load()), spent.load());
  EXPECT_GT(spent.load(), 1'000'000);  // both days were spent from
  EXPECT_LE(spent.load(), 2'000'000);
}

TEST(Limits, DamagedSnapshotsRestoreNothing) {
  LimitRegistry registry;
  registry.get(LimitScope::kKey, "k", {})->budget.settle(0, 5, kSecondNs);
  const std::string good = registry.snapshot({kSecondNs, kSecondNs}, 7);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    LimitRegistry fresh;
    EXPECT_FALSE(fresh.restore(bad, {}).ok());
    EXPECT_FALSE(fresh.restore(std::string_view(good).substr(0, i), {}).ok());
    EXPECT_EQ(fresh.find(LimitScope::kKey, "k"), nullptr);
  }
}

TEST(Limits, RegistrySharesOneSetAndFollowsTheConfiguration) {
  LimitRegistry registry;
  std::vector<LimitSetPtr> seen(16);
  on_threads(16, [&](int i) {
    model::Limits limits;
    limits.concurrent = 3;
    seen[static_cast<size_t>(i)] = registry.get(LimitScope::kModel, "m", limits);
  });
  for (const LimitSetPtr& set : seen) EXPECT_EQ(set, seen[0]);
  EXPECT_EQ(registry.find(LimitScope::kKey, "m"), nullptr);
  model::Limits wider;
  wider.concurrent = 9;
  registry.get(LimitScope::kModel, "m", wider);
  EXPECT_EQ(seen[0]->concurrent.limit(), 9);
  registry.erase(LimitScope::kModel, "m");
  EXPECT_EQ(registry.find(LimitScope::kModel, "m"), nullptr);
}

TEST(Limits, MovedReservationsSettleOnce) {
  const std::vector<LimitSetPtr> sets = {
      std::make_shared<LimitSet>(LimitScope::kKey, "k", model::Limits{10, 100, 1, 0, 0})};
  Reservation outer;
  {
    Admission admission = reserve(sets, {40, 0}, {kSecondNs, kSecondNs});
    ASSERT_TRUE(admission.ok());
    outer = std::move(admission.reservation());
  }
  EXPECT_EQ(sets[0]->concurrent.active(), 1);
  outer.settle(60, 0, {kSecondNs, kSecondNs});
  outer.release();
  EXPECT_EQ(sets[0]->concurrent.active(), 0);
  EXPECT_EQ(sets[0]->tokens.remaining(kSecondNs), 40);
  EXPECT_EQ(sets[0]->requests.remaining(kSecondNs), 9);
}

}  // namespace
}  // namespace gatehouse::gateway
