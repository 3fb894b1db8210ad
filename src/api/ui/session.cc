// Signing in and out, and one's own password. docs/api.md §2.
#include <algorithm>
#include <array>

#include "api/ui/console.h"
#include "base/bytes.h"
#include "base/text.h"

namespace gatehouse::api {

namespace {

using identity::NewSession;
using wire::JsonWriter;

constexpr size_t kPasswordCharsMax = 256;

// The contract's permissions; a role may hold others that are no matter of the
// console.
constexpr std::array kShown = {identity::Action::kOverviewRead, identity::Action::kCallsRead,
                               identity::Action::kBodiesRead,   identity::Action::kKeysRead,
                               identity::Action::kKeysWrite,    identity::Action::kUpstreamsRead,
                               identity::Action::kAuditRead,    identity::Action::kMetricsRead,
                               identity::Action::kAlertsRead,   identity::Action::kSilencesWrite};

Answer wrong_credentials(std::string_view message) {
  return refusal(401, "wrong_credentials", message,
                 "Try again, or sign in with a new link from `gatehouse login-link`.");
}

Answer link_used() {
  return refusal(401, "link_used", "This link was used already, is too old, or was never made.",
                 "Sign in with your password, or make a new link with `gatehouse login-link`.");
}

Answer no_session() {
  return refusal(403, "forbidden", "A key has no session and no password.",
                 "Sign in with a browser.");
}

Answer unaudited() {
  return retry_later(503, "overloaded",
                     "The audit log could not be written; the change may have been made.", 1);
}

// Characters of UTF-8, not bytes.
size_t characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

std::string Console::session_json(const Visit& visit) const {
  const net::RequestHead& request = visit.exchange.request();
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("user", visit.session ? visit.session->user.name : visit.principal->name);
  json.member("role", model::name(shown_role(visit.principal->roles)));
  json.key("permissions").begin_array();
  for (const identity::Action action : kShown) {
    if (visit.may(action)) json.string(identity::name(action));
  }
  json.end_array();
  if (visit.session) {
    const identity::Session& session = visit.session->session;
    const int64_t idle_ns = session.seen_ns + parts_.session_config.idle_ms * 1'000'000;
    json.member("csrf", identity::SessionStore::csrf_of(visit.session_token));
    json.member("has_password", visit.session->user.has_password);
    json.member("expires_at_ms", std::min(idle_ns, session.expires_ns) / 1'000'000);
  } else {
    const auto key = parts_.keys.get(visit.principal->id);
    json.key("csrf").null();
    json.member("has_password", false);
    time_or_null(json, "expires_at_ms", key.ok() ? key->expires_ns : 0);
  }
  json.member("version", parts_.program.version);
  const ConfigState config = parts_.program.config();
  json.key("config").begin_object().member("ok", config.ok);
  text_or_null(json, "message", config.ok ? std::string_view{} : config.message);
  json.member("since_at_ms", config.since_ms).end_object();
  json.member("bodies_kept", visit.snapshot->config.record_bodies);
  json.member("base_url", std::string(visit.exchange.peer().tls ? "https://" : "http://") +
                              std::string(request.host));
  json.end_object();
  return out;
}

Task<Answer> Console::get_session(Visit& visit) {
  const auto write = [&] { return session_json(visit); };
  std::string body = co_await parts_.pool.run(visit.worker.loop, write);
  co_return ok(std::move(body));
}

Task<Answer> Console::begin_session(Visit& visit, Result<NewSession> begun, std::string_view how) {
  visit.session_token = begun->token;
  const auto check = [&] { return parts_.sessions.check(visit.session_token, false); };
  auto checked = co_await parts_.pool.run(visit.worker.loop, check);
  if (!checked.ok()) co_return link_used();
  visit.session = std::move(*checked);
  visit.principal = visit.session->principal;
  const auto record = [&] {
    return audit(visit, "session.start", visit.session->user.name, {{"by", std::string(how)}});
  };
  const bool audited = co_await parts_.pool.run(visit.worker.loop, record);
  if (!audited) {
    const auto end = [&] { return parts_.sessions.end(visit.session_token); };
    const Status ended = co_await parts_.pool.run(visit.worker.loop, end);
    (void)ended;
    co_return unaudited();
  }
  Answer answer = ok(session_json(visit));
  answer.cookie = identity::session_cookie(begun->token, parts_.session_config.absolute_ms,
                                           visit.exchange.peer().tls);
  wipe(begun->token);
  co_return answer;
}

Task<Answer> Console::post_session(Visit& visit) {
  static constexpr std::array<std::string_view, 3> kMembers = {"token", "user", "password"};
  const Body body = co_await read_body(visit.exchange, kMembers);
  if (body.refused) co_return *body.refused;
  const auto token = body.root().get("token").string();
  const auto user = body.root().get("user").string();
  const auto password = body.root().get("password").string();
  const std::string address = visit.exchange.peer().address;
  if (token && body.root().size() == 1) {
    const std::string link(*token);
    const auto redeem = [&] { return parts_.sessions.redeem(link, address); };
    Result<NewSession> begun = co_await parts_.pool.run(visit.worker.loop, redeem);
    if (begun.ok()) co_return co_await begin_session(visit, std::move(begun), "link");
    co_await record_refusal(visit, "session.start", "link");
    if (begun.status().code() == Code::kResourceExhausted) {
      co_return retry_later(429, "locked_out", begun.status().message(), 60);
    }
    if (begun.status().code() != Code::kUnauthenticated) co_return unaudited();
    co_return link_used();
  }
  if (!user || !password || body.root().size() != 2) {
    co_return invalid_body("The body takes either \"token\", or \"user\" and \"password\".");
  }
  std::string name(*user);
  std::string secret(*password);
  const Result<identity::User> known =
      co_await parts_.users.check_password(visit.worker.loop, name, std::move(secret), address);
  if (!known.ok()) {
    co_await record_refusal(visit, "session.start", "password");
    if (known.status().code() == Code::kResourceExhausted) {
      co_return retry_later(429, "locked_out", known.status().message(), 60);
    }
    co_return wrong_credentials("User or password is wrong.");
  }
  const auto start = [&] { return parts_.sessions.start(name); };
  Result<NewSession> begun = co_await parts_.pool.run(visit.worker.loop, start);
  if (!begun.ok()) co_return unaudited();
  co_return co_await begin_session(visit, std::move(begun), "password");
}

Task<Answer> Console::delete_session(Visit& visit) {
  if (!visit.session) co_return no_session();
  const auto end = [&] {
    const Status ended = parts_.sessions.end(visit.session_token);
    return ended.ok() && audit(visit, "session.end", visit.session->user.name, {});
  };
  const bool done = co_await parts_.pool.run(visit.worker.loop, end);
  if (!done) co_return unaudited();
  Answer answer = no_content();
  answer.cookie = identity::session_cookie({}, 0, visit.exchange.peer().tls);
  co_return answer;
}

Task<Answer> Console::post_password(Visit& visit) {
  if (!visit.session) co_return no_session();
  static constexpr std::array<std::string_view, 2> kMembers = {"current", "new"};
  const Body body = co_await read_body(visit.exchange, kMembers);
  if (body.refused) co_return *body.refused;
  const auto wanted = body.root().get("new").string();
  const wire::JsonView given = body.root().get("current");
  if (!wanted || (given.present() && !given.is_null() && !given.is_string())) {
    co_return invalid_body("\"new\" has to be a string, and \"current\" a string or null.");
  }
  if (characters(*wanted) < identity::UserStore::kPasswordCharsMin ||
      characters(*wanted) > kPasswordCharsMax) {
    co_return refusal(422, "password_too_weak", "A password has 12 to 256 characters.",
                      "Choose a longer one: a few words that do not belong together.");
  }
  if (const auto blocked = writable()) co_return *blocked;
  const std::string user = visit.session->user.name;
  if (visit.session->user.has_password) {
    std::string current(given.string().value_or(""));
    std::string address = visit.exchange.peer().address;
    const Result<identity::User> known = co_await parts_.users.check_password(
        visit.worker.loop, user, std::move(current), std::move(address));
    if (!known.ok()) {
      co_await record_refusal(visit, "password.change", "password");
      if (known.status().code() == Code::kResourceExhausted) {
        co_return retry_later(429, "locked_out", known.status().message(), 60);
      }
      co_return wrong_credentials("The present password is wrong.");
    }
  }
  std::string secret(*wanted);
  const Status set = co_await parts_.users.set_password(visit.worker.loop, user, std::move(secret));
  if (set.code() == Code::kInvalidArgument) {
    co_return refusal(422, "password_too_weak", set.message(), "Choose another.");
  }
  if (!set.ok()) co_return retry_later(503, "overloaded", set.message(), 1);
  const auto end_others = [&] {
    const Status ended = parts_.sessions.end_all(user, visit.session_token);
    return ended.ok() && audit(visit, "password.change", user, {});
  };
  const bool done = co_await parts_.pool.run(visit.worker.loop, end_others);
  if (!done) co_return unaudited();
  co_return no_content();
}

}  // namespace gatehouse::api
