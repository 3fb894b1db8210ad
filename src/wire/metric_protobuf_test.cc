#include "wire/metric_protobuf.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "wire/protobuf.h"
#include "wire/scrape_format.h"
#include "wire/scraped_for_test.h"

namespace gatehouse::wire {
namespace {

using namespace std::literals;
using Lines = std::vector<std::string>;

Lines parse(std::string_view bytes, bool classic_too = false) {
  ScrapedLines sink;
  ScrapeOptions options;
  options.classic_too = classic_too;
  const Status status = parse_metric_protobuf(bytes, options, sink);
  if (!status.ok()) sink.lines.push_back("error: " + status.message());
  return sink.lines;
}

template <typename Fill>
std::string family(std::string_view name, int type, Fill&& metric) {
  std::string message;
  ProtoWriter writer(message);
  writer.bytes(1, name);
  writer.bytes(2, "Help.");
  writer.varint(3, static_cast<uint64_t>(type));
  writer.message(4, metric);
  std::string out;
  put_varint(out, message.size());
  return out += message;
}

void label(ProtoWriter& writer, std::string_view name, std::string_view value) {
  writer.message(1, [&](ProtoWriter& inner) {
    inner.bytes(1, name);
    inner.bytes(2, value);
  });
}

void exemplar(ProtoWriter& writer, uint32_t field, double value) {
  writer.message(field, [&](ProtoWriter& inner) {
    label(inner, "trace_id", "t");
    inner.float64(2, value);
    inner.message(3, [](ProtoWriter& time) {
      time.int64(1, 1600000000);
      time.int64(2, 250'000'000);
    });
  });
}

TEST(MetricProtobuf, ReadsBytesWrittenByHand) {
  // "up", help "h", a gauge; one metric: job="a", 1.5, at 7 ms.
  constexpr std::string_view kBytes =
      "\x27\x0a\x02up\x12\x01h\x18\x01\x22\x1c"
      "\x0a\x08\x0a\x03job\x12\x01"
      "a\x12\x09\x09\0\0\0\0\0\0\xf8\x3f\x30\x07\x98\x06\x01\x50\x05"sv;
  EXPECT_EQ(parse(kBytes), (Lines{"family up gauge help=h", "__name__=up job=a 1.5 @7"}));
  for (size_t cut = 1; cut < kBytes.size(); ++cut) {
    EXPECT_EQ(parse(kBytes.substr(0, cut)).back(), "error: the protobuf of a scrape is cut short");
  }
}

TEST(MetricProtobuf, ReadsCountersAndSummaries) {
  const std::string counter = family("c_total", 0, [](ProtoWriter& metric) {
    metric.message(3, [](ProtoWriter& value) {
      value.float64(1, 12);
      exemplar(value, 2, 0.5);
      value.message(3, [](ProtoWriter& time) { time.int64(1, 5); });
    });
  });
  const std::string summary = family("s", 2, [](ProtoWriter& metric) {
    label(metric, "z", "1");
    label(metric, "a", "2");
    metric.message(4, [](ProtoWriter& value) {
      value.varint(1, 3);
      value.float64(2, 4.5);
      value.message(3, [](ProtoWriter& quantile) {
        quantile.float64(1, 1);
        quantile.float64(2, 9);
      });
    });
  });
  EXPECT_EQ(parse(counter + summary),
            (Lines{"family c_total counter help=Help.",
                   "__name__=c_total 12 start=5000 exemplar={trace_id=t} 0.5 @1600000000250",
                   "family s summary help=Help.", "__name__=s_count a=2 z=1 3",
                   "__name__=s_sum a=2 z=1 4.5", "__name__=s a=2 quantile=1.0 z=1 9"}));
}

void classic_buckets(ProtoWriter& value) {
  value.varint(1, 6);
  value.float64(2, 8.25);
  value.message(3, [](ProtoWriter& bucket) {
    bucket.varint(1, 4);
    bucket.float64(2, 1);
    exemplar(bucket, 3, 0.75);
  });
}

TEST(MetricProtobuf, ReadsHistograms) {
  const std::string classic =
      family("h", 4, [](ProtoWriter& metric) { metric.message(7, classic_buckets); });
  const Lines series = {"__name__=h_count 6", "__name__=h_sum 8.25",
                        "__name__=h_bucket le=1.0 4 exemplar={trace_id=t} 0.75 @1600000000250",
                        "__name__=h_bucket le=+Inf 6"};
  Lines expected = {"family h histogram help=Help."};
  expected.insert(expected.end(), series.begin(), series.end());
  EXPECT_EQ(parse(classic), expected);

  const auto native = [](int type, int64_t last_delta) {
    return family("h", type, [&](ProtoWriter& metric) {
      metric.message(7, [&](ProtoWriter& value) {
        classic_buckets(value);
        value.sint64(5, 3);
        value.float64(6, 0.001);
        value.varint(7, 1);
        value.message(12, [](ProtoWriter& span) {
          span.sint64(1, -2);
          span.varint(2, 2);
        });
        value.message(13, [&](ProtoWriter& deltas) {
          deltas.packed_sint64(2);
          deltas.packed_sint64(last_delta);
        });
      });
    });
  };
  expected = {"family h histogram help=Help.",
              "__name__=h {whole schema:3 count:6 sum:8.25 zero:1/0.001 positive:(-2,2) 2 3} "
              "exemplar={trace_id=t} 0.75 @1600000000250"};
  EXPECT_EQ(parse(native(4, 1)), expected);
  expected.insert(expected.end(), series.begin(), series.end());
  EXPECT_EQ(parse(native(4, 1), true), expected);
  EXPECT_EQ(parse(native(5, 1)).front(), "family h gaugehistogram help=Help.");
  EXPECT_EQ(parse(native(4, 2)).back(),
            "error: the family h: the count is not that of the buckets");
  EXPECT_NE(parse(native(4, -5)).back().find("error"), std::string::npos);
}

TEST(MetricProtobuf, ReadsFractionalAndEmptyNativeHistograms) {
  EXPECT_EQ(parse(family("h", 4,
                         [](ProtoWriter& metric) {
                           metric.message(7, [](ProtoWriter& value) {
                             value.float64(4, 2.5);
                             value.float64(2, 1);
                             value.message(9, [](ProtoWriter& span) { span.varint(2, 1); });
                             value.message(11,
                                           [](ProtoWriter& counts) { counts.packed_float64(2.5); });
                           });
                         })),
            (Lines{"family h histogram help=Help.",
                   "__name__=h {float schema:0 count:2.5 sum:1 zero:0/0 negative:(0,1) 2.5}"}));
  EXPECT_EQ(parse(family("h", 4,
                         [](ProtoWriter& metric) {
                           metric.message(7, [](ProtoWriter& value) {
                             value.message(12, [](ProtoWriter&) {});
                           });
                         })),
            (Lines{"family h histogram help=Help.",
                   "__name__=h {whole schema:0 count:0 sum:0 zero:0/0}"}));
}

TEST(MetricProtobuf, RefusesLabelsThatMayNotBe) {
  for (const auto& [name, value] :
       std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"", "x"}, {"a", "\xff"}, {"twice", "2"}, {"__name__", "other"}}) {
    const Lines lines = parse(family("g", 1, [&](ProtoWriter& metric) {
      label(metric, "twice", "1");
      label(metric, name, value);
      metric.message(2, [](ProtoWriter& gauge) { gauge.float64(1, 1); });
    }));
    EXPECT_TRUE(lines.back().starts_with("error: the family g: ")) << lines.back();
  }
}

TEST(ScrapeFormat, ByContentType) {
  EXPECT_EQ(scrape_format("text/plain; version=0.0.4"), ScrapeFormat::kText);
  EXPECT_EQ(scrape_format("application/openmetrics-text;version=1.0.0"),
            ScrapeFormat::kOpenMetrics);
  EXPECT_EQ(
      scrape_format("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily"),
      ScrapeFormat::kProtobuf);
  EXPECT_EQ(scrape_format("text/html"), std::nullopt);
  EXPECT_EQ(scrape_format(""), std::nullopt);
  ScrapedLines sink;
  EXPECT_TRUE(parse_scrape(ScrapeFormat::kOpenMetrics, "a 1\n# EOF\n", {}, sink).ok());
  EXPECT_EQ(sink.lines.size(), 1u);
}

}  // namespace
}  // namespace gatehouse::wire
