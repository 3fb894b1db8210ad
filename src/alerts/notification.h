// Notification: what one receiver is told of one group of alerts at one moment; what
// templates see of it (Data of Alertmanager's notification template reference).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/alert.h"
#include "model/labels.h"

namespace gatehouse::alerts {

struct NotifiedAlert {
  model::Alert alert;
  uint64_t fingerprint = 0;  // model::alert_fingerprint() of its labels
  bool resolved = false;     // as of the notification's time
};

struct Notification {
  std::string receiver;
  std::string group_key;  // Alertmanager's: "{}/{severity=\"page\"}:{alertname=\"x\"}"
  model::Labels group_labels;
  std::vector<NotifiedAlert> alerts;  // as Alertmanager orders them: by job, instance, labels
  std::string external_url;           // of this program, for links
  int64_t time_ms = 0;
  bool test = false;  // from a receiver's test button

  bool firing() const;  // any of the alerts
};

// Its 16 hexadecimal digits: "fingerprint" in the API.
std::string fingerprint_text(uint64_t fingerprint);
// SHA-256 of the group's key in hexadecimal: the key by which PagerDuty, Opsgenie and others
// know an incident.
std::string group_key_hash(const Notification& notification);

}  // namespace gatehouse::alerts
