// `metrics:` of gatehouse.yaml.
#pragma once

#include <cstdint>
#include <string>

#include "api/prometheus/limits.h"

namespace gatehouse::app {

struct MetricsConfig {
  // 15 days as Prometheus keeps them; whichever of the two comes first.
  int64_t retention_age_ms = 15 * 86'400'000LL;
  int64_t retention_bytes = int64_t{10} << 30;
  int64_t out_of_order_ms = 30 * 60'000;
  int64_t exemplars_max = 100'000;
  std::string prometheus_config;  // the path of a prometheus.yml; empty: none
  bool host = true;
  bool containers = true;
  bool gpus = true;
  int64_t host_interval_ms = 15'000;
  bool self = true;
  api::QueryLimits limits;
};

}  // namespace gatehouse::app
