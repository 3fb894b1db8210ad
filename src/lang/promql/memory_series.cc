#include "lang/promql/memory_series.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <set>

#include "lang/promql/histogram/arithmetic.h"
#include "lang/promql/literal.h"

namespace gatehouse::promql {
namespace {

using model::CounterReset;
using model::NativeHistogram;
using HistogramPtr = std::shared_ptr<const NativeHistogram>;

// Whether `next` goes on in the chunk of `previous`: then no counter was reset.
bool continues(const NativeHistogram& next, const NativeHistogram& previous) {
  return next.reset != CounterReset::kReset && previous.reset != CounterReset::kGauge &&
         next.schema == previous.schema && next.zero_threshold == previous.zero_threshold &&
         next.bounds == previous.bounds && !model::is_stale(previous.sum) &&
         !is_reset(next, previous);
}

class MemorySeriesSet : public model::SeriesSet {
 public:
  MemorySeriesSet(std::vector<const std::pair<const model::Labels, MemorySeries::Samples>*> found,
                  model::TimeRangeMs range)
      : found_(std::move(found)), range_(range), views_(found_.size()) {
    for (size_t i = 0; i < found_.size(); ++i) {
      for (const auto& [name, value] : found_[i]->first.pairs()) views_[i].push_back({name, value});
    }
  }

  size_t size() const override { return found_.size(); }
  model::LabelsView labels(size_t i) const override { return views_[i]; }

  Status samples(size_t i, model::SampleColumns& out) const override {
    out.clear();
    const MemorySeries::Samples& samples = found_[i]->second;
    const auto begin = samples.lower_bound(range_.begin_ms);
    const auto end = samples.upper_bound(range_.end_ms);
    const bool histograms =
        std::any_of(begin, end, [](const auto& each) { return each.second.histogram != nullptr; });
    const bool starts =
        std::any_of(begin, end, [](const auto& each) { return each.second.start_ms != 0; });
    for (auto sample = begin; sample != end; ++sample) {
      const MemorySeries::Stored& stored = sample->second;
      out.times_ms.push_back(sample->first);
      out.values.push_back(stored.value);
      if (starts) out.starts_ms.push_back(stored.start_ms);
      if (histograms) out.histograms.push_back(hinted(samples, sample));
    }
    return {};
  }

 private:
  static HistogramPtr hinted(const MemorySeries::Samples& samples,
                             MemorySeries::Samples::const_iterator sample) {
    const HistogramPtr& histogram = sample->second.histogram;
    if (!histogram || histogram->reset == CounterReset::kGauge) return histogram;
    const HistogramPtr previous =
        sample == samples.begin() ? nullptr : std::prev(sample)->second.histogram;
    auto copy = std::make_shared<NativeHistogram>(*histogram);
    copy->reset = previous && continues(*histogram, *previous) ? CounterReset::kNotReset
                                                               : CounterReset::kUnknown;
    return copy;
  }

  std::vector<const std::pair<const model::Labels, MemorySeries::Samples>*> found_;
  model::TimeRangeMs range_;
  std::vector<std::vector<model::LabelView>> views_;
};

// A classic histogram at one moment, gathered from its series.
struct ClassicHistogram {
  std::map<double, double> buckets;  // cumulative, by upper bound
  std::optional<double> count;
  double sum = 0;
};

Result<HistogramPtr> to_custom_buckets(const ClassicHistogram& classic) {
  auto histogram = std::make_shared<NativeHistogram>();
  histogram->schema = NativeHistogram::kCustomBounds;
  histogram->sum = classic.sum;
  if (classic.buckets.empty() && !classic.count) {
    return invalid_argument("count must be provided when no buckets are present");
  }
  histogram->count = classic.count ? *classic.count : classic.buckets.rbegin()->second;
  double before = 0;
  std::vector<double> counts;
  for (const auto& [bound, cumulative] : classic.buckets) {
    if (cumulative < before) return invalid_argument("count is not cumulative");
    counts.push_back(cumulative - before);
    before = cumulative;
    if (!std::isinf(bound)) histogram->bounds.push_back(bound);
  }
  if (classic.buckets.empty() || !std::isinf(classic.buckets.rbegin()->first)) {
    counts.push_back(histogram->count - before);
  } else if (histogram->count != before) {
    return invalid_argument("count mismatch");
  }
  histogram->positive_spans.push_back({0, static_cast<uint32_t>(counts.size())});
  histogram->positive_buckets = std::move(counts);
  return HistogramPtr(std::make_shared<const NativeHistogram>(compacted(*histogram)));
}

}  // namespace

Status MemorySeries::insert(const model::Labels& labels, int64_t time_ms, Stored stored) {
  const auto [at, is_new] = series_[labels].try_emplace(time_ms, stored);
  if (is_new) return {};
  const Stored& old = at->second;
  const bool same_histogram = !old.histogram == !stored.histogram &&
                              (!old.histogram || *old.histogram == *stored.histogram);
  if (same_histogram &&
      std::bit_cast<uint64_t>(old.value) == std::bit_cast<uint64_t>(stored.value)) {
    return {};
  }
  return invalid_argument("duplicate sample for timestamp " + std::to_string(time_ms) + " of " +
                          labels.to_string());
}

Status MemorySeries::load(const LoadCommand& command) {
  for (const LoadCommand::Series& series : command.series) {
    const auto& values = series.noted.values;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i].omitted()) continue;
      const int64_t time_ms = static_cast<int64_t>(i) * command.step_ms;
      Stored stored;
      stored.histogram = values[i].histogram;
      stored.value = values[i].value.value_or(0);
      if (stored.histogram && model::is_stale(stored.histogram->sum)) {
        stored.value = model::kStaleValue;
      }
      if (!series.start_offsets_ms.empty() && series.start_offsets_ms[i]) {
        stored.start_ms = time_ms + *series.start_offsets_ms[i];
      }
      RETURN_IF_ERROR(insert(series.noted.labels, time_ms, std::move(stored)));
    }
  }
  return command.with_custom_buckets ? load_custom_buckets(command) : Status();
}

Status MemorySeries::load_custom_buckets(const LoadCommand& command) {
  std::map<model::Labels, std::map<int64_t, ClassicHistogram>> gathered;
  for (const LoadCommand::Series& series : command.series) {
    const model::Labels& labels = series.noted.labels;
    std::string_view metric = labels.get(model::kMetricName);
    std::string_view part;
    for (const std::string_view suffix : {"_bucket", "_count", "_sum"}) {
      if (metric.ends_with(suffix)) part = suffix;
    }
    if (part.empty()) continue;
    double bound = 0;
    if (part == "_bucket") {
      const auto parsed = parse_number(labels.get("le"));
      if (!parsed.ok() || std::isnan(*parsed)) continue;
      bound = *parsed;
    }
    metric.remove_suffix(part.size());
    const model::Labels base = labels.with(model::kMetricName, metric).with("le", "");
    const auto& values = series.noted.values;
    for (size_t i = 0; i < values.size(); ++i) {
      if (!values[i].value) continue;
      ClassicHistogram& classic = gathered[base][static_cast<int64_t>(i) * command.step_ms];
      if (part == "_bucket") classic.buckets.try_emplace(bound, *values[i].value);
      if (part == "_count") classic.count = *values[i].value;
      if (part == "_sum") classic.sum = *values[i].value;
    }
  }
  for (const auto& [labels, moments] : gathered) {
    for (const auto& [time_ms, classic] : moments) {
      Stored stored;
      ASSIGN_OR_RETURN(stored.histogram, to_custom_buckets(classic));
      RETURN_IF_ERROR(insert(labels, time_ms, std::move(stored)));
    }
  }
  return {};
}

std::vector<const MemorySeries::Entry*> MemorySeries::matching(
    std::span<const model::Matcher> matchers, model::TimeRangeMs range) const {
  std::vector<const Entry*> found;
  for (const Entry& entry : series_) {
    const bool matched = std::ranges::all_of(matchers, [&entry](const model::Matcher& matcher) {
      return matcher.matches(entry.first.get(matcher.name()));
    });
    const auto first = entry.second.lower_bound(range.begin_ms);
    if (matched && first != entry.second.end() && first->first <= range.end_ms) {
      found.push_back(&entry);
    }
  }
  return found;
}

Result<std::unique_ptr<model::SeriesSet>> MemorySeries::select(
    std::span<const model::Matcher> matchers, model::TimeRangeMs range, model::SeriesOrder,
    model::QueryContext& context) const {
  RETURN_IF_ERROR(context.check());
  return std::unique_ptr<model::SeriesSet>(
      std::make_unique<MemorySeriesSet>(matching(matchers, range), range));
}

Result<std::vector<std::string>> MemorySeries::label_names(std::span<const model::Matcher> matchers,
                                                           model::TimeRangeMs range, size_t limit,
                                                           model::QueryContext& context) const {
  RETURN_IF_ERROR(context.check());
  std::set<std::string> names;
  for (const Entry* entry : matching(matchers, range)) {
    for (const auto& [name, value] : entry->first.pairs()) names.insert(name);
  }
  std::vector<std::string> out(names.begin(), names.end());
  if (limit != 0 && out.size() > limit) out.resize(limit);
  return out;
}

Result<std::vector<std::string>> MemorySeries::label_values(
    std::string_view name, std::span<const model::Matcher> matchers, model::TimeRangeMs range,
    size_t limit, model::QueryContext& context) const {
  RETURN_IF_ERROR(context.check());
  std::set<std::string> values;
  for (const Entry* entry : matching(matchers, range)) {
    const std::string_view value = entry->first.get(name);
    if (!value.empty()) values.emplace(value);
  }
  std::vector<std::string> out(values.begin(), values.end());
  if (limit != 0 && out.size() > limit) out.resize(limit);
  return out;
}

// Scripts load samples alone.
std::vector<std::pair<std::string, model::MetricMetadata>> MemorySeries::metadata(std::string_view,
                                                                                  size_t) const {
  return {};
}
Result<std::vector<MemorySeries::SeriesExemplars>> MemorySeries::exemplars(
    std::span<const model::Selector>, model::TimeRangeMs) const {
  return std::vector<SeriesExemplars>();
}

}  // namespace gatehouse::promql
