// One thread of the mock: an epoll loop over its own listener and connections.
//
// Every connection is registered once, edge-triggered, for reading, writing and the
// peer's closing; so a call costs one read and one write, and a departing client is
// seen at once, whatever its call is doing. A client that only closes its sending
// side counts as departed: that is how a gateway drops an upstream call.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <memory>
#include <queue>
#include <random>
#include <vector>

#include "mock-upstream/connection.h"
#include "mock-upstream/state.h"

namespace mock {

// The moment `ms` from now.
inline int64_t after_ms(double ms) { return monotonic_ns() + static_cast<int64_t>(ms * 1e6); }

class Worker {
 public:
  Worker(State& state, int thread, int listener, SSL_CTX* tls, uint64_t seed);
  ~Worker();
  // Serves until `stop` is set.
  void run(const std::atomic<bool>& stop);

 private:
  struct Timer {
    int64_t due_ns;
    int fd;
    uint64_t id;
    bool operator>(const Timer& other) const { return due_ns > other.due_ns; }
  };

  void accept_all();
  void on_event(Connection& conn, uint32_t events);
  void run_timers();
  int64_t wait_ns() const;
  void set_timer(Connection& conn, int64_t due_ns);

  // The call, in the order of its life (call.cc, then send.cc). Each may close the
  // connection: callers look it up again or return at once.
  void read_requests(Connection& conn);
  bool feed(Connection& conn, std::string_view data);
  void begin(Connection& conn);
  void choose_behavior(Connection& conn, const Behavior& base);
  void go_on(Connection& conn);
  void respond(Connection& conn);
  int failure_status(Connection& conn);
  void send_garbage(Connection& conn);
  void send_reply(Connection& conn);
  void send_body(Connection& conn);
  void pump_events(Connection& conn);
  bool interrupt_stream(Connection& conn, size_t sent);
  void append_part(Connection& conn, std::string_view part);
  bool flush(Connection& conn);
  void refill(Connection& conn);
  void settle(Connection& conn);
  void finish(Connection& conn);
  void drop(Connection& conn, bool departed);
  double latency_ms(const Behavior& behavior);

  State& state_;
  ThreadStats& stats_;
  const int listener_;
  SSL_CTX* const tls_;
  int epoll_ = -1;
  uint64_t serial_;
  uint64_t timer_ids_ = 0;
  std::mt19937_64 random_;
  std::shared_ptr<const BehaviorSet> behaviors_;
  uint64_t behaviors_version_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;  // by fd
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::vector<char> scratch_;
};

}  // namespace mock
