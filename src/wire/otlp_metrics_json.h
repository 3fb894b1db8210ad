// OTLP metrics in JSON: lowerCamelCase names, 64-bit integers as strings or numbers,
// ids in hexadecimal, unknown members passed over ("JSON Protobuf Encoding" of the
// OTLP specification). What is read is otlp_metrics.h's.
#pragma once

#include <string_view>

#include "base/result.h"
#include "wire/otlp_metrics.h"

namespace gatehouse::wire {

// kInvalidArgument: not JSON, or no object. Any other error is the sink's.
Status decode_otlp_metrics_json(std::string_view json, OtlpMetricSink& sink);

}  // namespace gatehouse::wire
