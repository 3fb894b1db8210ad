#include "gateway/retry.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/text.h"
#include "net/date.h"

namespace gatehouse::gateway {

std::string_view name(AttemptEnd end) {
  switch (end) {
    case AttemptEnd::kReply: return "reply";
    case AttemptEnd::kConnectFailed: return "connect_failed";
    case AttemptEnd::kConnectTimeout: return "connect_timeout";
    case AttemptEnd::kConnectionLost: return "connection_lost";
    case AttemptEnd::kFirstByteTimeout: return "first_byte_timeout";
    case AttemptEnd::kFirstTokenTimeout: return "first_token_timeout";
    case AttemptEnd::kIdleTimeout: return "idle_timeout";
    case AttemptEnd::kTotalTimeout: return "total_timeout";
    case AttemptEnd::kBadReply: return "bad_reply";
    case AttemptEnd::kStreamCut: return "stream_cut";
    case AttemptEnd::kStreamError: return "stream_error";
    case AttemptEnd::kReplyError: return "reply_error";
    case AttemptEnd::kCancelled: return "cancelled";
    case AttemptEnd::kRefusedHere: return "refused_here";
  }
  return "";
}

namespace {

// What the providers' error codes and types mean, whatever the status says.
// From the error references of OpenAI, Azure OpenAI and Anthropic.
struct CodeMeaning {
  std::string_view code;
  Fault fault;
  bool upstream_failed;
};
constexpr CodeMeaning kCodes[] = {
    {"server_error", Fault::kRetryable, true},
    {"internal_server_error", Fault::kRetryable, true},
    {"internal_error", Fault::kRetryable, true},
    {"api_error", Fault::kRetryable, true},
    {"overloaded_error", Fault::kRetryable, true},
    {"overloaded", Fault::kRetryable, true},
    {"service_unavailable", Fault::kRetryable, true},
    {"engine_overloaded", Fault::kRetryable, true},
    {"slow_down", Fault::kRetryable, true},
    {"timeout", Fault::kRetryable, true},
    {"timeout_error", Fault::kRetryable, true},
    {"rate_limit_error", Fault::kRetryable, true},
    {"rate_limit_exceeded", Fault::kRetryable, true},
    {"too_many_requests", Fault::kRetryable, true},
    {"vector_store_timeout", Fault::kRetryable, true},
    {"insufficient_quota", Fault::kElsewhere, true},
    {"billing_error", Fault::kElsewhere, true},
    {"billing_hard_limit_reached", Fault::kElsewhere, true},
    {"account_deactivated", Fault::kElsewhere, true},
    {"invalid_api_key", Fault::kElsewhere, true},
    {"authentication_error", Fault::kElsewhere, true},
    {"permission_error", Fault::kElsewhere, false},
    {"model_not_found", Fault::kElsewhere, false},
    {"deploymentnotfound", Fault::kElsewhere, false},
    {"not_found_error", Fault::kElsewhere, false},
    {"invalid_request_error", Fault::kFatal, false},
    {"invalid_prompt", Fault::kFatal, false},
    {"context_length_exceeded", Fault::kFatal, false},
    {"content_filter", Fault::kFatal, false},
    {"content_policy_violation", Fault::kFatal, false},
    {"request_too_large", Fault::kFatal, false},
};

const CodeMeaning* meaning(std::string_view code) {
  if (code.empty() || code.size() > 64) return nullptr;
  for (const CodeMeaning& known : kCodes) {
    if (equal_ignoring_case(known.code, code)) return &known;
  }
  return nullptr;
}

// Reasons are metric labels: static, and no more of them than there are statuses
// that mean something.
std::string_view status_reason(int status) {
  switch (status) {
    case 400: return "status_400";
    case 401: return "status_401";
    case 402: return "status_402";
    case 403: return "status_403";
    case 404: return "status_404";
    case 408: return "status_408";
    case 409: return "status_409";
    case 413: return "status_413";
    case 422: return "status_422";
    case 425: return "status_425";
    case 429: return "status_429";
    case 500: return "status_500";
    case 502: return "status_502";
    case 503: return "status_503";
    case 504: return "status_504";
    case 529: return "status_529";
    default: break;
  }
  if (status >= 500) return "status_5xx";
  if (status >= 400) return "status_4xx";
  return "status_unexpected";
}

// A 1xx or 3xx that arrives as a final reply is a misconfigured upstream.
Classification classify_reply(const Attempt& attempt, const std::vector<int>& retryable) {
  const int status = attempt.status;
  if (status >= 200 && status < 300) return {Fault::kNone, "ok", false};
  const bool failed = status >= 500 || status == 429 || status == 408;
  if (const CodeMeaning* known = meaning(attempt.error_code);
      known && known->fault == Fault::kElsewhere) {
    return {Fault::kElsewhere, known->code, known->upstream_failed};
  }
  if (std::find(retryable.begin(), retryable.end(), status) != retryable.end()) {
    return {Fault::kRetryable, status_reason(status), failed};
  }
  switch (status) {
    case 401:
    case 402:  // our credential or account there, not the caller's
      return {Fault::kElsewhere, status_reason(status), true};
    case 403:
    case 404:  // that upstream does not offer it
      return {Fault::kElsewhere, status_reason(status), false};
    case 429:
    case 408: return {Fault::kElsewhere, status_reason(status), true};
    default: break;
  }
  if (status >= 500 || status < 400) return {Fault::kElsewhere, status_reason(status), true};
  return {Fault::kFatal, status_reason(status), false};
}

}  // namespace

RetryPolicy::RetryPolicy(const RetryConfig& config) : config_(config) {}

Classification RetryPolicy::classify(const Attempt& attempt) const {
  switch (attempt.end) {
    case AttemptEnd::kReply: return classify_reply(attempt, config_.statuses);
    case AttemptEnd::kStreamError:
    case AttemptEnd::kReplyError: {
      if (const CodeMeaning* known = meaning(attempt.error_code)) {
        return {known->fault, known->code, known->upstream_failed};
      }
      return {Fault::kRetryable, name(attempt.end), true};
    }
    case AttemptEnd::kTotalTimeout: return {Fault::kFatal, name(attempt.end), true};
    case AttemptEnd::kCancelled: return {Fault::kFatal, name(attempt.end), false};
    case AttemptEnd::kRefusedHere: return {Fault::kElsewhere, name(attempt.end), false};
    case AttemptEnd::kConnectFailed:
    case AttemptEnd::kConnectTimeout:
    case AttemptEnd::kConnectionLost:
    case AttemptEnd::kFirstByteTimeout:
    case AttemptEnd::kFirstTokenTimeout:
    case AttemptEnd::kIdleTimeout:
    case AttemptEnd::kBadReply:
    case AttemptEnd::kStreamCut: break;
  }
  return {Fault::kRetryable, name(attempt.end), true};
}

RetryDecision RetryPolicy::decide(const Attempt& attempt, int retries_made, double uniform,
                                  int64_t wall_ms) const {
  using Action = RetryDecision::Action;
  RetryDecision out;
  out.cause = classify(attempt);
  if (out.cause.fault == Fault::kNone) return out;
  out.asked_wait_ms = asked_wait_ms(attempt.retry_after_ms, attempt.retry_after, wall_ms);
  if (attempt.reached_client) return out;

  bool here = out.cause.fault == Fault::kRetryable;
  bool elsewhere = here || out.cause.fault == Fault::kElsewhere;
  const std::string_view asked = trim(attempt.should_retry);
  // The upstream knows its own mind; nobody overrules the caller's leaving.
  if (attempt.end == AttemptEnd::kReply || attempt.end == AttemptEnd::kStreamError ||
      attempt.end == AttemptEnd::kReplyError) {
    if (equal_ignoring_case(asked, "true")) here = elsewhere = true;
    if (equal_ignoring_case(asked, "false")) here = false;
  }
  if (here && retries_made < config_.retries && out.asked_wait_ms <= config_.cap_ms) {
    out.action = Action::kRetry;
    out.delay_ms = out.asked_wait_ms >= 0 ? out.asked_wait_ms : backoff_ms(retries_made, uniform);
  } else if (elsewhere) {
    out.action = Action::kFallOver;
  }
  return out;
}

int64_t RetryPolicy::backoff_ms(int retries_made, double uniform) const {
  const double most =
      std::min(static_cast<double>(config_.cap_ms), static_cast<double>(config_.initial_ms) *
                                                        std::pow(config_.multiplier, retries_made));
  return static_cast<int64_t>(most * uniform);
}

int64_t asked_wait_ms(std::string_view retry_after_ms, std::string_view retry_after,
                      int64_t wall_ms) {
  static constexpr double kMostMs = 24 * 3'600'000.0;
  auto bounded = [](double ms) { return static_cast<int64_t>(std::ceil(std::min(ms, kMostMs))); };
  if (const auto ms = parse_double(trim(retry_after_ms)); ms && *ms >= 0) return bounded(*ms);
  const std::string_view text = trim(retry_after);
  if (text.empty()) return -1;
  if (const auto seconds = parse_double(text); seconds && *seconds >= 0) {
    return bounded(*seconds * 1000);
  }
  const int64_t now_s = wall_ms / 1000;
  if (const auto at = net::parse_http_date(text, now_s)) {
    return bounded(std::max(
        0.0, static_cast<double>(*at - now_s) * 1000 - static_cast<double>(wall_ms % 1000)));
  }
  return -1;
}

// ---- RetryBudget

RetryBudget::RetryBudget(double ratio) {
  set_ratio(ratio);
  if (ratio <= 0) return;
  balance_.store(kAdvance * kUnit);
  owed_.store(kAdvance * kUnit);
}

void RetryBudget::set_ratio(double ratio) {
  // More than one retry a call is no budget any more.
  earned_.store(static_cast<int64_t>(std::clamp(ratio, 0.0, 1.0) * static_cast<double>(kUnit)),
                std::memory_order_relaxed);
}

void RetryBudget::on_call() {
  int64_t earned = earned_.load(std::memory_order_relaxed);
  if (earned == 0) return;
  int64_t owed = owed_.load(std::memory_order_relaxed);
  while (owed > 0) {
    const int64_t paid = std::min(owed, earned);
    if (owed_.compare_exchange_weak(owed, owed - paid, std::memory_order_relaxed)) {
      earned -= paid;
      if (earned == 0) return;
      break;
    }
  }
  deposit(earned);
}

void RetryBudget::deposit(int64_t amount) {
  constexpr int64_t kMost = kSavedMax * kUnit;
  int64_t balance = balance_.load(std::memory_order_relaxed);
  do {
    if (balance >= kMost) return;
  } while (!balance_.compare_exchange_weak(balance, std::min(kMost, balance + amount),
                                           std::memory_order_relaxed));
}

bool RetryBudget::try_retry() {
  if (earned_.load(std::memory_order_relaxed) == 0) return false;
  int64_t balance = balance_.load(std::memory_order_relaxed);
  do {
    if (balance < kUnit) return false;
  } while (!balance_.compare_exchange_weak(balance, balance - kUnit, std::memory_order_relaxed));
  return true;
}

void RetryBudget::give_back() { deposit(kUnit); }

double RetryBudget::available() const {
  return static_cast<double>(balance_.load(std::memory_order_relaxed)) / static_cast<double>(kUnit);
}

}  // namespace gatehouse::gateway
