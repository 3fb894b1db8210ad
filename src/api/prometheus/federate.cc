// GET /federate?match[]=…: the newest sample of each series selected, as text.
#include <algorithm>

#include "api/prometheus/answer.h"
#include "api/prometheus/run_query.h"
#include "store/metric_store.h"
#include "wire/series_text.h"

namespace gatehouse::api {

namespace {

struct Newest {
  model::LabelsView labels;
  int64_t time_ms = 0;
  double value = 0;
};

bool less(model::LabelsView a, model::LabelsView b) {
  const std::string_view a_name = model::find_label(a, model::kMetricName);
  const std::string_view b_name = model::find_label(b, model::kMetricName);
  if (a_name != b_name) return a_name < b_name;
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

bool equal(model::LabelsView a, model::LabelsView b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

Task<MetricAnswer> Prometheus::federate(MetricRequest& request) {
  const auto selectors = metric::read_matches(request);
  if (!selectors.ok()) co_return metric::error_of(selectors.status());
  const QueryLimits limits = parts_.limits();
  const int64_t now = now_ms();
  const model::TimeRangeMs range{now - limits.lookback_ms + 1, now};
  const auto read = [&](model::QueryContext& context) -> MetricAnswer {
    std::vector<std::unique_ptr<model::SeriesSet>> sets;  // own the labels of `found`
    std::vector<Newest> found;
    model::SampleColumns columns;
    for (const model::Selector& selector : *selectors) {
      auto set = parts_.store.select(selector.matchers, range, model::SeriesOrder::kAny, context);
      if (!set.ok()) return metric::error_of(set.status());
      for (size_t i = 0; i < (*set)->size(); ++i) {
        if (const Status read_one = (*set)->samples(i, columns); !read_one.ok()) {
          return metric::error_of(read_one);
        }
        if (columns.empty()) continue;
        const size_t last = columns.size() - 1;
        // Native histograms have no form in this text.
        if (!columns.histograms.empty() && columns.histograms[last] != nullptr) continue;
        if (model::is_stale(columns.values[last])) continue;
        found.push_back({(*set)->labels(i), columns.times_ms[last], columns.values[last]});
      }
      sets.push_back(std::move(*set));
    }
    std::sort(found.begin(), found.end(),
              [](const Newest& a, const Newest& b) { return less(a.labels, b.labels); });
    const auto same = [](const Newest& a, const Newest& b) { return equal(a.labels, b.labels); };
    found.erase(std::unique(found.begin(), found.end(), same), found.end());
    MetricAnswer answer;
    answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
    wire::SeriesTextWriter writer(answer.body);
    std::string_view metric_name;
    for (const Newest& each : found) {
      const std::string_view name = model::find_label(each.labels, model::kMetricName);
      if (name != metric_name) {
        metric_name = name;
        const auto known = parts_.store.metadata(name, 1);
        writer.type(name, known.empty() ? model::SampleType::kUnknown : known[0].second.type);
      }
      writer.sample(each.labels, each.value, each.time_ms);
    }
    return answer;
  };
  co_return co_await run_query(request, INT64_MAX, read);
}

}  // namespace gatehouse::api
