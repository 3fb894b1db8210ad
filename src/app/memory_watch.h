// MemoryWatch: keeps the whole process, not only what is charged to the budget, below
// memory.limit. What it takes beyond its charges (code, stacks, buffers of libraries, what the
// allocator has not given back) is measured 50 times a second, and the budget is smaller by so
// much.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "base/budget.h"

namespace gatehouse::app {

// How the allocator is to behave: few arenas, and large blocks given back when they are free,
// so that what one request needed is there for the next of another kind. Before any thread.
void tune_allocator();

class MemoryWatch {
 public:
  // REQUIRES: the budget outlives this.
  MemoryWatch(MemoryBudget& budget, int64_t limit_bytes);
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  void set_limit_bytes(int64_t bytes) { limit_bytes_.store(bytes); }

 private:
  void run();
  void look();

  MemoryBudget& budget_;
  std::atomic<int64_t> limit_bytes_;
  int64_t trimmed_ms_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace gatehouse::app
