// OpenAI's API and Azure OpenAI's, which differ only in their paths:
// platform.openai.com/docs/api-reference (chat, completions, embeddings, moderations,
// images, audio, models). The Responses API is in replies_responses.cc.
#include <array>
#include <cmath>

#include "mock-upstream/json.h"
#include "mock-upstream/replies.h"

namespace mock {
namespace {

constexpr std::string_view kModel = "gpt-4o-mini";
constexpr std::string_view kFingerprint = "\"fp_mock\"";
// As OpenAI's small models answer; tests read the shape, not the length.
constexpr int kEmbeddingDimensions = 16;

void append_usage(std::string& out, const Usage& usage) {
  out += "{\"prompt_tokens\":";
  append_number(out, usage.prompt);
  out += ",\"completion_tokens\":";
  append_number(out, usage.completion);
  out += ",\"total_tokens\":";
  append_number(out, usage.prompt + usage.completion);
  out += ",\"prompt_tokens_details\":{\"cached_tokens\":";
  append_number(out, usage.cached);
  out += ",\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":";
  append_number(out, usage.reasoning);
  out += ",\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}";
}

void append_chat_start(std::string& out, const Ask& ask, std::string_view id,
                       std::string_view object) {
  out += "{\"id\":\"";
  out += id;
  append_number(out, static_cast<int64_t>(ask.serial));
  out += "\",\"object\":\"";
  out += object;
  out += "\",\"created\":";
  append_number(out, unix_seconds());
  out += ",\"model\":";
  append_model(out, ask, kModel);
  out += ",\"system_fingerprint\":";
  out += kFingerprint;
}

void chat_body(Reply& reply, const Ask& ask, const Behavior& behavior) {
  std::string& out = reply.body;
  append_chat_start(out, ask, "chatcmpl-mock", "chat.completion");
  out += ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":";
  if (ask.tools.empty()) {
    append_answer(reply, behavior);
  } else {
    out +=
        "null,\"tool_calls\":[{\"id\":\"call_mock\",\"type\":\"function\",\"function\":{\"name\":";
    out += tool_name(ask);
    out += ",\"arguments\":";
    append_quoted(out, kToolArguments);
    out += "}}]";
  }
  out += ",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":";
  append_quoted(out, !behavior.finish_reason.empty() ? std::string_view(behavior.finish_reason)
                     : ask.tools.empty()             ? "stop"
                                                     : "tool_calls");
  out += "}],\"usage\":";
  append_usage(out, usage_of(ask, behavior));
  out += ",\"service_tier\":\"default\"}";
}

void chat_stream(Reply& reply, const Ask& ask, const Behavior& behavior) {
  std::string start = "data: ";
  append_chat_start(start, ask, "chatcmpl-mock", "chat.completion.chunk");
  const std::string_view usage_null = ask.include_usage ? ",\"usage\":null" : "";
  const auto add = [&](std::string_view delta, std::string_view finish, bool token) {
    std::string text = start;
    text += ",\"choices\":[{\"index\":0,\"delta\":";
    text += delta;
    text += ",\"logprobs\":null,\"finish_reason\":";
    text += finish;
    text += "}]";
    text += usage_null;
    text += "}\n\n";
    reply.events.push_back({std::move(text), token});
  };
  std::string finish;
  if (ask.tools.empty()) {
    add(R"({"role":"assistant","content":"","refusal":null})", "null", false);
    for (int64_t i = 0; i < piece_count(behavior); ++i) {
      std::string delta = "{\"content\":";
      std::string piece = piece_of(behavior, i);
      if (i == 0 && behavior.body_bytes > 0)
        piece.append(static_cast<size_t>(behavior.body_bytes), 'x');
      append_quoted(delta, piece);
      delta += '}';
      add(delta, "null", true);
    }
    append_quoted(
        finish, behavior.finish_reason.empty() ? "stop" : std::string_view(behavior.finish_reason));
  } else {
    std::string delta =
        R"({"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_mock","type":"function","function":{"name":)";
    delta += tool_name(ask);
    delta += R"(,"arguments":""}}],"refusal":null})";
    add(delta, "null", false);
    for (const std::string_view part : {kToolArguments.substr(0, 12), kToolArguments.substr(12)}) {
      delta = "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":";
      append_quoted(delta, part);
      delta += "}}]}";
      add(delta, "null", true);
    }
    finish = "\"tool_calls\"";
  }
  add("{}", finish, false);
  if (ask.include_usage) {
    std::string text = start + ",\"choices\":[],\"usage\":";
    append_usage(text, usage_of(ask, behavior));
    text += "}\n\n";
    reply.events.push_back({std::move(text), false});
  }
  reply.events.push_back({"data: [DONE]\n\n", false});
  reply.terminal_events = 1;
}

void completion_body(Reply& reply, const Ask& ask, const Behavior& behavior) {
  append_chat_start(reply.body, ask, "cmpl-mock", "text_completion");
  reply.body += ",\"choices\":[{\"index\":0,\"text\":";
  append_answer(reply, behavior);
  reply.body += ",\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":";
  append_usage(reply.body, usage_of(ask, behavior));
  reply.body += '}';
}

void completion_stream(Reply& reply, const Ask& ask, const Behavior& behavior) {
  std::string start = "data: ";
  append_chat_start(start, ask, "cmpl-mock", "text_completion");
  const int64_t count = piece_count(behavior);
  for (int64_t i = 0; i < count; ++i) {
    std::string text = start + ",\"choices\":[{\"index\":0,\"text\":";
    append_quoted(text, piece_of(behavior, i));
    text += ",\"logprobs\":null,\"finish_reason\":";
    text += i + 1 == count ? "\"stop\"}]" : "null}]";
    text += ask.include_usage ? ",\"usage\":null}\n\n" : "}\n\n";
    reply.events.push_back({std::move(text), true});
  }
  if (ask.include_usage) {
    std::string text = start + ",\"choices\":[],\"usage\":";
    append_usage(text, usage_of(ask, behavior));
    text += "}\n\n";
    reply.events.push_back({std::move(text), false});
  }
  reply.events.push_back({"data: [DONE]\n\n", false});
  reply.terminal_events = 1;
}

std::string base64(std::string_view bytes) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += i + j > bytes.size() ? '=' : kAlphabet[group >> (18 - 6 * j) & 63];
    }
  }
  return out;
}

void embeddings_body(Reply& reply, const Ask& ask, const Behavior& behavior) {
  std::string& out = reply.body;
  out += "{\"object\":\"list\",\"data\":[";
  // An array of numbers is one input of tokens; an array of strings or arrays is many.
  const std::string_view first = json_array_first(ask.input);
  const bool many = first.starts_with('"') || first.starts_with('[');
  const size_t count = many ? json_array_size(ask.input) : 1;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    out += "{\"object\":\"embedding\",\"index\":";
    append_number(out, static_cast<int64_t>(i));
    out += ",\"embedding\":";
    std::array<float, kEmbeddingDimensions> vector;
    for (size_t d = 0; d < vector.size(); ++d)
      vector[d] = std::sin(static_cast<float>(i * 31 + d + 1)) / 4;
    if (ask.encoding_format == "\"base64\"") {
      out += '"';
      out += base64({reinterpret_cast<const char*>(vector.data()), sizeof vector});
      out += '"';
    } else {
      for (size_t d = 0; d < vector.size(); ++d) {
        out += d == 0 ? '[' : ',';
        out += std::to_string(vector[d]);
      }
      out += ']';
    }
    out += '}';
  }
  out += "],\"model\":";
  append_model(out, ask, "text-embedding-3-small");
  const int64_t prompt = usage_of(ask, behavior).prompt;
  out += ",\"usage\":{\"prompt_tokens\":";
  append_number(out, prompt);
  out += ",\"total_tokens\":";
  append_number(out, prompt);
  out += "}}";
}

void moderation_body(Reply& reply, const Ask& ask) {
  static constexpr std::string_view kCategories[] = {"harassment",
                                                     "harassment/threatening",
                                                     "hate",
                                                     "hate/threatening",
                                                     "illicit",
                                                     "illicit/violent",
                                                     "self-harm",
                                                     "self-harm/intent",
                                                     "self-harm/instructions",
                                                     "sexual",
                                                     "sexual/minors",
                                                     "violence",
                                                     "violence/graphic"};
  std::string& out = reply.body;
  out += "{\"id\":\"modr-mock";
  append_number(out, static_cast<int64_t>(ask.serial));
  out += "\",\"model\":";
  append_model(out, ask, "omni-moderation-latest");
  out += ",\"results\":[{\"flagged\":false";
  for (const auto& [member, value] :
       {std::pair{"categories", "false"}, std::pair{"category_scores", "0.00021"},
        std::pair{"category_applied_input_types", "[\"text\"]"}}) {
    out += ",\"";
    out += member;
    out += "\":{";
    for (const std::string_view category : kCategories) {
      if (out.back() != '{') out += ',';
      append_quoted(out, category);
      out += ':';
      out += value;
    }
    out += '}';
  }
  out += "}]}";
}

void image_body(Reply& reply, const Ask& ask, const Behavior& behavior) {
  // A 1 x 1 PNG.
  reply.body = "{\"created\":";
  append_number(reply.body, unix_seconds());
  reply.body +=
      ",\"data\":[{\"b64_json\":\"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+"
      "M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\"}]";
  const Usage usage = usage_of(ask, behavior);
  reply.body += ",\"usage\":{\"input_tokens\":";
  append_number(reply.body, usage.prompt);
  reply.body += ",\"input_tokens_details\":{\"text_tokens\":";
  append_number(reply.body, usage.prompt);
  reply.body += ",\"image_tokens\":0},\"output_tokens\":1056,\"total_tokens\":";
  append_number(reply.body, usage.prompt + 1056);
  reply.body += "}}";
}

void models_body(Reply& reply, const Ask& ask) {
  static constexpr std::string_view kModels[] = {"gpt-4o-mini", "gpt-4o", "text-embedding-3-small",
                                                 "claude-sonnet-4-5"};
  const auto append = [&](std::string_view id) {
    reply.body += "{\"id\":";
    append_quoted(reply.body, id);
    reply.body += ",\"object\":\"model\",\"created\":1715367049,\"owned_by\":\"system\"}";
  };
  if (!ask.path.ends_with("/models")) {
    append(ask.path.substr(ask.path.rfind('/') + 1));
    return;
  }
  reply.body = "{\"object\":\"list\",\"data\":[";
  for (const std::string_view id : kModels) {
    if (reply.body.back() != '[') reply.body += ',';
    append(id);
  }
  reply.body += "]}";
}

void transcription_body(Reply& reply, const Behavior& behavior) {
  reply.body = "{\"text\":";
  append_answer(reply, behavior);
  reply.body += ",\"usage\":{\"type\":\"duration\",\"seconds\":12}}";
}

}  // namespace

bool openai_reply(Reply& reply, const Ask& ask, const Behavior& behavior) {
  const std::string_view path = ask.path;
  if (path.starts_with("/openai/deployments/") &&
      ask.query.find("api-version=") == std::string_view::npos) {
    reply.status = 404;
    reply.body = R"({"error":{"code":"404","message":"Resource not found"}})";
    return true;
  }
  reply.stream = ask.stream;
  if (path.ends_with("/chat/completions")) {
    ask.stream ? chat_stream(reply, ask, behavior) : chat_body(reply, ask, behavior);
  } else if (path.ends_with("/completions")) {
    ask.stream ? completion_stream(reply, ask, behavior) : completion_body(reply, ask, behavior);
  } else if (path.ends_with("/responses")) {
    responses_reply(reply, ask, behavior);
  } else {
    reply.stream = false;
    if (path.ends_with("/embeddings")) {
      embeddings_body(reply, ask, behavior);
    } else if (path.ends_with("/moderations")) {
      moderation_body(reply, ask);
    } else if (path.find("/images/") != std::string_view::npos) {
      image_body(reply, ask, behavior);
    } else if (path.ends_with("/audio/transcriptions") || path.ends_with("/audio/translations")) {
      transcription_body(reply, behavior);
    } else if (path.ends_with("/audio/speech")) {
      // The first bytes of an MP3 with an ID3 tag; body_bytes makes it longer.
      reply.content_type = "audio/mpeg";
      reply.body.assign("ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x64", 14);
      reply.body.append(2048, '\0');
    } else if (path.ends_with("/models") ||
               (path.find("/models/") != std::string_view::npos && !path.starts_with("/v2/"))) {
      models_body(reply, ask);
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace mock
