#include "net/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/authority.h"

namespace gatehouse::net {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::Pair;

TEST(ParseUrl, ReadsAndWrites) {
  struct Case {
    const char* text;
    const char* authority;
    std::uint16_t port;
    const char* path;
    const char* query;
    const char* written;
  };
  for (const Case& c :
       std::vector<Case>{{"http://a", "a", 80, "/", "", "http://a/"},
                         {"https://API.example.com/v1", "api.example.com", 443, "/v1", "",
                          "https://api.example.com/v1"},
                         {"HTTPS://a:443/x?", "a", 443, "/x", "", "https://a/x"},
                         {"http://a:443/", "a:443", 443, "/", "", "http://a:443/"},
                         {"http://a?q=1/2", "a", 80, "/", "q=1/2", "http://a/?q=1/2"},
                         {"http://[2001:DB8::1]:8080/v%20x", "[2001:db8::1]:8080", 8080, "/v%20x",
                          "", "http://[2001:db8::1]:8080/v%20x"},
                         {"http://127.0.0.1:11434/api", "127.0.0.1:11434", 11434, "/api", "",
                          "http://127.0.0.1:11434/api"}}) {
    const auto url = parse_url(c.text);
    ASSERT_TRUE(url.ok()) << c.text << ": " << url.status().to_string();
    EXPECT_EQ(url->authority(), c.authority);
    EXPECT_EQ(url->port, c.port);
    EXPECT_EQ(url->path, c.path);
    EXPECT_EQ(url->query, c.query);
    EXPECT_EQ(url->to_string(), c.written);
    EXPECT_EQ(*parse_url(url->to_string()), *url);
  }
}

TEST(ParseUrl, Refuses) {
  for (const std::string& text : std::vector<std::string>{"",
                                                          "a",
                                                          "/x",
                                                          "ftp://a",
                                                          "http:/a",
                                                          "http://",
                                                          "http:///x",
                                                          "http://?x",
                                                          "http://u@a",
                                                          "http://u:p@a/",
                                                          "http://a#f",
                                                          "http://a/x#f",
                                                          "http://a:0",
                                                          "http://a:65536",
                                                          "http://a:",
                                                          "http://a:+1",
                                                          "http://[::1",
                                                          "http://[::g]",
                                                          "http://[1.2.3.4]",
                                                          "http://::1/",
                                                          "http://a b",
                                                          "http://a/b c",
                                                          "http://a/\n",
                                                          "http://a/%",
                                                          "http://a/%4",
                                                          "http://a/%g0",
                                                          "http://a\\b/",
                                                          "http://a/?\x01",
                                                          "http://a/\xc3\xa9",
                                                          "http://a,b/",
                                                          "http://%61/",
                                                          "http://" + std::string(256, 'a'),
                                                          "http://a/" + std::string(8192, 'a')}) {
    EXPECT_FALSE(parse_url(text).ok()) << text;
  }
}

TEST(Authority, Ports) {
  EXPECT_EQ(parse_authority("a")->port, 0);
  EXPECT_EQ(parse_authority("a:65535")->port, 65535);
  EXPECT_TRUE(parse_authority("[::]")->ipv6);
  EXPECT_EQ(parse_authority("[::1]:1")->host, "::1");
  EXPECT_FALSE(parse_authority("[::1]1"));
  EXPECT_FALSE(parse_authority("a:000080"));
  EXPECT_FALSE(parse_authority(std::string_view("[::1\0]", 6)));
}

TEST(Percent, DecodesAndEncodes) {
  EXPECT_EQ(*percent_decode("a%20b+c%2F"), "a b+c/");
  EXPECT_EQ(*percent_decode("a%20b+c", true), "a b c");
  EXPECT_EQ(*percent_decode("%00"), std::string(1, '\0'));
  for (const char* text : {"%", "%2", "%2x", "%x2", "a%"}) {
    EXPECT_FALSE(percent_decode(text).ok()) << text;
  }
  EXPECT_EQ(percent_encode("gpt-4o mini/\xc3\xa9"), "gpt-4o%20mini%2F%C3%A9");
}

TEST(Query, ParametersInOrder) {
  EXPECT_THAT(
      parse_query("a=1&b&&c=x=y&a=%26+%2B&="),
      Optional(ElementsAre(Pair("a", "1"), Pair("b", ""), Pair("c", "x=y"), Pair("a", "& +"))));
  EXPECT_EQ(parse_query("a=%"), std::nullopt);
  EXPECT_THAT(parse_query(""), Optional(IsEmpty()));
  std::string many;
  for (int i = 0; i < 1001; ++i) many += "a&";
  EXPECT_EQ(parse_query(many), std::nullopt);
  EXPECT_EQ(query_value("x=1&api%2Dversion=2024-10-21", "api-version"), "2024-10-21");
  EXPECT_EQ(query_value("x=1", "y"), std::nullopt);
}

TEST(NormalizePath, OneSpelling) {
  const std::vector<std::pair<const char*, const char*>> same = {
      {"/", "/"},
      {"/a/b", "/a/b"},
      {"/a/./b", "/a/b"},
      {"/a/../b", "/b"},
      {"/a/b/..", "/a/"},
      {"/a/.", "/a/"},
      {"/.", "/"},
      {"/a/..", "/"},
      {"/a/%2e%2E/b", "/b"},
      {"/a/%2e/b", "/a/b"},
      {"/%41%7ea", "/A~a"},
      {"/a%2fb", "/a%2Fb"},
      {"/a%2f..%2fb", "/a%2F..%2Fb"},
      {"/a%5cb", "/a%5Cb"},
      {"/a//b/", "/a//b/"},
      {"/a/...", "/a/..."},
      {"/a%252e", "/a%252e"},
  };
  for (const auto& [path, normal] : same) {
    EXPECT_EQ(normalize_path(path), normal) << path;
    EXPECT_EQ(normalize_path(normal), normal) << "again: " << normal;
  }
  for (const char* path : {"", "a", "*", "/..", "/a/../..", "/%2e%2e/x", "/a%0a", "/a%7f", "/a%00",
                           "/a%", "/a%4", "/a b", "/a?b", "/a#b", "/\xc3\xa9"}) {
    EXPECT_EQ(normalize_path(path), std::nullopt) << path;
  }
}

TEST(MatchPath, SegmentBySegment) {
  EXPECT_THAT(match_path("/v1/models", "/v1/models"), Optional(IsEmpty()));
  EXPECT_THAT(match_path("/v2/models/{}/infer", "/v2/models/a%2Fb%20c/infer"),
              Optional(ElementsAre("a/b c")));
  EXPECT_THAT(match_path("/v2/models/{}/versions/{}/infer", "/v2/models/m/versions/3/infer"),
              Optional(ElementsAre("m", "3")));
  EXPECT_THAT(match_path("/ui/{*}", "/ui/a/b%2Fc"), Optional(ElementsAre("a/b%2Fc")));
  EXPECT_THAT(match_path("/v1/%", "/v1/%25"), Optional(IsEmpty()));
  for (const char* path : {"/v2/models//infer", "/v2/models/m", "/v2/models/m/infer/",
                           "/v2/models/m/x/infer", "/v2/Models/m/infer", "", "/"}) {
    EXPECT_EQ(match_path("/v2/models/{}/infer", path), std::nullopt) << path;
  }
  EXPECT_EQ(match_path("/ui/{*}", "/ui"), std::nullopt);
  EXPECT_EQ(match_path("/ui/{*}", "/ui/"), std::nullopt);
}

}  // namespace
}  // namespace gatehouse::net
