// The stores as a command opens them, beside a server that may be running: the
// catalog is shared, the record log is for reading alone.
#pragma once

#include <memory>

#include "app/config_file.h"
#include "catalog/sqlite_catalog.h"

namespace gatehouse::app {

std::string catalog_path(const store::StoreOptions& options);
std::string record_log_path(const store::StoreOptions& options);

// Makes the data directory (0700) where there is none.
Result<std::unique_ptr<catalog::SqliteCatalog>> open_catalog(const store::StoreOptions& options);

}  // namespace gatehouse::app
