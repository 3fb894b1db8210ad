// Exchange: one request and its reply, as a handler sees it. HTTP/1.1 implements
// it (server.cc); HTTP/2 slots in beside it as another implementation.
//
// A handler is a coroutine on the connection's Loop. It reads the body, or does
// not (what is left is drained or the connection closed), and replies once. When
// it returns without a reply, the peer gets a 500.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/loop.h"
#include "base/result.h"
#include "base/task.h"
#include "net/http.h"

namespace gatehouse::net {

class Socket;

// Who is at the other end, after the PROXY protocol where a trusted one spoke it.
struct Peer {
  std::string address;  // numeric, without port or brackets
  uint16_t port = 0;
  bool tls = false;
};

// A reply whose body is at hand. Views live until reply() returns.
struct Reply {
  int status = 200;
  std::string_view content_type;    // empty: none is sent
  std::span<const Header> headers;  // Content-Length, Date and Connection are added
  std::string_view body;
};

// A connection that no longer speaks HTTP, and what was read of it already.
struct Upgraded {
  Socket* socket = nullptr;
  std::string_view early;  // lives as long as the Exchange
};

// Why the server itself ended an exchange.
enum class Interruption : uint8_t {
  kNone,      // it did not; where cancel() has fired, the client has left
  kDraining,  // the process ends, and the drain time has passed
  kTooLong,   // ServerOptions::total_timeout_ms has passed
};

class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const RequestHead& request() const = 0;
  virtual const Peer& peer() const = 0;
  virtual Loop& loop() = 0;
  // Steady time at which the head was complete.
  virtual int64_t received_ns() const = 0;

  // Fires when the client has left (within 20 ms), or when the server's drain
  // time has passed. Pass it to everything the handler waits for.
  virtual Cancel& cancel() = 0;
  // Either of them: nobody waits any more.
  bool client_left() { return cancel().fired(); }
  virtual Interruption interruption() const { return Interruption::kNone; }

  // The whole body, in a buffer that lives as long as the Exchange.
  // kResourceExhausted: longer than `limit_bytes` or ServerOptions::body_bytes_max
  // (reply 413); kInvalidArgument: broken framing (reply 400); kDeadlineExceeded:
  // too slow (408); kUnavailable: no memory for it now (503); kCancelled: the
  // client has left.
  // Sends "100 Continue" first where the client waits for it.
  virtual Task<Result<std::string_view>> read_body(size_t limit_bytes) = 0;

  // The next piece of the body as it comes; empty at its end. The view lives
  // until the next call on the Exchange. Errors as for read_body.
  virtual Task<Result<std::string_view>> read_some() = 0;

  // Sends a whole reply. Statuses and headers are checked; HEAD gets no body.
  virtual Task<Status> reply(const Reply& reply) = 0;

  // A streamed reply: start, any number of writes, finish. Without a
  // Content-Length among `headers` it is chunked (to HTTP/1.0: until close).
  // write waits while the client is slow: at most 64 KiB are held. A piece may be
  // empty. What is known with the head or before the end goes out with it, in one
  // packet. Errors mean the client is gone: stop.
  virtual Task<Status> start(int status, std::span<const Header> headers,
                             std::string_view first = {}) = 0;
  virtual Task<Status> write(std::string_view piece) = 0;
  virtual Task<Status> finish(std::string_view last = {},
                              std::span<const Header> trailers = {}) = 0;

  // Ends the connection without a proper end of the reply, so that the client
  // cannot take a cut stream for a whole one.
  virtual void abort() = 0;

  // Whether bytes of the reply's head were given to the socket.
  virtual bool replied() const = 0;

  // Answers 101 with `headers` (Connection and Upgrade among them) and takes the
  // connection over until the handler returns; see net/websocket_stream.h. The
  // default is a refusal: not every protocol can.
  virtual Task<Result<Upgraded>> upgrade(std::span<const Header> headers);
};

using Handler = std::function<Task<void>(Exchange&)>;

}  // namespace gatehouse::net
