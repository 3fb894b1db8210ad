#include "net/server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "base/log.h"
#include "net/authority.h"
#include "net/connection.h"

namespace gatehouse::net {

namespace {

// Connections taken off the queue before others get a turn.
constexpr int kAcceptBatch = 64;
// The kernel cuts it to net.core.somaxconn.
constexpr int kBacklog = 4096;
// How long accepting rests when the process has no descriptor left.
constexpr int64_t kDescriptorsPauseMs = 100;
constexpr int64_t kSweepMs = 1'000;
// Unsent bytes that the kernel holds for a slow client before a write waits.
constexpr int kUnsentBytes = 64 * 1024;

struct Address {
  sockaddr_storage storage{};
  socklen_t bytes = 0;
};

Result<Address> parse_address(const std::string& text) {
  Address address;
  if (text.starts_with("unix:")) {
    auto* local = reinterpret_cast<sockaddr_un*>(&address.storage);
    const std::string path = text.substr(5);
    if (path.empty() || path.size() >= sizeof local->sun_path) {
      return invalid_argument("cannot listen on \"" + text + "\": the path must have 1 to " +
                              std::to_string(sizeof local->sun_path - 1) + " bytes");
    }
    local->sun_family = AF_UNIX;
    std::memcpy(local->sun_path, path.c_str(), path.size() + 1);
    address.bytes = sizeof(sockaddr_un);
    return address;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) {
    return invalid_argument("cannot listen on \"" + text + "\": write it as host:port");
  }
  std::string host = text.substr(0, colon);
  const std::string port = text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed =
      ::getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found);
  if (failed != 0) {
    return invalid_argument("cannot listen on \"" + text + "\": " + ::gai_strerror(failed));
  }
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.bytes = found->ai_addrlen;
  ::freeaddrinfo(found);
  return address;
}

Status listen_error(const std::string& text, int error) {
  std::string message = "cannot listen on " + text + ": ";
  if (error == EADDRINUSE) {
    message += "the address is in use; stop the program that listens there or choose another port";
  } else if (error == EACCES) {
    message += "not permitted; choose a port of 1024 or above, or grant CAP_NET_BIND_SERVICE";
  } else if (error == EADDRNOTAVAIL) {
    message += "no interface of this machine has that address";
  } else {
    message += std::strerror(error);
  }
  return {error == EADDRINUSE ? Code::kAlreadyExists : Code::kUnavailable, std::move(message)};
}

void set_option(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

// A socket file that nobody listens on any more is in the way of bind.
void remove_stale_socket(const sockaddr_un& local) {
  struct stat file;
  if (::stat(local.sun_path, &file) != 0 || !S_ISSOCK(file.st_mode)) return;
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return;
  const bool refused =
      ::connect(probe, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0 &&
      errno == ECONNREFUSED;
  ::close(probe);
  if (refused) ::unlink(local.sun_path);
}

}  // namespace

struct Server::State : ServerContext {
  using ServerContext::ServerContext;

  std::optional<Descriptor> listener;
  std::string unix_path;
  uint16_t port = 0;
  Cancel stop_accepting;
  Event accept_ended{loop};
  bool accepting = false;
  std::optional<Repeat> sweep;

  static Task<void> accept_all(std::shared_ptr<State> self);
  bool accept_batch(const std::shared_ptr<State>& self);
  void admit(const std::shared_ptr<State>& self, int fd, const sockaddr_storage& from);
  void stop_listening();
  void sweep_exchanges();
};

Server::Server(Loop& loop, ServerOptions options, std::shared_ptr<TlsServerContext> tls,
               MemoryBudget& budget, Handler handler)
    : state_(std::make_shared<State>(loop, budget)) {
  update(std::move(options), std::move(tls), std::move(handler));
}

Server::~Server() {
  state_->draining = true;
  state_->stop_listening();
  state_->sweep.reset();
  const auto all = state_->connections;
  for (Http1Connection* each : all) each->stop();
}

void Server::update(ServerOptions options, std::shared_ptr<TlsServerContext> tls, Handler handler) {
  auto config = std::make_shared<ServerConfig>();
  Result<std::vector<Cidr>> proxies = parse_cidrs(options.proxy_protocol_from);
  if (proxies.ok()) {
    config->proxies = std::move(*proxies);
  } else {
    log_error("proxy_protocol_from is not in force", {{"reason", proxies.status().message()}});
  }
  config->options = std::move(options);
  config->tls = std::move(tls);
  config->handler = std::move(handler);
  state_->config = std::move(config);
}

Status check_free(const std::string& text) {
  ASSIGN_OR_RETURN(const Address address, parse_address(text));
  const auto* where = reinterpret_cast<const sockaddr*>(&address.storage);
  if (where->sa_family == AF_UNIX || port_of(where) == 0) return {};
  const int fd = ::socket(where->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return listen_error(text, errno);
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);  // connections that have just ended do not count
  if (where->sa_family == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  const bool bound = ::bind(fd, where, address.bytes) == 0;
  const int error = errno;
  ::close(fd);
  return bound ? Status() : listen_error(text, error);
}

Status Server::listen(const std::string& text) {
  ASSIGN_OR_RETURN(const Address address, parse_address(text));
  const auto* where = reinterpret_cast<const sockaddr*>(&address.storage);
  const int family = where->sa_family;
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return listen_error(text, errno);
  if (family == AF_UNIX) {
    const auto& local = reinterpret_cast<const sockaddr_un&>(address.storage);
    remove_stale_socket(local);
    state_->unix_path = local.sun_path;
  } else {
    // Accepted sockets inherit these, which saves a system call each.
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentBytes);
    if (family == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  }
  if (::bind(fd, where, address.bytes) != 0 || ::listen(fd, kBacklog) != 0) {
    const int error = errno;
    ::close(fd);
    state_->unix_path.clear();
    return listen_error(text, error);
  }
  sockaddr_storage bound{};
  socklen_t bytes = sizeof bound;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &bytes);
  state_->port = port_of(reinterpret_cast<const sockaddr*>(&bound));
  state_->listener.emplace(state_->loop, fd);
  state_->accepting = true;
  state_->sweep.emplace(state_->loop, kSweepMs,
                        [state = state_.get()] { state->sweep_exchanges(); });
  detach(State::accept_all(state_));
  return {};
}

uint16_t Server::port() const { return state_->port; }

const ServerCounters& Server::counters() const { return state_->counters; }

void Server::State::sweep_exchanges() {
  const int64_t now_ns = steady_ns();
  for (Http1Connection* each : connections) each->stop_if_older(now_ns);
}

void Server::State::stop_listening() {
  stop_accepting.fire();
  if (!unix_path.empty()) ::unlink(std::exchange(unix_path, {}).c_str());
}

Task<void> Server::State::accept_all(std::shared_ptr<State> self) {
  while (!self->stop_accepting.fired()) {
    const Wake wake = co_await self->listener->readable(kNever, &self->stop_accepting);
    if (wake != Wake::kReady || self->stop_accepting.fired()) break;
    if (!self->accept_batch(self)) {
      co_await self->loop.sleep_for(kDescriptorsPauseMs, &self->stop_accepting);
    }
  }
  self->listener.reset();
  self->accepting = false;
  self->accept_ended.set();
}

// False: the process is out of descriptors or memory.
bool Server::State::accept_batch(const std::shared_ptr<State>& self) {
  for (int i = 0; i < kAcceptBatch; ++i) {
    sockaddr_storage from{};
    socklen_t bytes = sizeof from;
    const int fd = ::accept4(listener->fd(), reinterpret_cast<sockaddr*>(&from), &bytes,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      admit(self, fd, from);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      log_warning("cannot accept connections for now",
                  {{"reason", std::strerror(errno)},
                   {"connections", counters.connections_open.load(std::memory_order_relaxed)}});
      return false;
    }
    // EAGAIN: all taken. Others (ECONNABORTED, …) are of one connection that is gone.
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
  }
  return true;
}

void Server::State::admit(const std::shared_ptr<State>& self, int fd,
                          const sockaddr_storage& from) {
  counters.connections_accepted.fetch_add(1, std::memory_order_relaxed);
  const auto* address = reinterpret_cast<const sockaddr*>(&from);
  if (connections.size() >= static_cast<size_t>(config->options.connections_max)) {
    counters.connections_refused.fetch_add(1, std::memory_order_relaxed);
    if (config->tls == nullptr) {
      const std::string body = error_body(503, "the server has as many connections as it may");
      const std::string reply =
          "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
          "Connection: close\r\nRetry-After: 1\r\nContent-Length: " +
          std::to_string(body.size()) + "\r\n\r\n" + body;
      (void)!::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    ::shutdown(fd, SHUT_WR);
    ::close(fd);
    return;
  }
  detach(Http1Connection::run(self, fd, IpAddress::from(address), port_of(address)));
}

Task<void> Server::drain(int64_t drain_ms) {
  const std::shared_ptr<State> state = state_;
  const int64_t deadline_ms = steady_ms() + drain_ms;
  state->draining = true;
  state->stop_listening();
  if (state->accepting) co_await state->accept_ended.wait();
  const auto idle = state->connections;
  for (Http1Connection* each : idle) each->stop_idle();
  if (state->connections.empty()) co_return;
  const Wake wake = co_await state->all_closed.wait(deadline_ms);
  if (wake == Wake::kReady) co_return;
  const auto late = state->connections;
  for (Http1Connection* each : late) each->stop();
  co_await state->all_closed.wait();
}

}  // namespace gatehouse::net
