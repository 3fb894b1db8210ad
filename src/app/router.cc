#include "app/router.h"

#include <array>

#include "api/alertmanager/alertmanager.h"

namespace gatehouse::app {

namespace {

// GET of these lists models; what follows the slash is the id of one.
constexpr std::array<std::string_view, 3> kModelLists = {"/v1/models", "/openai/v1/models",
                                                         "/openai/models"};

// The list that `path` belongs to and the id behind it; null: none.
const std::string_view* model_list(std::string_view path, std::string_view& id) {
  for (const std::string_view& list : kModelLists) {
    if (path == list) {
      id = {};
      return &list;
    }
    if (path.starts_with(list) && path.size() > list.size() + 1 && path[list.size()] == '/') {
      id = path.substr(list.size() + 1);
      return &list;
    }
  }
  return nullptr;
}

// Whether the process is there and serves: all that these tell.
bool is_probe(std::string_view path) {
  return path == "/healthz" || path == "/readyz" || path == "/-/healthy" || path == "/-/ready";
}

}  // namespace

Router::Router(const api::Gate& gate, Pages pages)
    : gate_(gate), openai_(gate), anthropic_(gate), inference_(gate), pages_(std::move(pages)) {}

const gateway::Dialect& Router::dialect_of(std::string_view path) const {
  if (api::Anthropic::knows(path)) return anthropic_.dialect();
  if (const auto inference = api::parse_inference_path(path)) {
    return inference_.dialect(inference->form);
  }
  return openai_.dialect();  // and for what no protocol knows: what most clients read
}

// Pages, sign-in and metrics too: an address that may not come learns nothing.
// Health probes come from addresses that nobody plans.
bool Router::permits(net::Exchange& exchange) {
  const std::string_view address = exchange.peer().address;
  return is_probe(exchange.request().path) ? gate_.authenticator.permits_probe(address)
                                           : gate_.authenticator.permits(address);
}

Task<void> Router::refuse_address(net::Exchange& exchange) {
  gate_.authenticator.refused(identity::RefusalReason::kAddress, {}, exchange.peer().address);
  gateway::CallError error;
  error.kind = gateway::ErrorKind::kPermission;
  error.code = "address_not_allowed";
  error.message =
      "this address may not use the gate (access.allow, access.deny); an operator can admit it";
  co_await api::send_error(exchange, dialect_of(exchange.request().path), error);
}

Task<void> Router::refuse_method(net::Exchange& exchange, std::string_view allow) {
  gateway::CallError error;
  error.kind = gateway::ErrorKind::kInvalidRequest;
  error.code = "method_not_allowed";
  error.message = "this path takes " + std::string(allow) + " only";
  const std::string body = dialect_of(exchange.request().path).error_body(error);
  const std::array headers = {net::Header{"allow", allow}};
  net::Reply reply;
  reply.status = 405;
  reply.content_type = "application/json";
  reply.headers = headers;
  reply.body = body;
  const Status sent = co_await exchange.reply(reply);
  (void)sent;
}

Task<void> Router::serve(gateway::Worker& worker, net::Exchange& exchange) {
  const net::RequestHead& request = exchange.request();
  const std::string_view path = request.path;
  if (!permits(exchange)) co_return co_await refuse_address(exchange);
  const bool post = request.method == net::Method::kPost;
  const bool get = request.method == net::Method::kGet || request.method == net::Method::kHead;

  if (const auto openai = api::parse_openai_path(path)) {
    if (!post) co_return co_await refuse_method(exchange, "POST");
    co_return co_await openai_.call(worker, exchange, *openai);
  }
  if (api::Anthropic::knows(path)) {
    if (!post) co_return co_await refuse_method(exchange, "POST");
    co_return co_await anthropic_.call(worker, exchange);
  }
  if (const auto inference = api::parse_inference_path(path)) {
    if (!post) co_return co_await refuse_method(exchange, "POST");
    co_return co_await inference_.call(worker, exchange, *inference);
  }
  std::string_view model_id;
  if (model_list(path, model_id) != nullptr) {
    if (!get) co_return co_await refuse_method(exchange, "GET");
    co_return co_await openai_.models(worker, exchange, model_id);
  }
  if (path == "/health" || is_probe(path)) {
    if (!get) co_return co_await refuse_method(exchange, "GET");
    co_return co_await pages_.health(worker, exchange);
  }
  if (path == "/metrics") {
    if (!get) co_return co_await refuse_method(exchange, "GET");
    co_return co_await pages_.metrics(worker, exchange);
  }
  if (path == "/-/reload") {
    if (!post) co_return co_await refuse_method(exchange, "POST");
    co_return co_await pages_.reload(worker, exchange);
  }
  if (path.starts_with("/v1/") || path.starts_with("/openai/") || path.starts_with("/v2/")) {
    gateway::CallError error;
    error.kind = gateway::ErrorKind::kNotFound;
    error.code = "unknown_path";
    error.message = "nothing is served at this path; docs/calls.md lists the routes";
    co_return co_await api::send_error(exchange, openai_.dialect(), error);
  }
  if (api::Alertmanager::knows(path)) co_return co_await pages_.alertmanager(worker, exchange);
  if (api::Prometheus::knows(path)) co_return co_await pages_.prometheus(worker, exchange);
  co_await pages_.console(worker, exchange);
}

}  // namespace gatehouse::app
