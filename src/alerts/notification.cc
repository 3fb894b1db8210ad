#include "alerts/notification.h"

#include <algorithm>

#include "base/bytes.h"

namespace gatehouse::alerts {

bool Notification::firing() const {
  return std::any_of(alerts.begin(), alerts.end(),
                     [](const NotifiedAlert& each) { return !each.resolved; });
}

uint64_t fingerprint_of(const model::Labels& labels) {
  // Labels::hash is FNV-1a for reasons of its own; this one is a format and stays.
  uint64_t hash = 0xcbf29ce484222325;
  const auto mix = [&hash](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash = (hash ^ 0xff) * 0x100000001b3;
  };
  for (const auto& [name, value] : labels.pairs()) {
    mix(name);
    mix(value);
  }
  return hash;
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
