// The JSON of a notification: Alertmanager's webhook message, version 4
// (prometheus.io/docs/alerting/latest/configuration/#webhook_config).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "alerts/notification.h"

namespace gatehouse::alerts {

// With at most `alerts_max` alerts (0: all); "truncatedAlerts" says how many were left out.
std::string webhook_message(const Notification& notification, uint64_t alerts_max,
                            std::string_view version = "4");
// The notification with its first alerts alone.
Notification truncated(const Notification& notification, uint64_t alerts_max);

}  // namespace gatehouse::alerts
