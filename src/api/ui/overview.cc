// The home page in one reply. docs/api.md §3.
#include <algorithm>
#include <array>

#include "api/ui/console.h"
#include "api/ui/upstream_json.h"

namespace gatehouse::api {

namespace {

using gateway::Activity;
using gateway::ActivityTotals;
using gateway::ActivityView;
using wire::JsonWriter;

// A rate over less than this says more about chance than about the load.
constexpr int64_t kRateMsMin = 60'000;

std::optional<double> error_ratio(const ActivityTotals& totals) {
  if (totals.calls == 0) return std::nullopt;
  return static_cast<double>(totals.errors) / static_cast<double>(totals.calls);
}

double per_second(int64_t calls, int64_t ms) {
  return static_cast<double>(calls) * 1000 / static_cast<double>(ms);
}

void write_series(JsonWriter& json, const ActivityView& view) {
  json.key("series").begin_object();
  json.key("at_ms").begin_array();
  for (const auto& point : view.points) json.integer(point.at_ms);
  json.end_array().key("calls").begin_array();
  for (const auto& point : view.points) json.integer(point.calls);
  json.end_array().key("errors").begin_array();
  for (const auto& point : view.points) json.integer(point.errors);
  json.end_array().key("ttft_p95_ms").begin_array();
  for (const auto& point : view.points) {
    if (point.first_token_p95_ms) {
      json.number(*point.first_token_p95_ms);
    } else {
      json.null();
    }
  }
  json.end_array().end_object();
}

void write_top_models(JsonWriter& json, const ActivityView& view) {
  json.key("top_models").begin_array();
  for (const gateway::ModelActivity& model : view.top_models) {
    json.begin_object().member("model", model.model);
    json.member("calls", model.calls).member("errors", model.errors);
    json.member("tokens", model.tokens);
    if (model.priced) {
      nanousd(json, "cost_nanousd", model.cost_nanodollars);
    } else {
      json.key("cost_nanousd").null();
    }
    number_or_null(json, "ttft_p95_ms", model.first_token.quantile_ms(0.95));
    json.end_object();
  }
  json.end_array();
}

void budget(JsonWriter& json, std::string_view name, int64_t nanodollars) {
  if (nanodollars > 0) {
    nanousd(json, name, nanodollars);
  } else {
    json.key(name).null();
  }
}

}  // namespace

Task<Answer> Console::get_overview(Visit& visit) {
  static constexpr std::array<std::string_view, 1> kKnown = {"range"};
  const auto parameters = Parameters::read(visit.exchange.request().query, kKnown);
  if (!parameters.ok()) co_return invalid_parameter(parameters.status().message());
  Activity::Range range = Activity::Range::k1Hour;
  if (const std::string* text = parameters->find("range")) {
    if (*text == "15m") {
      range = Activity::Range::k15Minutes;
    } else if (*text == "24h") {
      range = Activity::Range::k24Hours;
    } else if (*text != "1h") {
      co_return invalid_parameter("range has to be 15m, 1h or 24h.");
    }
  }
  // Sums of some hundreds of steps, and the store of keys, which can be waiting
  // for the disk.
  const auto write = [&] { return overview_json(visit, range); };
  std::string body = co_await parts_.pool.run(visit.worker.loop, write);
  co_return ok(std::move(body));
}

std::string Console::overview_json(const Visit& visit, Activity::Range range) const {
  Activity& activity = parts_.gateway.activity();
  const int64_t now = now_ms();
  const ActivityView view = activity.view(range, now);
  const gateway::SnapshotPtr& snapshot = visit.snapshot;
  const ActivityTotals& totals = view.totals;
  const int64_t rate_ms = std::min(view.range_ms, std::max(kRateMsMin, now - view.known_since_ms));
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("now_at_ms", now);
  json.member("range_ms", view.range_ms).member("step_ms", view.step_ms);
  json.member("calls", totals.calls);
  json.member("calls_per_second", per_second(totals.calls, rate_ms));
  json.member("errors", totals.errors).member("refused", totals.refused);
  number_or_null(json, "error_ratio", error_ratio(totals));
  number_or_null(json, "ttft_p50_ms", totals.first_token.quantile_ms(0.5));
  number_or_null(json, "ttft_p95_ms", totals.first_token.quantile_ms(0.95));
  json.member("in_flight", parts_.gateway.calls_in_flight());
  json.key("previous");
  if (view.previous) {
    json.begin_object();
    json.member("calls_per_second", per_second(view.previous->calls, view.range_ms));
    number_or_null(json, "error_ratio", error_ratio(*view.previous));
    number_or_null(json, "ttft_p95_ms", view.previous->first_token.quantile_ms(0.95));
    json.end_object();
  } else {
    json.null();
  }
  json.key("tokens").begin_object();
  json.member("input", totals.input_tokens).member("cached_input", totals.cached_input_tokens);
  json.member("output", totals.output_tokens).member("reasoning", totals.reasoning_tokens);
  json.end_object();

  const gateway::Budget& spent = snapshot->whole_gate->budget;
  const int64_t wall_ns = parts_.clock.wall_ns();
  const ConfigState config = parts_.program.config();
  json.key("spend").begin_object();
  nanousd(json, "range_nanousd", totals.cost_nanodollars);
  nanousd(json, "today_nanousd", spent.spent_today(wall_ns));
  nanousd(json, "month_nanousd", spent.spent_this_month(wall_ns));
  budget(json, "daily_budget_nanousd", config.daily_budget_nanodollars);
  budget(json, "monthly_budget_nanousd", config.monthly_budget_nanodollars);
  json.member("estimated_ratio", totals.calls == 0 ? 0.0
                                                   : static_cast<double>(totals.estimated) /
                                                         static_cast<double>(totals.calls));
  json.end_object();
  write_series(json, view);
  write_top_models(json, view);
  json.key("upstreams").begin_array();
  for (const auto& upstream : snapshot->upstreams) {
    const UpstreamState state = upstream_state(*upstream, activity, steady_ms(), now);
    json.begin_object().member("name", upstream->config().name);
    json.member("health", state.health).member("breaker", state.breaker);
    text_or_null(json, "reason", state.reasons.empty() ? "" : state.reasons.front());
    json.member("in_flight", state.in_flight);
    number_or_null(json, "error_ratio", state.error_ratio());
    number_or_null(json, "ttft_p95_ms", state.recent.first_token.quantile_ms(0.95));
    json.end_object();
  }
  json.end_array();
  json.key("checklist").begin_object();
  json.member("upstream_configured", !snapshot->upstreams.empty());
  json.member("model_configured", !snapshot->router.routes().empty());
  json.member("key_created", parts_.keys.count() > 0);
  json.member("first_call", activity.any_call());
  json.member("password_set", visit.session && visit.session->user.has_password);
  json.end_object().end_object();
  return out;
}

}  // namespace gatehouse::api
