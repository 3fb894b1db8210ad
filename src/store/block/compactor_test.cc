#include "store/block/compactor.h"

#include <gtest/gtest.h>

namespace gatehouse::store {
namespace {

constexpr int64_t kHourMs = 3'600'000;
using Indexes = std::vector<size_t>;

BlockState block(const char* id, int64_t begin_hours, int64_t end_hours, uint64_t bytes = 1) {
  BlockState state;
  state.meta.id = id;
  state.meta.begin_ms = begin_hours * kHourMs;
  state.meta.end_ms = end_hours * kHourMs - 1;
  state.meta.bytes = bytes;
  return state;
}

Indexes plan(const std::vector<BlockState>& blocks) {
  return plan_compaction(blocks, compaction_levels_ms(2 * kHourMs, 0));
}

TEST(CompactionLevels, GrowFourTimesUpToATenthOfTheRetention) {
  const auto hours = [](int64_t retention_hours) {
    std::vector<int64_t> levels = compaction_levels_ms(2 * kHourMs, retention_hours * kHourMs);
    for (int64_t& level : levels) level /= kHourMs;
    return levels;
  };
  EXPECT_EQ(hours(0), (std::vector<int64_t>{2, 8, 32, 128, 512}));
  EXPECT_EQ(hours(15 * 24), (std::vector<int64_t>{2, 8, 32}));
  EXPECT_EQ(hours(24), (std::vector<int64_t>{2}));
}

TEST(PlanCompaction, NothingToDo) {
  EXPECT_EQ(plan({}), Indexes{});
  EXPECT_EQ(plan({block("a", 0, 2)}), Indexes{});
  EXPECT_EQ(plan({block("a", 0, 2), block("b", 2, 4), block("c", 4, 6)}), Indexes{});
}

TEST(PlanCompaction, ARangeThatHasPassedIsMerged) {
  const std::vector<BlockState> blocks{block("a", 0, 2), block("b", 2, 4), block("c", 4, 6),
                                       block("d", 6, 8), block("e", 8, 10)};
  EXPECT_EQ(plan(blocks), (Indexes{0, 1, 2, 3}));
}

TEST(PlanCompaction, GapsDoNotHoldItUp) {
  EXPECT_EQ(plan({block("a", 0, 2), block("b", 6, 8), block("c", 8, 10)}), (Indexes{0, 1}));
}

TEST(PlanCompaction, TheNextLevelFollows) {
  const std::vector<BlockState> blocks{block("a", 0, 8), block("b", 8, 16), block("c", 16, 24),
                                       block("d", 24, 32), block("e", 32, 34)};
  EXPECT_EQ(plan(blocks), (Indexes{0, 1, 2, 3}));
}

TEST(PlanCompaction, SmallBlocksOfOneRangeAreMergedFirst) {
  // A start and a stop cut the range of two hours into pieces.
  EXPECT_EQ(plan({block("a", 0, 1), block("b", 1, 2), block("c", 2, 4)}), (Indexes{0, 1}));
}

TEST(PlanCompaction, OverlappingBlocksComeFirst) {
  const std::vector<BlockState> blocks{block("a", 0, 8), block("c", 10, 12), block("b", 11, 13),
                                       block("d", 12, 14), block("e", 20, 22)};
  EXPECT_EQ(plan(blocks), (Indexes{1, 2, 3}));
  EXPECT_EQ(plan({block("a", 0, 32), block("b", 4, 6)}), (Indexes{0, 1}));
}

TEST(PlanCompaction, TimesBeforeTheEpoch) {
  EXPECT_EQ(plan({block("a", -8, -6), block("b", -2, 0), block("c", 0, 2)}), (Indexes{0, 1}));
}

TEST(PlanCompaction, MuchDeletedIsWrittenAnew) {
  std::vector<BlockState> blocks{block("a", 0, 2), block("b", 2, 4)};
  blocks[1].deleted = 0.05;
  EXPECT_EQ(plan(blocks), Indexes{});
  blocks[1].deleted = 0.5;
  EXPECT_EQ(plan(blocks), Indexes{1});
}

TEST(PlanRetention, ByAgeAndBySize) {
  const std::vector<BlockMeta> blocks{block("b", 2, 4, 100).meta, block("a", 0, 2, 100).meta,
                                      block("c", 4, 6, 100).meta};
  const auto gone = [&](int64_t age_hours, uint64_t bytes, uint64_t others = 0) {
    RetentionLimits limits;
    limits.age_ms = age_hours * kHourMs;
    limits.bytes = bytes;
    limits.others = others;
    return plan_retention(blocks, 6 * kHourMs, limits);
  };
  EXPECT_EQ(gone(0, 0), Indexes{});
  EXPECT_EQ(gone(4, 0), Indexes{1});
  EXPECT_EQ(gone(1, 0), (Indexes{1, 0}));
  EXPECT_EQ(gone(0, 300), Indexes{});
  EXPECT_EQ(gone(0, 299), Indexes{1});
  EXPECT_EQ(gone(0, 300, 150), (Indexes{1, 0}));
  EXPECT_EQ(gone(4, 100), (Indexes{1, 0}));
}

TEST(Tombstones, JoinWhatTouches) {
  Tombstones::Ranges ranges;
  add_range(ranges, {10, 20});
  add_range(ranges, {40, 50});
  add_range(ranges, {21, 25});
  add_range(ranges, {5, 3});
  ASSERT_EQ(ranges.size(), 2u);
  EXPECT_EQ(ranges[0].end_ms, 25);
  add_range(ranges, {INT64_MIN, INT64_MAX});
  ASSERT_EQ(ranges.size(), 1u);
  add_range(ranges, {0, 1});
  EXPECT_EQ(ranges.size(), 1u);
}

TEST(Tombstones, GiveBackWhatWasWritten) {
  Tombstones tombstones;
  tombstones.add(7, {INT64_MIN, -5});
  tombstones.add(7, {10, 20});
  tombstones.add(100000, {1, INT64_MAX});
  std::string bytes = tombstones.encode();
  const auto parsed = Tombstones::parse(bytes);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->encode(), bytes);
  EXPECT_EQ(parsed->series(), 2u);
  ASSERT_NE(parsed->of(7), nullptr);
  EXPECT_EQ(parsed->of(7)->size(), 2u);
  EXPECT_EQ(parsed->of(8), nullptr);
  for (char& byte : bytes) {
    byte = static_cast<char>(byte ^ 1);
    EXPECT_EQ(Tombstones::parse(bytes).status().code(), Code::kDataLoss);
    byte = static_cast<char>(byte ^ 1);
  }
}

TEST(Tombstones, DropRowsOfEveryColumn) {
  model::SampleColumns columns;
  columns.times_ms = {1, 2, 3, 4, 5};
  columns.values = {1, 2, 3, 4, 5};
  columns.starts_ms = {0, 0, 9, 9, 9};
  drop_deleted({{0, 1}, {3, 4}}, columns, 1);
  EXPECT_EQ(columns.times_ms, (std::vector<int64_t>{1, 2, 5}));
  EXPECT_EQ(columns.values, (std::vector<double>{1, 2, 5}));
  EXPECT_EQ(columns.starts_ms, (std::vector<int64_t>{0, 0, 9}));
}

}  // namespace
}  // namespace gatehouse::store
