#include "identity/audit.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "base/text.h"
#include "identity/audit_anchor.h"
#include "wire/json.h"

namespace gatehouse::identity {

namespace {

constexpr std::string_view kKindNames[] = {"user", "key", "system", "unknown"};

void put_field(std::string& out, std::string_view field) {
  put_varint(out, field.size());
  out.append(field);
}

// Everything that an entry says, in this order for ever.
std::string canonical(const AuditEntry& entry, std::string_view details_json) {
  std::string out;
  put_field(out, "gatehouse-audit-1");
  put_le(out, entry.sequence);
  put_le(out, entry.time_ns);
  put_field(out, entry.actor);
  put_field(out, name(entry.actor_kind));
  put_field(out, entry.action);
  put_field(out, entry.object);
  put_field(out, entry.outcome);
  put_field(out, entry.address);
  put_field(out, details_json);
  put_le(out, entry.count);
  return out;
}

std::string details_json(const AuditEntry& entry) {
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object();
  for (const auto& [key, value] : entry.details) json.member(key, value);
  json.end_object();
  return out;
}

// Cut at a bound and made UTF-8, so that what is hashed is what is stored.
void tame(std::string& field) {
  if (field.size() > AuditLog::kFieldBytesMax) field.resize(AuditLog::kFieldBytesMax);
  while (!field.empty() && !valid_utf8(field)) {
    // Either a character was cut in two, or the bytes came from outside as they are.
    for (char& c : field) {
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
  }
}

std::string chain_hash(std::string_view prev, const AuditEntry& entry, std::string_view details) {
  return sha256(std::string(prev) + canonical(entry, details));
}

}  // namespace

std::string_view name(ActorKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

model::Labels audit_labels() { return {{"stream", "audit"}}; }

Result<AuditEntry> audit_entry(const model::Record& record) {
  AuditEntry entry;
  entry.time_ns = record.time_ns;
  entry.sequence = static_cast<uint64_t>(record.integer("sequence"));
  entry.actor = record.text("actor");
  const std::string_view kind = record.text("actor_kind");
  const auto found = std::find(std::begin(kKindNames), std::end(kKindNames), kind);
  if (found == std::end(kKindNames) || entry.sequence == 0) return data_loss("not an audit entry");
  entry.actor_kind = static_cast<ActorKind>(found - std::begin(kKindNames));
  entry.action = record.text("action");
  entry.object = record.text("object");
  entry.outcome = record.text("outcome");
  entry.address = record.text("address");
  entry.count = record.integer("count", 1);
  entry.prev = record.text("prev");
  entry.hash = record.text("hash");
  ASSIGN_OR_RETURN(const auto document, wire::JsonDocument::parse(record.text("details", "{}")));
  for (const auto [key, value] : document.root().members()) {
    entry.details.emplace_back(key, value.string().value_or(""));
  }
  return entry;
}

AuditLog::AuditLog(model::Appender& appender, model::Catalog& catalog, const model::Clock& clock,
                   model::Registry& registry)
    : appender_(appender),
      catalog_(catalog),
      clock_(clock),
      written_(registry.counter("gatehouse_identity_audit_entries", "Audit entries written.", {})),
      folded_(registry.counter("gatehouse_identity_audit_folded",
                               "Refusals that were counted in another's entry.", {})),
      failed_(registry.counter("gatehouse_identity_audit_failures",
                               "Audit entries that could not be written.", {})) {}

Result<std::unique_ptr<AuditLog>> AuditLog::open(model::Appender& appender,
                                                 const model::Reader& reader,
                                                 model::Catalog& catalog, const model::Clock& clock,
                                                 model::Registry& registry) {
  std::unique_ptr<AuditLog> log(new AuditLog(appender, catalog, clock, registry));
  RETURN_IF_ERROR(log->recover(reader).with_context("audit log"));
  return log;
}

Status AuditLog::recover(const model::Reader& reader) {
  ASSIGN_OR_RETURN(stream_, appender_.stream(audit_labels()));
  head_.assign(32, '\0');
  tokens_at_ns_ = clock_.steady_ns();
  // The newest by sequence among the last few: times can jump.
  int left = 256;
  const auto newest = [&](const model::Labels&, const model::Record& record, model::Position) {
    const auto entry = audit_entry(record);
    if (!entry.ok()) return --left > 0;
    auto hash = hex_decode(entry->hash);
    if (entry->sequence > sequence_ && hash.ok() && hash->size() == 32) {
      sequence_ = entry->sequence;
      head_ = std::move(*hash);
    }
    return --left > 0;
  };
  const model::Selector selector{{model::Matcher(model::Matcher::Op::kEqual, "stream", "audit")}};
  RETURN_IF_ERROR(reader.read(selector, {}, model::Order::kNewestFirst, newest));
  ASSIGN_OR_RETURN(const std::vector<AuditAnchor> anchors, load_anchors(catalog_));
  if (!anchors.empty()) {
    const AuditAnchor& last = anchors.back();
    anchored_ = last.sequence;
    if (last.sequence > sequence_) {
      log_error(
          "audit entries are missing at the end of the log; `gatehouse audit verify` names them",
          {{"log_ends_at", sequence_}, {"anchor", last.sequence}});
      sequence_ = last.sequence;
      head_ = last.hash;
    }
  }
  return {};
}

uint64_t AuditLog::sequence() const {
  const std::lock_guard lock(mutex_);
  return sequence_;
}

Status AuditLog::append(AuditEntry entry) {
  bool anchor_due = false;
  {
    const std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(append_locked(std::move(entry)));
    anchor_due = sequence_ >= anchored_ + kAnchorEvery;
  }
  if (anchor_due) store_anchor();
  return {};
}

Status AuditLog::append_locked(AuditEntry entry) {
  for (std::string* field :
       {&entry.actor, &entry.action, &entry.object, &entry.outcome, &entry.address}) {
    tame(*field);
  }
  for (auto& [key, value] : entry.details) {
    tame(key);
    tame(value);
  }
  entry.sequence = sequence_ + 1;
  entry.time_ns = clock_.wall_ns();
  const std::string details = details_json(entry);
  const std::string hash = chain_hash(head_, entry, details);
  const std::string prev_hex = hex_encode(head_);
  const std::string hash_hex = hex_encode(hash);
  const std::string body =
      entry.action + (entry.object.empty() ? "" : " " + entry.object) + ": " + entry.outcome;
  const model::Attribute attributes[] = {
      {"sequence", static_cast<int64_t>(entry.sequence)},
      {"actor", std::string_view(entry.actor)},
      {"actor_kind", name(entry.actor_kind)},
      {"action", std::string_view(entry.action)},
      {"object", std::string_view(entry.object)},
      {"outcome", std::string_view(entry.outcome)},
      {"address", std::string_view(entry.address)},
      {"details", std::string_view(details)},
      {"count", entry.count},
      {"prev", std::string_view(prev_hex)},
      {"hash", std::string_view(hash_hex)},
  };
  const model::StreamRecord record{
      stream_,
      {entry.time_ns, entry.outcome == "done" ? Severity::kInfo : Severity::kWarning, body,
       attributes}};
  const auto position = appender_.append({&record, 1});
  if (!position.ok()) {
    failed_.add();
    return position.status().with_context("audit log");
  }
  sequence_ = entry.sequence;
  head_ = hash;
  written_.add();
  return {};
}

// The catalog waits for the disk: no entry waits for it.
void AuditLog::store_anchor() {
  const std::lock_guard one_at_a_time(anchor_mutex_);
  AuditAnchor anchor;
  {
    const std::lock_guard lock(mutex_);
    if (sequence_ == anchored_) return;
    anchor = {sequence_, head_};
  }
  // The entry itself is safe; an anchor that fails is tried again with the next.
  if (const Status status = add_anchor(catalog_, anchor); !status.ok()) {
    log_warning("an audit anchor could not be stored", {{"reason", status.message()}});
    return;
  }
  const std::lock_guard lock(mutex_);
  anchored_ = anchor.sequence;
}

bool AuditLog::take_token(int64_t now_ns) {
  const double passed_s = static_cast<double>(now_ns - tokens_at_ns_) * 1e-9;
  tokens_ = std::min(kRefusalBurst, tokens_ + std::max(passed_s, 0.0) * kRefusalsASecond);
  tokens_at_ns_ = now_ns;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

Status AuditLog::refused(AuditEntry entry) {
  entry.outcome = "refused";
  std::string identity;
  for (const std::string* field : {&entry.actor, &entry.action, &entry.object, &entry.address}) {
    put_field(identity, std::string_view(*field).substr(0, kFieldBytesMax));
  }
  for (const auto& [key, value] : entry.details) {
    put_field(identity, key.substr(0, kFieldBytesMax));
    put_field(identity, value.substr(0, kFieldBytesMax));
  }
  identity = sha256(identity);
  const std::lock_guard lock(mutex_);
  const int64_t now_ns = clock_.steady_ns();
  if (auto found = aggregates_.find(identity); found != aggregates_.end()) {
    ++found->second.count;
    folded_.add();
    return {};
  }
  if (aggregates_.size() >= kAggregatesMax || !take_token(now_ns)) {
    if (overflow_.due_ns == 0) overflow_.due_ns = now_ns + kAggregateNs;
    ++overflow_.count;
    folded_.add();
    return {};
  }
  RETURN_IF_ERROR(append_locked(entry));
  aggregates_.emplace(identity, Aggregate{std::move(entry), 0, now_ns + kAggregateNs});
  return {};
}

Status AuditLog::flush(bool everything) {
  RETURN_IF_ERROR(flush_refusals(everything));
  store_anchor();
  return {};
}

Status AuditLog::flush_refusals(bool everything) {
  const std::lock_guard lock(mutex_);
  const int64_t now_ns = clock_.steady_ns();
  for (auto it = aggregates_.begin(); it != aggregates_.end();) {
    Aggregate& aggregate = it->second;
    if (!everything && now_ns < aggregate.due_ns) {
      ++it;
      continue;
    }
    if (aggregate.count > 0) {
      aggregate.entry.count = aggregate.count;
      RETURN_IF_ERROR(append_locked(aggregate.entry));
    }
    // It stays for as long as it goes on.
    if (aggregate.count > 0 && !everything) {
      aggregate.count = 0;
      aggregate.due_ns = now_ns + kAggregateNs;
      ++it;
    } else {
      it = aggregates_.erase(it);
    }
  }
  if (overflow_.count > 0 && (everything || now_ns >= overflow_.due_ns)) {
    AuditEntry entry;
    entry.action = "various";
    entry.outcome = "refused";
    entry.details = {{"reason", "refusals beyond what is written one by one"}};
    entry.count = overflow_.count;
    RETURN_IF_ERROR(append_locked(std::move(entry)));
    overflow_ = {};
  }
  return {};
}

namespace {

// One pass over the chain; remembers the first thing that is wrong.
class Verifier {
 public:
  explicit Verifier(std::vector<AuditAnchor> anchors) : anchors_(std::move(anchors)) {}

  bool visit(const model::Record& record, model::Position position) {
    const auto entry = audit_entry(record);
    if (!entry.ok()) return broken(report_.last_sequence + 1, position, "it cannot be read");
    const auto prev = hex_decode(entry->prev);
    const auto hash = hex_decode(entry->hash);
    if (!prev.ok() || !hash.ok()) return broken(entry->sequence, position, "it has no hash");
    if (report_.entries == 0) {
      report_.first_sequence = entry->sequence;
      if (entry->sequence == 1)
        last_hash_.assign(32, '\0');
      else
        last_hash_ = *prev;  // vouched for by the anchors from here on
    } else if (entry->sequence != report_.last_sequence + 1) {
      return broken(report_.last_sequence + 1, position,
                    "the next entry in the log is " + std::to_string(entry->sequence));
    }
    if (*prev != last_hash_) {
      return broken(entry->sequence, position, "it does not follow the entry before it");
    }
    if (chain_hash(*prev, *entry, record.text("details", "{}")) != *hash) {
      return broken(entry->sequence, position, "its contents were changed");
    }
    ++report_.entries;
    report_.last_sequence = entry->sequence;
    last_hash_ = *hash;
    return check_anchor(*entry, *hash, position);
  }

  AuditReport finish() {
    if (report_.intact && !anchors_.empty() && anchors_.back().sequence > report_.last_sequence) {
      broken(report_.last_sequence + 1, 0,
             "the log ends before entry " + std::to_string(anchors_.back().sequence) +
                 ", which the catalog knows of");
    }
    report_.last_hash = hex_encode(last_hash_);
    return std::move(report_);
  }

 private:
  bool check_anchor(const AuditEntry& entry, const std::string& hash, model::Position position) {
    const auto anchor = std::lower_bound(
        anchors_.begin(), anchors_.end(), entry.sequence,
        [](const AuditAnchor& a, uint64_t sequence) { return a.sequence < sequence; });
    if (anchor == anchors_.end() || anchor->sequence != entry.sequence) return true;
    if (anchor->hash != hash) {
      return broken(entry.sequence, position,
                    "the chain up to it was written anew: the catalog knows another hash");
    }
    ++report_.anchors_passed;
    return true;
  }

  bool broken(uint64_t sequence, model::Position position, std::string reason) {
    report_.intact = false;
    report_.broken_sequence = sequence;
    report_.broken_position = position;
    report_.broken_reason = "entry " + std::to_string(sequence) + ": " + reason;
    return false;
  }

  std::vector<AuditAnchor> anchors_;
  AuditReport report_;
  std::string last_hash_;
};

}  // namespace

Result<AuditReport> verify_audit(const model::Reader& reader, model::Catalog* catalog) {
  std::vector<AuditAnchor> anchors;
  if (catalog != nullptr) {
    ASSIGN_OR_RETURN(anchors, load_anchors(*catalog));
  }
  Verifier verifier(std::move(anchors));
  // By position, not by time: the order of the chain is that of the appends.
  RETURN_IF_ERROR(reader.read_after(
      0, [&](const model::Labels& labels, const model::Record& record, model::Position position) {
        return labels.get("stream") != "audit" || verifier.visit(record, position);
      }));
  return verifier.finish();
}

}  // namespace gatehouse::identity
