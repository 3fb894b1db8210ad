#include "app/query_parallel.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace gatehouse::app {

namespace {

// What the threads of one run share. Those that come when all parts are taken find
// it closed, and touch nothing of the caller's.
struct Shared {
  const std::function<void(size_t)>* work = nullptr;
  size_t parts = 0;
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::condition_variable idle;
  int busy = 0;
  bool closed = false;

  void take_parts() {
    for (size_t i = next.fetch_add(1); i < parts; i = next.fetch_add(1)) (*work)(i);
  }
};

void join_in(const std::shared_ptr<Shared>& shared) {
  {
    const std::lock_guard lock(shared->mutex);
    if (shared->closed) return;
    ++shared->busy;
  }
  shared->take_parts();
  const std::lock_guard lock(shared->mutex);
  if (--shared->busy == 0) shared->idle.notify_all();
}

}  // namespace

void QueryParallel::run(size_t parts, const std::function<void(size_t)>& work) {
  if (parts <= 1) {
    if (parts == 1) work(0);
    return;
  }
  auto shared = std::make_shared<Shared>();
  shared->work = &work;
  shared->parts = parts;
  for (size_t i = 0; i < std::min(parts - 1, others_); ++i) {
    pool_.submit([shared] { join_in(shared); });
  }
  shared->take_parts();
  std::unique_lock lock(shared->mutex);
  shared->closed = true;
  shared->idle.wait(lock, [&] { return shared->busy == 0; });
}

}  // namespace gatehouse::app
