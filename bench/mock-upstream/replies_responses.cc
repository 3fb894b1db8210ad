// OpenAI's Responses API: one JSON object, or typed events with sequence numbers
// (platform.openai.com/docs/api-reference/responses-streaming).
#include "mock-upstream/json.h"
#include "mock-upstream/replies.h"

namespace mock {
namespace {

void append_usage(std::string& out, const Usage& usage) {
  out += "{\"input_tokens\":";
  append_number(out, usage.prompt);
  out += ",\"input_tokens_details\":{\"cached_tokens\":";
  append_number(out, usage.cached);
  out += "},\"output_tokens\":";
  append_number(out, usage.completion);
  out += ",\"output_tokens_details\":{\"reasoning_tokens\":";
  append_number(out, usage.reasoning);
  out += "},\"total_tokens\":";
  append_number(out, usage.prompt + usage.completion);
  out += '}';
}

std::string whole_text(const Behavior& behavior) {
  std::string text;
  for (int64_t i = 0; i < piece_count(behavior); ++i) text += piece_of(behavior, i);
  return text;
}

std::string output_item(const Ask& ask, std::string_view status, std::string_view text) {
  std::string out;
  if (!ask.tools.empty()) {
    out = "{\"id\":\"fc_mock\",\"type\":\"function_call\",\"status\":\"";
    out += status;
    out += "\",\"arguments\":";
    append_quoted(out, text);
    out += ",\"call_id\":\"call_mock\",\"name\":";
    out += tool_name(ask);
    return out + "}";
  }
  out = "{\"id\":\"msg_mock\",\"type\":\"message\",\"status\":\"";
  out += status;
  out += "\",\"role\":\"assistant\",\"content\":[";
  if (status == "completed") {
    out += "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":";
    append_quoted(out, text);
    out += '}';
  }
  return out + "]}";
}

// `output` is the raw JSON of the items so far; usage only when completed.
void append_response(std::string& out, const Ask& ask, std::string_view status,
                     std::string_view output, const Usage* usage) {
  out += "{\"id\":\"resp_mock";
  append_number(out, static_cast<int64_t>(ask.serial));
  out += "\",\"object\":\"response\",\"created_at\":";
  append_number(out, unix_seconds());
  out += ",\"status\":\"";
  out += status;
  out +=
      "\",\"background\":false,\"error\":null,\"incomplete_details\":null,\"instructions\":null,"
      "\"max_output_tokens\":null,\"model\":";
  append_model(out, ask, "gpt-4o-mini");
  out += ",\"output\":[";
  out += output;
  out +=
      "],\"parallel_tool_calls\":true,\"previous_response_id\":null,\"reasoning\":{\"effort\":null,"
      "\"summary\":null},"
      "\"store\":true,\"temperature\":1.0,\"text\":{\"format\":{\"type\":\"text\"}},\"tool_"
      "choice\":\"auto\","
      "\"tools\":[],\"top_p\":1.0,\"truncation\":\"disabled\",\"usage\":";
  if (usage != nullptr) {
    append_usage(out, *usage);
  } else {
    out += "null";
  }
  out += ",\"user\":null,\"metadata\":{}}";
}

class EventList {
 public:
  explicit EventList(Reply& reply) : reply_(reply) {}
  // `members` is the raw JSON of what follows type and sequence_number, without braces.
  void add(std::string_view type, std::string_view members, bool token = false) {
    std::string text = "event: ";
    text += type;
    text += "\ndata: {\"type\":\"";
    text += type;
    text += "\",\"sequence_number\":";
    append_number(text, sequence_++);
    text += ',';
    text += members;
    text += "}\n\n";
    reply_.events.push_back({std::move(text), token});
  }

 private:
  Reply& reply_;
  int64_t sequence_ = 0;
};

std::string response_member(const Ask& ask, std::string_view status, std::string_view output,
                            const Usage* usage) {
  std::string out = "\"response\":";
  append_response(out, ask, status, output, usage);
  return out;
}

void text_events(EventList& events, const Behavior& behavior, const std::string& text) {
  const std::string place = R"("item_id":"msg_mock","output_index":0,"content_index":0,)";
  events.add("response.content_part.added",
             place + R"("part":{"type":"output_text","annotations":[],"logprobs":[],"text":""})");
  for (int64_t i = 0; i < piece_count(behavior); ++i) {
    std::string members = place + "\"logprobs\":[],\"delta\":";
    append_quoted(members, piece_of(behavior, i));
    events.add("response.output_text.delta", members, true);
  }
  std::string members = place + "\"logprobs\":[],\"text\":";
  append_quoted(members, text);
  events.add("response.output_text.done", members);
  members = place + R"("part":{"type":"output_text","annotations":[],"logprobs":[],"text":)";
  append_quoted(members, text);
  events.add("response.content_part.done", members + "}");
}

void tool_events(EventList& events, const Ask& ask) {
  const std::string place = R"("item_id":"fc_mock","output_index":0,)";
  for (const std::string_view part : {kToolArguments.substr(0, 12), kToolArguments.substr(12)}) {
    std::string members = place + "\"delta\":";
    append_quoted(members, part);
    events.add("response.function_call_arguments.delta", members, true);
  }
  std::string members = place + "\"name\":" + std::string(tool_name(ask)) + ",\"arguments\":";
  append_quoted(members, kToolArguments);
  events.add("response.function_call_arguments.done", members);
}

}  // namespace

void responses_reply(Reply& reply, const Ask& ask, const Behavior& behavior) {
  const Usage usage = usage_of(ask, behavior);
  const std::string text = ask.tools.empty() ? whole_text(behavior) : std::string(kToolArguments);
  const std::string item = output_item(ask, "completed", text);
  if (!ask.stream) {
    append_response(reply.body, ask, "completed", item, &usage);
    return;
  }
  EventList events(reply);
  events.add("response.created", response_member(ask, "in_progress", "", nullptr));
  events.add("response.in_progress", response_member(ask, "in_progress", "", nullptr));
  events.add("response.output_item.added",
             "\"output_index\":0,\"item\":" + output_item(ask, "in_progress", ""));
  if (ask.tools.empty()) {
    text_events(events, behavior, text);
  } else {
    tool_events(events, ask);
  }
  events.add("response.output_item.done", "\"output_index\":0,\"item\":" + item);
  events.add("response.completed", response_member(ask, "completed", item, &usage));
  reply.terminal_events = 1;
}

}  // namespace mock
