// Rules and alerts, in the shapes of Prometheus 3 (web/api/v1): what Grafana's alerting pages
// and Prometheus's own console read.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "api/prometheus/answer.h"
#include "base/bytes.h"
#include "base/text.h"
#include "lang/promql/printer.h"
#include "rules/engine.h"

namespace gatehouse::api {

namespace {

using wire::JsonWriter;

// Which rules are asked for, and how many groups of them.
struct RulesAsk {
  bool alerting = true, recording = true;
  bool with_alerts = true;
  std::vector<std::string_view> names, groups, files;
  std::vector<model::Selector> selectors;
  size_t groups_max = 0;  // 0: all
  std::string token;
};

// Go's ParseBool.
std::optional<bool> parse_bool(std::string_view text) {
  const std::string lower = to_lower(text);
  if (lower == "1" || lower == "t" || lower == "true") return true;
  if (lower == "0" || lower == "f" || lower == "false") return false;
  return std::nullopt;
}

Status bad(std::string_view name, const std::string& why) {
  return invalid_argument("invalid parameter \"" + std::string(name) + "\": " + why);
}

Status read_page(const MetricRequest& request, RulesAsk& ask) {
  const std::string* limit = request.find("group_limit");
  const std::string* token = request.find("group_next_token");
  const bool limited = limit != nullptr && !limit->empty();
  if (token != nullptr && !token->empty()) {
    if (!limited) {
      return bad("group_next_token",
                 "group_limit needs to be present in order to paginate over the groups");
    }
    ask.token = *token;
  }
  if (!limited) return {};
  const auto count = parse_uint(*limit);
  if (!count)
    return bad("group_limit", "group_limit needs to be a valid number: \"" + *limit + "\"");
  if (*count == 0) return bad("group_limit", "group_limit needs to be greater than 0");
  ask.groups_max = *count;
  return {};
}

Result<RulesAsk> read_ask(const MetricRequest& request) {
  RulesAsk ask;
  if (const std::string* type = request.find("type"); type != nullptr && !type->empty()) {
    const std::string kind = to_lower(*type);
    if (kind != "alert" && kind != "record") {
      return bad("type", "not supported value \"" + *type + "\"");
    }
    ask.alerting = kind == "alert";
    ask.recording = kind == "record";
  }
  if (const std::string* text = request.find("exclude_alerts"); text != nullptr && !text->empty()) {
    const auto exclude = parse_bool(*text);
    if (!exclude) {
      return bad("exclude_alerts",
                 "error converting exclude_alerts: \"" + *text + "\" is neither true nor false");
    }
    ask.with_alerts = !*exclude;
  }
  ask.names = request.all("rule_name[]");
  ask.groups = request.all("rule_group[]");
  ask.files = request.all("file[]");
  ASSIGN_OR_RETURN(ask.selectors, metric::read_matches(request));
  RETURN_IF_ERROR(read_page(request, ask));
  return ask;
}

bool among(const std::vector<std::string_view>& wanted, const std::string& name) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
}

bool wanted(const RulesAsk& ask, const rules::Rule& rule) {
  if (!(rule.alerting() ? ask.alerting : ask.recording) || !among(ask.names, rule.name())) {
    return false;
  }
  if (ask.selectors.empty()) return true;
  const model::Labels labels(rule.labels);
  return std::any_of(ask.selectors.begin(), ask.selectors.end(),
                     [&](const model::Selector& selector) { return selector.matches(labels); });
}

std::string token_of(const rules::GroupView& group) {
  constexpr size_t kTokenChars = 40;
  return hex_encode(sha256(group.file + ";" + group.name)).substr(0, kTokenChars);
}

// A time that never was, as Go writes it.
std::string time_text(int64_t time_ms) {
  return time_ms == 0 ? "0001-01-01T00:00:00Z" : format_time(time_ms * 1'000'000);
}

// strconv.FormatFloat(value, 'e', -1, 64).
std::string value_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
  return {text, end.ptr};
}

double seconds(int64_t ms) { return static_cast<double>(ms) / 1000; }

void write_pairs(JsonWriter& json, std::string_view key,
                 const std::vector<std::pair<std::string, std::string>>& pairs) {
  json.key(key).begin_object();
  for (const auto& [name, value] : pairs) json.member(name, value);
  json.end_object();
}

// Prometheus tells of an alert while it is pending or firing.
void write_alerts(JsonWriter& json, const std::vector<rules::ActiveAlert>& alerts) {
  for (const rules::ActiveAlert& alert : alerts) {
    if (alert.state == rules::AlertState::kInactive) continue;
    json.begin_object();
    write_pairs(json, "labels", alert.labels.pairs());
    write_pairs(json, "annotations", alert.annotations);
    json.member("state", rules::name(alert.state));
    json.member("activeAt", time_text(alert.active_at_ms));
    if (alert.keep_firing_since_ms != 0) {
      json.member("keepFiringSince", time_text(alert.keep_firing_since_ms));
    }
    json.member("value", value_text(alert.value));
    json.end_object();
  }
}

std::string_view health_name(rules::RuleHealth health) {
  return health == rules::RuleHealth::kOk      ? "ok"
         : health == rules::RuleHealth::kError ? "err"
                                               : "unknown";
}

void write_rule(JsonWriter& json, const rules::RuleView& view) {
  const rules::Rule& rule = *view.rule;
  json.begin_object();
  if (rule.alerting()) json.member("state", rules::name(view.state));
  json.member("name", rule.name());
  json.member("query", rule.expr != nullptr ? promql::to_text(*rule.expr) : rule.query);
  if (rule.alerting()) {
    json.member("duration", seconds(rule.for_ms));
    json.member("keepFiringFor", seconds(rule.keep_firing_for_ms));
  }
  write_pairs(json, "labels", rule.labels);
  if (rule.alerting()) {
    write_pairs(json, "annotations", rule.annotations);
    json.key("alerts").begin_array();
    write_alerts(json, view.alerts);
    json.end_array();
  }
  json.member("health", health_name(view.health));
  if (!view.last_error.empty()) json.member("lastError", view.last_error);
  json.member("evaluationTime", static_cast<double>(view.evaluation_ns) / 1e9);
  json.member("lastEvaluation", time_text(view.evaluated_at_ms));
  json.member("type", rule.alerting() ? "alerting" : "recording");
  json.end_object();
}

void write_group(JsonWriter& json, const rules::GroupView& group,
                 const std::vector<const rules::RuleView*>& rules) {
  json.begin_object();
  json.member("name", group.name).member("file", group.file);
  json.key("rules").begin_array();
  for (const rules::RuleView* rule : rules) write_rule(json, *rule);
  json.end_array();
  json.member("interval", seconds(group.interval_ms));
  json.member("limit", group.limit);
  json.member("evaluationTime", static_cast<double>(group.evaluation_ns) / 1e9);
  json.member("lastEvaluation", time_text(group.evaluated_at_ms));
  json.end_object();
}

MetricAnswer list_rules(const RulesAsk& ask, const std::vector<rules::GroupView>& groups) {
  std::string data, next;
  JsonWriter json(data);
  json.begin_object().key("groups").begin_array();
  bool begun = ask.token.empty();
  size_t written = 0;
  for (const rules::GroupView& group : groups) {
    if (!begun && token_of(group) != ask.token) continue;
    begun = true;
    if (!among(ask.groups, group.name) || !among(ask.files, group.file)) continue;
    std::vector<const rules::RuleView*> kept;
    for (const rules::RuleView& rule : group.rules) {
      if (wanted(ask, *rule.rule)) kept.push_back(&rule);
    }
    if (kept.empty()) continue;
    if (ask.groups_max != 0 && written == ask.groups_max) {
      next = token_of(group);
      break;
    }
    ++written;
    write_group(json, group, kept);
  }
  if (!begun) {
    return metric::bad_parameter("group_next_token", "invalid group_next_token '" + ask.token +
                                                         "'. were rule groups changed?");
  }
  json.end_array();
  if (!next.empty()) json.member("groupNextToken", next);
  json.end_object();
  return metric::success(data);
}

}  // namespace

// A view can wait for a rule that is being evaluated: not on the loop.
Task<MetricAnswer> Prometheus::rules(MetricRequest& request) {
  const auto ask = read_ask(request);
  if (!ask.ok()) co_return metric::error_of(ask.status());
  const auto work = [&] { return list_rules(*ask, parts_.rules.groups(ask->with_alerts)); };
  co_return co_await parts_.pool.run(request.worker.loop, work);
}

Task<MetricAnswer> Prometheus::alerts(MetricRequest& request) {
  const auto work = [&] {
    std::string data;
    JsonWriter json(data);
    json.begin_object().key("alerts").begin_array();
    for (const rules::GroupView& group : parts_.rules.groups(true)) {
      for (const rules::RuleView& rule : group.rules) write_alerts(json, rule.alerts);
    }
    json.end_array().end_object();
    return metric::success(data);
  };
  co_return co_await parts_.pool.run(request.worker.loop, work);
}

Task<MetricAnswer> Prometheus::alertmanagers(MetricRequest&) {
  const AlertmanagerUrls urls = parts_.alertmanagers();
  std::string data;
  JsonWriter json(data);
  const auto write = [&json](std::string_view key, const std::vector<std::string>& list) {
    json.key(key).begin_array();
    for (const std::string& url : list) json.begin_object().member("url", url).end_object();
    json.end_array();
  };
  json.begin_object();
  write("activeAlertmanagers", urls.active);
  write("droppedAlertmanagers", urls.dropped);
  json.end_object();
  co_return metric::success(data);
}

}  // namespace gatehouse::api
