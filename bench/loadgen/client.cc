#include "loadgen/client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace loadgen {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
// A server that refuses this many connections one after the other is not there.
constexpr uint64_t kFailuresMax = 1000;
// How long answers still due may take when time is up, before they count as unfinished.
constexpr int64_t kDrainNs = 2 * kSecond;
constexpr int64_t kFirstEventNsMax = 60 * kSecond;

}  // namespace

int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * kSecond + now.tv_nsec;
}

void Results::merge(Results& other) {
  latency.merge(other.latency);
  first_byte.merge(other.first_byte);
  for (const auto& [status, count] : other.statuses) statuses[status] += count;
  completed += other.completed;
  connection_errors += other.connection_errors;
  cut_replies += other.cut_replies;
  unfinished += other.unfinished;
  events += other.events;
  body_bytes += other.body_bytes;
  held += other.held;
  left += other.left;
  done_before_leaving += other.done_before_leaving;
  std::move(other.departures.begin(), other.departures.end(), std::back_inserter(departures));
}

Client::Client(const Options& options, int thread)
    : options_(options),
      request_(options, thread),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      random_(options.seed + static_cast<uint64_t>(thread)),
      scratch_(256u << 10) {
  // Shares of what is asked of all threads; the first ones take what is left over.
  const auto share = [&](int64_t all) {
    return all / options.threads + (thread < all % options.threads ? 1 : 0);
  };
  connections_.resize(
      static_cast<size_t>(share(options.hold > 0 ? options.hold : options.connections)));
  calls_max_ = share(options.requests);
  if (options.rate > 0) interval_ns_ = 1e9 * options.threads / options.rate;
}

Client::~Client() {
  for (size_t i = 0; i < connections_.size(); ++i) disconnect(i);
  close(epoll_);
}

bool Client::connect(size_t index) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(options_.port));
  if (inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr) != 1) {
    std::fprintf(stderr, "loadgen: '%s' is no IPv4 address\n", options_.host.c_str());
    std::exit(2);
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{5, 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (fd >= 0) close(fd);
    ++results_.connection_errors;
    if (++failures_in_a_row_ >= kFailuresMax) {
      std::fprintf(stderr, "loadgen: cannot connect to %s:%d\n", options_.host.c_str(),
                   options_.port);
      std::exit(1);
    }
    return false;
  }
  failures_in_a_row_ = 0;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = index;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  connections_[index].fd = fd;
  return true;
}

void Client::disconnect(size_t index) {
  Connection& conn = connections_[index];
  if (conn.fd < 0) return;
  close(conn.fd);
  conn.fd = -1;
  if (conn.busy) --busy_;
  conn.busy = false;
}

void Client::send_call(size_t index, int64_t due_ns) {
  Connection& conn = connections_[index];
  ++calls_started_;
  if (conn.fd < 0 && !connect(index)) {
    // Tried again at its next turn; the loop's sleep keeps this from spinning.
    idle_.push_back(index);
    return;
  }
  conn.busy = true;
  ++busy_;
  conn.first_byte_seen = false;
  conn.due_ns = due_ns;
  conn.call = ++call_numbers_;
  conn.reader.restart();
  const std::string& text = request_.next(conn.id);
  if (options_.leave_after_ms_max > 0) {
    std::uniform_real_distribution<double> moment(0, options_.leave_after_ms_max * 1e6);
    leavings_.push({monotonic_ns() + static_cast<int64_t>(moment(random_)), index, conn.call});
  }
  const ssize_t n = send(conn.fd, text.data(), text.size(), MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN) {
    lose(index);
  } else if (n < static_cast<ssize_t>(text.size())) {
    conn.unsent = text.substr(static_cast<size_t>(std::max<ssize_t>(0, n)));
  }
}

void Client::write_on(size_t index) {
  Connection& conn = connections_[index];
  while (!conn.unsent.empty()) {
    const ssize_t n = send(conn.fd, conn.unsent.data(), conn.unsent.size(), MSG_NOSIGNAL);
    if (n <= 0) return;  // a lost connection shows when it is read
    conn.unsent.erase(0, static_cast<size_t>(n));
  }
}

// `hangup`: the peer has closed, so the end is there to be read and no event will follow.
void Client::on_readable(size_t index, bool hangup) {
  Connection& conn = connections_[index];
  while (conn.fd >= 0) {
    const ssize_t n = recv(conn.fd, scratch_.data(), scratch_.size(), 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      if (conn.busy && n == 0 && conn.reader.ends_with_connection()) {
        complete(index);
      } else {
        lose(index);
      }
      return;
    }
    if (!conn.busy) {
      lose(index);  // bytes that nobody asked for
      return;
    }
    const ReplyReader::Step step = conn.reader.read({scratch_.data(), static_cast<size_t>(n)});
    if (!conn.first_byte_seen && conn.reader.has_body_bytes()) {
      conn.first_byte_seen = true;
      const int64_t now = monotonic_ns();
      if (options_.sse && counts(conn.due_ns)) results_.first_byte.record(now - conn.due_ns);
    }
    if (step == ReplyReader::Step::kBad) {
      lose(index);
      return;
    }
    if (step == ReplyReader::Step::kDone) {
      complete(index);
      return;
    }
    if (!hangup && static_cast<size_t>(n) < scratch_.size()) return;
  }
}

void Client::complete(size_t index) {
  Connection& conn = connections_[index];
  const int64_t now = monotonic_ns();
  // Closed loop: what ended in the window. Open loop: what was due in it.
  if (counts(options_.rate > 0 ? conn.due_ns : now)) {
    results_.latency.record(now - conn.due_ns);
    ++results_.completed;
    ++results_.statuses[conn.reader.status()];
    results_.events += conn.reader.events();
    results_.body_bytes += conn.reader.body_bytes();
  }
  if (options_.leave_after_ms_max > 0) ++results_.done_before_leaving;
  if (!conn.reader.keeps_alive() || conn.reader.ends_with_connection() ||
      options_.leave_after_ms_max > 0) {
    disconnect(index);
  } else {
    conn.busy = false;
    --busy_;
  }
  next_call(index);
}

void Client::lose(size_t index) {
  Connection& conn = connections_[index];
  const bool busy = conn.busy;
  if (busy && counts(monotonic_ns())) ++results_.cut_replies;
  disconnect(index);
  if (busy) next_call(index);
}

void Client::next_call(size_t index) {
  if (options_.rate > 0) {
    if (waiting_.empty()) {
      idle_.push_back(index);
      return;
    }
    const int64_t due = waiting_.front();
    waiting_.pop_front();
    send_call(index, due);
    return;
  }
  const int64_t now = monotonic_ns();
  if (now < measure_until_ns_ && may_start()) send_call(index, now);
}

// Open loop: sends what has become due.
void Client::send_due(int64_t now) {
  while (next_due_ns_ <= now && next_due_ns_ < measure_until_ns_ && may_start()) {
    if (idle_.empty()) {
      waiting_.push_back(next_due_ns_);
    } else {
      const size_t index = idle_.back();
      idle_.pop_back();
      send_call(index, next_due_ns_);
    }
    ++scheduled_;
    next_due_ns_ =
        schedule_start_ns_ + static_cast<int64_t>(interval_ns_ * static_cast<double>(scheduled_));
  }
}

void Client::leave_due(int64_t now) {
  while (!leavings_.empty() && leavings_.top().ns <= now) {
    const Leaving leaving = leavings_.top();
    leavings_.pop();
    Connection& conn = connections_[leaving.connection];
    if (conn.call != leaving.call || !conn.busy) continue;
    results_.departures.push_back({conn.id, monotonic_ns()});
    ++results_.left;
    disconnect(leaving.connection);
    next_call(leaving.connection);
  }
}

void Client::poll(int64_t timeout_ns) {
  std::array<epoll_event, 256> events;
  const timespec timeout{timeout_ns / kSecond, timeout_ns % kSecond};
  const int count =
      epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    const size_t index = event.data.u64;
    if (connections_[index].fd < 0) continue;
    if ((event.events & EPOLLOUT) && !connections_[index].unsent.empty()) write_on(index);
    if (event.events & ~static_cast<uint32_t>(EPOLLOUT)) {
      on_readable(index, event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    }
  }
}

void Client::run(int64_t start_ns) {
  prctl(PR_SET_TIMERSLACK, 1);  // the schedule is kept to the microsecond
  measure_from_ns_ = start_ns + static_cast<int64_t>(options_.warmup_s * 1e9);
  measure_until_ns_ = options_.requests > 0
                          ? INT64_MAX
                          : measure_from_ns_ + static_cast<int64_t>(options_.duration_s * 1e9);
  if (options_.requests > 0) measure_from_ns_ = 0;
  schedule_start_ns_ = next_due_ns_ = start_ns;
  const bool open_loop = options_.rate > 0;
  for (size_t i = 0; i < connections_.size(); ++i) {
    if (options_.leave_after_ms_max <= 0 && !connect(i)) {
      std::fprintf(stderr, "loadgen: cannot connect to %s:%d\n", options_.host.c_str(),
                   options_.port);
      std::exit(1);
    }
    if (open_loop) {
      idle_.push_back(i);
    } else if (may_start()) {
      send_call(i, monotonic_ns());
    }
  }
  while (true) {
    const int64_t now = monotonic_ns();
    if (open_loop) send_due(now);
    leave_due(now);
    const bool over = now >= measure_until_ns_ || !may_start();
    if (over && ((busy_ == 0 && waiting_.empty()) ||
                 (options_.requests == 0 && (!open_loop || now >= measure_until_ns_ + kDrainNs))))
      break;
    int64_t until = now + kSecond / 5;
    if (open_loop && !over) until = std::min(until, next_due_ns_);
    if (!leavings_.empty()) until = std::min(until, leavings_.top().ns);
    poll(std::max<int64_t>(0, until - monotonic_ns()));
    // A refused connection waits in idle_ in the closed loop; give it its turn.
    if (!open_loop && !idle_.empty()) {
      const size_t index = idle_.back();
      idle_.pop_back();
      next_call(index);
    }
  }
  // What never came counts with the time it has already taken: leaving it out would
  // flatter the slowest server most.
  const int64_t now = monotonic_ns();
  if (open_loop) {
    for (const Connection& conn : connections_) {
      if (conn.busy && counts(conn.due_ns)) waiting_.push_back(conn.due_ns);
    }
    for (const int64_t due : waiting_) {
      if (!counts(due)) continue;
      results_.latency.record(now - due);
      ++results_.unfinished;
    }
  }
}

void Client::open_streams() {
  measure_until_ns_ = INT64_MAX;
  const int64_t give_up = monotonic_ns() + kFirstEventNsMax;
  size_t opened = 0;
  const auto held = [&] {
    return static_cast<uint64_t>(std::count_if(
        connections_.begin(), connections_.end(),
        [](const Connection& conn) { return conn.busy && conn.reader.events() > 0; }));
  };
  calls_max_ = static_cast<int64_t>(connections_.size());
  while (monotonic_ns() < give_up &&
         (opened < connections_.size() || held() < connections_.size())) {
    // A few at a time, as a burst of thousands would measure the backlog.
    for (size_t i = 0; i < 64 && opened < connections_.size(); ++i)
      send_call(opened++, monotonic_ns());
    poll(kSecond / 200);
    if (opened == connections_.size() && busy_ == 0) break;
  }
  results_.held = held();
}

void Client::hold(int64_t until_ns) {
  while (monotonic_ns() < until_ns) poll(std::max<int64_t>(0, until_ns - monotonic_ns()));
  results_.held = static_cast<uint64_t>(std::count_if(
      connections_.begin(), connections_.end(), [](const Connection& conn) { return conn.busy; }));
}

}  // namespace loadgen
