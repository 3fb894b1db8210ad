#include "alerts/notification.h"

#include <algorithm>

#include "base/bytes.h"

namespace gatehouse::alerts {

bool Notification::firing() const {
  return std::any_of(alerts.begin(), alerts.end(),
                     [](const NotifiedAlert& each) { return !each.resolved; });
}

std::string fingerprint_text(uint64_t fingerprint) {
  std::string out(16, '0');
  for (size_t i = 16; i-- > 0; fingerprint >>= 4) out[i] = "0123456789abcdef"[fingerprint & 15];
  return out;
}

std::string group_key_hash(const Notification& notification) {
  return hex_encode(sha256(notification.group_key));
}

}  // namespace gatehouse::alerts
