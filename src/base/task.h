// Task<T>: a lazily started coroutine that one other coroutine awaits.
//
// Awaiting a Task runs it at once on the caller's stack. When it ends without
// having waited for anything, the awaiting coroutine goes on without being
// suspended; when it waited, its end resumes the awaiting coroutine. So a loop
// of awaits that never wait uses no stack, with or without tail calls.
//
// Invariants
//   - A Task, everything it awaits and everything that resumes it belong to one
//     thread, that of its Loop.
//   - A Task that was started is not destroyed before it has ended. Ending one
//     early is the work of Cancel (base/loop.h).
//   - No exception leaves a Task: an unhandled one ends the process.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <optional>
#include <type_traits>
#include <utility>

namespace gatehouse {

template <typename T>
class Task;

namespace detail {

// How far a task and the one that awaits it have come.
struct TaskPromiseBase {
  std::coroutine_handle<> awaiting;  // who is resumed at the end
  bool ended = false;
  bool suspended_awaiter = false;  // false while the awaiter is still on the stack below

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    void await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      TaskPromiseBase& promise = self.promise();
      promise.ended = true;
      if (promise.suspended_awaiter) promise.awaiting.resume();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  [[noreturn]] void unhandled_exception() const noexcept { std::abort(); }
};

template <typename T>
struct TaskPromise : TaskPromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  Task<void> get_return_object();
  void return_void() const noexcept {}
};

}  // namespace detail

template <typename T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> awaiting) noexcept {
    promise_type& promise = handle_.promise();
    promise.awaiting = awaiting;
    handle_.resume();
    if (promise.ended) return false;
    promise.suspended_awaiter = true;
    return true;
  }
  T await_resume() noexcept {
    if constexpr (!std::is_void_v<T>) return std::move(*handle_.promise().value);
  }

 private:
  Handle handle_;
};

namespace detail {

template <typename T>
Task<T> TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

// The root of a chain of tasks: starts at once, destroys itself at its end.
struct Detached {
  struct promise_type {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::abort(); }
  };
};
inline Detached run_detached(Task<void> task) { co_await std::move(task); }

}  // namespace detail

// Starts `task` on the calling thread (that of its Loop) and lets it run to its
// end by itself.
inline void detach(Task<void> task) { detail::run_detached(std::move(task)); }

}  // namespace gatehouse
