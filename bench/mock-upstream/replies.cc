#include "mock-upstream/replies.h"

#include <ctime>

#include "mock-upstream/json.h"

namespace mock {
namespace {

constexpr std::string_view kWords[] = {"The",  "gate", "stands", "open",  "to",  "those",
                                       "who",  "hold", "keys",   "while", "all", "the",
                                       "rest", "wait", "their",  "turn"};

// A request that already carries a tool's result gets words, as a model would answer.
bool has_tool_result(std::string_view messages) {
  return messages.find("\"tool_result\"") != std::string_view::npos ||
         messages.find("\"function_call_output\"") != std::string_view::npos ||
         messages.find("\"tool_call_id\"") != std::string_view::npos;
}

std::string_view error_type(int status) {
  switch (status) {
    case 400: return "invalid_request_error";
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 529: return "overloaded_error";
    default: return "api_error";
  }
}

std::string_view openai_error_type(int status) {
  if (status == 429) return "requests";
  return status < 500 ? "invalid_request_error" : "server_error";
}

std::string_view openai_error_code(int status) {
  switch (status) {
    case 401: return "\"invalid_api_key\"";
    case 404: return "\"model_not_found\"";
    case 429: return "\"rate_limit_exceeded\"";
    default: return "null";
  }
}

void append_openai_error(std::string& out, int status, std::string_view message) {
  out += "{\"error\":{\"message\":";
  append_quoted(out, message);
  out += ",\"type\":";
  append_quoted(out, openai_error_type(status));
  out += ",\"param\":null,\"code\":";
  out += openai_error_code(status);
  out += "}}";
}

void append_anthropic_error(std::string& out, int status, std::string_view message) {
  out += "{\"type\":\"error\",\"error\":{\"type\":";
  append_quoted(out, error_type(status));
  out += ",\"message\":";
  append_quoted(out, message);
  out += "},\"request_id\":\"req_mock\"}";
}

}  // namespace

int64_t unix_seconds() { return std::time(nullptr); }

void Reply::clear() {
  status = 200;
  content_type = "application/json";
  headers.clear();
  body.clear();
  fill_at = SIZE_MAX;
  stream = false;
  events.clear();
  terminal_events = 0;
}

void read_target(Ask& ask, std::string_view target) {
  const size_t question = target.find('?');
  ask.path = target.substr(0, question);
  ask.query = question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  ask.upstream = {};
  if (ask.path.starts_with("/@")) {
    const size_t slash = ask.path.find('/', 1);
    ask.upstream = ask.path.substr(2, slash == std::string_view::npos ? slash : slash - 2);
    ask.path = slash == std::string_view::npos ? std::string_view("/") : ask.path.substr(slash);
  }
}

void read_body(Ask& ask, const Request& request) {
  Members members(request.body);
  Member member;
  bool tool_result = false;
  bool tools_forbidden = false;
  while (members.next(member)) {
    const std::string_view key = member.key;
    const std::string_view value = member.value;
    if (key == "model") {
      ask.model = value;
    } else if (key == "messages" || key == "input" || key == "prompt" || key == "system" ||
               key == "instructions") {
      ask.input_bytes += static_cast<int64_t>(value.size());
      if (key == "input") ask.input = value;
      tool_result = tool_result || has_tool_result(value);
    } else if (key == "stream") {
      ask.stream = json_true(value);
    } else if (key == "stream_options") {
      ask.include_usage = json_true(json_member(value, "include_usage"));
    } else if (key == "tools") {
      ask.tools = value;
    } else if (key == "tool_choice") {
      tools_forbidden = value == "\"none\"";
    } else if (key == "encoding_format") {
      ask.encoding_format = value;
    } else if (key == "mock") {
      ask.mock = value;
    }
  }
  ask.body_is_json = !members.failed();
  if (!ask.body_is_json) ask.input_bytes = static_cast<int64_t>(request.body_bytes);
  if (tool_result || tools_forbidden || json_array_size(ask.tools) == 0) ask.tools = {};
}

Usage usage_of(const Ask& ask, const Behavior& behavior) {
  Usage usage;
  usage.prompt = behavior.prompt_tokens >= 0 ? behavior.prompt_tokens : (ask.input_bytes + 3) / 4;
  usage.cached = behavior.cached_tokens;
  usage.reasoning = behavior.reasoning_tokens;
  usage.completion = piece_count(behavior) + behavior.reasoning_tokens;
  return usage;
}

int64_t piece_count(const Behavior& behavior) {
  if (behavior.text.empty()) return behavior.tokens;
  int64_t count = 1;
  for (const char c : behavior.text) count += c == ' ' ? 1 : 0;
  return count;
}

std::string piece_of(const Behavior& behavior, int64_t i) {
  if (behavior.text.empty()) {
    std::string piece(kWords[static_cast<size_t>(i) % std::size(kWords)]);
    if (i + 1 < behavior.tokens) piece += ' ';
    return piece;
  }
  size_t start = 0;
  for (; i > 0; --i) start = behavior.text.find(' ', start) + 1;
  const size_t end = behavior.text.find(' ', start);
  return behavior.text.substr(start, end == std::string::npos ? end : end + 1 - start);
}

void append_answer(Reply& reply, const Behavior& behavior) {
  if (behavior.text.empty()) {
    reply.body += '"';
    for (int64_t i = 0; i < behavior.tokens; ++i) {
      reply.body += kWords[static_cast<size_t>(i) % std::size(kWords)];
      if (i + 1 < behavior.tokens) reply.body += ' ';
    }
    reply.body += '"';
  } else {
    append_quoted(reply.body, behavior.text);
  }
  reply.fill_at = reply.body.size() - 1;
}

void append_model(std::string& out, const Ask& ask, std::string_view otherwise) {
  if (ask.model.starts_with('"')) {
    out += ask.model;
  } else {
    append_quoted(out, otherwise);
  }
}

std::string_view tool_name(const Ask& ask) {
  const std::string_view tool = json_array_first(ask.tools);
  std::string_view name = json_member(json_member(tool, "function"), "name");
  if (name.empty()) name = json_member(tool, "name");
  return name.starts_with('"') ? name : std::string_view("\"get_weather\"");
}

Protocol protocol_of(const Ask& ask) {
  if (ask.path.ends_with("/messages") || ask.path.ends_with("/messages/count_tokens"))
    return Protocol::kAnthropic;
  if (ask.path.ends_with("/oauth2/v2.0/token") || ask.path.ends_with("/oauth2/token") ||
      ask.path.ends_with("/msi/token")) {
    return Protocol::kIdentity;
  }
  if (ask.path.starts_with("/v2/") || ask.path.ends_with("/invocations") ||
      ask.path.ends_with("/score") || ask.path.starts_with("/predict/")) {
    return Protocol::kInference;
  }
  return Protocol::kOpenAi;
}

void make_reply(Reply& reply, const Request& request, const Ask& ask, const Behavior& behavior) {
  if (openai_reply(reply, ask, behavior) || anthropic_reply(reply, ask, behavior) ||
      inference_reply(reply, request, ask, behavior) ||
      identity_reply(reply, request, ask, behavior)) {
    return;
  }
  make_failure(reply, ask, 404, "The mock has no such path: " + std::string(ask.path));
}

void make_failure(Reply& reply, const Ask& ask, int status, std::string_view message) {
  reply.status = status;
  switch (protocol_of(ask)) {
    case Protocol::kAnthropic: append_anthropic_error(reply.body, status, message); break;
    case Protocol::kInference:
      reply.body += "{\"error\":";
      append_quoted(reply.body, message);
      reply.body += '}';
      break;
    case Protocol::kIdentity:
      reply.body += status == 401 || status == 400 ? "{\"error\":\"invalid_client\""
                                                   : "{\"error\":\"temporarily_unavailable\"";
      reply.body += ",\"error_codes\":[7000215],\"error_description\":";
      append_quoted(reply.body, message);
      reply.body += '}';
      break;
    case Protocol::kOpenAi: append_openai_error(reply.body, status, message); break;
  }
}

std::string error_event(const Ask& ask, int status) {
  std::string out;
  if (protocol_of(ask) == Protocol::kAnthropic) {
    out = "event: error\ndata: ";
    append_anthropic_error(out, status, "Overloaded");
  } else if (ask.path.ends_with("/responses")) {
    out =
        "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"The "
        "server had an error "
        "while processing your request\",\"param\":null,\"sequence_number\":99}";
  } else {
    out = "data: ";
    append_openai_error(out, status, "The server had an error while processing your request");
  }
  out += "\n\n";
  return out;
}

}  // namespace mock
