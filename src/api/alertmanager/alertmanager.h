// Alertmanager's API v2 (api/v2/openapi.yaml of Alertmanager 0.28) over AlertEngine: what
// Prometheus posts to, and what amtool, Grafana and karma read and change.
//
// One table (alertmanager.cc) says for each route what it asks for and who answers it.
// Answers and refusals have Alertmanager's shapes and words: a plain JSON string from its own
// handlers, {"code":…,"message":…} from go-openapi before them.
//
// Two ways to serve it. On the program's main port every route asks for a credential, a
// change is audited, and a silence that would hide too much asks to be confirmed. As
// `gatehouse alertmanager`, in Alertmanager's place, it asks for nothing that Alertmanager
// does not ask for.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alerts/engine.h"
#include "api/admission.h"
#include "base/pool.h"
#include "identity/audit.h"
#include "identity/roles.h"
#include "model/clock.h"
#include "net/exchange.h"
#include "net/url.h"

namespace gatehouse::api {

// What is told of the cluster that there is not: this program is its only member.
struct ClusterState {
  bool enabled = false;
  std::string name, address;
};

// REQUIRES: all outlive the Alertmanager.
struct AlertmanagerParts {
  alerts::AlertEngine& engine;
  Pool& pool;
  const model::Clock& clock;
  std::string version{};
  int64_t started_ms = 0;  // wall
  ClusterState cluster{};
  // Both or neither; neither: whoever can reach it may do everything.
  const AdmissionParts* admission = nullptr;
  identity::AuditLog* audit = nullptr;
  // The share of live alerts that a silence may hide unconfirmed; empty: all of them.
  std::function<double()> silence_share{};
};

struct AlertAnswer {
  int status = 200;
  std::string body{};  // JSON; empty: none is sent
  std::vector<std::pair<std::string, std::string>> headers{};
};

class Alertmanager {
 public:
  explicit Alertmanager(AlertmanagerParts parts) : parts_(std::move(parts)) {}

  // Whether the path is under this API: /api/v2/…
  static bool knows(std::string_view path) { return path.starts_with("/api/v2/"); }
  // `path` as it is served, which may be less than the request's (a prefix before it).
  // `worker` is needed where there is an admission.
  Task<void> handle(gateway::Worker* worker, net::Exchange& exchange, std::string path);

 private:
  struct Asked {
    net::Exchange& exchange;
    net::QueryParameters parameters{};
    std::string capture{};  // what the route's "{}" stood for
    Visitor visitor{};

    std::optional<std::string_view> find(std::string_view name) const;
    // As go-openapi reads one; `fallback` where it is absent.
    bool flag(std::string_view name, bool fallback) const;
  };
  using Handler = Task<AlertAnswer> (Alertmanager::*)(Asked&);
  struct Route {
    std::string_view pattern;
    net::Method method;
    identity::Action action;
    Handler handler;
  };
  static std::span<const Route> routes();

  Task<AlertAnswer> serve(gateway::Worker* worker, Asked& asked, std::string_view path);
  Task<AlertAnswer> status(Asked& asked);
  Task<AlertAnswer> receivers(Asked& asked);
  Task<AlertAnswer> get_alerts(Asked& asked);
  Task<AlertAnswer> post_alerts(Asked& asked);
  Task<AlertAnswer> groups(Asked& asked);
  // silences.cc
  Task<AlertAnswer> get_silences(Asked& asked);
  Task<AlertAnswer> get_silence(Asked& asked);
  Task<AlertAnswer> post_silence(Asked& asked);
  Task<AlertAnswer> delete_silence(Asked& asked);
  AlertAnswer preview(const alerts::Silence& silence);
  std::optional<AlertAnswer> refuse_too_much(const Asked& asked, const alerts::Silence& silence);

  // The body as JSON; an answer: why not.
  Task<std::optional<AlertAnswer>> read_json(Asked& asked, std::string_view name,
                                             wire::JsonDocument& out);
  Result<alerts::AlertFilter> read_filter(const Asked& asked) const;
  Status audit(const Asked& asked, std::string action, std::string object,
               std::vector<std::pair<std::string, std::string>> details);
  int64_t now_ms() const { return parts_.clock.wall_ns() / 1'000'000; }

  AlertmanagerParts parts_;
};

// A JSON string, as Alertmanager's own handlers refuse; and go-openapi's object.
AlertAnswer alert_refusal(int status, std::string_view message);
AlertAnswer openapi_refusal(int status, int code, std::string_view message);
// All `filter` parameters, a matcher each.
Result<alerts::Matchers> read_filter_matchers(const net::QueryParameters& parameters);

}  // namespace gatehouse::api
