// When a silence hides so much that who makes it is asked whether they mean it.
#pragma once

#include <cstddef>

namespace gatehouse::alerts {

// Below this many alerts a share says nothing: with three live, every silence hides a third.
inline constexpr size_t kSilenceHiddenMin = 10;

// `share_max`: the share of live alerts that one silence may hide without a word; 1: all.
inline bool needs_confirmation(size_t hidden, size_t live, double share_max) {
  return hidden >= kSilenceHiddenMin &&
         static_cast<double>(hidden) > share_max * static_cast<double>(live);
}

}  // namespace gatehouse::alerts
