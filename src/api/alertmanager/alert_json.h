// Alerts and silences as Alertmanager's API v2 has them (api/v2/openapi.yaml), to and from
// JSON, and the words in which go-openapi refuses a body.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/engine.h"
#include "wire/json.h"

namespace gatehouse::api {

// What is wrong with a body: go-openapi's error object {"code":…,"message":…}.
struct BodyProblem {
  int code = 0;  // 602: something is missing, 400: it cannot be parsed, ...
  std::string message;
  int status() const { return code >= 600 ? 422 : code; }
};

void write_alert(wire::JsonWriter& json, const alerts::AlertView& alert);
void write_group(wire::JsonWriter& json, const alerts::GroupView& group);
void write_silence(wire::JsonWriter& json, const alerts::Silence& silence, int64_t now_ms);

std::optional<BodyProblem> read_alerts(const wire::JsonView& root, std::vector<model::Alert>& out);
// `named` says who makes it where the body does not (createdBy); empty: then that is missing.
// Beyond Alertmanager, "recurrence": {"weekdays": [1,…], "until": TIME, "location": ZONE}.
std::optional<BodyProblem> read_silence(const wire::JsonView& root, std::string_view named,
                                        alerts::Silence& out);

// RFC 3339 in milliseconds of Unix time; Go's zero time is 0, what lies beyond 2262 is then.
std::optional<int64_t> parse_alert_time_ms(std::string_view text);

}  // namespace gatehouse::api
