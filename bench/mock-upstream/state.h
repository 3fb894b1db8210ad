// What the mock's threads share: the behaviours in force, and what it has seen.
//
// Counters belong to one thread each and are summed when asked for, so that the fast
// path touches no line of memory that another thread writes. Calls that carry an
// x-mock-id are kept one by one, with CLOCK_MONOTONIC times that a test on the same
// machine can compare with its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mock-upstream/behavior.h"
#include "mock-upstream/replies.h"

namespace mock {

int64_t monotonic_ns();

// One attempt of a call that has an x-mock-id. Times are 0 until they happen.
struct CallRecord {
  std::string method;
  std::string target;
  std::string upstream;
  std::string head;
  std::string body;
  int status = 0;
  int64_t started_ns = 0;       // the request's head had arrived
  int64_t first_byte_ns = 0;    // the first byte of the reply was written
  int64_t finished_ns = 0;      // the last byte of the reply was written, or the mock cut it
  int64_t closed_early_ns = 0;  // the client's closing was seen before that
};
using CallHandle = std::shared_ptr<CallRecord>;

struct BehaviorSet {
  Behavior otherwise;
  std::map<std::string, Behavior, std::less<>> by_upstream;

  const Behavior& of(std::string_view upstream) const;
};

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using Counts = std::unordered_map<std::string, uint64_t, TextHash, std::equal_to<>>;

class ThreadStats {
 public:
  std::atomic<int64_t> requests{0};
  std::atomic<int64_t> connections_opened{0};
  std::atomic<int64_t> connections_open{0};
  std::atomic<int64_t> in_flight{0};
  std::atomic<int64_t> in_flight_max{0};
  std::atomic<int64_t> closed_early{0};
  std::atomic<int64_t> bad_requests{0};

  void count(const Request& request, const Ask& ask);
  void count_status(int status);
  void reset();

 private:
  friend class State;
  std::mutex mutex_;
  Counts paths_;  // the path as sent, with its /@upstream
  Counts upstreams_;
  std::map<int, uint64_t> statuses_;
  std::string last_head_;
  std::string last_body_;
  int64_t last_ns_ = 0;
};

class State {
 public:
  State(Behavior defaults, int threads);

  // The behaviours in force; `version` tells a thread whether its copy is still good.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }
  std::shared_ptr<const BehaviorSet> behaviors();
  // Replaces what an upstream (or, without a name, everyone else) does: the flags'
  // defaults with `object` over them. Returns what is wrong with it, or "".
  std::string change(std::string_view upstream, std::string_view object);
  void reset();

  // True for the first `n` calls of a name since the last change or reset.
  bool among_first(std::string_view name, int64_t n);

  CallHandle start_call(std::string_view id, const Request& request, const Ask& ask);
  template <typename Change>
  void update(const CallHandle& call, Change change) {
    if (!call) return;
    const std::lock_guard lock(calls_mutex_);
    change(*call);
  }

  ThreadStats& stats(int thread) { return *threads_[static_cast<size_t>(thread)]; }
  void append_stats(std::string& out);
  void append_behaviors(std::string& out);
  // False when no call had this id.
  bool append_call(std::string& out, std::string_view id);
  void append_calls(std::string& out);

 private:
  const Behavior defaults_;
  std::atomic<uint64_t> version_{1};
  std::mutex behaviors_mutex_;
  std::shared_ptr<const BehaviorSet> behaviors_;
  Counts first_calls_;
  std::mutex calls_mutex_;
  std::unordered_map<std::string, std::vector<CallHandle>, TextHash, std::equal_to<>> calls_;
  std::vector<std::unique_ptr<ThreadStats>> threads_;
  const int64_t started_ns_ = monotonic_ns();
};

// The request as JSON: method, target, headers (names in lower case), body.
void append_request_json(std::string& out, std::string_view head, std::string_view body);

// Answers GET and POST below /mock/.
void admin_reply(Reply& reply, const Request& request, const Ask& ask, State& state);

}  // namespace mock
