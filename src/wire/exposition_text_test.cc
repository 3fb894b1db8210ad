#include "wire/exposition_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "wire/float_text.h"
#include "wire/scraped_for_test.h"

namespace gatehouse::wire {
namespace {

using namespace std::literals;

std::vector<std::string> parse(ExpositionDialect dialect, std::string_view text) {
  ScrapedLines sink;
  const Status status = parse_exposition_text(dialect, text, {}, sink);
  if (!status.ok()) sink.lines.push_back("error: " + status.message());
  return sink.lines;
}
std::vector<std::string> prometheus(std::string_view text) {
  return parse(ExpositionDialect::kPrometheus, text);
}
std::vector<std::string> open_metrics(std::string_view text) {
  return parse(ExpositionDialect::kOpenMetrics, text);
}
using Lines = std::vector<std::string>;

TEST(ExpositionText, ReadsVersion004) {
  EXPECT_EQ(prometheus("# HELP http_requests_total The number\\nof \\\\ \\\"requests\\\".\n"
                       "# TYPE http_requests_total counter\n"
                       "http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n"
                       "http_requests_total{ code = \"400\" , method = \"post\", }    3 -5\n"
                       "\n"
                       "   \t\n"
                       "# an odd comment\n"
                       "#HELP\n"
                       "\tup \t 1\r\n"
                       "nan NaN\n"
                       "low{path=\"C:\\\\DIR\\\\n\",say=\"a \\\"b\\\"\\n\\x\"} -Inf\n"
                       "last 1.25e-3"),
            (Lines{
                "family http_requests_total counter help=The number\nof \\ \\\"requests\\\".",
                "__name__=http_requests_total code=200 method=post 1027 @1395066363000",
                "__name__=http_requests_total code=400 method=post 3 @-5",
                "__name__=up 1",
                "__name__=nan NaN",
                "__name__=low path=C:\\DIR\\n say=a \"b\"\n\\x -Inf",
                "__name__=last 0.00125",
            }));
}

TEST(ExpositionText, SortsLabelsAndDropsEmptyOnes) {
  EXPECT_EQ(prometheus("m{z=\"1\",Upper=\"2\",empty=\"\",a=\"3\"} 1\n"),
            (Lines{"Upper=2 __name__=m a=3 z=1 1"}));
  EXPECT_EQ(prometheus("m{a=\"1\",b=\"2\",a=\"3\"} 1\n"),
            (Lines{"error: line 1: a label's name is there twice"}));
}

TEST(ExpositionText, ReadsQuotedNames) {
  EXPECT_EQ(prometheus("# TYPE \"my.metric\" counter\n"
                       "{\"my.metric\",\"label.\\\"one\"=\"x\"} 5\n"
                       "{\"alone\"} 6\n"
                       "plain{\"\xc3\xa9\"=\"\xe6\x97\xa5\"} 7\n"),
            (Lines{"family my.metric counter", "__name__=my.metric label.\"one=x 5",
                   "__name__=alone 6", "__name__=plain \xc3\xa9=\xe6\x97\xa5 7"}));
}

TEST(ExpositionText, WritesBoundsInOneWay) {
  EXPECT_EQ(prometheus("# TYPE h histogram\n"
                       "h_bucket{le=\"1\"} 1\n"
                       "h_bucket{le=\"2.50\"} 2\n"
                       "h_bucket{le=\"1e6\"} 2\n"
                       "h_bucket{le=\"+Inf\"} 3\n"
                       "h_bucket{le=\"odd\"} 3\n"
                       "# TYPE s summary\n"
                       "s{quantile=\"0\"} 1\n"
                       "s{le=\"1\",quantile=\"0.990\"} 1\n"
                       "other{le=\"1\"} 3\n"),
            (Lines{"family h histogram", "__name__=h_bucket le=1.0 1", "__name__=h_bucket le=2.5 2",
                   "__name__=h_bucket le=1e+06 2", "__name__=h_bucket le=+Inf 3",
                   "__name__=h_bucket le=odd 3", "family s summary", "__name__=s quantile=0.0 1",
                   "__name__=s le=1 quantile=0.99 1", "__name__=other le=1 3"}));
}

TEST(ExpositionText, TellsTheLineThatIsWrong) {
  for (const auto& [line, why] : std::initializer_list<std::pair<std::string_view, const char*>>{
           {"m", "not a number"},
           {"m x", "not a number"},
           {"m 1e999", "not a number"},
           {"m 0x1p3", "not a number"},
           {"m 1 2 3", "more than a sample has"},
           {"m 1 1.5", "the time is not a whole number of milliseconds"},
           {"m{a=\"1\" 1", "a comma or a closing brace is missing"},
           {"m{a=\"1", "a quote is not closed"},
           {"m{a=1} 1", "a label's value is not in quotes"},
           {"m{=\"1\"} 1", "a label's name is missing"},
           {"m{a} 1", "a label has no value"},
           {"{a=\"1\"} 1", "a metric's name is missing"},
           {"{\"\"} 1", "a label's name is missing"},
           {"9m 1", "a metric's name is missing"},
           {"m{a=\"\xff\"} 1", "a label is not valid UTF-8"},
           {"# TYPE m something", "the type is not known"},
       }) {
    EXPECT_EQ(prometheus("up 1\n" + std::string(line) + "\nafter 1\n"),
              (Lines{"__name__=up 1", "error: line 2: " + std::string(why)}))
        << line;
  }
  ScrapedLines sink;
  ScrapeOptions options;
  options.labels = {2, 20, 20};
  EXPECT_FALSE(parse_exposition_text(ExpositionDialect::kPrometheus,
                                     "m{a=\"1\",b=\"2\",c=\"3\"} 1\n", options, sink)
                   .ok());
  EXPECT_FALSE(parse_exposition_text(ExpositionDialect::kPrometheus,
                                     "m{a=\"" + std::string(21, 'x') + "\"} 1\n", options, sink)
                   .ok());
  EXPECT_FALSE(parse_exposition_text(ExpositionDialect::kPrometheus, std::string(21, 'x') + " 1\n",
                                     options, sink)
                   .ok());
  EXPECT_TRUE(sink.lines.empty());
}

TEST(ExpositionText, StopsWhenTheReaderHasEnough) {
  ScrapedLines sink;
  sink.wanted = 2;
  EXPECT_EQ(
      parse_exposition_text(ExpositionDialect::kPrometheus, "a 1\nb 2\nc 3\n", {}, sink).code(),
      Code::kCancelled);
  EXPECT_EQ(sink.lines.size(), 2u);
}

TEST(ExpositionText, ReadsOpenMetrics) {
  EXPECT_EQ(
      open_metrics("# TYPE acme_http_request_seconds histogram\n"
                   "# UNIT acme_http_request_seconds seconds\n"
                   "# HELP acme_http_request_seconds Latency \\\"of\\\" all.\n"
                   "acme_http_request_seconds_bucket{path=\"/\",le=\"1\"} 1 1.5 # "
                   "{trace_id=\"KOO5S4vxi0o\"} 0.67\n"
                   "acme_http_request_seconds_bucket{path=\"/\",le=\"+Inf\"} 2\n"
                   "acme_http_request_seconds_count{path=\"/\"} 2\n"
                   "acme_http_request_seconds_sum{path=\"/\"} 4.5\n"
                   "acme_http_request_seconds_created{path=\"/\"} 1605281325.25\n"
                   "acme_http_request_seconds_count{path=\"/b\"} 0\n"
                   "# TYPE rpc counter\n"
                   "rpc_total{a=\"1\"} 17.0 1520879607.789 # {b=\"2\",a=\"3\"} 1 1520879606.5\n"
                   "rpc_created{a=\"1\"} 1520430000.123\n"
                   "rpc_total{a=\"2\"} 18\n"
                   "rpc_created{a=\"3\"} 5\n"
                   "rpc_total{a=\"3\"} 19\n"
                   "# TYPE free gauge\n"
                   "free 5\n"
                   "free_created 6\n"
                   "# EOF\n"),
      (Lines{
          "family acme_http_request_seconds histogram help=Latency \"of\" all. unit=seconds",
          "__name__=acme_http_request_seconds_bucket le=1.0 path=/ 1 @1500 "
          "start=1605281325250 exemplar={trace_id=KOO5S4vxi0o} 0.67",
          "__name__=acme_http_request_seconds_bucket le=+Inf path=/ 2 start=1605281325250",
          "__name__=acme_http_request_seconds_count path=/ 2 start=1605281325250",
          "__name__=acme_http_request_seconds_sum path=/ 4.5 start=1605281325250",
          "__name__=acme_http_request_seconds_count path=/b 0",
          "family rpc counter",
          "__name__=rpc_total a=1 17 @1520879607789 start=1520430000123 "
          "exemplar={a=3,b=2} 1 @1520879606500",
          "__name__=rpc_total a=2 18",
          "__name__=rpc_total a=3 19 start=5000",
          "family free gauge",
          "__name__=free 5",
          "__name__=free_created 6",
      }));
}

TEST(ExpositionText, OpenMetricsMustEnd) {
  EXPECT_EQ(open_metrics("up 1\n"),
            (Lines{"__name__=up 1", "error: line 1: the text ends without # EOF"}));
  EXPECT_EQ(open_metrics(""), (Lines{"error: line 1: the text ends without # EOF"}));
  EXPECT_EQ(open_metrics("# EOF"), Lines{});
  EXPECT_EQ(open_metrics("up 1\n# EOF\nup 2\n"),
            (Lines{"__name__=up 1", "error: line 2: something follows # EOF"}));
  EXPECT_EQ(open_metrics("up 1\n\n# EOF\n"),
            (Lines{"__name__=up 1", "error: line 2: an empty line"}));
}

TEST(FloatText, WritesAsGoDoes) {
  const auto written = [](double value) {
    std::string out;
    append_float(out, value);
    return out;
  };
  EXPECT_EQ(written(0), "0");
  EXPECT_EQ(written(-0.0), "-0");
  EXPECT_EQ(written(100000), "100000");
  EXPECT_EQ(written(999999.5), "999999.5");
  EXPECT_EQ(written(1e6), "1e+06");
  EXPECT_EQ(written(1234567.5), "1.2345675e+06");
  EXPECT_EQ(written(0.0001), "0.0001");
  EXPECT_EQ(written(0.00001), "1e-05");
  EXPECT_EQ(written(1e100), "1e+100");
  EXPECT_EQ(written(INFINITY), "+Inf");
  EXPECT_EQ(written(NAN), "NaN");
  std::string room;
  for (const auto& [text, normal] :
       std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"1", "1.0"},
           {"0.5", "0.5"},
           {"0.50", "0.5"},
           {"00.5", "0.5"},
           {"5.", "5.0"},
           {".5", "0.5"},
           {"100000.0", "100000.0"},
           {"1000000.0", "1e+06"},
           {"1000000", "1e+06"},
           {"0.0001", "0.0001"},
           {"0.00010", "0.0001"},
           {"0.00001", "1e-05"},
           {"Inf", "+Inf"},
           {"-1", "-1.0"},
           {"x", "x"},
           {"", ""},
           {"1.0.0", "1.0.0"}}) {
    EXPECT_EQ(normal_bound(text, room), normal) << text;
  }
}

TEST(FloatText, ReadsAsGoDoes) {
  EXPECT_EQ(parse_float("-12"), -12);
  EXPECT_EQ(parse_float("+1.5e3"), 1500);
  EXPECT_EQ(parse_float("123456789012345678"), 123456789012345678.0);
  EXPECT_EQ(parse_float(".5"), 0.5);
  EXPECT_EQ(parse_float("-iNf"), -INFINITY);
  EXPECT_EQ(parse_float("1e-400"), 0);
  EXPECT_TRUE(std::isnan(*parse_float("nan")));
  for (const auto text :
       {"", "-", "+", "1e400", "0x10", "1_0", "1 ", "e5", "--1", "+-1", "1e", "infi"}) {
    EXPECT_EQ(parse_float(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace gatehouse::wire
