#include "app/stores.h"

#include <sys/stat.h>

#include <cerrno>

namespace gatehouse::app {

std::string catalog_path(const store::StoreOptions& options) {
  return options.path + "/catalog.sqlite";
}

std::string record_log_path(const store::StoreOptions& options) {
  return options.path + "/records";
}

Result<std::unique_ptr<catalog::SqliteCatalog>> open_catalog(const store::StoreOptions& options) {
  if (::mkdir(options.path.c_str(), 0700) != 0 && errno != EEXIST) {
    return from_errno(errno,
                      "the data directory " + options.path + " cannot be made (storage.path)");
  }
  return catalog::SqliteCatalog::open(catalog_path(options));
}

}  // namespace gatehouse::app
