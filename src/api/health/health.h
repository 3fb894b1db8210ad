// /healthz, /readyz and /health: whether the process lives, whether it can serve,
// and how its parts are. They ask for no credential, so they tell no more than
// names and states: no address, no key, no spend.
#pragma once

#include "api/program_state.h"
#include "gateway/gateway.h"
#include "net/exchange.h"

namespace gatehouse::api {

class Health {
 public:
  // REQUIRES: both outlive this.
  Health(gateway::Gateway& gateway, const ProgramState& program, const model::Clock& clock)
      : gateway_(gateway), program_(program), clock_(clock) {}

  // REQUIRES: GET or HEAD of one of the three paths.
  Task<void> handle(gateway::Worker& worker, net::Exchange& exchange) const;

 private:
  // Why no new call should be sent here; empty: ready.
  std::string_view not_ready() const;
  std::string report(const gateway::Snapshot* snapshot, int& status) const;

  gateway::Gateway& gateway_;
  const ProgramState& program_;
  const model::Clock& clock_;
};

}  // namespace gatehouse::api
