#include "api/openai/openai.h"

#include "gateway/form_body.h"
#include "net/multipart.h"
#include "net/url.h"
#include "wire/json.h"

namespace gatehouse::api {

using gateway::CallError;
using gateway::CallRequest;
using gateway::ErrorKind;

Task<void> OpenAi::call(gateway::Worker& worker, net::Exchange& exchange, const OpenAiPath& path) {
  CallRequest call;
  call.principal = co_await authenticate(gate_, worker, exchange, dialect_);
  if (call.principal == nullptr) co_return;
  call.operation = path.operation;
  call.family = gateway::Family::kOpenAi;
  call.dialect = &dialect_;
  call.path = path.suffix;
  call.query = exchange.request().query;
  read_call_headers(exchange.request(), call);
  if (path.multipart) {
    co_await form_call(worker, exchange, path, call);
    co_return;
  }
  const bool read = co_await read_call_body(worker, exchange, call);
  if (!read) co_return;
  const Status parsed = parse_openai_body(path, call.body, call);
  if (!parsed.ok()) {
    co_await refuse_call(worker, exchange, call, parsed);
    co_return;
  }
  co_await gate_.gateway.call(worker, exchange, call);
}

// A form: its fields are read as they pass, for the model alone.
Task<void> OpenAi::form_call(gateway::Worker& worker, net::Exchange& exchange,
                             const OpenAiPath& path, CallRequest& call) {
  const auto boundary = net::multipart_boundary(exchange.request().headers.get("content-type"));
  if (!boundary) {
    const Status why = invalid_argument("this path takes multipart/form-data with a boundary");
    co_await refuse_call(worker, exchange, call, why);
    co_return;
  }
  gateway::FormBody form(exchange, *boundary, worker.snapshot->config.form_bytes_max);
  Result<std::string> named = co_await form.find_model();
  if (!named.ok()) {
    if (named.status().code() == Code::kCancelled) co_return exchange.abort();
    const CallError error =
        body_error(named.status(), worker.snapshot->config.form_bytes_max, "server.limits.form");
    co_await worker.gateway.refuse(worker, exchange, call, error);
    co_return;
  }
  call.model = std::move(*named);
  if (!path.deployment.empty()) {
    const auto deployment = net::percent_decode(path.deployment);
    if (deployment) call.model = *deployment;
  }
  if (call.model.empty()) {
    const Status why =
        invalid_argument("the form has no field `model`; name one that GET /v1/models lists");
    co_await refuse_call(worker, exchange, call, why);
    co_return;
  }
  call.form = &form;
  co_await gate_.gateway.call(worker, exchange, call);
}

Task<void> OpenAi::models(gateway::Worker& worker, net::Exchange& exchange, std::string_view id) {
  model::PrincipalPtr principal = co_await authenticate(gate_, worker, exchange, dialect_);
  if (principal == nullptr) co_return;
  const auto wanted = net::percent_decode(id);
  const auto snapshot = worker.snapshot;
  std::string body;
  wire::JsonWriter json(body);
  const auto write = [&json](const std::string& name) {
    json.begin_object();
    json.member("id", name).member("object", "model").member("created", 0);
    json.member("owned_by", "gatehouse");
    json.end_object();
  };
  bool found = id.empty();
  if (id.empty()) {
    json.begin_object().member("object", "list").key("data").begin_array();
    for (const gateway::RoutePtr& route : snapshot->router.routes()) {
      const std::string& name = route->config().name;
      // A pattern is no name that a client could ask for.
      if (name.find('*') == std::string::npos && principal->may_use(name)) write(name);
    }
    json.end_array().end_object();
  } else if (wanted && snapshot->find(*wanted) != nullptr && principal->may_use(*wanted)) {
    write(*wanted);
    found = true;
  }
  if (!found) {
    CallError error;
    error.kind = ErrorKind::kNotFound;
    error.code = "model_not_found";
    error.message =
        "this model does not exist, or this key may not use it; GET /v1/models lists "
        "the models that it may use";
    co_await send_error(exchange, dialect_, error);
    co_return;
  }
  net::Reply reply;
  reply.content_type = "application/json";
  reply.body = body;
  const Status sent = co_await exchange.reply(reply);
  (void)sent;
}

}  // namespace gatehouse::api
