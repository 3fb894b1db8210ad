// Answers in Prometheus's envelope, and the readers of its parameters.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "api/prometheus/prometheus.h"
#include "base/result.h"
#include "wire/json.h"

namespace gatehouse::api::metric {

// {"status":"success","data":DATA,"warnings":[…],"infos":[…]}. The lists are left
// out where they are empty.
MetricAnswer success(std::string data, const std::set<std::string>& warnings = {},
                     const std::set<std::string>& infos = {});

// {"status":"error","errorType":…,"error":…} with the HTTP status that goes with
// the type: "bad_data" 400, "execution" 422, "timeout" and "unavailable" 503,
// "canceled" 499, "not_found" 404, "internal" 500.
MetricAnswer error(std::string_view type, std::string_view message);
// What a Status of the evaluation or the store becomes.
MetricAnswer error_of(const Status& status);
// `invalid parameter "NAME": why`.
MetricAnswer bad_parameter(std::string_view name, std::string_view why);

// Unix seconds with a fraction, or RFC 3339; in milliseconds.
Result<int64_t> parse_time_ms(std::string_view text);
// Seconds with a fraction, or "5m"; in milliseconds.
Result<int64_t> parse_step_ms(std::string_view text);

// The optional `start` and `end` of a search; all of time where they are absent.
// Prometheus takes an end before the start in a search, which then finds nothing; where
// it does not, check_order refuses it.
Result<model::TimeRangeMs> read_range(const MetricRequest& request);
Status check_order(model::TimeRangeMs range);
// `limit`; 0: none.
Result<size_t> read_limit(const MetricRequest& request);
// All `match[]`; kInvalidArgument where one is no selector.
Result<std::vector<model::Selector>> read_matches(const MetricRequest& request);

// {"__name__":"up","job":"x"}
void write_labels(wire::JsonWriter& json, const model::Labels& labels);
void write_labels(wire::JsonWriter& json, model::LabelsView labels);
// Seconds with milliseconds: 1435781430.781, without a fraction where it is zero.
void write_time(std::string& out, int64_t time_ms);
// As Prometheus writes sample values: the shortest that reads back equal; 'e' form
// below 1e-6 and from 1e21.
void write_number(std::string& out, double value);
// As it writes the value of a scalar: never with an exponent.
void write_scalar(std::string& out, double value);
// {"resultType":…,"result":…} of a query.
void write_value(std::string& out, const promql::QueryValue& value);

}  // namespace gatehouse::api::metric
