#include "api/ui/console.h"

#include <algorithm>
#include <array>

#include "api/ui/pages.h"
#include "base/text.h"
#include "net/url.h"

namespace gatehouse::api {

namespace {

using identity::Action;
using net::Method;

constexpr std::string_view kApi = "/api/";
constexpr std::string_view kPollHeader = "x-gatehouse-poll";

Answer not_signed_in() {
  return refusal(401, "not_signed_in", "Nobody is signed in, or the session has ended.",
                 "Sign in, or send a key as a Bearer token.");
}

bool reads(Method method) { return method == Method::kGet || method == Method::kHead; }

// Whether a page of this very host sent the request, as far as the browser says.
bool own_origin(const net::RequestHead& request) {
  const auto origin = request.headers.find("origin");
  if (!origin) return true;
  std::string_view authority = *origin;
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (authority.starts_with(scheme)) {
      authority.remove_prefix(scheme.size());
      return equal_ignoring_case(authority, request.host);
    }
  }
  return false;
}

Answer foreign_origin() {
  return refusal(403, "origin", "The request came from a page of another origin.",
                 "Open the console at the address that the server is reached by.");
}

}  // namespace

std::string_view person_of(std::string_view id) {
  constexpr std::string_view kUser = "user:";
  return id.starts_with(kUser) ? id.substr(kUser.size()) : id;
}

model::Role shown_role(std::span<const model::Role> roles) {
  using model::Role;
  for (const Role role : {Role::kAdmin, Role::kOperator, Role::kAuditor, Role::kViewer}) {
    if (std::find(roles.begin(), roles.end(), role) != roles.end()) return role;
  }
  return roles.empty() ? Role::kCaller : roles.front();
}

Console::Console(ConsoleParts parts) : parts_(std::move(parts)), live_(parts_.follow_calls) {}

std::span<const Console::Route> Console::routes() {
  using C = Console;
  static constexpr std::optional<Action> kAnyone;
  static const Route kRoutes[] = {
      {Method::kPost, "/api/v1/session", kAnyone, &C::post_session, false, true},
      {Method::kGet, "/api/v1/session", kAnyone, &C::get_session},
      {Method::kDelete, "/api/v1/session", kAnyone, &C::delete_session},
      {Method::kPost, "/api/v1/session/password", kAnyone, &C::post_password},
      {Method::kGet, "/api/v1/overview", Action::kOverviewRead, &C::get_overview, true},
      {Method::kGet, "/api/v1/calls", Action::kCallsRead, &C::get_calls, true},
      {Method::kGet, "/api/v1/calls/filters", Action::kCallsRead, &C::get_filters, true},
      {Method::kGet, "/api/v1/calls/live", Action::kCallsRead, &C::get_live, true},
      {Method::kGet, "/api/v1/calls/{}", Action::kCallsRead, &C::get_call, true},
      {Method::kGet, "/api/v1/keys", Action::kKeysRead, &C::get_keys},
      {Method::kPost, "/api/v1/keys", Action::kKeysWrite, &C::post_key},
      {Method::kGet, "/api/v1/keys/{}", Action::kKeysRead, &C::get_key},
      {Method::kPatch, "/api/v1/keys/{}", Action::kKeysWrite, &C::patch_key},
      {Method::kDelete, "/api/v1/keys/{}", Action::kKeysWrite, &C::delete_key},
      {Method::kPost, "/api/v1/keys/{}/rotate", Action::kKeysWrite, &C::rotate_key},
      {Method::kGet, "/api/v1/upstreams", Action::kUpstreamsRead, &C::get_upstreams},
      {Method::kGet, "/api/v1/audit", Action::kAuditRead, &C::get_audit},
      {Method::kGet, "/api/v1/alerting/history", Action::kAlertsRead, &C::get_alert_history},
      {Method::kGet, "/api/v1/alerting/receivers", Action::kAlertsRead, &C::get_receivers},
      {Method::kPost, "/api/v1/alerting/receivers/test", Action::kSilencesWrite, &C::test_receiver},
      {Method::kPost, "/api/v1/alerting/route", Action::kAlertsRead, &C::find_route},
  };
  return kRoutes;
}

Task<void> Console::handle(gateway::Worker& worker, net::Exchange& exchange) {
  if (!exchange.request().path.starts_with(kApi)) {
    co_await serve_page(exchange);
    co_return;
  }
  const Answer answer = co_await serve(worker, exchange);
  co_await send(exchange, answer);
}

Task<Answer> Console::serve(gateway::Worker& worker, net::Exchange& exchange) {
  const net::RequestHead& request = exchange.request();
  const Method method = request.method == Method::kHead ? Method::kGet : request.method;
  std::string allow;
  std::string_view matched;
  for (const Route& route : routes()) {
    // An exact pattern stands before the one with a capture that would fit too.
    if (!matched.empty() && route.pattern != matched) continue;
    auto captures = net::match_path(route.pattern, request.path);
    if (!captures) continue;
    matched = route.pattern;
    if (route.method == method) {
      Visit visit{worker, exchange, std::move(*captures), worker.snapshot};
      co_return co_await admit(route, visit);
    }
    if (!allow.empty()) allow += ", ";
    allow += net::name(route.method);
  }
  if (allow.empty()) {
    co_return refusal(404, "not_found", "There is no such route.", "See docs/api.md.");
  }
  Answer answer =
      refusal(405, "method_not_allowed", "This path takes " + allow + " only.", "See docs/api.md.");
  answer.allow = std::move(allow);
  co_return answer;
}

// Credential, CSRF, permission; then the handler.
Task<Answer> Console::admit(const Route& route, Visit& visit) {
  if (route.open) {
    if (!own_origin(visit.exchange.request())) {
      co_await record_refusal(visit, "session.start", "origin");
      co_return foreign_origin();
    }
    co_return co_await (this->*route.handler)(visit);
  }
  Answer refused = co_await authenticate(visit);
  if (refused.refused()) co_return refused;
  const net::RequestHead& request = visit.exchange.request();
  const std::string action =
      route.action ? std::string(identity::name(*route.action)) : std::string("session.change");
  if (visit.session && !reads(request.method)) {
    if (!own_origin(request)) {
      co_await record_refusal(visit, action, "origin");
      co_return foreign_origin();
    }
    if (!identity::SessionStore::csrf_fits(visit.session_token,
                                           request.headers.get(identity::kCsrfHeader))) {
      co_await record_refusal(visit, action, "csrf");
      co_return refusal(403, "csrf", "The x-gatehouse-csrf header is missing or wrong.",
                        "Reload the page.");
    }
  }
  if (route.action && !visit.may(*route.action)) {
    co_await record_refusal(visit, action, "permission");
    co_return refusal(403, "forbidden",
                      "The role " + std::string(model::name(shown_role(visit.principal->roles))) +
                          " lacks the permission " + action + ".",
                      "Ask an admin for a role that has it.");
  }
  if (route.needs_records && !parts_.program.records_ready()) {
    co_return retry_later(503, "starting", "Records are still being read after the start.", 1);
  }
  co_return co_await (this->*route.handler)(visit);
}

Task<Answer> Console::authenticate(Visit& visit) {
  const net::HeaderList& headers = visit.exchange.request().headers;
  if (headers.contains("authorization")) {
    co_return authenticate_key(visit, identity::credential_from(headers));
  }
  const std::string_view token = identity::session_from(headers);
  if (token.empty()) co_return not_signed_in();
  visit.session_token = token;
  const bool touch = !(reads(visit.exchange.request().method) && headers.get(kPollHeader) == "1");
  // Stores when the session was last used, and waits for another who does.
  const auto check = [&] { return parts_.sessions.check(visit.session_token, touch); };
  Result<identity::SessionStore::Checked> checked =
      co_await parts_.pool.run(visit.worker.loop, check);
  if (!checked.ok()) co_return not_signed_in();
  visit.session = std::move(*checked);
  visit.principal = visit.session->principal;
  co_return Answer{};
}

Answer Console::authenticate_key(Visit& visit, std::string_view presented) {
  identity::Refusal why;
  auto principal = parts_.authenticator.authenticate(presented, visit.exchange.peer().address,
                                                     parts_.clock.wall_ns(), &why);
  if (principal.ok()) {
    visit.principal = std::move(*principal);
    return {};
  }
  switch (principal.status().code()) {
    case Code::kResourceExhausted:
      return retry_later(429, "locked_out", principal.status().message(),
                         (why.retry_after_ms + 999) / 1000);
    case Code::kPermissionDenied:
      return refusal(403, "forbidden", principal.status().message(),
                     "Call from an address that is allowed.");
    default:
      return refusal(401, "not_signed_in", principal.status().message(),
                     "Send a key that is active as a Bearer token.");
  }
}

namespace {

identity::AuditEntry entry_of(const Visit& visit) {
  identity::AuditEntry entry;
  if (visit.principal != nullptr) {
    entry.actor = person_of(visit.principal->id);
    entry.actor_kind = visit.session ? identity::ActorKind::kUser : identity::ActorKind::kKey;
  }
  entry.address = visit.exchange.peer().address;
  return entry;
}

}  // namespace

Task<void> Console::record_refusal(Visit& visit, std::string action, std::string reason) {
  const auto record = [&] {
    identity::AuditEntry entry = entry_of(visit);
    entry.action = action;
    entry.outcome = "refused";
    if (!visit.captures.empty()) entry.object = visit.captures.front();
    entry.details = {{"reason", reason}};
    // A refusal that cannot be written stays one.
    (void)parts_.audit.refused(std::move(entry));
  };
  co_await parts_.pool.run(visit.worker.loop, record);
}

std::optional<Answer> Console::writable() const {
  if (parts_.gateway.journal_health().failing_since_ms.load(std::memory_order_relaxed) == 0) {
    return std::nullopt;
  }
  return retry_later(503, "overloaded",
                     "Records cannot be stored at the moment (the disk is full or failing), and a "
                     "change that cannot be audited is not made.",
                     1);
}

bool Console::audit(const Visit& visit, std::string action, std::string target,
                    std::vector<std::pair<std::string, std::string>> details) {
  identity::AuditEntry entry = entry_of(visit);
  entry.action = std::move(action);
  entry.object = std::move(target);
  entry.details = std::move(details);
  return parts_.audit.append(std::move(entry)).ok();
}

}  // namespace gatehouse::api
