// The one way out: every connection that Gatehouse opens is dialled here. Names
// are resolved off the loop, the addresses checked against the allow-list after
// resolution (so that no name leads where its address may not), and tried in
// the order of Happy Eyeballs (RFC 8305).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/pool.h"
#include "base/result.h"
#include "base/task.h"
#include "net/ip_address.h"
#include "net/options.h"

namespace gatehouse::net {

class TlsClientContext;  // net/tls.h

// What a dial may reach besides. The identity client alone sets
// link_local: 169.254.169.254 is where managed identities live. Public: where an answer from
// outside leads (a redirect), so that nobody is led into the network behind Gatehouse.
enum class Reach { kUsual, kLinkLocal, kPublic };

// A proxy through which connections are tunnelled by CONNECT (RFC 9110 §9.3.6).
struct Tunnel {
  std::string host;
  uint16_t port = 0;
  std::string headers;  // more lines of the request, each with its CR LF
};

// Shared by all Loops: holds the resolver's cache and the lists.
class Dialer {
 public:
  Dialer(Pool& pool, DialOptions options, std::shared_ptr<TlsClientContext> tls);
  ~Dialer();

  // A connected, non-blocking TCP socket with TCP_NODELAY.
  // kPermissionDenied names the address that the lists refuse.
  Task<Result<int>> dial(Loop& loop, const std::string& host, uint16_t port, Reach reach,
                         int64_t deadline_ms, Cancel* cancel);

  // From now on every dial goes through the proxy, which resolves names itself: the lists are
  // asked about its address, and about targets that are numeric.
  void tunnel_through(Tunnel tunnel);

  void update(DialOptions options, std::shared_ptr<TlsClientContext> tls);
  std::shared_ptr<TlsClientContext> tls() const;

 private:
  Task<Result<int>> dial_direct(Loop& loop, const std::string& host, uint16_t port, Reach reach,
                                int64_t deadline_ms, Cancel* cancel);

  struct State;
  std::shared_ptr<State> state_;
};

// The race alone: connects to the first of `order` that answers, starting one
// attempt every 250 ms or when one fails. `where` is for messages. `order` lives
// until the end.
Task<Result<int>> dial_any(Loop& loop, std::span<const IpAddress> order, uint16_t port,
                           std::string where, int64_t deadline_ms, Cancel* cancel);

}  // namespace gatehouse::net
