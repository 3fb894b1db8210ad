#include "net/client_pool.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>

#include "net/client_call.h"

namespace gatehouse::net {

namespace {
constexpr int64_t kReapEveryMs = 5'000;
}

Client::State::State(Loop& l, Dialer& d)
    : loop(l), dialer(d), reaper(std::make_unique<Repeat>(l, kReapEveryMs, [this] {
        reap(steady_ms() - Client::kIdleMs);
      })) {}
Client::State::~State() = default;

OriginPool& Client::State::pool_of(const Origin& origin) {
  const OriginView view{origin.tls, origin.port, origin.host};
  const auto found = pools.find(view);
  if (found != pools.end()) return found->second;
  return pools[OriginKey{origin.tls, origin.port, origin.host}];
}

Task<Status> Client::State::take_place(OriginPool& pool, int places_max, int64_t deadline_ms,
                                       Cancel* cancel) {
  if (pool.places_taken < places_max && pool.queue.empty()) {
    ++pool.places_taken;
    co_return Status();
  }
  PlaceWaiter waiter(loop);
  pool.queue.push_back(&waiter);
  const Wake wake = co_await waiter.granted.wait(deadline_ms, cancel);
  if (wake == Wake::kReady) co_return Status();
  if (waiter.granted.is_set()) {
    give_place(pool);  // granted in the same turn
  } else {
    std::erase(pool.queue, &waiter);
  }
  co_return wake_status(
      wake, "connect (waiting for one of " + std::to_string(places_max) + " connections)");
}

void Client::State::give_place(OriginPool& pool) {
  if (pool.queue.empty()) {
    --pool.places_taken;
    return;
  }
  PlaceWaiter* next = pool.queue.front();
  pool.queue.pop_front();
  next->granted.set();
}

std::unique_ptr<ClientConnection> Client::State::take_idle(OriginPool& pool, bool must_be_alive) {
  while (!pool.idle.empty()) {
    auto connection = std::move(pool.idle.back());
    pool.idle.pop_back();
    if (!must_be_alive) return connection;
    // A request that must not be sent twice is worth the system call.
    char byte;
    const ssize_t peeked = ::recv(connection->socket.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (peeked < 0 && errno == EAGAIN) return connection;
  }
  return nullptr;
}

void Client::State::give_idle(OriginPool& pool, std::unique_ptr<ClientConnection> connection) {
  connection->idle_since_ms = steady_ms();
  pool.idle.push_back(std::move(connection));
}

Task<Result<std::unique_ptr<ClientConnection>>> Client::State::connect(
    const ClientRequest& request) {
  const Origin& origin = *request.origin;
  const Result<int> fd = co_await dialer.dial(loop, origin.host, origin.port, origin.reach,
                                              request.connect_deadline_ms, request.cancel);
  if (!fd.ok()) co_return fd.status();
  auto connection = std::make_unique<ClientConnection>();
  connection->socket = Socket(loop, *fd);
  if (origin.tls) {
    connection->tls = dialer.tls();
    if (connection->tls == nullptr) co_return internal_error("no TLS context to connect with");
    const Result<SSL*> ssl = connection->tls->connect_on(*fd, origin.host, origin.port);
    if (!ssl.ok()) co_return ssl.status();
    connection->socket.set_ssl(*ssl);
    const Status shaken =
        co_await connection->socket.handshake(request.connect_deadline_ms, request.cancel);
    if (!shaken.ok()) co_return shaken.with_context("connect to " + origin.host);
  }
  co_return connection;
}

void Client::State::reap(int64_t before_ms) {
  for (auto& [key, pool] : pools) {
    const auto first_kept = std::find_if(pool.idle.begin(), pool.idle.end(), [&](const auto& each) {
      return each->idle_since_ms > before_ms;
    });
    pool.idle.erase(pool.idle.begin(), first_kept);
  }
}

Client::Client(Loop& loop, Dialer& dialer) : state_(std::make_unique<State>(loop, dialer)) {}
Client::~Client() = default;

Loop& Client::loop() { return state_->loop; }

int Client::idle_connections() const {
  int count = 0;
  for (const auto& [key, pool] : state_->pools) count += static_cast<int>(pool.idle.size());
  return count;
}

int Client::open_connections() const {
  int count = idle_connections();
  for (const auto& [key, pool] : state_->pools) count += pool.places_taken;
  return count;
}

void Client::close_idle() { state_->reap(kNever); }

}  // namespace gatehouse::net
