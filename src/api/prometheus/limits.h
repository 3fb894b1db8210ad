// What bounds a query or a push; from the configuration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gatehouse::api {

struct QueryLimits {
  int64_t timeout_ms = 120'000;            // of a query, as Prometheus's query.timeout
  int64_t samples_max = 50'000'000;        // as Prometheus's query.max-samples
  int64_t lookback_ms = 300'000;           // as Prometheus's query.lookback-delta
  int64_t concurrent_max = 20;             // as Prometheus's query.max-concurrency
  int64_t write_bytes_max = 32 << 20;      // of a pushed body, as it comes
  int64_t decoded_bytes_max = 64 << 20;    // of the same, unpacked
  std::vector<std::string> otlp_promoted;  // attributes of the resource that become labels
};

}  // namespace gatehouse::api
