// Flapping: an alert that fires and resolves over and over. It is said of an alert that
// changed kChanges times within the window; nothing is held back for it.
#pragma once

#include <array>
#include <cstdint>

namespace gatehouse::alerts {

class FlapWindow {
 public:
  // Three rounds of firing and resolving within half an hour: what a threshold on its edge
  // does, and what a restart or a deployment, with one or two rounds, does not.
  static constexpr size_t kChanges = 6;
  static constexpr int64_t kWindowMs = 30 * 60'000;

  void changed(int64_t now_ms) {
    times_[next_] = static_cast<uint32_t>(now_ms / 1000);
    next_ = static_cast<uint8_t>((next_ + 1) % kChanges);
  }
  bool flapping(int64_t now_ms) const {
    const uint32_t oldest = times_[next_];
    return oldest != 0 && now_ms / 1000 - oldest <= kWindowMs / 1000;
  }

 private:
  std::array<uint32_t, kChanges> times_{};  // Unix seconds; the oldest at next_
  uint8_t next_ = 0;
};

}  // namespace gatehouse::alerts
