#include "gateway/breaker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "base/case_file_for_test.h"

namespace gatehouse::gateway {
namespace {

class BreakerDriver : public CaseDriver {
 public:
  std::string run(const Step& step) override {
    now_ms_ = step.has("at") ? kStartMs + step.duration_ms("at") : now_ms_;
    if (step.verb == "breaker") {
      config_.failure_ratio = step.number("ratio", config_.failure_ratio);
      config_.requests_min = static_cast<int>(step.integer("min", config_.requests_min));
      config_.window_ms = step.duration_ms("window", config_.window_ms);
      config_.consecutive_failures =
          static_cast<int>(step.integer("consecutive", config_.consecutive_failures));
      config_.open_ms = step.duration_ms("open", config_.open_ms);
      breaker_ = std::make_unique<CircuitBreaker>(config_);
      return "";
    }
    if (step.verb == "outliers") return find_outliers(step);
    if (step.verb == "ok" || step.verb == "fail") {
      for (int i = 0; i < std::stoi(step.words[0]); ++i) {
        const auto permit = breaker_->allow(now_ms_);
        if (step.verb == "ok") {
          breaker_->on_success(permit, now_ms_);
        } else {
          breaker_->on_failure(permit, now_ms_, step.duration_ms("wait"));
        }
      }
      return "";
    }
    if (step.verb == "allow") {
      const bool foretold = breaker_->would_allow(now_ms_);
      const auto permit = breaker_->allow(now_ms_);
      EXPECT_EQ(permit.allowed, foretold);
      permits_[step.words[0]] = permit;
      return permit.allowed ? (permit.probe ? "probe" : "yes") : "no";
    }
    if (step.verb == "end") {
      const auto permit = permits_.at(step.words[0]);
      if (step.words[1] == "ok") breaker_->on_success(permit, now_ms_);
      if (step.words[1] == "fail") {
        breaker_->on_failure(permit, now_ms_, step.duration_ms("wait"));
      }
      if (step.words[1] == "abandoned") breaker_->on_abandoned(permit);
      return "";
    }
    if (step.verb == "eject") {
      breaker_->eject_until(now_ms_ + step.duration_ms("for"));
      return "";
    }
    if (step.verb == "force") {
      breaker_->force(step.words[0] == "open"     ? CircuitBreaker::Force::kOpen
                      : step.words[0] == "closed" ? CircuitBreaker::Force::kClosed
                                                  : CircuitBreaker::Force::kNone);
      return "";
    }
    if (step.verb == "state") {
      const auto counts = breaker_->counts(now_ms_);
      return std::string(name(breaker_->state(now_ms_))) + " " + std::to_string(counts.failures) +
             "/" + std::to_string(counts.requests) + " wait " +
             std::to_string(breaker_->retry_in_ms(now_ms_)) + "ms";
    }
    return "unknown step";
  }

 private:
  static constexpr int64_t kStartMs = 3'600'000;

  static std::string find_outliers(const Step& step) {
    BreakerConfig config;
    config.outlier_margin = step.number("margin", config.outlier_margin);
    config.requests_min = static_cast<int>(step.integer("min", config.requests_min));
    std::vector<CircuitBreaker::Counts> stats;
    for (const std::string& word : step.words) {
      const size_t slash = word.find('/');
      if (slash == std::string::npos) continue;
      stats.push_back({std::stoll(word.substr(slash + 1)), std::stoll(word.substr(0, slash))});
    }
    std::string out;
    for (const size_t i : outliers(stats, config))
      out += (out.empty() ? "" : " ") + std::to_string(i);
    return out.empty() ? "none" : out;
  }

  BreakerConfig config_;
  std::unique_ptr<CircuitBreaker> breaker_ = std::make_unique<CircuitBreaker>(config_);
  std::map<std::string, CircuitBreaker::Permit> permits_;
  int64_t now_ms_ = kStartMs;
};

TEST(Breaker, Cases) {
  run_case_folder("test/gateway/breaker", [] { return std::make_unique<BreakerDriver>(); });
}

TEST(Breaker, OneProbeAmongManyThreads) {
  BreakerConfig config;
  CircuitBreaker breaker(config);
  int64_t now_ms = 1000;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < config.consecutive_failures; ++i) {
      breaker.on_failure(breaker.allow(now_ms), now_ms);
    }
    ASSERT_EQ(breaker.state(now_ms), BreakerState::kOpen);
    now_ms += config.open_ms;
    std::atomic<int> probes{0}, others{0};
    CircuitBreaker::Permit probe;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        const auto permit = breaker.allow(now_ms);
        if (permit.probe) {
          ++probes;
          probe = permit;
        } else if (permit.allowed) {
          ++others;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(probes.load(), 1);
    ASSERT_EQ(others.load(), 0);
    breaker.on_success(probe, now_ms);
    ASSERT_EQ(breaker.state(now_ms), BreakerState::kClosed);
  }
  EXPECT_EQ(breaker.opened_total(), 200u);
}

TEST(Breaker, CountsEveryCallOfManyThreads) {
  BreakerConfig config;
  config.consecutive_failures = 0;
  config.failure_ratio = 0;
  CircuitBreaker breaker(config);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&breaker] {
      for (int i = 0; i < 10'000; ++i) {
        const auto permit = breaker.allow(i / 10);
        if (i % 4 == 0) {
          breaker.on_failure(permit, i / 10);
        } else {
          breaker.on_success(permit, i / 10);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(breaker.counts(1000).requests, 40'000);
  EXPECT_EQ(breaker.counts(1000).failures, 10'000);
}

}  // namespace
}  // namespace gatehouse::gateway
