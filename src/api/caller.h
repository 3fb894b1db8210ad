// What every protocol of the gate does first: find out who calls, and refuse in
// the caller's own words where that fails.
#pragma once

#include <string_view>

#include "base/task.h"
#include "gateway/gateway.h"
#include "gateway/protocol.h"
#include "identity/authenticator.h"
#include "net/exchange.h"

namespace gatehouse::api {

// The parts that the handlers of calls share. REQUIRES: all outlive the handlers.
struct Gate {
  gateway::Gateway& gateway;
  identity::Authenticator& authenticator;
  const model::Clock& clock;
};

// The caller, who has the role; null: refused, and the refusal sent. Where the
// configuration says `authenticate: false`, a principal that may use everything.
Task<model::PrincipalPtr> authenticate(const Gate& gate, gateway::Worker& worker,
                                       net::Exchange& exchange, const gateway::Dialect& dialect,
                                       model::Role role = model::Role::kCaller);

// Sends an error outside a call (no record is made).
Task<void> send_error(net::Exchange& exchange, const gateway::Dialect& dialect,
                      const gateway::CallError& error);

// Reads the whole body of `call` within the configured bound; false: refused,
// answered and recorded.
Task<bool> read_call_body(gateway::Worker& worker, net::Exchange& exchange,
                          gateway::CallRequest& call);

// Refuses a call that asks for what makes no sense: 400, recorded.
Task<void> refuse_call(gateway::Worker& worker, net::Exchange& exchange, gateway::CallRequest& call,
                       const Status& why);

// What to answer where a body or a form could not be read; kCancelled: nothing,
// abort the exchange.
gateway::CallError body_error(const Status& status, size_t limit_bytes, std::string_view limit_key);

// The x-gatehouse-* request headers of a call.
void read_call_headers(const net::RequestHead& request, gateway::CallRequest& call);

}  // namespace gatehouse::api
