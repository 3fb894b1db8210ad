#include "mock-upstream/behavior.h"

#include <charconv>
#include <variant>

#include "mock-upstream/json.h"

namespace mock {
namespace {

using FieldPointer = std::variant<double Behavior::*, int64_t Behavior::*, bool Behavior::*,
                                  std::string Behavior::*>;

struct Field {
  std::string_view name;
  FieldPointer member;
  std::string_view help;
};

const Field kFields[] = {
    {"latency_ms", &Behavior::latency_ms, "wait this long before the reply's head"},
    {"latency_p50_ms", &Behavior::latency_p50_ms, "lognormal wait before the head: its median"},
    {"latency_p99_ms", &Behavior::latency_p99_ms, "... and its 99th percentile"},
    {"fail_ratio", &Behavior::fail_ratio,
     "share of calls that fail, 0 to 1 (1 if only fail_status is set)"},
    {"fail_status", &Behavior::fail_status,
     "status of a failure (500 if only fail_ratio or fail_first is set)"},
    {"fail_first", &Behavior::fail_first,
     "the first N calls (of an x-mock-id, else of the upstream) fail"},
    {"retry_after", &Behavior::retry_after, "Retry-After of a failure, as written"},
    {"retry_after_ms", &Behavior::retry_after_ms, "retry-after-ms of a failure"},
    {"should_retry", &Behavior::should_retry, "x-should-retry of a failure: true or false"},
    {"expect_auth", &Behavior::expect_auth,
     "401 unless the bearer token, api-key or x-api-key is this"},
    {"error_class", &Behavior::error_class,
     "the status that an error in a 200 would have had (500)"},
    {"error_in_200", &Behavior::error_in_200,
     "answer 200 with an error object as the body or first event"},
    {"error_after_events", &Behavior::error_after_events,
     "an error event after N events of a stream, then its end"},
    {"stall_before_headers", &Behavior::stall_before_headers, "take the call and say nothing"},
    {"stall_after_events", &Behavior::stall_after_events, "go silent after N events of a stream"},
    {"stall_ms", &Behavior::stall_ms, "end the stall after this long (0: never)"},
    {"cut", &Behavior::cut,
     "close the connection: before-headers, mid-headers, mid-body, mid-stream"},
    {"cut_after_events", &Behavior::cut_after_events, "mid-stream means after N events"},
    {"cut_reset", &Behavior::cut_reset, "cut with a reset (RST) instead of a FIN"},
    {"omit_done", &Behavior::omit_done, "end a stream without its terminal event"},
    {"content_length_delta", &Behavior::content_length_delta,
     "add this to Content-Length; the body stays as it is"},
    {"body_bytes", &Behavior::body_bytes, "fill the reply with this many bytes more"},
    {"garbage_bytes", &Behavior::garbage_bytes, "send this many random bytes"},
    {"garbage_in", &Behavior::garbage_in, "... instead of the head, or as the body: head, body"},
    {"malformed_json", &Behavior::malformed_json,
     "break the JSON of the reply, or of one event in the middle"},
    {"ttft_ms", &Behavior::ttft_ms,
     "wait before the first token of a stream (its head goes out before)"},
    {"token_ms", &Behavior::token_ms, "wait between tokens of a stream"},
    {"tokens", &Behavior::tokens, "tokens of the answer"},
    {"text", &Behavior::text, "the answer; split at spaces into tokens"},
    {"finish_reason", &Behavior::finish_reason, "why the answer ended, in the protocol's own word"},
    {"framing", &Behavior::framing,
     "length, chunked or close (default: length; chunked for streams)"},
    {"split_bytes", &Behavior::split_bytes, "chunks of at most N bytes"},
    {"close", &Behavior::close, "Connection: close, and close after the reply"},
    {"echo", &Behavior::echo, "answer with the request that arrived, as JSON"},
    {"prompt_tokens", &Behavior::prompt_tokens, "usage (-1: bytes of the input / 4, rounded up)"},
    {"cached_tokens", &Behavior::cached_tokens, "usage: part of the prompt read from cache"},
    {"reasoning_tokens", &Behavior::reasoning_tokens,
     "usage: tokens of reasoning, added to the answer's"},
    {"token_expires_s", &Behavior::token_expires_s,
     "life of the access tokens of the identity endpoints"},
};

bool same_name(std::string_view given, std::string_view name) {
  if (given.size() != name.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = given[i] == '-'                      ? '_'
                   : given[i] >= 'A' && given[i] <= 'Z' ? static_cast<char>(given[i] + 32)
                                                        : given[i];
    if (c != name[i]) return false;
  }
  return true;
}

std::string assign(Behavior& behavior, const Field& field, std::string_view value) {
  std::string wrong = std::string(field.name) + ": cannot read '" + std::string(value) + "'";
  if (const auto* flag = std::get_if<bool Behavior::*>(&field.member)) {
    if (value != "true" && value != "1" && value != "false" && value != "0" && !value.empty())
      return wrong;
    behavior.*(*flag) = value != "false" && value != "0";
  } else if (const auto* real = std::get_if<double Behavior::*>(&field.member)) {
    const auto number = json_number(value);
    if (!number) return wrong;
    behavior.*(*real) = *number;
  } else if (const auto* whole = std::get_if<int64_t Behavior::*>(&field.member)) {
    int64_t number = 0;
    if (value.starts_with('+')) value.remove_prefix(1);
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size()) return wrong;
    behavior.*(*whole) = number;
  } else {
    behavior.*std::get<std::string Behavior::*>(field.member) = value;
  }
  return {};
}

}  // namespace

void Behavior::refresh() {
  plain = latency_ms <= 0 && latency_p50_ms <= 0 && fail_ratio < 0 && fail_status == 0 &&
          fail_first == 0 && expect_auth.empty() && !error_in_200 && error_after_events < 0 &&
          !stall_before_headers && stall_after_events < 0 && cut.empty() && !omit_done &&
          content_length_delta == 0 && body_bytes == 0 && garbage_bytes == 0 && !malformed_json &&
          ttft_ms <= 0 && token_ms <= 0 && framing.empty() && split_bytes == 0 && !close && !echo;
}

std::string set_behavior(Behavior& behavior, std::string_view name, std::string_view value) {
  for (const Field& field : kFields) {
    if (!same_name(name, field.name)) continue;
    std::string wrong = assign(behavior, field, value);
    behavior.refresh();
    return wrong;
  }
  return "no behavior is named '" + std::string(name) + "'";
}

std::string set_behavior_json(Behavior& behavior, std::string_view object, std::string_view skip) {
  Members members(object);
  Member member;
  while (members.next(member)) {
    if (skip.find("," + std::string(member.key) + ",") != std::string_view::npos) continue;
    std::string wrong = set_behavior(behavior, member.key, json_text(member.value));
    if (!wrong.empty()) return wrong;
  }
  return members.failed() ? "the body is not a JSON object" : "";
}

void append_behavior_json(std::string& out, const Behavior& behavior) {
  out += '{';
  for (const Field& field : kFields) {
    if (out.back() != '{') out += ',';
    append_quoted(out, field.name);
    out += ':';
    if (const auto* flag = std::get_if<bool Behavior::*>(&field.member)) {
      out += behavior.*(*flag) ? "true" : "false";
    } else if (const auto* real = std::get_if<double Behavior::*>(&field.member)) {
      out += std::to_string(behavior.*(*real));
    } else if (const auto* whole = std::get_if<int64_t Behavior::*>(&field.member)) {
      append_number(out, behavior.*(*whole));
    } else {
      append_quoted(out, behavior.*std::get<std::string Behavior::*>(field.member));
    }
  }
  out += '}';
}

std::string describe_behavior() {
  std::string out;
  for (const Field& field : kFields) {
    std::string name(field.name);
    for (char& c : name) {
      if (c == '_') c = '-';
    }
    name.resize(24, ' ');
    out += "  --" + name + std::string(field.help) + "\n";
  }
  return out;
}

}  // namespace mock
