// History: each change of an alert's state, and of silences, as a Record of
// {stream="alerts"}; and the questions asked of it: what fired, when, who was told, who
// silenced it.
//
// Attributes: kind (firing, resolved, vanished, ended, suppressed, unsuppressed, notified,
// notify_failed, silence_created, silence_changed, silence_expired, silence_ending), source
// ("alerts": what rules say of themselves in the same stream has another), alertname,
// fingerprint, labels (JSON), group_key, receiver, integration, person, silence.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "alerts/alert_store.h"
#include "alerts/matchers.h"
#include "alerts/notification_log.h"
#include "alerts/silences.h"
#include "base/result.h"
#include "model/stream.h"

namespace gatehouse::alerts {

// A Record in the making, which owns its texts.
struct Change {
  int64_t time_ms = 0;
  Severity severity = Severity::kInfo;
  std::string body;
  std::vector<std::pair<std::string_view, std::variant<std::string, int64_t, double, bool>>>
      attributes;  // names are literals
};

Change change_of_alert(std::string_view kind, const StoredAlert& alert, int64_t now_ms);
Change change_of_silence(std::string_view kind, const Silence& silence, std::string_view person,
                         int64_t now_ms);
// A notification that was delivered, in as many Records as its alerts need.
struct ToldGroup {
  std::string receiver, integration, group_key;
  model::Labels group_labels;
};
std::vector<Change> changes_of_notification(const ToldGroup& group,
                                            const NotificationLogEntry& entry);

std::string labels_to_json(const model::Labels& labels);

struct HistoryEntry {
  int64_t time_ms = 0;
  std::string kind;
  std::string text;  // for people
  std::string alertname, fingerprint, labels_json;
  std::string group_key, receiver, integration, person, silence, by;
  int64_t starts_at_ms = 0, ends_at_ms = 0;
};

class History {
 public:
  static Result<History> open(model::Appender& appender, const model::Reader& reader);

  // Durable when it returns ok: the position of the last. In batches, of which those that can
  // be are appended where one fails.
  Result<model::Position> append(const std::vector<Change>& changes);
  // The newest first: what concerns alerts that all matchers match, within [begin, end).
  // `live`: the fingerprints of alerts known now that match, as a notification names its
  // alerts by these alone.
  Result<std::vector<HistoryEntry>> query(const Matchers& matchers, int64_t begin_ms,
                                          int64_t end_ms, size_t limit,
                                          std::vector<uint64_t> live) const;
  // What was appended since a time, oldest first: for reading state back.
  Status replay(int64_t since_ms,
                const std::function<void(const model::Record&, model::Position)>& visit) const;

 private:
  History(model::Appender& appender, const model::Reader& reader, model::StreamId stream)
      : appender_(&appender), reader_(&reader), stream_(stream) {}

  model::Appender* appender_;
  const model::Reader* reader_;
  model::StreamId stream_;
};

// What Records say of alerts and notifications, taken back. False: it is none of ours.
bool alert_from(const model::Record& record, StoredAlert& alert);
// Adds the part of a notification that the Record holds; sets `key`.
bool notification_from(const model::Record& record, std::string& key, NotificationLogEntry& entry);

}  // namespace gatehouse::alerts
