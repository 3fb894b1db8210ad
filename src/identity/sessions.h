// SessionStore: browser sessions and the one-time links that begin them.
//
// A session is a random 256-bit token in a cookie; the catalog holds its SHA-256
// as an Object of kind "session". It ends when idle, at an absolute age, by
// signing out, and with its user. The CSRF token is SHA-256 over the session's
// token: only who holds the cookie can have made it, and nothing need be stored.
//
// A link's token works once, within minutes. Only its hash is stored (kind
// "login-link"), and taking it is removing the Object, so that of two browsers
// one gets in, and `gatehouse login-link` can make one beside a running server.
//
// Any thread. All but check() wait for the disk and are not for a Loop's thread;
// check() with `touch` does so once in five minutes of a session.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "identity/config.h"
#include "identity/users.h"
#include "model/catalog.h"
#include "model/clock.h"
#include "model/metrics.h"
#include "model/principal.h"
#include "net/http.h"

namespace gatehouse::identity {

inline constexpr std::string_view kSessionCookie = "gatehouse_session";
inline constexpr std::string_view kCsrfHeader = "x-gatehouse-csrf";

struct Session {
  std::string id;  // hash of the token, hex: safe to show
  std::string user;
  int64_t created_ns = 0;
  int64_t seen_ns = 0;
  int64_t expires_ns = 0;  // the absolute end
};

struct NewSession {
  std::string token;  // goes into the cookie; wipe() it then
  std::string csrf;
  Session session;
};

// Makes a link for `user` and returns its token, to be shown once.
Result<std::string> new_login_link(model::Catalog& catalog, const model::Clock& clock,
                                   const SessionConfig& config, std::string_view user);

class SessionStore {
 public:
  SessionStore(model::Catalog& catalog, UserStore& users, Lockout& lockout,
               const model::Clock& clock, SessionConfig config, model::Registry& registry);

  // Reads the catalog; removes sessions and links that have ended.
  Status load();

  // A session for who brings a link's token. The first user of all is made here,
  // with the role admin. kUnauthenticated: used, expired or unknown;
  // kResourceExhausted: the address is locked out.
  Result<NewSession> redeem(std::string_view link_token, std::string_view address);
  // A session for a user whose password was checked.
  Result<NewSession> start(std::string_view user);

  struct Checked {
    Session session;
    User user;
    model::PrincipalPtr principal;  // id "user:<name>"
  };
  // kUnauthenticated: none, or it has ended. `touch`: this is a person's doing,
  // and keeps an idle session alive.
  Result<Checked> check(std::string_view token, bool touch);

  static std::string csrf_of(std::string_view token);
  static bool csrf_fits(std::string_view token, std::string_view presented);

  Status end(std::string_view token);
  // All of the user's, but that of `except_token` where one is given.
  Status end_all(std::string_view user, std::string_view except_token = {});
  std::vector<Session> list(std::string_view user) const;

  // Removes what has ended. Call every few minutes.
  Status sweep();

 private:
  struct Held {
    Session session;
    uint64_t version = 0;
    int64_t stored_seen_ns = 0;
  };
  bool alive(const Session& session, int64_t now_ns) const;
  Result<NewSession> start_locked(std::string_view user);
  Status store(Held& held);
  Status forget(const std::string& id);

  model::Catalog& catalog_;
  UserStore& users_;
  Lockout& lockout_;
  const model::Clock& clock_;
  const SessionConfig config_;
  model::Counter* begun_;
  model::Counter* refused_links_;
  model::Gauge* open_;
  mutable std::mutex mutex_;
  std::map<std::string, Held, std::less<>> sessions_;  // by id
};

// The value of Set-Cookie. An empty token clears it.
std::string session_cookie(std::string_view token, int64_t max_age_ms, bool tls);
// The session's token in a request, empty where there is none. Two cookies of
// the name are refused: one of them may have been planted.
std::string_view session_from(const net::HeaderList& headers);

}  // namespace gatehouse::identity
