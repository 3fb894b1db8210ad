// Whether, when and where a failed attempt is made again.
//
// Backoff is exponential with full jitter (uniform in [0, min(cap, initial ×
// multiplier^n)]), the form that spreads clients best; what the upstream asks
// for (retry-after-ms, Retry-After, x-should-retry) goes first. RetryBudget
// bounds what retries can add to an upstream in trouble.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "gateway/config.h"

namespace gatehouse::gateway {

// How an attempt ended.
enum class AttemptEnd : uint8_t {
  kReply,          // a whole reply or stream; `status` says which
  kConnectFailed,  // no name, no route, refused, TLS
  kConnectTimeout,
  kConnectionLost,  // closed before the reply's head, or in the middle of a reply
  kFirstByteTimeout,
  kFirstTokenTimeout,
  kIdleTimeout,   // between tokens
  kTotalTimeout,  // the call's whole time is up: never retried
  kBadReply,      // not HTTP, a framing error, too large a head
  kStreamCut,     // a stream that ended without its terminal event
  kStreamError,   // an error inside a stream with a 200; `error_code` says which
  kReplyError,    // an error object in a 200 that is no stream; as above
  kCancelled,     // the caller left
  kRefusedHere,   // never sent: breaker open, no connection free, no credential
};
std::string_view name(AttemptEnd end);  // "connect_timeout", ...: for records and metrics

struct Attempt {
  AttemptEnd end = AttemptEnd::kReply;
  int status = 0;                // kReply, kStreamError, kReplyError
  std::string_view error_code;   // of the reply's or the event's error: its code, else its type
  std::string_view retry_after;  // header values; empty: absent
  std::string_view retry_after_ms;
  std::string_view should_retry;
  bool reached_client = false;  // the first byte of the reply went to the caller
};

enum class Fault : uint8_t {
  kNone,       // the attempt succeeded
  kRetryable,  // the same call may succeed here later
  kElsewhere,  // not here (credential, quota, unknown model), but another upstream may serve it
  kFatal,      // the call itself is at fault, or it is too late
};

struct Classification {
  Fault fault = Fault::kNone;
  std::string_view reason;  // snake_case, static: "status_429", "connect_failed", ...
  // Says something about the upstream's health: for the circuit breaker.
  bool upstream_failed = false;
};

struct RetryDecision {
  enum class Action : uint8_t {
    kDone,      // a success, or a failure to hand to the caller as it is
    kRetry,     // wait delay_ms, take from the RetryBudget, try here again
    kFallOver,  // not here again; the next target may serve it
  };
  Action action = Action::kDone;
  int64_t delay_ms = 0;        // kRetry
  int64_t asked_wait_ms = -1;  // what the upstream asked for; < 0: nothing. For the breaker too
  Classification cause;
};

class RetryPolicy {
 public:
  explicit RetryPolicy(const RetryConfig& config);

  Classification classify(const Attempt& attempt) const;

  // `retries_made`: at this upstream so far. `uniform`: in [0, 1). A wait asked
  // for that is longer than the cap is not waited for: kFallOver, with
  // asked_wait_ms for the breaker and the caller's Retry-After.
  // After `reached_client` nothing is ever tried again.
  RetryDecision decide(const Attempt& attempt, int retries_made, double uniform,
                       int64_t wall_ms) const;

  // The delay before retry number `retries_made` + 1, nothing asked for.
  int64_t backoff_ms(int retries_made, double uniform) const;

 private:
  RetryConfig config_;
};

// What a reply's headers ask to wait: retry-after-ms before Retry-After (seconds,
// with a fraction too, or an HTTP date). < 0: nothing that can be understood.
// At most 24 hours.
int64_t asked_wait_ms(std::string_view retry_after_ms, std::string_view retry_after,
                      int64_t wall_ms);

// Bounds the retries of one upstream. The rule, with ratio r and n calls so far:
//
//   retries <= max(10, r × n), and at most 100 of them saved up.
//
// The first 10 are an advance, so that an upstream that is rarely called may
// retry too; the first 10/r calls pay it back, each later call earns r. An
// upstream that answers only 429 so sees at most 1.1 × the calls from the 100th
// call on. r = 0: no retries at all. Lock-free; one object for all cores.
class RetryBudget {
 public:
  static constexpr int64_t kAdvance = 10;
  static constexpr int64_t kSavedMax = 100;

  explicit RetryBudget(double ratio = 0.1);
  void set_ratio(double ratio);  // keeps what is saved

  void on_call();            // once a call to this upstream, before its first attempt
  bool try_retry();          // takes one; false: no retry now
  void give_back();          // the retry was not made (the caller left during backoff)
  double available() const;  // for metrics

 private:
  static constexpr int64_t kUnit = 1'000'000;  // a retry, in the balance's units

  void deposit(int64_t amount);

  std::atomic<int64_t> earned_{0};  // a call, in units
  std::atomic<int64_t> balance_{0};
  std::atomic<int64_t> owed_{0};  // of the advance
};

}  // namespace gatehouse::gateway
