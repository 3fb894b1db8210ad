#include "base/loop.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <cassert>
#include <chrono>
#include <utility>

namespace gatehouse {

namespace {

thread_local Loop* current_loop = nullptr;

// Tells the scheduler (Linux 6.12 on) that this thread works a moment and waits: it is to
// get a core at once when it is woken, and not when the turn of a query's thread has ended,
// some milliseconds later. Asks for no more of the processor. Earlier kernels ignore it.
void ask_for_short_turns() {
  struct {
    uint32_t size = 48;  // of the first version of the structure, SCHED_ATTR_SIZE_VER0
    uint32_t policy = 0;
    uint64_t flags = 0;
    int32_t nice = 0;
    uint32_t priority = 0;
    uint64_t runtime_ns = 0;
    uint64_t deadline_ns = 0;
    uint64_t period_ns = 0;
  } wanted;
  if (::syscall(SYS_sched_getattr, 0, &wanted, sizeof wanted, 0) != 0 || wanted.policy != 0) return;
  constexpr uint64_t kTurnNs = 200'000;
  wanted.runtime_ns = kTurnNs;
  (void)::syscall(SYS_sched_setattr, 0, &wanted, 0);
}

// The wheel: 256 slots of 4 ms reach a second ahead. What lies further away
// waits in one list that is looked through twice a second, so that the usual
// case, a deadline far off that never comes, costs two pointer writes and no
// system call.
constexpr int64_t kSlotMs = 4;
constexpr int64_t kSlots = 256;
constexpr int64_t kSweepMs = 500;

// How often a peer with unread bytes is asked whether it has left.
constexpr int64_t kHangupPollMs = 20;

void make_ring(detail::Link& head) { head.previous = head.next = &head; }
bool ring_empty(const detail::Link& head) { return head.next == &head; }

}  // namespace

int64_t steady_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}
int64_t steady_ms() { return steady_ns() / 1'000'000; }

namespace detail {

void Link::unlink() {
  if (next == nullptr) return;
  previous->next = next;
  next->previous = previous;
  previous = next = nullptr;
}

void Link::insert_before(Link& position) {
  previous = position.previous;
  next = &position;
  previous->next = this;
  position.previous = this;
}

TimerEntry::~TimerEntry() { timer_.unlink(); }

Wait::~Wait() { cancel_link_.unlink(); }

bool Wait::begin(std::coroutine_handle<> handle) {
  handle_ = handle;
  if (cancel_ != nullptr) {
    if (cancel_->fired()) {
      outcome_ = Wake::kCancelled;
      return false;
    }
    cancel_link_.wait = this;
    cancel_link_.insert_before(cancel_->waits_);
  }
  if (requested_ms_ != kNever) loop_.add_timer(*this, requested_ms_);
  return true;
}

void Wait::finish(Wake wake, bool inline_resume) {
  outcome_ = wake;
  timer_.unlink();
  cancel_link_.unlink();
  detach_source();
  if (inline_resume) {
    handle_.resume();
  } else {
    loop_.resume_soon(handle_);
  }
}

}  // namespace detail

Cancel::Cancel() { make_ring(waits_); }

Cancel::~Cancel() { assert(ring_empty(waits_)); }

void Cancel::fire() {
  if (fired_) return;
  fired_ = true;
  while (!ring_empty(waits_)) {
    auto* link = static_cast<detail::Wait::CancelLink*>(waits_.next);
    link->wait->finish(Wake::kCancelled, false);
  }
  if (callback_) std::exchange(callback_, nullptr)();
}

struct Loop::State {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  asio::steady_timer timer{context};
  std::array<detail::Link, kSlots> slots;
  detail::Link far;
  int64_t tick = steady_ms() / kSlotMs;  // the last slot that was served
  int64_t sweep_ms = kNever;             // when `far` is looked through next
  int64_t armed_ms = kNever;             // what `timer` is set to
  std::vector<std::coroutine_handle<>> ready;

  State() {
    for (auto& slot : slots) make_ring(slot);
    make_ring(far);
  }

  void arm(int64_t when_ms);
  void place(detail::Link& link, int64_t deadline_ms);
  void serve();
};

void Loop::State::arm(int64_t when_ms) {
  if (when_ms >= armed_ms) return;
  armed_ms = when_ms;
  timer.expires_at(asio::steady_timer::time_point(std::chrono::milliseconds(when_ms)));
  timer.async_wait([this](const std::error_code& error) {
    if (!error) serve();
  });
}

void Loop::State::place(detail::Link& link, int64_t deadline_ms) {
  const int64_t now_tick = std::max(tick, steady_ms() / kSlotMs);
  if (deadline_ms / kSlotMs - now_tick >= kSlots - 1) {
    link.insert_before(far);
    if (sweep_ms == kNever) {
      sweep_ms = steady_ms() + kSweepMs;
      arm(sweep_ms);
    }
    return;
  }
  const int64_t slot = std::max((deadline_ms + kSlotMs - 1) / kSlotMs, tick + 1);
  link.insert_before(slots[static_cast<size_t>(slot % kSlots)]);
  arm(slot * kSlotMs);
}

void Loop::State::serve() {
  armed_ms = kNever;
  const int64_t now = steady_ms();
  detail::Link due;
  make_ring(due);
  // One revolution at most: a slot number beyond it names a slot seen already.
  const int64_t last = now / kSlotMs;
  for (int64_t slot = std::max(tick + 1, last - kSlots + 1); slot <= last; ++slot) {
    detail::Link& head = slots[static_cast<size_t>(slot % kSlots)];
    for (detail::Link* link = head.next; link != &head;) {
      detail::Link* following = link->next;
      // After a pause in serving, a slot holds what is due with what was since put
      // there for its next turn.
      if (static_cast<detail::TimerEntry::TimerLink*>(link)->entry->deadline_ms_ <= now) {
        link->unlink();
        link->insert_before(due);
      }
      link = following;
    }
  }
  tick = last;
  if (now >= sweep_ms) {
    sweep_ms = kNever;
    detail::Link* link = far.next;
    while (link != &far) {
      detail::Link* following = link->next;
      auto* entry = static_cast<detail::TimerEntry::TimerLink*>(link)->entry;
      if (entry->deadline_ms_ / kSlotMs - tick < kSlots - 1) {
        link->unlink();
        place(*link, entry->deadline_ms_);
      }
      link = following;
    }
    if (!ring_empty(far)) sweep_ms = now + kSweepMs;
  }
  while (!ring_empty(due)) {
    detail::Link& link = *due.next;
    link.unlink();
    static_cast<detail::TimerEntry::TimerLink&>(link).entry->expired();
  }
  int64_t next_ms = sweep_ms;
  for (int64_t slot = tick + 1; slot < tick + kSlots; ++slot) {
    if (!ring_empty(slots[static_cast<size_t>(slot % kSlots)])) {
      next_ms = std::min(next_ms, slot * kSlotMs);
      break;
    }
  }
  if (next_ms != kNever) arm(next_ms);
}

Loop::Loop() : state_(std::make_unique<State>()) {}
Loop::~Loop() = default;

Loop* Loop::current() { return current_loop; }

void Loop::run() {
  ask_for_short_turns();
  Loop* outer = std::exchange(current_loop, this);
  state_->context.restart();
  state_->context.run();
  current_loop = outer;
}

void Loop::run_for(int64_t wait_ms) {
  Loop* outer = std::exchange(current_loop, this);
  state_->context.restart();
  state_->context.run_one_for(std::chrono::milliseconds(wait_ms));
  state_->context.poll();
  current_loop = outer;
}

void Loop::stop() { state_->context.stop(); }

void Loop::post(std::function<void()> work) { asio::post(state_->context, std::move(work)); }

void Loop::add_timer(detail::TimerEntry& entry, int64_t deadline_ms) {
  entry.timer_.entry = &entry;
  entry.deadline_ms_ = deadline_ms;
  state_->place(entry.timer_, deadline_ms);
}

void Loop::resume_soon(std::coroutine_handle<> handle) {
  state_->ready.push_back(handle);
  if (state_->ready.size() > 1) return;
  asio::post(state_->context, [state = state_.get()] {
    std::vector<std::coroutine_handle<>> batch;
    batch.swap(state->ready);
    for (auto& each : batch) each.resume();
  });
}

// Shared with the readiness handlers that Asio still holds, which may outlive
// the Descriptor by a turn of the loop.
struct Descriptor::State : std::enable_shared_from_this<Descriptor::State> {
  State(Loop& owner, int fd) : loop(owner), stream(owner.state_->context, fd) {}

  Loop& loop;
  asio::posix::stream_descriptor stream;
  Readiness* reader = nullptr;
  Readiness* writer = nullptr;
  bool read_armed = false;
  bool write_armed = false;
  Cancel* hangup = nullptr;
  std::unique_ptr<Repeat> hangup_poll;

  void arm_read() {
    if (read_armed) return;
    read_armed = true;
    stream.async_wait(asio::posix::descriptor_base::wait_read,
                      [self = shared_from_this()](const std::error_code&) {
                        self->read_armed = false;
                        self->on_readable();
                      });
  }
  void arm_write() {
    if (write_armed) return;
    write_armed = true;
    stream.async_wait(asio::posix::descriptor_base::wait_write,
                      [self = shared_from_this()](const std::error_code&) {
                        self->write_armed = false;
                        if (self->writer != nullptr) self->writer->finish(Wake::kReady, true);
                      });
  }

  void on_readable() {
    if (!stream.is_open()) return;
    if (reader == nullptr) return check_hangup();
    reader->finish(Wake::kReady, true);
    // The reader has run to its next wait. Unless that is for reading again, the
    // watch it stood before goes on.
    if (stream.is_open() && reader == nullptr && hangup != nullptr) arm_read();
  }

  // Possibly called by the Repeat itself: it is let go of a turn later.
  void end_hangup_poll() {
    if (hangup_poll == nullptr) return;
    loop.post(
        [self = shared_from_this(), poll = std::shared_ptr<Repeat>(std::move(hangup_poll))] {});
  }

  void check_hangup() {
    if (hangup == nullptr) return;
    pollfd poll_fd{stream.native_handle(), POLLIN | POLLRDHUP, 0};
    ::poll(&poll_fd, 1, 0);
    if ((poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0) {
      end_hangup_poll();
      std::exchange(hangup, nullptr)->fire();
    } else if ((poll_fd.revents & POLLIN) == 0) {
      end_hangup_poll();
      arm_read();
    } else if (hangup_poll == nullptr) {
      // Bytes of a next request wait unread: readiness would fire at once, so ask by time.
      hangup_poll = std::make_unique<Repeat>(loop, kHangupPollMs, [this] { check_hangup(); });
    }
  }
};

Descriptor::Descriptor(Loop& loop, int fd) : state_(std::make_shared<State>(loop, fd)) {}
Descriptor::Descriptor(Descriptor&&) noexcept = default;
Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  close();
  state_ = std::move(other.state_);
  return *this;
}
Descriptor::~Descriptor() { close(); }

int Descriptor::fd() const { return state_->stream.native_handle(); }

void Descriptor::close() {
  if (state_ == nullptr) return;
  assert(state_->reader == nullptr && state_->writer == nullptr);
  watch_hangup(nullptr);
  std::error_code ignored;
  state_->stream.close(ignored);
  state_.reset();
}

int Descriptor::release() {
  watch_hangup(nullptr);
  const int fd = state_->stream.release();
  state_.reset();
  return fd;
}

Descriptor::Readiness Descriptor::readable(int64_t deadline_ms, Cancel* cancel) {
  return Readiness(*state_, false, deadline_ms, cancel);
}
Descriptor::Readiness Descriptor::writable(int64_t deadline_ms, Cancel* cancel) {
  return Readiness(*state_, true, deadline_ms, cancel);
}

void Descriptor::watch_hangup(Cancel* cancel) {
  state_->hangup = cancel;
  if (cancel != nullptr) {
    state_->arm_read();
  } else {
    state_->end_hangup_poll();
  }
}

Descriptor::Readiness::Readiness(State& state, bool write, int64_t deadline_ms, Cancel* cancel)
    : Wait(state.loop, deadline_ms, cancel), state_(state), write_(write) {}

bool Descriptor::Readiness::await_suspend(std::coroutine_handle<> handle) {
  if (!begin(handle)) return false;
  Readiness*& slot = write_ ? state_.writer : state_.reader;
  assert(slot == nullptr);
  slot = this;
  if (write_) {
    state_.arm_write();
  } else {
    state_.arm_read();
  }
  return true;
}

void Descriptor::Readiness::detach_source() { (write_ ? state_.writer : state_.reader) = nullptr; }

Event::~Event() { assert(waiting_.empty()); }

void Event::set() {
  set_ = true;
  std::vector<Waiting*> woken;
  woken.swap(waiting_);
  for (Waiting* each : woken) each->finish(Wake::kReady, false);
}

bool Event::Waiting::await_suspend(std::coroutine_handle<> handle) {
  if (!begin(handle)) return false;
  event_.waiting_.push_back(this);
  return true;
}

void Event::Waiting::detach_source() { std::erase(event_.waiting_, this); }

Repeat::Repeat(Loop& loop, int64_t every_ms, std::function<void()> work)
    : loop_(loop), every_ms_(every_ms), work_(std::move(work)) {
  loop_.add_timer(*this, steady_ms() + every_ms_);
}

void Repeat::expired() {
  loop_.add_timer(*this, steady_ms() + every_ms_);  // first: `work_` may let go of this
  work_();
}

}  // namespace gatehouse
