// What the mock does with a call. Each field has one name, which is a command-line
// flag (--latency-ms), a request header (x-mock-latency-ms), a member of the JSON
// that POST /mock/behavior takes and of a request body's "mock" object (latency_ms).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mock {

struct Behavior {
  // Time before the reply's head.
  double latency_ms = 0;
  double latency_p50_ms = 0;
  double latency_p99_ms = 0;
  // Failures.
  double fail_ratio = -1;
  int64_t fail_status = 0;
  int64_t fail_first = 0;
  std::string retry_after;
  int64_t retry_after_ms = -1;
  std::string should_retry;
  std::string expect_auth;
  bool error_in_200 = false;
  int64_t error_class = 500;
  int64_t error_after_events = -1;
  // Stalls and cuts.
  bool stall_before_headers = false;
  int64_t stall_after_events = -1;
  double stall_ms = 0;
  std::string cut;
  int64_t cut_after_events = 1;
  bool cut_reset = false;
  bool omit_done = false;
  // Lies and garbage.
  int64_t content_length_delta = 0;
  int64_t body_bytes = 0;
  int64_t garbage_bytes = 0;
  std::string garbage_in = "head";
  bool malformed_json = false;
  // Shape of the reply.
  double ttft_ms = 0;
  double token_ms = 0;
  int64_t tokens = 16;
  std::string text;
  std::string finish_reason;
  std::string framing;
  int64_t split_bytes = 0;
  bool close = false;
  bool echo = false;
  // Usage.
  int64_t prompt_tokens = -1;
  int64_t cached_tokens = 0;
  int64_t reasoning_tokens = 0;
  // Identity endpoints.
  int64_t token_expires_s = 3600;

  // True when the only thing to do is to answer well, at once. Kept by refresh().
  bool plain = true;
  void refresh();
};

// Sets the field `name` ('-' and '_' are alike) from text. Returns an empty string,
// or what is wrong with it.
std::string set_behavior(Behavior& behavior, std::string_view name, std::string_view value);

// Sets every member of a JSON object; members listed in `skip` (",a,b,") are left out.
std::string set_behavior_json(Behavior& behavior, std::string_view object, std::string_view skip);

void append_behavior_json(std::string& out, const Behavior& behavior);
// One line a field, for --help.
std::string describe_behavior();

}  // namespace mock
