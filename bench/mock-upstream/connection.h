// One client connection of the mock: its socket, plain or TLS, and the call it is in.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>

#include "mock-upstream/replies.h"
#include "mock-upstream/state.h"

namespace mock {

// A non-blocking socket, with TLS over it when asked for.
class Transport {
 public:
  Transport(int fd, SSL_CTX* tls);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Bytes moved; 0 when nothing can move now; -1 when the connection is over.
  ssize_t read(char* into, size_t size);
  ssize_t write(const char* from, size_t size);
  bool is_tls() const { return ssl_ != nullptr; }
  int fd() const { return fd_; }
  // Makes the closing a reset instead of an orderly end.
  void reset_on_close();

 private:
  ssize_t tls_result(int result);
  const int fd_;
  SSL* ssl_ = nullptr;
};

struct Connection {
  // kReading: between calls or taking a request. kWaiting: a timer will go on.
  // kHeld: silent until the client leaves. kSending: bytes of the reply are left.
  enum class Phase { kReading, kWaiting, kHeld, kSending };

  Connection(int fd, SSL_CTX* tls) : transport(fd, tls) {}

  Transport transport;
  uint64_t timer = 0;  // the timer that counts; older ones in the queue are stale
  Phase phase = Phase::kReading;
  bool readable = false;
  bool peer_closed = false;
  bool in_call = false;
  bool reading = false;  // read_requests() is at work: no need to enter it again

  RequestReader reader;
  Request request;
  std::string unread;  // bytes that came after the request being answered
  std::string out;
  size_t out_pos = 0;

  Ask ask;
  Behavior behavior;  // only when it is not plain
  bool plain = true;
  Reply reply;
  CallHandle call;
  std::string id;

  // Progress of a careful reply.
  enum class Step { kStallFirst, kLatency, kRespond, kStream };
  Step step = Step::kRespond;
  size_t next_event = 0;
  int64_t due_ns = 0;  // of the next token
  bool stall_over = false;
  bool chunked = false;
  bool close_after = false;
  uint64_t fill_left = 0;
  std::string after_fill;
  bool head_sent = false;
};

}  // namespace mock
