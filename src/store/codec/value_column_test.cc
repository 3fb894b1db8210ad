#include "store/codec/value_column.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/random.h"
#include "model/sample.h"
#include "store/codec/entropy.h"
#include "store/codec/int_column.h"

namespace gatehouse::store {
namespace {

void expect_ints(const std::vector<int64_t>& values, const std::vector<int64_t>& reference) {
  std::string bytes;
  const bool used = encode_ints(values, reference, bytes);
  std::string_view in = bytes;
  std::vector<int64_t> back(values.size());
  ASSERT_TRUE(decode_ints(in, used ? reference : std::vector<int64_t>(), back));
  EXPECT_TRUE(in.empty());
  EXPECT_EQ(back, values);
}

TEST(IntColumn, GivesBackEveryNumber) {
  Random random(11);
  for (int round = 0; round < 1500; ++round) {
    const size_t n = 1 + random.below(round % 10 == 0 ? kColumnRowsMax : 80);
    std::vector<int64_t> values(n);
    std::vector<int64_t> reference(n);
    auto last = static_cast<int64_t>(random.next() >> random.below(64));
    const uint64_t mood = random.below(7);
    const uint64_t width = random.below(63);
    for (size_t i = 0; i < n; ++i) {
      reference[i] = static_cast<int64_t>(i * 100 + random.below(30));
      switch (mood) {
        case 0: last = static_cast<int64_t>(random.next()); break;
        case 1: last += static_cast<int64_t>(random.below(uint64_t{1} << (width / 2))); break;
        case 2: last = reference[i] + 7; break;
        case 3: last = static_cast<int64_t>(random.below(uint64_t{1} << width)); break;
        case 4:
          last += random.below(50) == 0 ? 4096 * static_cast<int64_t>(random.below(99)) : 0;
          break;
        case 5: last = static_cast<int64_t>(1000 * std::sin(static_cast<double>(i) / 9)); break;
        default:
          last = random.below(2) == 0 ? INT64_MAX - static_cast<int64_t>(random.below(3))
                                      : INT64_MIN + static_cast<int64_t>(random.below(3));
      }
      values[i] = last;
    }
    expect_ints(values, {});
    expect_ints(values, reference);
    if (HasFailure()) FAIL() << "round " << round << " mood " << mood;
  }
}

TEST(IntColumn, ALineTakesAFewBytes) {
  std::vector<int64_t> values(1920);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = 1'700'000'000'000 + static_cast<int64_t>(i) * 15000;
  }
  std::string bytes;
  EXPECT_FALSE(encode_ints(values, {}, bytes));
  EXPECT_LE(bytes.size(), 12u);
}

TEST(IntColumn, ANearReferenceIsUsed) {
  Random random(5);
  std::vector<int64_t> reference(1000);
  std::vector<int64_t> values(1000);
  int64_t a = 0;
  int64_t b = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto step = static_cast<int64_t>(random.below(100));
    reference[i] = a += step;
    values[i] = b += step + (random.below(50) == 0 ? 1 : 0);
  }
  std::string alone;
  std::string beside;
  encode_ints(values, {}, alone);
  EXPECT_TRUE(encode_ints(values, reference, beside));
  EXPECT_LT(beside.size() * 4, alone.size());
  std::string_view in = beside;
  std::vector<int64_t> back(values.size());
  EXPECT_FALSE(decode_ints(in, {}, back));
}

TEST(Entropy, EveryModelIsWhole) {
  for (int id = 0; id < kModels; ++id) {
    const Model& model = model_of(id);
    uint32_t sum = 0;
    for (uint32_t s = 0; s < kSymbols; ++s) {
      EXPECT_EQ(model.start[s], sum) << id;
      sum += model.frequency[s];
    }
    EXPECT_EQ(sum, 1u << kModelBits) << id;
    EXPECT_GE(model.frequency[kEscape], 1) << id;
  }
}

// The models are part of the format: a change of one bit makes old files unreadable.
TEST(Entropy, TheModelsAreThoseOfTheFormat) {
  uint64_t hash = 14695981039346656037u;
  for (int id = 0; id < kModels; ++id) {
    for (const uint16_t frequency : model_of(id).frequency) {
      hash = (hash ^ frequency) * 1099511628211u;
    }
  }
  EXPECT_EQ(hash, 16863423715940416507u);
}

void expect_values(const std::vector<double>& values) {
  WholeColumn column;
  to_whole_column(values, column);
  std::string bytes;
  encode_values(column, nullptr, bytes);
  std::string_view in = bytes;
  std::vector<double> back(values.size());
  std::vector<int64_t> whole(values.size());
  ASSERT_TRUE(decode_values(in, {}, whole, back));
  EXPECT_EQ(whole, column.whole);
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint64_t>(back[i]), std::bit_cast<uint64_t>(values[i])) << i;
  }
}

TEST(ValueColumn, GivesBackEveryBit) {
  Random random(7);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (int round = 0; round < 1500; ++round) {
    std::vector<double> values(1 + random.below(300));
    const uint64_t mood = random.below(6);
    const uint64_t odd = random.below(60);
    const double unit = std::pow(10.0, static_cast<double>(random.below(15)));
    double sum = 0;
    for (double& value : values) {
      switch (mood) {
        case 0: value = std::bit_cast<double>(random.next()); break;
        case 1: value = std::round(static_cast<double>(random.below(1'000'000))) / unit; break;
        case 2: value = sum += random.uniform(); break;
        case 3: value = sum += static_cast<double>(random.below(50)); break;
        case 4: value = static_cast<double>(static_cast<float>(random.uniform())); break;
        default: value = std::numeric_limits<double>::denorm_min() * random.uniform() * 1e6;
      }
      if (random.below(60) < odd / 10) {
        const double odds[] = {-0.0,          kInfinity, -kInfinity, model::kStaleValue,
                               std::nan("7"), 1e300,     0.1};
        value = odds[random.below(std::size(odds))];
      }
    }
    expect_values(values);
    if (HasFailure()) FAIL() << "round " << round << " mood " << mood;
  }
}

TEST(ValueColumn, NothingButNaN) { expect_values(std::vector<double>(50, std::nan(""))); }

TEST(ValueColumn, ReadsNothingPastACutShortColumn) {
  std::vector<double> values;
  for (int i = 0; i < 500; ++i) values.push_back(std::sin(i) * 100);
  values[7] = -0.0;
  WholeColumn column;
  to_whole_column(values, column);
  std::string bytes;
  encode_values(column, nullptr, bytes);
  std::vector<double> back(values.size());
  std::vector<int64_t> whole(values.size());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);  // its own allocation, for the sanitizer
    std::string_view in = cut;
    EXPECT_FALSE(decode_values(in, {}, whole, back)) << size;
  }
}

}  // namespace
}  // namespace gatehouse::store
