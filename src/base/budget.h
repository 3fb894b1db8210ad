// The process's memory budget. Every query, intake batch and cache charges it
// before it allocates; over the limit, the charge is refused and the one who
// asked ends with a clear error, so that the process is never killed for memory.
//
// The last eighth is for what is small: who asks for much finds none of it, so that one
// large request, or ten, leave small ones their place.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/result.h"

namespace gatehouse {

class MemoryBudget {
 public:
  explicit MemoryBudget(int64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // What a usual call, push or query takes.
  static constexpr int64_t kSmallBytes = 2 << 20;

  // `held_bytes`: what the same request has charged already. False: there is no room.
  // Any thread.
  bool try_charge(int64_t bytes, int64_t held_bytes = 0) {
    const int64_t limit = limit_bytes_.load(std::memory_order_relaxed);
    const int64_t most = held_bytes + bytes > kSmallBytes ? limit - limit / 8 : limit;
    // What is refused is never in the count, or a large refusal would take a small one with it.
    int64_t used = used_bytes_.load(std::memory_order_relaxed);
    do {
      if (bytes > most - used) return false;
    } while (!used_bytes_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }
  void release(int64_t bytes) { used_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  int64_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  int64_t limit_bytes() const { return limit_bytes_.load(std::memory_order_relaxed); }
  void set_limit_bytes(int64_t bytes) { limit_bytes_.store(bytes, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> used_bytes_{0};
  std::atomic<int64_t> limit_bytes_;
};

// A charge that grows and is given back when it goes out of scope.
class MemoryCharge {
 public:
  explicit MemoryCharge(MemoryBudget& budget) : budget_(&budget) {}
  ~MemoryCharge() { budget_->release(bytes_); }
  MemoryCharge(const MemoryCharge&) = delete;
  MemoryCharge& operator=(const MemoryCharge&) = delete;

  Status grow(int64_t bytes) {
    if (!budget_->try_charge(bytes, bytes_)) {
      return resource_exhausted("the process's memory budget is used up (memory.limit)");
    }
    bytes_ += bytes;
    return {};
  }
  int64_t bytes() const { return bytes_; }

 private:
  MemoryBudget* budget_;
  int64_t bytes_ = 0;
};

}  // namespace gatehouse
