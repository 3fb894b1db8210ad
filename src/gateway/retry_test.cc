#include "gateway/retry.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "base/case_file_for_test.h"

namespace gatehouse::gateway {
namespace {

class RetryDriver : public CaseDriver {
 public:
  std::string run(const Step& step) override {
    if (step.verb == "policy") return configure(step);
    if (step.verb == "attempt") return attempt(step);
    if (step.verb == "backoff") {
      return std::to_string(RetryPolicy(config_).backoff_ms(static_cast<int>(step.integer("made")),
                                                            step.number("uniform"))) +
             "ms";
    }
    if (step.verb == "budget") {
      budget_ = std::make_unique<RetryBudget>(step.number("ratio"));
      return "";
    }
    const int count = std::stoi(step.words.at(0));
    if (step.verb == "calls") {
      for (int i = 0; i < count; ++i) budget_->on_call();
      return "";
    }
    if (step.verb == "retries") {
      int allowed = 0;
      for (int i = 0; i < count; ++i) allowed += budget_->try_retry() ? 1 : 0;
      return std::to_string(allowed);
    }
    return "unknown step";
  }

 private:
  std::string configure(const Step& step) {
    config_.retries = static_cast<int>(step.integer("retries", config_.retries));
    config_.initial_ms = step.duration_ms("initial", config_.initial_ms);
    config_.cap_ms = step.duration_ms("cap", config_.cap_ms);
    config_.multiplier = step.number("multiplier", config_.multiplier);
    if (step.has("statuses")) {
      config_.statuses.clear();
      const std::string list = step.text("statuses");
      for (const std::string_view one : split(list, ',')) {
        config_.statuses.push_back(static_cast<int>(parse_uint(one).value()));
      }
    }
    return "";
  }
  std::string attempt(const Step& step) const {
    Attempt attempt;
    const std::string end = step.text("end", "reply");
    bool known = false;
    for (int i = 0; i <= static_cast<int>(AttemptEnd::kRefusedHere); ++i) {
      if (name(static_cast<AttemptEnd>(i)) != end) continue;
      attempt.end = static_cast<AttemptEnd>(i);
      known = true;
    }
    EXPECT_TRUE(known) << end;
    const std::string code = step.text("code"), after = step.text("retry_after"),
                      after_ms = step.text("retry_after_ms"), should = step.text("should_retry");
    attempt.status = static_cast<int>(step.integer("status"));
    attempt.error_code = code;
    attempt.retry_after = after;
    attempt.retry_after_ms = after_ms;
    attempt.should_retry = should;
    attempt.reached_client = step.has("reached");
    // The clock stands at Sun, 06 Nov 1994 08:49:37.250 GMT.
    const RetryDecision decision = RetryPolicy(config_).decide(
        attempt, static_cast<int>(step.integer("made")), step.number("uniform", 0.5), 784111777250);
    std::string out;
    switch (decision.action) {
      case RetryDecision::Action::kDone: out = "done"; break;
      case RetryDecision::Action::kRetry:
        out = "retry in " + std::to_string(decision.delay_ms) + "ms";
        break;
      case RetryDecision::Action::kFallOver: out = "fall over"; break;
    }
    if (decision.action != RetryDecision::Action::kRetry && decision.asked_wait_ms >= 0) {
      out += " asked " + std::to_string(decision.asked_wait_ms) + "ms";
    }
    out += ", " + std::string(decision.cause.reason);
    return out + (decision.cause.upstream_failed ? ", upstream failed" : "");
  }

  RetryConfig config_;
  std::unique_ptr<RetryBudget> budget_;
};

TEST(Retry, Cases) {
  run_case_folder("test/gateway/retry", [] { return std::make_unique<RetryDriver>(); });
}

TEST(RetryBudget, AllFailingUpstreamSeesAtMostATenthMore) {
  for (const int calls : {1, 50, 100, 101, 1000, 10'000}) {
    RetryBudget budget(0.1);
    int attempts = 0;
    for (int i = 0; i < calls; ++i) {
      budget.on_call();
      ++attempts;
      for (int retry = 0; retry < 3 && budget.try_retry(); ++retry) ++attempts;
    }
    EXPECT_LE(attempts - calls, std::max(10, calls / 10)) << calls;
    EXPECT_GE(attempts - calls, std::min(3, calls)) << calls;
  }
}

TEST(RetryBudget, HoldsAcrossThreads) {
  RetryBudget budget(0.1);
  std::atomic<int> retries{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        budget.on_call();
        for (int retry = 0; retry < 3 && budget.try_retry(); ++retry) ++retries;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(retries.load(), 800);
  EXPECT_GE(retries.load(), 790);
}

}  // namespace
}  // namespace gatehouse::gateway
