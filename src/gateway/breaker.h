// CircuitBreaker of one upstream: stops calling what keeps failing, and tries
// again with one probe.
//
//   closed     every call passes. Opens on `consecutive_failures`, or when of at
//              least `requests_min` calls in the sliding window `failure_ratio`
//              failed.
//   open       no call passes until open_ms (or the upstream's Retry-After, where
//              that is longer) is over.
//   half-open  one probe passes. It succeeds: closed, the window forgotten. It
//              fails: open again. It says nothing for open_ms: another may try.
//
// The window is ten buckets of time, each one atomic word (epoch, requests,
// failures), so that calls never lock; the mutex is held by transitions alone.
// An upstream can also be ejected for a while (it does worse than its peers) and
// forced open or closed by an operator; a force wins over everything.
// Times are steady milliseconds.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "gateway/config.h"

namespace gatehouse::gateway {

enum class BreakerState : uint8_t { kClosed, kHalfOpen, kOpen };
std::string_view name(BreakerState state);  // "closed", "half_open", "open"

class CircuitBreaker {
 public:
  enum class Force : uint8_t { kNone, kOpen, kClosed };

  // Asked for before an attempt; handed back with its result.
  struct Permit {
    bool allowed = false;
    bool probe = false;
    uint32_t term = 0;  // a result of an earlier term changes nothing
  };
  struct Counts {
    int64_t requests = 0;
    int64_t failures = 0;
    double failure_ratio() const {
      return requests == 0 ? 0 : static_cast<double>(failures) / static_cast<double>(requests);
    }
  };

  explicit CircuitBreaker(const BreakerConfig& config);
  void configure(const BreakerConfig& config);  // keeps the state

  // Every allowed permit must end in exactly one of the three below.
  Permit allow(int64_t now_ms);
  void on_success(Permit permit, int64_t now_ms);
  // asked_wait_ms: the reply's Retry-After; <= 0: none. At most 1 hour counts.
  void on_failure(Permit permit, int64_t now_ms, int64_t asked_wait_ms = 0);
  // Neither: the caller left, or the call itself was at fault.
  void on_abandoned(Permit permit);

  // Whether allow() would pass now; takes nothing. For choosing a target.
  bool would_allow(int64_t now_ms) const;
  BreakerState state(int64_t now_ms) const;   // open turns half-open by time
  int64_t retry_in_ms(int64_t now_ms) const;  // until would_allow; 0: now
  Counts counts(int64_t now_ms) const;        // of the window
  uint64_t opened_total() const { return opened_total_.load(std::memory_order_relaxed); }

  void force(Force force);
  Force forced() const { return force_.load(std::memory_order_relaxed); }

  void eject_until(int64_t until_ms) {
    ejected_until_ms_.store(until_ms, std::memory_order_relaxed);
  }
  bool ejected(int64_t now_ms) const {
    return now_ms < ejected_until_ms_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr size_t kBuckets = 10;

  void count(bool failed, int64_t now_ms);
  void forget_window();
  void open(int64_t now_ms, int64_t asked_wait_ms);  // REQUIRES: mutex_ held
  bool trips(int64_t now_ms) const;

  // Each its own atomic, so that configure() can run beside calls.
  std::atomic<double> failure_ratio_;
  std::atomic<int> requests_min_, consecutive_failures_max_;
  std::atomic<int64_t> bucket_ms_, open_ms_;

  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
  std::atomic<int> consecutive_failures_{0};
  std::atomic<BreakerState> state_{BreakerState::kClosed};  // half-open only once a probe is out
  std::atomic<uint32_t> term_{0};
  std::atomic<int64_t> open_until_ms_{0};
  std::atomic<int64_t> probe_until_ms_{0};
  std::atomic<int64_t> ejected_until_ms_{INT64_MIN};
  std::atomic<Force> force_{Force::kNone};
  std::atomic<uint64_t> opened_total_{0};
  std::mutex mutex_;
};

// Which of several upstreams of a model do so much worse than their peers that
// they should be left out: requests >= requests_min, and a failure ratio that
// exceeds the median of the OTHERS' by more than outlier_margin. Never half of
// them or more (but one of two); the worst first. Indexes into `stats`.
std::vector<size_t> outliers(std::span<const CircuitBreaker::Counts> stats,
                             const BreakerConfig& config);

}  // namespace gatehouse::gateway
