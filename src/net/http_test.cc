#include "net/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace gatehouse::net {
namespace {

using ::testing::ElementsAre;

TEST(HeaderList, FindsIgnoringCaseAndKeepsOrder) {
  HeaderList headers;
  headers.add("Accept", "a");
  headers.add("X-One", "1");
  headers.add("accept", "b, C ,,d");
  EXPECT_EQ(headers.find("ACCEPT"), "a");
  EXPECT_EQ(headers.count("accept"), 2u);
  EXPECT_THAT(headers.get_all("Accept"), ElementsAre("a", "b, C ,,d"));
  EXPECT_TRUE(headers.has_token("accept", "c"));
  EXPECT_TRUE(headers.has_token("accept", "d"));
  EXPECT_FALSE(headers.has_token("accept", ""));
  EXPECT_EQ(headers.get("none", "fallback"), "fallback");
}

TEST(HeaderList, GrowsCopiesAndMoves) {
  HeaderList few;
  few.add("only", "one");
  HeaderList many;
  std::string names;
  for (int i = 0; i < 100; ++i) names += static_cast<char>('a' + i % 26);
  for (std::size_t i = 0; i < 100; ++i) many.add(std::string_view(names).substr(i, 1), "v");
  ASSERT_EQ(many.size(), 100u);
  EXPECT_EQ(many[99].name, names.substr(99));

  HeaderList copy = many;
  HeaderList moved = std::move(many);
  EXPECT_EQ(moved.size(), 100u);
  EXPECT_EQ(copy[57].name, moved[57].name);
  EXPECT_TRUE(many.empty());  // NOLINT: a moved-from list is empty
  many.add("again", "1");
  EXPECT_EQ(many.get("again"), "1");

  moved = std::move(few);
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved.get("only"), "one");
  copy = moved;
  EXPECT_EQ(copy.size(), 1u);
}

TEST(HopByHop, FixedAndNamedByConnection) {
  HeaderList headers;
  headers.add("Connection", "close, X-Private");
  EXPECT_TRUE(is_hop_by_hop(headers, "transfer-encoding"));
  EXPECT_TRUE(is_hop_by_hop(headers, "Keep-Alive"));
  EXPECT_TRUE(is_hop_by_hop(headers, "x-private"));
  EXPECT_FALSE(is_hop_by_hop(headers, "content-type"));
}

TEST(Names, MethodsAndReasons) {
  EXPECT_EQ(method_of("PATCH"), Method::kPatch);
  EXPECT_EQ(name(Method::kConnect), "CONNECT");
  EXPECT_EQ(method_of("post"), Method::kOther);
  EXPECT_EQ(name(Method::kOther), "");
  EXPECT_EQ(reason_phrase(429), "Too Many Requests");
  EXPECT_EQ(reason_phrase(529), "Site Is Overloaded");
  EXPECT_EQ(reason_phrase(299), "Unknown");
}

TEST(AppendHead, WritesAndRefusesInjection) {
  HeaderList headers;
  headers.add("Host", "a");
  std::string out;
  ASSERT_TRUE(append_request_head(out, "GET", "/x?y", headers));
  EXPECT_EQ(out, "GET /x?y HTTP/1.1\r\nHost: a\r\n\r\n");
  out.clear();
  ASSERT_TRUE(append_response_head(out, 404, "", headers));
  EXPECT_EQ(out, "HTTP/1.1 404 Not Found\r\nHost: a\r\n\r\n");

  const std::string before = out;
  EXPECT_FALSE(append_request_head(out, "GET", "/x y", headers));
  EXPECT_FALSE(append_request_head(out, "G ET", "/", headers));
  EXPECT_FALSE(append_request_head(out, "GET", "", headers));
  EXPECT_FALSE(append_response_head(out, 200, "a\r\nX: y", headers));
  EXPECT_FALSE(append_response_head(out, 1000, "", headers));
  headers.add("X", "a\r\nInjected: 1");
  EXPECT_FALSE(append_request_head(out, "GET", "/", headers));
  EXPECT_FALSE(append_response_head(out, 200, "", headers));
  EXPECT_FALSE(append_header(out, "X Y", "a"));
  EXPECT_FALSE(append_header(out, "", "a"));
  EXPECT_EQ(out, before);
}

}  // namespace
}  // namespace gatehouse::net
