#include "app/memory_watch.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "base/loop.h"

namespace gatehouse::app {

namespace {

constexpr int kEveryMs = 20;
// Walking the heap takes milliseconds.
constexpr int64_t kTrimEveryMs = 1'000;
// Blocks from here on are mappings of their own, which free() gives back at once.
constexpr int kMapFromBytes = 256 << 10;

// Memory in RAM, as the kernel counts it against a container.
int64_t resident_bytes() {
  const int file = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[128] = {};
  const ssize_t got = ::read(file, text, sizeof text - 1);
  ::close(file);
  if (got <= 0) return 0;
  char* next = nullptr;
  std::strtoll(text, &next, 10);
  return std::strtoll(next, nullptr, 10) * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

void tune_allocator() {
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, kMapFromBytes);
  ::mallopt(M_TRIM_THRESHOLD, kMapFromBytes);
}

MemoryWatch::MemoryWatch(MemoryBudget& budget, int64_t limit_bytes)
    : budget_(budget), limit_bytes_(limit_bytes), thread_([this] { run(); }) {}

MemoryWatch::~MemoryWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void MemoryWatch::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    look();
    wake_.wait_for(lock, std::chrono::milliseconds(kEveryMs));
  }
}

void MemoryWatch::look() {
  const int64_t limit = limit_bytes_.load();
  const int64_t used = budget_.used_bytes();
  const int64_t beyond = std::max<int64_t>(0, resident_bytes() - used);
  // Half is left to what is charged whatever else there is: a limit of a few dozen MiB is
  // a bound on calls, not one that the program fits in.
  // A thirty-second is for what comes between two looks.
  budget_.set_limit_bytes(std::max(limit / 2, limit - limit / 32 - beyond));
  if (beyond > limit / 3 && steady_ms() - trimmed_ms_ >= kTrimEveryMs) {
    ::malloc_trim(0);
    trimmed_ms_ = steady_ms();
  }
}

}  // namespace gatehouse::app
