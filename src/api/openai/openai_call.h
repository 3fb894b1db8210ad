// OpenAI's HTTP API as a call: which operation a path names, and what the body
// says of model, stream and limits. Every byte that the gateway does not change
// stays as it came.
//
// Source: OpenAI API reference; Azure OpenAI REST reference for the forms
// /openai/deployments/{deployment}/... and /openai/v1/...
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "gateway/protocol.h"

namespace gatehouse::api {

// A path of the API, taken apart.
struct OpenAiPath {
  gateway::Operation operation;
  std::string_view suffix;      // "/chat/completions"
  std::string_view deployment;  // percent-encoded; empty: the body names the model
  bool multipart = false;       // the body is a form, not JSON
};

// None: not a call of this API (GET /v1/models and its kin are answered by
// openai.cc itself).
std::optional<OpenAiPath> parse_openai_path(std::string_view path);

// Fills model, stream, limits and edits from a JSON body. The message of an
// error is for the caller.
Status parse_openai_body(const OpenAiPath& path, std::string_view body, gateway::CallRequest& call);

// OpenAI's error object. https://platform.openai.com/docs/guides/error-codes
class OpenAiDialect : public gateway::Dialect {
 public:
  std::string error_body(const gateway::CallError& error) const override;
  std::string error_event(const gateway::CallError& error) const override;
};

}  // namespace gatehouse::api
