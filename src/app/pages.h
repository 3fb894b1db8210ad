// The page that the program itself serves: POST /-/reload.
#pragma once

#include "api/caller.h"
#include "app/reloader.h"
#include "base/pool.h"
#include "identity/audit.h"
#include "net/exchange.h"

namespace gatehouse::app {

// By an operator: 200 once the new configuration is in force, 400 with the
// problem where the old one stays.
Task<void> reload_page(api::Gate gate, gateway::Worker& worker, net::Exchange& exchange, Pool& pool,
                       Reloader& reloader, identity::AuditLog& audit);

}  // namespace gatehouse::app
