// What the console asks of alerts beside Alertmanager's API v2: the history, receivers with
// their deliveries and a test, where an alert would go, what a silence would hide.
// docs/api.md §9.
#include <algorithm>
#include <array>

#include "alerts/engine.h"
#include "api/ui/console.h"
#include "base/text.h"

namespace gatehouse::api {

namespace {

using alerts::AlertEngine;
using wire::JsonWriter;

// A week is what people look back on first.
constexpr int64_t kHistoryMs = 7 * 86'400'000LL;
constexpr size_t kDeliveriesShown = 20;

void write_delivery(JsonWriter& json, const alerts::DeliveryView& delivery) {
  json.begin_object();
  json.member("at_ms", delivery.time_ms);
  json.member("receiver", delivery.receiver).member("integration", delivery.integration);
  json.member("group_key", delivery.group_key).member("delivered", delivery.delivered);
  json.member("attempt", delivery.attempt);
  json.key("status");
  if (delivery.status == 0) {
    json.null();
  } else {
    json.integer(delivery.status);
  }
  text_or_null(json, "error", delivery.error);
  json.member("duration_ms", delivery.duration_ms);
  json.member("firing", delivery.alerts_firing).member("resolved", delivery.alerts_resolved);
  json.end_object();
}

void write_history_entry(JsonWriter& json, const alerts::HistoryEntry& entry) {
  json.begin_object();
  json.member("at_ms", entry.time_ms).member("kind", entry.kind);
  text_or_null(json, "alertname", entry.alertname);
  text_or_null(json, "fingerprint", entry.fingerprint);
  json.key("labels").raw(entry.labels_json.empty() ? "{}" : entry.labels_json);
  text_or_null(json, "receiver", entry.receiver);
  text_or_null(json, "integration", entry.integration);
  text_or_null(json, "by",
               entry.person.empty() ? std::string_view(entry.by) : person_of(entry.person));
  text_or_null(json, "text", entry.text);
  json.end_object();
}

struct HistoryAsk {
  alerts::Matchers matchers;
  int64_t begin_ms = 0, end_ms = 0;
  size_t limit = 100;
};

Result<HistoryAsk> read_history_ask(const Parameters& parameters, int64_t now_ms) {
  HistoryAsk ask;
  if (const std::string* filter = parameters.find("filter"); filter && !filter->empty()) {
    ASSIGN_OR_RETURN(ask.matchers, alerts::parse_matchers(*filter));
  }
  const auto time = [&](std::string_view name, int64_t otherwise) -> Result<int64_t> {
    const std::string* text = parameters.find(name);
    if (text == nullptr) return otherwise;
    const auto value = parse_uint(*text);
    if (!value || *value > INT64_MAX / 1'000'000) {
      return invalid_argument(std::string(name) + " must be Unix milliseconds");
    }
    return static_cast<int64_t>(*value);
  };
  ASSIGN_OR_RETURN(ask.begin_ms, time("since", now_ms - kHistoryMs));
  ASSIGN_OR_RETURN(ask.end_ms, time("until", now_ms + 1));
  ASSIGN_OR_RETURN(const int64_t before, time("before", ask.end_ms));
  ask.end_ms = std::min(ask.end_ms, before);
  if (const std::string* limit = parameters.find("limit")) {
    const auto value = parse_uint(*limit);
    if (!value || *value == 0 || *value > 1000) {
      return invalid_argument("limit must be a number from 1 to 1000");
    }
    ask.limit = static_cast<size_t>(*value);
  }
  return ask;
}

Result<std::string> read_history(const AlertEngine& engine, const HistoryAsk& ask) {
  ASSIGN_OR_RETURN(std::vector<alerts::HistoryEntry> entries,
                   engine.history(ask.matchers, ask.begin_ms, ask.end_ms, ask.limit + 1));
  // A page ends between two moments, so that the next one can begin with a time.
  std::string next;
  if (entries.size() > ask.limit) {
    const int64_t cut_ms = entries.back().time_ms;
    while (entries.size() > 1 && entries.back().time_ms == cut_ms) entries.pop_back();
    next = std::to_string(std::max(cut_ms + 1, entries.back().time_ms));
  }
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("entries").begin_array();
  for (const alerts::HistoryEntry& entry : entries) write_history_entry(json, entry);
  json.end_array();
  text_or_null(json, "next_before", next);
  json.end_object();
  return out;
}

void write_route(JsonWriter& json, const alerts::Route& route, int depth, bool parent_matched,
                 const model::Labels& labels, std::span<const alerts::Route* const> chosen) {
  const bool matched = parent_matched && alerts::matches_all(route.matchers, labels);
  std::string matchers;
  for (const model::Matcher& matcher : route.matchers) {
    matchers += (matchers.empty() ? "" : ", ") + matcher.to_string();
  }
  json.begin_object();
  json.member("id", route.id).member("depth", depth).member("matchers", matchers);
  json.member("receiver", route.receiver);
  json.key("group_by").begin_array();
  if (route.group_by_all) json.string("...");
  for (const std::string& label : route.group_by) json.string(label);
  json.end_array();
  json.member("group_wait_ms", route.group_wait_ms);
  json.member("group_interval_ms", route.group_interval_ms);
  json.member("repeat_interval_ms", route.repeat_interval_ms);
  json.member("matched", matched);
  json.member("chosen", std::find(chosen.begin(), chosen.end(), &route) != chosen.end());
  json.end_object();
  for (const auto& child : route.routes) {
    write_route(json, *child, depth + 1, matched, labels, chosen);
  }
}

Answer not_read() {
  return retry_later(503, "starting", "Alerts are still being read after the start.", 1);
}

}  // namespace

Task<Answer> Console::get_alert_history(Visit& visit) {
  static constexpr std::array<std::string_view, 5> kKnown = {"filter", "since", "until", "before",
                                                             "limit"};
  if (parts_.alerts == nullptr || !parts_.alerts->ready()) co_return not_read();
  const auto parameters = Parameters::read(visit.exchange.request().query, kKnown);
  if (!parameters.ok()) co_return invalid_parameter(parameters.status().message());
  const auto ask = read_history_ask(*parameters, now_ms());
  if (!ask.ok()) co_return invalid_parameter(ask.status().message());
  const auto read = [&] { return read_history(*parts_.alerts, *ask); };
  Result<std::string> body = co_await parts_.pool.run(visit.worker.loop, read);
  if (!body.ok()) {
    co_return retry_later(503, "overloaded",
                          "The history cannot be read: " + body.status().message() + ".", 1);
  }
  co_return ok(std::move(*body));
}

Task<Answer> Console::get_receivers(Visit&) {
  if (parts_.alerts == nullptr) co_return not_read();
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("receivers").begin_array();
  for (const alerts::ReceiverView& receiver : parts_.alerts->receivers()) {
    json.begin_object().member("name", receiver.name).member("active", receiver.active);
    json.key("integrations").begin_array();
    for (const auto& integration : receiver.integrations) {
      json.begin_object().member("name", integration.name);
      json.member("send_resolved", integration.send_resolved).key("last");
      if (integration.last) {
        write_delivery(json, *integration.last);
      } else {
        json.null();
      }
      json.end_object();
    }
    json.end_array().key("deliveries").begin_array();
    for (const auto& each : parts_.alerts->deliveries(receiver.name, kDeliveriesShown)) {
      write_delivery(json, each);
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  co_return ok(std::move(out));
}

Task<Answer> Console::test_receiver(Visit& visit) {
  static constexpr std::array<std::string_view, 2> kKnown = {"receiver", "integration"};
  if (parts_.alerts == nullptr) co_return not_read();
  Body body = co_await read_body(visit.exchange, kKnown);
  if (body.refused) co_return std::move(*body.refused);
  const auto receiver = body.root().get("receiver").string();
  const auto integration = body.root().get("integration").string();
  if (!receiver || !integration) co_return invalid_body("receiver and integration are needed");
  if (auto refused = writable()) co_return std::move(*refused);
  const auto test = [&]() -> Result<alerts::SendOutcome> {
    if (!audit(visit, "receiver.test", std::string(*receiver),
               {{"integration", std::string(*integration)}})) {
      return unavailable("the audit log cannot be written");
    }
    return parts_.alerts->test_receiver(*receiver, *integration);
  };
  const Result<alerts::SendOutcome> sent = co_await parts_.pool.run(visit.worker.loop, test);
  if (!sent.ok()) {
    if (sent.status().code() == Code::kNotFound) {
      co_return refusal(404, "receiver_not_found", sent.status().message(),
                        "Reload the list of receivers.");
    }
    co_return retry_later(503, "overloaded", sent.status().message(), 1);
  }
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("delivered", sent->delivered).key("status");
  if (sent->status == 0) {
    json.null();
  } else {
    json.integer(sent->status);
  }
  text_or_null(json, "error", sent->error);
  json.member("duration_ms", sent->duration_ms).end_object();
  co_return ok(std::move(out));
}

Task<Answer> Console::find_route(Visit& visit) {
  static constexpr std::array<std::string_view, 1> kKnown = {"labels"};
  if (parts_.alerts == nullptr) co_return not_read();
  Body body = co_await read_body(visit.exchange, kKnown);
  if (body.refused) co_return std::move(*body.refused);
  std::vector<model::Labels::Pair> pairs;
  for (const auto [name, value] : body.root().get("labels").members()) {
    const auto text = value.string();
    if (!text) co_return invalid_body("every label needs a text as its value");
    pairs.emplace_back(name, *text);
  }
  const model::Labels labels(std::move(pairs));
  const auto config = parts_.alerts->config();
  if (config == nullptr || config->route == nullptr) co_return not_read();
  const std::vector<const alerts::Route*> chosen = alerts::match(*config->route, labels);
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("routes").begin_array();
  write_route(json, *config->route, 0, true, labels, chosen);
  json.end_array().end_object();
  co_return ok(std::move(out));
}

}  // namespace gatehouse::api
