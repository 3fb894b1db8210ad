#include "net/connection.h"

#include <sys/socket.h>
#include <time.h>

#include <algorithm>

#include "base/log.h"
#include "net/proxy_protocol.h"
#include "net/tls.h"

namespace gatehouse::net {

namespace {

// What a client may still send after an error before the connection is cut, and
// for how long. Enough for a body in flight, so that it reads the reply instead
// of a reset.
constexpr size_t kLingerBytes = 1024 * 1024;
constexpr int64_t kLingerMs = 2'000;

// More are not kept: a burst should not hold memory for good.
constexpr size_t kFreeExchanges = 256;

}  // namespace

Task<Result<Upgraded>> Exchange::upgrade(std::span<const Header>) {
  co_return Status(Code::kUnimplemented, "this connection cannot be taken over");
}

ServerContext::~ServerContext() = default;

std::unique_ptr<Http1Exchange> ServerContext::take_exchange() {
  if (free_exchanges_.empty()) return std::make_unique<Http1Exchange>(*this);
  auto exchange = std::move(free_exchanges_.back());
  free_exchanges_.pop_back();
  return exchange;
}

void ServerContext::give_exchange(std::unique_ptr<Http1Exchange> exchange) {
  if (free_exchanges_.size() >= kFreeExchanges) return;
  exchange->recycle();
  free_exchanges_.push_back(std::move(exchange));
}

std::string_view ServerContext::date() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return date_.at(now.tv_sec);
}

bool ServerContext::count_address(const IpAddress& address) {
  int& open = per_address[address];
  if (open >= config->options.connections_per_address_max) return false;
  ++open;
  return true;
}

void ServerContext::forget_address(const IpAddress& address) {
  const auto found = per_address.find(address);
  if (found != per_address.end() && --found->second <= 0) per_address.erase(found);
}

Http1Connection::Http1Connection(std::shared_ptr<ServerContext> context, int fd,
                                 const IpAddress* address, uint16_t port)
    : context_(std::move(context)),
      index_(context_->connections.size()),
      socket_(context_->loop, fd) {
  context_->connections.push_back(this);
  context_->counters.connections_open.fetch_add(1, std::memory_order_relaxed);
  if (address != nullptr) {
    peer_.address = address->to_string();
    peer_.port = port;
  } else {
    peer_.address = "unix";
  }
}

Http1Connection::~Http1Connection() {
  if (counted_) context_->forget_address(*counted_);
  auto& all = context_->connections;
  all.back()->index_ = index_;
  std::swap(all[index_], all.back());
  all.pop_back();
  context_->counters.connections_open.fetch_sub(1, std::memory_order_relaxed);
  if (all.empty() && context_->draining) context_->all_closed.set();
}

void Http1Connection::stop_idle() {
  if (idle_) closing_.fire();
}

void Http1Connection::stop() {
  if (exchange_ != nullptr) exchange_->stop();
  closing_.fire();
}

void Http1Connection::stop_if_older(int64_t now_ns) {
  if (exchange_ != nullptr) exchange_->stop_if_older(now_ns);
}

Task<void> Http1Connection::run(std::shared_ptr<ServerContext> context, int fd,
                                std::optional<IpAddress> address, uint16_t port) {
  Http1Connection connection(std::move(context), fd, address ? &*address : nullptr, port);
  Ending ending = Ending::kClose;
  const bool prepared = co_await connection.prepare(address);
  if (prepared) ending = co_await connection.serve_all();
  if (ending == Ending::kLinger) co_await connection.linger();
  if (connection.exchange_ != nullptr) {
    connection.context_->give_exchange(std::move(connection.exchange_));
  }
  if (ending == Ending::kReset) connection.socket_.reset();
}

// What comes before HTTP: the PROXY header, the address's count, TLS. False: the
// connection is over.
Task<bool> Http1Connection::prepare(std::optional<IpAddress> address) {
  const std::shared_ptr<const ServerConfig> config = context_->config;
  if (address && any_contains(config->proxies, *address)) {
    const bool read = co_await read_proxy_header(address);
    if (!read) {
      context_->counters.bad_requests.fetch_add(1, std::memory_order_relaxed);
      co_return false;
    }
  }
  if (address && !context_->count_address(*address)) {
    context_->counters.connections_refused.fetch_add(1, std::memory_order_relaxed);
    if (config->tls == nullptr) {
      exchange_ = context_->take_exchange();
      co_await exchange_->refuse_connection(*this, "too many connections from this address");
      co_await linger();
    }
    co_return false;
  }
  counted_ = address;
  if (config->tls == nullptr) co_return true;
  const Result<SSL*> ssl = config->tls->accept_on(socket_.fd());
  if (!ssl.ok()) {
    log_error("TLS session", {{"reason", ssl.status().message()}});
    co_return false;
  }
  socket_.set_ssl(*ssl);
  peer_.tls = true;
  const int64_t deadline_ms = steady_ms() + config->options.head_timeout_ms;
  const Status shaken = co_await socket_.handshake(deadline_ms, &closing_);
  if (!shaken.ok()) {
    context_->counters.bad_requests.fetch_add(1, std::memory_order_relaxed);
    log_debug("TLS handshake failed", {{"peer", peer_.address}, {"reason", shaken.message()}});
  }
  co_return shaken.ok();
}

// The header is read to its last byte and not beyond: what follows is TLS's or HTTP's.
Task<bool> Http1Connection::read_proxy_header(std::optional<IpAddress>& address) {
  constexpr size_t kFixedBytes = 16;  // its last two are how many follow
  const IoWait wait{steady_ms() + context_->config->options.head_timeout_ms, kNever, &closing_};
  std::string header;
  size_t due = kFixedBytes;
  while (header.size() < due) {
    const size_t before = header.size();
    header.resize(due);
    const Result<size_t> got = co_await socket_.read(header.data() + before, due - before, wait);
    if (!got.ok() || *got == 0) co_return false;
    header.resize(before + *got);
    ProxyHeader parsed;
    const ProxyParse parse = parse_proxy_header(header, parsed);
    if (parse.state == ProxyParse::State::kRefused) {
      log_warning("a trusted proxy sent no valid PROXY v2 header",
                  {{"peer", peer_.address}, {"reason", parse.reason}});
      co_return false;
    }
    if (parse.state == ProxyParse::State::kDone) {
      if (!parsed.proxied) co_return true;
      peer_.address = parsed.source.text();
      peer_.port = parsed.source.port;
      address = IpAddress::parse(peer_.address);
      co_return true;
    }
    if (header.size() == kFixedBytes) {
      due += size_t{static_cast<unsigned char>(header[14])} << 8 |
             static_cast<unsigned char>(header[15]);
    }
  }
  co_return false;
}

Task<Ending> Http1Connection::serve_all() {
  while (true) {
    if (exchange_ == nullptr) {
      if (!socket_.pending()) {
        const bool ready = co_await wait_for_request();
        if (!ready) co_return Ending::kClose;
      }
      exchange_ = context_->take_exchange();
    }
    const Ending ending = co_await exchange_->serve(*this);
    if (ending != Ending::kKeep) co_return ending;
    if (!exchange_->has_leftover()) context_->give_exchange(std::move(exchange_));
  }
}

Task<bool> Http1Connection::wait_for_request() {
  if (context_->draining) co_return false;
  idle_ = true;
  const Wake wake = co_await socket_.descriptor().readable(
      steady_ms() + context_->config->options.idle_timeout_ms, &closing_);
  idle_ = false;
  co_return wake == Wake::kReady;
}

Task<void> Http1Connection::linger() {
  socket_.shutdown_write();
  const int64_t deadline_ms = steady_ms() + kLingerMs;
  size_t seen = 0;
  while (seen < kLingerBytes) {
    const ssize_t got =
        ::recv(socket_.fd(), context_->scratch.get(), ServerContext::kScratchBytes, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) co_return;
    if (got > 0) {
      seen += static_cast<size_t>(got);
      continue;
    }
    const Wake wake = co_await socket_.descriptor().readable(deadline_ms, &closing_);
    if (wake != Wake::kReady) co_return;
  }
}

}  // namespace gatehouse::net
