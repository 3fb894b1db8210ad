// Console: the JSON API of docs/api.md and the pages that use it.
//
// One table (console.cc) says for each route its method, the permission it asks
// for and its handler; a handler is a member function in the file of its
// resource. It gets the caller already authenticated, permitted and, where a
// browser's cookie came, checked for CSRF, and gives back an Answer.
//
// Invariants
//   - Nothing that waits for a disk or hashes a password runs on a Loop: it goes
//     through Pool. What only takes a mutex for microseconds may.
//   - A change is audited before it is answered; while the log of audit cannot be
//     written, no change is made (writable()).
//   - Handlers of several Loops run at once: what they share is locked inside the
//     parts, or in LiveCalls.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/program_state.h"
#include "api/ui/answer.h"
#include "api/ui/live_calls.h"
#include "base/pool.h"
#include "gateway/gateway.h"
#include "identity/audit.h"
#include "identity/authenticator.h"
#include "identity/keys.h"
#include "identity/roles.h"
#include "identity/sessions.h"
#include "identity/users.h"
#include "model/clock.h"
#include "model/stream.h"
#include "net/exchange.h"

namespace gatehouse::alerts {
class AlertEngine;
}

namespace gatehouse::api {

// What the console shows and changes. REQUIRES: all outlive it.
struct ConsoleParts {
  gateway::Gateway& gateway;
  identity::Authenticator& authenticator;
  identity::KeyStore& keys;
  identity::UserStore& users;
  identity::SessionStore& sessions;
  identity::AuditLog& audit;
  const identity::SessionConfig& session_config;
  const model::Reader& calls;          // the log that has the stream of calls
  const model::Reader& audit_records;  // the log that has the audit stream; may be the same
  Pool& pool;
  const model::Clock& clock;
  const ProgramState& program;
  // Follows the calls that end from now on; see live_calls.h.
  FollowCalls follow_calls;
  // Null until it is there: the routes of alerts answer 503.
  alerts::AlertEngine* alerts = nullptr;
};

// A request of the API by someone who may make it.
struct Visit {
  gateway::Worker& worker;
  net::Exchange& exchange;
  std::vector<std::string> captures{};  // of the route's pattern
  gateway::SnapshotPtr snapshot{};      // the one in force when the request came
  model::PrincipalPtr principal{};
  // By cookie; none for a key.
  std::optional<identity::SessionStore::Checked> session{};
  std::string session_token{};

  bool may(identity::Action action) const { return identity::may(*principal, action); }
};

class Console {
 public:
  explicit Console(ConsoleParts parts);

  // /api/v1/*, the pages and their assets; anything else is 404.
  Task<void> handle(gateway::Worker& worker, net::Exchange& exchange);

 private:
  using Handler = Task<Answer> (Console::*)(Visit&);
  struct Route {
    net::Method method;
    std::string_view pattern;
    std::optional<identity::Action> action;  // none: whoever is signed in
    Handler handler;
    bool needs_records = false;
    bool open = false;  // no credential
  };
  static std::span<const Route> routes();

  Task<Answer> serve(gateway::Worker& worker, net::Exchange& exchange);
  Task<Answer> admit(const Route& route, Visit& visit);
  Task<Answer> authenticate(Visit& visit);
  Answer authenticate_key(Visit& visit, std::string_view presented);
  Task<void> record_refusal(Visit& visit, std::string action, std::string reason);
  // Ok, or the answer why no change can be made now.
  std::optional<Answer> writable() const;
  // Waits for the disk; false: it could not be written.
  bool audit(const Visit& visit, std::string action, std::string target,
             std::vector<std::pair<std::string, std::string>> details);
  int64_t now_ms() const { return parts_.clock.wall_ns() / 1'000'000; }

  // session.cc
  Task<Answer> post_session(Visit& visit);
  Task<Answer> get_session(Visit& visit);
  Task<Answer> delete_session(Visit& visit);
  Task<Answer> post_password(Visit& visit);
  std::string session_json(const Visit& visit) const;
  Task<Answer> begin_session(Visit& visit, Result<identity::NewSession> begun,
                             std::string_view how);
  // overview.cc
  Task<Answer> get_overview(Visit& visit);
  std::string overview_json(const Visit& visit, gateway::Activity::Range range) const;
  // upstreams.cc
  Task<Answer> get_upstreams(Visit& visit);
  // calls.cc
  Task<Answer> get_calls(Visit& visit);
  Task<Answer> get_call(Visit& visit);
  Task<Answer> get_filters(Visit& visit);
  std::string filters_json(const gateway::Snapshot& snapshot) const;
  Task<Answer> get_live(Visit& visit);
  bool still_valid(const Visit& visit) const;
  // keys.cc
  Task<Answer> get_keys(Visit& visit);
  Task<Answer> get_key(Visit& visit);
  Task<Result<identity::Key>> find_key(Visit& visit);
  Task<Answer> post_key(Visit& visit);
  Task<Answer> patch_key(Visit& visit);
  Task<Answer> rotate_key(Visit& visit);
  Task<Answer> delete_key(Visit& visit);
  std::string key_json(const identity::Key& key) const;
  Answer key_refused(const Status& status) const;
  Answer create_key(const Visit& visit, const identity::KeySpec& spec);
  // audit.cc
  Task<Answer> get_audit(Visit& visit);
  // alerting.cc
  Task<Answer> get_alert_history(Visit& visit);
  Task<Answer> get_receivers(Visit& visit);
  Task<Answer> test_receiver(Visit& visit);
  Task<Answer> find_route(Visit& visit);

  ConsoleParts parts_;
  LiveCalls live_;
};

// Who stands behind a principal as the contract names them: "admin" for
// "user:admin", else the key's id.
std::string_view person_of(std::string_view id);
// The role that the console shows of several: the one that may most.
model::Role shown_role(std::span<const model::Role> roles);

}  // namespace gatehouse::api
