#include "base/loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

namespace gatehouse {
namespace {

Task<int> immediate(int value) { co_return value; }

Task<int> sum_of_immediates(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await immediate(1);
  co_return sum;
}

// A socket pair, one end on the loop.
struct Pair {
  explicit Pair(Loop& loop) {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    near = std::make_unique<Descriptor>(loop, fds[0]);
    far = fds[1];
  }
  ~Pair() {
    if (far >= 0) ::close(far);
  }
  std::unique_ptr<Descriptor> near;
  int far;
};

template <typename Body>
void run_to_end(Loop& loop, Body body) {
  bool done = false;
  auto main = [](Body& inner, bool& flag) -> Task<> {
    co_await inner();
    flag = true;
  };
  detach(main(body, done));
  const int64_t limit = steady_ms() + 5000;
  while (!done && steady_ms() < limit) loop.run_for(20);
  ASSERT_TRUE(done);
}

TEST(Task, AMillionAwaitsThatNeverWaitUseNoStack) {
  Loop loop;
  int sum = 0;
  run_to_end(loop, [&]() -> Task<> { sum = co_await sum_of_immediates(1'000'000); });
  EXPECT_EQ(sum, 1'000'000);
}

TEST(Loop, SleepsAtLeastAsLongAsAsked) {
  Loop loop;
  int64_t slept = 0;
  run_to_end(loop, [&]() -> Task<> {
    const int64_t begin = steady_ms();
    EXPECT_EQ(co_await loop.sleep_for(30), Wake::kTimeout);
    slept = steady_ms() - begin;
  });
  EXPECT_GE(slept, 30);
  EXPECT_LT(slept, 200);
}

TEST(Loop, SleepsBeyondTheReachOfTheWheel) {
  Loop loop;
  int64_t slept = 0;
  run_to_end(loop, [&]() -> Task<> {
    const int64_t begin = steady_ms();
    co_await loop.sleep_for(1600);
    slept = steady_ms() - begin;
  });
  EXPECT_GE(slept, 1600);
  EXPECT_LT(slept, 1800);
}

// A slot's turn must not come early where the wheel stood still before.
TEST(Loop, SleepsAsLongAfterARest) {
  Loop loop;
  int64_t slept = 0;
  bool short_done = false;
  run_to_end(loop, [&]() -> Task<> {
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // a revolution and more
    auto nap = [](Loop& on, bool& done) -> Task<> {
      co_await on.sleep_for(20);
      done = true;
    };
    detach(nap(loop, short_done));
    const int64_t begin = steady_ms();
    co_await loop.sleep_for(900);
    slept = steady_ms() - begin;
  });
  EXPECT_TRUE(short_done);
  EXPECT_GE(slept, 900);
}

TEST(Loop, PostFromAnotherThreadWakesIt) {
  Loop loop;
  bool ran = false;
  std::thread other([&] {
    loop.post([&] {
      ran = true;
      loop.stop();
    });
  });
  loop.run();
  other.join();
  EXPECT_TRUE(ran);
}

TEST(Cancel, EndsASleepAtOnce) {
  Loop loop;
  Cancel cancel;
  Repeat later(loop, 20, [&] { cancel.fire(); });
  run_to_end(loop, [&]() -> Task<> {
    EXPECT_EQ(co_await loop.sleep_for(10'000, &cancel), Wake::kCancelled);
    EXPECT_EQ(co_await loop.sleep_for(10'000, &cancel), Wake::kCancelled);
  });
}

TEST(Descriptor, WakesWhenReadable) {
  Loop loop;
  Pair pair(loop);
  run_to_end(loop, [&]() -> Task<> {
    EXPECT_EQ(co_await pair.near->readable(steady_ms() + 20), Wake::kTimeout);
    EXPECT_EQ(::write(pair.far, "x", 1), 1);
    EXPECT_EQ(co_await pair.near->readable(), Wake::kReady);
    char byte;
    EXPECT_EQ(::read(pair.near->fd(), &byte, 1), 1);
  });
}

TEST(Descriptor, HangupFiresWhilePeerBytesWaitUnread) {
  for (const bool pipelined : {false, true}) {
    Loop loop;
    Pair pair(loop);
    Cancel cancel;
    pair.near->watch_hangup(&cancel);
    if (pipelined) {
      EXPECT_EQ(::write(pair.far, "GET", 3), 3);
    }
    run_to_end(loop, [&]() -> Task<> {
      EXPECT_EQ(co_await loop.sleep_for(60, &cancel), Wake::kTimeout);
      ::close(std::exchange(pair.far, -1));
      const int64_t begin = steady_ms();
      EXPECT_EQ(co_await loop.sleep_for(2000, &cancel), Wake::kCancelled);
      EXPECT_LT(steady_ms() - begin, 50);
    });
  }
}

TEST(Descriptor, HangupFiresAfterAReadUnderTheWatch) {
  Loop loop;
  Pair pair(loop);
  Cancel cancel;
  run_to_end(loop, [&]() -> Task<> {
    pair.near->watch_hangup(&cancel);
    EXPECT_EQ(::write(pair.far, "x", 1), 1);
    EXPECT_EQ(co_await pair.near->readable(), Wake::kReady);
    char byte;
    EXPECT_EQ(::read(pair.near->fd(), &byte, 1), 1);
    EXPECT_EQ(co_await loop.sleep_for(20, &cancel), Wake::kTimeout);
    ::close(std::exchange(pair.far, -1));
    EXPECT_EQ(co_await loop.sleep_for(2000, &cancel), Wake::kCancelled);
  });
}

TEST(Descriptor, ClosesWhileAReadIsArmed) {
  Loop loop;
  Pair pair(loop);
  run_to_end(loop, [&]() -> Task<> {
    EXPECT_EQ(co_await pair.near->readable(steady_ms() + 10), Wake::kTimeout);
    pair.near->close();
    co_await loop.sleep_for(10);
  });
}

TEST(Event, WakesAllThatWait) {
  Loop loop;
  Event event(loop);
  int woken = 0;
  auto waiter = [](Event& on, int& count) -> Task<> {
    EXPECT_EQ(co_await on.wait(), Wake::kReady);
    ++count;
  };
  detach(waiter(event, woken));
  detach(waiter(event, woken));
  EXPECT_EQ(woken, 0);
  event.set();
  run_to_end(loop, [&]() -> Task<> { co_await loop.sleep_for(5); });
  EXPECT_EQ(woken, 2);
}

}  // namespace
}  // namespace gatehouse
