// One thread of the load generator: an epoll loop over its share of the connections.
//
// Closed loop: a connection sends its next call when its reply is whole. Open loop:
// calls are due on a fixed schedule, take a free connection or wait for one, and their
// latency counts from when they were due. Departures: each call has a connection of
// its own, which is closed at a moment drawn beforehand.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "loadgen/histogram.h"
#include "loadgen/options.h"
#include "loadgen/reply_reader.h"

namespace loadgen {

int64_t monotonic_ns();

struct Departure {
  std::string id;
  int64_t left_ns;
};

struct Results {
  Histogram latency;
  Histogram first_byte;  // of the body, from when the call was sent (or due)
  std::map<int, uint64_t> statuses;
  uint64_t completed = 0;
  uint64_t connection_errors = 0;
  uint64_t cut_replies = 0;  // the connection ended inside a reply
  uint64_t unfinished = 0;   // open loop: due and not answered when time was up
  uint64_t events = 0;
  uint64_t body_bytes = 0;
  uint64_t held = 0;
  uint64_t left = 0;
  uint64_t done_before_leaving = 0;
  std::vector<Departure> departures;

  void merge(Results& other);
};

class Client {
 public:
  Client(const Options& options, int thread);
  ~Client();
  // Runs until the time or the calls are used up. Times are CLOCK_MONOTONIC.
  void run(int64_t start_ns);
  // Hold: opens the streams and waits for the first event of each, at most 60 s.
  void open_streams();
  void hold(int64_t until_ns);
  Results& results() { return results_; }

 private:
  struct Connection {
    int fd = -1;
    bool busy = false;
    bool first_byte_seen = false;
    int64_t due_ns = 0;
    int64_t leave_ns = 0;
    uint64_t call = 0;  // numbers the calls, so that an old leaving moment is known as such
    size_t sent = 0;
    std::string unsent;
    std::string id;
    ReplyReader reader;
  };
  struct Leaving {
    int64_t ns;
    size_t connection;
    uint64_t call;
    bool operator>(const Leaving& other) const { return ns > other.ns; }
  };

  bool connect(size_t index);
  void disconnect(size_t index);
  void send_call(size_t index, int64_t due_ns);
  void write_on(size_t index);
  void on_readable(size_t index, bool hangup);
  void complete(size_t index);
  void next_call(size_t index);
  void lose(size_t index);
  void send_due(int64_t now);
  void leave_due(int64_t now);
  void poll(int64_t timeout_ns);
  bool counts(int64_t ns) const { return ns >= measure_from_ns_ && ns < measure_until_ns_; }
  bool may_start() const { return calls_max_ == 0 || calls_started_ < calls_max_; }

  const Options& options_;
  RequestText request_;
  int epoll_;
  std::vector<Connection> connections_;
  std::vector<size_t> idle_;
  std::deque<int64_t> waiting_;  // due, without a connection
  std::priority_queue<Leaving, std::vector<Leaving>, std::greater<>> leavings_;
  std::mt19937_64 random_;
  std::vector<char> scratch_;
  Results results_;
  int64_t measure_from_ns_ = 0;
  int64_t measure_until_ns_ = 0;
  int64_t next_due_ns_ = 0;
  double interval_ns_ = 0;
  uint64_t scheduled_ = 0;
  int64_t schedule_start_ns_ = 0;
  int64_t calls_max_ = 0;
  int64_t calls_started_ = 0;
  uint64_t call_numbers_ = 0;
  uint64_t busy_ = 0;
  uint64_t failures_in_a_row_ = 0;
};

}  // namespace loadgen
