#include "identity/audit_left.h"

#include "base/random.h"
#include "base/text.h"
#include "wire/json.h"

namespace gatehouse::identity {

namespace {
constexpr std::string_view kKind = "audit-left";
}

Status leave_audit_entry(model::Catalog& catalog, const AuditEntry& entry, int64_t now_ns) {
  std::string body;
  wire::JsonWriter json(body);
  json.begin_object();
  json.member("actor", entry.actor).member("action", entry.action);
  json.member("object", entry.object).member("outcome", entry.outcome);
  json.key("details").begin_object();
  json.member("at", format_time(now_ns));
  for (const auto& [key, value] : entry.details) json.member(key, value);
  json.end_object().end_object();
  // Ids sort by time, which is the order in which they are taken.
  const auto put = catalog.put(kKind, time_ordered_id(now_ns / 1'000'000), body,
                               model::Catalog::kNew, entry.actor);
  return put.status().with_context("the change was made, but not audited");
}

Result<int> take_left_entries(model::Catalog& catalog, AuditLog& log) {
  ASSIGN_OR_RETURN(const std::vector<model::Object> left, catalog.list(kKind));
  int taken = 0;
  for (const model::Object& object : left) {
    ASSIGN_OR_RETURN(const auto document, wire::JsonDocument::parse(object.body));
    const wire::JsonView root = document.root();
    AuditEntry entry;
    entry.actor = root.get("actor").string().value_or("");
    entry.actor_kind = ActorKind::kSystem;
    entry.action = root.get("action").string().value_or("");
    entry.object = root.get("object").string().value_or("");
    entry.outcome = root.get("outcome").string().value_or("done");
    for (const auto [key, value] : root.get("details").members()) {
      entry.details.emplace_back(key, value.string().value_or(""));
    }
    entry.details.emplace_back("left_as", object.id);
    RETURN_IF_ERROR(log.append(std::move(entry)));
    ++taken;
    const Status removed = catalog.remove(kKind, object.id, "");
    if (!removed.ok() && removed.code() != Code::kNotFound) return removed;
  }
  return taken;
}

}  // namespace gatehouse::identity
