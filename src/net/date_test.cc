#include "net/date.h"

#include <gtest/gtest.h>

namespace gatehouse::net {
namespace {

constexpr std::int64_t kRfcExample = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT
constexpr std::int64_t kNow = 1767225600;        // Thu, 01 Jan 2026 00:00:00 GMT

TEST(HttpDate, Formats) {
  EXPECT_EQ(format_http_date(kRfcExample), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format_http_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
  EXPECT_EQ(format_http_date(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
}

TEST(HttpDate, ReadsTheThreeForms) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", kNow), kRfcExample);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", kNow), kRfcExample);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994", kNow), kRfcExample);
  EXPECT_EQ(parse_http_date("Wed Nov 16 08:49:37 1994", kNow), kRfcExample + 10 * 86400);
  EXPECT_EQ(parse_http_date("Thursday, 01-Jan-26 00:00:00 GMT", kNow), kNow);
  // A year of two digits more than 50 years ahead is past: 2076 is kept, 77 means 1977.
  EXPECT_EQ(format_http_date(*parse_http_date("Wednesday, 01-Jan-76 00:00:00 GMT", kNow)),
            "Wed, 01 Jan 2076 00:00:00 GMT");
  EXPECT_EQ(format_http_date(*parse_http_date("Saturday, 01-Jan-77 00:00:00 GMT", kNow)),
            "Sat, 01 Jan 1977 00:00:00 GMT");
}

TEST(HttpDate, RoundTrip) {
  for (std::int64_t seconds = 0; seconds < 4102444800; seconds += 86399 * 37) {
    EXPECT_EQ(parse_http_date(format_http_date(seconds), kNow), seconds);
  }
}

TEST(HttpDate, Refuses) {
  for (const char* text :
       {"", "Sun", "Sun,", "Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 6 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt", "Sun, 06 Nov 1994 08:49:37", "Sun Nov 6 08:49:37 1994",
        "Sunday, 06-Nov-1994 08:49:37 GMT", "1994-11-06T08:49:37Z", "784111777"}) {
    EXPECT_EQ(parse_http_date(text, kNow), std::nullopt) << text;
  }
}

TEST(HttpDateCache, FollowsTheSecond) {
  HttpDateCache cache;
  const char* const first = cache.at(0).data();
  EXPECT_EQ(cache.at(0).data(), first);
  EXPECT_EQ(cache.at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(cache.at(1), "Thu, 01 Jan 1970 00:00:01 GMT");
}

}  // namespace
}  // namespace gatehouse::net
