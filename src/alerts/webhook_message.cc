#include "alerts/webhook_message.h"

#include "alerts/templates.h"
#include "wire/json.h"

namespace gatehouse::alerts {

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Go's zero time: no end is known.
constexpr std::string_view kNoTime = "0001-01-01T00:00:00Z";

void write_pairs(wire::JsonWriter& json, std::string_view key, const Pairs& pairs) {
  json.key(key).begin_object();
  for (const auto& [name, value] : pairs) json.member(name, value);
  json.end_object();
}

void write_alert(wire::JsonWriter& json, const NotifiedAlert& each) {
  json.begin_object();
  json.member("status", each.resolved ? "resolved" : "firing");
  write_pairs(json, "labels", each.alert.labels.pairs());
  write_pairs(json, "annotations", each.alert.annotations);
  json.member("startsAt", go_json_time(each.alert.starts_at_ms));
  const bool ended = each.resolved && each.alert.ends_at_ms != 0;
  json.member("endsAt", ended ? go_json_time(each.alert.ends_at_ms) : std::string(kNoTime));
  json.member("generatorURL", each.alert.generator_url);
  json.member("fingerprint", fingerprint_text(each.fingerprint));
  json.end_object();
}

}  // namespace

Notification truncated(const Notification& notification, uint64_t alerts_max) {
  Notification out = notification;
  if (alerts_max != 0 && out.alerts.size() > alerts_max) {
    out.alerts.resize(static_cast<size_t>(alerts_max));
  }
  return out;
}

std::string webhook_message(const Notification& whole, uint64_t alerts_max,
                            std::string_view version) {
  const Notification notification = truncated(whole, alerts_max);
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object();
  json.member("receiver", template_receiver_name(notification.receiver));
  json.member("status", notification.firing() ? "firing" : "resolved");
  json.key("alerts").begin_array();
  for (const NotifiedAlert& each : notification.alerts) write_alert(json, each);
  json.end_array();
  write_pairs(json, "groupLabels", notification.group_labels.pairs());
  write_pairs(json, "commonLabels", common_labels(notification));
  write_pairs(json, "commonAnnotations", common_annotations(notification));
  json.member("externalURL", notification.external_url);
  json.member("version", version);
  json.member("groupKey", notification.group_key);
  json.member("truncatedAlerts",
              static_cast<uint64_t>(whole.alerts.size() - notification.alerts.size()));
  json.end_object();
  out += '\n';  // as Go's encoder ends a document
  return out;
}

}  // namespace gatehouse::alerts
