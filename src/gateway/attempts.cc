// The attempts of a Call: which upstream, how often, and when to stop.
//
// Candidates come in the order to try. After a failure that may pass, the next
// candidate is tried at once; only at the last one is it worth to wait and try
// again, within that upstream's retry budget. With hedging, a second candidate
// starts when the first has been silent for longer than is usual, and the
// slower of the two is closed.
#include <algorithm>
#include <optional>

#include "base/random.h"
#include "gateway/call.h"
#include "gateway/upstream_request.h"
#include "wire/json.h"

namespace gatehouse::gateway {

namespace {

// Below this many replies a percentile of their times says little.
constexpr uint64_t kHedgeSamplesMin = 50;
constexpr int64_t kHedgeAfterMinMs = 5;

// What the caller is told of an attempt's end.
ErrorKind kind_of(AttemptEnd end) {
  switch (end) {
    case AttemptEnd::kCancelled: return ErrorKind::kCancelled;
    case AttemptEnd::kConnectTimeout:
    case AttemptEnd::kFirstByteTimeout:
    case AttemptEnd::kFirstTokenTimeout:
    case AttemptEnd::kIdleTimeout:
    case AttemptEnd::kTotalTimeout: return ErrorKind::kTimeout;
    default: return ErrorKind::kUpstream;
  }
}

// An upstream that refuses the gate's own credential is the operator's matter:
// a 401 passed on would send the caller looking at the wrong key.
bool is_gate_fault(int status) { return status == 401 || status == 403; }

// What a call that went well says of its upstream.
std::optional<Capability> capability_of(Operation operation) {
  switch (operation) {
    case Operation::kChat:
    case Operation::kCompletions:
    case Operation::kResponses:
    case Operation::kMessages: return Capability::kChat;
    case Operation::kEmbeddings: return Capability::kEmbeddings;
    default: return std::nullopt;
  }
}

// What stays the same while a conversation grows: its first message by the user,
// or the whole input where it is one text.
std::string conversation_start(std::string_view json) {
  const auto document = wire::JsonDocument::parse(json);
  if (!document.ok()) return std::string(json);
  for (const wire::JsonView message : document->root().items()) {
    if (message.get("role").string() != "user") continue;
    if (const auto text = message.get("content").string()) return std::string(*text);
    return std::string(message.get("content").at(0).get("text").string().value_or(""));
  }
  return std::string(document->root().string().value_or(""));
}

}  // namespace

Candidates Call::candidates() const {
  const int64_t now_ms = steady_ms();
  const uint64_t sticky = !served_->config().sticky ? 0
                          : !request_.session.empty()
                              ? hash_conversation(request_.session)
                              : hash_conversation(conversation_start(request_.conversation));
  return served_->route->candidates(request_.model, sticky, [&](size_t index) {
    const Upstream& upstream = *served_->upstreams[index];
    const CircuitBreaker& breaker = upstream.history().breaker;
    return serves(upstream.config().kind, request_.family) && breaker.would_allow(now_ms) &&
           !breaker.ejected(now_ms);
  });
}

bool Call::begin_try(Try& attempt, const Candidate& candidate) {
  const std::shared_ptr<Upstream>& upstream = served_->upstreams[candidate.index];
  attempt.permit = upstream->history().breaker.allow(steady_ms());
  if (!attempt.permit.allowed) return false;
  UpstreamCallLimits limits;
  limits.timeouts = served_->config().timeouts.value_or(upstream->config().timeouts);
  limits.total_deadline_ms = total_deadline_ms_;
  limits.event_bytes_max = snapshot_->config.event_bytes_max;
  attempt.call = std::make_unique<UpstreamCall>(worker_.client, upstream,
                                                std::string(candidate.model), limits);
  attempt.trace_index = trace_.attempts.size();
  attempt.target_index = candidate.index;
  AttemptTrace trace;
  trace.upstream = upstream->config().name;
  trace.model = candidate.model;
  trace.begin_ns = steady_ns() - trace_.begin_ns;
  trace_.attempts.push_back(std::move(trace));
  upstream->history().attempts.add();
  return true;
}

RetryDecision Call::decide(const Try& attempt, int retries_made) const {
  return attempt.call->upstream().retry().decide(
      attempt.result.attempt(), retries_made, thread_random().uniform(),
      worker_.gateway.parts().clock.wall_ns() / 1'000'000);
}

// Reports the attempt to its trace, its upstream's breaker and metrics.
void Call::end_try(Try& attempt, const RetryDecision& decision) {
  UpstreamHistory& history = attempt.call->upstream().history();
  AttemptTrace& trace = trace_.attempts[attempt.trace_index];
  const int64_t now_ns = steady_ns();
  trace.duration_ns = now_ns - attempt.call->begin_ns();
  trace.status = attempt.result.status;
  if (!attempt.result.ok()) trace.error = decision.cause.reason;
  const int64_t now_ms = now_ns / 1'000'000;
  if (decision.cause.upstream_failed) {
    history.breaker.on_failure(attempt.permit, now_ms, decision.asked_wait_ms);
    history.failures.add();
  } else if (attempt.result.ok()) {
    history.breaker.on_success(attempt.permit, now_ms);
    history.first_token.observe(static_cast<double>(trace.duration_ns) / 1e9);
    if (const auto proved = capability_of(request_.operation)) {
      history.last_good_ms[static_cast<size_t>(*proved)].store(now_ms, std::memory_order_relaxed);
    }
  } else {
    history.breaker.on_abandoned(attempt.permit);
  }
  history.last_call_wall_ms.store(worker_.gateway.parts().clock.wall_ns() / 1'000'000,
                                  std::memory_order_relaxed);
}

Task<void> Call::try_once(Try& attempt) {
  const int64_t begin_ns = steady_ns();
  attempt.result = co_await attempt.call->open(request_, exchange_.request().headers, traceparent_,
                                               &exchange_.cancel());
  trace_.upstream_ns += steady_ns() - begin_ns;
}

int64_t Call::hedge_after_ms(const Upstream& upstream) const {
  const double percentile = served_->config().hedge_percentile;
  const model::Histogram& first_token = upstream.history().first_token;
  if (percentile <= 0 || first_token.count() < kHedgeSamplesMin) return -1;
  return std::max(kHedgeAfterMinMs, static_cast<int64_t>(first_token.quantile(percentile) * 1000));
}

namespace {

// One side of a hedged attempt, running by itself.
struct HedgeSide {
  explicit HedgeSide(Loop& loop) : ended(loop) {}
  Cancel cancel;
  Event ended;
  bool done = false;
};

Task<void> run_side(UpstreamCall& call, const CallRequest& request, const net::HeaderList& headers,
                    std::string_view traceparent, HedgeSide& side, Event& either,
                    UpstreamResult& result) {
  result = co_await call.open(request, headers, traceparent, &side.cancel);
  side.done = true;
  side.ended.set();
  either.set();
}

}  // namespace

// Leaves in `attempt` the side that served, or the first that failed; the other
// is cancelled, waited for and reported as abandoned.
Task<void> Call::try_hedged(Try& attempt, const Candidate& candidate) {
  const int64_t begin_ns = steady_ns();
  const net::HeaderList& headers = exchange_.request().headers;
  Event either(worker_.loop);
  HedgeSide first(worker_.loop);
  HedgeSide second(worker_.loop);
  Try other;
  bool hedged = false;
  exchange_.cancel().on_fire([&] {
    first.cancel.fire();
    second.cancel.fire();
  });
  if (exchange_.cancel().fired()) first.cancel.fire();

  detach(run_side(*attempt.call, request_, headers, traceparent_, first, either, attempt.result));
  const int64_t hedge_ms = steady_ms() + hedge_after_ms(attempt.call->upstream());
  const Wake wake = co_await either.wait(hedge_ms, nullptr);
  if (wake == Wake::kTimeout && !exchange_.client_left() &&
      served_->upstreams[candidate.index]->history().retries.try_retry() &&
      begin_try(other, candidate)) {
    hedged = true;
    trace_.attempts[other.trace_index].hedge = true;
    detach(run_side(*other.call, request_, headers, traceparent_, second, either, other.result));
  }
  bool second_wins = false;
  while (true) {
    if (first.done && (attempt.result.ok() || !hedged || second.done)) break;
    if (hedged && second.done && other.result.ok()) {
      second_wins = true;
      break;
    }
    either.reset();
    co_await either.wait();
  }
  exchange_.cancel().on_fire(nullptr);
  if (hedged) {
    HedgeSide& loser = second_wins ? first : second;
    if (second_wins) std::swap(attempt, other);
    loser.cancel.fire();
    co_await loser.ended.wait();
    AttemptTrace& trace = trace_.attempts[other.trace_index];
    trace.duration_ns = steady_ns() - other.call->begin_ns();
    trace.error = "hedge_lost";
    other.call->upstream().history().breaker.on_abandoned(other.permit);
  }
  trace_.upstream_ns += steady_ns() - begin_ns;
}

Task<Call::UpstreamCallPtr> Call::attempt() {
  const Candidates targets = candidates();
  Try last;
  int64_t asked_wait_ms = -1;
  int retries_made = 0;
  for (size_t at = 0; at < targets.size();) {
    Try current;
    if (!begin_try(current, targets[at])) {
      ++at;
      continue;
    }
    UpstreamHistory& history = current.call->upstream().history();
    if (retries_made == 0) history.retries.on_call();
    const bool hedge = retries_made == 0 && hedge_after_ms(current.call->upstream()) >= 0;
    if (hedge) {
      const Candidate& beside = targets[at + 1 < targets.size() ? at + 1 : at];
      co_await try_hedged(current, beside);
    } else {
      co_await try_once(current);
    }
    const RetryDecision decision = decide(current, retries_made);
    end_try(current, decision);
    asked_wait_ms = decision.asked_wait_ms;
    if (current.result.ok()) {
      reached_model_ = true;
      target_index_ = current.target_index;
      trace_.upstream = trace_.attempts[current.trace_index].upstream;
      co_return std::move(current.call);
    }
    last = std::move(current);
    if (last.result.end == AttemptEnd::kCancelled) break;
    if (decision.action == RetryDecision::Action::kDone) break;
    const bool another = at + 1 < targets.size();
    if (another) {
      ++at;
      retries_made = 0;
      continue;
    }
    if (decision.action != RetryDecision::Action::kRetry) break;
    const int64_t resume_ms = steady_ms() + decision.delay_ms;
    if (resume_ms >= total_deadline_ms_ || !history.retries.try_retry()) break;
    ++retries_made;
    if (last.result.end != AttemptEnd::kReply) last.call.reset();  // closes it before the wait
    const Wake wake = co_await worker_.loop.sleep_until(resume_ms, &exchange_.cancel());
    trace_.upstream_ns += decision.delay_ms * 1'000'000;
    if (wake == Wake::kCancelled) {
      history.retries.give_back();
      last.result.end = AttemptEnd::kCancelled;
      break;
    }
  }
  if (trace_.attempts.empty()) {
    co_await refuse_unserved(targets);
  } else {
    co_await refuse_failed(last, asked_wait_ms);
  }
  co_return nullptr;
}

Task<void> Call::refuse_unserved(const Candidates& tried) {
  int64_t retry_ms = -1;
  const int64_t now_ms = steady_ms();
  for (const auto& upstream : served_->upstreams) {
    const int64_t wait = upstream->history().breaker.retry_in_ms(now_ms);
    retry_ms = retry_ms < 0 ? wait : std::min(retry_ms, wait);
  }
  (void)tried;
  CallError error{ErrorKind::kUnavailable,
                  "upstreams_unavailable",
                  "every upstream of `" + request_.model +
                      "` has failed too often of late and is left alone for a while; try again "
                      "after the time in retry-after",
                  std::max<int64_t>(retry_ms, 1000),
                  {}};
  co_await refuse(error);
}

Task<void> Call::refuse_failed(Try& last, int64_t asked_wait_ms) {
  const AttemptTrace& trace = trace_.attempts.back();
  trace_.upstream = trace.upstream;
  // The upstream's own words, in the caller's protocol already.
  const bool says_why = last.result.end == AttemptEnd::kReply && !is_gate_fault(last.result.status);
  // So too where it blames the call in a 200, which clients take for an answer.
  const bool blames_call =
      last.result.end == AttemptEnd::kReplyError && last.call != nullptr &&
      last.call->upstream().retry().classify(last.result.attempt()).fault == Fault::kFatal;
  if (last.call != nullptr && (says_why || blames_call)) {
    if (blames_call) reply_status_ = http_status(ErrorKind::kInvalidRequest);
    trace_.error = trace.error;
    trace_.error_message = last.result.message;
    co_await relay(*last.call);
    co_return;
  }
  CallError error;
  error.kind = kind_of(last.result.end);
  const net::Interruption interruption = exchange_.interruption();
  if (last.result.end == AttemptEnd::kCancelled && interruption != net::Interruption::kNone) {
    const bool draining = interruption == net::Interruption::kDraining;
    error.kind = draining ? ErrorKind::kUnavailable : ErrorKind::kTimeout;
    error.code = cancel_code();
    error.message = ended_message(interruption);
    error.retry_after_ms = draining ? 1000 : -1;
    co_await refuse(error);
    co_return;
  }
  error.retry_after_ms = asked_wait_ms;
  if (last.result.end == AttemptEnd::kReply) {
    error.code = "upstream_credential";
    error.message = "upstream " + trace.upstream + " refused the gate's own credential (status " +
                    std::to_string(last.result.status) +
                    "); an operator must check the upstream's auth";
  } else {
    error.code =
        last.result.end == AttemptEnd::kRefusedHere ? "upstream_credential" : name(last.result.end);
    error.message = "upstream " + trace.upstream + " failed (" + std::string(error.code) +
                    "): " + last.result.message + "; try again, or name another model";
  }
  co_await refuse(error);
}

}  // namespace gatehouse::gateway
