// A few threads for what would block a Loop: name resolution, disk syncs,
// password hashing, scans over a millisecond.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/loop.h"

namespace gatehouse {

class Pool {
 public:
  explicit Pool(int threads);
  // Runs what was submitted, then joins the threads.
  ~Pool();
  // The same now: for an owner whose parts the work uses. What is submitted after
  // it never runs.
  void finish();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Any thread.
  void submit(std::function<void()> work);

  // auto x = co_await pool.run(loop, [..] { return ..; });  resumes on `loop`,
  // on whose thread it must be awaited. `work` must outlive nothing but itself:
  // the awaiting coroutine is not cancelled while it runs.
  template <typename Work>
  Task<std::invoke_result_t<Work>> run(Loop& loop, Work work) {
    using T = std::invoke_result_t<Work>;
    Event done(loop);
    if constexpr (std::is_void_v<T>) {
      submit([&] {
        work();
        loop.post([&done] { done.set(); });
      });
      co_await done.wait();
    } else {
      std::optional<T> result;
      submit([&] {
        result.emplace(work());
        loop.post([&done] { done.set(); });
      });
      co_await done.wait();
      co_return std::move(*result);
    }
  }

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace gatehouse
