// Reads what targets expose as text: Prometheus's format 0.0.4 and 1.0.0 (names
// quoted inside the braces), and OpenMetrics 1.0.0. One pass, linear, over bytes
// that stay where they are.
//
// OpenMetrics is read as Prometheus reads it, which is laxer than its text: order
// and types of samples are not policed. "# EOF" must end it, though: without, the
// text was cut short. `_created` samples of counters, histograms and summaries
// become the start of their series' samples and are no series themselves.
#pragma once

#include <string_view>

#include "base/result.h"
#include "wire/metric_sink.h"

namespace gatehouse::wire {

enum class ExpositionDialect { kPrometheus, kOpenMetrics };

// kInvalidArgument: what is wrong and in which line; samples before it have gone to
// the sink. kCancelled: the sink wanted no more.
Status parse_exposition_text(ExpositionDialect dialect, std::string_view text,
                             const ScrapeOptions& options, MetricSink& sink);

}  // namespace gatehouse::wire
