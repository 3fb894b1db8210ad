#include "app/stores.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "identity/audit_left.h"
#include "model/clock.h"

namespace gatehouse::app {

std::string catalog_path(const store::StoreOptions& options) {
  return options.path + "/catalog.sqlite";
}

std::string record_log_path(const store::StoreOptions& options) {
  return options.path + "/records";
}

Status audit_command(model::Catalog& catalog, std::string action, std::string object,
                     AuditDetails details) {
  passwd entry_of_user{};
  passwd* found = nullptr;
  char text[1024];
  ::getpwuid_r(::getuid(), &entry_of_user, text, sizeof text, &found);
  identity::AuditEntry entry;
  entry.actor = "command line";
  entry.action = std::move(action);
  entry.object = std::move(object);
  entry.details = std::move(details);
  entry.details.emplace_back("os_user",
                             found != nullptr ? found->pw_name : std::to_string(::getuid()));
  return identity::leave_audit_entry(catalog, entry, model::system_clock().wall_ns());
}

Result<std::unique_ptr<catalog::SqliteCatalog>> open_catalog(const store::StoreOptions& options) {
  if (::mkdir(options.path.c_str(), 0700) != 0 && errno != EEXIST) {
    return from_errno(errno,
                      "the data directory " + options.path + " cannot be made (storage.path)");
  }
  return catalog::SqliteCatalog::open(catalog_path(options));
}

}  // namespace gatehouse::app
