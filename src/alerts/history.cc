#include "alerts/history.h"

#include <algorithm>
#include <charconv>
#include <unordered_set>

#include "alerts/notification.h"
#include "alerts/packed_alert.h"
#include "wire/json.h"

namespace gatehouse::alerts {

namespace {

constexpr std::string_view kSource = "alerts";
// A batch of the log stays far below its 16 MiB: an alert of this many Records with texts of
// 4 KiB each is 2 MiB.
constexpr size_t kBatchRecords = 500;
constexpr size_t kBatchBytes = size_t{4} << 20;
// 16 characters each: 64 KiB a Record.
constexpr size_t kFingerprintsInRecord = 4096;

std::string pairs_to_json(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object();
  for (const auto& [name, value] : pairs) json.member(name, value);
  json.end_object();
  return out;
}

bool pairs_from_json(std::string_view text,
                     std::vector<std::pair<std::string, std::string>>& pairs) {
  const auto document = wire::JsonDocument::parse(text);
  if (!document.ok()) return false;
  for (const auto [name, value] : document->root().members()) {
    pairs.emplace_back(name, value.string().value_or(""));
  }
  return true;
}

std::string hex_of(const std::vector<uint64_t>& hashes, size_t from, size_t count) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(count * 16);
  for (size_t i = from; i < from + count; ++i) {
    for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[(hashes[i] >> shift) & 0xF];
  }
  return out;
}

void hashes_from(std::string_view hex, std::vector<uint64_t>& hashes) {
  for (; hex.size() >= 16; hex.remove_prefix(16)) {
    uint64_t hash = 0;
    const auto read = std::from_chars(hex.data(), hex.data() + 16, hash, 16);
    if (read.ec == std::errc()) hashes.push_back(hash);
  }
}

size_t bytes_of(const Change& change) {
  size_t bytes = change.body.size() + 64;
  for (const auto& [name, value] : change.attributes) {
    const auto* text = std::get_if<std::string>(&value);
    bytes += 16 + (text != nullptr ? text->size() : 0);
  }
  return bytes;
}

model::Value view_of(const std::variant<std::string, int64_t, double, bool>& value) {
  return std::visit(
      [](const auto& held) -> model::Value {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::string>) {
          return std::string_view(held);
        } else {
          return held;
        }
      },
      value);
}

HistoryEntry entry_of(const model::Record& record) {
  HistoryEntry entry;
  entry.time_ms = record.time_ns / 1'000'000;
  entry.kind = record.text("kind");
  entry.text = record.body;
  entry.alertname = record.text("alertname");
  entry.fingerprint = record.text("fingerprint");
  entry.labels_json = record.text("labels");
  entry.group_key = record.text("group_key");
  entry.receiver = record.text("receiver");
  entry.integration = record.text("integration");
  entry.person = record.text("person");
  entry.silence = record.text("silence");
  entry.by = record.text("by");
  entry.starts_at_ms = record.integer("starts_at_ms");
  entry.ends_at_ms = record.integer("ends_at_ms");
  return entry;
}

// The hashes that a Record of a notification or a silence names.
bool names_any(const model::Record& record, const std::unordered_set<uint64_t>& wanted) {
  std::vector<uint64_t> hashes;
  hashes_from(record.text("firing"), hashes);
  hashes_from(record.text("resolved"), hashes);
  return std::any_of(hashes.begin(), hashes.end(), [&wanted](uint64_t hash) {
    return wanted.contains(hash) || wanted.contains(told_hash(hash, true));
  });
}

// {stream="alerts"}, of what this engine wrote.
model::Selector stream_selector() {
  return model::Selector{{model::Matcher(model::Matcher::Op::kEqual, "stream", "alerts")}};
}

}  // namespace

std::string labels_to_json(const model::Labels& labels) { return pairs_to_json(labels.pairs()); }

Change change_of_alert(std::string_view kind, const StoredAlert& stored, int64_t now_ms) {
  const model::Alert alert = stored.alert();
  const std::string name(alert.labels.get("alertname"));
  Change change;
  change.time_ms = now_ms;
  change.severity = kind == "firing" || kind == "vanished" ? Severity::kWarning : Severity::kInfo;
  change.body = std::string(kind) + ": " + alert.labels.to_string();
  change.attributes = {{"kind", std::string(kind)},
                       {"source", std::string(kSource)},
                       {"alertname", name},
                       {"fingerprint", fingerprint_text(stored.fingerprint)},
                       {"labels", labels_to_json(alert.labels)},
                       {"starts_at_ms", stored.starts_at_ms},
                       {"ends_at_ms", stored.ends_at_ms}};
  if (kind == "firing" || kind == "vanished") {
    change.attributes.emplace_back("annotations", pairs_to_json(alert.annotations));
    change.attributes.emplace_back("generator_url", alert.generator_url);
    change.attributes.emplace_back("timeout", stored.timeout);
  }
  return change;
}

Change change_of_silence(std::string_view kind, const Silence& silence, std::string_view person,
                         int64_t now_ms) {
  std::string matchers;
  for (const model::Matcher& matcher : silence.matchers) {
    matchers += (matchers.empty() ? "" : ", ") + matcher.to_string();
  }
  Change change;
  change.time_ms = now_ms;
  change.body = std::string(kind) + ": {" + matchers + "} by " + silence.created_by +
                (silence.comment.empty() ? "" : ": " + silence.comment);
  change.attributes = {{"kind", std::string(kind)},
                       {"source", std::string(kSource)},
                       {"silence", silence.id},
                       {"matchers", "{" + matchers + "}"},
                       {"person", std::string(person.empty() ? silence.created_by : person)},
                       {"created_by", silence.created_by},
                       {"comment", silence.comment},
                       {"starts_at_ms", silence.starts_at_ms},
                       {"ends_at_ms", silence.ends_at_ms}};
  return change;
}

std::vector<Change> changes_of_notification(const ToldGroup& group,
                                            const NotificationLogEntry& entry) {
  const auto& [firing, resolved] = entry.told;
  std::vector<Change> changes;
  size_t firing_at = 0, resolved_at = 0;
  const size_t parts = std::max<size_t>(
      1, (firing.size() + resolved.size() + kFingerprintsInRecord - 1) / kFingerprintsInRecord);
  for (size_t part = 0; part < parts; ++part) {
    const size_t first = std::min(firing.size() - firing_at, kFingerprintsInRecord);
    const size_t second = std::min(resolved.size() - resolved_at, kFingerprintsInRecord - first);
    Change change;
    change.time_ms = entry.time_ms;
    change.body = "notified " + group.receiver + " (" + group.integration + ") of " +
                  group.group_labels.to_string() + ": " + std::to_string(firing.size()) +
                  " firing, " + std::to_string(resolved.size()) + " resolved";
    change.attributes = {{"kind", std::string("notified")},
                         {"source", std::string(kSource)},
                         {"receiver", group.receiver},
                         {"integration", group.integration},
                         {"group_key", group.group_key},
                         {"labels", labels_to_json(group.group_labels)},
                         {"alertname", std::string(group.group_labels.get("alertname"))},
                         {"firing", hex_of(firing, firing_at, first)},
                         {"resolved", hex_of(resolved, resolved_at, second)},
                         {"part", static_cast<int64_t>(part)},
                         {"expires_at_ms", entry.expires_at_ms}};
    firing_at += first;
    resolved_at += second;
    changes.push_back(std::move(change));
  }
  return changes;
}

Result<History> History::open(model::Appender& appender, const model::Reader& reader) {
  ASSIGN_OR_RETURN(const model::StreamId stream,
                   appender.stream(model::Labels{{"stream", "alerts"}}));
  return History(appender, reader, stream);
}

Result<model::Position> History::append(const std::vector<Change>& changes) {
  Status worst;
  model::Position last = 0;
  for (size_t from = 0; from < changes.size();) {
    std::vector<model::StreamRecord> records;
    std::vector<std::vector<model::Attribute>> attributes;
    attributes.reserve(kBatchRecords);
    size_t bytes = 0;
    for (; from < changes.size() && records.size() < kBatchRecords && bytes < kBatchBytes; ++from) {
      const Change& change = changes[from];
      bytes += bytes_of(change);
      auto& views = attributes.emplace_back();
      for (const auto& [name, value] : change.attributes) views.push_back({name, view_of(value)});
      model::Record record;
      record.time_ns = change.time_ms * 1'000'000;
      record.severity = change.severity;
      record.body = change.body;
      record.attributes = views;
      records.push_back({stream_, record});
    }
    const auto appended = appender_->append(records);
    if (appended.ok()) {
      last = *appended;
    } else {
      worst = appended.status();
    }
  }
  if (!worst.ok()) return worst;
  return last;
}

Result<std::vector<HistoryEntry>> History::query(const Matchers& matchers, int64_t begin_ms,
                                                 int64_t end_ms, size_t limit,
                                                 std::vector<uint64_t> live) const {
  const model::TimeRange range{begin_ms * 1'000'000, end_ms * 1'000'000};
  std::unordered_set<uint64_t> wanted(live.begin(), live.end());
  const auto labels_match = [&matchers](const model::Record& record) {
    std::vector<std::pair<std::string, std::string>> pairs;
    return pairs_from_json(record.text("labels"), pairs) &&
           matches_all(matchers, model::Labels(std::move(pairs)));
  };
  if (!matchers.empty()) {
    // Which alerts match is said by the Records on them; those of one that was told of within
    // the range began at most so long before it.
    constexpr int64_t kLookBackNs = 5 * 86'400'000'000'000;
    const model::TimeRange wide{
        range.begin_ns < INT64_MIN + kLookBackNs ? INT64_MIN : range.begin_ns - kLookBackNs,
        range.end_ns};
    RETURN_IF_ERROR(reader_->read(
        stream_selector(), wide, model::Order::kNewestFirst,
        [&](const model::Labels&, const model::Record& record, model::Position) {
          const std::string_view text = record.text("fingerprint");
          uint64_t hash = 0;
          if (text.size() != 16 ||
              std::from_chars(text.data(), text.data() + 16, hash, 16).ec != std::errc()) {
            return true;
          }
          if (!wanted.contains(hash) && labels_match(record)) wanted.insert(hash);
          return true;
        }));
  }
  std::vector<HistoryEntry> found;
  RETURN_IF_ERROR(
      reader_->read(stream_selector(), range, model::Order::kNewestFirst,
                    [&](const model::Labels&, const model::Record& record, model::Position) {
                      if (record.text("source") != kSource) return true;
                      const bool names_alert = !record.text("fingerprint").empty();
                      // A silence concerns any alert; those that it hid say so by "suppressed".
                      const bool silence = record.text("kind").starts_with("silence_");
                      if (!matchers.empty() && !silence &&
                          !(names_alert ? labels_match(record) : names_any(record, wanted))) {
                        return true;
                      }
                      if (silence && !matchers.empty()) return true;
                      found.push_back(entry_of(record));
                      return found.size() < limit;
                    }));
  return found;
}

Status History::replay(
    int64_t since_ms,
    const std::function<void(const model::Record&, model::Position)>& visit) const {
  return reader_->read(
      stream_selector(), {since_ms * 1'000'000, INT64_MAX}, model::Order::kOldestFirst,
      [&visit](const model::Labels&, const model::Record& record, model::Position position) {
        if (record.text("source") == kSource) visit(record, position);
        return true;
      });
}

bool alert_from(const model::Record& record, StoredAlert& stored) {
  model::Alert alert;
  std::vector<std::pair<std::string, std::string>> labels;
  if (!pairs_from_json(record.text("labels"), labels) || labels.empty()) return false;
  alert.labels = model::Labels(std::move(labels));
  pairs_from_json(record.text("annotations", "{}"), alert.annotations);
  alert.generator_url = record.text("generator_url");
  stored.fingerprint = model::alert_fingerprint(alert.labels);
  stored.packed = pack_texts(alert);
  stored.starts_at_ms = record.integer("starts_at_ms");
  stored.ends_at_ms = record.integer("ends_at_ms");
  stored.timeout = record.boolean("timeout");
  stored.vanished = record.text("kind") == "vanished";
  stored.updated_at_ms = record.time_ns / 1'000'000;
  return true;
}

bool notification_from(const model::Record& record, std::string& key, NotificationLogEntry& entry) {
  if (record.text("kind") != "notified") return false;
  key = NotificationLog::key(record.text("receiver"), record.text("integration"),
                             record.text("group_key"));
  if (record.integer("part") == 0) entry = {};
  entry.time_ms = record.time_ns / 1'000'000;
  entry.expires_at_ms = record.integer("expires_at_ms");
  hashes_from(record.text("firing"), entry.told.firing);
  hashes_from(record.text("resolved"), entry.told.resolved);
  return true;
}

}  // namespace gatehouse::alerts
