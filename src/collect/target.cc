#include "collect/target.h"

#include <algorithm>

#include "base/text.h"
#include "net/url.h"

namespace gatehouse::collect {

namespace {

constexpr std::string_view kAddress = "__address__", kScheme = "__scheme__",
                           kPath = "__metrics_path__", kInterval = "__scrape_interval__",
                           kTimeout = "__scrape_timeout__", kParameter = "__param_";

std::string target_url(const ScrapeConfig& config, const MutableLabels& labels) {
  std::vector<std::pair<std::string, std::string>> query;
  for (const auto& [name, values] : config.params) {
    for (size_t i = 0; i < values.size(); ++i) {
      // The first value is the label's, which relabelling may have changed.
      if (i > 0) query.emplace_back(name, values[i]);
    }
  }
  for (const auto& [name, value] : labels.pairs()) {
    if (name.starts_with(kParameter)) query.emplace_back(name.substr(kParameter.size()), value);
  }
  std::sort(query.begin(), query.end());
  std::string path(labels.get(kPath));
  if (!path.starts_with('/')) path.insert(path.begin(), '/');
  std::string url =
      std::string(labels.get(kScheme)) + "://" + std::string(labels.get(kAddress)) + path;
  char mark = url.find('?') == std::string::npos ? '?' : '&';
  for (const auto& [name, value] : query) {
    url += mark + net::percent_encode(name) + "=" + net::percent_encode(value);
    mark = '&';
  }
  return url;
}

Result<int64_t> duration_label(const MutableLabels& labels, std::string_view name) {
  const auto ms = parse_duration_ms(labels.get(name));
  if (!ms || *ms <= 0) {
    return invalid_argument("error parsing " + std::string(name) + ": \"" +
                            std::string(labels.get(name)) + "\"");
  }
  return *ms;
}

}  // namespace

std::string_view name(TargetHealth health) {
  switch (health) {
    case TargetHealth::kUp: return "up";
    case TargetHealth::kDown: return "down";
    case TargetHealth::kUnknown: break;
  }
  return "unknown";
}

uint64_t Target::hash() const {
  return labels.hash() ^ (std::hash<std::string_view>{}(url)*0x9e3779b97f4a7c15u);
}

Result<std::optional<Target>> make_target(const ScrapeConfig& config, const model::Labels& target,
                                          const model::Labels& group) {
  MutableLabels labels(group);
  for (const auto& [name, value] : target.pairs()) labels.set(name, value);
  const auto set_default = [&](std::string_view name, std::string_view value) {
    if (labels.get(name).empty()) labels.set(name, value);
  };
  set_default("job", config.job_name);
  set_default(kInterval, format_duration(config.interval_ms));
  set_default(kTimeout, format_duration(config.timeout_ms));
  set_default(kPath, config.metrics_path);
  set_default(kScheme, config.scheme);
  for (const auto& [name, values] : config.params) {
    if (!values.empty()) set_default(std::string(kParameter) + name, values.front());
  }
  Target out;
  out.discovered = labels.labels();
  if (!apply_rules(config.relabel, labels)) return std::optional<Target>();
  const std::string address(labels.get(kAddress));
  if (address.empty()) return invalid_argument("no address");
  if (address.find('/') != std::string::npos) {
    return invalid_argument("\"" + address + "\" is not a valid hostname");
  }
  ASSIGN_OR_RETURN(out.interval_ms, duration_label(labels, kInterval));
  ASSIGN_OR_RETURN(out.timeout_ms, duration_label(labels, kTimeout));
  if (out.timeout_ms > out.interval_ms) {
    return invalid_argument("scrape timeout cannot be greater than scrape interval");
  }
  out.url = target_url(config, labels);
  if (const auto url = net::parse_url(out.url); !url.ok()) return url.status();
  set_default("instance", address);
  std::vector<MutableLabels::Pair> kept;
  for (const auto& [name, value] : labels.pairs()) {
    if (name.starts_with("__")) continue;
    if (!valid_utf8(value)) return invalid_argument("invalid label value for \"" + name + "\"");
    kept.emplace_back(name, value);
  }
  out.labels = model::Labels(std::move(kept));
  return std::optional<Target>(std::move(out));
}

}  // namespace gatehouse::collect
