#include "wire/otlp_metrics_json.h"

#include <bit>
#include <cmath>

#include "base/bytes.h"
#include "base/text.h"
#include "wire/float_text.h"
#include "wire/json.h"
#include "wire/otlp_value.h"
#include "wire/text_arena.h"

namespace gatehouse::wire {

namespace {

constexpr size_t kAttributesMax = 1280;  // as in protobuf
constexpr size_t kExemplarsMax = 1024;

uint64_t unsigned_of(JsonView view) {
  if (const auto text = view.string()) return parse_uint(*text).value_or(0);
  return view.unsigned_integer().value_or(0);
}

int64_t integer_of(JsonView view) {
  const auto text = view.string();
  if (!text) return view.integer().value_or(0);
  const bool negative = text->starts_with('-');
  const uint64_t size = parse_uint(text->substr(negative ? 1 : 0)).value_or(0);
  return static_cast<int64_t>(negative ? ~size + 1 : size);
}

double number_of(JsonView view) {
  if (const auto text = view.string()) return parse_float(*text).value_or(0);  // "NaN", "Infinity"
  return view.number().value_or(0);
}

std::string_view text_of(JsonView view) { return view.string().value_or(""); }

// An id of `bytes` bytes in lower case, or nothing.
std::string id_of(JsonView view, size_t bytes) {
  const auto raw = hex_decode(text_of(view));
  return raw.ok() && raw->size() == bytes ? hex_encode(*raw) : std::string();
}

class JsonDecoder {
 public:
  explicit JsonDecoder(OtlpMetricSink& sink) : sink_(sink) {}

  Status resource(JsonView view) {
    OtlpResource resource;
    upper_texts_.clear();
    attributes(view["resource"]["attributes"], resource.attributes, upper_texts_);
    RETURN_IF_ERROR(sink_.resource(resource));
    for (const JsonView scope_view : view["scopeMetrics"].items()) {
      RETURN_IF_ERROR(scope(scope_view));
    }
    return sink_.end_resource();
  }

 private:
  void attributes(JsonView list, std::vector<OtlpAttribute>& into, TextArena& texts) {
    for (const JsonView pair : list.items()) {
      if (into.size() >= kAttributesMax) return;
      std::string_view value = otlp_value(pair["value"], room_);
      if (value.data() == room_.data()) value = texts.keep(room_);
      into.push_back({text_of(pair["key"]), value});
    }
  }

  Status scope(JsonView view) {
    OtlpScope scope;
    scope.name = text_of(view["scope"]["name"]);
    scope.version = text_of(view["scope"]["version"]);
    scope.schema_url = text_of(view["schemaUrl"]);
    attributes(view["scope"]["attributes"], scope.attributes, upper_texts_);
    RETURN_IF_ERROR(sink_.scope(scope));
    for (const JsonView metric_view : view["metrics"].items()) {
      RETURN_IF_ERROR(metric(metric_view));
    }
    return {};
  }

  Status metric(JsonView view) {
    constexpr std::pair<std::string_view, OtlpKind> kKinds[] = {
        {"gauge", OtlpKind::kGauge},
        {"sum", OtlpKind::kSum},
        {"histogram", OtlpKind::kHistogram},
        {"exponentialHistogram", OtlpKind::kExponentialHistogram},
        {"summary", OtlpKind::kSummary},
    };
    for (const auto& [member, kind] : kKinds) {
      const JsonView body = view[member];
      if (!body.is_object()) continue;
      OtlpMetric metric;
      metric.name = text_of(view["name"]);
      metric.description = text_of(view["description"]);
      metric.unit = text_of(view["unit"]);
      metric.kind = kind;
      const JsonView temporality = body["aggregationTemporality"];
      const int64_t number = integer_of(temporality);
      if (number == 1 || text_of(temporality) == "AGGREGATION_TEMPORALITY_DELTA") {
        metric.temporality = OtlpTemporality::kDelta;
      } else if (number == 2 || text_of(temporality) == "AGGREGATION_TEMPORALITY_CUMULATIVE") {
        metric.temporality = OtlpTemporality::kCumulative;
      }
      metric.monotonic = body["isMonotonic"].boolean().value_or(false);
      RETURN_IF_ERROR(sink_.metric(metric));
      for (const JsonView one : body["dataPoints"].items()) {
        point_.clear();
        texts_.clear();
        point(one);
        RETURN_IF_ERROR(sink_.point(point_));
      }
      return {};
    }
    return {};
  }

  // The kinds' members differ in name, so one reading serves all.
  void point(JsonView view) {
    attributes(view["attributes"], point_.attributes, texts_);
    point_.start_ns = unsigned_of(view["startTimeUnixNano"]);
    point_.time_ns = unsigned_of(view["timeUnixNano"]);
    point_.no_recorded_value = (unsigned_of(view["flags"]) & 1) != 0;
    point_.value = value_of(view);
    point_.count = unsigned_of(view["count"]);
    const JsonView sum = view["sum"];
    point_.has_sum = sum.present() && !sum.is_null();
    point_.sum = number_of(sum);
    for (const JsonView count : view["bucketCounts"].items()) {
      point_.bucket_counts.push_back(unsigned_of(count));
    }
    for (const JsonView bound : view["explicitBounds"].items()) {
      point_.bounds.push_back(number_of(bound));
    }
    point_.scale = narrow(integer_of(view["scale"]));
    point_.zero_count = unsigned_of(view["zeroCount"]);
    point_.zero_threshold = number_of(view["zeroThreshold"]);
    buckets(view["positive"], point_.positive);
    buckets(view["negative"], point_.negative);
    for (const JsonView quantile : view["quantileValues"].items()) {
      point_.quantiles.emplace_back(number_of(quantile["quantile"]), number_of(quantile["value"]));
    }
    for (const JsonView one : view["exemplars"].items()) {
      if (point_.exemplars.size() >= kExemplarsMax) break;
      OtlpExemplar& exemplar = point_.exemplars.emplace_back();
      attributes(one["filteredAttributes"], exemplar.attributes, texts_);
      exemplar.time_ns = unsigned_of(one["timeUnixNano"]);
      exemplar.value = value_of(one);
      exemplar.trace_id = id_of(one["traceId"], 16);
      exemplar.span_id = id_of(one["spanId"], 8);
    }
  }

  static double value_of(JsonView view) {
    if (const JsonView whole = view["asInt"]; whole.present()) {
      return static_cast<double>(integer_of(whole));
    }
    return number_of(view["asDouble"]);
  }
  static int32_t narrow(int64_t value) {
    return value < INT32_MIN || value > INT32_MAX ? INT32_MIN : static_cast<int32_t>(value);
  }
  static void buckets(JsonView view, OtlpBuckets& into) {
    into.offset = narrow(integer_of(view["offset"]));
    for (const JsonView count : view["bucketCounts"].items()) {
      into.counts.push_back(unsigned_of(count));
    }
  }

  OtlpMetricSink& sink_;
  OtlpPoint point_;
  TextArena texts_;
  TextArena upper_texts_;
  std::string room_;
};

}  // namespace

Status decode_otlp_metrics_json(std::string_view json, OtlpMetricSink& sink) {
  ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::parse(json));
  if (!document.root().is_object()) {
    return invalid_argument("an OTLP request is a JSON object");
  }
  JsonDecoder decoder(sink);
  for (const JsonView view : document.root()["resourceMetrics"].items()) {
    RETURN_IF_ERROR(decoder.resource(view));
  }
  return {};
}

}  // namespace gatehouse::wire
