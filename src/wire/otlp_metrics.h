// OpenTelemetry metrics as they are exported: ExportMetricsServiceRequest in
// protobuf (or in JSON: otlp_metrics_json.h), given point by point to one sink
// (opentelemetry-proto, collector/metrics/v1 and metrics/v1; OTLP 1.x, "JSON
// Protobuf Encoding"). Nothing of the request is held beyond the point at hand.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gatehouse::wire {

// A value that is no string is written as one, as Prometheus does: 5, true, JSON
// for arrays and maps, base64 for bytes. Views live for the call of the sink.
struct OtlpAttribute {
  std::string_view key;
  std::string_view value;
};

enum class OtlpKind { kGauge, kSum, kHistogram, kExponentialHistogram, kSummary };
enum class OtlpTemporality { kUnspecified, kDelta, kCumulative };

struct OtlpResource {
  std::vector<OtlpAttribute> attributes;
};

struct OtlpScope {
  std::string_view name;
  std::string_view version;
  std::string_view schema_url;
  std::vector<OtlpAttribute> attributes;
};

struct OtlpMetric {
  std::string_view name;
  std::string_view description;
  std::string_view unit;
  OtlpKind kind = OtlpKind::kGauge;
  OtlpTemporality temporality = OtlpTemporality::kUnspecified;  // of sums and histograms
  bool monotonic = false;                                       // of sums
};

struct OtlpExemplar {
  std::vector<OtlpAttribute> attributes;
  uint64_t time_ns = 0;
  double value = 0;
  std::string trace_id;  // in hexadecimal; empty where there is none
  std::string span_id;
};

// Counts of consecutive buckets, the first being number `offset`.
struct OtlpBuckets {
  int32_t offset = 0;
  std::vector<uint64_t> counts;
};

// A data point of any kind; what its kind does not have is as here.
struct OtlpPoint {
  std::vector<OtlpAttribute> attributes;
  uint64_t start_ns = 0;  // 0: not stated
  uint64_t time_ns = 0;
  bool no_recorded_value = false;
  double value = 0;
  uint64_t count = 0;
  bool has_sum = false;
  double sum = 0;
  std::vector<uint64_t> bucket_counts;  // one more than bounds, or none
  std::vector<double> bounds;
  int32_t scale = 0;
  uint64_t zero_count = 0;
  double zero_threshold = 0;
  OtlpBuckets positive;
  OtlpBuckets negative;
  std::vector<std::pair<double, double>> quantiles;  // and their values
  std::vector<OtlpExemplar> exemplars;

  void clear();  // keeps what the vectors hold
};

class OtlpMetricSink {
 public:
  virtual ~OtlpMetricSink() = default;
  // In this order, each for what follows it. An error ends the reading.
  virtual Status resource(const OtlpResource& resource) = 0;
  virtual Status scope(const OtlpScope& scope) = 0;
  virtual Status metric(const OtlpMetric& metric) = 0;
  virtual Status point(OtlpPoint& point) = 0;  // the sink may change it
  virtual Status end_resource() = 0;
};

// kInvalidArgument: not the message. Any other error is the sink's.
Status decode_otlp_metrics(std::string_view protobuf, OtlpMetricSink& sink);

// ExportMetricsServiceResponse; with a partial success where points were rejected.
std::string otlp_metrics_response(uint64_t rejected_points, std::string_view message);
std::string otlp_metrics_response_json(uint64_t rejected_points, std::string_view message);

}  // namespace gatehouse::wire
