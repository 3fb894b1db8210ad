// labels, label values, series and metadata.
#include <algorithm>

#include "api/prometheus/answer.h"
#include "api/prometheus/run_query.h"
#include "base/text.h"
#include "store/metric_store.h"
#include "wire/escaped_name.h"

namespace gatehouse::api {

namespace {

using metric::error;
using metric::error_of;

constexpr std::string_view kTruncated = "results truncated due to limit";

struct Search {
  model::TimeRangeMs range;
  size_t limit = 0;
  std::vector<model::Selector> selectors;
};

Result<Search> read_search(const MetricRequest& request) {
  Search search;
  ASSIGN_OR_RETURN(search.range, metric::read_range(request));
  ASSIGN_OR_RETURN(search.limit, metric::read_limit(request));
  ASSIGN_OR_RETURN(search.selectors, metric::read_matches(request));
  return search;
}

using Names = store::MetricStore::LabelValues;

// The union over the selectors of what `list` gives for one, sorted, and cut to the
// limit with a warning.
template <typename List>
MetricAnswer list_names(const Search& search, model::QueryContext& context, List list) {
  // One more than asked for tells whether anything was left out.
  const size_t limit = search.limit == 0 ? 0 : search.limit + 1;
  std::vector<std::shared_ptr<const void>> pins;
  std::vector<std::string_view> names;
  const size_t rounds = std::max<size_t>(1, search.selectors.size());
  for (size_t i = 0; i < rounds; ++i) {
    std::span<const model::Matcher> matchers;
    if (!search.selectors.empty()) matchers = search.selectors[i].matchers;
    Result<Names> found = list(matchers, limit);
    if (!found.ok()) return error_of(found.status());
    pins.push_back(std::move(found->pin));
    if (names.empty()) {
      names = std::move(found->values);
    } else {
      std::vector<std::string_view> merged;
      std::set_union(names.begin(), names.end(), found->values.begin(), found->values.end(),
                     std::back_inserter(merged));
      names = std::move(merged);
    }
  }
  std::set<std::string> warnings;
  if (search.limit != 0 && names.size() > search.limit) {
    names.resize(search.limit);
    warnings.emplace(kTruncated);
  }
  constexpr size_t kAroundIt = 256;
  size_t bytes = kAroundIt;
  for (const std::string_view name : names) bytes += name.size() + 3;
  if (Status charged = context.charge(static_cast<int64_t>(bytes)); !charged.ok()) {
    return error_of(charged);
  }
  std::string data;
  data.reserve(bytes);
  wire::JsonWriter json(data);
  json.begin_array();
  for (const std::string_view name : names) json.string(name);
  json.end_array();
  return metric::success(std::move(data), warnings);
}

}  // namespace

Task<MetricAnswer> Prometheus::labels(MetricRequest& request) {
  const auto search = read_search(request);
  if (!search.ok()) co_return error_of(search.status());
  const auto list = [&](model::QueryContext& context) {
    const auto names = [&](std::span<const model::Matcher> matchers,
                           size_t limit) -> Result<Names> {
      ASSIGN_OR_RETURN(auto found,
                       parts_.store.label_names(matchers, search->range, limit, context));
      const auto kept = std::make_shared<const std::vector<std::string>>(std::move(found));
      return Names{{kept->begin(), kept->end()}, kept};
    };
    return list_names(*search, context, names);
  };
  co_return co_await run_query(request, INT64_MAX, list);
}

Task<MetricAnswer> Prometheus::label_values(MetricRequest& request) {
  const std::string name = wire::unescape_name(request.capture, wire::NameEscaping::kValues);
  if (name.empty() || !valid_utf8(name)) {
    co_return error("bad_data", "invalid label name: \"" + request.capture + "\"");
  }
  const auto search = read_search(request);
  if (!search.ok()) co_return error_of(search.status());
  const auto list = [&](model::QueryContext& context) {
    const auto values = [&](std::span<const model::Matcher> matchers, size_t limit) {
      return parts_.store.label_value_views(name, matchers, search->range, limit, context);
    };
    return list_names(*search, context, values);
  };
  co_return co_await run_query(request, INT64_MAX, list);
}

Task<MetricAnswer> Prometheus::series(MetricRequest& request) {
  const auto search = read_search(request);
  if (!search.ok()) co_return error_of(search.status());
  if (search->selectors.empty()) co_return error("bad_data", "no match[] parameter provided");
  const auto list = [&](model::QueryContext& context) -> MetricAnswer {
    std::vector<std::unique_ptr<model::SeriesSet>> sets;  // own what `found` shows
    std::vector<model::LabelsView> found;
    for (const model::Selector& selector : search->selectors) {
      auto set = parts_.store.select(selector.matchers, search->range,
                                     model::SeriesOrder::kByLabels, context);
      if (!set.ok()) return error_of(set.status());
      for (size_t i = 0; i < (*set)->size(); ++i) found.push_back((*set)->labels(i));
      sets.push_back(std::move(*set));
    }
    if (sets.size() > 1) {
      const auto less = [](model::LabelsView a, model::LabelsView b) {
        return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
      };
      const auto equal = [](model::LabelsView a, model::LabelsView b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end());
      };
      std::sort(found.begin(), found.end(), less);
      found.erase(std::unique(found.begin(), found.end(), equal), found.end());
    }
    std::set<std::string> warnings;
    if (search->limit != 0 && found.size() > search->limit) {
      found.resize(search->limit);
      warnings.emplace(kTruncated);
    }
    std::string data;
    wire::JsonWriter json(data);
    json.begin_array();
    for (const model::LabelsView each : found) metric::write_labels(json, each);
    json.end_array();
    return metric::success(std::move(data), warnings);
  };
  co_return co_await run_query(request, INT64_MAX, list);
}

Task<MetricAnswer> Prometheus::metadata(MetricRequest& request) {
  const auto limit = metric::read_limit(request);
  if (!limit.ok()) co_return error_of(limit.status());
  const std::string* metric_name = request.find("metric");
  const auto list = [&](model::QueryContext&) {
    const auto found = parts_.store.metadata(
        metric_name == nullptr ? std::string_view() : std::string_view(*metric_name), *limit);
    std::string data;
    wire::JsonWriter json(data);
    json.begin_object();
    for (const auto& [name, each] : found) {
      json.key(name).begin_array().begin_object();
      json.member("type", model::name(each.type));
      json.member("help", each.help);
      json.member("unit", each.unit);
      json.end_object().end_array();
    }
    json.end_object();
    return metric::success(std::move(data));
  };
  co_return co_await run_query(request, INT64_MAX, list);
}

}  // namespace gatehouse::api
