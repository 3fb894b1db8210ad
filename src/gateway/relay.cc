// The second half of a Call: the reply on its way to the client.
//
// A whole reply (held by the attempt) is settled and sent in one write. A longer
// one passes in pieces, and an event stream event by event; both hold back their
// last bytes until the call is settled, so that a client that has seen the end
// of a reply has its record in the log.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "gateway/call.h"
#include "gateway/member_capture.h"
#include "net/sse.h"

namespace gatehouse::gateway {

namespace {

// A proxy between client and gate must not gather a stream's events.
constexpr net::Header kNoBuffering = {"x-accel-buffering", "no"};

// Events that are gathered into one write, at most: what one read can have brought.
constexpr size_t kWriteBytes = 64 << 10;

// How long the end of a body may take after its terminal event, for the
// connection to serve another call.
constexpr int64_t kLingerMs = 100;

bool is_json(const net::ResponseHead& head) {
  return head.headers.get("content-type").find("json") != std::string_view::npos;
}

// What classic models say beside their prediction, by the names in use.
void read_prediction(std::string_view body, Usage& usage) {
  MemberCapture capture{"confidence", "probability", "model_version", "model_name"};
  capture.feed(body);
  for (const char* name : {"confidence", "probability"}) {
    if (const auto value = parse_double(capture.value(name)); value && *value >= 0 && *value <= 1) {
      usage.confidence = *value;
      break;
    }
  }
  if (usage.model.empty())
    usage.model = wire::json_string(capture.value("model_name")).value_or("");
}

bool begins_with_ignoring_case(std::string_view text, std::string_view start) {
  return text.size() >= start.size() && equal_ignoring_case(text.substr(0, start.size()), start);
}

}  // namespace

// Adds the reply's headers; views into `from` and header_text_.
void Call::reply_headers(const UpstreamCall* from, std::vector<net::Header>& out) {
  const RateState rates = rate_state(limit_sets_, steady_ns());
  const bool own_rates = rates.limit_requests != 0 || rates.limit_tokens != 0;
  header_text_.clear();
  header_text_.reserve(12);  // the views stay valid: it never grows past this
  const auto own = [&](std::string_view header, std::string text) {
    header_text_.push_back(std::move(text));
    out.push_back({header, header_text_.back()});
  };
  if (from != nullptr) {
    for (const net::Header& header : from->head().headers) {
      if (equal_ignoring_case(header.name, "content-length") ||
          equal_ignoring_case(header.name, "date") ||
          net::is_hop_by_hop(from->head().headers, header.name)) {
        continue;
      }
      // A key's own limits are the ones its caller can act on.
      if (own_rates && begins_with_ignoring_case(header.name, "x-ratelimit-")) continue;
      out.push_back(header);
    }
  }
  if (!trace_.upstream.empty()) out.push_back({"x-gatehouse-upstream", trace_.upstream});
  own("x-gatehouse-attempts", std::to_string(trace_.attempts.size()));
  const int64_t added_ns = steady_ns() - trace_.begin_ns - trace_.upstream_ns;
  own("x-gatehouse-added-us", std::to_string(std::max<int64_t>(0, added_ns) / 1000));
  out.push_back({"x-gatehouse-request-id", trace_.request_id});
  if (from == nullptr || !from->head().headers.contains("x-request-id")) {
    out.push_back({"x-request-id", trace_.request_id});
  }
  const auto rate = [&](int64_t limit, int64_t remaining, int64_t reset_ms,
                        const std::array<std::string_view, 3>& names) {
    if (limit == 0) return;
    own(names[0], std::to_string(limit));
    own(names[1], std::to_string(remaining));
    std::string reset;
    append_reset(reset, reset_ms);
    own(names[2], std::move(reset));
  };
  rate(rates.limit_requests, rates.remaining_requests, rates.reset_requests_ms,
       {"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests"});
  rate(rates.limit_tokens, rates.remaining_tokens, rates.reset_tokens_ms,
       {"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"});
}

void Call::keep_reply(std::string_view piece) {
  trace_.reply_bytes += static_cast<int64_t>(piece.size());
  if (!snapshot_->config.record_bodies) return;
  const size_t room = snapshot_->config.recorded_body_bytes_max - trace_.reply_body.size();
  trace_.reply_body += piece.substr(0, room);
}

Task<void> Call::relay(UpstreamCall& from) {
  trace_.status = reply_status_ != 0 ? reply_status_ : from.head().status;
  if (from.event_stream()) {
    co_await relay_events(from);
  } else if (from.whole()) {
    co_await relay_whole(from);
  } else {
    co_await relay_pieces(from);
  }
}

// What a reply leaves unsaid. A classic model has no tokens.
void Call::finish_usage(size_t reply_bytes) {
  if (trace_.usage.reported || request_.operation == Operation::kInfer) return;
  estimate_usage(trace_.usage, request_.body.size(), reply_bytes);
}

Task<void> Call::relay_whole(UpstreamCall& from) {
  const std::string_view body = from.held();
  if (reached_model_) {
    if (is_json(from.head())) read_usage(request_.operation, body, trace_.usage);
    if (request_.operation == Operation::kInfer) read_prediction(body, trace_.usage);
    if (trace_.usage.failed()) {
      trace_.error = "reply_error";
      trace_.error_message = "the upstream sent an error in the place of an answer";
    }
    finish_usage(body.size());
  }
  keep_reply(body);
  trace_.first_byte_ns = steady_ns();
  co_await settle();
  std::vector<net::Header> headers;
  headers.reserve(24);
  reply_headers(&from, headers);
  net::Reply reply;
  reply.status = trace_.status;
  reply.headers = headers;
  reply.body = body;
  const Status sent = co_await exchange_.reply(reply);
  (void)sent;  // the client is gone; the call was served and is recorded
}

Task<void> Call::relay_pieces(UpstreamCall& from) {
  std::vector<net::Header> headers;
  reply_headers(&from, headers);
  std::string length;
  if (from.head().framing == net::BodyFraming::kLength) {
    length = std::to_string(from.head().content_length);
    headers.push_back({"content-length", length});
  }
  MemberCapture capture{"usage", "model", "service_tier"};
  const bool json = is_json(from.head());
  Status sent = co_await exchange_.start(from.head().status, headers);
  trace_.first_byte_ns = steady_ns();
  std::string last(from.held());  // held back: the reply ends only once it is recorded
  size_t bytes = last.size();
  if (json) capture.feed(last);
  keep_reply(last);
  while (sent.ok()) {
    const int64_t begin_ns = steady_ns();
    Result<std::string_view> piece = co_await from.read_some(timeouts_.between_tokens_ms);
    trace_.upstream_ns += steady_ns() - begin_ns;
    if (!piece.ok()) {
      trace_.error = piece.status().code() == Code::kCancelled ? cancel_code() : "reply_cut";
      trace_.error_message = piece.status().message();
      break;
    }
    if (piece->empty()) break;
    sent = co_await exchange_.write(last);
    last = *piece;
    bytes += last.size();
    if (json) capture.feed(last);
    keep_reply(last);
  }
  if (!sent.ok() && trace_.error.empty()) trace_.error = cancel_code();
  if (reached_model_) {
    read_usage_object(request_.operation, capture.value("usage"), trace_.usage);
    trace_.usage.model = wire::json_string(capture.value("model")).value_or("");
    finish_usage(bytes);
  }
  const bool cut = !trace_.error.empty() && reached_model_;
  co_await settle();
  if (cut) {
    exchange_.abort();
    co_return;
  }
  sent = co_await exchange_.finish(last);
}

// Takes the events that `rest` completes: their bytes to `out`, those of the
// terminal one to `last`. Withheld is the one that tells a usage nobody asked
// for. False: the stream is over, well (complete) or not (trace_.error).
bool Call::take_events(net::SseParser& parser, StreamUsage& usage, std::string_view rest,
                       std::string& out, std::string& last) {
  while (true) {
    const net::SseParser::Step step = parser.next(rest);
    rest.remove_prefix(step.consumed);
    if (step.state == net::SseParser::State::kMore) return true;
    if (step.state == net::SseParser::State::kRefused) {
      trace_.error = "event_too_large";
      trace_.error_message = "an event of its stream is too large";
      return false;
    }
    const net::SseEvent& event = parser.event();
    const StreamEvent seen =
        event.has_data ? usage.on_event(event.type, event.data) : StreamEvent{};
    if (seen.content && trace_.first_token_ns == 0) trace_.first_token_ns = steady_ns();
    if (seen.error) {
      out += event.raw;
      trace_.error = "stream_error";
      trace_.error_message = "the upstream sent an error inside its stream";
      return false;
    }
    if (seen.terminal) {
      last = event.raw;
      return false;
    }
    if (!(seen.usage_only && request_.usage_option)) out += event.raw;
  }
}

Task<void> Call::relay_events(UpstreamCall& from) {
  std::vector<net::Header> headers;
  reply_headers(&from, headers);
  headers.push_back(kNoBuffering);
  net::SseParser parser(snapshot_->config.event_bytes_max);
  StreamUsage usage(request_.operation);
  std::string out;
  std::string last;  // the terminal event, held back until the call is settled
  bool more = take_events(parser, usage, from.held(), out, last);
  // A stream that is over already goes out once the call is settled, but for its head.
  const std::string_view first = more ? std::string_view(out) : std::string_view();
  keep_reply(first);
  Status sent = co_await exchange_.start(from.head().status, headers, first);
  trace_.first_byte_ns = steady_ns();
  if (more) out.clear();
  while (sent.ok() && more) {
    if (!out.empty()) {
      keep_reply(out);
      sent = co_await exchange_.write(out);
      out.clear();
      if (!sent.ok()) break;
    }
    const int64_t begin_ns = steady_ns();
    const bool first_due = trace_.first_token_ns == 0;
    const int64_t first_token_ms = from.first_token_deadline_ms() - steady_ms();
    const int64_t patience_ms = first_due ? std::min(first_token_ms, timeouts_.between_tokens_ms)
                                          : timeouts_.between_tokens_ms;
    Result<std::string_view> piece = co_await from.read_some(std::max<int64_t>(0, patience_ms));
    trace_.upstream_ns += steady_ns() - begin_ns;
    if (!piece.ok()) {
      const Code code = piece.status().code();
      const int64_t now_ms = steady_ms();
      trace_.error = code == Code::kCancelled          ? cancel_code()
                     : code != Code::kDeadlineExceeded ? "stream_cut"
                     : now_ms >= total_deadline_ms_    ? name(AttemptEnd::kTotalTimeout)
                     : first_due && now_ms >= from.first_token_deadline_ms()
                         ? name(AttemptEnd::kFirstTokenTimeout)
                         : name(AttemptEnd::kIdleTimeout);
      trace_.error_message = piece.status().message();
      break;
    }
    if (piece->empty()) {
      trace_.error = "stream_cut";
      trace_.error_message = "it ended without its terminal event";
      break;
    }
    more = take_events(parser, usage, *piece, out, last);
    // What has come already goes out in the same write; nothing is waited for.
    while (more && out.size() < kWriteBytes) {
      const std::string_view ready = from.read_ready();
      if (ready.empty()) break;
      more = take_events(parser, usage, ready, out, last);
    }
  }
  if (!sent.ok() && trace_.error.empty()) trace_.error = cancel_code();
  trace_.usage = usage.usage();
  if (!trace_.usage.reported) {
    estimate_usage(trace_.usage, request_.body.size(), usage.output_bytes());
  }
  const bool failed = !trace_.error.empty();
  if (!failed) out += last;
  keep_reply(out);
  co_await settle();
  if (failed) {
    if (sent.ok() && !out.empty()) sent = co_await exchange_.write(out);
    co_await cut_stream(from);
    co_return;
  }
  if (sent.ok()) sent = co_await exchange_.finish(out);
  Result<std::string_view> end = co_await from.read_some(kLingerMs);
  (void)end;
}

// The client is told, by an error event and by a body that does not end as it
// should: no client can take a cut stream for a whole one.
Task<void> Call::cut_stream(UpstreamCall& from) {
  if (trace_.error != "client_left" && trace_.error != "stream_error") {
    CallError error;
    error.kind = ErrorKind::kUpstream;
    error.code = trace_.error;
    error.message = ended_message(exchange_.interruption());
    if (error.message.empty()) {
      error.message = "upstream " + from.upstream().config().name +
                      " did not finish its stream: " + trace_.error_message +
                      "; the answer is incomplete";
    }
    error.request_id = trace_.request_id;
    const std::string event = request_.dialect->error_event(error);
    const Status sent = co_await exchange_.write(event);
    (void)sent;
  }
  exchange_.abort();
}

}  // namespace gatehouse::gateway
