// The executor: one Loop a core, each an Asio io_context on epoll, and what a
// coroutine can wait for on it: a descriptor's readiness, time, an Event, a
// Cancel, and the end of blocking work done elsewhere.
//
// Invariants
//   - Everything here belongs to the thread that runs the Loop, except
//     Loop::post and Loop::stop, which any thread may call.
//   - A wait ends exactly once: ready, timed out, or cancelled, whichever comes
//     first. A wake that says ready may be spurious; try the call and wait again.
//   - Asio appears in loop.cc alone. Sockets are read and written by plain
//     non-blocking calls; Asio is asked for readiness only, so that an idle
//     connection holds no buffer.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/task.h"

namespace gatehouse {

class Cancel;
class Loop;

enum class Wake { kReady, kTimeout, kCancelled };

// No deadline.
inline constexpr int64_t kNever = INT64_MAX;

// Milliseconds of the steady clock, and nanoseconds of it.
int64_t steady_ms();
int64_t steady_ns();

namespace detail {

struct Link {
  Link* previous = nullptr;
  Link* next = nullptr;
  bool linked() const { return next != nullptr; }
  void unlink();
  void insert_before(Link& position);
};

// An entry of a Loop's timer: a place in the wheel, or in the list of those
// further away than the wheel reaches.
class TimerEntry {
 public:
  virtual ~TimerEntry();
  TimerEntry() = default;
  TimerEntry(const TimerEntry&) = delete;
  TimerEntry& operator=(const TimerEntry&) = delete;

 protected:
  friend class gatehouse::Loop;
  virtual void expired() = 0;
  struct TimerLink : Link {
    TimerEntry* entry = nullptr;
  } timer_;
  int64_t deadline_ms_ = kNever;
};

// One suspended coroutine and the ways it can be woken.
class Wait : public TimerEntry {
 public:
  Wait(Loop& loop, int64_t deadline_ms, Cancel* cancel)
      : loop_(loop), cancel_(cancel), requested_ms_(deadline_ms) {}
  ~Wait() override;

  // Ends the wait. `inline_resume` is for the top of the loop; elsewhere the
  // coroutine is resumed a little later, off the caller's stack.
  void finish(Wake wake, bool inline_resume);

 protected:
  // Registers with timer and cancel. False: it is over already (see outcome_).
  bool begin(std::coroutine_handle<> handle);
  void expired() override { finish(Wake::kTimeout, true); }
  virtual void detach_source() = 0;  // forget this wait where it was to be made ready

  Loop& loop_;
  Cancel* cancel_;
  int64_t requested_ms_;
  std::coroutine_handle<> handle_;
  Wake outcome_ = Wake::kReady;

 private:
  friend class gatehouse::Cancel;
  struct CancelLink : Link {
    Wait* wait = nullptr;
  } cancel_link_;
};

}  // namespace detail

// A reason to stop that many waits can watch. Fires once.
class Cancel {
 public:
  Cancel();
  ~Cancel();
  Cancel(const Cancel&) = delete;
  Cancel& operator=(const Cancel&) = delete;

  void fire();
  bool fired() const { return fired_; }

  // Called once, at the end of fire(), on the firing stack: for plain clean-up,
  // such as firing another Cancel. Empty function: none.
  void on_fire(std::function<void()> callback) { callback_ = std::move(callback); }

 private:
  friend class detail::Wait;
  detail::Link waits_;  // head of a ring
  bool fired_ = false;
  std::function<void()> callback_;
};

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop(). A Loop can be run again after that.
  void run();
  // Runs what is ready, waiting at most `wait_ms` for the first of it.
  void run_for(int64_t wait_ms);
  void stop();

  // Runs `work` on the loop's thread. Any thread.
  void post(std::function<void()> work);
  // Runs `work` after everything that is ready now. The loop's thread only.
  void defer(std::function<void()> work) { post(std::move(work)); }

  // The Loop that runs on this thread, or null.
  static Loop* current();

  // co_await loop.sleep_until(deadline_ms, &cancel): kTimeout or kCancelled.
  auto sleep_until(int64_t deadline_ms, Cancel* cancel = nullptr);
  auto sleep_for(int64_t ms, Cancel* cancel = nullptr);

 private:
  friend class detail::Wait;
  friend class detail::TimerEntry;
  friend class Descriptor;
  friend class Repeat;
  struct State;
  void add_timer(detail::TimerEntry& entry, int64_t deadline_ms);
  void resume_soon(std::coroutine_handle<> handle);
  std::unique_ptr<State> state_;
};

// An open file descriptor that coroutines of one Loop wait for. Owns it.
// At most one coroutine waits for reading and one for writing at a time.
class Descriptor {
 public:
  // REQUIRES: `fd` is open and non-blocking.
  Descriptor(Loop& loop, int fd);
  ~Descriptor();
  Descriptor(Descriptor&&) noexcept;
  Descriptor& operator=(Descriptor&&) noexcept;

  int fd() const;
  bool open() const { return state_ != nullptr; }
  // Closes the descriptor. REQUIRES: no coroutine waits on it.
  void close();
  // Gives the descriptor up without closing it.
  int release();

  class Readiness;
  Readiness readable(int64_t deadline_ms = kNever, Cancel* cancel = nullptr);
  Readiness writable(int64_t deadline_ms = kNever, Cancel* cancel = nullptr);

  // From now on, while no coroutine waits for reading, `cancel` fires within
  // 20 ms of the peer closing its side. Null ends the watch.
  void watch_hangup(Cancel* cancel);

 private:
  struct State;
  friend class Readiness;
  std::shared_ptr<State> state_;
};

class Descriptor::Readiness : public detail::Wait {
 public:
  Readiness(State& state, bool write, int64_t deadline_ms, Cancel* cancel);
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> handle);
  Wake await_resume() const noexcept { return outcome_; }

 private:
  void detach_source() override;
  State& state_;
  bool write_;
};

// Wakes coroutines of one Loop. set() wakes all that wait, and those that come
// later until reset().
class Event {
 public:
  explicit Event(Loop& loop) : loop_(loop) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event();

  void set();
  void reset() { set_ = false; }
  bool is_set() const { return set_; }

  class Waiting : public detail::Wait {
   public:
    Waiting(Event& event, int64_t deadline_ms, Cancel* cancel)
        : Wait(event.loop_, deadline_ms, cancel), event_(event) {}
    bool await_ready() const noexcept { return event_.set_; }
    bool await_suspend(std::coroutine_handle<> handle);
    Wake await_resume() const noexcept { return outcome_; }

   private:
    void detach_source() override;
    Event& event_;
  };
  Waiting wait(int64_t deadline_ms = kNever, Cancel* cancel = nullptr) {
    return Waiting(*this, deadline_ms, cancel);
  }

 private:
  Loop& loop_;
  bool set_ = false;
  std::vector<Waiting*> waiting_;  // in the order they came
};

namespace detail {
class Sleep : public Wait {
 public:
  using Wait::Wait;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> handle) { return begin(handle); }
  Wake await_resume() const noexcept { return outcome_; }

 private:
  void detach_source() override {}
};
}  // namespace detail

inline auto Loop::sleep_until(int64_t deadline_ms, Cancel* cancel) {
  return detail::Sleep(*this, deadline_ms, cancel);
}
inline auto Loop::sleep_for(int64_t ms, Cancel* cancel) {
  return sleep_until(steady_ms() + ms, cancel);
}

// Calls a function again and again on a Loop until it is destroyed.
class Repeat : public detail::TimerEntry {
 public:
  Repeat(Loop& loop, int64_t every_ms, std::function<void()> work);

 private:
  void expired() override;
  Loop& loop_;
  int64_t every_ms_;
  std::function<void()> work_;
};

}  // namespace gatehouse
