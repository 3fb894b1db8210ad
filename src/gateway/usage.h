// Usage of a call: what the reply or the stream says it used, in one vocabulary
// for all protocols.
//
// The hot path looks for what matters without a parse of the whole: a cursor
// over the top-level members skips the values in between (strings by SIMD), so
// nothing inside a content string can be mistaken for a member. On text that is
// not JSON it finds nothing and never reads outside it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/protocol.h"

namespace gatehouse::gateway {

class JsonSkim;

struct Usage {
  // input_tokens holds all of the prompt, the cached, cache-written and audio
  // parts included; output_tokens all of the reply, reasoning and audio
  // included. (Anthropic counts cached tokens beside input_tokens; here they are
  // added.) The parts are never more than their whole.
  int64_t input_tokens = 0;
  int64_t cached_input_tokens = 0;
  int64_t cache_write_tokens = 0;
  int64_t audio_input_tokens = 0;
  int64_t output_tokens = 0;
  int64_t reasoning_tokens = 0;
  int64_t audio_output_tokens = 0;
  int64_t images = 0;
  double audio_seconds = 0;

  bool reported = false;   // the upstream gave a usage
  bool estimated = false;  // tokens were estimated by us
  std::string finish_reason;
  std::string model;                                  // as the upstream names it
  std::string service_tier;                           // as the upstream reports it
  std::string error_code, error_type, error_message;  // an error object in the reply
  double confidence = -1;  // mean token probability where logprobs came; < 0: unknown

  int64_t total_tokens() const { return input_tokens + output_tokens; }
  bool failed() const {
    return !error_type.empty() || !error_code.empty() || !error_message.empty();
  }
  void clear();
};

// Reads a whole reply into `out`. Returns whether it is a JSON object at all.
// Works on the error replies of all families too.
bool read_usage(Operation operation, std::string_view body, Usage& out);

// Reads the raw value of a "usage" member alone (e.g. from a MemberCapture).
// `usage` of another shape changes nothing; returns whether it was one.
bool read_usage_object(Operation operation, std::string_view usage, Usage& out);

// Tokens of `bytes` of text where nobody tells: about four a token in English
// (OpenAI's rule of thumb), never more than one a byte.
inline int64_t likely_tokens(size_t bytes) { return static_cast<int64_t>((bytes + 3) / 4); }

// Fills what a reply without usage leaves out, and marks it.
void estimate_usage(Usage& usage, size_t prompt_bytes, size_t output_bytes);

struct StreamEvent {
  bool content = false;   // carries (a part of) the reply: a token for first/between-token times
  bool terminal = false;  // the protocol's end: [DONE], response.completed, message_stop, an error
  bool error = false;     // an error inside the stream; see usage().error_*
  bool usage_only = false;  // the chunk of include_usage: to be withheld where we asked for it
};

// Reads the events of one stream.
class StreamUsage {
 public:
  explicit StreamUsage(Operation operation) : operation_(operation) {}

  // `type`: the SSE event's name ("" without one); `data`: its data, whole.
  StreamEvent on_event(std::string_view type, std::string_view data);

  // Whether the protocol's terminal event came. A stream that ends without it
  // was cut. (After an error too: failed() says so. Always true of operations
  // whose streams have none, as plain HTTP models.)
  bool complete() const;
  // Whether the model finished ([DONE] may be missing from some upstreams when
  // true; by itself not the terminal event).
  bool finished() const { return !usage_.finish_reason.empty(); }
  bool failed() const { return usage_.failed(); }
  size_t output_bytes() const { return output_bytes_; }  // of text and tool arguments, JSON-escaped
  int64_t content_events() const { return content_events_; }
  // With the confidence computed.
  const Usage& usage();

 private:
  StreamEvent on_openai_chunk(std::string_view data);
  StreamEvent on_typed_event(std::string_view type, std::string_view data);
  StreamEvent on_message_event(std::string_view type, std::string_view data);
  StreamEvent fail(std::string_view error);
  void read_choices(JsonSkim& outer, StreamEvent& out, bool& any);
  bool read_delta(JsonSkim& outer);

  Operation operation_;
  Usage usage_;
  bool complete_ = false;
  size_t output_bytes_ = 0;
  int64_t content_events_ = 0;
  double probability_sum_ = 0;
  int64_t probability_count_ = 0;
  // Chunks of a chat stream begin alike up to their choices. The bytes of the
  // last one, verified once as members that do not matter, are compared with
  // instead of being read again.
  std::string same_prefix_;
};

}  // namespace gatehouse::gateway
