// An existing alertmanager.yml, read as it stands.
// After prometheus.io/docs/alerting/latest/configuration.
//
// Nothing is passed over in silence: a key that Alertmanager does not know, a route whose
// receiver is missing, a template that cannot be parsed: each is a problem with its file,
// line and column, all of them at once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/inhibition.h"
#include "alerts/integration.h"
#include "alerts/matchers.h"
#include "alerts/route.h"
#include "alerts/templates.h"
#include "alerts/time_interval.h"
#include "base/result.h"

namespace gatehouse::alerts {

struct Receiver {
  std::string name;
  // In the order of Alertmanager's receiver type; an index counts within one kind.
  std::vector<std::shared_ptr<const Integration>> integrations;
};

struct AlertmanagerConfig {
  int64_t resolve_timeout_ms = 300'000;
  std::unique_ptr<Route> route;
  std::vector<InhibitRule> inhibit_rules;
  std::map<std::string, Receiver> receivers;
  std::vector<std::string> receiver_names;  // in the order of the file
  std::map<std::string, NamedTimeIntervals> time_intervals;
  std::vector<std::string> template_files;  // patterns, resolved
  std::shared_ptr<const NotificationTemplates> templates;
  // The text as read, without comments and with its secrets as <secret>: what the API shows.
  std::string original;
  // Files besides the first one, to watch for changes.
  std::vector<std::string> files;
  std::vector<std::string> notices;
};

// `name` is the file's name for messages and the base of relative paths. The message of an
// error has all problems, a line each.
Result<std::shared_ptr<const AlertmanagerConfig>> read_alertmanager_config(std::string_view text,
                                                                           const std::string& name);
Result<std::shared_ptr<const AlertmanagerConfig>> load_alertmanager_config(const std::string& path);

}  // namespace gatehouse::alerts
