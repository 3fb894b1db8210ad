// OpenTelemetry metrics as Prometheus series, as Prometheus's own OTLP endpoint
// makes them: names and units after otlp_names.h; service.namespace and
// service.name as `job`, service.instance.id as `instance`; attributes as labels;
// the resource's other attributes in one `target_info` series; sums as counters or
// gauges, explicit histograms as classic series, exponential ones as native
// histograms; a point without a value as the end of its series.
//
// What cannot be a series is rejected point by point, and counted.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/series.h"
#include "wire/label_check.h"
#include "wire/otlp_metrics.h"
#include "wire/otlp_names.h"
#include "wire/text_arena.h"

namespace gatehouse::wire {

class DeltaAccumulator;

struct OtlpTranslateOptions {
  OtlpTranslation translation = OtlpTranslation::kUnderscoreEscapingWithSuffixes;
  // Attributes of the resource that become labels of all its series.
  std::vector<std::string> promote_resource_attributes;
  bool promote_all_resource_attributes = false;  // all but those that are listed
  // Leave what names the target in target_info, too.
  bool keep_identifying_resource_attributes = false;
  // The scope as labels otel_scope_name, otel_scope_version, ...
  bool promote_scope = false;
  LabelLimits labels;
  // Of one request. A bound of a histogram, eight bytes, is a series of its own.
  size_t memory_bytes = 256 << 20;
};

class OtlpTranslator : public OtlpMetricSink {
 public:
  // `deltas` makes cumulative what is stated as differences; without, it is
  // rejected. It must outlive the translator, and is used by one at a time: `turn`, where
  // there is one, is locked at the first difference.
  OtlpTranslator(OtlpTranslateOptions options, DeltaAccumulator* deltas,
                 std::unique_lock<std::mutex>* turn = nullptr)
      : options_(std::move(options)), deltas_(deltas), turn_(turn) {}

  Status resource(const OtlpResource& resource) override;
  Status scope(const OtlpScope& scope) override;
  Status metric(const OtlpMetric& metric) override;
  Status point(OtlpPoint& point) override;
  Status end_resource() override;

  // What was translated since clear(). Views into the translator: they live until
  // it is cleared or given more, and not on the request.
  std::span<model::SeriesAppend> series();
  uint64_t points() const { return points_; }
  uint64_t rejected() const { return rejected_; }
  const std::string& first_rejection() const { return first_rejection_; }
  void clear();

 private:
  struct Ends {
    uint32_t labels, sample, histogram, exemplars;  // where each of the series ends
    int32_t metadata;
  };
  using Pair = std::pair<std::string, std::string>;

  void reject(std::string_view why);
  bool add_attributes(const std::vector<OtlpAttribute>& attributes, std::vector<Pair>& into) const;
  bool base_labels(const OtlpPoint& point);
  std::vector<model::Exemplar> exemplars_of(const OtlpPoint& point) const;
  bool begin_series(std::string_view suffix, model::LabelView extra);
  void end_series();
  bool give(std::string_view suffix, model::LabelView extra, double value, const OtlpPoint& point,
            std::span<model::Exemplar> exemplars = {});
  bool number(const OtlpPoint& point);
  bool classic_histogram(const OtlpPoint& point);
  bool native_histogram(const OtlpPoint& point);
  bool summary(const OtlpPoint& point);

  const OtlpTranslateOptions options_;
  DeltaAccumulator* const deltas_;
  std::unique_lock<std::mutex>* const turn_;

  // Of the resource, scope and metric at hand.
  std::vector<Pair> identity_;     // job and instance
  std::vector<Pair> promoted_;     // other attributes of the resource
  std::vector<Pair> info_labels_;  // of target_info; empty: there is none
  std::vector<Pair> scope_labels_;
  std::string resource_key_;
  std::string scope_key_;
  uint64_t newest_ns_ = 0;
  OtlpMetric metric_;
  std::string stream_key_;
  std::string name_;
  int32_t metadata_index_ = -1;
  std::vector<Pair> base_;  // labels of the point, sorted, without its name
  std::vector<model::LabelView> base_views_;

  TextArena texts_;
  std::vector<model::LabelView> labels_;
  std::vector<model::Sample> samples_;
  std::vector<model::HistogramSample> histograms_;
  std::vector<model::Exemplar> exemplars_;
  std::deque<model::MetricMetadata> metadata_;
  std::vector<Ends> ends_;
  std::vector<model::SeriesAppend> series_;
  size_t bytes_ = 0;
  std::string full_name_;

  uint64_t points_ = 0;
  uint64_t rejected_ = 0;
  std::string first_rejection_;
};

}  // namespace gatehouse::wire
