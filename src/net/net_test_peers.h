// Peers of the tests: a Server on a thread of its own, and a raw TCP client that
// sends exactly the bytes a test names.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/loop.h"
#include "net/server.h"

namespace gatehouse::net::test {

// A loop on a thread of its own.
class LoopThread {
 public:
  LoopThread() : thread_([this] { loop.run(); }) {}
  ~LoopThread() { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    loop.stop();
    thread_.join();
  }
  // Runs `body` on the loop's thread and waits for its end.
  void run(std::function<Task<void>()> body) {
    std::atomic<bool> done{false};
    loop.post([&] { detach(enclose(body, done)); });
    done.wait(false);
  }

  Loop loop;

 private:
  static Task<void> enclose(std::function<Task<void>()>& body, std::atomic<bool>& done) {
    co_await body();
    done = true;
    done.notify_one();
  }
  std::thread thread_;
};

class TestServer {
 public:
  explicit TestServer(Handler handler, ServerOptions options = {},
                      std::shared_ptr<TlsServerContext> tls = nullptr,
                      const std::string& address = "127.0.0.1:0") {
    thread.run([&]() -> Task<void> {
      server = std::make_unique<Server>(thread.loop, options, tls, budget, handler);
      const Status status = server->listen(address);
      EXPECT_TRUE(status.ok()) << status.to_string();
      co_return;
    });
  }
  ~TestServer() {
    thread.run([this]() -> Task<void> { co_await server->drain(200); });
    thread.run([this]() -> Task<void> {
      server.reset();
      co_return;
    });
  }
  uint16_t port() const { return server->port(); }

  MemoryBudget budget{64 << 20};
  LoopThread thread;
  std::unique_ptr<Server> server;
};

class RawClient {
 public:
  explicit RawClient(uint16_t port, int receive_buffer_bytes = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer_bytes != 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int fd() const { return fd_; }

  // False: the peer does not take it any more.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  // What comes within `wait_ms`, up to `bytes`; less at the peer's end.
  std::string receive(size_t bytes, int wait_ms = 3000) {
    std::string got;
    while (got.size() < bytes) {
      pollfd poll_fd{fd_, POLLIN, 0};
      if (::poll(&poll_fd, 1, wait_ms) <= 0) break;
      char piece[65536];
      const ssize_t read = ::recv(fd_, piece, std::min(sizeof piece, bytes - got.size()), 0);
      if (read <= 0) {
        reset = read < 0;
        ended = true;
        break;
      }
      got.append(piece, static_cast<size_t>(read));
    }
    return got;
  }
  std::string receive_all(int wait_ms = 3000) { return receive(SIZE_MAX, wait_ms); }
  // Up to and with `mark`.
  std::string receive_until(std::string_view mark, int wait_ms = 3000) {
    std::string got;
    while (!got.ends_with(mark)) {
      const std::string piece = receive(1, wait_ms);
      if (piece.empty()) break;
      got += piece;
    }
    return got;
  }

  bool ended = false;
  bool reset = false;

 private:
  int fd_ = -1;
};

// A listening socket whose connections a test serves by hand, each on a thread
// of its own: script(fd, how many came before).
class ScriptedPeer {
 public:
  explicit ScriptedPeer(std::function<void(int, int)> script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    socklen_t bytes = sizeof at;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &bytes);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedPeer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    for (std::thread& each : connections_) each.join();
    ::close(listener_);
  }
  uint16_t port() const { return port_; }
  int accepted() const { return accepted_; }

  // Reads up to the end of a head; what came behind it too.
  static std::string read_head(int fd) {
    std::string got;
    char byte;
    while (!got.ends_with("\r\n\r\n") && ::recv(fd, &byte, 1, 0) == 1) got += byte;
    return got;
  }
  static bool write(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // Milliseconds until the other side closed; -1: not within `wait_ms`.
  static int64_t wait_for_close(int fd, int wait_ms) {
    const int64_t begin_ms = steady_ms();
    char piece[4096];
    while (steady_ms() - begin_ms < wait_ms) {
      pollfd poll_fd{fd, POLLIN, 0};
      if (::poll(&poll_fd, 1, wait_ms) <= 0) break;
      if (::recv(fd, piece, sizeof piece, 0) <= 0) return steady_ms() - begin_ms;
    }
    return -1;
  }

 private:
  void accept_all() {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      connections_.emplace_back([this, fd, before = accepted_++] {
        script_(fd, before);
        ::close(fd);
      });
    }
  }

  std::function<void(int, int)> script_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> accepted_{0};
  std::vector<std::thread> connections_;  // the accepting thread's, then the destructor's
  std::thread thread_;
};

}  // namespace gatehouse::net::test
