#include "api/caller.h"

namespace gatehouse::api {

namespace {

using gateway::CallError;
using gateway::ErrorKind;

// Everything a caller sends is kept short where it becomes an attribute.
constexpr size_t kHeaderBytesMax = 256;
constexpr size_t kMetadataBytesMax = 4096;

const model::PrincipalPtr& anyone() {
  static const model::PrincipalPtr principal = [] {
    auto made = std::make_shared<model::Principal>();
    made->id = "anyone";
    made->name = "anyone";
    made->roles = {model::Role::kCaller};
    return made;
  }();
  return principal;
}

CallError refusal_error(const Status& status, const identity::Refusal& refusal) {
  CallError error;
  error.message = status.message();
  switch (status.code()) {
    case Code::kPermissionDenied:
      error.kind = ErrorKind::kPermission;
      error.code = "address_not_allowed";
      break;
    case Code::kResourceExhausted:
      error.kind = ErrorKind::kRateLimit;
      error.code = "locked_out";
      error.retry_after_ms = refusal.retry_after_ms;
      break;
    default:
      error.kind = ErrorKind::kAuthentication;
      error.code = refusal.reason == identity::RefusalReason::kExpired   ? "key_expired"
                   : refusal.reason == identity::RefusalReason::kRevoked ? "key_revoked"
                                                                         : "invalid_api_key";
      break;
  }
  return error;
}

}  // namespace

Task<void> send_error(net::Exchange& exchange, const gateway::Dialect& dialect,
                      const CallError& error) {
  const std::string body = dialect.error_body(error);
  std::string seconds;
  std::array<net::Header, 1> headers;
  size_t count = 0;
  if (error.retry_after_ms >= 0) {
    seconds = std::to_string((error.retry_after_ms + 999) / 1000);
    headers[count++] = {"retry-after", seconds};
  } else if (error.kind == ErrorKind::kAuthentication) {
    headers[count++] = {"www-authenticate", "Bearer realm=\"gatehouse\""};
  }
  net::Reply reply;
  reply.status = http_status(error.kind);
  reply.content_type = "application/json";
  reply.headers = std::span(headers).first(count);
  reply.body = body;
  const Status sent = co_await exchange.reply(reply);
  (void)sent;
}

Task<model::PrincipalPtr> authenticate(const Gate& gate, gateway::Worker& worker,
                                       net::Exchange& exchange, const gateway::Dialect& dialect,
                                       model::Role role) {
  if (!worker.snapshot->config.authenticate) co_return anyone();
  identity::Refusal refusal;
  Result<model::PrincipalPtr> principal =
      gate.authenticator.authenticate(identity::credential_from(exchange.request().headers),
                                      exchange.peer().address, gate.clock.wall_ns(), &refusal);
  if (!principal.ok()) {
    const CallError error = refusal_error(principal.status(), refusal);
    co_await send_error(exchange, dialect, error);
    co_return nullptr;
  }
  if (!(*principal)->has(role)) {
    CallError error;
    error.kind = ErrorKind::kPermission;
    error.code = "role_missing";
    error.message = "this key has not the role " + std::string(model::name(role)) +
                    ", which this route asks for; an admin can make a key that has";
    gate.authenticator.refused(identity::RefusalReason::kRole, (*principal)->id,
                               exchange.peer().address);
    co_await send_error(exchange, dialect, error);
    co_return nullptr;
  }
  co_return std::move(*principal);
}

CallError body_error(const Status& status, size_t limit_bytes, std::string_view limit_key) {
  CallError error;
  error.message = status.message();
  switch (status.code()) {
    case Code::kResourceExhausted:
      error.kind = ErrorKind::kTooLarge;
      error.code = "body_too_large";
      error.message = "the request body is larger than " + std::to_string(limit_bytes) +
                      " bytes (" + std::string(limit_key) + ")";
      break;
    case Code::kUnavailable:
      error.kind = ErrorKind::kUnavailable;
      error.code = "overloaded";
      error.message = "the gate's memory is used up at the moment (memory.limit); try again";
      error.retry_after_ms = 1000;
      break;
    case Code::kDeadlineExceeded:
      error.kind = ErrorKind::kRequestTimeout;
      error.code = "body_timeout";
      break;
    default:
      error.kind = ErrorKind::kInvalidRequest;
      error.code = "unreadable_body";
      break;
  }
  return error;
}

Task<bool> read_call_body(gateway::Worker& worker, net::Exchange& exchange,
                          gateway::CallRequest& call) {
  const size_t limit = worker.snapshot->config.body_bytes_max;
  Result<std::string_view> read = co_await exchange.read_body(limit);
  if (read.ok()) {
    call.body = *read;
    co_return true;
  }
  if (read.status().code() == Code::kCancelled) {
    exchange.abort();
    co_return false;
  }
  const CallError error = body_error(read.status(), limit, "server.limits.body");
  co_await worker.gateway.refuse(worker, exchange, call, error);
  co_return false;
}

Task<void> refuse_call(gateway::Worker& worker, net::Exchange& exchange, gateway::CallRequest& call,
                       const Status& why) {
  CallError error;
  error.kind = ErrorKind::kInvalidRequest;
  error.code = "invalid_request";
  error.message = why.message();
  co_await worker.gateway.refuse(worker, exchange, call, error);
}

void read_call_headers(const net::RequestHead& request, gateway::CallRequest& call) {
  call.trace = request.headers.get("x-gatehouse-trace").substr(0, kHeaderBytesMax);
  call.session = request.headers.get("x-gatehouse-session").substr(0, kHeaderBytesMax);
  call.user = request.headers.get("x-gatehouse-user").substr(0, kHeaderBytesMax);
  call.metadata = request.headers.get("x-gatehouse-metadata").substr(0, kMetadataBytesMax);
}

}  // namespace gatehouse::api
