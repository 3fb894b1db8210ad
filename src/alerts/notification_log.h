// NotificationLog: what was told to whom: of each group and integration the last
// notification, by which the next one is found to be due or not. After nflog and
// notify.DedupStage of Alertmanager.
//
// An entry is remembered for twice the repeat interval, at most the retention. Not safe for
// threads: the engine's lock is around it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gatehouse::alerts {

// What is told of each alert, by its fingerprint: sorted. One that lost its data has another
// hash than one that has it, so that the change is told.
struct ToldAlerts {
  std::vector<uint64_t> firing, resolved;
};
uint64_t told_hash(uint64_t fingerprint, bool vanished);

struct NotificationLogEntry {
  int64_t time_ms = 0;
  int64_t expires_at_ms = 0;
  ToldAlerts told;
};

class NotificationLog {
 public:
  // "RECEIVER/INTEGRATION|GROUP KEY"
  static std::string key(std::string_view receiver, std::string_view integration,
                         std::string_view group_key);

  const NotificationLogEntry* find(const std::string& key, int64_t now_ms) const;
  void set(const std::string& key, NotificationLogEntry entry);
  void collect_garbage(int64_t now_ms);
  size_t size() const { return entries_.size(); }
  void each(
      const std::function<void(const std::string&, const NotificationLogEntry&)>& visit) const;

 private:
  std::unordered_map<std::string, NotificationLogEntry> entries_;
};

// Whether the receiver must be told, where `entry` (or null) is what it was told last.
bool needs_notification(const NotificationLogEntry* entry, const ToldAlerts& now_told,
                        bool send_resolved, int64_t repeat_interval_ms, int64_t now_ms);

}  // namespace gatehouse::alerts
