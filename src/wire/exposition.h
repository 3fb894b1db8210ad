// The program's metrics as text for a scraper: Prometheus's text format 0.0.4
// and OpenMetrics 1.0.0.
#pragma once

#include <string>
#include <string_view>

#include "model/metrics.h"

namespace gatehouse::wire {

enum class ExpositionFormat { kPrometheusText, kOpenMetrics };

// What to answer a scraper whose Accept header is `accept` ("" where it has
// none): the one it weighs higher; Prometheus text in doubt.
ExpositionFormat negotiate_exposition(std::string_view accept);
std::string_view content_type(ExpositionFormat format);

// A counter's samples end in "_total" in both. A unit is declared to OpenMetrics
// where the family's name ends in one that it knows ("_seconds", "_bytes", …).
// A family whose children were all removed is left out.
std::string write_exposition(const model::Registry& registry, ExpositionFormat format);

}  // namespace gatehouse::wire
