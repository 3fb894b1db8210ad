// An upstream as the home page, its own page and /health tell of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/gateway.h"

namespace gatehouse::api {

struct UpstreamState {
  std::string_view health;  // "healthy", …; lives as the program
  std::string_view breaker;
  std::vector<std::string> reasons;
  std::optional<int64_t> breaker_until_ms;  // wall; only while open
  bool ejected = false;
  int64_t in_flight = 0;
  gateway::UpstreamActivity recent;  // of the last five minutes
  std::optional<double> error_ratio() const;
};

UpstreamState upstream_state(const gateway::Upstream& upstream, const gateway::Activity& activity,
                             int64_t steady_ms, int64_t wall_ms);
std::string_view kind_name(gateway::UpstreamKind kind);

}  // namespace gatehouse::api
