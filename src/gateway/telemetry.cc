#include "gateway/telemetry.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "wire/json.h"

namespace gatehouse::gateway {

namespace {

// Seconds. OpenTelemetry's advised bounds for gen_ai.server.request.duration and
// for the first token, with two more below for classic models.
constexpr std::array kDurationBounds = {0.002, 0.005, 0.01, 0.02, 0.04,  0.08,  0.16,  0.32,
                                        0.64,  1.28,  2.56, 5.12, 10.24, 20.48, 40.96, 81.92};
constexpr std::array kFirstTokenBounds = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,
                                          0.25,  0.5,   0.75, 1.0,  2.5,  5.0,  7.5,  10.0};
constexpr std::array kPerTokenBounds = {0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15,
                                        0.2,   0.3,   0.4,  0.5,   0.75, 1.0,   2.5};
constexpr std::array kAddedBounds = {0.00005, 0.0001, 0.00015, 0.00025, 0.0005, 0.001,
                                     0.0025,  0.005,  0.01,    0.025,   0.05,   0.1};

double seconds(int64_t ns) { return static_cast<double>(ns) / 1e9; }

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string hex_id(int words) {
  std::string bytes;
  for (int i = 0; i < words; ++i) put_le<uint64_t>(bytes, thread_random().next() | 1);
  return hex_encode(bytes);
}

std::string attempts_json(const CallTrace& trace) {
  std::string out;
  wire::JsonWriter json(out);
  json.begin_array();
  for (const AttemptTrace& each : trace.attempts) {
    json.begin_object();
    json.member("upstream", each.upstream).member("model", each.model);
    json.member("begin_ms", seconds(each.begin_ns) * 1000);
    json.member("duration_ms", seconds(each.duration_ns) * 1000);
    json.member("status", each.status);
    if (!each.error.empty()) json.member("error", each.error);
    if (each.hedge) json.member("hedge", true);
    json.end_object();
  }
  json.end_array();
  return out;
}

// From the first token to the end, over the tokens after it.
double per_token_s(const CallTrace& trace) {
  if (trace.first_token_ns == 0 || trace.usage.output_tokens < 2) return 0;
  return seconds(trace.end_ns - trace.first_token_ns) /
         static_cast<double>(trace.usage.output_tokens - 1);
}

double first_token_s(const CallTrace& trace) {
  const int64_t first = trace.first_token_ns != 0 ? trace.first_token_ns : trace.first_byte_ns;
  return first == 0 ? 0 : seconds(first - trace.begin_ns);
}

Severity severity_of(const CallTrace& trace) {
  if (trace.error.empty()) return Severity::kInfo;
  return trace.status >= 500 ? Severity::kError : Severity::kWarning;
}

bool answers_in_words(Operation operation) {
  return operation == Operation::kChat || operation == Operation::kCompletions ||
         operation == Operation::kResponses || operation == Operation::kMessages;
}

// How an answer ended, as OpenAI's and Anthropic's protocols say it: a place in kAnswers.
constexpr std::array<const char*, 4> kAnswers = {"complete", "truncated", "filtered", "empty"};
size_t answer_of(const Usage& usage) {
  const std::string_view reason = usage.finish_reason;
  if (reason == "length" || reason == "max_tokens" || reason == "max_output_tokens" ||
      reason == "model_context_window_exceeded") {
    return 1;
  }
  if (reason == "content_filter" || reason == "refusal") return 2;
  return usage.output_tokens == 0 ? 3 : 0;
}

int64_t added_ns(const CallTrace& trace) {
  return std::max<int64_t>(0, trace.end_ns - trace.begin_ns - trace.upstream_ns);
}

}  // namespace

void CallRecord::text(std::string_view name, std::string_view value) {
  if (!value.empty()) add(name, value);
}

void CallRecord::whole(std::string_view name, int64_t value) {
  if (value != 0) add(name, value);
}

CallRecord::CallRecord(const CallRequest& call, const CallTrace& trace) : trace_(trace) {
  // The usual call, one attempt that served, is told by the other attributes.
  const bool usual = trace.attempts.size() == 1 && trace.error.empty();
  if (!usual && !trace.attempts.empty()) attempts_ = attempts_json(trace);
  text("request_id", trace.request_id);
  text("trace_id", trace.trace_id);
  text("span_id", trace.span_id);
  text("parent_span_id", trace.parent_span_id);
  text("url.path", trace.route);
  text("gen_ai.operation.name", name(call.operation));
  text("gen_ai.request.model", call.model);
  text("gatehouse.model", trace.public_model);
  text("gatehouse.model.version", trace.version);
  if (call.principal != nullptr) {
    text("gatehouse.key.id", call.principal->id);
    text("gatehouse.key.name", call.principal->name);
  }
  text("gatehouse.upstream", trace.upstream);
  add("http.response.status_code", int64_t{trace.status});
  text("error.type", trace.error);
  text("error.message", trace.error_message);
  add("gatehouse.attempts", static_cast<int64_t>(trace.attempts.size()));
  text("gatehouse.attempts.detail", attempts_);
  whole("http.request.body.size", static_cast<int64_t>(call.body.size()));
  whole("http.response.body.size", trace.reply_bytes);
  if (call.stream) add("gen_ai.request.stream", true);
  add_usage(trace);
  add_times(trace);
  text("gatehouse.trace", call.trace);
  text("session.id", call.session);
  text("user.id", call.user);
  text("gatehouse.metadata", call.metadata);
  text("gatehouse.request.body", trace.request_body);
  text("gatehouse.reply.body", trace.reply_body);
}

void CallRecord::add_usage(const CallTrace& trace) {
  const Usage& usage = trace.usage;
  text("gen_ai.response.model", usage.model);
  whole("gen_ai.usage.input_tokens", usage.input_tokens);
  whole("gen_ai.usage.cached_input_tokens", usage.cached_input_tokens);
  whole("gen_ai.usage.cache_write_tokens", usage.cache_write_tokens);
  whole("gen_ai.usage.output_tokens", usage.output_tokens);
  whole("gen_ai.usage.reasoning_tokens", usage.reasoning_tokens);
  if (usage.estimated) add("gatehouse.usage.estimated", true);
  text("gen_ai.response.finish_reason", usage.finish_reason);
  if (usage.confidence >= 0) add("gatehouse.confidence", usage.confidence);
  add("gatehouse.cost_nanousd", trace.cost_nanodollars);
  if (!trace.priced) add("gatehouse.priced", false);
}

void CallRecord::add_times(const CallTrace& trace) {
  add("gatehouse.duration_s", seconds(trace.end_ns - trace.begin_ns));
  add("gatehouse.added_s", seconds(added_ns(trace)));
  if (const double first = first_token_s(trace); first > 0) {
    add("gen_ai.server.time_to_first_token", first);
  }
  if (const double each = per_token_s(trace); each > 0) {
    add("gen_ai.server.time_per_output_token", each);
  }
}

model::Record CallRecord::view() const {
  model::Record record;
  record.time_ns = trace_.begin_wall_ns;
  record.severity = severity_of(trace_);
  record.attributes = std::span(attributes_).first(count_);
  return record;
}

ProbeRecord::ProbeRecord(std::string_view upstream, std::string_view model, Operation operation,
                         int64_t begin_wall_ns, int64_t duration_ns, int status,
                         std::string_view error, std::string_view message, const Usage& usage,
                         const Cost& cost)
    : begin_wall_ns_(begin_wall_ns), failed_(!error.empty()) {
  const auto add = [this](std::string_view name, model::Value value) {
    attributes_[count_++] = {name, value};
  };
  add("gen_ai.operation.name", name(operation));
  add("gen_ai.request.model", model);
  add("gatehouse.upstream", upstream);
  add("gatehouse.probe", true);
  add("http.response.status_code", int64_t{status});
  if (failed_) add("error.type", error);
  if (!message.empty()) add("error.message", message);
  add("gen_ai.usage.input_tokens", usage.input_tokens);
  add("gen_ai.usage.output_tokens", usage.output_tokens);
  add("gatehouse.cost_nanousd", cost.nanodollars);
  add("gatehouse.priced", cost.priced);
  add("gatehouse.duration_s", seconds(duration_ns));
}

model::Record ProbeRecord::view() const {
  model::Record record;
  record.time_ns = begin_wall_ns_;
  record.severity = failed_ ? Severity::kWarning : Severity::kInfo;
  record.attributes = std::span(attributes_).first(count_);
  return record;
}

namespace {

// What a text of the caller's stands for as a trace id; empty: no text.
std::string own_trace_id(std::string_view text) {
  if (text.empty()) return {};
  std::string digits = to_lower(text);
  std::erase(digits, '-');
  if (digits.size() == 32 && is_hex(digits) && digits.find_first_not_of('0') != std::string::npos) {
    return digits;
  }
  return hex_encode(sha256(text).substr(0, 16));
}

}  // namespace

void begin_trace(std::string_view own, std::string_view traceparent, CallTrace& trace) {
  // version "-" trace-id "-" parent-id "-" flags
  const bool valid = traceparent.size() >= 55 && traceparent[2] == '-' && traceparent[35] == '-' &&
                     traceparent[52] == '-' && is_hex(traceparent.substr(0, 2)) &&
                     traceparent.substr(0, 2) != "ff" && is_hex(traceparent.substr(3, 32)) &&
                     is_hex(traceparent.substr(36, 16)) &&
                     traceparent.substr(3, 32).find_first_not_of('0') != std::string_view::npos &&
                     traceparent.substr(36, 16).find_first_not_of('0') != std::string_view::npos;
  if (!own.empty()) {
    trace.trace_id = own_trace_id(own);
  } else if (valid) {
    trace.trace_id = traceparent.substr(3, 32);
    trace.parent_span_id = traceparent.substr(36, 16);
  } else {
    trace.trace_id = hex_id(2);
  }
  trace.span_id = hex_id(1);
}

std::string traceparent(const CallTrace& trace) {
  return "00-" + trace.trace_id + "-" + trace.span_id + "-01";
}

CallMetrics::Series& CallMetrics::series(const CallRequest& call, const CallTrace& trace) {
  Key key{trace.public_model, trace.upstream, trace.error, call.operation, trace.status};
  if (const auto known = series_.find(key); known != series_.end()) return known->second;
  const std::string operation(name(call.operation));
  const model::Labels base{{"gen_ai_operation_name", operation},
                           {"gen_ai_request_model", trace.public_model},
                           {"gatehouse_upstream", trace.upstream}};
  const model::Labels outcome = base.with("http_response_status_code", std::to_string(trace.status))
                                    .with("error_type", trace.error);
  Series made;
  made.calls = &registry_.counter("gatehouse_calls", "Calls that ended", outcome);
  made.cost =
      &registry_.counter("gatehouse_cost_dollars", "What the calls cost, in US dollars", base);
  made.duration = &registry_.histogram("gen_ai_server_request_duration_seconds",
                                       "From the request's head to the end of its reply",
                                       kDurationBounds, base);
  made.first_token = &registry_.histogram("gen_ai_server_time_to_first_token_seconds",
                                          "From the request's head to the first token of its reply",
                                          kFirstTokenBounds, base);
  made.per_token =
      &registry_.histogram("gen_ai_server_time_per_output_token_seconds",
                           "Between two tokens of a reply, after the first", kPerTokenBounds, base);
  made.added = &registry_.histogram("gatehouse_added_seconds",
                                    "What the gate itself added to a call", kAddedBounds, base);
  constexpr std::array<const char*, 4> kTypes = {"input", "cached_input", "output", "reasoning"};
  for (size_t i = 0; i < kTypes.size(); ++i) {
    made.tokens[i] = &registry_.counter("gen_ai_client_token_usage", "Tokens of calls, by type",
                                        base.with("gen_ai_token_type", kTypes[i]));
  }
  if (answers_in_words(call.operation)) {
    for (size_t i = 0; i < kAnswers.size(); ++i) {
      made.answers[i] = &registry_.counter("gatehouse_answers", "Answers in words, by their end",
                                           base.with("gatehouse_answer", kAnswers[i]));
    }
  }
  made.retries = &registry_.counter("gatehouse_retries", "Attempts after a call's first", base);
  return series_.emplace(std::move(key), made).first->second;
}

void CallMetrics::end(const CallRequest& call, const CallTrace& trace) {
  Series& to = series(call, trace);
  to.calls->add();
  to.duration->observe(seconds(trace.end_ns - trace.begin_ns));
  to.added->observe(seconds(added_ns(trace)));
  if (trace.attempts.size() > 1) to.retries->add(static_cast<double>(trace.attempts.size() - 1));
  if (trace.cost_nanodollars > 0) to.cost->add(static_cast<double>(trace.cost_nanodollars) / 1e9);
  const std::array<int64_t, 4> tokens = {trace.usage.input_tokens, trace.usage.cached_input_tokens,
                                         trace.usage.output_tokens, trace.usage.reasoning_tokens};
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] > 0) to.tokens[i]->add(static_cast<double>(tokens[i]));
  }
  if (!trace.error.empty()) return;
  if (model::Counter* answers = to.answers[answer_of(trace.usage)]) answers->add();
  if (const double first = first_token_s(trace); first > 0) to.first_token->observe(first);
  if (const double each = per_token_s(trace); each > 0) to.per_token->observe(each);
}

void log_call(const CallRequest& call, const CallTrace& trace) {
  const Severity severity = severity_of(trace);
  if (!log_enabled(severity)) return;
  log(severity, "call",
      {{"request_id", trace.request_id},
       {"trace_id", trace.trace_id},
       {"operation", name(call.operation)},
       {"model", trace.public_model},
       {"model_version", trace.version},
       {"key", call.principal != nullptr ? std::string_view(call.principal->id) : ""},
       {"upstream", trace.upstream},
       {"status", trace.status},
       {"error", trace.error},
       {"attempts", static_cast<int64_t>(trace.attempts.size())},
       {"input_tokens", trace.usage.input_tokens},
       {"output_tokens", trace.usage.output_tokens},
       {"cost_nanousd", trace.cost_nanodollars},
       {"duration_ms", seconds(trace.end_ns - trace.begin_ns) * 1000},
       {"first_token_ms", first_token_s(trace) * 1000}});
}

}  // namespace gatehouse::gateway
