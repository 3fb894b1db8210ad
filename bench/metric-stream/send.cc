#include "metric-stream/send.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace gatehouse::bench {

namespace {

using Clock = std::chrono::steady_clock;

// A receiver that is busy answers 429 or 503; it is asked again for this long.
constexpr std::chrono::seconds kPatience{60};

class Connection {
 public:
  explicit Connection(const Destination& to) : to_(to) {}
  ~Connection() {
    if (fd_ >= 0) ::close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The reply's status; 0: the connection broke.
  int post(const std::string& body, std::string& answer) {
    if (fd_ < 0 && !connect()) return 0;
    std::string head = "POST " + to_.path +
                       " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
                       "Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n";
    if (!to_.header.empty()) head += to_.header + "\r\n";
    head += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    if (!send_all(head) || !send_all(body)) return broken();
    return read_reply(answer);
  }

 private:
  int broken() {
    ::close(fd_);
    fd_ = -1;
    return 0;
  }

  bool connect() {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(to_.port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return true;
    broken();
    return false;
  }

  bool send_all(const std::string& bytes) {
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t wrote = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (wrote <= 0) return false;
      sent += static_cast<size_t>(wrote);
    }
    return true;
  }

  int read_reply(std::string& answer) {
    std::string text;
    char buffer[4096];
    size_t head_end = std::string::npos, length = 0;
    while (head_end == std::string::npos || text.size() < head_end + 4 + length) {
      const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
      if (got <= 0) return broken();
      text.append(buffer, static_cast<size_t>(got));
      if (head_end == std::string::npos) {
        head_end = text.find("\r\n\r\n");
        if (head_end == std::string::npos) continue;
        std::string head = text.substr(0, head_end);
        std::transform(head.begin(), head.end(), head.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
        const size_t at = head.find("content-length:");
        if (at != std::string::npos) length = std::stoul(head.substr(at + 15));
      }
    }
    answer = text.substr(head_end + 4);
    return std::stoi(text.substr(9, 3));
  }

  const Destination& to_;
  int fd_ = -1;
};

// The requests of the lanes that belong to one of `connections`. All of one moment are
// sent before the first of the next, as if they were scraped just now.
class Stream {
 public:
  Stream(const std::string& path, uint32_t mine, uint32_t connections, std::barrier<>& moment)
      : file_(std::fopen(path.c_str(), "rb"), &std::fclose),
        mine_(mine),
        connections_(connections),
        moment_(moment) {}
  ~Stream() { moment_.arrive_and_drop(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  bool open() const { return file_ != nullptr; }
  bool next(std::string& body) {
    uint32_t head[2];  // lane, bytes
    while (std::fread(head, sizeof head, 1, file_.get()) == 1) {
      if (head[0] < lane_before_) moment_.arrive_and_wait();
      lane_before_ = head[0];
      if (head[0] % connections_ != mine_) {
        if (std::fseek(file_.get(), head[1], SEEK_CUR) != 0) return false;
        continue;
      }
      body.resize(head[1]);
      return std::fread(body.data(), 1, body.size(), file_.get()) == body.size();
    }
    return false;
  }

 private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  uint32_t mine_, connections_;
  uint32_t lane_before_ = 0;
  std::barrier<>& moment_;
};

struct Totals {
  std::atomic<int64_t> requests{0}, bytes{0}, retried{0};
  std::atomic<bool> failed{false};
};

void send_some(Stream& stream, const Destination& to, Totals& totals) {
  Connection connection(to);
  std::string body, answer;
  while (!totals.failed && stream.next(body)) {
    const auto give_up = Clock::now() + kPatience;
    int status = connection.post(body, answer);
    while ((status == 0 || status == 429 || status == 503) && Clock::now() < give_up) {
      ++totals.retried;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      status = connection.post(body, answer);
    }
    if (status / 100 != 2) {
      std::fprintf(stderr, "metric-stream: status %d: %.500s\n", status, answer.c_str());
      totals.failed = true;
      return;
    }
    ++totals.requests;
    totals.bytes += static_cast<int64_t>(body.size());
  }
}

}  // namespace

bool send_stream(const std::string& path, const Destination& to) {
  const auto connections = static_cast<uint32_t>(to.connections);
  std::barrier<> moment(to.connections);
  std::vector<std::unique_ptr<Stream>> streams;
  for (uint32_t i = 0; i < connections; ++i) {
    streams.push_back(std::make_unique<Stream>(path, i, connections, moment));
    if (!streams.back()->open()) {
      std::perror(path.c_str());
      return false;
    }
  }
  Totals totals;
  const auto begin = Clock::now();
  std::vector<std::thread> threads;
  for (auto& stream : streams) {
    threads.emplace_back([&, from = std::move(stream)] { send_some(*from, to, totals); });
  }
  for (std::thread& each : threads) each.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  std::printf("{\"requests\":%lld,\"bytes\":%lld,\"seconds\":%.3f,\"retried\":%lld}\n",
              static_cast<long long>(totals.requests), static_cast<long long>(totals.bytes),
              seconds, static_cast<long long>(totals.retried));
  return !totals.failed;
}

}  // namespace gatehouse::bench
