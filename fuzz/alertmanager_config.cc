// An alertmanager.yml of any bytes is read or refused with a place; what is read can be
// shown and read again, and routes, time intervals and inhibition work on it.
#include "alerts/config.h"

#include "alerts/inhibition.h"
#include "alerts/notification.h"
#include "fuzz.h"

using namespace gatehouse;          // NOLINT: a program of one file
using namespace gatehouse::alerts;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = fuzz::text_of(bytes, size);
  // Would read any file of the machine, some of which never end.
  if (text.find("templates") != std::string_view::npos) return 0;
  const auto config = read_alertmanager_config(text, "f");
  if (!config.ok()) {
    fuzz::require(config.status().message().starts_with("f:"), "a problem has its place");
    return 0;
  }
  const model::Labels labels{{"alertname", "x"}, {"a", "b"}, {"severity", "page"}};
  const auto routes = match(*(*config)->route, labels);
  fuzz::require(!routes.empty(), "every alert goes somewhere");
  for (const Route* route : routes) {
    fuzz::require((*config)->receivers.contains(route->receiver), "a route has a receiver");
    (void)group_labels_text(route->group_labels(labels));
  }
  for (const auto& [name, intervals] : (*config)->time_intervals) {
    (void)intervals.contains(1'767'225'600'000);
  }
  Inhibitor inhibitor((*config)->inhibit_rules);
  inhibitor.set(labels, fingerprint_of(labels), 0);
  fuzz::require(!inhibitor.inhibiting(labels, 1).has_value(), "no alert inhibits itself");
  return 0;
}
