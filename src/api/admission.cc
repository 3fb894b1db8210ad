#include "api/admission.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"

namespace gatehouse::api {

namespace {

// "Basic base64(user:password)": the password is the key, so that clients which know
// no other scheme (Grafana, remote_write's basic_auth) can bring one.
std::string key_of_basic(std::string_view authorization) {
  constexpr std::string_view kBasic = "basic ";
  if (authorization.size() <= kBasic.size() ||
      !equal_ignoring_case(authorization.substr(0, kBasic.size()), kBasic)) {
    return {};
  }
  auto decoded = base64_decode(trim(authorization.substr(kBasic.size())));
  if (!decoded.ok()) return {};
  const size_t colon = decoded->find(':');
  std::string key = colon == std::string::npos ? std::string() : decoded->substr(colon + 1);
  wipe(*decoded);
  return key;
}

Denial denial(int status, std::string_view kind, std::string message) {
  Denial out;
  out.status = status;
  out.kind = kind;
  out.message = std::move(message);
  return out;
}

std::optional<Denial> admit_key(const AdmissionParts& parts, net::Exchange& exchange,
                                Visitor& visitor) {
  const net::RequestHead& head = exchange.request();
  std::string basic = key_of_basic(head.headers.get("authorization"));
  const std::string_view presented =
      basic.empty() ? identity::credential_from(head.headers) : std::string_view(basic);
  identity::Refusal why;
  auto known = parts.authenticator.authenticate(presented, exchange.peer().address,
                                                parts.clock.wall_ns(), &why);
  wipe(basic);
  if (known.ok()) {
    visitor.principal = std::move(*known);
    return std::nullopt;
  }
  const Status& status = known.status();
  if (status.code() == Code::kResourceExhausted) {
    Denial locked = denial(429, "unavailable", status.message());
    locked.headers.emplace_back(
        "retry-after", std::to_string(std::max<int64_t>(1, (why.retry_after_ms + 999) / 1000)));
    return locked;
  }
  if (status.code() == Code::kPermissionDenied) return denial(403, "forbidden", status.message());
  Denial unknown = denial(401, "unauthorized", status.message());
  unknown.headers.emplace_back("www-authenticate", "Bearer realm=\"gatehouse\"");
  return unknown;
}

}  // namespace

Task<std::optional<Denial>> admit(const AdmissionParts& parts, gateway::Worker& worker,
                                  net::Exchange& exchange, identity::Action action, bool changes,
                                  Visitor& visitor) {
  if (!worker.snapshot->config.authenticate) co_return std::nullopt;
  const net::RequestHead& head = exchange.request();
  const std::string_view token = identity::session_from(head.headers);
  if (!head.headers.contains("authorization") && !token.empty()) {
    const std::string held(token);
    const auto check = [&] { return parts.sessions.check(held, false); };
    auto checked = co_await parts.pool.run(worker.loop, check);
    if (!checked.ok()) {
      co_return denial(401, "unauthorized", "the session has ended: sign in");
    }
    if (changes &&
        !identity::SessionStore::csrf_fits(held, head.headers.get(identity::kCsrfHeader))) {
      co_return denial(403, "forbidden", "the CSRF token is missing or wrong");
    }
    visitor.principal = checked->principal;
    visitor.by_session = true;
  } else {
    std::optional<Denial> denied = admit_key(parts, exchange, visitor);
    if (denied) co_return std::move(denied);
  }
  if (!identity::may(*visitor.principal, action)) {
    co_return denial(
        403, "forbidden",
        "the role of this credential does not allow " + std::string(identity::name(action)));
  }
  co_return std::nullopt;
}

}  // namespace gatehouse::api
