// HealthChecker: asks each upstream at its interval whether it is there, and
// joins the answer with what passing calls show.
//
// A check makes a call of one token for each thing that the upstream's models
// offer, a chat and an embedding, unless a call that just passed has proved the
// same (probe.h). Such a call is paid from the gate's budget, billed to no key,
// and recorded in the stream of probes. Where none is to be made, the list of
// models is asked for.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "gateway/gateway.h"
#include "gateway/probe.h"

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
  // What came of one probe.
  struct Asked {
    bool sent = false;  // false: it was not to be paid for, or not to be recorded
    ProbeVerdict verdict = ProbeVerdict::kWell;
    std::string fault;  // for a person
    int status = 0;     // 0: no reply
    Usage usage;
  };
  static void eject_outliers(const Snapshot& snapshot, int64_t now_ms);
  static bool proven(const Upstream& upstream, const Probe& probe);
  Task<void> check(std::shared_ptr<Upstream> upstream, Cancel& cancel);
  Task<void> check_all(std::shared_ptr<Upstream> upstream, Cancel& cancel);
  Task<Asked> pay_and_ask(Upstream& upstream, const Probe& probe, const Snapshot& snapshot,
                          Cancel& cancel);
  Task<Asked> ask(Upstream& upstream, const Probe& probe, Cancel& cancel);
  Task<Status> exchange(Upstream& upstream, const Probe& probe, Cancel& cancel, Asked& asked);
  void conclude(Upstream& upstream, const std::vector<Asked>& all, int64_t took_ms);
  void count(const Upstream& upstream, const Probe& probe, const Asked& asked, const Cost& cost);

  Worker& worker_;
  std::map<std::string, int64_t> due_ms_;    // by upstream name
  std::set<std::string> completion_tokens_;  // upstreams that want the newer member
  int running_ = 0;
};

}  // namespace gatehouse::gateway
