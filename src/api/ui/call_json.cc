#include "api/ui/call_json.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "wire/json.h"

namespace gatehouse::api {

namespace {

using gateway::Outcome;
using wire::JsonView;
using wire::JsonWriter;

constexpr int64_t kLeftFirst = 499;

Outcome outcome_of(const model::Record& record) {
  return gateway::outcome_of(record.integer("http.response.status_code"), record.text("error.type"),
                             record.integer("gatehouse.attempts"));
}

// What the client got: nothing, where it left first.
int64_t status_of(const model::Record& record) {
  return outcome_of(record) == Outcome::kCancelled ? kLeftFirst
                                                   : record.integer("http.response.status_code");
}

// To the microsecond: what is beyond says nothing, and costs bytes.
double milliseconds(double seconds) { return std::round(seconds * 1e6) / 1e3; }

std::optional<double> milliseconds_of(const model::Record& record, std::string_view name) {
  const double seconds = record.number(name, -1);
  return seconds < 0 ? std::nullopt : std::optional(milliseconds(seconds));
}

void write_call(JsonWriter& json, const model::Record& record) {
  json.member("request_id", record.text("request_id"));
  json.member("started_at_ms", record.time_ns / 1'000'000);
  json.member("duration_ms", milliseconds(record.number("gatehouse.duration_s")));
  json.member("status", status_of(record));
  json.member("outcome", name(outcome_of(record)));
  text_or_null(json, "error_code", record.text("error.type"));
  json.member("route", record.text("url.path"));
  text_or_null(json, "model", model_of(record));
  text_or_null(json, "model_version", record.text("gatehouse.model.version"));
  text_or_null(json, "upstream", record.text("gatehouse.upstream"));
  text_or_null(json, "key_id", record.text("gatehouse.key.id"));
  text_or_null(json, "key_name", record.text("gatehouse.key.name"));
  json.member("stream", record.boolean("gen_ai.request.stream"));
  json.member("attempts", record.integer("gatehouse.attempts"));
  json.key("tokens").begin_object();
  json.member("input", record.integer("gen_ai.usage.input_tokens"));
  json.member("cached_input", record.integer("gen_ai.usage.cached_input_tokens"));
  json.member("output", record.integer("gen_ai.usage.output_tokens"));
  json.member("reasoning", record.integer("gen_ai.usage.reasoning_tokens"));
  json.end_object();
  json.member("usage_estimated", record.boolean("gatehouse.usage.estimated"));
  if (record.boolean("gatehouse.priced", true)) {
    nanousd(json, "cost_nanousd", record.integer("gatehouse.cost_nanousd"));
  } else {
    json.key("cost_nanousd").null();
  }
  number_or_null(json, "ttft_ms", milliseconds_of(record, "gen_ai.server.time_to_first_token"));
}

struct AttemptView {
  std::string upstream, error;
  double begin_ms = 0, duration_ms = 0;
  std::optional<double> first_byte_ms;
  int64_t status = 0;
  bool hedge = false;
};

std::vector<AttemptView> attempts_of(const model::Record& record) {
  std::vector<AttemptView> out;
  const double whole_ms = milliseconds(record.number("gatehouse.duration_s"));
  const std::string_view detail = record.text("gatehouse.attempts.detail");
  if (detail.empty()) {
    // One attempt that served: the record does not say it twice.
    if (record.integer("gatehouse.attempts") != 1) return out;
    AttemptView only;
    only.upstream = record.text("gatehouse.upstream");
    only.duration_ms = whole_ms;
    only.first_byte_ms = milliseconds_of(record, "gen_ai.server.time_to_first_token");
    only.status = record.integer("http.response.status_code");
    out.push_back(std::move(only));
    return out;
  }
  const auto document = wire::JsonDocument::parse(detail);
  if (!document.ok()) return out;
  for (const JsonView each : document->root().items()) {
    AttemptView attempt;
    attempt.upstream = each.get("upstream").string().value_or("");
    attempt.error = each.get("error").string().value_or("");
    attempt.begin_ms = each.get("begin_ms").number().value_or(0);
    attempt.duration_ms = each.get("duration_ms").number().value_or(0);
    attempt.status = each.get("status").integer().value_or(0);
    attempt.hedge = each.get("hedge").boolean().value_or(false);
    if (attempt.error.empty()) {
      // It was told when its reply could be passed on, and served to the end.
      attempt.first_byte_ms = attempt.begin_ms + attempt.duration_ms;
      attempt.duration_ms = std::max(attempt.duration_ms, whole_ms - attempt.begin_ms);
      // What went wrong after that is the call's error.
      attempt.error = record.text("error.type");
    }
    out.push_back(std::move(attempt));
  }
  return out;
}

std::string_view attempt_outcome(const AttemptView& attempt) {
  if (attempt.error.empty()) return "ok";
  if (attempt.error == "cancelled" || attempt.error == "client_left" ||
      attempt.error == "hedge_lost") {
    return "cancelled";
  }
  const bool retryable =
      !attempt.first_byte_ms && gateway::attempt_failed(attempt.error, attempt.status);
  return retryable ? "retryable" : "fatal";
}

void write_attempts(JsonWriter& json, const model::Record& record) {
  json.key("attempts_detail").begin_array();
  int number = 0;
  double free_ms = 0;  // when the attempt before had ended
  for (const AttemptView& each : attempts_of(record)) {
    const double wait_ms = number == 0 || each.hedge ? 0 : std::max(0.0, each.begin_ms - free_ms);
    free_ms = std::max(free_ms, each.begin_ms + each.duration_ms);
    json.begin_object();
    json.member("number", ++number);
    json.member("upstream", each.upstream);
    json.member("started_after_ms", each.begin_ms);
    json.member("duration_ms", each.duration_ms);
    number_or_null(json, "first_byte_after_ms", each.first_byte_ms);
    json.key("status");
    if (each.status == 0) {
      json.null();
    } else {
      json.integer(each.status);
    }
    json.member("outcome", attempt_outcome(each));
    text_or_null(json, "error", each.error);
    json.member("wait_before_ms", wait_ms);
    json.member("hedge", each.hedge);
    json.end_object();
  }
  json.end_array();
}

// The caller's x-gatehouse-metadata: an object of scalars, or any text.
void write_metadata(JsonWriter& json, std::string_view text) {
  json.key("metadata").begin_object();
  if (text.empty()) {
    json.end_object();
    return;
  }
  const auto document = wire::JsonDocument::parse(text);
  if (document.ok() && document->root().is_object()) {
    for (const auto [name, value] : document->root().members()) {
      if (const auto string = value.string()) {
        json.member(name, *string);
      } else if (const auto integer = value.integer()) {
        json.member(name, std::to_string(*integer));
      } else if (const auto flag = value.boolean()) {
        json.member(name, *flag ? "true" : "false");
      }
    }
  } else if (valid_utf8(text)) {
    json.member("text", text);
  }
  json.end_object();
}

std::string_view type_of(std::string_view text) {
  if (text.starts_with("data:") || text.starts_with("event:") || text.starts_with(":")) {
    return "text/event-stream";
  }
  return text.starts_with('{') || text.starts_with('[') ? "application/json" : "text/plain";
}

// `bytes`: of the whole body, of which `text` is the beginning.
void write_body(JsonWriter& json, std::string_view name, std::string_view text, int64_t bytes) {
  json.key(name);
  const bool truncated = bytes > static_cast<int64_t>(text.size());
  // A text that was cut can end within a character.
  for (int cut = 0; truncated && cut < 3 && !valid_utf8(text); ++cut) text.remove_suffix(1);
  if (text.empty() || !valid_utf8(text)) {
    json.null();
    return;
  }
  json.begin_object();
  json.member("content_type", type_of(text)).member("text", text);
  json.member("bytes", std::max(bytes, static_cast<int64_t>(text.size())));
  json.member("truncated", truncated);
  json.end_object();
}

}  // namespace

Result<CallFilter> CallFilter::read(const Parameters& parameters) {
  CallFilter filter;
  filter.model_ = parameters.text("model");
  filter.key_ = parameters.text("key");
  filter.upstream_ = parameters.text("upstream");
  filter.trace_ = parameters.text("trace");
  filter.session_ = parameters.text("session");
  if (const std::string* status = parameters.find("status")) {
    const auto number = parse_uint(*status);
    filter.outcome_ = gateway::parse_outcome(*status);
    if (number && *number >= 100 && *number <= 599) {
      filter.status_ = static_cast<int>(*number);
    } else if (status->size() == 3 && status->ends_with("xx") && (*status)[0] >= '1' &&
               (*status)[0] <= '5') {
      filter.status_class_ = (*status)[0] - '0';
    } else if (!filter.outcome_) {
      return invalid_argument("status has to be an outcome, a class such as 5xx, or a status.");
    }
  }
  if (const std::string* since = parameters.find("since")) {
    const auto ms = parse_uint(*since);
    if (!ms || *ms > INT64_MAX / 1'000'000) {
      return invalid_argument("since has to be a time in whole milliseconds.");
    }
    filter.since_ns_ = static_cast<int64_t>(*ms) * 1'000'000;
  }
  return filter;
}

bool CallFilter::matches(const model::Record& record) const {
  if (!model_.empty() && model_of(record) != model_) return false;
  if (!key_.empty() && record.text("gatehouse.key.id") != key_) return false;
  if (!upstream_.empty() && record.text("gatehouse.upstream") != upstream_) return false;
  if (!trace_.empty() && record.text("trace_id") != trace_) return false;
  if (!session_.empty() && record.text("session.id") != session_) return false;
  if (record.time_ns < since_ns_) return false;
  if (outcome_ && outcome_of(record) != *outcome_) return false;
  if (status_class_ != 0 && status_of(record) / 100 != status_class_) return false;
  return status_ == 0 || status_of(record) == status_;
}

int64_t ended_ns(const model::Record& record) {
  return record.time_ns + static_cast<int64_t>(record.number("gatehouse.duration_s") * 1e9);
}

std::string_view model_of(const model::Record& record) {
  return record.text("gatehouse.model", record.text("gen_ai.request.model"));
}

std::string call_json(const model::Record& record) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_call(json, record);
  json.end_object();
  return out;
}

std::string call_detail_json(const model::Record& record, bool bodies) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_call(json, record);
  json.key("error");
  if (const auto code = record.text("error.type"); code.empty()) {
    json.null();
  } else {
    json.begin_object();
    json.member("code", code).member("message", record.text("error.message"));
    json.end_object();
  }
  text_or_null(json, "finish_reason", record.text("gen_ai.response.finish_reason"));
  number_or_null(json, "per_token_ms",
                 milliseconds_of(record, "gen_ai.server.time_per_output_token"));
  number_or_null(json, "added_ms", milliseconds_of(record, "gatehouse.added_s"));
  json.member("queued_ms", 0);  // calls are refused, not queued
  const int64_t request_bytes = record.integer("http.request.body.size");
  const int64_t response_bytes = record.integer("http.response.body.size");
  json.member("request_bytes", request_bytes).member("response_bytes", response_bytes);
  text_or_null(json, "trace_id", record.text("trace_id"));
  text_or_null(json, "span_id", record.text("span_id"));
  text_or_null(json, "session_id", record.text("session.id"));
  text_or_null(json, "user_id", record.text("user.id"));
  write_metadata(json, record.text("gatehouse.metadata"));
  const double confidence = record.number("gatehouse.confidence", -1);
  number_or_null(json, "confidence", confidence < 0 ? std::nullopt : std::optional(confidence));
  write_attempts(json, record);
  const std::string_view request = record.text("gatehouse.request.body");
  const std::string_view response = record.text("gatehouse.reply.body");
  const bool kept = !request.empty() || !response.empty();
  json.key("bodies");
  if (kept && bodies) {
    json.begin_object();
    write_body(json, "request", request, request_bytes);
    write_body(json, "response", response, response_bytes);
    json.end_object();
  } else {
    json.null();
  }
  json.member("bodies_withheld", kept && !bodies);
  json.end_object();
  return out;
}

}  // namespace gatehouse::api
