// After Prometheus, scrape/scrape.go: what fails fails the whole scrape, so that a
// target is either wholly there or down.
#include "collect/scrape.h"

#include <algorithm>

#include "outbound/http_fetch.h"
#include "wire/gzip.h"
#include "wire/scrape_format.h"

namespace gatehouse::collect {

namespace {

// Metadata kept a target.
constexpr size_t kFamiliesMax = 10'000;

std::string_view media_type(std::string_view protocol) {
  if (protocol == "PrometheusProto") {
    return "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding="
           "delimited";
  }
  if (protocol == "PrometheusText1.0.0") return "text/plain;version=1.0.0;escaping=allow-utf-8";
  if (protocol == "OpenMetricsText0.0.1") return "application/openmetrics-text;version=0.0.1";
  if (protocol == "OpenMetricsText1.0.0") {
    return "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8";
  }
  return "text/plain;version=0.0.4";
}

// Where one pair of labels has the name of the other's: "exported_" before it, as
// often as it takes.
void merge_labels(MutableLabels& sample, const model::Labels& target, bool honor) {
  for (const auto& [name, value] : target.pairs()) {
    const std::string theirs(sample.get(name));
    if (theirs.empty()) {
      sample.set(name, value);
      continue;
    }
    if (honor) continue;
    std::string other = "exported_" + name;
    while (!sample.get(other).empty() || !target.get(other).empty()) other = "exported_" + other;
    sample.set(name, value);
    sample.set(other, theirs);
  }
}

Status check_label_limits(const ScrapeLimits& limits, const MutableLabels& labels) {
  const std::string metric(labels.get(model::kMetricName));
  if (limits.labels > 0 && labels.pairs().size() > limits.labels) {
    return resource_exhausted("label_limit exceeded (metric: " + metric +
                              ", number of labels: " + std::to_string(labels.pairs().size()) +
                              ", limit: " + std::to_string(limits.labels) + ")");
  }
  for (const auto& [name, value] : labels.pairs()) {
    if (limits.label_name_bytes > 0 && name.size() > limits.label_name_bytes) {
      return resource_exhausted("label_name_length_limit exceeded (metric: " + metric +
                                ", label name: " + name.substr(0, 50) + ")");
    }
    if (limits.label_value_bytes > 0 && value.size() > limits.label_value_bytes) {
      return resource_exhausted("label_value_length_limit exceeded (metric: " + metric +
                                ", label name: " + name + ")");
    }
  }
  return {};
}

}  // namespace

std::string accept_header(const ScrapeConfig& config) {
  std::vector<std::string> protocols = config.protocols;
  if (protocols.empty()) {
    if (config.native_histograms) protocols.push_back("PrometheusProto");
    protocols.insert(protocols.end(), {"OpenMetricsText1.0.0", "OpenMetricsText0.0.1",
                                       "PrometheusText1.0.0", "PrometheusText0.0.4"});
  }
  std::string out;
  size_t weight = protocols.size() + 1;
  for (const std::string& protocol : protocols) {
    out += std::string(media_type(protocol)) + ";q=0." +
           std::to_string(std::min<size_t>(weight--, 9)) + ",";
  }
  return out + "*/*;q=0." + std::to_string(std::min<size_t>(weight, 9));
}

class ScrapeIntake::Sink : public wire::MetricSink {
 public:
  Sink(ScrapeIntake& intake, ScrapeCounts& counts) : intake_(intake), counts_(counts) {}

  bool metadata(const wire::ScrapedMetadata& said) override {
    auto& known = intake_.metadata_;
    const auto found = known.find(std::string(said.family));
    model::MetricMetadata metadata;
    metadata.type = said.type;
    metadata.help = said.help;
    metadata.unit = said.unit;
    if (found != known.end() && found->second == metadata) return true;
    if (found == known.end() && known.size() >= kFamiliesMax) return true;
    intake_.publisher_.appender().describe(said.family, metadata);
    known[std::string(said.family)] = std::move(metadata);
    ++intake_.metadata_version_;
    return true;
  }

  bool sample(const wire::ScrapedSample& sample) override {
    ++counts_.scraped;
    Publisher& publisher = intake_.publisher_;
    const SeriesKey key = sample.text.empty() || sample.histogram != nullptr
                              ? series_key(sample.labels)
                              : series_key(sample.text);
    Publisher::Series* series = publisher.find(key);
    if (series == nullptr) {
      series = remember(key, sample.labels);
      if (series == nullptr) return false;
    }
    const bool own_time = sample.time_ms && intake_.config_.honor_timestamps;
    const int64_t time_ms = own_time ? *sample.time_ms : publisher.time_ms();
    const bool tracked = !own_time || intake_.config_.track_timestamps_staleness;
    if (!add(*series, sample, time_ms, tracked)) {
      failure_ = over_budget();
      return false;
    }
    if (series->dropped) return true;
    ++counts_.after_relabelling;
    const uint64_t limit = intake_.config_.limits.samples;
    if (limit > 0 && counts_.after_relabelling > limit) {
      failure_ = resource_exhausted("sample limit exceeded (" + std::to_string(limit) + ")");
      return false;
    }
    return true;
  }

  const Status& failure() const { return failure_; }

 private:
  // Null: a limit is exceeded.
  Publisher::Series* remember(const SeriesKey& key, model::LabelsView given) {
    labels_.assign(given);
    merge_labels(labels_, intake_.target_.labels, intake_.config_.honor_labels);
    const bool kept = apply_rules(intake_.config_.metric_relabel, labels_) && !labels_.empty();
    views_.clear();
    if (kept) {
      failure_ = check_label_limits(intake_.config_.limits, labels_);
      if (!failure_.ok()) return nullptr;
      if (labels_.get(model::kMetricName).empty()) {
        failure_ = invalid_argument("metric name is missing after relabelling");
        return nullptr;
      }
      for (const auto& [name, value] : labels_.pairs()) views_.push_back({name, value});
    }
    Publisher::Series* series = intake_.publisher_.remember(key, views_);
    if (series == nullptr) failure_ = over_budget();
    return series;
  }

  static Status over_budget() {
    return resource_exhausted("the process's memory budget is used up (memory.limit)");
  }

  bool add(Publisher::Series& series, const wire::ScrapedSample& sample, int64_t time_ms,
           bool tracked) {
    Publisher& publisher = intake_.publisher_;
    if (sample.histogram != nullptr) {
      model::HistogramSample out;
      out.time_ms = time_ms;
      out.histogram = *sample.histogram;
      out.start_ms = sample.start_ms;
      if (!publisher.add(series, out, tracked)) return false;
    } else {
      model::Sample out;
      out.time_ms = time_ms;
      out.value = sample.value;
      out.start_ms = sample.start_ms;
      if (!publisher.add(series, out, tracked)) return false;
    }
    if (series.dropped) return true;
    for (model::Exemplar exemplar : sample.exemplars) {
      if (exemplar.time_ms == 0) exemplar.time_ms = time_ms;
      publisher.add_exemplar(exemplar);
    }
    return true;
  }

  ScrapeIntake& intake_;
  ScrapeCounts& counts_;
  Status failure_;
  MutableLabels labels_;
  std::vector<model::LabelView> views_;
};

size_t scrape_body_bytes_max(const ScrapeConfig& config, const MemoryBudget& budget) {
  if (config.limits.body_bytes > 0) return config.limits.body_bytes;
  constexpr int64_t kMost = 256 << 20;
  return static_cast<size_t>(std::min(kMost, budget.limit_bytes() / 8));
}

Status ScrapeIntake::read(ScrapedBody& got, MemoryCharge& charge, ScrapeCounts& counts) {
  const size_t limit = scrape_body_bytes_max(config_, budget_);
  std::string plain;
  std::string_view body = got.body;
  if (got.content_encoding == "gzip" || got.content_encoding == "x-gzip") {
    ASSIGN_OR_RETURN(plain, wire::gzip_decompress(got.body, limit, &charge));
    body = plain;
  } else if (!got.content_encoding.empty() && got.content_encoding != "identity") {
    return invalid_argument("the body is encoded as \"" + got.content_encoding + "\"");
  }
  auto format = wire::scrape_format(got.content_type);
  if (!format && !config_.fallback_protocol.empty()) {
    format = wire::scrape_format(media_type(config_.fallback_protocol));
  }
  if (!format) {
    return invalid_argument("non-compliant scrape target sending " +
                            (got.content_type.empty()
                                 ? std::string("blank Content-Type")
                                 : "unsupported Content-Type \"" + got.content_type + "\"") +
                            " and no fallback_scrape_protocol specified for target");
  }
  wire::ScrapeOptions options;
  options.classic_too = config_.always_classic_histograms;
  Sink sink(*this, counts);
  const Status parsed = wire::parse_scrape(*format, body, options, sink);
  if (!sink.failure().ok()) return sink.failure();
  return parsed;
}

void ScrapeIntake::report(std::string_view name, double value) {
  MutableLabels labels(target_.labels);
  labels.set(model::kMetricName, name);
  std::vector<model::LabelView> views;
  for (const auto& [key, text] : labels.pairs()) views.push_back({key, text});
  // A target may expose a metric of the same name: another key than any of its texts.
  const SeriesKey key = series_key("report " + std::string(name));
  Publisher::Series* series = publisher_.find(key);
  if (series == nullptr) series = publisher_.remember(key, views);
  model::Sample sample;
  sample.time_ms = publisher_.time_ms();
  sample.value = value;
  publisher_.add(*series, sample);
}

Status ScrapeIntake::take(int64_t time_ms, double seconds, Result<ScrapedBody> got,
                          MemoryCharge& charge, ScrapeCounts& counts) {
  publisher_.begin(time_ms);
  Status outcome = got.ok() ? read(*got, charge, counts) : got.status();
  if (outcome.ok()) {
    counts.added = publisher_.added();
  } else {
    publisher_.discard();
    counts.added = 0;
    counts.after_relabelling = 0;
  }
  publisher_.set_essential(true);
  report("up", outcome.ok() ? 1 : 0);
  report("scrape_duration_seconds", seconds);
  report("scrape_samples_scraped", static_cast<double>(counts.scraped));
  report("scrape_samples_post_metric_relabeling", static_cast<double>(counts.after_relabelling));
  report("scrape_series_added", static_cast<double>(counts.added));
  publisher_.set_essential(false);
  const Result<model::AppendOutcome> appended = publisher_.commit();
  if (outcome.ok() && !appended.ok()) outcome = appended.status();
  return outcome;
}

void ScrapeIntake::end(int64_t time_ms) {
  const auto ended = publisher_.end(time_ms);
  (void)ended;  // a store without room marks nothing; queries then look back five minutes
}

}  // namespace gatehouse::collect
