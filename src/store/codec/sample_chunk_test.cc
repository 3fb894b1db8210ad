#include "store/codec/sample_chunk.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"
#include "store/codec/sealed_chunk.h"

namespace gatehouse::store {
namespace {

struct Row {
  int64_t time_ms;
  double value;
  int64_t start_ms = 0;
};

uint64_t bits(double value) { return std::bit_cast<uint64_t>(value); }

SampleChunk chunk_of(const std::vector<Row>& rows) {
  SampleChunk chunk;
  for (const Row& row : rows) chunk.append(row.time_ms, row.value, row.start_ms);
  return chunk;
}

void expect_rows(std::string_view bytes, const std::vector<Row>& rows) {
  SampleChunkReader reader(bytes);
  size_t i = 0;
  for (; reader.next(); ++i) {
    ASSERT_LT(i, rows.size());
    EXPECT_EQ(reader.time_ms(), rows[i].time_ms) << i;
    EXPECT_EQ(reader.value_bits(), bits(rows[i].value)) << i;
    EXPECT_EQ(reader.start_ms(), rows[i].start_ms) << i;
  }
  EXPECT_TRUE(reader.status().ok());
  EXPECT_EQ(i, rows.size());
  // All at once, and the middle of it.
  for (const size_t cut : {size_t{0}, rows.size() / 3}) {
    const std::vector<Row> wanted(rows.begin() + static_cast<ptrdiff_t>(cut),
                                  rows.end() - static_cast<ptrdiff_t>(cut));
    if (wanted.empty()) continue;
    model::SampleColumns columns;
    EXPECT_TRUE(
        decode_sample_chunk(bytes, wanted.front().time_ms, wanted.back().time_ms, columns).ok());
    ASSERT_EQ(columns.size(), wanted.size());
    for (size_t k = 0; k < wanted.size(); ++k) {
      EXPECT_EQ(columns.times_ms[k], wanted[k].time_ms) << k;
      EXPECT_EQ(bits(columns.values[k]), bits(wanted[k].value)) << k;
      EXPECT_EQ(columns.starts_ms.empty() ? 0 : columns.starts_ms[k], wanted[k].start_ms) << k;
    }
  }
}

// Values that are hard for any codec of doubles.
double hard_value(Random& random) {
  switch (random.below(14)) {
    case 0: return 0.0;
    case 1: return -0.0;
    case 2: return std::numeric_limits<double>::infinity();
    case 3: return -std::numeric_limits<double>::infinity();
    case 4: return model::kStaleValue;
    case 5: return std::bit_cast<double>(model::kNormalNanBits);
    case 6: return std::bit_cast<double>(0xfff8000000000000 | random.below(1 << 20));
    case 7: return std::numeric_limits<double>::denorm_min() * static_cast<double>(random.below(9));
    case 8: return std::bit_cast<double>(random.next());
    case 9: return static_cast<double>(static_cast<int64_t>(random.next()));
    case 10: return std::ldexp(1, 53) + static_cast<double>(random.below(8)) - 4;
    case 11: return static_cast<double>(random.below(100000)) / 1000;
    case 12: return std::numeric_limits<double>::max();
    default: return static_cast<double>(random.below(1000));
  }
}

TEST(SampleChunk, ACounterOf40SamplesTakes80Bytes) {
  Random random(1);
  SampleChunk chunk;
  double value = 123456;
  for (int i = 0; i < 40; ++i) {
    chunk.append(1'700'000'000'000 + i * 15000, value);
    value += static_cast<double>(100 + random.below(40));
  }
  EXPECT_LE(chunk.bytes().size(), 80u);
  EXPECT_LE(chunk.memory_bytes(), 104u);
}

TEST(SampleChunk, WhatStandsStillTakesABytePerSixteenSamples) {
  SampleChunk chunk;
  for (int i = 0; i < 120; ++i) chunk.append(1'700'000'000'000 + i * 15000, 1);
  EXPECT_LE(chunk.bytes().size(), 24u);
}

TEST(SampleChunk, TellsTheFirstAndTheLastSample) {
  const SampleChunk chunk = chunk_of({{-5, 1.5}, {7, -0.0}});
  EXPECT_EQ(chunk.first_time_ms(), -5);
  EXPECT_EQ(chunk.last_time_ms(), 7);
  EXPECT_EQ(chunk.last_value_bits(), bits(-0.0));
  EXPECT_EQ(chunk.size(), 2u);
}

TEST(SampleChunk, GivesBackEveryBit) {
  Random random(2);
  for (int round = 0; round < 3000; ++round) {
    std::vector<Row> rows;
    int64_t time = static_cast<int64_t>(random.next() >> (1 + random.below(60)));
    int64_t start = 0;
    double value = 0;
    const uint64_t mood = random.below(6);
    const uint64_t count = 1 + random.below(SampleChunk::kSamplesMax);
    for (uint64_t i = 0; i < count; ++i) {
      if (mood == 0 || random.below(20) == 0) {
        value = hard_value(random);
      } else if (mood == 1) {
        value += static_cast<double>(random.below(200));
      } else if (mood == 2) {
        value = static_cast<double>(random.below(100000)) / 100;
      } else if (mood == 3) {
        value = random.uniform();
      } else if (mood == 4 && random.below(4) == 0) {
        value = std::floor(random.uniform() * 1e6) / 1e4;
      }
      if (random.below(40) == 0) start = static_cast<int64_t>(random.next());
      rows.push_back({time, value, start});
      time += 15000;
      if (random.below(10) == 0)
        time += static_cast<int64_t>(random.next() >> (10 + random.below(50)));
    }
    const SampleChunk chunk = chunk_of(rows);
    expect_rows(chunk.bytes(), rows);
    if (HasFatalFailure() || HasNonfatalFailure()) FAIL() << "round " << round;
  }
}

TEST(SampleChunk, GoesOnWhereItsBytesEnd) {
  Random random(3);
  for (int round = 0; round < 500; ++round) {
    std::vector<Row> rows;
    double value = 5;
    for (uint64_t i = 0; i < 100; ++i) {
      if (random.below(3) != 0) value = random.below(5) == 0 ? hard_value(random) : value + 0.5;
      rows.push_back({static_cast<int64_t>(i * 1000 + random.below(3) / 2), value,
                      static_cast<int64_t>(i / 50)});
    }
    SampleChunk chunk;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (random.below(10) == 0 && i > 0) {
        Result<SampleChunk> resumed = SampleChunk::resume(chunk.bytes());
        ASSERT_TRUE(resumed.ok());
        EXPECT_EQ(resumed->size(), i);
        if (random.below(2) == 0) {
          std::string state;
          chunk.put_state(state);
          std::string_view rest = state;
          resumed = SampleChunk::resume(chunk.bytes(), chunk.last_time_ms(), rest);
          ASSERT_TRUE(resumed.ok());
          EXPECT_TRUE(rest.empty());
          EXPECT_EQ(resumed->size(), i);
          EXPECT_EQ(resumed->last_value_bits(), chunk.last_value_bits());
          rest = std::string_view(state).substr(0, state.size() - 1);
          EXPECT_FALSE(SampleChunk::resume(chunk.bytes(), chunk.last_time_ms(), rest).ok());
        }
        chunk = std::move(*resumed);
      }
      chunk.append(rows[i].time_ms, rows[i].value, rows[i].start_ms);
    }
    expect_rows(chunk.bytes(), rows);
  }
}

TEST(SampleChunk, AMovedOneIsEmptyAndCanBeUsed) {
  SampleChunk chunk = chunk_of({{1, 2}, {3, 4}});
  const SampleChunk other = std::move(chunk);
  EXPECT_EQ(other.size(), 2u);
  EXPECT_TRUE(chunk.empty());  // NOLINT: what is tested
  chunk = SampleChunk();
  chunk.append(9, 1.25);
  expect_rows(chunk.bytes(), {{9, 1.25}});
}

TEST(SampleChunk, DecodesTheSamplesOfARange) {
  const SampleChunk chunk = chunk_of({{10, 1}, {20, 2}, {30, 3, 5}, {40, 4, 5}});
  model::SampleColumns out;
  ASSERT_TRUE(decode_sample_chunk(chunk.bytes(), 20, 30, out).ok());
  EXPECT_EQ(out.times_ms, (std::vector<int64_t>{20, 30}));
  EXPECT_EQ(out.values, (std::vector<double>{2, 3}));
  EXPECT_EQ(out.starts_ms, (std::vector<int64_t>{0, 5}));
}

TEST(SealedChunk, HoldsWhatTheChunksHeldInLess) {
  Random random(4);
  for (int round = 0; round < 300; ++round) {
    std::vector<SampleChunk> chunks(1 + random.below(4));
    model::SampleColumns wanted;
    double value = 1000;
    int64_t time = 1'700'000'000'000;
    size_t bytes = 0;
    std::vector<std::string_view> views;
    for (SampleChunk& chunk : chunks) {
      for (uint32_t i = 0; i < SampleChunk::kSamplesMax; ++i) {
        value = round % 3 == 0 && random.below(9) == 0
                    ? hard_value(random)
                    : value + static_cast<double>(random.below(40));
        chunk.append(time += 15000, value, round % 5 == 0 ? 77 : 0);
      }
      bytes += chunk.bytes().size();
      views.push_back(chunk.bytes());
      ASSERT_TRUE(decode_sample_chunk(chunk.bytes(), INT64_MIN, INT64_MAX, wanted).ok());
    }
    std::string sealed;
    ASSERT_TRUE(seal_chunks(views, sealed).ok());
    if (round % 3 == 1) {
      EXPECT_LT(sealed.size(), bytes);
    }
    model::SampleColumns found;
    ASSERT_TRUE(decode_sealed_chunk(sealed, INT64_MIN, INT64_MAX, found).ok());
    EXPECT_EQ(found.times_ms, wanted.times_ms);
    EXPECT_EQ(found.starts_ms, wanted.starts_ms);
    ASSERT_EQ(found.size(), wanted.size());
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_EQ(bits(found.values[i]), bits(wanted.values[i]));
    model::SampleColumns part;
    ASSERT_TRUE(decode_sealed_chunk(sealed, wanted.times_ms[5], wanted.times_ms[9], part).ok());
    EXPECT_EQ(part.times_ms.size(), 5u);
    for (size_t size = 0; size < sealed.size() && round < 5; ++size) {
      model::SampleColumns cut;
      EXPECT_FALSE(decode_sealed_chunk(sealed.substr(0, size), INT64_MIN, INT64_MAX, cut).ok());
    }
  }
}

TEST(SampleChunk, ShrinksToWhatItNeeds) {
  SampleChunk chunk;
  for (int i = 0; i < 60; ++i) chunk.append(i * 1000, std::sqrt(i));
  const std::string before(chunk.bytes());
  chunk.shrink();
  EXPECT_EQ(chunk.bytes(), before);
  EXPECT_LE(chunk.memory_bytes(), before.size() + 24);
}

TEST(SampleChunk, RefusesWhatIsCutShort) {
  const SampleChunk chunk = chunk_of({{10, 1}, {20, 0.1}, {31, 1e300}});
  const std::string_view whole = chunk.bytes();
  EXPECT_FALSE(SampleChunk::resume("").ok());
  EXPECT_FALSE(SampleChunk::resume(whole.substr(0, 8)).ok());
  EXPECT_FALSE(SampleChunk::resume(whole.substr(0, whole.size() - 1)).ok());
  EXPECT_FALSE(SampleChunk::resume(std::string(whole) + "\xff").ok());
}

}  // namespace
}  // namespace gatehouse::store
