// What is scraped: targets, their metadata, the pools.
#include <map>

#include "api/prometheus/answer.h"
#include "base/text.h"
#include "collect/scraper.h"
#include "lang/promql/parser.h"

namespace gatehouse::api {

namespace {

using wire::JsonWriter;

void write_target(JsonWriter& json, const collect::TargetView& view) {
  json.begin_object();
  json.key("discoveredLabels");
  metric::write_labels(json, view.target.discovered);
  json.key("labels");
  metric::write_labels(json, view.target.labels);
  json.member("scrapePool", view.job);
  json.member("scrapeUrl", view.target.url);
  json.member("globalUrl", view.target.url);
  json.member("lastError", view.state.last_error);
  json.member("lastScrape", format_time(view.state.last_scrape_ms * 1'000'000));
  json.member("lastScrapeDuration", view.state.last_duration_s);
  json.member("health", collect::name(view.state.health));
  json.member("scrapeInterval", format_duration(view.target.interval_ms));
  json.member("scrapeTimeout", format_duration(view.target.timeout_ms));
  json.end_object();
}

}  // namespace

Task<MetricAnswer> Prometheus::targets(MetricRequest& request) {
  const std::string* state = request.find("state");
  const std::string* pool = request.find("scrapePool");
  const bool all = state == nullptr || state->empty() || *state == "any";
  const auto wanted = [&](const std::string& job) {
    return pool == nullptr || pool->empty() || *pool == job;
  };
  std::string data;
  JsonWriter json(data);
  json.begin_object().key("activeTargets").begin_array();
  if (all || *state == "active") {
    for (const collect::TargetView& view : parts_.scraper.targets()) {
      if (wanted(view.job)) write_target(json, view);
    }
  }
  json.end_array().key("droppedTargets").begin_array();
  std::map<std::string, int64_t> dropped;
  for (const collect::DroppedTargetView& view : parts_.scraper.dropped_targets()) {
    ++dropped[view.job];
    if (!wanted(view.job) || !(all || *state == "dropped")) continue;
    json.begin_object().key("discoveredLabels");
    metric::write_labels(json, view.discovered);
    json.member("scrapePool", view.job).end_object();
  }
  json.end_array().key("droppedTargetCounts").begin_object();
  for (const auto& [job, count] : dropped) json.member(job, count);
  json.end_object().end_object();
  co_return metric::success(std::move(data));
}

Task<MetricAnswer> Prometheus::target_metadata(MetricRequest& request) {
  const auto limit = metric::read_limit(request);
  if (!limit.ok()) co_return metric::error_of(limit.status());
  const std::string* metric_name = request.find("metric");
  const std::string* match = request.find("match_target");
  model::Selector selector;
  if (match != nullptr && !match->empty()) {
    auto parsed = promql::parse_selector(*match);
    if (!parsed.ok()) co_return metric::bad_parameter("match_target", parsed.status().message());
    selector.matchers = std::move(*parsed);
  }
  std::string data;
  JsonWriter json(data);
  json.begin_array();
  size_t given = 0;
  for (const auto& each : parts_.scraper.metadata(
           metric_name == nullptr ? std::string_view() : std::string_view(*metric_name), 0)) {
    if (!selector.matches(each.target)) continue;
    if (*limit != 0 && given++ == *limit) break;
    json.begin_object().key("target");
    metric::write_labels(json, each.target);
    if (metric_name == nullptr || metric_name->empty()) json.member("metric", each.metric);
    json.member("type", model::name(each.metadata.type));
    json.member("help", each.metadata.help);
    json.member("unit", each.metadata.unit).end_object();
  }
  json.end_array();
  co_return metric::success(std::move(data));
}

Task<MetricAnswer> Prometheus::scrape_pools(MetricRequest&) {
  std::string data;
  JsonWriter json(data);
  json.begin_object().key("scrapePools").begin_array();
  for (const std::string& pool : parts_.scraper.pools()) json.string(pool);
  json.end_array().end_object();
  co_return metric::success(std::move(data));
}

}  // namespace gatehouse::api
