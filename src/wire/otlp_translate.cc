// Follows storage/remote/otlptranslator/prometheusremotewrite of Prometheus 3.
#include "wire/otlp_translate.h"

#include <algorithm>
#include <cmath>

#include "wire/delta_accumulator.h"
#include "wire/float_text.h"
#include "wire/native_histogram_proto.h"

namespace gatehouse::wire {

namespace {

using model::LabelView;
using model::SampleType;

// OpenTelemetry does not always state a threshold; Prometheus takes this one then.
constexpr double kZeroThreshold = 1e-128;
constexpr size_t kExemplarRunesMax = 128;
// Up to this many empty buckets are cheaper than another span.
constexpr int64_t kGapMax = 2;

bool identifies(std::string_view key) {
  return key == "service.name" || key == "service.namespace" || key == "service.instance.id";
}

int64_t ms_of(uint64_t ns) { return static_cast<int64_t>(ns / 1'000'000); }

std::string_view find(const std::vector<OtlpAttribute>& attributes, std::string_view key) {
  for (const OtlpAttribute& attribute : attributes) {
    if (attribute.key == key) return attribute.value;
  }
  return {};
}

size_t runes(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

template <typename Pairs>
auto find_pair(Pairs& pairs, std::string_view name) {
  return std::find_if(pairs.begin(), pairs.end(),
                      [&](const auto& pair) { return pair.first == name; });
}

SampleType type_of(const OtlpMetric& metric) {
  switch (metric.kind) {
    case OtlpKind::kGauge: return SampleType::kGauge;
    case OtlpKind::kSum: return metric.monotonic ? SampleType::kCounter : SampleType::kGauge;
    case OtlpKind::kHistogram:
    case OtlpKind::kExponentialHistogram: return SampleType::kHistogram;
    case OtlpKind::kSummary: return SampleType::kSummary;
  }
  return SampleType::kUnknown;
}

// Dense buckets as spans. Bucket i of OpenTelemetry ends where i + 1 of Prometheus
// does.
void to_spans(const OtlpBuckets& from, std::vector<model::BucketSpan>& spans,
              std::vector<double>& buckets) {
  int64_t next = 0;  // the index after the last bucket written
  for (size_t i = 0; i < from.counts.size(); ++i) {
    if (from.counts[i] == 0) continue;
    const int64_t index = int64_t{from.offset} + static_cast<int64_t>(i) + 1;
    const int64_t gap = index - next;
    if (spans.empty() || gap > kGapMax) {
      spans.push_back({static_cast<int32_t>(gap), 0});
    } else {
      buckets.resize(buckets.size() + static_cast<size_t>(gap));
      spans.back().length += static_cast<uint32_t>(gap);
    }
    buckets.push_back(static_cast<double>(from.counts[i]));
    ++spans.back().length;
    next = index + 1;
  }
}

void put_key(std::string& key, std::string_view part) {
  put_varint(key, part.size());
  key += part;
}

void put_key(std::string& key, const std::vector<OtlpAttribute>& attributes) {
  put_varint(key, attributes.size());
  for (const OtlpAttribute& attribute : attributes) {
    put_key(key, attribute.key);
    put_key(key, attribute.value);
  }
}

std::vector<OtlpAttribute> sorted(std::vector<OtlpAttribute> attributes) {
  std::stable_sort(attributes.begin(), attributes.end(),
                   [](const auto& a, const auto& b) { return a.key < b.key; });
  return attributes;
}

}  // namespace

void OtlpTranslator::clear() {
  texts_.clear();
  labels_.clear();
  samples_.clear();
  histograms_.clear();
  exemplars_.clear();
  metadata_.clear();
  ends_.clear();
  series_.clear();
  bytes_ = 0;
  points_ = rejected_ = 0;
  first_rejection_.clear();
}

void OtlpTranslator::reject(std::string_view why) {
  ++rejected_;
  if (!first_rejection_.empty()) return;
  first_rejection_ = "metric \"";
  const std::string_view shown = metric_.name.substr(0, 128);
  first_rejection_ += is_utf8(shown) ? shown : "?";
  first_rejection_ += "\": ";
  first_rejection_ += why;
}

// Names that collide once they are labels share one, their values joined in the
// order of their names. False: one cannot be a label.
bool OtlpTranslator::add_attributes(const std::vector<OtlpAttribute>& attributes,
                                    std::vector<Pair>& into) const {
  if (attributes.size() > options_.labels.labels) return false;
  for (const OtlpAttribute& attribute : sorted(attributes)) {
    std::string label = otlp_label_name(attribute.key, options_.translation);
    if (label.empty()) return false;
    const auto found = find_pair(into, label);
    if (found == into.end()) {
      into.emplace_back(std::move(label), attribute.value);
    } else {
      found->second += ";";
      found->second += attribute.value;
    }
  }
  return true;
}

Status OtlpTranslator::resource(const OtlpResource& resource) {
  identity_.clear();
  promoted_.clear();
  info_labels_.clear();
  resource_key_.clear();
  newest_ns_ = 0;
  put_key(resource_key_, sorted(resource.attributes));
  const std::string_view space = find(resource.attributes, "service.namespace");
  if (const auto name = find(resource.attributes, "service.name"); !name.empty()) {
    identity_.emplace_back("job",
                           space.empty() ? name : std::string(space) + "/" + std::string(name));
  }
  if (const auto id = find(resource.attributes, "service.instance.id"); !id.empty()) {
    identity_.emplace_back("instance", id);
  }
  std::vector<OtlpAttribute> promoted;
  std::vector<OtlpAttribute> told;
  for (const OtlpAttribute& attribute : resource.attributes) {
    const auto& list = options_.promote_resource_attributes;
    const bool listed = std::find(list.begin(), list.end(), attribute.key) != list.end();
    if (listed != options_.promote_all_resource_attributes) promoted.push_back(attribute);
    if (!identifies(attribute.key)) told.push_back(attribute);
  }
  if (!add_attributes(promoted, promoted_)) promoted_.clear();
  // Without something to join it by, or something to tell, target_info is nothing.
  if (identity_.empty() || told.empty()) return {};
  if (!add_attributes(options_.keep_identifying_resource_attributes ? resource.attributes : told,
                      info_labels_)) {
    info_labels_.clear();
  }
  return {};
}

Status OtlpTranslator::scope(const OtlpScope& scope) {
  scope_key_.clear();
  put_key(scope_key_, scope.name);
  put_key(scope_key_, scope.version);
  put_key(scope_key_, sorted(scope.attributes));
  scope_labels_.clear();
  if (!options_.promote_scope) return {};
  std::vector<Pair> attributes;
  if (!add_attributes(scope.attributes, attributes)) attributes.clear();
  for (auto& [name, value] : attributes) {
    scope_labels_.emplace_back("otel_scope_" + name, std::move(value));
  }
  scope_labels_.emplace_back("otel_scope_name", scope.name);
  scope_labels_.emplace_back("otel_scope_version", scope.version);
  scope_labels_.emplace_back("otel_scope_schema_url", scope.schema_url);
  return {};
}

Status OtlpTranslator::metric(const OtlpMetric& metric) {
  metric_ = metric;
  name_ = otlp_metric_name(metric, options_.translation);
  metadata_index_ = -1;
  if (!is_utf8(metric.description) || !is_utf8(metric.unit)) return {};
  metadata_index_ = static_cast<int32_t>(metadata_.size());
  metadata_.push_back(
      {type_of(metric), std::string(metric.description), otlp_unit_name(metric.unit)});
  bytes_ += sizeof(model::MetricMetadata) + metric.description.size();
  return {};
}

bool OtlpTranslator::base_labels(const OtlpPoint& point) {
  base_.clear();
  if (!add_attributes(point.attributes, base_)) return false;
  for (const auto* extra : {&scope_labels_, &promoted_}) {
    for (const Pair& pair : *extra) {
      if (find_pair(base_, pair.first) == base_.end()) base_.push_back(pair);
    }
  }
  for (const Pair& pair : identity_) {
    if (const auto found = find_pair(base_, pair.first); found != base_.end()) {
      found->second = pair.second;
    } else {
      base_.push_back(pair);
    }
  }
  std::erase_if(base_, [](const Pair& pair) {
    return pair.second.empty() || pair.first == model::kMetricName;
  });
  std::sort(base_.begin(), base_.end());
  base_views_.clear();
  for (const auto& [name, value] : base_) {
    base_views_.push_back({texts_.keep(name), texts_.keep(value)});
  }
  return true;
}

bool OtlpTranslator::begin_series(std::string_view suffix, LabelView extra) {
  full_name_ = name_;
  full_name_ += suffix;
  const LabelView metric{model::kMetricName, texts_.keep(full_name_)};
  const size_t begin = labels_.size();
  labels_.push_back(metric);
  for (const LabelView& label : base_views_) {
    if (label.name != extra.name) labels_.push_back(label);
  }
  if (!extra.name.empty()) labels_.push_back({extra.name, texts_.keep(extra.value)});
  const auto first = labels_.begin() + static_cast<std::ptrdiff_t>(begin);
  std::sort(first, labels_.end());
  const auto why = check_labels({labels_.data() + begin, labels_.size() - begin}, options_.labels);
  if (why.empty()) return true;
  labels_.resize(begin);
  reject(why);
  return false;
}

void OtlpTranslator::end_series() {
  const size_t labels_before = ends_.empty() ? 0 : ends_.back().labels;
  ends_.push_back({static_cast<uint32_t>(labels_.size()), static_cast<uint32_t>(samples_.size()),
                   static_cast<uint32_t>(histograms_.size()),
                   static_cast<uint32_t>(exemplars_.size()), metadata_index_});
  bytes_ += sizeof(Ends) + sizeof(model::SeriesAppend) + sizeof(model::Sample) +
            (labels_.size() - labels_before) * sizeof(LabelView);
}

bool OtlpTranslator::give(std::string_view suffix, LabelView extra, double value,
                          const OtlpPoint& point, std::span<model::Exemplar> exemplars) {
  if (!begin_series(suffix, extra)) return false;
  const bool counted = type_of(metric_) != SampleType::kGauge;
  samples_.push_back({ms_of(point.time_ns), point.no_recorded_value ? model::kStaleValue : value,
                      counted ? ms_of(point.start_ns) : 0});
  for (model::Exemplar& exemplar : exemplars) exemplars_.push_back(std::move(exemplar));
  end_series();
  return true;
}

std::vector<model::Exemplar> OtlpTranslator::exemplars_of(const OtlpPoint& point) const {
  std::vector<model::Exemplar> out;
  for (const OtlpExemplar& from : point.exemplars) {
    model::Exemplar& to = out.emplace_back();
    to.time_ms = ms_of(from.time_ns);
    to.value = from.value;
    size_t length = 0;
    const auto add = [&](std::string_view name, std::string_view value) {
      length += runes(name) + runes(value);
      to.labels.emplace_back(name, value);
    };
    if (!from.trace_id.empty()) add("trace_id", from.trace_id);
    if (!from.span_id.empty()) add("span_id", from.span_id);
    const size_t ids = to.labels.size();
    for (const OtlpAttribute& attribute : from.attributes) {
      if (length > kExemplarRunesMax) break;
      if (is_utf8(attribute.key) && is_utf8(attribute.value) && !attribute.key.empty()) {
        add(attribute.key, attribute.value);
      }
    }
    // Too long with the attributes: then without, the ids matter more.
    if (length > kExemplarRunesMax) to.labels.resize(ids);
    std::sort(to.labels.begin(), to.labels.end());
  }
  return out;
}

bool OtlpTranslator::number(const OtlpPoint& point) {
  auto exemplars = exemplars_of(point);
  return give("", {}, point.value, point, exemplars);
}

bool OtlpTranslator::classic_histogram(const OtlpPoint& point) {
  if (!point.bucket_counts.empty() && point.bucket_counts.size() != point.bounds.size() + 1) {
    reject("the histogram has another number of buckets than of bounds");
    return false;
  }
  if (!std::is_sorted(point.bounds.begin(), point.bounds.end(), std::less_equal<>())) {
    reject("the histogram's bounds do not ascend");
    return false;
  }
  if (point.has_sum && !give("_sum", {}, point.sum, point)) return false;
  const auto count = static_cast<double>(point.count);
  if (!give("_count", {}, count, point)) return false;
  std::vector<model::Exemplar> exemplars = exemplars_of(point);
  std::sort(exemplars.begin(), exemplars.end(),
            [](const auto& a, const auto& b) { return a.value < b.value; });
  size_t given = 0;
  uint64_t cumulative = 0;
  std::string bound;
  for (size_t i = 0; i < point.bounds.size() && i < point.bucket_counts.size(); ++i) {
    cumulative += point.bucket_counts[i];
    bound.clear();
    append_plain_float(bound, point.bounds[i]);
    size_t end = given;
    while (end < exemplars.size() && exemplars[end].value <= point.bounds[i]) ++end;
    if (!give("_bucket", {"le", bound}, static_cast<double>(cumulative), point,
              {exemplars.data() + given, end - given})) {
      return false;
    }
    given = end;
    if (bytes_ + texts_.held_bytes() > options_.memory_bytes) return true;  // point() sees it
  }
  return give("_bucket", {"le", "+Inf"}, count, point,
              {exemplars.data() + given, exemplars.size() - given});
}

bool OtlpTranslator::native_histogram(const OtlpPoint& point) {
  if (point.scale < model::NativeHistogram::kSchemaMin || point.scale > 1000) {
    reject("the scale of the exponential histogram is below -4");
    return false;
  }
  model::HistogramSample sample;
  sample.time_ms = ms_of(point.time_ns);
  sample.start_ms = ms_of(point.start_ns);
  model::NativeHistogram& histogram = sample.histogram;
  histogram.whole = true;
  histogram.schema = std::min(point.scale, model::NativeHistogram::kSchemaMax);
  histogram.zero_threshold = point.zero_threshold > 0 ? point.zero_threshold : kZeroThreshold;
  histogram.zero_count = static_cast<double>(point.zero_count);
  histogram.count = static_cast<double>(point.count);
  histogram.sum = point.sum;
  for (const bool positive : {true, false}) {
    OtlpBuckets buckets = positive ? point.positive : point.negative;
    if (int64_t{buckets.offset} + static_cast<int64_t>(buckets.counts.size()) >= INT32_MAX) {
      reject("the exponential histogram's buckets are out of range");
      return false;
    }
    downscale(buckets, point.scale - histogram.schema);
    to_spans(buckets, positive ? histogram.positive_spans : histogram.negative_spans,
             positive ? histogram.positive_buckets : histogram.negative_buckets);
  }
  if (point.no_recorded_value) {
    wire::clear(histogram);
    histogram.whole = true;
    histogram.sum = model::kStaleValue;
  }
  if (const auto why = check_histogram(histogram); !why.empty()) {
    reject(why);
    return false;
  }
  if (!begin_series("", {})) return false;
  bytes_ +=
      sizeof sample + 8 * (histogram.positive_buckets.size() + histogram.negative_buckets.size());
  histograms_.push_back(std::move(sample));
  for (model::Exemplar& exemplar : exemplars_of(point)) exemplars_.push_back(std::move(exemplar));
  end_series();
  return true;
}

bool OtlpTranslator::summary(const OtlpPoint& point) {
  if (!give("_sum", {}, point.sum, point)) return false;
  if (!give("_count", {}, static_cast<double>(point.count), point)) return false;
  std::string text;
  for (const auto& [quantile, value] : point.quantiles) {
    text.clear();
    append_plain_float(text, quantile);
    if (!give("", {"quantile", text}, value, point)) return false;
    if (bytes_ + texts_.held_bytes() > options_.memory_bytes) return true;
  }
  return true;
}

Status OtlpTranslator::point(OtlpPoint& point) {
  ++points_;
  const bool differs = metric_.kind != OtlpKind::kGauge && metric_.kind != OtlpKind::kSummary;
  if (name_.empty()) {
    reject("nothing is left of its name");
    return {};
  }
  if (point.time_ns > uint64_t{INT64_MAX} || point.start_ns > uint64_t{INT64_MAX}) {
    reject("its time is out of range");
    return {};
  }
  if (differs && metric_.temporality == OtlpTemporality::kDelta && deltas_ != nullptr) {
    stream_key_ = resource_key_;
    stream_key_ += scope_key_;
    put_key(stream_key_, metric_.name);
    put_key(stream_key_, metric_.unit);
    stream_key_ +=
        static_cast<char>('0' + static_cast<int>(metric_.kind) + (metric_.monotonic ? 5 : 0));
    put_key(stream_key_, sorted(point.attributes));
    if (turn_ != nullptr && !turn_->owns_lock()) turn_->lock();
    if (const Status added = deltas_->accumulate(stream_key_, metric_.kind, point); !added.ok()) {
      reject(added.message());
      return {};
    }
  } else if (differs && metric_.temporality != OtlpTemporality::kCumulative) {
    reject("its temporality is not cumulative");
    return {};
  }
  if (!base_labels(point)) {
    reject("an attribute cannot be a label, or there are too many");
    return {};
  }
  newest_ns_ = std::max(newest_ns_, point.time_ns);
  switch (metric_.kind) {
    case OtlpKind::kGauge:
    case OtlpKind::kSum: number(point); break;
    case OtlpKind::kHistogram: classic_histogram(point); break;
    case OtlpKind::kExponentialHistogram: native_histogram(point); break;
    case OtlpKind::kSummary: summary(point); break;
  }
  if (bytes_ + texts_.held_bytes() > options_.memory_bytes) {
    return resource_exhausted("the request needs more memory than the " +
                              std::to_string(options_.memory_bytes) + " bytes one may");
  }
  return {};
}

Status OtlpTranslator::end_resource() {
  if (info_labels_.empty() || newest_ns_ == 0) return {};
  metric_ = {};
  metric_.name = name_ = "target_info";
  metadata_index_ = static_cast<int32_t>(metadata_.size());
  metadata_.push_back({SampleType::kGauge, "Target metadata", ""});
  OtlpPoint point;
  point.time_ns = newest_ns_;
  point.value = 1;
  scope_labels_.clear();
  promoted_ = std::move(info_labels_);
  info_labels_.clear();
  if (base_labels(point)) {
    // No point of the sender's: where it may not be, nothing is rejected.
    const uint64_t rejected_before = rejected_;
    std::string first_before = first_rejection_;
    give("", {}, point.value, point);
    rejected_ = rejected_before;
    first_rejection_ = std::move(first_before);
  }
  return {};
}

std::span<model::SeriesAppend> OtlpTranslator::series() {
  series_.clear();
  series_.resize(ends_.size());
  Ends begin{0, 0, 0, 0, -1};
  for (size_t i = 0; i < ends_.size(); ++i) {
    const Ends& end = ends_[i];
    model::SeriesAppend& series = series_[i];
    series.labels = {labels_.data() + begin.labels, labels_.data() + end.labels};
    series.samples = {samples_.data() + begin.sample, samples_.data() + end.sample};
    series.histograms = {histograms_.data() + begin.histogram, histograms_.data() + end.histogram};
    series.exemplars = {exemplars_.data() + begin.exemplars, exemplars_.data() + end.exemplars};
    if (end.metadata >= 0) series.metadata = &metadata_[static_cast<size_t>(end.metadata)];
    begin = end;
  }
  return series_;
}

}  // namespace gatehouse::wire
