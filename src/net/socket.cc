#include "net/socket.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace gatehouse::net {

namespace {

// What is gathered into one TLS record: its largest size.
constexpr size_t kRecordBytes = 16 * 1024;

// The reason on top of OpenSSL's queue, which is emptied.
std::string tls_reason() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  if (error == 0) return "the connection was closed";
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "unknown TLS error";
}

}  // namespace

int64_t IoWait::next_deadline_ms() const {
  return stall_ms == kNever ? deadline_ms : std::min(deadline_ms, steady_ms() + stall_ms);
}

std::span<iovec> advance_parts(std::span<iovec> parts, size_t bytes) {
  while (!parts.empty() && bytes >= parts.front().iov_len) {
    bytes -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (!parts.empty() && bytes != 0) {
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + bytes;
    parts.front().iov_len -= bytes;
  }
  return parts;
}

Status wake_status(Wake wake, std::string_view what) {
  if (wake == Wake::kCancelled) return {Code::kCancelled, std::string(what) + " was cancelled"};
  return {Code::kDeadlineExceeded, std::string(what) + " took too long"};
}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this == &other) return *this;
  close();
  descriptor_.reset();
  if (other.descriptor_.has_value()) descriptor_.emplace(std::move(*other.descriptor_));
  other.descriptor_.reset();
  ssl_ = std::exchange(other.ssl_, nullptr);
  errno_ = other.errno_;
  tls_failed_ = other.tls_failed_;
  return *this;
}

bool Socket::pending() const { return ssl_ != nullptr && SSL_pending(ssl_) > 0; }

ssize_t Socket::try_read(char* to, size_t bytes) {
  if (ssl_ != nullptr) return try_read_tls(to, bytes);
  while (true) {
    const ssize_t got = ::recv(fd(), to, bytes, 0);
    if (got >= 0) return got;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return kWait;
    if (errno == EINTR) continue;
    errno_ = errno;
    return kFailed;
  }
}

ssize_t Socket::try_write(std::span<const iovec> parts) {
  if (ssl_ != nullptr) return try_write_tls(parts);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  while (true) {
    const ssize_t sent = ::sendmsg(fd(), &message, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return kWait;
    if (errno == EINTR) continue;
    errno_ = errno;
    return kFailed;
  }
}

ssize_t Socket::try_write(std::string_view bytes) {
  const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  return try_write(std::span(&part, 1));
}

ssize_t Socket::tls_outcome(int returned) {
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ: wants_write_ = false; return kWait;
    case SSL_ERROR_WANT_WRITE: wants_write_ = true; return kWait;
    case SSL_ERROR_ZERO_RETURN: return kEnd;
    case SSL_ERROR_SYSCALL:
      errno_ = errno;
      tls_failed_ = true;
      return kFailed;
    default:
      errno_ = 0;
      tls_failed_ = true;
      return kFailed;
  }
}

ssize_t Socket::try_read_tls(char* to, size_t bytes) {
  ERR_clear_error();
  const int got = SSL_read(ssl_, to, static_cast<int>(std::min<size_t>(bytes, INT_MAX)));
  if (got > 0) return got;
  return tls_outcome(got);
}

ssize_t Socket::try_write_tls(std::span<const iovec> parts) {
  // One record for what fits one: a head and its body cost one encryption and one packet.
  ERR_clear_error();
  char record[kRecordBytes];
  const void* from = nullptr;
  size_t bytes = 0;
  for (const iovec& part : parts) {
    if (part.iov_len == 0) continue;
    if (bytes == 0 && part.iov_len >= kRecordBytes) {
      from = part.iov_base;
      bytes = std::min<size_t>(part.iov_len, INT_MAX);
      break;
    }
    const size_t taken = std::min(part.iov_len, kRecordBytes - bytes);
    std::memcpy(record + bytes, part.iov_base, taken);
    bytes += taken;
    from = record;
    if (bytes == kRecordBytes) break;
  }
  if (bytes == 0) return 0;
  const int sent = SSL_write(ssl_, from, static_cast<int>(bytes));
  if (sent > 0) return sent;
  const ssize_t outcome = tls_outcome(sent);
  return outcome == kEnd ? kFailed : outcome;
}

Status Socket::last_error() const {
  if (errno_ != 0) return unavailable(std::strerror(errno_));
  if (ssl_ != nullptr) return unavailable(tls_reason());
  return unavailable("the connection was closed");
}

Task<Result<size_t>> Socket::read(char* to, size_t bytes, IoWait wait) {
  bool try_first = ssl_ != nullptr;
  while (true) {
    if (try_first) {
      const ssize_t got = try_read(to, bytes);
      if (got >= 0) co_return static_cast<size_t>(got);
      if (got == kFailed) co_return last_error();
    }
    try_first = true;
    const Wake wake = co_await descriptor_->readable(wait.next_deadline_ms(), wait.cancel);
    if (wake != Wake::kReady) co_return wake_status(wake, "reading");
  }
}

Task<Status> Socket::write(std::span<iovec> parts, IoWait wait) {
  parts = advance_parts(parts, 0);
  while (!parts.empty()) {
    const ssize_t sent = try_write(parts);
    if (sent == kFailed) co_return last_error();
    if (sent >= 0) {
      parts = advance_parts(parts, static_cast<size_t>(sent));
      continue;
    }
    const Wake wake = co_await descriptor_->writable(wait.next_deadline_ms(), wait.cancel);
    if (wake != Wake::kReady) co_return wake_status(wake, "writing");
  }
  co_return Status();
}

Task<Status> Socket::write(std::string_view bytes, IoWait wait) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  co_return co_await write(std::span(&part, 1), wait);
}

Task<Status> Socket::handshake(int64_t deadline_ms, Cancel* cancel) {
  while (true) {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_);
    if (done == 1) co_return Status();
    const ssize_t outcome = tls_outcome(done);
    if (outcome != kWait) co_return last_error().with_context("TLS handshake");
    Wake wake;
    if (wants_write_) {
      wake = co_await descriptor_->writable(deadline_ms, cancel);
    } else {
      wake = co_await descriptor_->readable(deadline_ms, cancel);
    }
    if (wake != Wake::kReady) co_return wake_status(wake, "TLS handshake");
  }
}

void Socket::shutdown_write() {
  if (!open()) return;
  if (ssl_ != nullptr && !tls_failed_ && SSL_is_init_finished(ssl_) == 1) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
    ERR_clear_error();
  }
  ::shutdown(fd(), SHUT_WR);
}

void Socket::close() {
  if (ssl_ != nullptr) {
    SSL_free(ssl_);
    ssl_ = nullptr;
  }
  if (open()) descriptor_->close();
}

void Socket::reset() {
  if (!open()) return;
  const linger now{1, 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

}  // namespace gatehouse::net
