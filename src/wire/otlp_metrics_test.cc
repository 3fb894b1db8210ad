#include "wire/otlp_metrics.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "wire/corpora_for_test.h"
#include "wire/delta_accumulator.h"
#include "wire/otlp_metrics_json.h"
#include "wire/otlp_translate.h"
#include "wire/protobuf.h"
#include "wire/scraped_for_test.h"

namespace gatehouse::wire {
namespace {

using namespace std::literals;
using Lines = std::vector<std::string>;

Lines lines_of(OtlpTranslator& translator) {
  ScrapedLines out;
  for (const model::SeriesAppend& series : translator.series()) {
    ScrapedSample sample;
    sample.labels = series.labels;
    sample.exemplars = series.exemplars;
    for (const model::Sample& one : series.samples) {
      sample.time_ms = one.time_ms;
      sample.start_ms = one.start_ms;
      sample.value = one.value;
      out.sample(sample);
      if (model::is_stale(one.value)) out.lines.back() += " stale";
    }
    for (const model::HistogramSample& one : series.histograms) {
      sample.time_ms = one.time_ms;
      sample.start_ms = one.start_ms;
      sample.histogram = &one.histogram;
      out.sample(sample);
    }
  }
  return out.lines;
}

Lines translate(std::string_view json, const OtlpTranslateOptions& options = {},
                DeltaAccumulator* deltas = nullptr) {
  OtlpTranslator translator(options, deltas);
  const Status status = decode_otlp_metrics_json(json, translator);
  Lines lines = lines_of(translator);
  if (!status.ok()) lines.push_back("error: " + status.message());
  if (translator.rejected() > 0) {
    lines.push_back("rejected " + std::to_string(translator.rejected()) + ": " +
                    translator.first_rejection());
  }
  return lines;
}

std::string request(std::string_view resource, std::string_view metric) {
  return R"({"resourceMetrics":[{"resource":{"attributes":[)" + std::string(resource) +
         R"(]},"scopeMetrics":[{"scope":{"name":"lib","version":"1"},"metrics":[)" +
         std::string(metric) + "]}]}]}";
}
std::string attribute(std::string_view key, std::string_view value) {
  return R"({"key":")" + std::string(key) + R"(","value":{"stringValue":")" + std::string(value) +
         R"("}})";
}

TEST(Otlp, ResourcesBecomeTargets) {
  const std::string resource =
      attribute("service.name", "cart") + "," + attribute("service.namespace", "shop") + "," +
      attribute("service.instance.id", "i1") + "," + attribute("k8s.pod.name", "p");
  const std::string gauge =
      R"({"name":"temp","unit":"Cel","gauge":{"dataPoints":[{"asInt":"-3","timeUnixNano":"5000000",)"
      R"("attributes":[{"key":"b.c","value":{"boolValue":true}},{"key":"b_c","value":)"
      R"({"intValue":"7"}},{"key":"list","value":{"arrayValue":{"values":[{"stringValue":"x"},)"
      R"({"doubleValue":1.5}]}}}]}]}})";
  EXPECT_EQ(
      translate(request(resource, gauge)),
      (Lines{R"(__name__=temp_celsius b_c=true;7 instance=i1 job=shop/cart list=["x",1.5] -3 @5)",
             "__name__=target_info instance=i1 job=shop/cart k8s_pod_name=p 1 @5"}));
  OtlpTranslateOptions options;
  options.promote_resource_attributes = {"k8s.pod.name"};
  options.promote_scope = true;
  options.translation = OtlpTranslation::kNoTranslation;
  options.keep_identifying_resource_attributes = true;
  EXPECT_EQ(translate(request(resource, gauge), options),
            (Lines{R"(__name__=temp b.c=true b_c=7 instance=i1 job=shop/cart k8s.pod.name=p )"
                   R"(list=["x",1.5] otel_scope_name=lib otel_scope_version=1 -3 @5)",
                   "__name__=target_info instance=i1 job=shop/cart k8s.pod.name=p "
                   "service.instance.id=i1 service.name=cart service.namespace=shop 1 @5"}));
}

TEST(Otlp, HistogramsAndSummaries) {
  EXPECT_EQ(
      translate(request(
          "",
          R"({"name":"h","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[{)"
          R"("startTimeUnixNano":"1000000","timeUnixNano":"2000000","count":"6","sum":2.5,)"
          R"("bucketCounts":["1","2","3"],"explicitBounds":[0.5,1],"exemplars":[{"asDouble":0.75,)"
          R"("timeUnixNano":"2000000","traceId":"0102030405060708090A0B0C0D0E0F10"}]}]}},)"
          R"({"name":"s","summary":{"dataPoints":[{"timeUnixNano":"2000000","count":"2","sum":3,)"
          R"("quantileValues":[{"quantile":1,"value":9}]}]}})")),
      (Lines{
          "__name__=h_seconds_sum 2.5 @2 start=1",
          "__name__=h_seconds_count 6 @2 start=1",
          "__name__=h_seconds_bucket le=0.5 1 @2 start=1",
          "__name__=h_seconds_bucket le=1 3 @2 start=1 "
          "exemplar={trace_id=0102030405060708090a0b0c0d0e0f10} 0.75 @2",
          "__name__=h_seconds_bucket le=+Inf 6 @2 start=1",
          "__name__=s_sum 3 @2",
          "__name__=s_count 2 @2",
          "__name__=s quantile=1 9 @2",
      }));
}

TEST(Otlp, ExponentialHistogramsBecomeNative) {
  const auto exponential = [](std::string_view members) {
    return translate(request(
        "", R"({"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{)"
            R"("timeUnixNano":"2000000",)" +
                std::string(members) + "}]}}"));
  };
  EXPECT_EQ(exponential(R"("count":"12","sum":1,"scale":1,"zeroCount":"2","positive":{"offset":-3,)"
                        R"("bucketCounts":[1,0,0,2,0,0,0,3]},"negative":{"bucketCounts":["4"]})"),
            (Lines{"__name__=e {whole schema:1 count:12 sum:1 zero:2/1e-128 "
                   "positive:(-2,4)(3,1) 1 0 0 2 3 negative:(1,1) 4} @2"}));
  // Scale 10 has four buckets for each of schema 8: offset -5 is in -2, -1 in -1.
  EXPECT_EQ(
      exponential(R"("count":6,"scale":10,"positive":{"offset":-5,"bucketCounts":[1,2,3]})"),
      (Lines{"__name__=e {whole schema:8 count:6 sum:0 zero:0/1e-128 positive:(-1,2) 1 5} @2"}));
  EXPECT_EQ(exponential(R"("count":1,"scale":-5,"zeroCount":1)").size(), 1u);
  EXPECT_TRUE(exponential(R"("count":1,"scale":-5,"zeroCount":1)")[0].starts_with("rejected 1"));
  EXPECT_TRUE(exponential(R"("count":2,"zeroCount":1)")[0].starts_with("rejected 1"));
  EXPECT_TRUE(exponential(R"("count":1,"positive":{"offset":2147483647,"bucketCounts":[1]})")[0]
                  .starts_with("rejected 1"));
}

TEST(Otlp, PointsWithoutValueEndTheirSeries) {
  EXPECT_EQ(translate(request("", R"({"name":"g","gauge":{"dataPoints":[{"timeUnixNano":1000000,)"
                                  R"("flags":1}]}})")),
            (Lines{"__name__=g NaN @1 stale"}));
}

std::string delta(int64_t time_ms, std::string_view members, std::string_view kind = "sum") {
  return request("", R"({"name":"c",")" + std::string(kind) +
                         R"(":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{)"
                         R"("startTimeUnixNano":"1000000","timeUnixNano":")" +
                         std::to_string(time_ms * 1'000'000) + "\"," + std::string(members) +
                         "}]}}");
}

TEST(Otlp, DeltasAddUp) {
  EXPECT_EQ(translate(delta(5, R"("asInt":2)")),
            (Lines{"rejected 1: metric \"c\": its temporality is not cumulative"}));
  DeltaAccumulator deltas;
  EXPECT_EQ(translate(delta(5, R"("asInt":2)"), {}, &deltas),
            (Lines{"__name__=c_total 2 @5 start=1"}));
  EXPECT_EQ(translate(delta(6, R"("asInt":3)"), {}, &deltas),
            (Lines{"__name__=c_total 5 @6 start=1"}));
  EXPECT_EQ(translate(delta(6, R"("asInt":3)"), {}, &deltas).size(), 1u);  // again: rejected
  EXPECT_EQ(translate(delta(7, R"("asInt":1)"), {}, &deltas),
            (Lines{"__name__=c_total 6 @7 start=1"}));
  EXPECT_EQ(deltas.streams(), 1u);
  const auto histogram = R"("count":3,"sum":2,"bucketCounts":[1,2],"explicitBounds":[1])";
  translate(delta(5, histogram, "histogram"), {}, &deltas);
  EXPECT_EQ(
      translate(delta(6, histogram, "histogram"), {}, &deltas),
      (Lines{"__name__=c_sum 4 @6 start=1", "__name__=c_count 6 @6 start=1",
             "__name__=c_bucket le=1 2 @6 start=1", "__name__=c_bucket le=+Inf 6 @6 start=1"}));
  EXPECT_EQ(deltas.streams(), 2u);
}

TEST(Otlp, ExponentialDeltasAddUpAcrossScales) {
  DeltaAccumulator deltas;
  const auto add = [&](int64_t time_ms, std::string_view members) {
    return translate(delta(time_ms, members, "exponentialHistogram"), {}, &deltas).at(0);
  };
  EXPECT_EQ(
      add(5, R"("count":2,"sum":1,"scale":1,"positive":{"offset":0,"bucketCounts":[1,1]})"),
      "__name__=c {whole schema:1 count:2 sum:1 zero:0/1e-128 positive:(1,2) 1 1} @5 start=1");
  // The same range in one bucket of scale 0, and one further.
  EXPECT_EQ(
      add(6, R"("count":5,"sum":1,"scale":0,"positive":{"offset":0,"bucketCounts":[2,3]})"),
      "__name__=c {whole schema:0 count:7 sum:2 zero:0/1e-128 positive:(1,2) 4 3} @6 start=1");
  // Far away: merged until both fit.
  EXPECT_EQ(add(7, R"("count":1,"sum":1,"scale":0,"positive":{"offset":1000,"bucketCounts":[1]})"),
            "__name__=c {whole schema:-1 count:8 sum:3 zero:0/1e-128 positive:(1,1)(499,1) 7 1} "
            "@7 start=1");
}

TEST(Otlp, DeltaStreamsAreBounded) {
  DeltaAccumulator deltas({2, 1 << 20, 10'000'000});
  OtlpPoint point;
  const auto add = [&](std::string_view key, uint64_t ms) {
    point.clear();
    point.time_ns = ms * 1'000'000;
    point.value = 1;
    return deltas.accumulate(key, OtlpKind::kSum, point).code();
  };
  EXPECT_EQ(add("a", 100), Code::kOk);
  EXPECT_EQ(add("b", 101), Code::kOk);
  EXPECT_EQ(add("c", 105), Code::kResourceExhausted);
  EXPECT_EQ(add("a", 109), Code::kOk);
  EXPECT_EQ(point.value, 2);
  EXPECT_EQ(add("c", 112), Code::kOk);  // "b" was silent for more than ten
  EXPECT_EQ(deltas.streams(), 2u);
  EXPECT_EQ(add("b", 113), Code::kResourceExhausted);
  DeltaAccumulator small({100, 1000, 10});
  size_t taken = 0;
  for (int i = 0; i < 100; ++i)
    taken += small.accumulate(std::to_string(i), OtlpKind::kSum, point).ok();
  EXPECT_LT(taken, 3u);
  EXPECT_LE(small.held_bytes(), 1000u);
}

TEST(Otlp, RejectsPointByPoint) {
  const auto lines = translate(request(
      "",
      R"({"name":"g","gauge":{"dataPoints":[{"asInt":1,"timeUnixNano":1,"attributes":[{"key":"",)"
      R"("value":{"stringValue":"x"}}]},{"asInt":2,"timeUnixNano":1}]}},{"name":"...","gauge":)"
      R"({"dataPoints":[{"asInt":1}]}},{"name":"h","histogram":{"aggregationTemporality":2,)"
      R"("dataPoints":[{"count":1,"bucketCounts":[1],"explicitBounds":[1,2]}]}})"));
  EXPECT_EQ(lines, (Lines{"__name__=g 2 @0",
                          "rejected 3: metric \"g\": an attribute cannot be a label, or there are "
                          "too many"}));
}

TEST(Otlp, BoundsItsMemory) {
  std::string bounds = "0", counts = "1,1";
  for (int i = 1; i < 2000; ++i) bounds += "," + std::to_string(i), counts += ",1";
  OtlpTranslateOptions options;
  options.memory_bytes = 100'000;
  OtlpTranslator translator(options, nullptr);
  EXPECT_EQ(decode_otlp_metrics_json(
                request("", R"({"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{)"
                            R"("count":2001,"bucketCounts":[)" +
                                counts + R"(],"explicitBounds":[)" + bounds + "]}]}}"),
                translator)
                .code(),
            Code::kResourceExhausted);
}

// A gauge, written by hand: resource, scope and metric in the order that is least
// expected.
TEST(Otlp, ReadsProtobuf) {
  constexpr std::string_view kBytes =
      "\x0a\x45"
      "\x12\x2b"                              // scope metrics
      "\x12\x29\x2a\x24\x0a\x22"              // metric, gauge, point
      "\x19\x40\x4b\x4c\0\0\0\0\0"            // time: 5,000,000 ns
      "\x31\xfd\xff\xff\xff\xff\xff\xff\xff"  // as_int: -3
      "\x3a\x0a\x0a\x01"
      "a\x12\x05\x0a\x03"
      "b c"               // a="b c"
      "\x40\x00\x48\x01"  // flags; an unknown field
      "\x0a\x01g"         // its name
      "\x0a\x16\x0a\x14\x0a\x0cservice.name\x12\x04\x0a\x02"
      "ca"  // resource
      ""sv;
  OtlpTranslator translator({}, nullptr);
  ASSERT_TRUE(decode_otlp_metrics(kBytes, translator).ok());
  EXPECT_EQ(lines_of(translator), (Lines{"__name__=g a=b c job=ca -3 @5"}));
  EXPECT_EQ(translator.points(), 1u);
  for (size_t cut = 1; cut < kBytes.size(); ++cut) {
    translator.clear();
    EXPECT_FALSE(decode_otlp_metrics(kBytes.substr(0, cut), translator).ok());
  }
}

// The same histogram in both encodings.
TEST(Otlp, ProtobufAndJsonAgree) {
  std::string bytes;
  ProtoWriter writer(bytes);
  writer.message(1, [](ProtoWriter& resource) {
    resource.message(2, [](ProtoWriter& scope) {
      scope.message(2, [](ProtoWriter& metric) {
        metric.bytes(1, "e");
        metric.message(10, [](ProtoWriter& body) {
          body.message(1, [](ProtoWriter& point) {
            point.fixed64(3, 2'000'000);
            point.fixed64(4, 12);
            point.float64(5, 1);
            point.sint64(6, 1);
            point.fixed64(7, 2);
            point.message(8, [](ProtoWriter& buckets) {
              buckets.sint64(1, -3);
              buckets.message(2, [](ProtoWriter& counts) {
                for (const uint64_t count : {1, 0, 0, 2, 0, 0, 0, 7}) counts.packed_varint(count);
              });
            });
            point.message(11, [](ProtoWriter& exemplar) {
              exemplar.float64(3, 0.5);
              exemplar.bytes(4, "\1\2\3\4\5\6\7\x08");
            });
          });
          body.varint(2, 2);
        });
      });
    });
  });
  OtlpTranslator translator({}, nullptr);
  ASSERT_TRUE(decode_otlp_metrics(bytes, translator).ok());
  const Lines lines = lines_of(translator);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines,
            translate(request(
                "", R"({"name":"e","exponentialHistogram":{"aggregationTemporality":2,)"
                    R"("dataPoints":[{"timeUnixNano":"2000000","count":"12","sum":1,"scale":1,)"
                    R"("zeroCount":"2","positive":{"offset":-3,"bucketCounts":[1,0,0,2,0,0,0,7]},)"
                    R"("exemplars":[{"asDouble":0.5,"spanId":"0102030405060708"}]}]}})")));
}

TEST(Otlp, ReadsThePublicExample) {
  const auto path = corpora_for_test("otlp") / "metrics.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no corpora: set GATEHOUSE_CORPORA";
  DeltaAccumulator deltas;
  EXPECT_EQ(
      translate(file_for_test(path), {}, &deltas),
      (Lines{
          "__name__=my_counter_total job=my.service my_counter_attr=some value 5 "
          "@1544712660300 start=1544712660300",
          "__name__=my_gauge_ratio job=my.service my_gauge_attr=some value 10 @1544712660300",
          "__name__=my_histogram_sum job=my.service my_histogram_attr=some value 2 "
          "@1544712660300 start=1544712660300",
          "__name__=my_histogram_count job=my.service my_histogram_attr=some value 2 "
          "@1544712660300 start=1544712660300",
          "__name__=my_histogram_bucket job=my.service le=1 my_histogram_attr=some value 1 "
          "@1544712660300 start=1544712660300",
          "__name__=my_histogram_bucket job=my.service le=+Inf my_histogram_attr=some value 2 "
          "@1544712660300 start=1544712660300",
          "__name__=my_exponential_histogram job=my.service "
          "my_exponential_histogram_attr=some value {whole schema:0 count:3 sum:10 "
          "zero:1/1e-128 positive:(3,1) 2} @1544712660300 start=1544712660300",
      }));
}

TEST(Otlp, Responses) {
  EXPECT_EQ(otlp_metrics_response(0, ""), "");
  EXPECT_EQ(otlp_metrics_response(3, "why"), "\x0a\x07\x08\x03\x12\x03why");
  EXPECT_EQ(otlp_metrics_response_json(0, ""), "{}");
  EXPECT_EQ(otlp_metrics_response_json(3, "why"),
            R"({"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"why"}})");
}

}  // namespace
}  // namespace gatehouse::wire
