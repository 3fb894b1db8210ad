// The connections of a Client, by origin: the idle ones to be used again, and
// the queue of calls that wait for a place.
//
// Invariants
//   - places_taken counts the calls that hold a connection or are making one; it
//     never exceeds Origin::connections_max as the asking call knows it.
//   - A place that is given up goes to the call that has waited longest.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/loop.h"
#include "net/client.h"
#include "net/socket.h"
#include "net/tls.h"

namespace gatehouse::net {

struct ClientConnection {
  Socket socket;
  std::shared_ptr<TlsClientContext> tls;  // outlives the session
  int64_t idle_since_ms = 0;
};

// One call in the queue.
struct PlaceWaiter {
  explicit PlaceWaiter(Loop& loop) : granted(loop) {}
  Event granted;
};

struct OriginPool {
  std::vector<std::unique_ptr<ClientConnection>> idle;  // the last one used last
  int places_taken = 0;
  std::deque<PlaceWaiter*> queue;
};

struct OriginKey {
  bool tls;
  uint16_t port;
  std::string host;
  friend bool operator==(const OriginKey&, const OriginKey&) = default;
};
struct OriginView {
  bool tls;
  uint16_t port;
  std::string_view host;
};
struct OriginHash {
  using is_transparent = void;
  static size_t of(bool tls, uint16_t port, std::string_view host) {
    return std::hash<std::string_view>{}(host) ^ (size_t{port} << 1) ^ size_t { tls };
  }
  size_t operator()(const OriginKey& key) const { return of(key.tls, key.port, key.host); }
  size_t operator()(const OriginView& key) const { return of(key.tls, key.port, key.host); }
};
struct OriginEqual {
  using is_transparent = void;
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return a.tls == b.tls && a.port == b.port && a.host == b.host;
  }
};

struct Client::State {
  State(Loop& l, Dialer& d);
  ~State();

  Loop& loop;
  Dialer& dialer;
  std::unordered_map<OriginKey, OriginPool, OriginHash, OriginEqual> pools;
  std::vector<std::unique_ptr<ClientCall::State>> free_calls;
  // One recv's worth. Good until the next wait.
  static constexpr size_t kScratchBytes = 64 * 1024;
  std::unique_ptr<char[]> scratch = std::make_unique_for_overwrite<char[]>(kScratchBytes);
  std::unique_ptr<Repeat> reaper;

  OriginPool& pool_of(const Origin& origin);
  // A place in the origin's pool, waited for in turn. kDeadlineExceeded, kCancelled.
  Task<Status> take_place(OriginPool& pool, int places_max, int64_t deadline_ms, Cancel* cancel);
  void give_place(OriginPool& pool);
  std::unique_ptr<ClientConnection> take_idle(OriginPool& pool, bool must_be_alive);
  void give_idle(OriginPool& pool, std::unique_ptr<ClientConnection> connection);
  Task<Result<std::unique_ptr<ClientConnection>>> connect(const ClientRequest& request);
  void reap(int64_t before_ms);
};

}  // namespace gatehouse::net
