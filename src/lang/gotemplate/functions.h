// The sets of functions that Prometheus's rules and Alertmanager give their templates, and
// what both take from Go: times, layouts, titles.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "lang/gotemplate/value.h"

namespace gatehouse::gotemplate {

// prometheus.io/docs/prometheus/latest/configuration/template_reference. A query gives a
// List of Maps with "Labels" (a Map) and "Value" (a number).
using QueryFunction = std::function<Result<List>(const std::string& query)>;
struct PrometheusFunctionOptions {
  QueryFunction query;       // empty: the function "query" is an error
  std::string external_url;  // of externalURL and pathPrefix
  // Of the function "now": when the rule is evaluated. Empty: "now" is an error.
  std::function<int64_t()> now_unix_ns;
};
std::shared_ptr<const Functions> prometheus_functions(PrometheusFunctionOptions options);

// prometheus.io/docs/alerting/latest/notifications: title, toUpper, toLower, trimSpace, join,
// match, safeHtml, safeUrl, urlUnescape, reReplaceAll, stringSlice, date, tz, since,
// humanizeDuration, toJson, list, append, dict, ...
std::shared_ptr<const Functions> alertmanager_functions(std::function<int64_t()> now_unix_ns);

// Go's time.Format: `layout` is written with the reference time (Mon Jan 2 15:04:05 2006).
// kInvalidArgument: a zone that the machine does not know.
Result<std::string> format_time(const Time& time, std::string_view layout);
// "2006-01-02T15:04:05.999999999Z07:00", as encoding/json writes times.
std::string format_rfc3339(const Time& time);
// Go's Duration.String(): "1h15m30.918s".
std::string format_duration(Duration duration);

}  // namespace gatehouse::gotemplate
