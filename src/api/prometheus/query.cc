// query, query_range, query_exemplars, format_query and parse_query.
#include "api/prometheus/answer.h"
#include "api/prometheus/ast_json.h"
#include "api/prometheus/run_query.h"
#include "lang/promql/parser.h"
#include "lang/promql/printer.h"
#include "store/metric_store.h"

namespace gatehouse::api {

namespace {

using metric::bad_parameter;
using metric::error;
using metric::error_of;

// As Prometheus: enough for a pixel a point of any screen.
constexpr int64_t kPointsMax = 11'000;

const std::string& text_of(const MetricRequest& request, std::string_view name) {
  static const std::string kNone;
  const std::string* text = request.find(name);
  return text == nullptr ? kNone : *text;
}

promql::ParseOptions parse_options() {
  promql::ParseOptions options;
  options.experimental_functions = true;
  return options;
}

struct QuerySettings {
  promql::ExprPtr expr;
  promql::QueryOptions options;
  int64_t timeout_ms = INT64_MAX;
  size_t limit = 0;
};

// What instant and range queries have in common; nothing: `refused` says why.
std::optional<QuerySettings> read_settings(const MetricRequest& request, const QueryLimits& limits,
                                           MetricAnswer& refused) {
  QuerySettings settings;
  settings.options.lookback_ms = limits.lookback_ms;
  if (const std::string* text = request.find("timeout")) {
    const auto timeout = metric::parse_step_ms(*text);
    if (!timeout.ok()) {
      refused = bad_parameter("timeout", timeout.status().message());
      return std::nullopt;
    }
    settings.timeout_ms = *timeout;
  }
  if (const std::string* text = request.find("lookback_delta"); text != nullptr && !text->empty()) {
    const auto lookback = metric::parse_step_ms(*text);
    if (!lookback.ok() || *lookback <= 0) {
      refused = error("bad_data", "error parsing lookback delta duration: " +
                                      (lookback.ok() ? std::string("it must be positive")
                                                     : lookback.status().message()));
      return std::nullopt;
    }
    settings.options.lookback_ms = *lookback;
  }
  const auto limit = metric::read_limit(request);
  if (!limit.ok()) {
    refused = error_of(limit.status());
    return std::nullopt;
  }
  settings.limit = *limit;
  auto parsed = promql::parse(text_of(request, "query"), parse_options());
  if (!parsed.ok()) {
    refused = bad_parameter("query", parsed.status().message());
    return std::nullopt;
  }
  settings.expr = std::move(*parsed);
  return settings;
}

// About what an answer takes as JSON, twice: as it is written and as it is sent.
int64_t answer_bytes(const promql::QueryValue& value) {
  constexpr size_t kSeriesBytes = 200, kPointBytes = 40, kHistogramBytes = 1000;
  size_t bytes = 0;
  for (const promql::ResultSeries& series : value.series) {
    bytes += kSeriesBytes;
    for (const promql::Point& point : series.points) {
      bytes += point.histogram != nullptr ? kHistogramBytes : kPointBytes;
    }
  }
  return static_cast<int64_t>(2 * bytes);
}

MetricAnswer answer_of(Result<promql::QueryValue> value, const QuerySettings& settings,
                       model::QueryContext& context) {
  if (!value.ok()) {
    // What the evaluation refuses is an execution error, whatever its code says of
    // whose fault it is.
    const Code code = value.status().code();
    if (code == Code::kInvalidArgument) return error("execution", value.status().message());
    return error_of(value.status());
  }
  if (settings.limit != 0 && value->series.size() > settings.limit) {
    value->series.resize(settings.limit);
    value->annotations.warnings.insert("results truncated due to limit");
  }
  if (const Status room = context.charge(answer_bytes(*value)); !room.ok()) return error_of(room);
  std::string data;
  metric::write_value(data, *value);
  return metric::success(std::move(data), value->annotations.warnings, value->annotations.infos);
}

}  // namespace

Task<MetricAnswer> Prometheus::query(MetricRequest& request) {
  MetricAnswer refused;
  auto settings = read_settings(request, parts_.limits(), refused);
  if (!settings) co_return refused;
  int64_t time_ms = now_ms();
  if (const std::string* text = request.find("time"); text != nullptr && !text->empty()) {
    const auto time = metric::parse_time_ms(*text);
    if (!time.ok()) co_return bad_parameter("time", time.status().message());
    time_ms = *time;
  }
  const auto evaluate = [&](model::QueryContext& context) {
    return answer_of(
        promql::evaluate_instant(*settings->expr, text_of(request, "query"), time_ms,
                                 settings->options, parts_.store, context, &parts_.parallel),
        *settings, context);
  };
  co_return co_await run_query(request, settings->timeout_ms, evaluate);
}

Task<MetricAnswer> Prometheus::query_range(MetricRequest& request) {
  const auto begin = metric::parse_time_ms(text_of(request, "start"));
  if (!begin.ok()) co_return bad_parameter("start", begin.status().message());
  const auto end = metric::parse_time_ms(text_of(request, "end"));
  if (!end.ok()) co_return bad_parameter("end", end.status().message());
  if (*end < *begin) {
    co_return bad_parameter("end", "end timestamp must not be before start time");
  }
  const auto step = metric::parse_step_ms(text_of(request, "step"));
  if (!step.ok()) co_return bad_parameter("step", step.status().message());
  if (*step <= 0) {
    co_return bad_parameter(
        "step",
        "zero or negative query resolution step widths are not accepted. Try a positive "
        "integer");
  }
  if ((*end - *begin) / *step > kPointsMax) {
    co_return error("bad_data",
                    "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing "
                    "the query resolution (?step=XX)");
  }
  MetricAnswer refused;
  auto settings = read_settings(request, parts_.limits(), refused);
  if (!settings) co_return refused;
  if (settings->expr->type != promql::ValueType::kScalar &&
      settings->expr->type != promql::ValueType::kVector) {
    co_return bad_parameter("query", "invalid expression type \"" +
                                         std::string(promql::name(settings->expr->type)) +
                                         "\" for range query, must be Scalar or instant Vector");
  }
  const auto evaluate = [&](model::QueryContext& context) {
    return answer_of(
        promql::evaluate_range(*settings->expr, text_of(request, "query"), *begin, *end, *step,
                               settings->options, parts_.store, context, &parts_.parallel),
        *settings, context);
  };
  co_return co_await run_query(request, settings->timeout_ms, evaluate);
}

namespace {

void find_selectors(const promql::Expr& expr, std::vector<model::Selector>& found) {
  using Kind = promql::Expr::Kind;
  switch (expr.kind) {
    case Kind::kVectorSelector:
      found.push_back({promql::as<promql::VectorSelector>(expr).matchers});
      break;
    case Kind::kMatrixSelector:
      found.push_back({promql::as<promql::MatrixSelector>(expr).selector->matchers});
      break;
    case Kind::kSubquery:
      find_selectors(*promql::as<promql::SubqueryExpr>(expr).inner, found);
      break;
    case Kind::kCall:
      for (const auto& each : promql::as<promql::CallExpr>(expr).arguments) {
        find_selectors(*each, found);
      }
      break;
    case Kind::kAggregate: {
      const auto& aggregate = promql::as<promql::AggregateExpr>(expr);
      find_selectors(*aggregate.inner, found);
      if (aggregate.parameter != nullptr) find_selectors(*aggregate.parameter, found);
      break;
    }
    case Kind::kBinary:
      find_selectors(*promql::as<promql::BinaryExpr>(expr).left, found);
      find_selectors(*promql::as<promql::BinaryExpr>(expr).right, found);
      break;
    case Kind::kUnary: find_selectors(*promql::as<promql::UnaryExpr>(expr).inner, found); break;
    case Kind::kParen: find_selectors(*promql::as<promql::ParenExpr>(expr).inner, found); break;
    default: break;
  }
}

}  // namespace

Task<MetricAnswer> Prometheus::query_exemplars(MetricRequest& request) {
  const auto range = metric::read_range(request);
  if (!range.ok()) co_return error_of(range.status());
  if (const Status order = metric::check_order(*range); !order.ok()) {
    co_return error_of(order);
  }
  auto parsed = promql::parse(text_of(request, "query"), parse_options());
  if (!parsed.ok()) co_return bad_parameter("query", parsed.status().message());
  std::vector<model::Selector> selectors;
  find_selectors(**parsed, selectors);
  const auto read = [&](model::QueryContext&) {
    const auto found = parts_.store.exemplars(selectors, *range);
    if (!found.ok()) return error_of(found.status());
    std::string data = "[";
    for (const auto& each : *found) {
      if (data.size() > 1) data += ',';
      data += "{\"seriesLabels\":";
      wire::JsonWriter labels(data);
      metric::write_labels(labels, each.series);
      data += ",\"exemplars\":[";
      bool first = true;
      for (const model::Exemplar& exemplar : each.exemplars) {
        data += first ? "{\"labels\":" : ",{\"labels\":";
        first = false;
        wire::JsonWriter json(data);
        json.begin_object();
        for (const auto& [name, value] : exemplar.labels) json.member(name, value);
        json.end_object();
        data += ",\"value\":\"";
        metric::write_number(data, exemplar.value);
        data += "\",\"timestamp\":";
        metric::write_time(data, exemplar.time_ms);
        data += '}';
      }
      data += "]}";
    }
    data += ']';
    return metric::success(std::move(data));
  };
  co_return co_await run_query(request, INT64_MAX, read);
}

Task<MetricAnswer> Prometheus::format_query(MetricRequest& request) {
  const auto parsed = promql::parse(text_of(request, "query"), parse_options());
  if (!parsed.ok()) co_return bad_parameter("query", parsed.status().message());
  std::string data;
  wire::JsonWriter(data).string(promql::to_pretty_text(**parsed));
  co_return metric::success(std::move(data));
}

Task<MetricAnswer> Prometheus::parse_query(MetricRequest& request) {
  const auto parsed = promql::parse(text_of(request, "query"), parse_options());
  if (!parsed.ok()) co_return bad_parameter("query", parsed.status().message());
  std::string data;
  metric::write_ast(data, **parsed);
  co_return metric::success(std::move(data));
}

}  // namespace gatehouse::api
