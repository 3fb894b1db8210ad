#include "wire/series_text.h"

#include <gtest/gtest.h>

#include <cmath>

#include "wire/exposition_text.h"
#include "wire/scraped_for_test.h"

namespace gatehouse::wire {
namespace {

TEST(SeriesText, WritesWhatIsReadAgain) {
  std::string out;
  SeriesTextWriter writer(out);
  writer.type("up", model::SampleType::kGauge);
  const model::LabelView up[] = {{"__name__", "up"}, {"job", "a \"b\"\\\n"}};
  writer.sample(up, 1e9, 1700000000000);
  const model::LabelView odd[] = {{"Upper", "x"}, {"__name__", "my.metric"}, {"a b", "1"}};
  writer.type("my.metric", model::SampleType::kInfo);
  writer.sample(odd, NAN, std::nullopt);
  const model::LabelView bare[] = {{"__name__", "bare"}};
  writer.sample(bare, -0.5, std::nullopt);
  EXPECT_EQ(out,
            "# TYPE up gauge\n"
            "up{job=\"a \\\"b\\\"\\\\\\n\"} 1e+09 1700000000000\n"
            "# TYPE \"my.metric\" untyped\n"
            "{\"my.metric\",Upper=\"x\",\"a b\"=\"1\"} NaN\n"
            "bare -0.5\n");
  ScrapedLines sink;
  ASSERT_TRUE(parse_exposition_text(ExpositionDialect::kPrometheus, out, {}, sink).ok());
  EXPECT_EQ(sink.lines.size(), 5u);
  EXPECT_EQ(sink.lines[1], "__name__=up job=a \"b\"\\\n 1e+09 @1700000000000");
}

}  // namespace
}  // namespace gatehouse::wire
