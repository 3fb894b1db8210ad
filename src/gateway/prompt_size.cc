#include "gateway/prompt_size.h"

#include <algorithm>
#include <array>

#include "gateway/json_skim.h"

namespace gatehouse::gateway {

namespace {

// Members of OpenAI's and Anthropic's calls that tell how to answer, and are not
// shown to the model. (A response format, tools and their choice are.)
constexpr std::array<std::string_view, 18> kNoPrompt = {"model",
                                                        "user",
                                                        "service_tier",
                                                        "stream_options",
                                                        "metadata",
                                                        "modalities",
                                                        "logit_bias",
                                                        "reasoning",
                                                        "reasoning_effort",
                                                        "verbosity",
                                                        "truncation",
                                                        "encoding_format",
                                                        "thinking",
                                                        "safety_identifier",
                                                        "prompt_cache_key",
                                                        "prompt_cache_retention",
                                                        "stop",
                                                        "stop_sequences"};

bool is_text(std::string_view value) {
  return !value.empty() && (value.front() == '"' || value.front() == '{' || value.front() == '[');
}

// Whether an object holds nothing but numbers and switches. (An array does not
// count: a prompt may be given as the numbers of its tokens.)
bool only_numbers(std::string_view value) {
  if (value.front() != '{') return false;
  JsonSkim members(value);
  std::string_view key;
  std::string_view each;
  while (members.next(key, each)) {
    if (is_text(each)) return false;
  }
  return members.closed();
}

}  // namespace

size_t input_tokens_max(std::string_view body) {
  JsonSkim members(body);
  if (!members.is_object()) return body.size();
  size_t bytes = kTemplateTokensMax;
  std::string_view key;
  std::string_view value;
  while (members.next(key, value)) {
    if (!is_text(value) || only_numbers(value)) continue;
    if (std::find(kNoPrompt.begin(), kNoPrompt.end(), key) != kNoPrompt.end()) continue;
    bytes += value.size();
  }
  return members.closed() ? std::min(bytes, body.size()) : body.size();
}

}  // namespace gatehouse::gateway
