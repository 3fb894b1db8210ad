// OpenTelemetry's names and units as Prometheus's: the rules of the specification's
// "Prometheus and OpenMetrics compatibility" and of github.com/prometheus/
// otlptranslator, whose four strategies these are.
#pragma once

#include <string>
#include <string_view>

#include "wire/otlp_metrics.h"

namespace gatehouse::wire {

enum class OtlpTranslation {
  kUnderscoreEscapingWithSuffixes,  // http.server.duration, ms: http_server_duration_milliseconds
  kUnderscoreEscapingWithoutSuffixes,  // http_server_duration
  kNoUtf8EscapingWithSuffixes,         // http.server.duration_milliseconds
  kNoTranslation,                      // as it is
};

// What a metric is called. "" where nothing is left of the name.
std::string otlp_metric_name(const OtlpMetric& metric, OtlpTranslation translation);

// What an attribute is called as a label: "http.method" becomes "http_method",
// "1st" "key_1st", "_a" "key_a". "" where nothing but underscores is left.
std::string otlp_label_name(std::string_view key, OtlpTranslation translation);

// "By/s" becomes "bytes_per_second"; "1" and what stands in braces, nothing.
std::string otlp_unit_name(std::string_view unit);

}  // namespace gatehouse::wire
