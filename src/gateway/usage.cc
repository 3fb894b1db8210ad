#include "gateway/usage.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "gateway/json_skim.h"
#include "wire/json_edit.h"

namespace gatehouse::gateway {

namespace {

// More tokens than any call can have: what is beyond is a lie or a mistake, and
// must not overflow a bill.
constexpr int64_t kTokensMax = 1'000'000'000;

// The text of a string value, unescaped; "" for another type.
void assign_string(std::string& out, std::string_view value) {
  if (value.size() < 2 || value.front() != '"') return;
  const std::string_view raw = value.substr(1, value.size() - 2);
  if (raw.find('\\') == std::string_view::npos) {
    if (out != raw) out.assign(raw);
  } else if (auto text = wire::json_string(value)) {
    out = std::move(*text);
  }
}

bool is_string(std::string_view value) { return value.size() >= 2 && value.front() == '"'; }
bool is_object(std::string_view value) { return !value.empty() && value.front() == '{'; }
bool is_null(std::string_view value) { return value == "null"; }

void read_count(int64_t& out, std::string_view value) {
  int64_t number = 0;
  if (value.empty()) return;
  for (const char c : value) {
    if (c < '0' || c > '9') {
      // 12.0, 1e3: some servers count in doubles.
      if (const auto real = parse_double(value); real && *real >= 0) {
        out = static_cast<int64_t>(std::min(*real, static_cast<double>(kTokensMax)));
      }
      return;
    }
    number = std::min(kTokensMax, number * 10 + (c - '0'));
  }
  out = number;
}

// The counts of a usage object as they stand there; -1: absent.
struct RawUsage {
  int64_t input = -1, output = -1, cache_read = -1, cache_write = -1;
  int64_t cached = -1, audio_input = -1, reasoning = -1, audio_output = -1;
  double seconds = -1;
  bool any() const { return input >= 0 || output >= 0 || seconds >= 0; }
};

void read_details(JsonSkim& outer, int64_t& audio, int64_t& cached, int64_t& reasoning) {
  JsonSkim details = outer.enter();
  std::string_view key;
  std::string_view count;
  while (details.is_object() && details.next(key, count)) {
    if (key == "cached_tokens") read_count(cached, count);
    if (key == "audio_tokens") read_count(audio, count);
    if (key == "reasoning_tokens") read_count(reasoning, count);
  }
  if (!details.is_object()) details.skip_rest();
  outer.leave(details);
}

RawUsage read_raw(JsonSkim& usage) {
  RawUsage out;
  if (!usage.is_object()) return out;
  std::string_view key;
  std::string_view count;
  int64_t unused = -1;
  while (usage.next_key(key)) {
    if (key.ends_with("_details")) {
      if (key == "prompt_tokens_details" || key == "input_tokens_details" ||
          key == "input_token_details") {
        read_details(usage, out.audio_input, out.cached, unused);
      } else if (key == "completion_tokens_details" || key == "output_tokens_details" ||
                 key == "output_token_details") {
        read_details(usage, out.audio_output, unused, out.reasoning);
      } else {
        usage.skip();
      }
      continue;
    }
    if (!usage.read_value(count)) break;
    if (key == "prompt_tokens" || key == "input_tokens") {
      read_count(out.input, count);
    } else if (key == "completion_tokens" || key == "output_tokens") {
      read_count(out.output, count);
    } else if (key == "cache_read_input_tokens") {
      read_count(out.cache_read, count);
    } else if (key == "cache_creation_input_tokens") {
      read_count(out.cache_write, count);
    } else if (key == "prompt_cache_hit_tokens") {  // DeepSeek
      read_count(out.cached, count);
    } else if (key == "seconds") {  // transcriptions by duration
      if (const auto seconds = parse_double(count)) out.seconds = std::clamp(*seconds, 0.0, 1e6);
    }
  }
  return out;
}

void set_if_told(int64_t& out, int64_t told) {
  if (told >= 0) out = told;
}

bool apply_raw(Operation operation, const RawUsage& raw, Usage& out) {
  if (!raw.any()) return false;
  out.reported = true;
  if (operation == Operation::kMessages) {
    // Cached tokens are counted beside input_tokens. A later event may tell
    // only some of the three, and totals, not increments.
    int64_t plain =
        std::max<int64_t>(0, out.input_tokens - out.cached_input_tokens - out.cache_write_tokens);
    set_if_told(plain, raw.input);
    set_if_told(out.cached_input_tokens, raw.cache_read);
    set_if_told(out.cache_write_tokens, raw.cache_write);
    out.input_tokens = plain + out.cached_input_tokens + out.cache_write_tokens;
  } else {
    set_if_told(out.input_tokens, raw.input);
    set_if_told(out.cached_input_tokens, raw.cache_read);
    set_if_told(out.cached_input_tokens, raw.cached);
    set_if_told(out.cache_write_tokens, raw.cache_write);
  }
  set_if_told(out.output_tokens, raw.output);
  set_if_told(out.audio_input_tokens, raw.audio_input);
  set_if_told(out.reasoning_tokens, raw.reasoning);
  set_if_told(out.audio_output_tokens, raw.audio_output);
  if (raw.seconds >= 0) out.audio_seconds = raw.seconds;
  // No part is more than its whole, whatever the upstream says.
  out.cached_input_tokens = std::min(out.cached_input_tokens, out.input_tokens);
  out.cache_write_tokens =
      std::min(out.cache_write_tokens, out.input_tokens - out.cached_input_tokens);
  out.audio_input_tokens = std::min(out.audio_input_tokens, out.input_tokens);
  out.reasoning_tokens = std::min(out.reasoning_tokens, out.output_tokens);
  out.audio_output_tokens =
      std::min(out.audio_output_tokens, out.output_tokens - out.reasoning_tokens);
  return true;
}

// An error as a member: {"message":…,"type":…,"code":…}, or only a message.
void read_error(std::string_view value, Usage& out) {
  if (is_string(value)) {
    assign_string(out.error_message, value);
    return;
  }
  JsonSkim error(value);
  if (!error.is_object()) return;
  std::string_view key;
  std::string_view text;
  while (error.next(key, text)) {
    if (key == "message") assign_string(out.error_message, text);
    if (key == "type") assign_string(out.error_type, text);
    if (key == "code") {
      if (is_string(text)) {
        assign_string(out.error_code, text);
      } else if (!is_null(text) && text.size() < 32) {
        out.error_code = text;  // a number, as vLLM's
      }
    }
  }
  if (!out.failed()) out.error_type = "unknown_error";
}

// Sums the probabilities of the tokens in a "logprobs" value: chat's
// {"content":[{"logprob":…}]} and completions' {"token_logprobs":[…]}.
void read_logprobs(std::string_view value, double& sum, int64_t& count) {
  JsonSkim logprobs(value);
  if (!logprobs.is_object()) return;
  auto add = [&](std::string_view number) {
    if (const auto log = parse_double(number); log && *log <= 0) {
      sum += std::exp(*log);
      ++count;
    }
  };
  std::string_view key;
  std::string_view list;
  while (logprobs.next(key, list)) {
    const bool tokens = key == "content";
    if (!tokens && key != "token_logprobs") continue;
    JsonSkim items(list);
    if (!items.is_array()) continue;
    std::string_view item;
    while (items.next_item(item)) {
      if (!tokens) {
        add(item);
        continue;
      }
      JsonSkim token(item);
      if (!token.is_object()) continue;
      std::string_view name;
      std::string_view number;
      while (token.next(name, number)) {
        if (name == "logprob") add(number);
      }
    }
  }
}

void read_whole_choices(JsonSkim& outer, Usage& out) {
  JsonSkim choices = outer.enter();
  double sum = 0;
  int64_t count = 0;
  while (choices.is_array() && choices.next_place()) {
    JsonSkim members = choices.enter();
    std::string_view key;
    std::string_view member;
    while (members.is_object() && members.next(key, member)) {
      // The first choice speaks for all.
      if (key == "finish_reason" && out.finish_reason.empty()) {
        assign_string(out.finish_reason, member);
      } else if (key == "logprobs" && is_object(member)) {
        read_logprobs(member, sum, count);
      }
    }
    if (!members.is_object()) members.skip_rest();
    choices.leave(members);
  }
  if (!choices.is_array()) choices.skip_rest();
  outer.leave(choices);
  if (count > 0) out.confidence = sum / static_cast<double>(count);
}

int64_t count_items(std::string_view value) {
  JsonSkim items(value);
  if (!items.is_array()) return 0;
  int64_t count = 0;
  std::string_view item;
  while (items.next_item(item)) ++count;
  return count;
}

// {"reason":"max_output_tokens"}
void read_incomplete(std::string_view value, Usage& out) {
  JsonSkim details(value);
  if (!details.is_object()) return;
  std::string_view key;
  std::string_view text;
  while (details.next(key, text)) {
    if (key == "reason") assign_string(out.finish_reason, text);
  }
}

// The members that a reply, and the "response" or "message" of an event, share.
void read_member(Operation operation, std::string_view key, std::string_view value, Usage& out) {
  if (key == "usage") {
    (void)read_usage_object(operation, value, out);
  } else if (key == "model") {
    assign_string(out.model, value);
  } else if (key == "error") {
    if (!is_null(value)) read_error(value, out);
  } else if (key == "service_tier") {
    assign_string(out.service_tier, value);
  } else if (key == "stop_reason") {
    assign_string(out.finish_reason, value);
  } else if (operation == Operation::kResponses && key == "status") {
    if (out.finish_reason.empty()) assign_string(out.finish_reason, value);
  } else if (operation == Operation::kResponses && key == "incomplete_details") {
    read_incomplete(value, out);
  } else if (operation == Operation::kImages && key == "data") {
    out.images = count_items(value);
  } else if (operation == Operation::kAudio && key == "duration") {
    if (const auto seconds = parse_double(value)) {
      out.audio_seconds = std::clamp(*seconds, 0.0, 1e6);
    }
  }
}

bool read_members(Operation operation, std::string_view json, Usage& out) {
  JsonSkim members(json);
  if (!members.is_object()) return false;
  std::string_view key;
  std::string_view value;
  while (members.next_key(key)) {
    if (key == "choices") {
      read_whole_choices(members, out);
    } else if (key == "usage") {
      JsonSkim usage = members.enter();
      const RawUsage raw = read_raw(usage);
      if (usage.closed()) apply_raw(operation, raw, out);  // a cut number is another number
      if (!usage.is_object()) usage.skip_rest();
      members.leave(usage);
    } else if (members.read_value(value)) {
      read_member(operation, key, value, out);
    }
  }
  return members.closed();
}

}  // namespace

void Usage::clear() { *this = Usage(); }

bool read_usage(Operation operation, std::string_view body, Usage& out) {
  return read_members(operation, body, out);
}

bool read_usage_object(Operation operation, std::string_view usage, Usage& out) {
  JsonSkim members(usage);
  const RawUsage raw = read_raw(members);
  return members.closed() && apply_raw(operation, raw, out);
}

void estimate_usage(Usage& usage, size_t prompt_bytes, size_t output_bytes) {
  if (usage.input_tokens == 0 && prompt_bytes > 0) {
    usage.input_tokens = likely_tokens(prompt_bytes);
    usage.estimated = true;
  }
  if (usage.output_tokens == 0 && output_bytes > 0) {
    usage.output_tokens = likely_tokens(output_bytes);
    usage.estimated = true;
  }
}

// ---- StreamUsage

const Usage& StreamUsage::usage() {
  if (probability_count_ > 0) {
    usage_.confidence = probability_sum_ / static_cast<double>(probability_count_);
  }
  return usage_;
}

bool StreamUsage::complete() const {
  switch (operation_) {
    case Operation::kEmbeddings:
    case Operation::kModerations:
    case Operation::kInfer: return true;
    default: return complete_;
  }
}

StreamEvent StreamUsage::fail(std::string_view error) {
  read_error(error, usage_);
  complete_ = true;
  StreamEvent out;
  out.error = out.terminal = true;
  return out;
}

StreamEvent StreamUsage::on_event(std::string_view type, std::string_view data) {
  StreamEvent out;
  switch (operation_) {
    case Operation::kChat:
    case Operation::kCompletions:
      if (type == "error") {
        Usage told;
        read_members(operation_, data, told);
        // Either {"error":{…}} or the error itself.
        out = fail(data);
        if (told.failed()) {
          usage_.error_code = told.error_code;
          usage_.error_type = told.error_type;
          usage_.error_message = told.error_message;
        }
      } else {
        out = on_openai_chunk(data);
      }
      break;
    case Operation::kMessages: out = on_message_event(type, data); break;
    case Operation::kResponses:
    case Operation::kImages:
    case Operation::kAudio: out = on_typed_event(type, data); break;
    default:
      out.content = true;
      output_bytes_ += data.size();
      break;
  }
  if (out.content) ++content_events_;
  return out;
}

// Whether the delta carries a part of the reply: any member but the role.
bool StreamUsage::read_delta(JsonSkim& outer) {
  JsonSkim members = outer.enter();
  bool content = false;
  std::string_view key;
  std::string_view value;
  while (members.is_object() && members.next(key, value)) {
    if (is_null(value) || key == "role") continue;
    if (is_string(value)) {
      if (value.size() == 2) continue;
      output_bytes_ += value.size() - 2;
    } else {
      if (value == "[]" || value == "{}") continue;
      output_bytes_ += value.size();
    }
    content = true;
  }
  if (!members.is_object()) members.skip_rest();
  outer.leave(members);
  return content;
}

void StreamUsage::read_choices(JsonSkim& outer, StreamEvent& out, bool& any) {
  JsonSkim choices = outer.enter();
  while (choices.is_array() && choices.next_place()) {
    any = true;
    JsonSkim members = choices.enter();
    std::string_view key;
    std::string_view value;
    while (members.is_object() && members.next_key(key)) {
      if (key == "delta") {
        out.content |= read_delta(members);
        continue;
      }
      if (!members.read_value(value)) break;
      if (is_null(value)) continue;
      if (key == "text") {
        if (is_string(value) && value.size() > 2) {
          out.content = true;
          output_bytes_ += value.size() - 2;
        }
      } else if (key == "finish_reason") {
        assign_string(usage_.finish_reason, value);
      } else if (key == "logprobs") {
        read_logprobs(value, probability_sum_, probability_count_);
      }
    }
    if (!members.is_object()) members.skip_rest();
    choices.leave(members);
  }
  if (!choices.is_array()) choices.skip_rest();
  outer.leave(choices);
}

StreamEvent StreamUsage::on_openai_chunk(std::string_view data) {
  StreamEvent out;
  const bool alike = !same_prefix_.empty() && data.starts_with(same_prefix_);
  if (!alike && trim(data) == "[DONE]") {
    complete_ = out.terminal = true;
    return out;
  }
  bool any_choice = false;
  bool told_usage = false;
  bool plain = true;  // so far only members that say nothing of this chunk
  std::string_view key;
  std::string_view value;
  JsonSkim members(data);
  if (alike) {
    // The prefix ends behind `"choices":`; the array is read here, then the rest.
    members = JsonSkim::at_value(data, same_prefix_.size());
    read_choices(members, out, any_choice);
  }
  while (members.next_key(key)) {
    if (key == "choices") {
      if (plain && !alike) same_prefix_.assign(data.substr(0, members.value_offset()));
      read_choices(members, out, any_choice);
      continue;
    }
    if (!members.read_value(value)) break;
    if (key == "usage") {
      plain = false;
      if (is_object(value)) told_usage = read_usage_object(operation_, value, usage_);
    } else if (key == "error") {
      plain = false;
      if (!is_null(value)) return fail(value);
    } else if (key == "model") {
      if (value.size() > 2) assign_string(usage_.model, value);  // Azure's first chunk has ""
    } else if (key == "service_tier") {
      assign_string(usage_.service_tier, value);
    }
  }
  out.usage_only = told_usage && !any_choice;
  return out;
}

// Responses, images and audio: every event names its type, and the last one
// carries the whole response or the usage.
StreamEvent StreamUsage::on_typed_event(std::string_view type, std::string_view data) {
  StreamEvent out;
  std::string_view key;
  std::string_view value;
  if (trim(data) == "[DONE]") {  // some compatible servers close so; it ends nothing by itself
    return out;
  }
  if (type.empty()) {
    JsonSkim members(data);
    if (!members.is_object()) return out;
    while (members.next(key, value)) {
      if (key != "type" || !is_string(value)) continue;
      type = value.substr(1, value.size() - 2);
      break;
    }
  }
  if (type == "error") {
    Usage told;
    read_members(operation_, data, told);
    out = fail(data);
    if (told.failed()) {
      usage_.error_code = told.error_code;
      usage_.error_type = told.error_type;
      usage_.error_message = told.error_message;
    }
    return out;
  }
  if (type.ends_with(".delta") || type.ends_with(".partial_image")) {
    out.content = true;
    JsonSkim members(data);
    if (!members.is_object()) return out;
    while (members.next(key, value)) {
      if (key == "delta" && value.size() > 2) output_bytes_ += value.size() - 2;
    }
    return out;
  }
  const bool failed = type == "response.failed";
  const bool ends = operation_ == Operation::kResponses
                        ? failed || type == "response.completed" || type == "response.incomplete"
                        : type.ends_with(".completed") || type.ends_with(".done");
  if (!ends) return out;
  JsonSkim members(data);
  if (!members.is_object()) return out;
  while (members.next(key, value)) {
    if (operation_ != Operation::kResponses) {
      read_member(operation_, key, value, usage_);
    } else if (key == "response") {
      usage_.finish_reason.clear();
      read_members(operation_, value, usage_);
    }
  }
  if (operation_ == Operation::kImages) ++usage_.images;
  if (usage_.finish_reason.empty()) usage_.finish_reason = "completed";
  if (failed && !usage_.failed()) usage_.error_type = "server_error";
  complete_ = out.terminal = true;
  out.error = failed;
  return out;
}

StreamEvent StreamUsage::on_message_event(std::string_view type, std::string_view data) {
  StreamEvent out;
  std::string_view key;
  std::string_view value;
  JsonSkim members(data);
  if (!members.is_object()) return out;
  std::string_view error;
  std::string_view delta;
  while (members.next(key, value)) {
    if (key == "type" && is_string(value)) {
      if (type.empty()) type = value.substr(1, value.size() - 2);
    } else if (key == "delta") {
      delta = value;
    } else if (key == "error") {
      error = value;
    } else if (key == "message" && is_object(value)) {
      read_members(operation_, value, usage_);
    } else if (key == "usage") {
      read_usage_object(operation_, value, usage_);
    }
  }
  if (type == "content_block_delta") {
    JsonSkim parts(delta);
    if (!parts.is_object()) return out;
    while (parts.next(key, value)) {
      if (key == "type" || !is_string(value)) continue;
      output_bytes_ += value.size() - 2;
      out.content = true;
    }
  } else if (type == "message_delta") {
    read_members(operation_, delta, usage_);
  } else if (type == "message_stop") {
    complete_ = out.terminal = true;
  } else if (type == "error") {
    return fail(error.empty() ? data : error);
  }
  return out;
}

}  // namespace gatehouse::gateway
