// Time as an interface, so that a test can make it jump.
#pragma once

#include <cstdint>

namespace gatehouse::model {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t wall_ns() const = 0;    // Unix time; can jump either way
  virtual int64_t steady_ns() const = 0;  // never goes back; no meaning across restarts
};

// The machine's clock.
const Clock& system_clock();

}  // namespace gatehouse::model
