#include "mock-upstream/worker.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace mock {
namespace {

// One read takes what a big upload brings; smaller ones cost nothing more.
constexpr size_t kScratchBytes = 256u << 10;
// How long a thread may sleep before it looks whether it should stop.
constexpr int64_t kSleepNsMax = 200'000'000;

}  // namespace

Worker::Worker(State& state, int thread, int listener, SSL_CTX* tls, uint64_t seed)
    : state_(state),
      stats_(state.stats(thread)),
      listener_(listener),
      tls_(tls),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      serial_(static_cast<uint64_t>(thread) << 48),
      random_(seed + static_cast<uint64_t>(thread)),
      scratch_(kScratchBytes) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener_;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
}

Worker::~Worker() {
  connections_.clear();
  close(epoll_);
  close(listener_);
}

int64_t Worker::wait_ns() const {
  if (timers_.empty()) return kSleepNsMax;
  return std::clamp<int64_t>(timers_.top().due_ns - monotonic_ns(), 0, kSleepNsMax);
}

void Worker::run(const std::atomic<bool>& stop) {
  std::array<epoll_event, 256> events;
  while (!stop.load(std::memory_order_relaxed)) {
    const int64_t wait = wait_ns();
    const timespec timeout{0, wait};
    const int count =
        epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == listener_) {
        accept_all();
      } else if (Connection* conn = connections_[static_cast<size_t>(fd)].get()) {
        on_event(*conn, events[static_cast<size_t>(i)].events);
      }
    }
    run_timers();
  }
}

void Worker::accept_all() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (static_cast<size_t>(fd) >= connections_.size())
      connections_.resize(static_cast<size_t>(fd) + 1);
    connections_[static_cast<size_t>(fd)] = std::make_unique<Connection>(fd, tls_);
    stats_.connections_opened.fetch_add(1, std::memory_order_relaxed);
    stats_.connections_open.fetch_add(1, std::memory_order_relaxed);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
}

void Worker::on_event(Connection& conn, uint32_t events) {
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) conn.peer_closed = true;
  if (events & EPOLLIN) conn.readable = true;
  if (conn.peer_closed && conn.phase != Connection::Phase::kReading) {
    drop(conn, true);
    return;
  }
  if (conn.phase == Connection::Phase::kSending) {
    settle(conn);
  } else if (conn.phase == Connection::Phase::kReading) {
    read_requests(conn);
  } else if ((events & EPOLLOUT) && conn.out_pos < conn.out.size()) {
    if (!flush(conn)) drop(conn, true);  // a paced stream to a slow reader
  }
}

void Worker::set_timer(Connection& conn, int64_t due_ns) {
  conn.timer = ++timer_ids_;
  timers_.push({due_ns, conn.transport.fd(), conn.timer});
}

void Worker::run_timers() {
  if (timers_.empty()) return;
  const int64_t now = monotonic_ns();
  while (!timers_.empty() && timers_.top().due_ns <= now) {
    const Timer timer = timers_.top();
    timers_.pop();
    Connection* conn = connections_[static_cast<size_t>(timer.fd)].get();
    if (conn != nullptr && conn->timer == timer.id && conn->phase == Connection::Phase::kWaiting)
      go_on(*conn);
  }
}

double Worker::latency_ms(const Behavior& behavior) {
  double wait = behavior.latency_ms;
  if (behavior.latency_p50_ms > 0) {
    // The 99th percentile of a lognormal is its median times exp(2.3263 sigma).
    const double ratio = std::max(1.0, behavior.latency_p99_ms / behavior.latency_p50_ms);
    std::normal_distribution<double> normal(0, std::log(ratio) / 2.3263478740408408);
    wait += behavior.latency_p50_ms * std::exp(normal(random_));
  }
  return wait;
}

}  // namespace mock
