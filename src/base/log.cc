#include "base/log.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "base/text.h"

namespace gatehouse {

namespace {

constexpr size_t kWaitingBytesMax = 4 << 20;  // what a stalled reader may cost in memory
constexpr size_t kWriteBytes = 64 << 10;
constexpr auto kWriteEvery = std::chrono::milliseconds(20);

std::atomic<Severity> least_severity{Severity::kInfo};

void write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, bytes.data(), bytes.size());
    if (written > 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (written < 0 && errno == EAGAIN) {
      pollfd poll_fd{STDERR_FILENO, POLLOUT, 0};
      ::poll(&poll_fd, 1, 1000);
    } else if (written < 0 && errno != EINTR) {
      return;  // nobody reads it any more: nowhere to say so
    }
  }
}

class Writer {
 public:
  Writer() : thread_([this] { run(); }) {}
  ~Writer() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  void add(std::string_view line) {
    bool full;
    {
      std::lock_guard lock(mutex_);
      if (waiting_.size() + line.size() > kWaitingBytesMax) {
        ++dropped_;
        return;
      }
      full = waiting_.size() < kWriteBytes && waiting_.size() + line.size() >= kWriteBytes;
      waiting_ += line;
    }
    if (full) wake_.notify_all();
  }

  void flush() {
    std::unique_lock lock(mutex_);
    flush_wanted_ = true;
    wake_.notify_all();
    flushed_.wait_for(lock, std::chrono::seconds(2),
                      [this] { return waiting_.empty() && !writing_; });
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    std::string batch;
    while (true) {
      wake_.wait_for(lock, kWriteEvery, [this] {
        return stopping_ || flush_wanted_ || waiting_.size() >= kWriteBytes;
      });
      flush_wanted_ = false;
      if (waiting_.empty()) {
        flushed_.notify_all();
        if (stopping_) return;
        continue;
      }
      batch.swap(waiting_);
      const uint64_t dropped = std::exchange(dropped_, 0);
      writing_ = true;
      lock.unlock();
      write_all(batch);
      batch.clear();
      if (batch.capacity() > kWaitingBytesMax / 4) batch.shrink_to_fit();
      if (dropped > 0) {
        log_warning("log lines were dropped: standard error is read too slowly",
                    {{"dropped", dropped}});
      }
      lock.lock();
      writing_ = false;
      flushed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable flushed_;
  std::string waiting_;
  uint64_t dropped_ = 0;
  bool writing_ = false;
  bool flush_wanted_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

Writer& writer() {
  static Writer instance;
  return instance;
}

void append_field(std::string& line, const LogField& field) {
  line += ',';
  append_json_string(line, field.key);
  line += ':';
  char number[32];
  switch (field.kind) {
    case LogField::kText: append_json_string(line, field.text); break;
    case LogField::kBool: line += field.integer != 0 ? "true" : "false"; break;
    case LogField::kInteger:
      line.append(number, std::to_chars(number, number + sizeof number, field.integer).ptr);
      break;
    case LogField::kNumber:
      if (std::isfinite(field.number)) {
        line.append(number, std::to_chars(number, number + sizeof number, field.number).ptr);
      } else {
        line += "null";
      }
      break;
  }
}

}  // namespace

std::string_view name(Severity severity) {
  switch (severity) {
    case Severity::kDebug: return "debug";
    case Severity::kInfo: return "info";
    case Severity::kWarning: return "warning";
    case Severity::kError: return "error";
  }
  return "info";
}

void set_log_severity(Severity severity) { least_severity = severity; }
bool log_enabled(Severity severity) { return severity >= least_severity.load(); }

void log(Severity severity, std::string_view message, std::initializer_list<LogField> fields) {
  if (!log_enabled(severity)) return;
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  thread_local std::string line;
  line = "{\"time\":\"";
  line += format_time(int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
  line += "\",\"severity\":\"";
  line += name(severity);
  line += "\",\"message\":";
  append_json_string(line, message);
  for (const LogField& field : fields) append_field(line, field);
  line += "}\n";
  writer().add(line);
}

void flush_log() { writer().flush(); }

namespace {

// Whether it stands in JSON as it is: ASCII that needs no escape. Eight bytes at a time; a
// byte's upper bit says that it is not.
bool plain_in_json(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101'0101'0101'0101;
  constexpr uint64_t kUpper = kOnes << 7;
  const auto is_not = [](uint64_t bytes) {
    const auto has_zero = [](uint64_t each) { return (each - kOnes) & ~each; };
    return (bytes | ((bytes - kOnes * 0x20) & ~bytes) | has_zero(bytes ^ kOnes * '"') |
            has_zero(bytes ^ kOnes * '\\')) &
           kUpper;
  };
  uint64_t found = 0;
  for (; text.size() >= 8; text.remove_prefix(8)) {
    uint64_t bytes;
    std::memcpy(&bytes, text.data(), 8);
    found |= is_not(bytes);
  }
  uint64_t rest = kOnes * ' ';
  if (!text.empty()) std::memcpy(&rest, text.data(), text.size());
  return (found | is_not(rest)) == 0;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  if (plain_in_json(text)) {
    out += '"';
    out += text;
    out += '"';
    return;
  }
  const bool clean = valid_utf8(text);
  out += '"';
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      switch (c) {
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        default:
          out += "\\u00";
          out += kHex[byte >> 4];
          out += kHex[byte & 15];
      }
    } else if (byte >= 0x80 && !clean) {
      out += "\xEF\xBF\xBD";
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace gatehouse
