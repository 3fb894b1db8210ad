#include "export/send_queue.h"

#include <gtest/gtest.h>

#include <map>

namespace gatehouse::exporting {
namespace {

using store::WalPlace;

Entry sample(uint32_t slot, int64_t time_ms) {
  Entry entry;
  entry.slot = slot;
  entry.time_ms = time_ms;
  return entry;
}

std::vector<Entry> round_of(uint32_t series, int64_t time_ms) {
  std::vector<Entry> entries;
  for (uint32_t slot = 0; slot < series; ++slot) entries.push_back(sample(slot, time_ms));
  return entries;
}

class SendQueueTest : public testing::Test {
 protected:
  bool push(std::vector<Entry> entries, WalPlace from, WalPlace to, int64_t now_ms = 0) {
    return queue.push(entries, from, to, now_ms);
  }
  MemoryBudget budget{1 << 20};
  SendQueue queue{budget, 8};
};

TEST_F(SendQueueTest, WaitsForAFullBatchOrTheDeadline) {
  ASSERT_TRUE(push(round_of(10, 1), {1, 48}, {1, 100}, 1000));
  EXPECT_TRUE(queue.take(11, 999).empty());
  SendQueue::Batch all = queue.take(11, 1000);
  EXPECT_EQ(all.entries.size(), 10u);
  EXPECT_EQ(queue.size(), 10u);
  EXPECT_EQ(queue.ready(), 0u);
  queue.done(all);
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(budget.used_bytes(), 0);
  ASSERT_TRUE(push(round_of(11, 2), {1, 100}, {1, 200}, 2000));
  EXPECT_EQ(queue.take(11, 0).entries.size(), 11u);
}

// Whatever is taken and finished in whatever order, a series' samples leave in theirs.
TEST_F(SendQueueTest, NoSeriesOvertakesItself) {
  constexpr int kRounds = 40;
  for (int64_t t = 1; t <= kRounds; ++t) ASSERT_TRUE(push(round_of(50, t), {1, 0}, {1, 1}));
  std::map<uint32_t, int64_t> last;
  std::vector<SendQueue::Batch> under_way;
  size_t seen = 0;
  for (uint32_t step = 0; seen < 50 * kRounds; ++step) {
    SendQueue::Batch batch = queue.take(100, INT64_MAX);
    if (batch.empty() || under_way.size() == 3) {
      ASSERT_FALSE(under_way.empty());
      const size_t which = step % under_way.size();
      for (const Entry& entry : under_way[which].entries) {
        EXPECT_EQ(entry.time_ms, last[entry.slot] + 1);
        last[entry.slot] = entry.time_ms;
        ++seen;
      }
      queue.done(under_way[which]);
      under_way.erase(under_way.begin() + static_cast<ptrdiff_t>(which));
    }
    if (!batch.empty()) under_way.push_back(std::move(batch));
  }
  EXPECT_EQ(queue.size(), 0u);
}

TEST_F(SendQueueTest, TheDoneToPlaceIsThatOfTheOldestLeft) {
  EXPECT_EQ(queue.done_to(), WalPlace());
  ASSERT_TRUE(push({}, {1, 48}, {1, 48}));
  EXPECT_EQ(queue.done_to(), (WalPlace{1, 48}));
  ASSERT_TRUE(push(round_of(20, 1), {1, 48}, {1, 100}));
  ASSERT_TRUE(push(round_of(20, 2), {1, 100}, {2, 60}));
  ASSERT_TRUE(push({}, {2, 60}, {2, 90}));  // nothing to send in there
  SendQueue::Batch first = queue.take(5, INT64_MAX);
  SendQueue::Batch second = queue.take(100, INT64_MAX);
  ASSERT_FALSE(first.empty());
  ASSERT_FALSE(second.empty());
  const bool first_has_oldest = first.entries.front().sequence < 20;
  EXPECT_EQ(queue.done_to(), (WalPlace{1, 48}));
  queue.done(second);
  EXPECT_TRUE(first_has_oldest);
  EXPECT_EQ(queue.done_to(), (WalPlace{1, 48}));
  queue.done(first);
  SendQueue::Batch rest = queue.take(100, INT64_MAX);
  if (!rest.empty()) queue.done(rest);
  EXPECT_EQ(queue.done_to(), (WalPlace{2, 90}));
}

TEST_F(SendQueueTest, WithoutMemoryNothingIsQueued) {
  std::vector<Entry> entries = round_of(100'000, 1);
  EXPECT_FALSE(queue.push(entries, {1, 48}, {1, 100}, 0));
  EXPECT_EQ(entries.size(), 100'000u);
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(budget.used_bytes(), 0);
}

TEST_F(SendQueueTest, AnExemplarGoesWithItsSample) {
  SendQueue one(budget, 1);
  std::vector<Entry> entries;
  for (int64_t t = 0; t < 4; ++t) {
    entries.push_back(sample(1, t));
    Entry exemplar = sample(1, t);
    exemplar.kind = EntryKind::kExemplar;
    exemplar.more = std::make_shared<const model::Exemplar>();
    entries.push_back(std::move(exemplar));
  }
  ASSERT_TRUE(one.push(entries, {1, 0}, {1, 1}, 0));
  EXPECT_EQ(one.counts().exemplars, 4u);
  SendQueue::Batch batch = one.take(3, INT64_MAX);
  EXPECT_EQ(batch.entries.size(), 4u);
  EXPECT_EQ(batch.entries.back().kind, EntryKind::kExemplar);
}

}  // namespace
}  // namespace gatehouse::exporting
