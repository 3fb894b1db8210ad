// Notifications that the tests of templates and receivers share.
#pragma once

#include <string>

#include "alerts/notification.h"

namespace gatehouse::alerts {

// 2026-01-02T03:10:00Z
inline constexpr int64_t kSampleNow_ns = 1'767'323'400'000'000'000;

// "firing" (one alert), "mixed" (two firing, one resolved), "resolved", "long" (an annotation of
// 40,000 characters), "hostile" (labels with line breaks, markup and templates).
inline Notification sample_notification(const std::string& name) {
  Notification out;
  out.receiver = "team-x/webhook[0]";
  out.group_key = "{}/{severity=\"page\"}:{alertname=\"HighLatency\"}";
  out.group_labels = {{"alertname", "HighLatency"}, {"severity", "page"}};
  out.external_url = "http://alerts.example.org:9093";
  out.time_ms = kSampleNow_ns / 1'000'000;
  const auto add = [&out](const std::string& instance, bool resolved) -> model::Alert& {
    NotifiedAlert each;
    each.alert.labels = {
        {"alertname", "HighLatency"}, {"severity", "page"}, {"instance", instance}, {"job", "api"}};
    each.alert.annotations = {{"description", "first line\nsecond line"},
                              {"summary", "p99 <is> \"high\" & more"}};
    each.alert.starts_at_ms = 1'767'323'045'678;
    each.alert.ends_at_ms = resolved ? 1'767'323'345'000 : 0;
    each.alert.generator_url = "http://prometheus.example.org/graph?g0.expr=x";
    each.resolved = resolved;
    each.fingerprint = model::alert_fingerprint(each.alert.labels);
    out.alerts.push_back(std::move(each));
    return out.alerts.back().alert;
  };
  if (name == "resolved") {
    add("c:9090", true);
  } else if (name == "mixed") {
    add("a:9090", false);
    add("b:9090", false).annotations = {{"summary", "other"}};
    add("c:9090", true);
  } else if (name == "long") {
    std::string text;
    for (int i = 0; i < 10'000; ++i) text += "é—x ";
    add("a:9090", false).annotations = {{"description", text}};
  } else if (name == "hostile") {
    model::Alert& alert = add("a:9090\r\nBcc: other@example.org", false);
    alert.annotations = {{"summary", "</td>{{ .Nope }}\r\n.\r\n--"}};
    out.group_labels = {{"alertname", "x\r\nBcc: other@example.org\r\n\r\nbody"}};
  } else {
    add("a:9090", false);
  }
  return out;
}

}  // namespace gatehouse::alerts
