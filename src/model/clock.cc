#include "model/clock.h"

#include <time.h>

#include "base/loop.h"

namespace gatehouse::model {

namespace {
class SystemClock : public Clock {
 public:
  int64_t wall_ns() const override {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  }
  int64_t steady_ns() const override { return gatehouse::steady_ns(); }
};
}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace gatehouse::model
