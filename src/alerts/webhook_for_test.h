// A webhook's receiving end on loopback, on a thread of its own: keeps the bodies it was
// sent, and answers as it is told.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gatehouse::alerts {

class Webhook {
 public:
  Webhook() {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_, 64);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Webhook() {
    stopping_ = true;
    thread_.join();
    for (const int each : hanging_) ::close(each);
    ::close(listener_);
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }
  void answer(std::string status_line_and_headers) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(status_line_and_headers);
  }
  // Takes connections and says nothing.
  void hang(bool hanging) { hang_ = hanging; }
  // The bodies so far, once there are `count` or the time is over.
  std::vector<std::string> bodies(size_t count, int64_t wait_ms = 5000) {
    std::unique_lock lock(mutex_);
    came_.wait_for(lock, std::chrono::milliseconds(wait_ms),
                   [&] { return bodies_.size() >= count; });
    return bodies_;
  }

 private:
  void serve() {
    while (!stopping_) {
      pollfd ready{listener_, POLLIN, 0};
      if (::poll(&ready, 1, 20) <= 0) continue;
      const int peer = ::accept(listener_, nullptr, nullptr);
      if (hang_) {
        hanging_.push_back(peer);
        continue;
      }
      exchange(peer);
      ::close(peer);
    }
  }

  void exchange(int peer) {
    std::string request;
    char buffer[4096];
    size_t body_at = std::string::npos, length = 0;
    while (body_at == std::string::npos || request.size() < body_at + length) {
      const ssize_t got = ::read(peer, buffer, sizeof buffer);
      if (got <= 0) return;
      request.append(buffer, static_cast<size_t>(got));
      const size_t head = request.find("\r\n\r\n");
      if (body_at != std::string::npos || head == std::string::npos) continue;
      body_at = head + 4;
      for (const char* name : {"Content-Length: ", "content-length: "}) {
        const size_t at = request.find(name);
        if (at != std::string::npos && at < head) length = std::stoul(request.substr(at + 16));
      }
    }
    std::string answer;
    {
      const std::lock_guard lock(mutex_);
      bodies_.push_back(request.substr(body_at));
      answer = "HTTP/1.1 " + answer_ + "\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
      came_.notify_all();
    }
    for (size_t at = 0; at < answer.size();) {
      const ssize_t sent = ::write(peer, answer.data() + at, answer.size() - at);
      if (sent <= 0) return;
      at += static_cast<size_t>(sent);
    }
  }

  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false, hang_ = false;
  std::vector<int> hanging_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<std::string> bodies_;
  std::string answer_ = "200 OK";
  std::thread thread_;
};

}  // namespace gatehouse::alerts
