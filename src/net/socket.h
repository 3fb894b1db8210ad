// A connected stream socket of a Loop, plain or under TLS.
//
// The try_ functions are one system call on the non-blocking descriptor and
// never wait: the usual case costs no coroutine. The awaitable ones go on from
// there when the kernel has nothing to give or no room.
//
// Invariants
//   - Owns the descriptor and the SSL session; closing is immediate.
//   - No write raises SIGPIPE: MSG_NOSIGNAL, and the TLS part ignores the signal.
//   - One coroutine reads and one writes at a time. Under TLS, reading never
//     waits for room to write: renegotiation is refused.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/loop.h"
#include "base/result.h"
#include "base/task.h"

typedef struct ssl_st SSL;

namespace gatehouse::net {

// How long a read or a write may wait. All three end it.
struct IoWait {
  int64_t deadline_ms = kNever;  // steady time
  int64_t stall_ms = kNever;     // without a byte moving
  Cancel* cancel = nullptr;

  int64_t next_deadline_ms() const;
};

class Socket {
 public:
  Socket() = default;
  Socket(Loop& loop, int fd) : descriptor_(Descriptor(loop, fd)) {}
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept
      : descriptor_(std::move(other.descriptor_)), ssl_(std::exchange(other.ssl_, nullptr)) {}
  Socket& operator=(Socket&& other) noexcept;

  bool open() const { return descriptor_.has_value() && descriptor_->open(); }
  Descriptor& descriptor() { return *descriptor_; }
  int fd() const { return descriptor_->fd(); }

  // Takes an SSL whose descriptor is set to this socket's.
  void set_ssl(SSL* ssl) { ssl_ = ssl; }
  SSL* ssl() const { return ssl_; }
  bool tls() const { return ssl_ != nullptr; }
  // Bytes that were decrypted and not yet read: no readiness will tell of them.
  bool pending() const;

  // Bytes moved; kEnd at the peer's orderly end (reads); kWait: not now;
  // kFailed: last_error() says why.
  static constexpr ssize_t kEnd = 0;
  static constexpr ssize_t kWait = -1;
  static constexpr ssize_t kFailed = -2;
  ssize_t try_read(char* to, size_t bytes);
  ssize_t try_write(std::span<const iovec> parts);
  ssize_t try_write(std::string_view bytes);
  Status last_error() const;

  // At least one byte, or 0 at the peer's end. kDeadlineExceeded, kCancelled,
  // kUnavailable.
  Task<Result<size_t>> read(char* to, size_t bytes, IoWait wait);
  // All of `parts`, which is used up on the way.
  Task<Status> write(std::span<iovec> parts, IoWait wait);
  Task<Status> write(std::string_view bytes, IoWait wait);

  // The TLS handshake of an SSL that was set to accept or connect.
  Task<Status> handshake(int64_t deadline_ms, Cancel* cancel);

  // Ends the sending side: close_notify under TLS, then FIN.
  void shutdown_write();
  void close();
  // Closes with RST, so that the peer cannot take what it has for the whole.
  void reset();

 private:
  ssize_t try_read_tls(char* to, size_t bytes);
  ssize_t try_write_tls(std::span<const iovec> parts);
  ssize_t tls_outcome(int returned);

  std::optional<Descriptor> descriptor_;
  SSL* ssl_ = nullptr;
  int errno_ = 0;
  bool tls_failed_ = false;   // the session is broken: no close_notify
  bool wants_write_ = false;  // what the last kWait of the handshake is for
};

// Moves `parts` on by `bytes` that were written; returns what is left of them.
std::span<iovec> advance_parts(std::span<iovec> parts, size_t bytes);

// The waiting time's end as a Status.
Status wake_status(Wake wake, std::string_view what);

}  // namespace gatehouse::net
