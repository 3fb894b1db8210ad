// Targets: what discovery finds, and what relabelling makes of it. After Prometheus,
// scrape/target.go.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "collect/prometheus_config.h"
#include "model/labels.h"

namespace gatehouse::collect {

// Targets that a discovery found together; a later group of the same source takes its
// place.
struct TargetGroup {
  std::string source;
  std::vector<model::Labels> targets;  // each with "__address__"
  model::Labels labels;                // of all of them
};

struct Target {
  model::Labels labels;      // as stored: without those that begin with "__"
  model::Labels discovered;  // before relabelling
  std::string url;
  int64_t interval_ms = 0, timeout_ms = 0;

  // Names the target across updates, and spreads targets over the interval.
  uint64_t hash() const;
};

// Relabels one target of a group. None: it is to be dropped. kInvalidArgument: it has
// no address, or labels that may not be.
Result<std::optional<Target>> make_target(const ScrapeConfig& config, const model::Labels& target,
                                          const model::Labels& group);

enum class TargetHealth : uint8_t { kUnknown, kUp, kDown };
std::string_view name(TargetHealth health);

// How a target's last scrape went.
struct TargetState {
  TargetHealth health = TargetHealth::kUnknown;
  std::string last_error;
  int64_t last_scrape_ms = 0;  // Unix time; 0: none yet
  double last_duration_s = 0;
  uint64_t last_samples = 0;
};

// What the targets page shows.
struct TargetView {
  std::string job;
  Target target;
  TargetState state;
};
struct DroppedTargetView {
  std::string job;
  model::Labels discovered;
};

}  // namespace gatehouse::collect
