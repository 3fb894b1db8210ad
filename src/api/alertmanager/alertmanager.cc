#include "api/alertmanager/alertmanager.h"

#include <algorithm>
#include <array>

#include "api/alertmanager/alert_json.h"
#include "base/text.h"
#include "wire/json.h"

namespace gatehouse::api {

namespace {

using wire::JsonWriter;

// A thousand alerts of a storm are some MiB; the server's own bound counts beside it.
constexpr size_t kBodyBytesMax = 32 << 20;

AlertAnswer answer_of(std::string body) {
  AlertAnswer answer;
  answer.body = std::move(body);
  answer.body += '\n';
  return answer;
}

Task<void> send(net::Exchange& exchange, const AlertAnswer& answer) {
  std::vector<net::Header> headers = {{"cache-control", "no-store"},
                                      {"x-content-type-options", "nosniff"}};
  for (const auto& [name, value] : answer.headers) headers.push_back({name, value});
  net::Reply reply;
  reply.status = answer.status;
  if (!answer.body.empty()) reply.content_type = "application/json";
  reply.headers = headers;
  reply.body = answer.body;
  const Status sent = co_await exchange.reply(reply);
  (void)sent;  // the client has left; there is nobody to tell
}

bool is_json(std::string_view content_type) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  return type.empty() || equal_ignoring_case(type, "application/json");
}

}  // namespace

AlertAnswer alert_refusal(int status, std::string_view message) {
  std::string body;
  JsonWriter(body).string(message);
  AlertAnswer answer = answer_of(std::move(body));
  answer.status = status;
  return answer;
}

AlertAnswer openapi_refusal(int status, int code, std::string_view message) {
  std::string body;
  JsonWriter(body).begin_object().member("code", code).member("message", message).end_object();
  AlertAnswer answer = answer_of(std::move(body));
  answer.body.pop_back();  // these have no line end
  answer.status = status;
  return answer;
}

Result<alerts::Matchers> read_filter_matchers(const net::QueryParameters& parameters) {
  alerts::Matchers out;
  for (const auto& [name, value] : parameters) {
    if (name != "filter") continue;
    ASSIGN_OR_RETURN(auto matcher, alerts::parse_matcher(value));
    out.push_back(std::move(matcher));
  }
  return out;
}

std::optional<std::string_view> Alertmanager::Asked::find(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return value;
  }
  return std::nullopt;
}

bool Alertmanager::Asked::flag(std::string_view name, bool fallback) const {
  constexpr std::array<std::string_view, 10> kTrue = {
      "true", "1", "yes", "ok", "y", "on", "t", "selected", "checked", "enabled"};
  const auto value = find(name);
  if (!value || value->empty()) return fallback;
  return std::find(kTrue.begin(), kTrue.end(), to_lower(*value)) != kTrue.end();
}

std::span<const Alertmanager::Route> Alertmanager::routes() {
  using identity::Action;
  using net::Method;
  using A = Alertmanager;
  static constexpr std::array kRoutes = {
      Route{"/api/v2/status", Method::kGet, Action::kAlertsRead, &A::status},
      Route{"/api/v2/receivers", Method::kGet, Action::kAlertsRead, &A::receivers},
      Route{"/api/v2/alerts", Method::kGet, Action::kAlertsRead, &A::get_alerts},
      Route{"/api/v2/alerts", Method::kPost, Action::kAlertsWrite, &A::post_alerts},
      Route{"/api/v2/alerts/groups", Method::kGet, Action::kAlertsRead, &A::groups},
      Route{"/api/v2/silences", Method::kGet, Action::kAlertsRead, &A::get_silences},
      Route{"/api/v2/silences", Method::kPost, Action::kSilencesWrite, &A::post_silence},
      Route{"/api/v2/silence/{}", Method::kGet, Action::kAlertsRead, &A::get_silence},
      Route{"/api/v2/silence/{}", Method::kDelete, Action::kSilencesWrite, &A::delete_silence},
  };
  return kRoutes;
}

Task<void> Alertmanager::handle(gateway::Worker* worker, net::Exchange& exchange,
                                std::string path) {
  Asked asked{exchange};
  const AlertAnswer answer = co_await serve(worker, asked, path);
  co_await send(exchange, answer);
}

Task<AlertAnswer> Alertmanager::serve(gateway::Worker* worker, Asked& asked,
                                      std::string_view path) {
  const net::RequestHead& head = asked.exchange.request();
  const net::Method method = head.method == net::Method::kHead ? net::Method::kGet : head.method;
  const Route* found = nullptr;
  std::string methods;
  for (const Route& route : routes()) {
    auto captures = net::match_path(route.pattern, path);
    if (!captures) continue;
    methods += (methods.empty() ? "" : ",") + std::string(net::name(route.method));
    if (route.method != method) continue;
    found = &route;
    if (!captures->empty()) asked.capture = std::move(captures->front());
  }
  if (found == nullptr && methods.empty()) {
    co_return openapi_refusal(404, 404, "path " + std::string(path) + " was not found");
  }
  if (found == nullptr) {
    AlertAnswer refused = openapi_refusal(
        405, 405,
        "method " + std::string(head.method_text) + " is not allowed, but [" + methods + "] are");
    refused.headers.emplace_back("allow", methods);
    co_return refused;
  }
  if (parts_.admission != nullptr) {
    const bool changes = found->action != identity::Action::kAlertsRead;
    std::optional<Denial> denied = co_await admit(*parts_.admission, *worker, asked.exchange,
                                                  found->action, changes, asked.visitor);
    if (denied) {
      AlertAnswer refused = openapi_refusal(denied->status, denied->status, denied->message);
      refused.headers = std::move(denied->headers);
      co_return refused;
    }
  }
  auto query = net::parse_query(head.query);
  if (!query) co_return openapi_refusal(400, 400, "the query string is malformed or too long");
  asked.parameters = std::move(*query);
  co_return co_await (this->*found->handler)(asked);
}

Task<std::optional<AlertAnswer>> Alertmanager::read_json(Asked& asked, std::string_view name,
                                                         wire::JsonDocument& out) {
  const std::string_view type = asked.exchange.request().headers.get("content-type");
  if (!is_json(type)) {
    co_return openapi_refusal(415, 415,
                              "unsupported media type " + alerts::go_quoted(type) +
                                  ", only [application/json] are allowed");
  }
  const auto body = co_await asked.exchange.read_body(kBodyBytesMax);
  if (!body.ok()) {
    const int status = body.status().code() == Code::kResourceExhausted ? 413
                       : body.status().code() == Code::kUnavailable     ? 503
                                                                        : 400;
    co_return openapi_refusal(status, status, body.status().message());
  }
  if (trim(*body).empty()) {
    co_return openapi_refusal(422, 602, std::string(name) + " in body is required");
  }
  const Status read = out.read(*body);
  if (read.ok()) co_return std::nullopt;
  co_return openapi_refusal(
      400, 400,
      "parsing " + std::string(name) + " body from \"\" failed, because " + read.message());
}

Status Alertmanager::audit(const Asked& asked, std::string action, std::string object,
                           std::vector<std::pair<std::string, std::string>> details) {
  if (parts_.audit == nullptr) return {};
  identity::AuditEntry entry;
  if (asked.visitor.principal != nullptr) {
    entry.actor = asked.visitor.principal->id;
    entry.actor_kind =
        asked.visitor.by_session ? identity::ActorKind::kUser : identity::ActorKind::kKey;
  }
  entry.action = std::move(action);
  entry.object = std::move(object);
  entry.address = asked.exchange.peer().address;
  entry.details = std::move(details);
  return parts_.audit->append(std::move(entry));
}

Task<AlertAnswer> Alertmanager::status(Asked&) {
  const auto config = parts_.engine.config();
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("cluster").begin_object();
  if (parts_.cluster.enabled) json.member("name", parts_.cluster.name);
  json.key("peers").begin_array();
  if (parts_.cluster.enabled) {
    json.begin_object().member("address", parts_.cluster.address);
    json.member("name", parts_.cluster.name).end_object();
  }
  json.end_array().member("status", parts_.cluster.enabled ? "ready" : "disabled").end_object();
  json.key("config").begin_object();
  json.member("original", config == nullptr ? std::string() : config->original).end_object();
  json.member("uptime", format_time(parts_.started_ms * 1'000'000));
  json.key("versionInfo").begin_object().member("branch", "gatehouse");
  json.member("buildDate", "").member("buildUser", "").member("goVersion", "");
  json.member("revision", "").member("version", parts_.version).end_object();
  json.end_object();
  co_return answer_of(std::move(body));
}

Task<AlertAnswer> Alertmanager::receivers(Asked&) {
  const auto config = parts_.engine.config();
  std::string body;
  JsonWriter json(body);
  json.begin_array();
  if (config != nullptr) {
    for (const std::string& name : config->receiver_names) {
      json.begin_object().member("name", name).end_object();
    }
  }
  json.end_array();
  co_return answer_of(std::move(body));
}

Result<alerts::AlertFilter> Alertmanager::read_filter(const Asked& asked) const {
  alerts::AlertFilter filter;
  filter.active = asked.flag("active", true);
  filter.silenced = asked.flag("silenced", true);
  filter.inhibited = asked.flag("inhibited", true);
  filter.muted = asked.flag("muted", true);
  filter.unprocessed = asked.flag("unprocessed", true);
  ASSIGN_OR_RETURN(filter.matchers, read_filter_matchers(asked.parameters));
  if (const auto receiver = asked.find("receiver"); receiver && !receiver->empty()) {
    filter.receiver_regex = *receiver;
    const auto tried =
        model::Matcher::create(model::Matcher::Op::kRegex, "receiver", filter.receiver_regex);
    if (!tried.ok()) {
      return invalid_argument("failed to parse receiver param: " + tried.status().message());
    }
  }
  return filter;
}

// Both lists may be long: they are made and written on the pool.
Task<AlertAnswer> Alertmanager::get_alerts(Asked& asked) {
  const auto filter = read_filter(asked);
  if (!filter.ok()) co_return alert_refusal(400, filter.status().message());
  const auto work = [this, &filter] {
    std::string body;
    JsonWriter json(body);
    json.begin_array();
    parts_.engine.visit_alerts(*filter,
                               [&json](alerts::AlertView&& alert) { write_alert(json, alert); });
    json.end_array();
    return body;
  };
  co_return answer_of(co_await parts_.pool.run(asked.exchange.loop(), work));
}

Task<AlertAnswer> Alertmanager::groups(Asked& asked) {
  const auto filter = read_filter(asked);
  if (!filter.ok()) co_return alert_refusal(400, filter.status().message());
  const auto work = [this, &filter] {
    std::string body;
    JsonWriter json(body);
    json.begin_array();
    parts_.engine.visit_groups(*filter,
                               [&json](alerts::GroupView&& group) { write_group(json, group); });
    json.end_array();
    return body;
  };
  co_return answer_of(co_await parts_.pool.run(asked.exchange.loop(), work));
}

Task<AlertAnswer> Alertmanager::post_alerts(Asked& asked) {
  wire::JsonDocument document;
  std::optional<AlertAnswer> refused = co_await read_json(asked, "alerts", document);
  if (refused) co_return std::move(*refused);
  const auto work = [this, &document]() -> AlertAnswer {
    std::vector<model::Alert> alerts;
    if (const auto problem = read_alerts(document.root(), alerts)) {
      return openapi_refusal(problem->status(), problem->code, problem->message);
    }
    const Status taken = parts_.engine.take(std::move(alerts));
    if (taken.ok()) return {};
    const int status = taken.code() == Code::kInvalidArgument     ? 400
                       : taken.code() == Code::kResourceExhausted ? 503
                                                                  : 500;
    return alert_refusal(status, taken.message());
  };
  co_return co_await parts_.pool.run(asked.exchange.loop(), work);
}

}  // namespace gatehouse::api
