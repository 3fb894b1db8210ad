// What each upstream is shown as proof of who calls: made from its `auth`.
#pragma once

#include "gateway/gateway.h"
#include "model/clock.h"
#include "model/metrics.h"
#include "net/dialer.h"

namespace gatehouse::app {

// By upstream name; none for an upstream without `auth`. The message of an error
// names the upstream.
Result<gateway::Credentials> make_credentials(const gateway::GatewayConfig& config,
                                              net::Dialer& dialer, const model::Clock& clock,
                                              model::Registry& registry);

}  // namespace gatehouse::app
