// The HTTP client: one Client a Loop, with a pool of connections an origin.
//
//   ClientCall call(client);
//   CO_RETURN_IF_ERROR(co_await call.send(request));      // connects, writes head and body
//   CO_ASSIGN_OR_RETURN(const ResponseHead* head, co_await call.read_head());
//   while (true) {
//     CO_ASSIGN_OR_RETURN(std::string_view piece, co_await call.read_some());
//     if (piece.empty()) break;
//   }
//
// A connection whose reply was read to its end goes back to the pool; any other
// is closed by the ClientCall's destructor, at once, which is how a call is
// cancelled. A pooled connection that the peer had closed meanwhile is replaced
// by a fresh one where not a byte of a reply was read (RFC 9110 §9.2.2; see
// Request::may_resend).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/loop.h"
#include "base/pool.h"
#include "base/result.h"
#include "base/task.h"
#include "net/dialer.h"
#include "net/http.h"

namespace gatehouse::net {

// Where calls go: scheme, host and port, resolved ahead of the hot path.
struct Origin {
  bool tls = false;
  std::string host;  // name or numeric address, without brackets
  uint16_t port = 80;
  std::string host_header;     // what Host says
  int connections_max = 8192;  // in use at a time, a Loop; further calls queue
  Reach reach = Reach::kUsual;
  friend bool operator==(const Origin&, const Origin&) = default;
};

// What it points to must live until read_head has returned: a request may be
// sent again until then.
struct ClientRequest {
  const Origin* origin = nullptr;
  std::string_view method = "POST";
  std::string_view target = "/";
  // Host, Content-Length and Transfer-Encoding are written by the client.
  std::span<const Header> headers;
  std::string_view body;  // whole; or see streamed_body
  // The body follows by ClientCall::write and ::finish; with content_length < 0
  // it is chunked.
  bool streamed_body = false;
  int64_t content_length = -1;
  // A stale pooled connection may be replaced and the request sent again.
  bool may_resend = true;
  int64_t connect_deadline_ms = kNever;  // steady; includes resolving, TLS and waiting for a place
  int64_t write_deadline_ms = kNever;
  Cancel* cancel = nullptr;  // ends every wait of the call
};

// Where the time of a call went, steady ns; 0: not reached.
struct ClientTimes {
  int64_t begin_ns = 0, connected_ns = 0, sent_ns = 0, first_byte_ns = 0;
  bool reused = false;  // a pooled connection
};

class Client {
 public:
  Client(Loop& loop, Dialer& dialer);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Loop& loop();
  // Idle connections are closed after this long; below the usual 60 to 75 s of servers.
  static constexpr int64_t kIdleMs = 30'000;
  int idle_connections() const;
  int open_connections() const;
  void close_idle();

 private:
  friend class ClientCall;
  struct State;
  std::unique_ptr<State> state_;
};

class ClientCall {
 public:
  explicit ClientCall(Client& client);
  ~ClientCall();
  ClientCall(const ClientCall&) = delete;
  ClientCall& operator=(const ClientCall&) = delete;

  // Errors: kUnavailable (refused, reset, name not found), kDeadlineExceeded
  // (message begins with "connect" or "write"), kPermissionDenied (the dialer's
  // allow-list), kCancelled.
  Task<Status> send(const ClientRequest& request);
  Task<Status> write(std::string_view piece);
  Task<Status> finish();

  // The reply's head; 1xx are passed over. Its views live until the call ends.
  // kDeadlineExceeded: no head by the deadline; kUnavailable: the peer closed
  // first; kDataLoss: not HTTP.
  Task<Result<const ResponseHead*>> read_head(int64_t deadline_ms = kNever);

  // The next piece of the reply's body, empty at its end; lives until the next
  // read. kDataLoss: cut before its end (Content-Length or last chunk);
  // kDeadlineExceeded. At most 64 KiB are held; nothing is read ahead.
  Task<Result<std::string_view>> read_some(int64_t deadline_ms = kNever);

  // The next piece where it has been read from the socket already: no waiting, no
  // system call. Empty: there is none, or the body ended or failed, which
  // read_some tells.
  std::string_view read_ready();

  // The rest of the body, whole; lives as long as the call. kResourceExhausted:
  // longer than the limit.
  Task<Result<std::string_view>> read_all(size_t limit_bytes, int64_t deadline_ms = kNever);

  const ClientTimes& times() const;
  // Any byte of a reply was read.
  bool reply_begun() const;

 private:
  friend class Client;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gatehouse::net
