// OpenAI's protocol, and Azure OpenAI's: the handlers of its routes.
#pragma once

#include <string_view>

#include "api/caller.h"
#include "api/openai/openai_call.h"

namespace gatehouse::api {

class OpenAi {
 public:
  explicit OpenAi(const Gate& gate) : gate_(gate) {}

  // A call (POST) to a path that parse_openai_path knows.
  Task<void> call(gateway::Worker& worker, net::Exchange& exchange, const OpenAiPath& path);

  // GET /v1/models and, with an id, GET /v1/models/{id}: those the key may use.
  Task<void> models(gateway::Worker& worker, net::Exchange& exchange, std::string_view id);

  const gateway::Dialect& dialect() const { return dialect_; }

 private:
  Task<void> form_call(gateway::Worker& worker, net::Exchange& exchange, const OpenAiPath& path,
                       gateway::CallRequest& call);

  Gate gate_;
  OpenAiDialect dialect_;
};

}  // namespace gatehouse::api
