#include "alerts/notification_log.h"

#include <algorithm>

namespace gatehouse::alerts {

namespace {

bool subset(const std::vector<uint64_t>& small, const std::vector<uint64_t>& large) {
  return std::includes(large.begin(), large.end(), small.begin(), small.end());
}

}  // namespace

uint64_t told_hash(uint64_t fingerprint, bool vanished) {
  constexpr uint64_t kVanished = 0x9e3779b97f4a7c15;  // any constant, the same for ever
  return vanished ? fingerprint ^ kVanished : fingerprint;
}

std::string NotificationLog::key(std::string_view receiver, std::string_view integration,
                                 std::string_view group_key) {
  std::string key(receiver);
  key += '/';
  key += integration;
  key += '|';
  return key += group_key;
}

const NotificationLogEntry* NotificationLog::find(const std::string& key, int64_t now_ms) const {
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.expires_at_ms <= now_ms) return nullptr;
  return &found->second;
}

void NotificationLog::set(const std::string& key, NotificationLogEntry entry) {
  entries_.insert_or_assign(key, std::move(entry));
}

void NotificationLog::collect_garbage(int64_t now_ms) {
  std::erase_if(entries_, [now_ms](const auto& one) { return one.second.expires_at_ms <= now_ms; });
}

void NotificationLog::each(
    const std::function<void(const std::string&, const NotificationLogEntry&)>& visit) const {
  for (const auto& [key, entry] : entries_) visit(key, entry);
}

bool needs_notification(const NotificationLogEntry* entry, const ToldAlerts& now_told,
                        bool send_resolved, int64_t repeat_interval_ms, int64_t now_ms) {
  // Of what it never heard of nobody needs to hear the end.
  if (entry == nullptr) return !now_told.firing.empty();
  if (!subset(now_told.firing, entry->told.firing)) return true;
  // All over: also where the receiver is told of no ends, so that the log forgets what fired.
  if (now_told.firing.empty()) return !entry->told.firing.empty();
  if (send_resolved && !subset(now_told.resolved, entry->told.resolved)) return true;
  return entry->time_ms < now_ms - repeat_interval_ms;
}

}  // namespace gatehouse::alerts
