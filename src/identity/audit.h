// The audit log: every change by a person or a key, and every refusal, as a
// hash-chained Record in the stream {stream="audit"}.
//
//   hash(n) = SHA-256(hash(n-1) || canonical(entry n)),  hash(0) = 32 zero bytes
//
// canonical() is every field as a length and its bytes (audit.cc), so that no two
// entries read the same. A Record carries the fields, `prev` and `hash` in hex.
//
// What the chain shows: an entry that was changed, left out, put in or moved
// breaks it at that place. What it cannot show by itself is a chain written anew
// from some place on, or cut at its end. For these there are anchors: the
// catalog, another file, holds (sequence, hash) of entries at intervals; a chain
// that does not pass through them, or ends before the last, is broken.
//
// Retention removes the oldest entries: a chain that begins later than 1 is whole
// from there on, and vouched for by every anchor that it still passes through.
//
// After kill -9 the head is read from the log. When the log ends before the last
// anchor (a power cut took what was not synced), the chain goes on from the
// anchor, so that verify() keeps naming what was lost.
//
// Any thread; appends are serialised. Identical refusals within a minute become
// one further entry with a count, and refusals beyond a rate one for all, so that
// nobody can fill the disk by being refused.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/catalog.h"
#include "model/clock.h"
#include "model/metrics.h"
#include "model/stream.h"

namespace gatehouse::identity {

enum class ActorKind { kUser, kKey, kSystem, kUnknown };
std::string_view name(ActorKind kind);

struct AuditEntry {
  std::string actor;  // "admin", a key's id, or empty
  ActorKind actor_kind = ActorKind::kUnknown;
  std::string action;            // "key.create"
  std::string object;            // what it was done to; may be empty
  std::string outcome = "done";  // or "refused"
  std::string address;
  // No secret and no prompt.
  std::vector<std::pair<std::string, std::string>> details{};
  int64_t count = 1;  // of identical refusals that this entry stands for

  // Set by the log.
  uint64_t sequence = 0;  // from 1
  int64_t time_ns = 0;
  std::string prev{};  // hex
  std::string hash{};
};

model::Labels audit_labels();
// The entry that a Record of the audit stream holds; kDataLoss where it holds none.
Result<AuditEntry> audit_entry(const model::Record& record);

struct AuditReport {
  uint64_t entries = 0;
  uint64_t first_sequence = 0;  // 1 unless retention cut the chain
  uint64_t last_sequence = 0;
  uint64_t anchors_passed = 0;
  bool intact = true;
  // Where not intact: the first place that is wrong, and how.
  uint64_t broken_sequence = 0;
  model::Position broken_position = 0;
  std::string broken_reason;
  std::string last_hash;  // hex: to be noted elsewhere
};

// Reads the whole chain. Without `catalog` anchors are not looked at.
Result<AuditReport> verify_audit(const model::Reader& reader, model::Catalog* catalog);

class AuditLog {
 public:
  // Refusals written one by one: this many at once, and then this many a second.
  static constexpr double kRefusalBurst = 200;
  static constexpr double kRefusalsASecond = 5;
  static constexpr int64_t kAggregateNs = 60'000'000'000;
  static constexpr size_t kAggregatesMax = 1'000;  // distinct refusals held, ~300 bytes each
  // An anchor is stored after so many entries, and on flush() where there are new ones.
  static constexpr uint64_t kAnchorEvery = 64;
  static constexpr size_t kFieldBytesMax = 1'024;  // longer values are cut

  // Recovers the head from the log.
  static Result<std::unique_ptr<AuditLog>> open(model::Appender& appender,
                                                const model::Reader& reader,
                                                model::Catalog& catalog, const model::Clock& clock,
                                                model::Registry& registry);

  // Durable when it returns ok (as model::Appender has it). A change must not be
  // acknowledged to its caller when this fails.
  Status append(AuditEntry entry);
  // A refusal: written at once, or counted. Waits for no disk but the appender's, so
  // that it may be called on a Loop.
  Status refused(AuditEntry entry);
  // Writes the counts that are due (all of them with `everything`) and an
  // anchor. Call every second or so, and at the end with `everything`.
  Status flush(bool everything = false);

  uint64_t sequence() const;

 private:
  AuditLog(model::Appender& appender, model::Catalog& catalog, const model::Clock& clock,
           model::Registry& registry);
  Status recover(const model::Reader& reader);
  Status append_locked(AuditEntry entry);
  Status flush_refusals(bool everything);
  void store_anchor();
  bool take_token(int64_t now_ns);

  struct Aggregate {
    AuditEntry entry;
    int64_t count = 0;   // since it was last written
    int64_t due_ns = 0;  // steady
  };

  model::Appender& appender_;
  model::Catalog& catalog_;
  const model::Clock& clock_;
  model::Counter& written_;
  model::Counter& folded_;
  model::Counter& failed_;
  std::mutex anchor_mutex_;   // before mutex_; held while the catalog writes
  mutable std::mutex mutex_;  // never held while the catalog writes
  model::StreamId stream_ = 0;
  uint64_t sequence_ = 0;
  std::string head_;  // 32 raw bytes
  uint64_t anchored_ = 0;
  std::map<std::string, Aggregate> aggregates_;
  Aggregate overflow_;
  double tokens_ = kRefusalBurst;
  int64_t tokens_at_ns_ = 0;
};

}  // namespace gatehouse::identity
