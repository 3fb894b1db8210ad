#include "wire/remote_read.h"

#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "wire/protobuf.h"
#include "wire/remote_write.h"
#include "wire/xor_chunk.h"

namespace gatehouse::wire {
namespace {

using namespace std::literals;

TEST(RemoteRead, ReadsARequest) {
  // From 1,000 to 2,000 ms, __name__="up", job=~"a.*", hints (step 5 ms, func
  // "rate"); chunks are liked better than samples.
  constexpr std::string_view kBytes =
      "\x0a\x31\x08\xe8\x07\x10\xd0\x0f"
      "\x1a\x0e\x12\x08__name__\x1a\x02up"
      "\x1a\x0c\x08\x02\x12\x03job\x1a\x03"
      "a.*"
      "\x22\x0b\x08\x05\x12\x04rate\x38\xe8\x07"
      "\x12\x02\x01\x00"sv;
  const auto request = decode_read_request(kBytes);
  ASSERT_TRUE(request.ok()) << request.status().message();
  ASSERT_EQ(request->queries.size(), 1u);
  const ReadQuery& query = request->queries[0];
  EXPECT_EQ(query.begin_ms, 1000);
  EXPECT_EQ(query.end_ms, 2000);
  ASSERT_EQ(query.matchers.size(), 2u);
  EXPECT_EQ(query.matchers[0].to_string(), "__name__=\"up\"");
  EXPECT_EQ(query.matchers[1].to_string(), "job=~\"a.*\"");
  EXPECT_EQ(query.hints.step_ms, 5);
  EXPECT_EQ(query.hints.function, "rate");
  EXPECT_EQ(query.hints.range_ms, 1000);
  EXPECT_EQ(request->accepted,
            (std::vector{ReadResponseType::kStreamedXorChunks, ReadResponseType::kSamples}));
  for (size_t cut = 1; cut < 40; ++cut) {
    EXPECT_FALSE(decode_read_request(kBytes.substr(0, cut)).ok()) << cut;
  }
}

TEST(RemoteRead, AnswersWithSamplesUnlessAskedOtherwise) {
  EXPECT_EQ(decode_read_request("")->accepted, std::vector{ReadResponseType::kSamples});
  EXPECT_FALSE(decode_read_request("\x10\x07").ok());
}

TEST(RemoteRead, RefusesMatchersThatMayNotBe) {
  const auto matcher = [](uint64_t type, std::string_view value) {
    std::string out;
    ProtoWriter writer(out);
    writer.message(1, [&](ProtoWriter& query) {
      query.message(3, [&](ProtoWriter& inner) {
        inner.varint(1, type);
        inner.bytes(2, "job");
        inner.bytes(3, value);
      });
    });
    return decode_read_request(out).ok();
  };
  EXPECT_TRUE(matcher(3, "a+"));
  EXPECT_FALSE(matcher(3, "a("));
  EXPECT_FALSE(matcher(4, "a"));
  EXPECT_FALSE(matcher(0, "\xff"));
}

model::SampleColumns columns(size_t count) {
  model::SampleColumns out;
  for (size_t i = 0; i < count; ++i) {
    out.times_ms.push_back(1'700'000'000'000 + static_cast<int64_t>(i) * 15000 + (i % 7 == 3));
    out.values.push_back(i % 11 == 0 ? model::kStaleValue : static_cast<double>(i * i) / 3);
  }
  return out;
}

TEST(RemoteRead, WritesSamples) {
  model::SampleColumns samples = columns(2);
  samples.histograms.resize(2);
  auto histogram = std::make_shared<model::NativeHistogram>();
  histogram->whole = true;
  histogram->count = histogram->zero_count = 4;
  samples.histograms[1] = histogram;
  const model::LabelView labels[] = {{"__name__", "up"}};
  std::string result, response;
  append_read_series(labels, {}, result);
  EXPECT_EQ(result, "");
  append_read_series(labels, samples, result);
  append_read_result(result, response);
  append_read_result("", response);
  EXPECT_TRUE(response.ends_with("\x0a\x00"sv));
  // A result is what a write request has: series in field 1.
  RemoteWriteDecoder decoder;
  const auto decoded = decoder.decode(RemoteWriteVersion::kV1, result);
  ASSERT_TRUE(decoded.ok());
  ASSERT_EQ(decoded->series.size(), 1u);
  ASSERT_EQ(decoded->series[0].samples.size(), 1u);
  EXPECT_EQ(decoded->series[0].samples[0].time_ms, samples.times_ms[0]);
  ASSERT_EQ(decoded->series[0].histograms.size(), 1u);
  EXPECT_EQ(decoded->series[0].histograms[0].histogram, *histogram);
}

// Reads XOR chunks, after the description of the format alone.
struct XorReader {
  std::string_view bytes;
  size_t at = 0;
  uint64_t bits(int count) {
    uint64_t value = 0;
    for (; count > 0; --count, ++at) {
      value = value << 1 | (static_cast<unsigned char>(bytes.at(at / 8)) >> (7 - at % 8) & 1u);
    }
    return value;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const uint64_t byte = bits(8);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
  void read(std::vector<int64_t>& times, std::vector<double>& values) {
    const uint64_t count = bits(16);
    const uint64_t zigzag = varint();
    auto time = static_cast<int64_t>(zigzag >> 1 ^ (~(zigzag & 1) + 1));
    uint64_t value = bits(64);
    int64_t delta = 0;
    int leading = 0, trailing = 0;
    for (uint64_t i = 0; i < count; ++i) {
      if (i == 1) delta = static_cast<int64_t>(varint());
      if (i > 1) {
        int ones = 0;
        while (ones < 4 && bits(1) == 1) ++ones;
        const int width = std::vector{0, 14, 17, 20, 64}[static_cast<size_t>(ones)];
        auto change = static_cast<int64_t>(bits(width));
        if (width > 0 && width < 64 && change > int64_t{1} << (width - 1)) {
          change -= int64_t{1} << width;
        }
        delta += change;
      }
      if (i > 0) {
        time += delta;
        if (bits(1) == 1) {
          if (bits(1) == 1) {
            leading = static_cast<int>(bits(5));
            const int significant = static_cast<int>(bits(6));
            trailing = 64 - leading - (significant == 0 ? 64 : significant);
          }
          value ^= bits(64 - leading - trailing) << trailing;
        }
      }
      times.push_back(time);
      values.push_back(std::bit_cast<double>(value));
    }
  }
};

TEST(XorChunk, WritesTheBytesOfTheFormat) {
  XorChunkWriter writer;
  writer.append(1000, 1.0);
  writer.append(1010, 1.0);  // the delta 10 as a varint, then a 0 bit
  writer.append(1020, 1.0);  // two 0 bits
  writer.append(1031, 3.0);
  // A difference of 1 in 14 bits behind 10. 1.0 and 3.0 differ by 7ff8000000000000:
  // 1, 1, one zero before (5 bits), twelve bits that matter (6), those.
  //   0 | 0 0 | 10 00000000000001 | 1 1 00001 001100 111111111111 | padding
  EXPECT_EQ(hex_encode(writer.finish()), "0004d00f3ff00000000000000a1000384cfff0");
}

TEST(XorChunk, KeepsEverySample) {
  std::vector<int64_t> times = {-5,
                                0,
                                1,
                                2,
                                8200,
                                16394,
                                24587,
                                90000,
                                200000,
                                850000,
                                1'700'000'000'000,
                                1'700'000'000'001,
                                INT64_MAX};
  std::vector<double> values;
  for (size_t i = 0; i < times.size(); ++i) {
    values.push_back(i % 3 == 0 ? model::kStaleValue
                                : std::bit_cast<double>(i * 0x9e3779b97f4a7c15));
  }
  XorChunkWriter writer;
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < times.size(); ++i) writer.append(times[i], values[i]);
    std::vector<int64_t> read_times;
    std::vector<double> read_values;
    XorReader{writer.finish()}.read(read_times, read_values);
    EXPECT_EQ(read_times, times);
    ASSERT_EQ(read_values.size(), values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(std::bit_cast<uint64_t>(read_values[i]), std::bit_cast<uint64_t>(values[i]));
    }
  }
}

TEST(RemoteRead, WritesFramesOfChunks) {
  const model::SampleColumns samples = columns(1000);
  const model::LabelView labels[] = {{"__name__", "up"}};
  std::string out;
  ASSERT_TRUE(append_read_frames(labels, samples, 3, out, 2000).ok());
  std::vector<int64_t> times;
  std::vector<double> values;
  size_t frames = 0;
  for (std::string_view rest = out; !rest.empty(); ++frames) {
    uint64_t length = 0;
    ASSERT_TRUE(get_varint(rest, length));
    ASSERT_GE(rest.size(), length + 4);
    const std::string_view message = rest.substr(4, length);
    uint32_t crc = 0;
    for (int i = 0; i < 4; ++i)
      crc = crc << 8 | static_cast<unsigned char>(rest[static_cast<size_t>(i)]);
    EXPECT_EQ(crc, crc32c(message));
    rest.remove_prefix(length + 4);
    EXPECT_TRUE(message.ends_with("\x10\x03"));
    ProtoReader reader(message);
    ASSERT_TRUE(reader.next());
    ProtoReader series(reader.bytes());
    while (series.next()) {
      if (series.field() == 1) {
        EXPECT_EQ(series.bytes(), "\x0a\x08__name__\x12\x02up"sv);
        continue;
      }
      ProtoReader chunk(series.bytes());
      int64_t first = 0, last = 0;
      while (chunk.next()) {
        if (chunk.field() == 1) {
          first = chunk.int64();
        } else if (chunk.field() == 2) {
          last = chunk.int64();
        } else if (chunk.field() == 3) {
          EXPECT_EQ(chunk.varint(), 1u);
        } else if (chunk.field() == 4) {
          const size_t before = times.size();
          XorReader{chunk.bytes()}.read(times, values);
          EXPECT_EQ(times[before], first);
          EXPECT_EQ(times.back(), last);
          EXPECT_LE(times.size() - before, 120u);
        }
      }
      EXPECT_TRUE(chunk.ok());
    }
  }
  EXPECT_GT(frames, 1u);
  EXPECT_EQ(times, samples.times_ms);
  ASSERT_EQ(values.size(), samples.size());
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint64_t>(values[i]), std::bit_cast<uint64_t>(samples.values[i]));
  }
}

}  // namespace
}  // namespace gatehouse::wire
