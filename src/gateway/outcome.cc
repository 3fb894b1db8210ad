#include "gateway/outcome.h"

namespace gatehouse::gateway {

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk: return "ok";
    case Outcome::kError: return "error";
    case Outcome::kIncomplete: return "incomplete";
    case Outcome::kRefused: return "refused";
    case Outcome::kCancelled: return "cancelled";
  }
  return "error";
}

std::optional<Outcome> parse_outcome(std::string_view text) {
  for (const Outcome each : {Outcome::kOk, Outcome::kError, Outcome::kIncomplete, Outcome::kRefused,
                             Outcome::kCancelled}) {
    if (name(each) == text) return each;
  }
  return std::nullopt;
}

Outcome outcome_of(int64_t status, std::string_view error, int64_t attempts) {
  if (status == 499 || error == "client_left" || error == "cancelled") return Outcome::kCancelled;
  if (error.empty()) return status >= 400 ? Outcome::kError : Outcome::kOk;
  // The reply had begun when it went wrong.
  if (status < 400) return error == "stream_error" ? Outcome::kError : Outcome::kIncomplete;
  // Nobody but the gate spoke; yet these two are failures, not judgements.
  const bool own_failure = error == "upstreams_unavailable" || error == "storage_unavailable";
  return attempts == 0 && !own_failure ? Outcome::kRefused : Outcome::kError;
}

bool attempt_failed(std::string_view error, int64_t status) {
  if (error.empty() || error == "cancelled" || error == "client_left" || error == "hedge_lost") {
    return false;
  }
  const bool callers_fault = status >= 400 && status < 500 && status != 401 && status != 403 &&
                             status != 408 && status != 409 && status != 429;
  return !callers_fault;
}

}  // namespace gatehouse::gateway
