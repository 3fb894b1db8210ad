// A WebSocket over a connection that an Exchange gave up: for live tails.
//
//   CO_ASSIGN_OR_RETURN(auto socket, co_await WebSocket::accept(exchange));
//   while (true) {
//     auto message = co_await socket->receive();
//     if (!message.ok()) break;
//     CO_RETURN_IF_ERROR(co_await socket->send_text(*message));
//   }
//
// One coroutine receives and one sends at a time; pings are answered by
// receive(), so one coroutine is to be in it while the connection is to live.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/loop.h"
#include "base/result.h"
#include "base/task.h"
#include "net/exchange.h"
#include "net/socket.h"
#include "net/websocket.h"

namespace gatehouse::net {

struct WebSocketOptions {
  // Live tails receive filters, not content.
  size_t message_bytes_max = 64 * 1024;
  // A silent peer is pinged after this long, and given up after as long again.
  int64_t ping_after_ms = 30'000;
  int64_t write_stall_ms = 30'000;
};

class WebSocket {
 public:
  // Checks the handshake and answers 101. After an error nothing was sent; the
  // handler replies with 400, or 426 where kUnimplemented says so.
  static Task<Result<std::unique_ptr<WebSocket>>> accept(Exchange& exchange,
                                                         WebSocketOptions options = {});
  ~WebSocket();

  // The next text or binary message, whole; lives until the next call.
  // kCancelled: the peer closed or left, or `cancel` fired; kInvalidArgument: it
  // broke the protocol (and was told); kDeadlineExceeded: it is silent.
  Task<Result<std::string_view>> receive(Cancel* cancel = nullptr);

  // Waits while the peer is slow.
  Task<Status> send_text(std::string_view text);
  Task<Status> send_binary(std::string_view bytes);
  Task<Status> ping(std::string_view payload = {});
  // Sends a close frame; nothing can be sent after it.
  Task<Status> close(uint16_t code = kCloseNormal, std::string_view reason = {});

 private:
  WebSocket(Exchange& exchange, Upgraded upgraded, WebSocketOptions options);
  Task<Status> send_frame(Opcode opcode, std::string_view payload);
  Task<Status> write_pending();
  Task<Status> take_control(Opcode opcode, std::string payload);
  Task<Status> fill(Cancel* cancel);

  Exchange& exchange_;
  Socket& socket_;
  const WebSocketOptions options_;
  WebSocketDecoder decoder_;
  std::string in_;  // bytes read and not yet decoded, from at_ on
  size_t at_ = 0;
  std::string message_;
  bool message_taken_ = false;
  std::string out_;  // frames to be sent
  bool writing_ = false;
  Event written_;
  bool closing_ = false;
  bool awaiting_pong_ = false;
};

}  // namespace gatehouse::net
