// Resolving is done on the Pool, once for all that ask for a name meanwhile;
// connecting is a race of attempts that start 250 ms apart or when one fails
// (RFC 8305 §5), IPv6 and IPv4 in turn.
#include "net/dialer.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "base/log.h"
#include "net/ip_address.h"
#include "net/socket.h"
#include "net/tls.h"

namespace gatehouse::net {

namespace {

// RFC 8305 §8: the recommended delay between attempts.
constexpr int64_t kStaggerMs = 250;
// Names whose addresses are remembered; upstreams are a handful.
constexpr size_t kNamesMax = 1024;
// The head of a proxy's answer to CONNECT; some add a page of headers.
constexpr size_t kTunnelHeadBytesMax = 16 * 1024;
// Unsent bytes that the kernel holds for a slow peer before a write waits.
constexpr int kUnsentBytes = 64 * 1024;

// Where machines keep their own credentials and control planes: link-local,
// the metadata services of AWS, Azure, Alibaba and Oracle, their IPv4 addresses
// behind NAT64, and addresses that name no machine.
const std::vector<std::string> kClosed = {
    "169.254.0.0/16",      "fe80::/10",       "fd00:ec2::254/128",
    "168.63.129.16/32",    "100.100.100.200", "192.0.0.192",
    "64:ff9b::a9fe:0/112", "0.0.0.0/8",       "224.0.0.0/4",
    "240.0.0.0/4",         "ff00::/8",        "fd20:ce::254/128",
};

// Addresses that only machines of one network reach: loopback, RFC 1918, shared (RFC 6598) and
// unique local ones, with their forms within IPv6.
const std::vector<std::string> kPrivate = {
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "::/128",
    "fc00::/7",
    "64:ff9b::a00:0/104",
    "64:ff9b::7f00:0/104",
    "64:ff9b::ac10:0/108",
    "64:ff9b::c0a8:0/112",
};

using Addresses = std::vector<IpAddress>;

// Families in turn, each in the resolver's order, which RFC 6724 gave.
Addresses interleave(const Addresses& resolved) {
  Addresses first, second, mixed;
  for (const IpAddress& each : resolved) {
    (each.is_v4() == resolved.front().is_v4() ? first : second).push_back(each);
  }
  for (size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) mixed.push_back(first[i]);
    if (i < second.size()) mixed.push_back(second[i]);
  }
  return mixed;
}

// Blocks: for the Pool only.
Result<Addresses> resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (failed != 0) {
    const char* reason = failed == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(failed);
    return unavailable("cannot resolve " + host + ": " + reason);
  }
  Addresses addresses;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const auto address = IpAddress::from(each->ai_addr);
    if (address && std::find(addresses.begin(), addresses.end(), *address) == addresses.end()) {
      addresses.push_back(*address);
    }
  }
  ::freeaddrinfo(found);
  if (addresses.empty()) return unavailable("cannot resolve " + host + ": no address");
  return addresses;
}

// One that waits for a name; the answer is written before `done` is set.
struct Asking {
  explicit Asking(Loop& l) : loop(l), done(l) {}
  Loop& loop;
  Event done;
  std::optional<Result<Addresses>> answer;
};

struct Race {
  explicit Race(Loop& l) : loop(l), changed(l) {}
  Loop& loop;
  Event changed;
  Cancel stop;
  int winner = -1;
  int running = 0;
  std::string failure;
};

void set_option(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

int open_socket(const IpAddress& address) {
  const int family = address.is_v4() ? AF_INET : AF_INET6;
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentBytes);
  return fd;
}

// Connects `descriptor`; 0 or an errno. kCancelled: -1.
Task<int> connect_to(Descriptor& descriptor, IpAddress address, uint16_t port, Cancel& stop) {
  sockaddr_storage to;
  const socklen_t bytes = to_sockaddr(address, port, to);
  if (::connect(descriptor.fd(), reinterpret_cast<const sockaddr*>(&to), bytes) == 0) co_return 0;
  if (errno != EINPROGRESS) co_return errno;
  const Wake wake = co_await descriptor.writable(kNever, &stop);
  if (wake != Wake::kReady) co_return -1;
  int error = 0;
  socklen_t error_bytes = sizeof error;
  ::getsockopt(descriptor.fd(), SOL_SOCKET, SO_ERROR, &error, &error_bytes);
  co_return error;
}

Task<void> attempt(std::shared_ptr<Race> race, IpAddress address, uint16_t port) {
  const int fd = open_socket(address);
  int error = errno;
  if (fd >= 0) {
    Descriptor descriptor(race->loop, fd);
    error = co_await connect_to(descriptor, address, port, race->stop);
    if (error == 0 && race->winner < 0 && !race->stop.fired()) race->winner = descriptor.release();
  }
  --race->running;
  if (error > 0) {
    if (!race->failure.empty()) race->failure += "; ";
    race->failure += address.to_string() + ": " + std::strerror(error);
  }
  race->changed.set();
}

}  // namespace

struct Dialer::State : std::enable_shared_from_this<Dialer::State> {
  explicit State(Pool& p) : pool(p) {}

  struct Known {
    Addresses addresses;
    int64_t until_ms;
  };

  Pool& pool;
  mutable std::mutex mutex;  // of all below
  std::vector<Cidr> allow, deny, closed, inner;
  int64_t cache_ms = 0;
  std::shared_ptr<TlsClientContext> tls;
  std::shared_ptr<const Tunnel> tunnel;
  std::unordered_map<std::string, Known> known;
  std::unordered_map<std::string, std::vector<std::shared_ptr<Asking>>> asking;

  Task<Result<Addresses>> find(Loop& loop, std::string host, int64_t deadline_ms, Cancel* cancel);
  void answer(const std::string& host, const Result<Addresses>& addresses);
  Result<Addresses> permitted(const std::string& host, const Addresses& addresses, Reach reach);
};

Task<Result<Addresses>> Dialer::State::find(Loop& loop, std::string host, int64_t deadline_ms,
                                            Cancel* cancel) {
  if (const auto numeric = IpAddress::parse(host)) co_return Addresses(1, *numeric);
  auto mine = std::make_shared<Asking>(loop);
  bool first = false;
  {
    const std::lock_guard lock(mutex);
    const auto found = known.find(host);
    if (found != known.end() && found->second.until_ms > steady_ms()) {
      co_return found->second.addresses;
    }
    auto& others = asking[host];
    first = others.empty();
    others.push_back(mine);
  }
  if (first) {
    pool.submit([self = shared_from_this(), host] { self->answer(host, resolve(host)); });
  }
  const Wake wake = co_await mine->done.wait(deadline_ms, cancel);
  if (wake != Wake::kReady) co_return wake_status(wake, "connect (resolving " + host + ")");
  co_return std::move(*mine->answer);
}

// On a thread of the Pool.
void Dialer::State::answer(const std::string& host, const Result<Addresses>& addresses) {
  std::vector<std::shared_ptr<Asking>> waiting;
  {
    const std::lock_guard lock(mutex);
    if (addresses.ok()) {
      if (known.size() >= kNamesMax) known.clear();
      known[host] = {*addresses, steady_ms() + cache_ms};
    }
    const auto found = asking.find(host);
    waiting = std::move(found->second);
    asking.erase(found);
  }
  for (auto& each : waiting) {
    Loop& loop = each->loop;
    loop.post([asked = std::move(each), addresses] {
      asked->answer.emplace(addresses);
      asked->done.set();
    });
  }
}

Result<Addresses> Dialer::State::permitted(const std::string& host, const Addresses& addresses,
                                           Reach reach) {
  const std::lock_guard lock(mutex);
  Addresses left;
  std::string refused;
  for (const IpAddress& each : addresses) {
    const bool is_closed = any_contains(closed, each);
    const bool named = any_contains(allow, each);
    const bool outside = reach != Reach::kPublic || !any_contains(inner, each);
    const bool listed = named || (allow.empty() && outside);
    const bool open = is_closed ? reach == Reach::kLinkLocal : listed;
    if (open && !any_contains(deny, each)) {
      left.push_back(each);
    } else if (refused.empty()) {
      refused = each.to_string();
    }
  }
  if (!left.empty()) return left;
  const std::string name = refused == host ? host : host + " (" + refused + ")";
  return Status(Code::kPermissionDenied,
                "connecting to " + name + " is not allowed by the outbound address lists");
}

Dialer::Dialer(Pool& pool, DialOptions options, std::shared_ptr<TlsClientContext> tls)
    : state_(std::make_shared<State>(pool)) {
  state_->closed = *parse_cidrs(kClosed);
  state_->inner = *parse_cidrs(kPrivate);
  update(std::move(options), std::move(tls));
}
Dialer::~Dialer() = default;

void Dialer::update(DialOptions options, std::shared_ptr<TlsClientContext> tls) {
  Result<std::vector<Cidr>> allow = parse_cidrs(options.allow);
  Result<std::vector<Cidr>> deny = parse_cidrs(options.deny);
  const std::lock_guard lock(state_->mutex);
  state_->tls = std::move(tls);
  state_->cache_ms = options.resolve_cache_ms;
  state_->known.clear();
  // The configuration checks its lists; should a bad one come here, the old ones hold.
  for (const auto* list : {&allow, &deny}) {
    if (list->ok()) continue;
    log_error("outbound address list is not in force", {{"reason", list->status().message()}});
    return;
  }
  state_->allow = std::move(*allow);
  state_->deny = std::move(*deny);
}

std::shared_ptr<TlsClientContext> Dialer::tls() const {
  const std::lock_guard lock(state_->mutex);
  return state_->tls;
}

void Dialer::tunnel_through(Tunnel tunnel) {
  const std::lock_guard lock(state_->mutex);
  state_->tunnel = std::make_shared<const Tunnel>(std::move(tunnel));
}

// Asks the proxy at the other end of `socket` for a tunnel to `authority`.
Task<Status> open_tunnel(Socket& socket, std::string authority, const std::string& headers,
                         IoWait wait) {
  const std::string request =
      "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n" + headers + "\r\n";
  const Status written = co_await socket.write(std::string_view(request), wait);
  if (!written.ok()) co_return written.with_context("asking the proxy");
  std::string head;
  // Byte by byte: what follows is the target's.
  while (!head.ends_with("\r\n\r\n")) {
    char byte;
    const Result<size_t> got = co_await socket.read(&byte, 1, wait);
    if (!got.ok()) co_return got.status().with_context("asking the proxy");
    if (*got == 0 || head.size() >= kTunnelHeadBytesMax) {
      co_return unavailable("the proxy's answer to CONNECT has no end");
    }
    head += byte;
  }
  const bool http = head.starts_with("HTTP/1.") && head.size() > 12;
  if (http && head[9] == '2') co_return Status();
  co_return unavailable("the proxy refused the tunnel to " + authority +
                        (http ? ": " + head.substr(9, head.find('\r') - 9).substr(0, 100) : ""));
}

Task<Result<int>> Dialer::dial(Loop& loop, const std::string& host, uint16_t port, Reach reach,
                               int64_t deadline_ms, Cancel* cancel) {
  std::shared_ptr<const Tunnel> tunnel;
  {
    const std::lock_guard lock(state_->mutex);
    tunnel = state_->tunnel;
  }
  if (tunnel == nullptr) {
    co_return co_await dial_direct(loop, host, port, reach, deadline_ms, cancel);
  }
  const auto numeric = IpAddress::parse(host);
  if (numeric) {
    const Addresses target(1, *numeric);
    const Result<Addresses> open = state_->permitted(host, target, reach);
    if (!open.ok()) co_return open.status();
  }
  const Result<int> fd =
      co_await dial_direct(loop, tunnel->host, tunnel->port, Reach::kUsual, deadline_ms, cancel);
  if (!fd.ok()) co_return fd.status().with_context("proxy");
  Socket socket(loop, *fd);
  IoWait wait;
  wait.deadline_ms = deadline_ms;
  wait.cancel = cancel;
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  std::string authority = name + ":" + std::to_string(port);
  const Status opened = co_await open_tunnel(socket, std::move(authority), tunnel->headers, wait);
  if (!opened.ok()) co_return opened;
  co_return socket.descriptor().release();
}

Task<Result<int>> Dialer::dial_direct(Loop& loop, const std::string& host, uint16_t port,
                                      Reach reach, int64_t deadline_ms, Cancel* cancel) {
  const std::shared_ptr<State> state = state_;
  Result<Addresses> resolved = co_await state->find(loop, host, deadline_ms, cancel);
  if (!resolved.ok()) co_return resolved.status();
  Result<Addresses> open = state->permitted(host, *resolved, reach);
  if (!open.ok()) co_return open.status();
  const Addresses order = interleave(*open);
  const std::string where = host + ":" + std::to_string(port);
  co_return co_await dial_any(loop, order, port, where, deadline_ms, cancel);
}

Task<Result<int>> dial_any(Loop& loop, std::span<const IpAddress> order, uint16_t port,
                           std::string where, int64_t deadline_ms, Cancel* cancel) {
  const auto race = std::make_shared<Race>(loop);
  Wake wake = Wake::kReady;
  size_t next = 0;
  while (race->winner < 0 && (next < order.size() || race->running > 0)) {
    int64_t until_ms = deadline_ms;
    if (next < order.size()) {
      race->changed.reset();
      ++race->running;
      detach(attempt(race, order[next++], port));
      if (next < order.size()) until_ms = std::min(deadline_ms, steady_ms() + kStaggerMs);
    } else {
      race->changed.reset();
    }
    if (race->winner >= 0) break;
    // A failure that came at once has set `changed` already.
    wake = co_await race->changed.wait(until_ms, cancel);
    if (wake == Wake::kCancelled || (wake == Wake::kTimeout && until_ms == deadline_ms)) break;
  }
  race->stop.fire();
  if (race->winner >= 0) co_return std::exchange(race->winner, -1);
  if (wake != Wake::kReady) co_return wake_status(wake, "connect to " + where);
  co_return unavailable("cannot connect to " + where + ": " + race->failure);
}

}  // namespace gatehouse::net
