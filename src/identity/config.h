// What identity is told: plain values, filled by app/config from gatehouse.yaml.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gatehouse::identity {

struct LockoutConfig {
  int failures = 10;  // in the window; 0: never lock. At most 100 are kept track of
  int64_t window_ms = 5 * 60'000;
  int64_t lock_ms = 15 * 60'000;
  // Addresses and key ids kept track of, least recently seen forgotten first.
  // About 200 bytes each: 3 MiB, whatever an attacker does.
  size_t tracked_max = 16'384;
};

struct SessionConfig {
  int64_t idle_ms = 12 * 3'600'000;
  int64_t absolute_ms = 7 * 24 * 3'600'000LL;
  int64_t login_link_ms = 15 * 60'000;
  // A person has a few browsers; the oldest session gives way to the newest.
  size_t sessions_a_user_max = 32;
};

struct IdentityConfig {
  LockoutConfig lockout;
  SessionConfig sessions;
  // CIDR blocks or addresses; deny wins; an empty allow list allows all.
  std::vector<std::string> allow;
  std::vector<std::string> deny;
  // Whether `allow` holds for the health probes too. They tell nothing but that
  // the process is there, and clusters probe from addresses of their own.
  bool guard_probes = false;
};

}  // namespace gatehouse::identity
