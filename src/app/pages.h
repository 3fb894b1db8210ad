// The pages that the program itself serves: reload, and what no API knows.
#pragma once

#include "api/caller.h"
#include "app/reloader.h"
#include "base/pool.h"
#include "net/exchange.h"

namespace gatehouse::app {

// POST /-/reload, by an operator: 200 once the new configuration is in force, 422
// with the problem where the old one stays.
Task<void> reload_page(api::Gate gate, gateway::Worker& worker, net::Exchange& exchange, Pool& pool,
                       Reloader& reloader);

// GET /metrics, by a viewer.
Task<void> metrics_page(api::Gate gate, gateway::Worker& worker, net::Exchange& exchange,
                        const model::Registry& registry);

Task<void> not_found_page(net::Exchange& exchange);

}  // namespace gatehouse::app
