// Which formats a scrape asks for, and which one an answer is in.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "wire/metric_sink.h"

namespace gatehouse::wire {

enum class ScrapeFormat { kText, kOpenMetrics, kProtobuf };

// The Accept header of a scrape: protobuf first where native histograms are wanted.
std::string_view scrape_accept(bool protobuf_first);

// By an answer's Content-Type. None: it states a type that is none of these, or
// none at all.
std::optional<ScrapeFormat> scrape_format(std::string_view content_type);

// Reads an answer's body with the parser of its format.
Status parse_scrape(ScrapeFormat format, std::string_view body, const ScrapeOptions& options,
                    MetricSink& sink);

}  // namespace gatehouse::wire
