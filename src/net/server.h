// The HTTP server: one Server a Loop, each with its own listening socket
// (SO_REUSEPORT), so that a connection lives on one core from accept to close.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/budget.h"
#include "base/loop.h"
#include "base/result.h"
#include "net/exchange.h"
#include "net/options.h"

namespace gatehouse::net {

class TlsServerContext;  // net/tls.h: certificate and key, reloadable

struct ServerCounters {  // read by any thread
  std::atomic<int64_t> connections_open{0}, connections_accepted{0}, connections_refused{0};
  std::atomic<int64_t> requests{0}, bad_requests{0};
  std::atomic<int64_t> bytes_in{0}, bytes_out{0};
};

// Whether nobody listens at `address` yet. Servers share their port with each
// other (SO_REUSEPORT), and would share it with those of another process of the
// same user without a word: ask before the first of them listens.
// kAlreadyExists: someone does. Unix sockets are checked by listen() itself.
Status check_free(const std::string& address);

class Server {
 public:
  Server(Loop& loop, ServerOptions options, std::shared_ptr<TlsServerContext> tls,
         MemoryBudget& budget, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Binds "host:port", "[v6]:port" or "unix:/path" and accepts. The message
  // names the address and what to do (in use, not permitted).
  Status listen(const std::string& address);
  uint16_t port() const;  // after listen, useful for port 0

  // Graceful drain: no new connections, idle ones closed, replies in flight
  // marked "Connection: close" and finished; after `drain_ms` the rest is
  // cancelled. Ends when the last connection has.
  Task<void> drain(int64_t drain_ms);

  // New limits and handler for requests that begin after this.
  void update(ServerOptions options, std::shared_ptr<TlsServerContext> tls, Handler handler);

  const ServerCounters& counters() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace gatehouse::net
