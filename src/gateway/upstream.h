// Upstream: where calls go, and what has been learned of it: breaker, retry
// budget, health, latencies. Shared by all cores; everything that changes is
// atomic. It outlives a reload that leaves its name, kind and URL as they were.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "gateway/breaker.h"
#include "gateway/config.h"
#include "gateway/retry.h"
#include "model/credential.h"
#include "model/metrics.h"
#include "net/client.h"

namespace gatehouse::gateway {

enum class HealthState : uint8_t { kUnknown, kHealthy, kDegraded, kUnhealthy };
std::string_view name(HealthState state);

// What a health check found, or passing calls showed.
struct Health {
  HealthState state = HealthState::kUnknown;
  std::string reason;  // for a person; empty when healthy
  int64_t checked_wall_ms = 0;
  int64_t latency_ms = 0;  // of the check
};

// What passing calls teach of an upstream, kept apart from its configuration so
// that a reload can hand it on.
struct UpstreamHistory {
  UpstreamHistory(const UpstreamConfig& config, model::Registry& registry);

  CircuitBreaker breaker;
  RetryBudget retries;
  std::atomic<int64_t> in_flight{0};
  std::atomic<int64_t> last_call_wall_ms{0};
  // Steady: when a call of this kind last went well here, by Capability; 0: never.
  std::array<std::atomic<int64_t>, 2> last_good_ms{};
  model::Histogram& first_token;  // seconds, of replies that succeeded
  model::Counter& attempts;
  model::Counter& failures;

  Health health() const;
  void set_health(Health health);
  // A check's outcome, counted towards the state by the configured thresholds.
  void checked(bool ok, const Health& found, const HealthConfig& config);

 private:
  mutable std::mutex mutex_;  // taken by checks and pages, never by a call
  Health health_;
  int good_checks_ = 0;
  int bad_checks_ = 0;
};

class Upstream {
 public:
  // `history` of an earlier configuration, or null for a fresh one. The message
  // of an error names the upstream.
  static Result<std::shared_ptr<Upstream>> make(const UpstreamConfig& config,
                                                std::shared_ptr<model::Credential> credential,
                                                std::shared_ptr<UpstreamHistory> history,
                                                model::Registry& registry);

  const UpstreamConfig& config() const { return config_; }
  const net::Origin& origin() const { return origin_; }
  const std::string& base_path() const { return base_path_; }
  model::Credential* credential() const { return credential_.get(); }
  UpstreamHistory& history() const { return *history_; }
  const std::shared_ptr<UpstreamHistory>& shared_history() const { return history_; }
  const RetryPolicy& retry() const { return retry_; }

 private:
  Upstream(const UpstreamConfig& config, std::shared_ptr<model::Credential> credential,
           std::shared_ptr<UpstreamHistory> history);

  UpstreamConfig config_;
  std::shared_ptr<model::Credential> credential_;
  std::shared_ptr<UpstreamHistory> history_;
  RetryPolicy retry_;
  net::Origin origin_;
  std::string base_path_;
};

}  // namespace gatehouse::gateway
