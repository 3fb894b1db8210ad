// What is told of a call: its Record, its metrics and its log line. Never a
// prompt, a key or an answer, unless bodies are switched on, and then in the
// Record alone.
//
// Names follow OpenTelemetry's semantic conventions for generative AI where it
// has one (gen_ai.*), else gatehouse.*.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/price.h"
#include "gateway/protocol.h"
#include "gateway/usage.h"
#include "model/metrics.h"
#include "model/record.h"

namespace gatehouse::gateway {

// One attempt, as the record tells it.
struct AttemptTrace {
  std::string upstream;
  std::string model;     // the name there
  int64_t begin_ns = 0;  // after the call's begin
  int64_t duration_ns = 0;
  int status = 0;
  std::string error;  // a code; empty: it served
  bool hedge = false;
};

// What happened to a call. Filled as it goes; read once, at its end.
struct CallTrace {
  std::string request_id;
  std::string_view route;                         // the path that was called; lives as the exchange
  std::string trace_id, span_id, parent_span_id;  // W3C, hex
  int64_t begin_wall_ns = 0;
  int64_t begin_ns = 0;       // steady: the request's head was complete
  int64_t first_byte_ns = 0;  // steady: the reply's first byte was sent; 0: none
  int64_t first_token_ns = 0;
  int64_t upstream_ns = 0;  // time spent waiting for upstreams, for "latency added"
  int64_t end_ns = 0;
  int status = 0;     // what the client was told
  std::string error;  // a code; empty: success
  std::string error_message;
  std::string public_model;  // as configured: bounded cardinality
  std::string version;
  std::string upstream;  // which served
  std::vector<AttemptTrace> attempts;
  Usage usage;
  int64_t reply_bytes = 0;  // of the body, on its way to the client
  int64_t cost_nanodollars = 0;
  bool priced = false;
  std::string request_body, reply_body;  // only where bodies are kept
};

// The stream that call records go to.
inline constexpr std::string_view kCallStream = "calls";
// Calls that the gate makes itself, to find out how an upstream is.
inline constexpr std::string_view kProbeStream = "probes";

// The record of a call. Views into `call`, `trace` and itself.
class CallRecord {
 public:
  CallRecord(const CallRequest& call, const CallTrace& trace);
  CallRecord(const CallRecord&) = delete;
  CallRecord& operator=(const CallRecord&) = delete;

  model::Record view() const;

 private:
  void add(std::string_view name, model::Value value) { attributes_[count_++] = {name, value}; }
  void text(std::string_view name, std::string_view value);
  void whole(std::string_view name, int64_t value);
  void add_usage(const CallTrace& trace);
  void add_times(const CallTrace& trace);

  const CallTrace& trace_;
  std::string attempts_;
  std::array<model::Attribute, 48> attributes_;
  size_t count_ = 0;
};

// The record of a probe. Views into what it was made of.
class ProbeRecord {
 public:
  ProbeRecord(std::string_view upstream, std::string_view model, Operation operation,
              int64_t begin_wall_ns, int64_t duration_ns, int status, std::string_view error,
              std::string_view message, const Usage& usage, const Cost& cost);
  ProbeRecord(const ProbeRecord&) = delete;
  ProbeRecord& operator=(const ProbeRecord&) = delete;

  model::Record view() const;

 private:
  int64_t begin_wall_ns_;
  bool failed_;
  std::array<model::Attribute, 12> attributes_;
  size_t count_ = 0;
};

// The trace of a call, and a new span id. `own`, where the caller sent one in
// x-gatehouse-trace, goes before the W3C traceparent: 32 hex digits or a UUID are
// the trace id, any other text stands for one, so that calls of one text share a
// trace. Without both a new one is made. https://www.w3.org/TR/trace-context/
void begin_trace(std::string_view own, std::string_view traceparent, CallTrace& trace);
std::string traceparent(const CallTrace& trace);

// The metrics of calls, with the handles of each combination of labels kept, so
// that counting a call takes no lock. One a Loop.
class CallMetrics {
 public:
  explicit CallMetrics(model::Registry& registry) : registry_(registry) {}

  void end(const CallRequest& call, const CallTrace& trace);

 private:
  struct Series {
    model::Counter* calls;
    model::Counter* cost;
    model::Histogram* duration;
    model::Histogram* first_token;
    model::Histogram* per_token;
    model::Histogram* added;
    std::array<model::Counter*, 4> tokens;  // input, cached input, output, reasoning
    // complete, truncated, filtered, empty; null where nothing is written in words
    std::array<model::Counter*, 4> answers{};
    model::Counter* retries;
  };
  struct Key {
    std::string model, upstream, error;
    Operation operation;
    int status;
    auto operator<=>(const Key&) const = default;
  };
  Series& series(const CallRequest& call, const CallTrace& trace);

  model::Registry& registry_;
  std::map<Key, Series> series_;
};

void log_call(const CallRequest& call, const CallTrace& trace);

}  // namespace gatehouse::gateway
