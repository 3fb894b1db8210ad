// Anthropic's Messages API: docs.anthropic.com/en/api/messages and .../messages-streaming.
#include "mock-upstream/json.h"
#include "mock-upstream/replies.h"

namespace mock {
namespace {

// Anthropic counts tokens read from cache apart from input_tokens.
void append_usage(std::string& out, const Usage& usage, int64_t output_tokens) {
  out += "{\"input_tokens\":";
  append_number(out, usage.prompt);
  out += ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":";
  append_number(out, usage.cached);
  out += ",\"output_tokens\":";
  append_number(out, output_tokens);
  out += ",\"service_tier\":\"standard\"}";
}

std::string stop_reason(const Ask& ask, const Behavior& behavior) {
  if (!behavior.finish_reason.empty()) return behavior.finish_reason;
  return ask.tools.empty() ? "end_turn" : "tool_use";
}

void append_message_start(std::string& out, const Ask& ask) {
  out += "{\"id\":\"msg_mock";
  append_number(out, static_cast<int64_t>(ask.serial));
  out += "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":";
  append_model(out, ask, "claude-sonnet-4-5");
  out += ",\"content\":[";
}

void message_body(Reply& reply, const Ask& ask, const Behavior& behavior) {
  std::string& out = reply.body;
  append_message_start(out, ask);
  if (ask.tools.empty()) {
    out += "{\"type\":\"text\",\"text\":";
    append_answer(reply, behavior);
    out += '}';
  } else {
    out += "{\"type\":\"tool_use\",\"id\":\"toolu_mock\",\"name\":";
    out += tool_name(ask);
    out += ",\"input\":";
    out += kToolArguments;
    out += '}';
  }
  out += "],\"stop_reason\":";
  append_quoted(out, stop_reason(ask, behavior));
  out += ",\"stop_sequence\":null,\"usage\":";
  const Usage usage = usage_of(ask, behavior);
  append_usage(out, usage, usage.completion);
  out += '}';
}

void add_event(Reply& reply, std::string_view type, std::string_view members, bool token = false) {
  std::string text = "event: ";
  text += type;
  text += "\ndata: {\"type\":\"";
  text += type;
  text += '"';
  text += members;
  text += "}\n\n";
  reply.events.push_back({std::move(text), token});
}

void message_stream(Reply& reply, const Ask& ask, const Behavior& behavior) {
  const Usage usage = usage_of(ask, behavior);
  std::string members = ",\"message\":";
  append_message_start(members, ask);
  members += "],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":";
  append_usage(members, usage, 1);
  add_event(reply, "message_start", members + "}");
  if (ask.tools.empty()) {
    add_event(reply, "content_block_start",
              R"(,"index":0,"content_block":{"type":"text","text":""})");
    add_event(reply, "ping", "");
    for (int64_t i = 0; i < piece_count(behavior); ++i) {
      members = R"(,"index":0,"delta":{"type":"text_delta","text":)";
      append_quoted(members, piece_of(behavior, i));
      add_event(reply, "content_block_delta", members + "}", true);
    }
  } else {
    members = R"(,"index":0,"content_block":{"type":"tool_use","id":"toolu_mock","name":)";
    members += tool_name(ask);
    add_event(reply, "content_block_start", members + ",\"input\":{}}");
    add_event(reply, "ping", "");
    for (const std::string_view part : {kToolArguments.substr(0, 12), kToolArguments.substr(12)}) {
      members = R"(,"index":0,"delta":{"type":"input_json_delta","partial_json":)";
      append_quoted(members, part);
      add_event(reply, "content_block_delta", members + "}", true);
    }
  }
  add_event(reply, "content_block_stop", ",\"index\":0");
  members = ",\"delta\":{\"stop_reason\":";
  append_quoted(members, stop_reason(ask, behavior));
  members += ",\"stop_sequence\":null},\"usage\":{\"output_tokens\":";
  append_number(members, usage.completion);
  add_event(reply, "message_delta", members + "}");
  add_event(reply, "message_stop", "");
  reply.terminal_events = 1;
}

}  // namespace

bool anthropic_reply(Reply& reply, const Ask& ask, const Behavior& behavior) {
  if (ask.path.ends_with("/messages/count_tokens")) {
    reply.stream = false;
    reply.body = "{\"input_tokens\":";
    append_number(reply.body, usage_of(ask, behavior).prompt);
    reply.body += '}';
    return true;
  }
  if (!ask.path.ends_with("/messages")) return false;
  reply.stream = ask.stream;
  reply.headers += "request-id: req_mock";
  append_number(reply.headers, static_cast<int64_t>(ask.serial));
  reply.headers += "\r\n";
  ask.stream ? message_stream(reply, ask, behavior) : message_body(reply, ask, behavior);
  return true;
}

}  // namespace mock
