// One HTTP/1.1 connection of a Server, and the exchange that runs on it.
//
// An idle connection holds a descriptor and a coroutine, no buffer. With a
// request's first byte it takes an Http1Exchange from the Server's free list and
// gives it back when no byte of another request has come. Bytes are read into
// the Server's scratch buffer and copied once, to the size they need, as the
// handler may wait while other connections use the scratch.
//
// Invariants
//   - From the end of a head until the exchange ends, Http1Exchange::in_ is not
//     touched: the request's views point into it.
//   - What follows a message whose framing is in doubt is never read as a request.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/budget.h"
#include "base/loop.h"
#include "net/buffer.h"
#include "net/chunked.h"
#include "net/date.h"
#include "net/exchange.h"
#include "net/http_parser.h"
#include "net/ip_address.h"
#include "net/server.h"
#include "net/socket.h"

namespace gatehouse::net {

class Http1Connection;
class Http1Exchange;

// What a Server runs by; replaced as a whole by Server::update.
struct ServerConfig {
  ServerOptions options;
  std::shared_ptr<TlsServerContext> tls;
  Handler handler;
  std::vector<Cidr> proxies;  // options.proxy_protocol_from
};

// What the connections of one Server share. One thread's.
struct ServerContext {
  ServerContext(Loop& l, MemoryBudget& b) : loop(l), budget(b), all_closed(l) {}
  ~ServerContext();

  Loop& loop;
  MemoryBudget& budget;
  std::shared_ptr<const ServerConfig> config;
  ServerCounters counters;
  bool draining = false;
  Event all_closed;
  std::vector<Http1Connection*> connections;
  std::unordered_map<IpAddress, int, IpAddressHash> per_address;

  // One recv's worth. Good until the next wait.
  static constexpr size_t kScratchBytes = 64 * 1024;
  std::unique_ptr<char[]> scratch = std::make_unique_for_overwrite<char[]>(kScratchBytes);
  std::string head_text;  // a reply's head on its way out; good until the next wait

  std::unique_ptr<Http1Exchange> take_exchange();
  void give_exchange(std::unique_ptr<Http1Exchange> exchange);
  std::string_view date();  // of now, rendered once a second

  // False: the address has as many connections as it may.
  bool count_address(const IpAddress& address);
  void forget_address(const IpAddress& address);

 private:
  std::vector<std::unique_ptr<Http1Exchange>> free_exchanges_;
  HttpDateCache date_;
};

// What becomes of the connection after an exchange.
enum class Ending {
  kKeep,    // another request may follow
  kLinger,  // the peer may still be sending: let it read the reply first
  kClose,   // nothing to wait for
  kReset,   // a reply was cut: the peer must notice
};

class Http1Exchange final : public Exchange {
 public:
  explicit Http1Exchange(ServerContext& context) : context_(context) {}

  // Reads one request, runs the handler and completes the reply. `leftover` are
  // bytes that came before, and becomes those that came after.
  Task<Ending> serve(Http1Connection& connection);
  // Ready for the next request; keeps storage.
  void recycle();
  bool has_leftover() const { return in_.size() != 0; }

  // Answers with a JSON error, for when nothing reached a handler.
  Task<void> refuse(int status, std::string_view message);
  // The same with 503, to a connection that is over the limit.
  Task<void> refuse_connection(Http1Connection& connection, std::string_view message);

  const RequestHead& request() const override { return request_; }
  const Peer& peer() const override;
  Loop& loop() override { return context_.loop; }
  int64_t received_ns() const override { return received_ns_; }
  Cancel& cancel() override { return *cancel_; }
  Interruption interruption() const override { return interruption_; }
  Task<Result<std::string_view>> read_body(size_t limit_bytes) override;
  Task<Result<std::string_view>> read_some() override;
  Task<Status> reply(const Reply& reply) override;
  Task<Status> start(int status, std::span<const Header> headers, std::string_view first) override;
  Task<Status> write(std::string_view piece) override;
  Task<Status> finish(std::string_view last, std::span<const Header> trailers) override;
  void abort() override;
  bool replied() const override { return phase_ != Phase::kNone; }
  Task<Result<Upgraded>> upgrade(std::span<const Header> headers) override;

  // Fires cancel() where a handler runs.
  void stop();
  void stop_if_older(int64_t now_ns);

 private:
  void interrupt(Interruption why);
  friend class Http1Connection;
  enum class Phase : uint8_t { kNone, kStreaming, kDone, kUpgraded, kAborted };
  enum class HeadOutcome { kComplete, kIdle, kMore, kClosed, kRefused };

  HeadOutcome try_head();
  HeadOutcome look_for_head();
  Task<HeadOutcome> wait_for_head();
  Task<Ending> run_handler();
  Task<Ending> settle();
  Task<bool> drain_body();

  // Body (exchange_body.cc)
  void begin_body();
  Task<Status> fill();
  Result<std::string_view> next_piece(bool& more);
  Task<Status> read_sized_body();
  Task<Status> read_chunked_body(size_t limit_bytes);
  Status make_room(size_t bytes);
  Status broken_body(const Result<size_t>& got);

  // Reply (exchange_reply.cc)
  bool will_close() const;
  Status append_reply_head(int status, std::span<const Header> headers,
                           std::string_view content_type, int64_t content_length, bool chunked);
  Task<Status> send(std::span<iovec> parts);
  Task<Status> send_piece(std::string_view before, std::string_view piece, std::string_view behind);
  Status sent_whole(std::span<iovec>& parts);
  IoWait write_wait();

  ServerContext& context_;
  Http1Connection* connection_ = nullptr;
  Socket* socket_ = nullptr;
  std::shared_ptr<const ServerConfig> config_;
  Buffer in_;
  HeadEnd head_end_;
  RequestHead request_;
  ParseError head_error_;
  int64_t head_begin_ms_ = 0;
  int64_t received_ns_ = 0;
  std::optional<Cancel> cancel_;
  Interruption interruption_ = Interruption::kNone;

  std::string_view raw_;  // bytes read and not yet decoded: in in_ or piece_
  Buffer piece_;
  Buffer body_;
  std::string_view whole_;  // what read_body returned
  int64_t charged_bytes_ = 0;
  ChunkedDecoder decoder_;
  uint64_t body_left_ = 0;  // of Content-Length
  bool body_done_ = true;
  bool body_broken_ = false;
  bool continue_due_ = false;

  Phase phase_ = Phase::kNone;
  bool head_only_ = false;   // HEAD, 204, 304: the body is not sent
  bool chunked_ = false;     // the reply is
  bool close_ = false;       // the reply said so
  int64_t reply_left_ = -1;  // of a started reply's Content-Length; < 0: none
};

class Http1Connection {
 public:
  Http1Connection(std::shared_ptr<ServerContext> context, int fd, const IpAddress* address,
                  uint16_t port);
  ~Http1Connection();
  Http1Connection(const Http1Connection&) = delete;
  Http1Connection& operator=(const Http1Connection&) = delete;

  // Serves until the connection ends.
  static Task<void> run(std::shared_ptr<ServerContext> context, int fd,
                        std::optional<IpAddress> address, uint16_t port);

  Socket& socket() { return socket_; }
  const Peer& peer() const { return peer_; }
  Cancel& closing() { return closing_; }
  // Ends the wait for another request; a request that has begun is served.
  void stop_idle();
  // Ends what can be ended: the handler by its cancel(), every wait.
  void stop();
  void stop_if_older(int64_t now_ns);

 private:
  Task<Ending> serve_all();
  Task<bool> prepare(std::optional<IpAddress> address);
  Task<bool> read_proxy_header(std::optional<IpAddress>& address);
  Task<bool> wait_for_request();
  Task<void> linger();

  std::shared_ptr<ServerContext> context_;
  size_t index_;  // in context_->connections
  Socket socket_;
  Peer peer_;
  std::optional<IpAddress> counted_;  // in context_->per_address
  std::unique_ptr<Http1Exchange> exchange_;
  Cancel closing_;
  bool idle_ = false;
};

// "{"error":{…}}" as every refusal carries it.
std::string error_body(int status, std::string_view message);

}  // namespace gatehouse::net
