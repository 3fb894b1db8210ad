#include "alerts/route.h"

#include <gtest/gtest.h>

#include <fstream>

#include "alerts/notification.h"
#include "alerts/routing_config.h"
#include "base/case_file_for_test.h"
#include "wire/yaml.h"

namespace gatehouse::alerts {
namespace {

model::Labels labels_of(std::string_view text) {
  std::vector<model::Labels::Pair> pairs;
  const auto matchers = parse_utf8_matchers(text);
  EXPECT_TRUE(matchers.ok()) << text;
  for (const auto& each : *matchers) pairs.emplace_back(each.name(), each.value());
  return model::Labels(std::move(pairs));
}

// tree FILE reads a route tree (any receiver may be named, and the time interval "nights");
// to {labels} gives the receivers; group {labels} the groups' keys; timing {labels}.
class RouteDriver : public CaseDriver {
 public:
  std::string run(const Step& step) override {
    if (step.verb == "tree") return tree(step.rest);
    if (!root_) return "no tree";
    const model::Labels labels = labels_of(step.rest);
    std::string out;
    for (const Route* route : match(*root_, labels)) {
      if (!out.empty()) out += step.verb == "group" ? " " : ", ";
      if (step.verb == "to") {
        out += route->receiver;
      } else if (step.verb == "group") {
        out += route->key + ":" + group_labels_text(route->group_labels(labels));
      } else if (step.verb == "id") {
        out += route->id;
      } else if (step.verb == "timing") {
        out += format_duration(route->group_wait_ms) + "/" +
               format_duration(route->group_interval_ms) + "/" +
               format_duration(route->repeat_interval_ms);
        for (const std::string& name : route->mute_time_intervals) out += " muted " + name;
        for (const std::string& name : route->active_time_intervals) out += " active " + name;
      } else {
        return "unknown step";
      }
    }
    return out;
  }

 private:
  std::string tree(const std::string& file) {
    std::ifstream in("test/alerts/routing/" + file);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto yaml = wire::parse_yaml(text);
    if (!yaml.ok()) return yaml.status().message();
    if (text.empty()) return "no such file";
    wire::ConfigLog log{"t", {}, {}};
    RouteNames names;
    for (const char* name : {"default", "pager", "chat", "db", "audit", "night"}) {
      names.receivers.insert(name);
    }
    names.time_intervals.insert("nights");
    root_ = read_route_tree(log, *yaml->documents().front(), names);
    return log.problems.empty() ? "" : log.problems.front();
  }

  std::unique_ptr<Route> root_;
};

TEST(Route, CasesGiveWhatIsExpected) {
  run_case_folder("test/alerts/routing", [] { return std::make_unique<RouteDriver>(); });
}

// The value that Prometheus's LabelSet.Fingerprint and Alertmanager's API give.
TEST(Fingerprint, IsThatOfAlertmanager) {
  EXPECT_EQ(fingerprint_text(model::alert_fingerprint(model::Labels{})), "cbf29ce484222325");
}

}  // namespace
}  // namespace gatehouse::alerts
