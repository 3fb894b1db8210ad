#include "gateway/call.h"

#include <algorithm>

#include "base/random.h"
#include "base/text.h"
#include "gateway/form_body.h"
#include "gateway/prompt_size.h"
#include "gateway/upstream_request.h"

namespace gatehouse::gateway {

namespace {

// What a reply is taken for, in tokens, where the caller sets no bound: the
// likely use of a rate, corrected when the call ends.
constexpr int64_t kUsualReplyTokens = 256;

// The slowest rate of a speech codec in use (Opus at 6 kbit/s): how long a clip
// of so many bytes can be at most.
constexpr double kAudioBytesASecondMin = 750;

// Of the path that the record keeps: the longest route and a model's name.
constexpr size_t kRouteBytesMax = 256;

}  // namespace

Call::Call(Worker& worker, net::Exchange& exchange, CallRequest& request)
    : worker_(worker), snapshot_(worker.snapshot), exchange_(exchange), request_(request) {
  const model::Clock& clock = worker.gateway.parts().clock;
  trace_.begin_ns = exchange.received_ns();
  trace_.begin_wall_ns = clock.wall_ns() - (steady_ns() - trace_.begin_ns);
  trace_.request_id = time_ordered_id(trace_.begin_wall_ns / 1'000'000);
  trace_.route = exchange.request().path.substr(0, kRouteBytesMax);
  begin_trace(request.trace, exchange.request().headers.get("traceparent"), trace_);
  traceparent_ = traceparent(trace_);
  if (snapshot_->config.record_bodies) {
    trace_.request_body = request.body.substr(0, snapshot_->config.recorded_body_bytes_max);
  }
}

Instant Call::now() const { return {steady_ns(), worker_.gateway.parts().clock.wall_ns()}; }

std::string_view Call::cancel_code() const {
  switch (exchange_.interruption()) {
    case net::Interruption::kDraining: return "gate_draining";
    case net::Interruption::kTooLong: return "exchange_timeout";
    case net::Interruption::kNone: break;
  }
  return "client_left";
}

Task<void> Call::refuse_unread(CallError error) {
  // It tries no more than the other refusals whether the store is well again.
  unrecordable_ = !worker_.journal.writable();
  co_await refuse(error);
}

Task<void> Call::run() {
  const bool admitted = co_await admit();
  if (!admitted) co_return;
  UpstreamCallPtr chosen = co_await attempt();
  if (chosen == nullptr) co_return;
  co_await relay(*chosen);
}

Task<bool> Call::admit() {
  if (snapshot_->config.record_calls && !worker_.journal.writable()) {
    unrecordable_ = true;
    CallError error{ErrorKind::kUnavailable,
                    "storage_unavailable",
                    "calls cannot be recorded at the moment (the disk is full or failing), and "
                    "what cannot be recorded is not served; an operator must free space",
                    1000,
                    {}};
    co_await refuse(error);
    co_return false;
  }
  served_ = snapshot_->find(request_.model);
  const bool allowed = request_.principal == nullptr || request_.principal->may_use(request_.model);
  if (served_ == nullptr || !allowed) {
    // One answer for both, so that a key cannot probe for names it may not use.
    // The closest names are told to those alone who may see all.
    std::string message = "the model `" + request_.model +
                          "` does not exist, or this key may not use it; GET /v1/models lists "
                          "the models that it may use";
    if (allowed && request_.principal != nullptr && request_.principal->models.empty()) {
      message = snapshot_->router.unknown(request_.model).message();
    }
    CallError error{ErrorKind::kNotFound, "model_not_found", std::move(message), -1, {}};
    co_await refuse(error);
    co_return false;
  }
  trace_.public_model = served_->config().name;
  trace_.version = served_->config().version;
  const auto speaks = [this](const auto& each) {
    return serves(each->config().kind, request_.family);
  };
  const auto first = std::find_if(served_->upstreams.begin(), served_->upstreams.end(), speaks);
  if (first == served_->upstreams.end()) {
    CallError error{ErrorKind::kInvalidRequest,
                    "wrong_protocol",
                    "the model `" + request_.model + "` is not served by an upstream that speaks " +
                        std::string(name(request_.family)) + "'s protocol; call it by its own",
                    -1,
                    {}};
    co_await refuse(error);
    co_return false;
  }
  timeouts_ = served_->config().timeouts.value_or((*first)->config().timeouts);
  total_deadline_ms_ = trace_.begin_ns / 1'000'000 + timeouts_.total_ms;

  CallError refusal;
  if (!reserve_limits(refusal)) {
    co_await refuse(refusal);
    co_return false;
  }
  co_return true;
}

// What the call can cost at most, at the dearest of its targets.
int64_t Call::worst_cost(bool generates) const {
  size_t bytes = input_tokens_max(request_.body);
  Usage beside_tokens;
  if (request_.form != nullptr) {
    const int64_t length = request_.form->length();
    bytes = static_cast<size_t>(
        length >= 0 ? length : static_cast<int64_t>(snapshot_->config.form_bytes_max));
    beside_tokens.audio_seconds = static_cast<double>(bytes) / kAudioBytesASecondMin;
  }
  if (request_.operation == Operation::kImages) beside_tokens.images = request_.choices;
  int64_t worst = 0;
  for (size_t i = 0; i < served_->upstreams.size(); ++i) {
    const auto price = snapshot_->price(*served_, i, request_.model);
    const int64_t tokens = price->upper_bound(bytes, generates ? request_.output_tokens_max : 1,
                                              request_.choices, request_.service_tier);
    worst = std::max(worst, tokens + price->cost(beside_tokens, request_.service_tier).nanodollars);
  }
  return worst;
}

bool Call::reserve_limits(CallError& refusal) {
  limit_sets_ = {served_->limits, snapshot_->whole_gate};
  if (request_.principal != nullptr) {
    limit_sets_.insert(limit_sets_.begin(), worker_.limits_of(request_.principal));
  }
  LimitEstimate estimate;
  const int64_t reply_tokens = request_.output_tokens_max > 0
                                   ? std::min(request_.output_tokens_max, kUsualReplyTokens)
                                   : kUsualReplyTokens;
  const bool generates = request_.operation != Operation::kEmbeddings &&
                         request_.operation != Operation::kModerations &&
                         request_.operation != Operation::kInfer;
  estimate.tokens =
      likely_tokens(request_.body.size()) + (generates ? reply_tokens * request_.choices : 0);
  const bool priced_by_budget =
      std::any_of(limit_sets_.begin(), limit_sets_.end(), [](const LimitSetPtr& set) {
        return set->budget.daily_limit() != 0 || set->budget.monthly_limit() != 0;
      });
  if (priced_by_budget) estimate.nanodollars = worst_cost(generates);
  Admission admission = reserve(limit_sets_, estimate, now());
  if (admission.ok()) {
    reservation_ = std::move(admission.reservation());
    return true;
  }
  const LimitRefusal& why = admission.refusal();
  refusal.kind = why.money() ? ErrorKind::kQuota : ErrorKind::kRateLimit;
  refusal.code = why.money() ? "budget_exceeded" : "rate_limit_exceeded";
  refusal.message = why.message;
  refusal.retry_after_ms = why.retry_after_ms;
  return false;
}

Task<void> Call::settle() {
  if (settled_) co_return;
  settled_ = true;
  trace_.end_ns = steady_ns();
  if (reached_model_) {
    const auto price = snapshot_->price(*served_, target_index_, request_.model);
    std::string_view tier = trace_.usage.service_tier;
    if (tier.empty()) tier = request_.service_tier;
    const Cost cost = price->cost(trace_.usage, tier);
    trace_.cost_nanodollars = cost.nanodollars;
    trace_.priced = cost.priced;
  }
  // Before the record: a snapshot of the limits taken in between counts this call
  // twice after a crash, never not at all.
  if (reservation_.active()) {
    reservation_.settle(trace_.usage.total_tokens(), trace_.cost_nanodollars, now());
  }
  const bool record_wanted =
      snapshot_->config.record_calls && (!unrecordable_ || worker_.journal.probe_due());
  if (record_wanted) {
    const CallRecord record(request_, trace_);
    const model::Record view = record.view();
    const Status stored = co_await worker_.journal.append(worker_.gateway.call_stream(), view);
    // A call that was in flight when the store failed has been made, and is answered.
    if (!stored.ok() && !unrecordable_) {
      worker_.gateway.journal_health().lost_records.fetch_add(1, std::memory_order_relaxed);
    }
  }
  worker_.metrics.end(request_, trace_);
  worker_.gateway.activity().add(
      request_.principal == nullptr ? std::string_view{} : request_.principal->id, trace_);
  log_call(request_, trace_);
}

Task<void> Call::refuse(CallError& error) {
  error.request_id = trace_.request_id;
  trace_.status = http_status(error.kind);
  trace_.error = error.code;
  trace_.error_message = error.message;
  co_await settle();
  if (error.kind == ErrorKind::kCancelled) {
    exchange_.abort();
    co_return;
  }
  const std::string body = request_.dialect->error_body(error);
  std::vector<net::Header> headers;
  reply_headers(nullptr, headers);
  std::string seconds, milliseconds;
  if (error.retry_after_ms >= 0) {
    seconds = std::to_string((error.retry_after_ms + 999) / 1000);
    milliseconds = std::to_string(error.retry_after_ms);
    headers.push_back({"retry-after", seconds});
    headers.push_back({"retry-after-ms", milliseconds});
  }
  // The SDKs retry a 429 by themselves; waiting does not bring back money.
  if (error.kind == ErrorKind::kQuota) headers.push_back({"x-should-retry", "false"});
  net::Reply reply;
  reply.status = trace_.status;
  reply.content_type = "application/json";
  reply.headers = headers;
  reply.body = body;
  const Status sent = co_await exchange_.reply(reply);
  (void)sent;  // the client is gone; the refusal is recorded
}

}  // namespace gatehouse::gateway
