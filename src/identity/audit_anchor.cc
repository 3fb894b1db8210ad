#include "identity/audit_anchor.h"

#include <algorithm>

#include "base/bytes.h"
#include "wire/json.h"

namespace gatehouse::identity {

namespace {

constexpr std::string_view kKind = "audit-anchor";
constexpr std::string_view kId = "chain";

Result<std::vector<AuditAnchor>> decode(std::string_view json) {
  ASSIGN_OR_RETURN(const auto document, wire::JsonDocument::parse(json));
  std::vector<AuditAnchor> anchors;
  for (const wire::JsonView item : document.root()["anchors"].items()) {
    AuditAnchor anchor;
    anchor.sequence = item["sequence"].unsigned_integer().value_or(0);
    ASSIGN_OR_RETURN(anchor.hash, hex_decode(item["hash"].string().value_or("")));
    if (anchor.hash.size() != 32 || anchor.sequence == 0 ||
        (!anchors.empty() && anchor.sequence <= anchors.back().sequence)) {
      return data_loss("the audit log's anchors in the catalog are damaged");
    }
    anchors.push_back(std::move(anchor));
  }
  return anchors;
}

// The older half loses every other one; the newest stays.
void thin(std::vector<AuditAnchor>& anchors) {
  const size_t half = anchors.size() / 2;
  std::vector<AuditAnchor> kept;
  for (size_t i = 0; i < anchors.size(); ++i) {
    if (i >= half || i % 2 == 0) kept.push_back(std::move(anchors[i]));
  }
  anchors = std::move(kept);
}

}  // namespace

Result<std::vector<AuditAnchor>> load_anchors(model::Catalog& catalog) {
  const auto object = catalog.get(kKind, kId);
  if (!object.ok()) {
    if (object.status().code() == Code::kNotFound) return std::vector<AuditAnchor>{};
    return object.status();
  }
  return decode(object->body);
}

Status add_anchor(model::Catalog& catalog, const AuditAnchor& anchor) {
  std::vector<AuditAnchor> anchors;
  uint64_t version = 0;
  const auto object = catalog.get(kKind, kId);
  if (object.ok()) {
    version = object->version;
    ASSIGN_OR_RETURN(anchors, decode(object->body));
  } else if (object.status().code() != Code::kNotFound) {
    return object.status();
  }
  if (!anchors.empty() && anchors.back().sequence >= anchor.sequence) return {};
  anchors.push_back(anchor);
  if (anchors.size() > kAnchorsKept) thin(anchors);
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object().key("anchors").begin_array();
  for (const AuditAnchor& kept : anchors) {
    json.begin_object();
    json.member("sequence", kept.sequence).member("hash", hex_encode(kept.hash));
    json.end_object();
  }
  json.end_array().end_object();
  const auto stored = catalog.put(kKind, kId, out, version, {});
  return stored.ok() ? Status() : stored.status();
}

}  // namespace gatehouse::identity
