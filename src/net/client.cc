#include "net/client.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "net/char_class.h"
#include "net/client_call.h"

namespace gatehouse::net {

namespace {

// Calls whose storage is kept.
constexpr size_t kFreeCalls = 256;
constexpr size_t kKeptBytes = 8 * 1024;

// Fields that the client writes itself, or that are for one hop only.
bool written_here(std::string_view name) {
  switch (name.size()) {
    case 2: return equal_ignoring_case(name, "te");
    case 4: return equal_ignoring_case(name, "host");
    case 6: return equal_ignoring_case(name, "expect");
    case 7: return equal_ignoring_case(name, "upgrade") || equal_ignoring_case(name, "trailer");
    case 10:
      return equal_ignoring_case(name, "connection") || equal_ignoring_case(name, "keep-alive");
    case 14: return equal_ignoring_case(name, "content-length");
    case 16: return equal_ignoring_case(name, "proxy-connection");
    case 17: return equal_ignoring_case(name, "transfer-encoding");
    default: return false;
  }
}

iovec part_of(std::string_view bytes) { return {const_cast<char*>(bytes.data()), bytes.size()}; }

// Methods for which a request without a body says nothing about its length.
bool bodiless(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "DELETE" || method == "OPTIONS";
}

}  // namespace

Status ClientCall::State::append_head() {
  std::string& out = head_text;
  out.clear();
  if (!is_token(request.method) || request.target.empty() ||
      !all_class(request.target, kQueryChar)) {
    return invalid_argument("the request's method or target is malformed");
  }
  out += request.method;
  out += ' ';
  out += request.target;
  out += " HTTP/1.1\r\n";
  if (!append_header(out, "Host", request.origin->host_header)) {
    return invalid_argument("the upstream's host name is malformed");
  }
  for (const Header& header : request.headers) {
    if (written_here(header.name)) continue;
    if (!append_header(out, header.name, header.value)) {
      return invalid_argument("the request's header \"" + std::string(header.name) +
                              "\" cannot be sent: its name or value is malformed");
    }
  }
  const int64_t length =
      request.streamed_body ? request.content_length : static_cast<int64_t>(request.body.size());
  if (length < 0) {
    out += "Transfer-Encoding: chunked\r\n";
  } else if (length > 0 || !bodiless(request.method)) {
    out += "Content-Length: ";
    char digits[20];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, length).ptr);
    out += "\r\n";
  }
  out += "\r\n";
  return {};
}

// Holds a place and a connection afterwards, a pooled one unless `fresh`.
Task<Status> ClientCall::State::acquire(bool fresh) {
  if (pool == nullptr) {
    OriginPool& origin_pool = client.pool_of(*request.origin);
    CO_RETURN_IF_ERROR(co_await client.take_place(origin_pool, request.origin->connections_max,
                                                  request.connect_deadline_ms, request.cancel));
    pool = &origin_pool;
  }
  times.reused = false;
  if (!fresh) {
    connection = client.take_idle(*pool, !request.may_resend || request.streamed_body);
    times.reused = connection != nullptr;
  }
  if (connection == nullptr) {
    auto made = co_await client.connect(request);
    if (!made.ok()) {
      release(false);
      co_return made.status();
    }
    connection = std::move(*made);
  }
  times.connected_ns = steady_ns();
  co_return Status();
}

Task<Status> ClientCall::State::send_request() {
  iovec storage[2] = {part_of(head_text), part_of(request.body)};
  std::span<iovec> parts(storage, request.streamed_body ? 1 : 2);
  const ssize_t sent = connection->socket.try_write(parts);
  Status status;
  if (sent == Socket::kFailed) {
    status = connection->socket.last_error();
  } else {
    parts = advance_parts(parts, sent > 0 ? static_cast<size_t>(sent) : 0);
    if (!parts.empty()) {
      const IoWait wait{request.write_deadline_ms, kNever, request.cancel};
      status = co_await connection->socket.write(parts, wait);
    }
  }
  times.sent_ns = steady_ns();
  if (status.ok()) {
    sent_whole = !request.streamed_body;
    co_return status;
  }
  if (status.code() != Code::kUnavailable) {
    release(false);
    co_return status.with_context("write");
  }
  if (times.reused && request.may_resend) co_return co_await resend();
  // The peer may have answered before it stopped reading: read_head will tell.
  write_failed = true;
  co_return Status();
}

// The pooled connection was closed meanwhile: once more on a fresh one.
Task<Status> ClientCall::State::resend() {
  connection.reset();
  in.clear();
  CO_RETURN_IF_ERROR(co_await acquire(true));
  co_return co_await send_request();
}

void ClientCall::State::release(bool reusable) {
  if (pool == nullptr) return;
  if (reusable && connection != nullptr) {
    client.give_idle(*pool, std::move(connection));
  } else {
    connection.reset();
  }
  client.give_place(*std::exchange(pool, nullptr));
}

void ClientCall::State::recycle() {
  release(false);
  request = {};
  times = {};
  sent_whole = write_failed = reply_begun = head_read = body_done = false;
  body_left_to_send = -1;
  for (Buffer* each : {&in, &piece, &body}) {
    each->clear();
    if (each->capacity() > kKeptBytes) Buffer().swap(*each);
  }
  head.clear();
  head_end = HeadEnd();
  raw = {};
  body_left = 0;
  body_failure = Status();
}

ClientCall::ClientCall(Client& client) {
  auto& spare = client.state_->free_calls;
  if (spare.empty()) {
    state_ = std::make_unique<State>(*client.state_);
  } else {
    state_ = std::move(spare.back());
    spare.pop_back();
  }
}

ClientCall::~ClientCall() {
  state_->recycle();
  auto& spare = state_->client.free_calls;
  if (spare.size() < kFreeCalls) spare.push_back(std::move(state_));
}

const ClientTimes& ClientCall::times() const { return state_->times; }
bool ClientCall::reply_begun() const { return state_->reply_begun; }

Task<Status> ClientCall::send(const ClientRequest& request) {
  State& state = *state_;
  state.request = request;
  state.times.begin_ns = steady_ns();
  CO_RETURN_IF_ERROR(state.append_head());
  state.body_left_to_send = request.content_length;
  CO_RETURN_IF_ERROR(co_await state.acquire(false));
  co_return co_await state.send_request();
}

Task<Status> ClientCall::write(std::string_view piece) {
  State& state = *state_;
  if (!state.request.streamed_body || state.connection == nullptr) {
    co_return internal_error("no streamed request is being sent");
  }
  if (piece.empty()) co_return Status();
  if (state.write_failed) co_return unavailable("the upstream reads no more of the request");
  const IoWait wait{state.request.write_deadline_ms, kNever, state.request.cancel};
  Status status;
  if (state.request.content_length < 0) {
    const ChunkHead head(piece.size());
    iovec parts[3] = {part_of(head.view()), part_of(piece), part_of(kChunkEnd)};
    status = co_await state.connection->socket.write(parts, wait);
  } else {
    if (static_cast<int64_t>(piece.size()) > state.body_left_to_send) {
      co_return invalid_argument("the request's body is longer than its Content-Length");
    }
    state.body_left_to_send -= static_cast<int64_t>(piece.size());
    status = co_await state.connection->socket.write(piece, wait);
  }
  if (status.ok()) co_return status;
  state.write_failed = true;
  co_return status.with_context("write");
}

Task<Status> ClientCall::finish() {
  State& state = *state_;
  if (!state.request.streamed_body || state.connection == nullptr) {
    co_return internal_error("no streamed request is being sent");
  }
  if (state.body_left_to_send > 0) {
    state.release(false);
    co_return invalid_argument("the request's body is shorter than its Content-Length");
  }
  if (state.request.content_length < 0 && !state.write_failed) {
    const IoWait wait{state.request.write_deadline_ms, kNever, state.request.cancel};
    const Status status = co_await state.connection->socket.write(kLastChunk, wait);
    if (!status.ok()) {
      state.write_failed = true;
      co_return status.with_context("write");
    }
  }
  state.sent_whole = !state.write_failed;
  state.times.sent_ns = steady_ns();
  co_return Status();
}

}  // namespace gatehouse::net
