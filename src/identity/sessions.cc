#include "identity/sessions.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "wire/json.h"

namespace gatehouse::identity {

namespace {

constexpr std::string_view kKind = "session";
constexpr std::string_view kLinkKind = "login-link";
constexpr size_t kTokenBytes = 32;
constexpr size_t kTokenChars = 43;  // base64url of them
// How often the time of the last use is stored: a restart forgets at most this.
constexpr int64_t kSeenStepNs = 5 * 60'000'000'000LL;

std::string new_token() {
  std::string bytes = random_bytes(kTokenBytes);
  std::string token = base64url_encode(bytes);
  wipe(bytes);
  return token;
}

std::string id_of(std::string_view token) { return hex_encode(sha256(token)); }

Status not_signed_in() { return {Code::kUnauthenticated, "You are not signed in."}; }
Status link_used() {
  return {Code::kUnauthenticated,
          "The link was used, has expired or is unknown. `gatehouse login-link` makes another."};
}

}  // namespace

Result<std::string> new_login_link(model::Catalog& catalog, const model::Clock& clock,
                                   const SessionConfig& config, std::string_view user) {
  std::string token = new_token();
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object().member("user", user);
  json.member("expires_ns", clock.wall_ns() + config.login_link_ms * 1'000'000).end_object();
  if (auto stored = catalog.put(kLinkKind, id_of(token), out, 0, {}); !stored.ok()) {
    wipe(token);
    return stored.status();
  }
  return token;
}

SessionStore::SessionStore(model::Catalog& catalog, UserStore& users, Lockout& lockout,
                           const model::Clock& clock, SessionConfig config,
                           model::Registry& registry)
    : catalog_(catalog),
      users_(users),
      lockout_(lockout),
      clock_(clock),
      config_(config),
      begun_(&registry.counter("gatehouse_identity_sessions", "Browser sessions begun.", {})),
      refused_links_(&registry.counter("gatehouse_identity_refused_links",
                                       "Login links that were used, expired or unknown.", {})),
      open_(&registry.gauge("gatehouse_identity_open_sessions", "Browser sessions open.", {})) {}

bool SessionStore::alive(const Session& session, int64_t now_ns) const {
  // A clock set back must not lengthen a session either: `seen` in the future
  // counts as now.
  return now_ns < session.expires_ns && now_ns - session.seen_ns < config_.idle_ms * 1'000'000;
}

Status SessionStore::load() {
  ASSIGN_OR_RETURN(const std::vector<model::Object> stored, catalog_.list(kKind));
  {
    const std::lock_guard lock(mutex_);
    sessions_.clear();
    for (const model::Object& object : stored) {
      const auto document = wire::JsonDocument::parse(object.body);
      if (!document.ok()) {
        log_error("a stored session cannot be read and is ended", {{"session", object.id}});
        (void)catalog_.remove(kKind, object.id, {});
        continue;
      }
      const wire::JsonView root = document->root();
      Held held;
      held.version = object.version;
      held.session.id = object.id;
      held.session.user = root["user"].string().value_or("");
      held.session.created_ns = root["created_ns"].integer().value_or(0);
      held.session.seen_ns = held.stored_seen_ns = root["seen_ns"].integer().value_or(0);
      held.session.expires_ns = root["expires_ns"].integer().value_or(0);
      sessions_.emplace(object.id, std::move(held));
    }
  }
  return sweep();
}

Status SessionStore::store(Held& held) {
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object().member("user", held.session.user);
  json.member("created_ns", held.session.created_ns).member("seen_ns", held.session.seen_ns);
  json.member("expires_ns", held.session.expires_ns).end_object();
  ASSIGN_OR_RETURN(held.version, catalog_.put(kKind, held.session.id, out, held.version, {}));
  held.stored_seen_ns = held.session.seen_ns;
  return {};
}

Result<NewSession> SessionStore::redeem(std::string_view link_token, std::string_view address) {
  const Lockout::Subject from = lockout_.address(address);
  const int64_t now_ms = clock_.steady_ns() / 1'000'000;
  if (const int64_t locked_ms = lockout_.locked_for_ms(from, now_ms); locked_ms > 0) {
    return resource_exhausted("Too many failures to sign in; locked for another " +
                              std::to_string((locked_ms + 999) / 1000) + " seconds.");
  }
  const std::string id = id_of(link_token);
  const auto object = catalog_.get(kLinkKind, id);
  // Whoever removes it has it.
  if (!object.ok() || !catalog_.remove(kLinkKind, id, {}).ok()) {
    if (!object.ok() && object.status().code() != Code::kNotFound) return object.status();
    refused_links_->add();
    if (lockout_.failed(from, now_ms)) {
      log_warning("address locked out after repeated failures to sign in", {{"address", address}});
    }
    return link_used();
  }
  ASSIGN_OR_RETURN(const auto document, wire::JsonDocument::parse(object->body));
  const std::string user(document.root()["user"].string().value_or(""));
  if (clock_.wall_ns() >= document.root()["expires_ns"].integer().value_or(0)) {
    refused_links_->add();
    return link_used();
  }
  if (users_.empty() && user == kFirstUser) {
    ASSIGN_OR_RETURN(const User first, users_.create(user, {model::Role::kAdmin}));
    log_info("the first user signed in and is admin", {{"user", first.name}});
  }
  return start(user);
}

Result<NewSession> SessionStore::start(std::string_view user) {
  if (const auto found = users_.get(user); !found.ok()) return link_used();
  const std::lock_guard lock(mutex_);
  return start_locked(user);
}

Result<NewSession> SessionStore::start_locked(std::string_view user) {
  std::vector<const Session*> others;
  for (const auto& [id, held] : sessions_) {
    if (held.session.user == user) others.push_back(&held.session);
  }
  if (others.size() >= config_.sessions_a_user_max) {
    const auto oldest = std::min_element(others.begin(), others.end(),
                                         [](auto* a, auto* b) { return a->seen_ns < b->seen_ns; });
    RETURN_IF_ERROR(forget(std::string((*oldest)->id)));
  }
  NewSession made;
  made.token = new_token();
  made.csrf = csrf_of(made.token);
  Held held;
  held.session.id = id_of(made.token);
  held.session.user = user;
  held.session.created_ns = held.session.seen_ns = clock_.wall_ns();
  held.session.expires_ns = held.session.created_ns + config_.absolute_ms * 1'000'000;
  RETURN_IF_ERROR(store(held));
  made.session = held.session;
  sessions_[held.session.id] = std::move(held);
  begun_->add();
  open_->set(static_cast<double>(sessions_.size()));
  return made;
}

Result<SessionStore::Checked> SessionStore::check(std::string_view token, bool touch) {
  if (token.size() != kTokenChars) return not_signed_in();
  // Found by its hash: where a comparison ends early says nothing of the token.
  const std::string id = id_of(token);
  Checked out;
  {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return not_signed_in();
    Held& held = found->second;
    const int64_t now_ns = clock_.wall_ns();
    if (!alive(held.session, now_ns)) {
      (void)forget(id);
      return not_signed_in();
    }
    if (touch) {
      held.session.seen_ns = now_ns;
      if (now_ns - held.stored_seen_ns >= kSeenStepNs) {
        if (Status status = store(held); !status.ok()) {
          log_warning("the last use of a session could not be stored",
                      {{"reason", status.message()}});
        }
      }
    }
    out.session = held.session;
  }
  auto user = users_.get(out.session.user);
  if (!user.ok()) return not_signed_in();
  out.user = std::move(*user);
  out.principal = std::make_shared<const model::Principal>(
      model::Principal{"user:" + out.user.name, out.user.name, out.user.roles, {}, {}});
  return out;
}

std::string SessionStore::csrf_of(std::string_view token) {
  std::string text = "gatehouse-csrf-1:";
  text.reserve(text.size() + token.size());
  text.append(token);
  std::string out = base64url_encode(sha256(text));
  wipe(text);
  return out;
}

bool SessionStore::csrf_fits(std::string_view token, std::string_view presented) {
  return equal_constant_time(csrf_of(token), presented);
}

Status SessionStore::forget(const std::string& id) {
  Status status = catalog_.remove(kKind, id, {});
  if (!status.ok() && status.code() != Code::kNotFound) return status;
  sessions_.erase(id);
  open_->set(static_cast<double>(sessions_.size()));
  return {};
}

Status SessionStore::end(std::string_view token) {
  const std::lock_guard lock(mutex_);
  return forget(id_of(token));
}

Status SessionStore::end_all(std::string_view user, std::string_view except_token) {
  const std::string except = except_token.empty() ? std::string() : id_of(except_token);
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, held] : sessions_) {
    if (held.session.user == user && id != except) ids.push_back(id);
  }
  for (const std::string& id : ids) RETURN_IF_ERROR(forget(id));
  return {};
}

std::vector<Session> SessionStore::list(std::string_view user) const {
  const std::lock_guard lock(mutex_);
  std::vector<Session> out;
  for (const auto& [id, held] : sessions_) {
    if (held.session.user == user) out.push_back(held.session);
  }
  return out;
}

Status SessionStore::sweep() {
  const int64_t now_ns = clock_.wall_ns();
  {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> ended;
    for (const auto& [id, held] : sessions_) {
      if (!alive(held.session, now_ns)) ended.push_back(id);
    }
    for (const std::string& id : ended) RETURN_IF_ERROR(forget(id));
    open_->set(static_cast<double>(sessions_.size()));
  }
  ASSIGN_OR_RETURN(const std::vector<model::Object> links, catalog_.list(kLinkKind));
  for (const model::Object& link : links) {
    const auto document = wire::JsonDocument::parse(link.body);
    const int64_t expires_ns =
        document.ok() ? document->root()["expires_ns"].integer().value_or(0) : 0;
    if (now_ns >= expires_ns) (void)catalog_.remove(kLinkKind, link.id, {});
  }
  return {};
}

std::string session_cookie(std::string_view token, int64_t max_age_ms, bool tls) {
  std::string out(kSessionCookie);
  out.append("=").append(token).append("; Path=/; HttpOnly; SameSite=Strict; Max-Age=");
  out.append(std::to_string(token.empty() ? 0 : max_age_ms / 1000));
  if (tls) out.append("; Secure");
  return out;
}

std::string_view session_from(const net::HeaderList& headers) {
  std::string_view token;
  int found = 0;
  for (const std::string_view line : headers.get_all("cookie")) {
    for (std::string_view pair : split(line, ';')) {
      pair = trim(pair);
      const size_t equals = pair.find('=');
      if (equals == std::string_view::npos || pair.substr(0, equals) != kSessionCookie) continue;
      token = pair.substr(equals + 1);
      ++found;
    }
  }
  return found == 1 ? token : std::string_view();
}

}  // namespace gatehouse::identity
