// The stores as a command opens them, beside a server that may be running: the
// catalog is shared, the record log is for reading alone.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/config_file.h"
#include "catalog/sqlite_catalog.h"

namespace gatehouse::app {

std::string catalog_path(const store::StoreOptions& options);
std::string record_log_path(const store::StoreOptions& options);

// Leaves the audit entry of a change that a command made, for the server to take
// into its log: who runs the command, and what was done to what.
using AuditDetails = std::vector<std::pair<std::string, std::string>>;
Status audit_command(model::Catalog& catalog, std::string action, std::string object,
                     AuditDetails details);

// Makes the data directory (0700) where there is none.
Result<std::unique_ptr<catalog::SqliteCatalog>> open_catalog(const store::StoreOptions& options);

}  // namespace gatehouse::app
