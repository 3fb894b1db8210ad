#include "base/budget.h"

#include <gtest/gtest.h>

#include <thread>

namespace gatehouse {
namespace {

constexpr int64_t kMiB = 1 << 20;

TEST(MemoryBudget, LeavesTheLastEighthToWhatIsSmall) {
  MemoryBudget budget(80 * kMiB);
  EXPECT_FALSE(budget.try_charge(71 * kMiB));
  ASSERT_TRUE(budget.try_charge(70 * kMiB));
  EXPECT_FALSE(budget.try_charge(3 * kMiB));
  EXPECT_TRUE(budget.try_charge(2 * kMiB));
  // Many small steps of one request are a large one.
  EXPECT_FALSE(budget.try_charge(1 * kMiB, 2 * kMiB));
  MemoryCharge charge(budget);
  EXPECT_TRUE(charge.grow(kMiB).ok());
  EXPECT_TRUE(charge.grow(kMiB).ok());
  EXPECT_EQ(charge.grow(kMiB).code(), Code::kResourceExhausted);
  EXPECT_EQ(charge.bytes(), 2 * kMiB);
  EXPECT_EQ(budget.used_bytes(), 74 * kMiB);
}

TEST(MemoryBudget, ALargeRefusalTakesNoSmallChargeWithIt) {
  MemoryBudget budget(80 * kMiB);
  std::atomic<bool> ended = false;
  std::thread greedy([&] {
    while (!ended) EXPECT_FALSE(budget.try_charge(1000 * kMiB));
  });
  int refused = 0;
  for (int i = 0; i < 200'000; ++i) {
    if (!budget.try_charge(1024)) {
      ++refused;
    } else {
      budget.release(1024);
    }
  }
  ended = true;
  greedy.join();
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(budget.used_bytes(), 0);
}

}  // namespace
}  // namespace gatehouse
