#include "gateway/upstream_call.h"

#include <algorithm>

#include "base/text.h"
#include "gateway/form_body.h"
#include "gateway/upstream_request.h"
#include "gateway/usage.h"
#include "net/sse.h"

namespace gatehouse::gateway {

namespace {

// A reply up to this size is read before the first byte goes to the client, so
// that a cut one can be tried again. Chat replies are a few KiB.
constexpr size_t kHeldBytesMax = 64 << 10;

// How long events without content are held back while more of them come: a
// client that waits for pings gives up after some tens of seconds.
constexpr int64_t kHeldMsMax = 10'000;

bool is_event_stream(const net::ResponseHead& head) {
  const std::string_view type = head.headers.get("content-type");
  return equal_ignoring_case(trim(type.substr(0, type.find(';'))), "text/event-stream");
}

}  // namespace

UpstreamCall::UpstreamCall(net::Client& client, std::shared_ptr<Upstream> upstream,
                           std::string model, const UpstreamCallLimits& limits)
    : loop_(client.loop()),
      upstream_(std::move(upstream)),
      call_(client),
      model_(std::move(model)),
      limits_(limits) {
  upstream_->history().in_flight.fetch_add(1, std::memory_order_relaxed);
}

UpstreamCall::~UpstreamCall() {
  upstream_->history().in_flight.fetch_sub(1, std::memory_order_relaxed);
}

int64_t UpstreamCall::deadline_ms(int64_t after_ms) const {
  return std::min(steady_ms() + after_ms, limits_.total_deadline_ms);
}

UpstreamResult UpstreamCall::failure(const Status& status, AttemptEnd lost, AttemptEnd late) const {
  UpstreamResult result;
  result.message = status.message();
  switch (status.code()) {
    case Code::kCancelled: result.end = AttemptEnd::kCancelled; break;
    case Code::kDeadlineExceeded:
      result.end = steady_ms() >= limits_.total_deadline_ms ? AttemptEnd::kTotalTimeout : late;
      break;
    case Code::kDataLoss: result.end = AttemptEnd::kBadReply; break;
    default: result.end = lost; break;
  }
  return result;
}

Task<UpstreamResult> UpstreamCall::send(const CallRequest& call, const net::HeaderList& headers,
                                        std::string_view traceparent, Cancel* cancel) {
  model::Credential* source = upstream_->credential();
  const model::Credential::Header* credential = nullptr;
  const std::string& host = upstream_->origin().host;
  if (source != nullptr && (credential = source->ready(host)) == nullptr) {
    Result<model::Credential::Header> fetched = co_await source->authorize(loop_, host);
    if (!fetched.ok()) {
      UpstreamResult result;
      result.end = AttemptEnd::kRefusedHere;
      result.message = "no credential: " + fetched.status().message();
      co_return result;
    }
    credential_ = std::move(*fetched);
    credential = &credential_;
  }
  target_ = upstream_target(upstream_->config(), upstream_->base_path(), model_, call);
  upstream_headers(headers, upstream_->config(), credential, traceparent, headers_);

  net::ClientRequest request;
  request.origin = &upstream_->origin();
  request.target = target_;
  request.headers = headers_;
  if (call.form != nullptr) {
    if (!call.form->begin(model_)) {
      UpstreamResult result;
      result.end = AttemptEnd::kRefusedHere;
      result.message = "the form has been sent on once and was not kept";
      co_return result;
    }
    request.streamed_body = true;
    request.content_length = call.form->length();
    request.may_resend = false;
  } else {
    request.body = upstream_body(call, model_, body_);
  }
  request.connect_deadline_ms = deadline_ms(limits_.timeouts.connect_ms);
  request.write_deadline_ms = deadline_ms(limits_.timeouts.first_byte_ms);
  request.cancel = cancel;
  const Status sent = co_await call_.send(request);
  if (!sent.ok()) {
    const bool writing = sent.message().starts_with("write");
    co_return failure(sent, writing ? AttemptEnd::kConnectionLost : AttemptEnd::kConnectFailed,
                      writing ? AttemptEnd::kFirstByteTimeout : AttemptEnd::kConnectTimeout);
  }
  if (call.form != nullptr) {
    const UpstreamResult streamed = co_await send_form(*call.form);
    if (!streamed.ok()) co_return streamed;
  }
  Result<const net::ResponseHead*> head =
      co_await call_.read_head(deadline_ms(limits_.timeouts.first_byte_ms));
  if (!head.ok()) {
    co_return failure(head.status(), AttemptEnd::kConnectionLost, AttemptEnd::kFirstByteTimeout);
  }
  head_ = *head;
  co_return UpstreamResult{};
}

Task<UpstreamResult> UpstreamCall::send_form(FormBody& form) {
  while (true) {
    Result<std::string_view> piece = co_await form.next();
    if (!piece.ok()) {
      // The client's own body failed: there is nothing to try again.
      UpstreamResult result;
      result.end = AttemptEnd::kCancelled;
      result.message = piece.status().message();
      co_return result;
    }
    const bool end = piece->empty();
    Status sent;
    if (end) {
      sent = co_await call_.finish();
    } else {
      sent = co_await call_.write(*piece);
    }
    if (!sent.ok()) {
      co_return failure(sent, AttemptEnd::kConnectionLost, AttemptEnd::kFirstByteTimeout);
    }
    if (end) co_return UpstreamResult{};
  }
}

Task<UpstreamResult> UpstreamCall::open(const CallRequest& call, const net::HeaderList& headers,
                                        std::string_view traceparent, Cancel* cancel) {
  begin_ns_ = steady_ns();
  UpstreamResult result = co_await send(call, headers, traceparent, cancel);
  if (head_ == nullptr) co_return result;
  event_stream_ = head_->status < 300 && is_event_stream(*head_);
  if (event_stream_) {
    result = co_await hold_first_content(call);
  } else {
    result = co_await hold_body();
    if (result.end == AttemptEnd::kReply && head_->status < 300) find_error(call, result);
  }
  result.status = head_->status;
  if (result.end == AttemptEnd::kReply && head_->status >= 400) read_error(call, result);
  if (!result.ok()) {
    result.retry_after = head_->headers.get("retry-after");
    result.retry_after_ms = head_->headers.get("retry-after-ms");
    result.should_retry = head_->headers.get("x-should-retry");
  }
  co_return result;
}

void UpstreamCall::read_error(const CallRequest& call, UpstreamResult& result) const {
  result.message = "it answered " + std::to_string(head_->status);
  Usage reply;
  read_usage(call.operation, held_, reply);
  result.error_code = reply.error_code.empty() ? reply.error_type : reply.error_code;
}

// An error object in a 200. Only where the protocol has one: a classic model may
// call a part of its answer so.
void UpstreamCall::find_error(const CallRequest& call, UpstreamResult& result) const {
  if (call.family == Family::kHttp || !whole_) return;
  if (held_.find("\"error\"") == std::string::npos) return;  // nearly every reply ends here
  Usage reply;
  read_usage(call.operation, held_, reply);
  if (!reply.failed()) return;
  result.end = AttemptEnd::kReplyError;
  result.message = "it sent an error in the place of an answer";
  result.error_code = reply.error_code.empty() ? reply.error_type : reply.error_code;
}

Task<UpstreamResult> UpstreamCall::hold_body() {
  while (held_.size() < kHeldBytesMax) {
    const int64_t deadline = deadline_ms(limits_.timeouts.between_tokens_ms);
    Result<std::string_view> piece = co_await call_.read_some(deadline);
    if (!piece.ok()) {
      UpstreamResult cut =
          failure(piece.status(), AttemptEnd::kConnectionLost, AttemptEnd::kIdleTimeout);
      // Cut short is the connection's fault, not the sender's grammar.
      if (cut.end == AttemptEnd::kBadReply) cut.end = AttemptEnd::kConnectionLost;
      co_return cut;
    }
    if (piece->empty()) {
      whole_ = true;
      break;
    }
    held_ += *piece;
  }
  co_return UpstreamResult{};
}

// Until the first event that carries a part of the answer: what comes before it
// (a role, "created", a ping) says nothing of whether the model answers.
Task<UpstreamResult> UpstreamCall::hold_first_content(const CallRequest& call) {
  first_token_deadline_ms_ = deadline_ms(limits_.timeouts.first_token_ms);
  const int64_t patient_until_ms = steady_ms() + kHeldMsMax;
  net::SseParser parser(limits_.event_bytes_max);
  StreamUsage usage(call.operation);
  while (true) {
    Result<std::string_view> piece = co_await call_.read_some(first_token_deadline_ms_);
    if (!piece.ok()) {
      UpstreamResult cut =
          failure(piece.status(), AttemptEnd::kConnectionLost, AttemptEnd::kFirstTokenTimeout);
      if (cut.end == AttemptEnd::kBadReply) cut.end = AttemptEnd::kStreamCut;
      co_return cut;
    }
    UpstreamResult result;
    if (piece->empty()) {
      result.end = AttemptEnd::kStreamCut;
      result.message = "its stream ended before its first token";
      co_return result;
    }
    held_ += *piece;
    if (judge_events(parser, usage, *piece, result)) co_return result;
    // Signs of life go on, the answer does not begin: the client is to see them,
    // and the rest of the time for the first token runs while they pass.
    if (held_.size() >= kHeldBytesMax || steady_ms() >= patient_until_ms) co_return result;
  }
}

// Whether the events that `rest` completes settle how the attempt went.
bool UpstreamCall::judge_events(net::SseParser& parser, StreamUsage& usage, std::string_view rest,
                                UpstreamResult& result) {
  while (true) {
    const net::SseParser::Step step = parser.next(rest);
    rest.remove_prefix(step.consumed);
    if (step.state == net::SseParser::State::kMore) return false;
    if (step.state == net::SseParser::State::kRefused) {
      result.end = AttemptEnd::kBadReply;
      result.message = "an event of its stream is too large";
      return true;
    }
    const net::SseEvent& event = parser.event();
    if (!event.has_data) continue;
    const StreamEvent seen = usage.on_event(event.type, event.data);
    if (seen.error) {
      const Usage& error = usage.usage();
      result.end = AttemptEnd::kStreamError;
      result.message = "it sent an error in the place of an answer";
      result.error_code = error.error_code.empty() ? error.error_type : error.error_code;
      return true;
    }
    if (seen.content || seen.terminal) {
      first_token_deadline_ms_ = kNever;
      return true;
    }
  }
}

Task<Result<std::string_view>> UpstreamCall::read_some(int64_t stall_ms) {
  return call_.read_some(deadline_ms(stall_ms));
}

}  // namespace gatehouse::gateway
