#include "model/alert.h"

namespace gatehouse::model {

uint64_t alert_fingerprint(const Labels& labels) {
  constexpr uint64_t kOffset = 14695981039346656037u;
  constexpr uint64_t kPrime = 1099511628211u;
  uint64_t hash = kOffset;
  const auto add = [&hash](unsigned char byte) { hash = (hash ^ byte) * kPrime; };
  for (const auto& [name, value] : labels.pairs()) {
    for (const char c : name) add(static_cast<unsigned char>(c));
    add(0xff);
    for (const char c : value) add(static_cast<unsigned char>(c));
    add(0xff);
  }
  return hash;
}

}  // namespace gatehouse::model
