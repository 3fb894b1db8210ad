#include "wire/scrape_format.h"

#include "base/text.h"
#include "wire/exposition_text.h"
#include "wire/metric_protobuf.h"

namespace gatehouse::wire {

std::string_view scrape_accept(bool protobuf_first) {
  if (protobuf_first) {
    return "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
           "encoding=delimited;q=0.6,"
           "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
           "application/openmetrics-text;version=0.0.1;q=0.4,"
           "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
           "text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
  }
  return "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
         "application/openmetrics-text;version=0.0.1;q=0.5,"
         "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
         "text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
}

std::optional<ScrapeFormat> scrape_format(std::string_view content_type) {
  const std::string type = to_lower(trim(content_type.substr(0, content_type.find(';'))));
  if (type == "text/plain") return ScrapeFormat::kText;
  if (type == "application/openmetrics-text") return ScrapeFormat::kOpenMetrics;
  if (type == "application/vnd.google.protobuf") return ScrapeFormat::kProtobuf;
  return std::nullopt;
}

Status parse_scrape(ScrapeFormat format, std::string_view body, const ScrapeOptions& options,
                    MetricSink& sink) {
  switch (format) {
    case ScrapeFormat::kOpenMetrics:
      return parse_exposition_text(ExpositionDialect::kOpenMetrics, body, options, sink);
    case ScrapeFormat::kProtobuf: return parse_metric_protobuf(body, options, sink);
    case ScrapeFormat::kText: break;
  }
  return parse_exposition_text(ExpositionDialect::kPrometheus, body, options, sink);
}

}  // namespace gatehouse::wire
