// Reads what targets expose as protobuf: io.prometheus.client.MetricFamily messages
// (prometheus/client_model, metrics.proto), each behind its length as a varint. The
// only exposition with native histograms.
#pragma once

#include <string_view>

#include "base/result.h"
#include "wire/metric_sink.h"

namespace gatehouse::wire {

// As parse_exposition_text. The error names the family.
Status parse_metric_protobuf(std::string_view bytes, const ScrapeOptions& options,
                             MetricSink& sink);

}  // namespace gatehouse::wire
