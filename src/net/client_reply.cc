// Reading a reply: its head, then its body as it comes.
#include <algorithm>

#include "net/client_call.h"

namespace gatehouse::net {

namespace {

// Pieces start small, so that an idle stream holds little, and grow while the
// upstream fills them.
constexpr size_t kFirstPieceBytes = 2 * 1024;
constexpr size_t kPieceBytes = 64 * 1024;

// Interim replies that may precede one; more is a peer that never answers.
constexpr int kInterimMax = 8;

}  // namespace

Task<Result<size_t>> ClientCall::State::receive(char* to, size_t bytes, int64_t deadline_ms) {
  const IoWait wait{deadline_ms, kNever, request.cancel};
  co_return co_await connection->socket.read(to, bytes, wait);
}

// True: bytes came. False: a stale connection was replaced, start again.
Task<Result<bool>> ClientCall::State::receive_head_bytes(int64_t deadline_ms) {
  Socket& socket = connection->socket;
  ssize_t got = Socket::kWait;
  if (socket.tls()) got = socket.try_read(client.scratch.get(), Client::State::kScratchBytes);
  while (got == Socket::kWait) {
    const Wake wake = co_await socket.descriptor().readable(deadline_ms, request.cancel);
    if (wake != Wake::kReady) co_return wake_status(wake, "waiting for the reply");
    got = socket.try_read(client.scratch.get(), Client::State::kScratchBytes);
  }
  if (got > 0) {
    if (!reply_begun) times.first_byte_ns = steady_ns();
    reply_begun = true;
    in.append({client.scratch.get(), static_cast<size_t>(got)});
    co_return true;
  }
  if (!reply_begun && times.reused && request.may_resend && !request.streamed_body) {
    CO_RETURN_IF_ERROR(co_await resend());
    co_return false;
  }
  std::string message = "the upstream closed the connection ";
  message += reply_begun ? "within the reply's head" : "before it replied";
  if (got == Socket::kFailed) message += ": " + socket.last_error().message();
  co_return unavailable(std::move(message));
}

Result<bool> ClientCall::State::look_for_head() {
  switch (head_end.advance(in.span())) {
    case HeadEnd::State::kMore: return false;
    case HeadEnd::State::kRefused:
      return data_loss("the upstream's reply is not HTTP: " + std::string(head_end.error().reason));
    case HeadEnd::State::kFound: break;
  }
  const ParseError error =
      parse_response({in.data(), head_end.size()}, method_of(request.method), HeadLimits(), head);
  if (error.ok()) return true;
  return data_loss("the upstream's reply is not HTTP: " + std::string(error.reason));
}

Task<Result<const ResponseHead*>> ClientCall::read_head(int64_t deadline_ms) {
  State& state = *state_;
  if (state.head_read) co_return &state.head;
  if (state.connection == nullptr) co_return internal_error("no request was sent");
  int interim = 0;
  while (true) {
    Result<bool> found = false;
    if (!state.in.empty()) found = state.look_for_head();
    if (found.ok() && *found) {
      if (state.head.status >= 200 || state.head.status == 101) break;
      if (++interim > kInterimMax) found = data_loss("the upstream sent interim replies only");
      state.in.drop_front(state.head_end.size());
      state.head_end.reset();
      if (found.ok()) continue;
    }
    if (!found.ok()) {
      state.release(false);
      co_return found.status();
    }
    const Result<bool> came = co_await state.receive_head_bytes(deadline_ms);
    if (!came.ok()) {
      state.release(false);
      co_return came.status();
    }
  }
  state.head_read = true;
  state.begin_body();
  co_return &state.head;
}

void ClientCall::State::begin_body() {
  raw = in.view().substr(head_end.size());
  body_left = head.framing == BodyFraming::kLength ? head.content_length : 0;
  if (head.framing == BodyFraming::kChunked) decoder.reset();
  if (!head.has_body()) end_body();
}

// The body has ended as it should.
void ClientCall::State::end_body() {
  body_done = true;
  // Bytes behind a reply belong to no request: such a connection is not trusted again.
  release(head.keep_alive && raw.empty() && sent_whole && !write_failed && head.status != 101 &&
          head.framing != BodyFraming::kUntilClose);
}

Status ClientCall::State::fail_body(Status status) {
  release(false);
  body_failure = status;
  return status;
}

Task<Status> ClientCall::State::fill(int64_t deadline_ms) {
  size_t capacity = std::max(piece.capacity(), kFirstPieceBytes);
  if (piece.size() == piece.capacity() && piece.size() != 0) capacity *= 4;
  if (head.framing == BodyFraming::kLength && body_left > kFirstPieceBytes) capacity = kPieceBytes;
  capacity = std::min(capacity, kPieceBytes);
  piece.clear();
  piece.reserve(capacity);
  size_t bytes = capacity;
  // One byte more than is due: it would tell of a peer that says more than it announced.
  if (head.framing == BodyFraming::kLength) bytes = std::min<uint64_t>(bytes, body_left + 1);
  const Result<size_t> got = co_await receive(piece.data(), bytes, deadline_ms);
  if (got.ok() && *got > 0) {
    piece.commit(*got);
    raw = piece.view();
    co_return Status();
  }
  if (got.ok() && head.framing == BodyFraming::kUntilClose) {
    end_body();
    co_return Status();
  }
  if (got.ok() || got.status().code() == Code::kUnavailable) {
    co_return fail_body(data_loss("the upstream closed the connection before its reply's end"));
  }
  co_return fail_body(got.status().with_context("the reply's body"));
}

Result<std::string_view> ClientCall::State::next_piece(bool& more) {
  more = false;
  if (head.framing == BodyFraming::kUntilClose) return std::exchange(raw, {});
  if (head.framing == BodyFraming::kLength) {
    const auto taken = static_cast<size_t>(std::min<uint64_t>(raw.size(), body_left));
    const std::string_view view = raw.substr(0, taken);
    raw.remove_prefix(taken);
    body_left -= taken;
    if (body_left == 0) end_body();
    return view;
  }
  const ChunkedDecoder::Step step = decoder.next(raw);
  raw.remove_prefix(step.consumed);
  switch (step.state) {
    case ChunkedDecoder::State::kPayload: return step.payload;
    case ChunkedDecoder::State::kDone: end_body(); return std::string_view();
    case ChunkedDecoder::State::kRefused:
      return fail_body(data_loss("the upstream's chunked reply is malformed: " +
                                 std::string(decoder.error().reason)));
    case ChunkedDecoder::State::kMore: break;
  }
  more = true;
  return std::string_view();
}

Task<Result<std::string_view>> ClientCall::read_some(int64_t deadline_ms) {
  State& state = *state_;
  if (!state.body_failure.ok()) co_return state.body_failure;
  if (!state.head_read) co_return internal_error("the reply's head was not read");
  while (!state.body_done) {
    if (!state.raw.empty()) {
      bool more = false;
      Result<std::string_view> piece = state.next_piece(more);
      if (!more) co_return piece;
      continue;
    }
    CO_RETURN_IF_ERROR(co_await state.fill(deadline_ms));
  }
  co_return std::string_view();
}

std::string_view ClientCall::read_ready() {
  State& state = *state_;
  while (state.head_read && !state.body_done && state.body_failure.ok() && !state.raw.empty()) {
    bool more = false;
    const Result<std::string_view> piece = state.next_piece(more);
    if (!piece.ok()) break;  // kept for read_some
    if (!more) return *piece;
  }
  return {};
}

Task<Result<std::string_view>> ClientCall::read_all(size_t limit_bytes, int64_t deadline_ms) {
  State& state = *state_;
  const std::string limit = std::to_string(limit_bytes);
  const bool sized = state.head.framing == BodyFraming::kLength;
  if (sized && state.body_left > limit_bytes) {
    co_return state.fail_body(
        resource_exhausted("the upstream's reply is longer than " + limit + " bytes"));
  }
  // All of it came with the head: no copy.
  if (!state.body_done && sized && state.raw.size() >= state.body_left) {
    co_return co_await read_some(deadline_ms);
  }
  if (!state.body_done && sized) state.body.reserve(state.body_left);
  while (true) {
    const Result<std::string_view> piece = co_await read_some(deadline_ms);
    if (!piece.ok()) co_return piece.status();
    if (piece->empty()) co_return state.body.view();
    if (state.body.size() + piece->size() > limit_bytes) {
      co_return state.fail_body(
          resource_exhausted("the upstream's reply is longer than " + limit + " bytes"));
    }
    state.body.append(*piece);
  }
}

}  // namespace gatehouse::net
