// HealthChecker: asks each upstream at its interval whether it is there, and
// joins the answer with what passing calls show.
//
// A check lists the upstream's models (GET), which costs nothing and proves
// connection and credential. With `health.calls` it makes real calls of one
// token instead: a chat, and an embedding where the upstream serves both.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "gateway/gateway.h"

namespace gatehouse::gateway {

// The state of an upstream as shown: the last check, made worse by an open
// breaker or by calls that fail now.
Health health_of(const Upstream& upstream, int64_t now_ms);

class HealthChecker {
 public:
  // Checks on `worker`'s Loop.
  explicit HealthChecker(Worker& worker) : worker_(worker) {}

  // Runs until `cancel` fires.
  Task<void> run(Cancel& cancel);

 private:
  struct Probe {
    std::string_view method;
    std::string target;
    std::string body;
    std::string what;  // "models", "chat", "embeddings"
  };
  static void eject_outliers(const Snapshot& snapshot, int64_t now_ms);
  Task<void> check(std::shared_ptr<Upstream> upstream, Cancel& cancel);
  Task<void> check_all(std::shared_ptr<Upstream> upstream, std::vector<Probe> probes,
                       Cancel& cancel);
  Task<Status> ask(Upstream& upstream, const Probe& probe, Cancel& cancel);
  std::vector<Probe> probes_of(const Upstream& upstream) const;

  Worker& worker_;
  std::map<std::string, int64_t> due_ms_;  // by upstream name
  int running_ = 0;
};

}  // namespace gatehouse::gateway
