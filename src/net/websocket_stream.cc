#include "net/websocket_stream.h"

#include <array>

namespace gatehouse::net {

namespace {
constexpr size_t kReadBytes = 16 * 1024;
// Frames that wait behind one being written, e.g. pongs; more is an attack by pings.
constexpr size_t kPendingBytes = 256 * 1024;
}  // namespace

WebSocket::WebSocket(Exchange& exchange, Upgraded upgraded, WebSocketOptions options)
    : exchange_(exchange),
      socket_(*upgraded.socket),
      options_(options),
      decoder_(WebSocketSide::kServer, options.message_bytes_max),
      in_(upgraded.early),
      written_(exchange.loop()) {}

WebSocket::~WebSocket() = default;

Task<Result<std::unique_ptr<WebSocket>>> WebSocket::accept(Exchange& exchange,
                                                           WebSocketOptions options) {
  const RequestHead& request = exchange.request();
  if (!request.upgrade_websocket) {
    co_return invalid_argument("this address speaks WebSocket only: send an Upgrade request");
  }
  const ParseError error = check_websocket_request(request);
  if (!error.ok()) {
    const Code code = error.status == 426 ? Code::kUnimplemented : Code::kInvalidArgument;
    co_return Status(code, std::string(error.reason));
  }
  const std::string accepted = websocket_accept(request.headers.get("Sec-WebSocket-Key"));
  std::array<Header, 3> headers;
  headers[0] = {"Upgrade", "websocket"};
  headers[1] = {"Connection", "Upgrade"};
  headers[2] = {"Sec-WebSocket-Accept", accepted};
  const Result<Upgraded> upgraded = co_await exchange.upgrade(headers);
  if (!upgraded.ok()) co_return upgraded.status();
  co_return std::unique_ptr<WebSocket>(new WebSocket(exchange, *upgraded, options));
}

Task<Result<std::string_view>> WebSocket::receive(Cancel* cancel) {
  if (message_taken_) {
    message_.clear();
    message_taken_ = false;
  }
  while (true) {
    const WebSocketDecoder::Step step =
        decoder_.next(std::span<char>(in_.data() + at_, in_.size() - at_));
    at_ += step.consumed;
    switch (step.state) {
      case WebSocketDecoder::State::kMore:
        in_.clear();
        at_ = 0;
        CO_RETURN_IF_ERROR(co_await fill(cancel));
        break;
      case WebSocketDecoder::State::kData:
        message_ += step.payload;
        if (!step.message_end) break;
        message_taken_ = true;
        co_return std::string_view(message_);
      case WebSocketDecoder::State::kControl:
        CO_RETURN_IF_ERROR(co_await take_control(step.opcode, std::string(step.payload)));
        break;
      case WebSocketDecoder::State::kRefused: {
        const std::string reason(decoder_.refusal());
        (void)co_await close(decoder_.close_code(), reason);
        co_return invalid_argument("WebSocket: " + reason);
      }
    }
  }
}

Task<Status> WebSocket::take_control(Opcode opcode, std::string payload) {
  if (opcode == Opcode::kPong) co_return Status();
  if (opcode == Opcode::kPing) {
    if (closing_) co_return Status();
    co_return co_await send_frame(Opcode::kPong, payload);
  }
  const uint16_t code = decoder_.close_code();
  (void)co_await close(code == kCloseNone ? uint16_t{kCloseNormal} : code);
  co_return Status(Code::kCancelled, "the peer closed the WebSocket");
}

// Reads what comes; a silent peer is pinged once.
Task<Status> WebSocket::fill(Cancel* cancel) {
  if (cancel == nullptr) cancel = &exchange_.cancel();
  in_.resize(kReadBytes);
  while (true) {
    const IoWait wait{steady_ms() + options_.ping_after_ms, kNever, cancel};
    const Result<size_t> got = co_await socket_.read(in_.data(), in_.size(), wait);
    if (got.ok() && *got > 0) {
      in_.resize(*got);
      awaiting_pong_ = false;
      co_return Status();
    }
    in_.clear();
    if (got.ok()) co_return Status(Code::kCancelled, "the peer left");
    if (got.status().code() == Code::kUnavailable) {
      co_return Status(Code::kCancelled, got.status().message());
    }
    if (got.status().code() != Code::kDeadlineExceeded || awaiting_pong_) co_return got.status();
    awaiting_pong_ = true;
    CO_RETURN_IF_ERROR(co_await ping());
    in_.resize(kReadBytes);
  }
}

Task<Status> WebSocket::send_frame(Opcode opcode, std::string_view payload) {
  if (closing_) co_return Status(Code::kCancelled, "the WebSocket is closed");
  if (out_.size() > kPendingBytes) co_return resource_exhausted("the peer reads no replies");
  append_websocket_frame(out_, opcode, payload);
  co_return co_await write_pending();
}

// Writes out_. A frame that comes while another is on its way is sent by the
// coroutine that is at it; the caller waits all the same, for back-pressure.
Task<Status> WebSocket::write_pending() {
  const IoWait wait{kNever, options_.write_stall_ms, &exchange_.cancel()};
  if (writing_) {
    const Wake wake = co_await written_.wait(steady_ms() + options_.write_stall_ms, wait.cancel);
    if (wake != Wake::kReady) co_return wake_status(wake, "writing");
    co_return Status();
  }
  writing_ = true;
  written_.reset();
  Status status;
  while (status.ok() && !out_.empty()) {
    std::string batch;
    batch.swap(out_);
    status = co_await socket_.write(batch, wait);
  }
  writing_ = false;
  written_.set();
  co_return status;
}

Task<Status> WebSocket::send_text(std::string_view text) {
  co_return co_await send_frame(Opcode::kText, text);
}
Task<Status> WebSocket::send_binary(std::string_view bytes) {
  co_return co_await send_frame(Opcode::kBinary, bytes);
}
Task<Status> WebSocket::ping(std::string_view payload) {
  co_return co_await send_frame(Opcode::kPing, payload.substr(0, 125));
}

Task<Status> WebSocket::close(uint16_t code, std::string_view reason) {
  if (closing_) co_return Status();
  closing_ = true;
  append_websocket_close(out_, code, reason);
  co_return co_await write_pending();
}

}  // namespace gatehouse::net
