// An exchange's course: the head, the handler, and what is left to do after it.
// Bodies are in exchange_body.cc, replies in exchange_reply.cc.
#include <algorithm>

#include "net/connection.h"

namespace gatehouse::net {

namespace {

// A body that a handler did not read is read past up to this much, as the next
// request is behind it; more costs less as a new connection.
constexpr uint64_t kDrainBytes = 256 * 1024;

// Storage that an exchange on the free list keeps.
constexpr size_t kKeptBytes = 8 * 1024;
// The usual head with a short body.
constexpr size_t kFirstBytes = 1024;

}  // namespace

const Peer& Http1Exchange::peer() const { return connection_->peer(); }

void Http1Exchange::recycle() {
  connection_ = nullptr;
  socket_ = nullptr;
  config_.reset();
  in_.clear();
  if (in_.capacity() > kKeptBytes) Buffer().swap(in_);
  request_.clear();
  // Of a call that ended its connection: nothing of it may reach the next client.
  raw_ = {};
  whole_ = {};
  Buffer().swap(piece_);
  Buffer().swap(body_);
}

void Http1Exchange::interrupt(Interruption why) {
  if (!cancel_) return;
  if (!cancel_->fired()) interruption_ = why;
  cancel_->fire();
}

void Http1Exchange::stop() { interrupt(Interruption::kDraining); }

void Http1Exchange::stop_if_older(int64_t now_ns) {
  if (cancel_ && now_ns - received_ns_ > config_->options.total_timeout_ms * 1'000'000) {
    interrupt(Interruption::kTooLong);
  }
}

Task<void> Http1Exchange::refuse_connection(Http1Connection& connection, std::string_view message) {
  connection_ = &connection;
  socket_ = &connection.socket();
  config_ = context_.config;
  phase_ = Phase::kNone;
  co_await refuse(503, message);
}

Task<Ending> Http1Exchange::serve(Http1Connection& connection) {
  connection_ = &connection;
  socket_ = &connection.socket();
  config_ = context_.config;
  phase_ = Phase::kNone;
  head_end_ = HeadEnd(config_->options.head);
  HeadOutcome outcome = in_.empty() ? try_head() : look_for_head();
  if (outcome == HeadOutcome::kMore) outcome = co_await wait_for_head();
  switch (outcome) {
    case HeadOutcome::kIdle: co_return Ending::kKeep;
    case HeadOutcome::kRefused:
      request_.clear();  // what could be read of it says nothing certain, its method included
      context_.counters.bad_requests.fetch_add(1, std::memory_order_relaxed);
      co_await refuse(head_error_.status, head_error_.reason);
      co_return Ending::kLinger;
    case HeadOutcome::kComplete: break;
    default: co_return Ending::kClose;
  }
  co_return co_await run_handler();
}

Http1Exchange::HeadOutcome Http1Exchange::try_head() {
  const ssize_t got = socket_->try_read(context_.scratch.get(), ServerContext::kScratchBytes);
  if (got == Socket::kWait) return in_.empty() ? HeadOutcome::kIdle : HeadOutcome::kMore;
  if (got <= 0) return HeadOutcome::kClosed;
  context_.counters.bytes_in.fetch_add(got, std::memory_order_relaxed);
  in_.reserve(kFirstBytes);
  in_.append({context_.scratch.get(), static_cast<size_t>(got)});
  return look_for_head();
}

Http1Exchange::HeadOutcome Http1Exchange::look_for_head() {
  switch (head_end_.advance(in_.span())) {
    case HeadEnd::State::kMore: return HeadOutcome::kMore;
    case HeadEnd::State::kRefused: head_error_ = head_end_.error(); return HeadOutcome::kRefused;
    case HeadEnd::State::kFound: break;
  }
  head_error_ = parse_request({in_.data(), head_end_.size()}, config_->options.head, request_);
  return head_error_.ok() ? HeadOutcome::kComplete : HeadOutcome::kRefused;
}

Task<Http1Exchange::HeadOutcome> Http1Exchange::wait_for_head() {
  const int64_t deadline_ms = steady_ms() + config_->options.head_timeout_ms;
  HeadOutcome outcome = HeadOutcome::kMore;
  while (outcome == HeadOutcome::kMore) {
    if (!socket_->pending()) {
      const Wake wake =
          co_await socket_->descriptor().readable(deadline_ms, &connection_->closing());
      if (wake == Wake::kCancelled) co_return HeadOutcome::kClosed;
      if (wake == Wake::kTimeout) {
        head_error_ = {408, "the request's head did not arrive in time"};
        co_return HeadOutcome::kRefused;
      }
    }
    outcome = try_head();
  }
  co_return outcome;
}

Task<Ending> Http1Exchange::run_handler() {
  received_ns_ = steady_ns();
  close_ = false;
  chunked_ = false;
  head_only_ = false;
  reply_left_ = -1;
  begin_body();
  context_.counters.requests.fetch_add(1, std::memory_order_relaxed);
  cancel_.emplace();
  interruption_ = Interruption::kNone;
  socket_->descriptor().watch_hangup(&*cancel_);
  co_await config_->handler(*this);
  if (socket_->open()) socket_->descriptor().watch_hangup(nullptr);
  const Ending ending = co_await settle();
  cancel_.reset();
  if (charged_bytes_ != 0) context_.budget.release(std::exchange(charged_bytes_, 0));
  if (ending != Ending::kKeep) co_return ending;
  // What came behind this request is the start of the next.
  if (raw_.empty()) {
    in_.clear();
  } else if (raw_.data() >= in_.data() && raw_.data() <= in_.data() + in_.size()) {
    in_.drop_front(static_cast<size_t>(raw_.data() - in_.data()));
  } else {
    in_.clear();
    in_.append(raw_);
  }
  raw_ = {};
  whole_ = {};
  if (piece_.capacity() != 0) Buffer().swap(piece_);
  if (body_.capacity() != 0) Buffer().swap(body_);
  co_return ending;
}

// Brings the exchange to an end after its handler has returned.
Task<Ending> Http1Exchange::settle() {
  if (phase_ == Phase::kAborted) co_return Ending::kReset;
  if (phase_ == Phase::kUpgraded) co_return Ending::kLinger;
  if (phase_ == Phase::kStreaming) co_return Ending::kReset;
  if (phase_ == Phase::kNone) {
    if (cancel_->fired()) co_return Ending::kClose;
    co_await refuse(500, "the request was not answered");
    co_return Ending::kLinger;
  }
  if (close_) co_return Ending::kLinger;
  if (body_done_) co_return Ending::kKeep;
  const bool drained = co_await drain_body();
  co_return drained ? Ending::kKeep : Ending::kLinger;
}

// Reads past the rest of the request's body. False: the connection must close.
Task<bool> Http1Exchange::drain_body() {
  if (body_broken_ || continue_due_) co_return false;
  if (request_.framing == BodyFraming::kLength && body_left_ > kDrainBytes) co_return false;
  uint64_t drained = 0;
  while (drained <= kDrainBytes) {
    const Result<std::string_view> piece = co_await read_some();
    if (!piece.ok()) co_return false;
    if (piece->empty()) co_return true;
    drained += piece->size();
  }
  co_return false;
}

}  // namespace gatehouse::net
