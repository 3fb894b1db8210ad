// Anthropic's Messages API: POST /v1/messages and /v1/messages/count_tokens.
//
// Source: Anthropic API reference, "Messages" and "Errors".
#pragma once

#include <string>
#include <string_view>

#include "api/caller.h"
#include "gateway/protocol.h"

namespace gatehouse::api {

class AnthropicDialect : public gateway::Dialect {
 public:
  std::string error_body(const gateway::CallError& error) const override;
  std::string error_event(const gateway::CallError& error) const override;
};

// Fills model, stream and limits from a body. The message of an error is for
// the caller.
Status parse_anthropic_body(std::string_view body, gateway::CallRequest& call);

class Anthropic {
 public:
  explicit Anthropic(const Gate& gate) : gate_(gate) {}

  static bool knows(std::string_view path);
  // REQUIRES: knows(path of the request); a POST.
  Task<void> call(gateway::Worker& worker, net::Exchange& exchange);

  const gateway::Dialect& dialect() const { return dialect_; }

 private:
  Gate gate_;
  AnthropicDialect dialect_;
};

}  // namespace gatehouse::api
