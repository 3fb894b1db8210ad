#include "api/anthropic/anthropic.h"

#include <array>

#include "wire/json_edit.h"

namespace gatehouse::api {

namespace {

using gateway::BodyModel;
using gateway::CallError;
using gateway::CallRequest;
using gateway::ErrorKind;

enum Key : size_t { kModel, kStream, kMaxTokens, kServiceTier, kMessages, kKeyCount };
constexpr std::array<std::string_view, kKeyCount> kKeys = {"model", "stream", "max_tokens",
                                                           "service_tier", "messages"};

std::string_view error_type(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidRequest:
    case ErrorKind::kRequestTimeout: return "invalid_request_error";
    case ErrorKind::kAuthentication: return "authentication_error";
    case ErrorKind::kPermission: return "permission_error";
    case ErrorKind::kNotFound: return "not_found_error";
    case ErrorKind::kTooLarge: return "request_too_large";
    case ErrorKind::kRateLimit: return "rate_limit_error";
    case ErrorKind::kQuota: return "billing_error";
    case ErrorKind::kUnavailable: return "overloaded_error";
    case ErrorKind::kTimeout: return "timeout_error";
    default: return "api_error";
  }
}

}  // namespace

std::string AnthropicDialect::error_body(const CallError& error) const {
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object().member("type", "error").key("error").begin_object();
  json.member("type", error_type(error.kind)).member("message", error.message);
  json.member("code", error.code);
  json.end_object();
  if (!error.request_id.empty()) json.member("request_id", error.request_id);
  json.end_object();
  return out;
}

std::string AnthropicDialect::error_event(const CallError& error) const {
  return "event: error\ndata: " + error_body(error) + "\n\n";
}

Status parse_anthropic_body(std::string_view body, CallRequest& call) {
  std::array<wire::JsonMember, kKeyCount> found;
  RETURN_IF_ERROR(
      wire::find_top_level(body, kKeys, found).with_context("the request body is not usable JSON"));
  if (!found[kModel].present())
    return invalid_argument("model is missing; name one that is served");
  auto model = wire::json_string(found[kModel].value);
  if (!model || model->empty()) return invalid_argument("model must be a string");
  call.model = *model;
  call.body_model = {BodyModel::Place::kValue,
                     {found[kModel].value_begin, found[kModel].value_end},
                     std::move(*model)};
  if (found[kStream].present()) {
    const auto stream = wire::json_boolean(found[kStream].value);
    if (!stream) return invalid_argument("stream must be true or false");
    call.stream = *stream;
  }
  if (found[kMaxTokens].present()) {
    const auto tokens = wire::json_integer(found[kMaxTokens].value);
    if (!tokens || *tokens < 0) return invalid_argument("max_tokens must be a whole number");
    call.output_tokens_max = *tokens;
  }
  call.service_tier = wire::json_string(found[kServiceTier].value).value_or("");
  call.conversation = found[kMessages].value;
  return {};
}

bool Anthropic::knows(std::string_view path) {
  return path == "/v1/messages" || path == "/v1/messages/count_tokens";
}

Task<void> Anthropic::call(gateway::Worker& worker, net::Exchange& exchange) {
  CallRequest call;
  call.principal = co_await authenticate(gate_, worker, exchange, dialect_);
  if (call.principal == nullptr) co_return;
  call.operation = gateway::Operation::kMessages;
  call.family = gateway::Family::kAnthropic;
  call.dialect = &dialect_;
  call.path = exchange.request().path.substr(3);  // below "/v1"
  call.query = exchange.request().query;
  read_call_headers(exchange.request(), call);
  const bool read = co_await read_call_body(worker, exchange, call);
  if (!read) co_return;
  const Status parsed = parse_anthropic_body(call.body, call);
  if (!parsed.ok()) {
    co_await refuse_call(worker, exchange, call, parsed);
    co_return;
  }
  co_await gate_.gateway.call(worker, exchange, call);
}

}  // namespace gatehouse::api
