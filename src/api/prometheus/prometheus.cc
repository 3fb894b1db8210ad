#include "api/prometheus/prometheus.h"

#include <array>

#include "api/admission.h"
#include "api/prometheus/answer.h"
#include "net/url.h"

namespace gatehouse::api {

namespace {

using metric::error;

// What a form of parameters may hold: a query of kQueryBytesMax, percent-encoded.
constexpr size_t kFormBytesMax = 4 << 20;

MetricAnswer refusal(int status, std::string_view type, std::string_view message) {
  MetricAnswer answer = error(type, message);
  answer.status = status;
  return answer;
}

Task<void> send(net::Exchange& exchange, const MetricAnswer& answer) {
  std::vector<net::Header> headers = {{"cache-control", "no-store"},
                                      {"x-content-type-options", "nosniff"}};
  for (const auto& [name, value] : answer.headers) headers.push_back({name, value});
  net::Reply reply;
  reply.status = answer.status;
  reply.content_type = answer.status == 204 ? std::string_view() : answer.content_type;
  reply.headers = headers;
  reply.body = answer.body;
  const Status sent = co_await exchange.reply(reply);
  (void)sent;  // the client has left; there is nobody to tell
}

}  // namespace

const std::string* MetricRequest::find(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::vector<std::string_view> MetricRequest::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : parameters) {
    if (key == name) values.push_back(value);
  }
  return values;
}

std::span<const Prometheus::Route> Prometheus::routes() {
  using identity::Action;
  static constexpr std::array kRoutes = {
      Route{"/api/v1/query", true, true, Action::kMetricsRead, &Prometheus::query},
      Route{"/api/v1/query_range", true, true, Action::kMetricsRead, &Prometheus::query_range},
      Route{"/api/v1/query_exemplars", true, true, Action::kMetricsRead,
            &Prometheus::query_exemplars},
      Route{"/api/v1/format_query", true, true, Action::kMetricsRead, &Prometheus::format_query},
      Route{"/api/v1/parse_query", true, true, Action::kMetricsRead, &Prometheus::parse_query},
      Route{"/api/v1/labels", true, true, Action::kMetricsRead, &Prometheus::labels},
      Route{"/api/v1/label/{}/values", true, false, Action::kMetricsRead,
            &Prometheus::label_values},
      Route{"/api/v1/series", true, true, Action::kMetricsRead, &Prometheus::series},
      Route{"/api/v1/metadata", true, false, Action::kMetricsRead, &Prometheus::metadata},
      Route{"/api/v1/targets", true, false, Action::kMetricsRead, &Prometheus::targets},
      Route{"/api/v1/targets/metadata", true, false, Action::kMetricsRead,
            &Prometheus::target_metadata},
      Route{"/api/v1/scrape_pools", true, false, Action::kMetricsRead, &Prometheus::scrape_pools},
      Route{"/api/v1/rules", true, false, Action::kMetricsRead, &Prometheus::rules},
      Route{"/api/v1/alerts", true, false, Action::kMetricsRead, &Prometheus::alerts},
      Route{"/api/v1/alertmanagers", true, false, Action::kMetricsRead, &Prometheus::alertmanagers},
      Route{"/api/v1/status/config", true, false, Action::kMetricsRead, &Prometheus::status_config},
      Route{"/api/v1/status/runtimeinfo", true, false, Action::kMetricsRead,
            &Prometheus::status_runtime},
      Route{"/api/v1/status/buildinfo", true, false, Action::kMetricsRead,
            &Prometheus::status_build},
      Route{"/api/v1/status/flags", true, false, Action::kMetricsRead, &Prometheus::status_flags},
      Route{"/api/v1/status/tsdb", true, false, Action::kMetricsRead, &Prometheus::status_tsdb},
      Route{"/api/v1/status/walreplay", true, false, Action::kMetricsRead,
            &Prometheus::status_replay},
      Route{"/api/v1/admin/tsdb/delete_series", false, true, Action::kMetricsDelete,
            &Prometheus::delete_series},
      Route{"/api/v1/admin/tsdb/clean_tombstones", false, true, Action::kMetricsDelete,
            &Prometheus::clean_tombstones},
      Route{"/api/v1/admin/tsdb/snapshot", false, true, Action::kMetricsDelete,
            &Prometheus::snapshot},
      Route{"/api/v1/read", false, true, Action::kMetricsRead, &Prometheus::read, false},
      Route{"/federate", true, false, Action::kMetricsRead, &Prometheus::federate},
      Route{"/api/v1/otlp/v1/metrics", false, true, Action::kMetricsWrite, &Prometheus::otlp,
            false},
      Route{"/api/v1/write", false, true, Action::kMetricsWrite, &Prometheus::write, false},
  };
  return kRoutes;
}

const Prometheus::Route* Prometheus::find_route(std::string_view path, std::string& capture) {
  for (const Route& route : routes()) {
    if (route.pattern == path) return &route;
    if (route.pattern.find("{}") == std::string_view::npos) continue;
    if (auto captures = net::match_path(route.pattern, path)) {
      capture = std::move(captures->front());
      return &route;
    }
  }
  return nullptr;
}

bool Prometheus::knows(std::string_view path) {
  std::string capture;
  return find_route(path, capture) != nullptr;
}

Task<void> Prometheus::handle(gateway::Worker& worker, net::Exchange& exchange) {
  const MetricAnswer answer = co_await serve(worker, exchange);
  if (!answer.sent) co_await send(exchange, answer);
}

Task<MetricAnswer> Prometheus::serve(gateway::Worker& worker, net::Exchange& exchange) {
  const net::RequestHead& head = exchange.request();
  MetricRequest request{worker, exchange};
  const Route* route = find_route(head.path, request.capture);
  if (route == nullptr) co_return refusal(404, "not_found", "nothing is served at this path");
  std::optional<MetricAnswer> refused = co_await admit(*route, request);
  if (refused) co_return std::move(*refused);
  const bool posted = head.method == net::Method::kPost;
  const bool got = head.method == net::Method::kGet || head.method == net::Method::kHead;
  if (!(posted && route->post) && !(got && route->get)) {
    MetricAnswer answer = refusal(405, "bad_data", "this path does not take that method");
    answer.headers.emplace_back("allow", !route->post ? "GET" : !route->get ? "POST" : "GET, POST");
    co_return answer;
  }
  auto query = net::parse_query(head.query);
  if (!query) co_return error("bad_data", "the query string is malformed or too long");
  request.parameters = std::move(*query);
  if (posted && route->form) {
    refused = co_await read_form(request);
    if (refused) co_return std::move(*refused);
  }
  co_return co_await (this->*route->handler)(request);
}

Task<std::optional<MetricAnswer>> Prometheus::read_form(MetricRequest& request) {
  const auto body = co_await request.exchange.read_body(kFormBytesMax);
  if (!body.ok() && body.status().code() == Code::kUnavailable) {
    co_return error("unavailable", body.status().message());
  }
  if (!body.ok()) co_return refusal(400, "bad_data", body.status().message());
  auto form = net::parse_query(*body);
  if (!form) co_return error("bad_data", "the form is malformed or has too many parameters");
  // A form's values come first, as Go's ParseForm has them.
  form->insert(form->end(), std::make_move_iterator(request.parameters.begin()),
               std::make_move_iterator(request.parameters.end()));
  request.parameters = std::move(*form);
  co_return std::nullopt;
}

Task<std::optional<MetricAnswer>> Prometheus::admit(const Route& route, MetricRequest& request) {
  const AdmissionParts parts{parts_.authenticator, parts_.sessions, parts_.pool, parts_.clock};
  Visitor visitor;
  const bool changes = route.action != identity::Action::kMetricsRead;
  std::optional<Denial> denied =
      co_await api::admit(parts, request.worker, request.exchange, route.action, changes, visitor);
  request.principal = std::move(visitor.principal);
  request.by_session = visitor.by_session;
  if (!denied) co_return std::nullopt;
  MetricAnswer answer = refusal(denied->status, denied->kind, denied->message);
  answer.headers = std::move(denied->headers);
  co_return answer;
}

}  // namespace gatehouse::api
