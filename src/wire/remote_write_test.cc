#include "wire/remote_write.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "wire/remote_write_encode.h"

namespace gatehouse::wire {
namespace {

using namespace std::literals;
using model::LabelView;
using model::SeriesAppend;

// {__name__="up",job="a"} with 1.5 at 1,000 ms, as bytes.
constexpr std::string_view kUpLabels =
    "\x0a\x0e\x0a\x08__name__\x12\x02up"
    "\x0a\x08\x0a\x03job\x12\x01"
    "a"sv;
constexpr std::string_view kSample = "\x12\x0c\x09\0\0\0\0\0\0\xf8\x3f\x10\xe8\x07"sv;

std::string message(char field, std::string_view contents) {
  std::string out;
  out += static_cast<char>(field << 3 | 2);
  put_varint(out, contents.size());
  return out += contents;
}
std::string label(std::string_view name, std::string_view value) {
  return message(1, message(1, name) + message(2, value));
}
const std::string kName = label("__name__", "up");

TEST(RemoteWrite, ReadsVersion1) {
  RemoteWriteDecoder decoder;
  const std::string request = message(1, std::string(kUpLabels) + std::string(kSample)) +
                              "\x1a\x0e\x08\x01\x12\x02up\x22\x02is\x2a\x02it";
  const auto decoded = decoder.decode(RemoteWriteVersion::kV1, request);
  ASSERT_TRUE(decoded.ok()) << decoded.status().message();
  ASSERT_EQ(decoded->series.size(), 1u);
  const SeriesAppend& series = decoded->series[0];
  ASSERT_EQ(series.labels.size(), 2u);
  EXPECT_EQ(series.labels[0], (LabelView{"__name__", "up"}));
  EXPECT_EQ(series.labels[1], (LabelView{"job", "a"}));
  ASSERT_EQ(series.samples.size(), 1u);
  EXPECT_EQ(series.samples[0].value, 1.5);
  EXPECT_EQ(series.samples[0].time_ms, 1000);
  EXPECT_EQ(decoded->samples, 1u);
  EXPECT_EQ(decoded->invalid, 0u);
  ASSERT_EQ(decoded->metadata.size(), 1u);
  EXPECT_EQ(decoded->metadata[0].family, "up");
  EXPECT_EQ(decoded->metadata[0].metadata,
            (model::MetricMetadata{model::SampleType::kCounter, "is", "it"}));
}

TEST(RemoteWrite, ReadsVersion2) {
  const std::string symbols = message(4, "") + message(4, "__name__") + message(4, "up") +
                              message(4, "job") + message(4, "a") + message(4, "helpful");
  // Labels; a sample with its start; metadata: a gauge, help by the symbol 5.
  const std::string series =
      "\x0a\x04\x01\x02\x03\x04"
      "\x12\x0f\x09\0\0\0\0\0\0\xf8\x3f\x10\xe8\x07\x18\xf4\x03"
      "\x2a\x04\x08\x02\x18\x05"s;
  RemoteWriteDecoder decoder;
  for (const std::string& request : {symbols + message(5, series), message(5, series) + symbols}) {
    const auto decoded = decoder.decode(RemoteWriteVersion::kV2, request);
    ASSERT_TRUE(decoded.ok());
    ASSERT_EQ(decoded->series.size(), 1u);
    const SeriesAppend& one = decoded->series[0];
    ASSERT_EQ(one.labels.size(), 2u);
    EXPECT_EQ(one.labels[1], (LabelView{"job", "a"}));
    ASSERT_EQ(one.samples.size(), 1u);
    EXPECT_EQ(one.samples[0].time_ms, 1000);
    EXPECT_EQ(one.samples[0].start_ms, 500);
    ASSERT_NE(one.metadata, nullptr);
    EXPECT_EQ(*one.metadata, (model::MetricMetadata{model::SampleType::kGauge, "helpful", ""}));
  }
}

TEST(RemoteWrite, LeavesOutTheSeriesThatMayNotBe) {
  const std::string sample(kSample);
  const std::pair<std::string, std::string_view> cases[] = {
      {label("__name__", "up") + label("b", "1") + label("a", "2"), "not sorted"},
      {label("__name__", "up") + label("b", "1") + label("b", "2"), "twice"},
      {label("__name__", "up") + label("aaaaaaaab", "1") + label("aaaaaaaaa", "2"), "not sorted"},
      {label("__name__", "up") + label("", "1"), "empty"},
      {label("job", "up"), "__name__"},
      {label("__name__", ""), "__name__"},
      {label("__name__", "up") + label("a", "\xff\xfe"), "UTF-8"},
      {label("__name__", "up") + label("a", "\xed\xa0\x80"), "UTF-8"},
      {label("__name__", "up") + label("a", std::string(70000, 'x')), "value is too long"},
      {label("__name__", "up") + label(std::string(2000, 'x'), "1"), "name is too long"},
  };
  RemoteWriteDecoder decoder;
  for (const auto& [labels, why] : cases) {
    const std::string good = message(1, std::string(kUpLabels) + sample);
    const std::string request = good + message(1, labels + sample + sample) + good;
    const auto decoded = decoder.decode(RemoteWriteVersion::kV1, request);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->series.size(), 2u) << why;
    EXPECT_EQ(decoded->samples, 2u);
    EXPECT_EQ(decoded->invalid, 2u);
    EXPECT_NE(decoded->first_invalid.find(why), std::string::npos) << decoded->first_invalid;
    EXPECT_EQ(decoded->series[1].samples.size(), 1u);
    EXPECT_EQ(decoded->series[1].labels[1].value, "a");
  }
}

TEST(RemoteWrite, TakesLabelsThatAreUnusualButRight) {
  std::string many = label("__name__", "up");
  for (int i = 100; i < 300; ++i) many += label("l" + std::to_string(i), std::string(200, 'v'));
  RemoteWriteDecoder decoder;
  for (const std::string& labels : {many, kName + label("a", "\xc3\xbc"), kName + label("a", ""),
                                    kName + label("ab", "1") + label(std::string("ab\0", 3), "2"),
                                    kName + message(1, message(2, "1") + message(1, "a"))}) {
    const std::string request = message(1, labels + std::string(kSample));
    const auto decoded = decoder.decode(RemoteWriteVersion::kV1, request);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->invalid, 0u) << decoded->first_invalid;
    ASSERT_EQ(decoded->series.size(), 1u);
  }
  std::string abuse = kName;
  for (int i = 10000; i < 20000; ++i) abuse += label("l" + std::to_string(i), "v");
  const auto decoded = decoder.decode(RemoteWriteVersion::kV1, message(1, abuse));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->invalid, 1u);
  EXPECT_LT(decoded->first_invalid.size(), 500u);
}

TEST(RemoteWrite, RefusesWhatIsNotTheMessage) {
  RemoteWriteDecoder decoder;
  const std::string request = message(1, std::string(kUpLabels) + std::string(kSample));
  for (size_t cut = 1; cut < request.size(); ++cut) {
    EXPECT_FALSE(decoder.decode(RemoteWriteVersion::kV1, request.substr(0, cut)).ok()) << cut;
  }
  EXPECT_TRUE(decoder.decode(RemoteWriteVersion::kV1, "").ok());
  EXPECT_FALSE(decoder.decode(RemoteWriteVersion::kV1, "\x0b").ok());
  EXPECT_FALSE(decoder.decode(RemoteWriteVersion::kV2, "\x22\x01x").ok());  // no "" at the front
  EXPECT_TRUE(decoder.decode(RemoteWriteVersion::kV1, request).ok());
}

TEST(RemoteWrite, BoundsItsMemory) {
  RemoteWriteDecoder decoder({{}, 64 << 10});
  std::string samples;
  for (int i = 0; i < 5000; ++i) samples += "\x12\x00"s;  // two bytes, 24 in memory
  const auto decoded =
      decoder.decode(RemoteWriteVersion::kV1, message(1, std::string(kUpLabels) + samples));
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.status().code(), Code::kResourceExhausted);
  // A large symbol named again and again.
  std::string request =
      message(4, "") + message(4, "__name__") + message(4, std::string(2000, 'x'));
  for (int i = 0; i < 100; ++i) request += message(5, "\x0a\x02\x01\x02");
  EXPECT_EQ(decoder.decode(RemoteWriteVersion::kV2, request).status().code(),
            Code::kResourceExhausted);
}

TEST(RemoteWrite, ChargesWhatItHolds) {
  MemoryBudget budget(1 << 20);
  RemoteWriteDecoder decoder;
  {
    MemoryCharge charge(budget);
    const std::string request = message(1, std::string(kUpLabels) + std::string(kSample));
    EXPECT_TRUE(decoder.decode(RemoteWriteVersion::kV1, request, &charge).ok());
    EXPECT_GT(charge.bytes(), 0);
    EXPECT_LT(charge.bytes(), 256 << 10);
  }
  EXPECT_EQ(budget.used_bytes(), 0);
  // Samples, labels and symbols of a few bytes, each of which takes more in memory.
  std::string samples, labels = kName, symbols = message(4, "");
  for (int i = 0; i < 50'000; ++i) {
    samples += "\x12\x00"s;
    labels += label("a", "b");
    symbols += message(4, "");
  }
  for (const auto& [version, request] :
       {std::pair{RemoteWriteVersion::kV1, message(1, std::string(kUpLabels) + samples)},
        std::pair{RemoteWriteVersion::kV1, message(1, labels)},
        std::pair{RemoteWriteVersion::kV2, symbols}}) {
    MemoryCharge charge(budget);
    const auto decoded = decoder.decode(version, request, &charge);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.status().code(), Code::kUnavailable);
    EXPECT_LE(charge.bytes(), 1 << 20);
    decoder.shrink();
  }
}

struct Everything {
  std::vector<LabelView> labels = {{"__name__", "h"}, {"job", "a"}, {"path", "/\xc3\xa9"}};
  std::vector<model::Sample> samples = {{1, 2.5, 0}, {2, -0.0, 0}, {-3, model::kStaleValue, 0}};
  std::vector<model::HistogramSample> histograms = std::vector<model::HistogramSample>(3);
  std::vector<model::Exemplar> exemplars = {{{{"trace_id", "abc"}}, 5, 0.25}};
  model::MetricMetadata metadata{model::SampleType::kHistogram, "how long", "seconds"};
  SeriesAppend series;

  Everything() {
    auto& whole = histograms[0];
    whole.time_ms = 7;
    whole.histogram = {model::CounterReset::kNotReset,
                       true,
                       3,
                       0.001,
                       2,
                       12,
                       18.5,
                       {{-2, 2}, {1, 1}},
                       {{0, 1}},
                       {1, 5, 3},
                       {1},
                       {}};
    auto& fractional = histograms[1];
    fractional.time_ms = 8;
    fractional.histogram = {
        model::CounterReset::kGauge, false, -4, 0, 0.5, 2.25, 1, {{0, 1}}, {}, {1.75}, {}, {}};
    auto& custom = histograms[2];
    custom.time_ms = 9;
    custom.histogram = {model::CounterReset::kUnknown,
                        true,
                        model::NativeHistogram::kCustomBounds,
                        0,
                        0,
                        6,
                        3,
                        {{0, 3}},
                        {},
                        {1, 2, 3},
                        {},
                        {0.5, 1}};
    series.labels = labels;
    series.samples = samples;
    series.histograms = histograms;
    series.exemplars = exemplars;
    series.metadata = &metadata;
  }
};

void expect_equal(const SeriesAppend& a, const SeriesAppend& b, bool starts) {
  ASSERT_EQ(a.samples.size(), b.samples.size());
  ASSERT_EQ(a.histograms.size(), b.histograms.size());
  ASSERT_EQ(a.exemplars.size(), b.exemplars.size());
  EXPECT_TRUE(std::equal(a.labels.begin(), a.labels.end(), b.labels.begin(), b.labels.end()));
  for (size_t i = 0; i < a.samples.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint64_t>(a.samples[i].value),
              std::bit_cast<uint64_t>(b.samples[i].value));
    EXPECT_EQ(a.samples[i].time_ms, b.samples[i].time_ms);
    EXPECT_EQ(starts ? a.samples[i].start_ms : 0, b.samples[i].start_ms);
  }
  for (size_t i = 0; i < a.histograms.size(); ++i) {
    EXPECT_EQ(a.histograms[i].histogram, b.histograms[i].histogram) << i;
    EXPECT_EQ(a.histograms[i].time_ms, b.histograms[i].time_ms);
    EXPECT_EQ(starts ? a.histograms[i].start_ms : 0, b.histograms[i].start_ms);
  }
  for (size_t i = 0; i < a.exemplars.size(); ++i) {
    EXPECT_EQ(a.exemplars[i].labels, b.exemplars[i].labels);
    EXPECT_EQ(a.exemplars[i].value, b.exemplars[i].value);
    EXPECT_EQ(a.exemplars[i].time_ms, b.exemplars[i].time_ms);
  }
}

TEST(RemoteWrite, ReadsWhatItWrites) {
  Everything all;
  all.samples[0].start_ms = 9;
  all.histograms[2].start_ms = 4;
  std::string v1, v2;
  encode_remote_write_v1({&all.series, 1}, {}, v1);
  const SeriesAppend both[] = {all.series, all.series};
  RemoteWriteV2Encoder().encode(both, v2);
  RemoteWriteDecoder decoder;
  auto decoded = decoder.decode(RemoteWriteVersion::kV1, v1);
  ASSERT_TRUE(decoded.ok());
  ASSERT_EQ(decoded->series.size(), 1u) << decoded->first_invalid;
  expect_equal(all.series, decoded->series[0], false);
  decoded = decoder.decode(RemoteWriteVersion::kV2, v2);
  ASSERT_TRUE(decoded.ok());
  ASSERT_EQ(decoded->series.size(), 2u) << decoded->first_invalid;
  for (const SeriesAppend& series : decoded->series) {
    expect_equal(all.series, series, true);
    ASSERT_NE(series.metadata, nullptr);
    EXPECT_EQ(*series.metadata, all.metadata);
  }
}

TEST(RemoteWrite, LeavesOutHistogramsThatContradictThemselves) {
  RemoteWriteDecoder decoder;
  const auto invalid = [&](auto&& change) {
    Everything all;
    change(all.histograms[0].histogram, all.histograms[2].histogram);
    std::string request;
    encode_remote_write_v1({&all.series, 1}, {}, request);
    const auto decoded = decoder.decode(RemoteWriteVersion::kV1, request);
    EXPECT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->histograms + decoded->invalid, 3u);
    return decoded->invalid;
  };
  using H = model::NativeHistogram;
  EXPECT_EQ(invalid([](H&, H&) {}), 0u);
  EXPECT_EQ(invalid([](H& h, H&) { h.positive_spans[0].length = 4000000000; }), 1u);
  EXPECT_EQ(invalid([](H& h, H&) { h.positive_spans[1].offset = -1; }), 1u);
  EXPECT_EQ(invalid([](H& h, H&) { h.count = 11; }), 1u);
  EXPECT_EQ(invalid([](H& h, H&) { h.schema = 9; }), 1u);
  EXPECT_EQ(invalid([](H& h, H&) { h.zero_threshold = NAN; }), 1u);
  EXPECT_EQ(invalid([](H& h, H&) { h.positive_buckets[1] = -5; }), 1u);
  EXPECT_EQ(invalid([](H&, H& c) { c.bounds = {1, 1}; }), 1u);
  EXPECT_EQ(invalid([](H&, H& c) { c.bounds = {1}; }), 1u);
  EXPECT_EQ(invalid([](H&, H& c) { c.zero_count = 1; }), 1u);
}

// A whole zero count beside fractional ones: all are fractions then.
TEST(RemoteWrite, HistogramsThatMixCountsAreFractional) {
  std::string histogram;
  ProtoWriter writer(histogram);
  writer.float64(2, 2.25);
  writer.varint(6, 7);
  writer.float64(7, 0.5);
  writer.message(11, [](ProtoWriter& span) { span.varint(2, 1); });
  writer.message(13, [](ProtoWriter& counts) { counts.packed_float64(1.75); });
  RemoteWriteDecoder decoder;
  const std::string request = message(1, kName + message(4, histogram));
  const auto decoded = decoder.decode(RemoteWriteVersion::kV1, request);
  ASSERT_TRUE(decoded.ok());
  ASSERT_EQ(decoded->histograms, 1u) << decoded->first_invalid;
  EXPECT_FALSE(decoded->series[0].histograms[0].histogram.whole);
  EXPECT_EQ(decoded->series[0].histograms[0].histogram.zero_count, 0.5);
}

TEST(RemoteWrite, BoundsTheBucketsOfAHistogram) {
  RemoteWriteDecoder decoder;
  const std::string request =
      message(1, kName + message(4, message(12, std::string(100'000, '\0'))));
  EXPECT_FALSE(decoder.decode(RemoteWriteVersion::kV1, request).ok());
}

TEST(RemoteWrite, ContentTypes) {
  EXPECT_EQ(remote_write_version("application/x-protobuf"), RemoteWriteVersion::kV1);
  EXPECT_EQ(remote_write_version("application/x-protobuf; proto=prometheus.WriteRequest"),
            RemoteWriteVersion::kV1);
  EXPECT_EQ(remote_write_version(content_type(RemoteWriteVersion::kV2)), RemoteWriteVersion::kV2);
  EXPECT_EQ(remote_write_version("application/x-protobuf;proto=other"), std::nullopt);
  EXPECT_EQ(remote_write_version("text/plain"), std::nullopt);
}

}  // namespace
}  // namespace gatehouse::wire
