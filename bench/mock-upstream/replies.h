// The replies of model providers, as they look on the wire. A Reply is either one
// body or a list of server-sent events; how it is sent (pace, cuts, framing) is the
// server's business.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mock-upstream/behavior.h"
#include "mock-upstream/http.h"

namespace mock {

enum class Protocol { kOpenAi, kAnthropic, kInference, kIdentity };

// What a request asks for, read once from its body and target.
struct Ask {
  std::string_view path;  // without the query and the /@upstream prefix
  std::string_view query;
  std::string_view upstream;  // NAME of a leading /@NAME segment
  std::string_view model;     // raw JSON string, or empty
  std::string_view tools;     // raw array, when the answer should call one
  std::string_view input;     // raw
  std::string_view encoding_format;
  std::string_view mock;  // raw object: behaviour for this call
  bool stream = false;
  bool include_usage = false;
  bool body_is_json = false;
  int64_t input_bytes = 0;  // of messages, prompt, input, instructions and system
  uint64_t serial = 0;      // numbers the ids in replies
  bool tls = false;
};

void read_target(Ask& ask, std::string_view target);
void read_body(Ask& ask, const Request& request);

struct Event {
  std::string text;    // as sent, with its blank line
  bool token = false;  // paced by ttft_ms and token_ms
};

struct Reply {
  int status = 200;
  std::string_view content_type = "application/json";
  std::string headers;  // further ones, each ending in CRLF
  std::string body;
  size_t fill_at = SIZE_MAX;  // where body_bytes more may be inserted (SIZE_MAX: spaces at the end)
  bool stream = false;
  std::vector<Event> events;
  size_t terminal_events = 0;  // the last of them, which omit_done leaves out

  void clear();
};

struct Usage {
  int64_t prompt;
  int64_t cached;
  int64_t completion;
  int64_t reasoning;
};
Usage usage_of(const Ask& ask, const Behavior& behavior);

// The i-th piece of the answer; and how many there are.
int64_t piece_count(const Behavior& behavior);
std::string piece_of(const Behavior& behavior, int64_t i);
// Appends the whole answer inside a JSON string, and notes where it may be filled up.
void append_answer(Reply& reply, const Behavior& behavior);
// Appends the raw JSON of the model's name, or a default.
void append_model(std::string& out, const Ask& ask, std::string_view otherwise);
// The name of the first of the request's tools, raw and quoted.
std::string_view tool_name(const Ask& ask);
inline constexpr std::string_view kToolArguments = R"({"location":"Paris"})";

Protocol protocol_of(const Ask& ask);
// Fills `reply` with the success that `request` asks for; 404 for an unknown path.
void make_reply(Reply& reply, const Request& request, const Ask& ask, const Behavior& behavior);
// Fills `reply` with a failure in the shape of the protocol.
void make_failure(Reply& reply, const Ask& ask, int status, std::string_view message);
// An error as an event inside a stream.
std::string error_event(const Ask& ask, int status);

// By provider; each returns false when the path is none of its own.
bool openai_reply(Reply& reply, const Ask& ask, const Behavior& behavior);
bool anthropic_reply(Reply& reply, const Ask& ask, const Behavior& behavior);
bool inference_reply(Reply& reply, const Request& request, const Ask& ask,
                     const Behavior& behavior);
bool identity_reply(Reply& reply, const Request& request, const Ask& ask, const Behavior& behavior);
void responses_reply(Reply& reply, const Ask& ask, const Behavior& behavior);

int64_t unix_seconds();

}  // namespace mock
