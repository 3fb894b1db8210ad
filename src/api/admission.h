// Who asks, for the APIs that answer in their own words (Prometheus's, Alertmanager's): by a
// key (Bearer, X-API-Key, the password of Basic) or by a session of the console, whose
// reads need no CSRF token and whose other requests do.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/pool.h"
#include "base/task.h"
#include "gateway/gateway.h"
#include "identity/authenticator.h"
#include "identity/roles.h"
#include "identity/sessions.h"
#include "model/clock.h"
#include "model/principal.h"
#include "net/exchange.h"

namespace gatehouse::api {

// REQUIRES: all outlive what uses them.
struct AdmissionParts {
  identity::Authenticator& authenticator;
  identity::SessionStore& sessions;
  Pool& pool;
  const model::Clock& clock;
};

struct Visitor {
  model::PrincipalPtr principal{};  // null: nobody is asked who they are
  bool by_session = false;          // else by a key
};

// A refusal, to be worded as the protocol does. `kind`: "unauthorized" (401), "forbidden"
// (403) or "unavailable" (429).
struct Denial {
  int status = 0;
  std::string_view kind{};
  std::string message{};
  std::vector<std::pair<std::string, std::string>> headers{};
};

// None: `visitor` may do `action`. `changes`: it needs more than a cookie. Where the
// configuration says `authenticate: false`, everyone may.
Task<std::optional<Denial>> admit(const AdmissionParts& parts, gateway::Worker& worker,
                                  net::Exchange& exchange, identity::Action action, bool changes,
                                  Visitor& visitor);

}  // namespace gatehouse::api
