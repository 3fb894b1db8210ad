// The routes, inhibition and time intervals of an alertmanager.yml of any bytes are read or
// refused with a place, and work on alerts without harm; what is shown of it is YAML again.
#include <algorithm>

#include "alerts/inhibition.h"
#include "alerts/notification.h"
#include "alerts/routing_config.h"
#include "alerts/shown_config.h"
#include "fuzz.h"
#include "wire/yaml.h"

using namespace gatehouse;          // NOLINT: a program of one file
using namespace gatehouse::alerts;  // NOLINT

namespace {

const model::Labels kLabels{{"alertname", "x"}, {"a", "b"}, {"severity", "page"}};

void check_routes(wire::ConfigLog& log, const wire::YamlNode& node, const RouteNames& names) {
  const auto root = read_route_tree(log, node, names);
  const auto routes = match(*root, kLabels);
  fuzz::require(!routes.empty(), "every alert goes somewhere");
  for (const Route* route : routes) {
    fuzz::require(route->key.starts_with("{"), "a route has a key");
    (void)group_labels_text(route->group_labels(kLabels));
  }
}

void check_inhibition(wire::ConfigLog& log, const wire::YamlNode& list) {
  std::vector<InhibitRule> rules;
  for (const wire::YamlNode* item : list.items) rules.push_back(read_inhibit_rule(log, *item));
  Inhibitor inhibitor(std::move(rules));
  inhibitor.set(kLabels, model::alert_fingerprint(kLabels), 0);
  fuzz::require(!inhibitor.inhibiting(kLabels, 1).has_value(), "no alert inhibits itself");
  inhibitor.remove(kLabels, model::alert_fingerprint(kLabels));
  fuzz::require(inhibitor.sources() == 0, "what ended is forgotten");
}

bool keys_are_words(const wire::YamlNode& node) {
  for (const wire::YamlEntry& entry : node.entries) {
    const wire::YamlNode& key = *entry.key;
    if (!key.is_string() || !key.tag.empty() || key.value.empty()) return false;
    if (!keys_are_words(*entry.value)) return false;
  }
  return std::all_of(node.items.begin(), node.items.end(),
                     [](const wire::YamlNode* item) { return keys_are_words(*item); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  wire::YamlOptions options;
  options.name = "f";
  const auto yaml = wire::parse_yaml(fuzz::text_of(bytes, size), options);
  if (!yaml.ok() || yaml->documents().empty()) return 0;
  const wire::YamlNode& root = *yaml->documents().front();
  wire::ConfigLog log{"f", {}, {}};
  std::map<std::string, NamedTimeIntervals> intervals;
  if (const auto* list = root.get("time_intervals")) {
    read_named_time_intervals(log, *list, false, intervals);
  }
  RouteNames names;
  names.receivers.insert("everyone");
  for (const auto& [name, each] : intervals) {
    names.time_intervals.insert(name);
    (void)each.contains(1'767'225'600'000);
  }
  if (const auto* route = root.get("route")) check_routes(log, *route, names);
  if (const auto* list = root.get("inhibit_rules")) check_inhibition(log, *list);
  for (const std::string& problem : log.problems) {
    fuzz::require(problem.starts_with("f:"), "a problem has its place");
  }
  // Only what was accepted is shown: its keys are words.
  if (!keys_are_words(root)) return 0;
  const std::string shown = shown_config(root);
  const auto again = wire::parse_yaml(shown, options);
  fuzz::require(again.ok(), "what is shown is YAML");
  return 0;
}
