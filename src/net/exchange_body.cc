// A request's body, as it comes and whole.
#include <algorithm>

#include "net/connection.h"

namespace gatehouse::net {

namespace {

// What is read at once of a streamed body, and all that is held of it.
constexpr size_t kPieceBytes = 64 * 1024;
// What one turn of the loop copies of a body, so that it comes round to others within a
// tenth of a millisecond; a socket may hold megabytes.
constexpr size_t kTurnBytes = 256 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

Status too_long(size_t limit_bytes) {
  return resource_exhausted("the request's body is longer than " + std::to_string(limit_bytes) +
                            " bytes");
}

}  // namespace

void Http1Exchange::begin_body() {
  raw_ = in_.view().substr(head_end_.size());
  body_done_ = !request_.has_body();
  body_broken_ = false;
  body_left_ = request_.framing == BodyFraming::kLength ? request_.content_length : 0;
  continue_due_ = request_.expect_continue && raw_.empty();
  if (request_.framing == BodyFraming::kChunked) decoder_.reset();
}

Status Http1Exchange::broken_body(const Result<size_t>& got) {
  body_broken_ = true;
  if (got.ok() || got.status().code() == Code::kUnavailable) {
    return {Code::kCancelled, "the client left amid the request's body"};
  }
  return got.status().with_context("the request's body");
}

// Waits for raw bytes. An error leaves the connection fit for nothing but a reply.
Task<Status> Http1Exchange::fill() {
  if (std::exchange(continue_due_, false) && !replied()) {
    const Status sent = co_await socket_->write(kContinue, write_wait());
    if (!sent.ok()) {
      body_broken_ = true;
      co_return sent;
    }
  }
  if (piece_.capacity() == 0) {
    const bool sized = request_.framing == BodyFraming::kLength;
    piece_.reserve(sized ? std::min<size_t>(kPieceBytes, body_left_) : kPieceBytes);
  }
  // Under Content-Length nothing is read beyond the body, so the next request stays unread.
  size_t bytes = piece_.capacity();
  if (request_.framing == BodyFraming::kLength) bytes = std::min<size_t>(bytes, body_left_);
  const IoWait wait{kNever, config_->options.body_stall_timeout_ms, &*cancel_};
  const Result<size_t> got = co_await socket_->read(piece_.data(), bytes, wait);
  if (!got.ok() || *got == 0) co_return broken_body(got);
  context_.counters.bytes_in.fetch_add(static_cast<int64_t>(*got), std::memory_order_relaxed);
  raw_ = {piece_.data(), *got};
  co_return Status();
}

// Decodes from raw_. `more`: nothing came of it, read on.
Result<std::string_view> Http1Exchange::next_piece(bool& more) {
  more = false;
  if (request_.framing == BodyFraming::kLength) {
    if (raw_.empty()) {
      more = true;
      return std::string_view();
    }
    const auto taken = static_cast<size_t>(std::min<uint64_t>(raw_.size(), body_left_));
    const std::string_view piece = raw_.substr(0, taken);
    raw_.remove_prefix(taken);
    body_left_ -= taken;
    body_done_ = body_left_ == 0;
    return piece;
  }
  while (true) {
    const ChunkedDecoder::Step step = decoder_.next(raw_);
    raw_.remove_prefix(step.consumed);
    switch (step.state) {
      case ChunkedDecoder::State::kPayload: return step.payload;
      case ChunkedDecoder::State::kDone: body_done_ = true; return std::string_view();
      case ChunkedDecoder::State::kRefused:
        body_broken_ = true;
        context_.counters.bad_requests.fetch_add(1, std::memory_order_relaxed);
        return invalid_argument(std::string(decoder_.error().reason));
      case ChunkedDecoder::State::kMore: more = true; return std::string_view();
    }
  }
}

Task<Result<std::string_view>> Http1Exchange::read_some() {
  if (body_broken_) co_return invalid_argument("the request's body was cut or malformed");
  while (!body_done_) {
    bool more = raw_.empty();
    if (!more) {
      Result<std::string_view> piece = next_piece(more);
      if (!more) co_return piece;
    }
    CO_RETURN_IF_ERROR(co_await fill());
  }
  co_return std::string_view();
}

Task<Result<std::string_view>> Http1Exchange::read_body(size_t limit_bytes) {
  if (body_done_) co_return whole_;
  if (body_broken_) co_return invalid_argument("the request's body was cut or malformed");
  limit_bytes = std::min(limit_bytes, config_->options.body_bytes_max);
  if (request_.framing == BodyFraming::kLength) {
    if (body_left_ > limit_bytes) co_return too_long(limit_bytes);
    if (raw_.size() >= body_left_) {
      bool more = false;
      whole_ = *next_piece(more);
      co_return whole_;
    }
    CO_RETURN_IF_ERROR(co_await read_sized_body());
  } else {
    CO_RETURN_IF_ERROR(co_await read_chunked_body(limit_bytes));
  }
  whole_ = body_.view();
  co_return whole_;
}

// Reads straight to where the body will stay.
Task<Status> Http1Exchange::read_sized_body() {
  bool more = false;
  if (continue_due_) CO_RETURN_IF_ERROR(co_await fill());
  CO_RETURN_IF_ERROR(make_room(raw_.size()));
  if (!raw_.empty()) body_.append(*next_piece(more));
  const IoWait wait{kNever, config_->options.body_stall_timeout_ms, &*cancel_};
  while (!body_done_) {
    CO_RETURN_IF_ERROR(make_room(1));
    const size_t bytes = std::min<size_t>({body_.room(), body_left_, kTurnBytes});
    const Result<size_t> got = co_await socket_->read(body_.tail(), bytes, wait);
    if (!got.ok() || *got == 0) co_return broken_body(got);
    context_.counters.bytes_in.fetch_add(static_cast<int64_t>(*got), std::memory_order_relaxed);
    body_.commit(*got);
    body_left_ -= *got;
    body_done_ = body_left_ == 0;
  }
  co_return Status();
}

// Room in body_ for `bytes` more, charged. It doubles, so that a length which is
// announced and never sent holds little memory.
Status Http1Exchange::make_room(size_t bytes) {
  if (body_.room() >= bytes) return {};
  size_t capacity = std::max({kPieceBytes, 2 * body_.capacity(), body_.size() + bytes});
  if (request_.framing == BodyFraming::kLength) {
    capacity = std::min<size_t>(capacity, request_.content_length);
  }
  const auto more = static_cast<int64_t>(capacity - body_.capacity());
  if (!context_.budget.try_charge(more, charged_bytes_)) {
    return unavailable("there is no memory for the request's body now (memory.limit)");
  }
  charged_bytes_ += more;
  body_.reserve(capacity);
  return {};
}

Task<Status> Http1Exchange::read_chunked_body(size_t limit_bytes) {
  while (!body_done_) {
    const Result<std::string_view> piece = co_await read_some();
    if (!piece.ok()) co_return piece.status();
    if (body_.size() + piece->size() > limit_bytes) co_return too_long(limit_bytes);
    CO_RETURN_IF_ERROR(make_room(piece->size()));
    body_.append(*piece);
  }
  co_return Status();
}

}  // namespace gatehouse::net
