// Anchors of the audit chain: (sequence, hash) of some of its entries, kept in
// the catalog, apart from the log. One Object holds the latest kAnchorsKept of
// them, thinned out towards the past, so that a chain that retention has cut
// still passes through some.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/catalog.h"

namespace gatehouse::identity {

struct AuditAnchor {
  uint64_t sequence = 0;
  std::string hash;  // 32 raw bytes
};

inline constexpr size_t kAnchorsKept = 256;  // 25 KB of JSON

// Ascending by sequence; empty where there are none yet.
Result<std::vector<AuditAnchor>> load_anchors(model::Catalog& catalog);
Status add_anchor(model::Catalog& catalog, const AuditAnchor& anchor);

}  // namespace gatehouse::identity
