// Audit entries of another process. The log has one writer, the server; a command
// that changes the catalog beside it, or while none runs, leaves what it did in
// the catalog, and the server takes it into the chain: within a second, or when
// it starts.
#pragma once

#include "identity/audit.h"
#include "model/catalog.h"

namespace gatehouse::identity {

// Leaves an entry for the server. The change that it tells of must not be
// acknowledged when this fails.
Status leave_audit_entry(model::Catalog& catalog, const AuditEntry& entry, int64_t now_ns);

// Takes over what was left, oldest first; how many. An entry whose removal failed
// is taken again: its detail `left_as` shows that it is the same.
Result<int> take_left_entries(model::Catalog& catalog, AuditLog& log);

}  // namespace gatehouse::identity
