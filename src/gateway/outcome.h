// How a call, and each of its attempts, ended: the judgement that figures, lists
// and filters share.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gatehouse::gateway {

// How a call ended, for people: see docs/api.md §4.
enum class Outcome : uint8_t { kOk, kError, kIncomplete, kRefused, kCancelled };
std::string_view name(Outcome outcome);
std::optional<Outcome> parse_outcome(std::string_view name);
// From what a record tells: status, error code ("": none) and number of attempts.
Outcome outcome_of(int64_t status, std::string_view error, int64_t attempts);
// Whether an attempt's end tells against its upstream: not when the client left,
// a hedge lost, or the call itself was wrong.
bool attempt_failed(std::string_view error, int64_t status);

}  // namespace gatehouse::gateway
