// How much of a request's body can become input tokens.
//
// A token stands for one byte at least, so the bytes of a prompt bound its tokens.
// Not all of a body is prompt: numbers, switches and the names of models, users
// and tiers never are. What is not known is taken for a prompt.
#pragma once

#include <cstddef>
#include <string_view>

namespace gatehouse::gateway {

// What a model's chat template adds to a prompt by itself: begin and role marks, a
// date line. Llama 3.1 adds 35 tokens to a message of one, of which the JSON
// around the message stands for some twenty.
inline constexpr size_t kTemplateTokensMax = 32;

// The most input tokens that `body` can come to. Not above its bytes; all of them
// where it is no JSON object. Not covered, as in ModelPrice::upper_bound: what a
// body only refers to.
size_t input_tokens_max(std::string_view body);

}  // namespace gatehouse::gateway
