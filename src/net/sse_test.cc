#include "net/sse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatehouse::net {
namespace {

using ::testing::ElementsAre;
using namespace std::string_literals;  // NOLINT: event streams with NUL in them

struct Read {
  std::vector<std::string> events;  // "type|data|id" of each dispatched one
  std::string raw;                  // of all, with what was left
  std::size_t blocks = 0;
  SseParser::State last = SseParser::State::kMore;
};

Read read(const std::string& text, std::size_t piece, std::size_t event_bytes_max = 4096) {
  SseParser parser(event_bytes_max);
  Read result;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto step = parser.next(std::string_view(text).substr(at, piece));
    at += step.consumed;
    result.last = step.state;
    if (step.state == SseParser::State::kRefused) return result;
    if (step.state == SseParser::State::kMore) continue;
    const SseEvent& event = parser.event();
    result.raw += event.raw;
    ++result.blocks;
    if (!event.has_data) continue;
    result.events.push_back(std::string(event.type) + "|" + std::string(event.data) + "|" +
                            std::string(event.id));
  }
  result.raw += parser.unfinished();
  return result;
}

struct Case {
  const char* what;
  std::string text;
  std::vector<std::string> events;
};

// The examples and rules of WHATWG HTML §9.2.5 and §9.2.6.
const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"lines joined", "data: YHOO\ndata: +2\ndata: 10\n\n", {"message|YHOO\n+2\n10|"}},
      {"comments and ids",
       ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third\n\n",
       {"message|first event|1", "message|second event|", "message| third|"}},
      {"empty data", "data\n\ndata\ndata\n\ndata:", {"message||", "message|\n|"}},
      {"with and without space", "data:test\n\ndata: test\n\n", {"message|test|", "message|test|"}},
      {"CR", "data: a\rdata: b\r\rdata: c\r\r", {"message|a\nb|", "message|c|"}},
      {"CR LF", "event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", {"x|a|", "message|b|"}},
      {"mixed ends",
       "data: a\r\n\rdata: b\n\r\ndata: c\r\r\n",
       {"message|a|", "message|b|", "message|c|"}},
      {"byte order mark",
       "\xef\xbb\xbf"
       "data: a\n\n",
       {"message|a|"}},
      {"mark then empty line",
       "\xef\xbb\xbf\n"
       "data: a\n\n",
       {"message|a|"}},
      {"half a mark",
       "\xef\xbb"
       "data: a\n\ndata: b\n\n",
       {"message|b|"}},
      {"second mark",
       "data: a\n\n\xef\xbb\xbf"
       "data: b\n\n",
       {"message|a|"}},
      {"event without data", "event: x\n\ndata: a\n\n", {"message|a|"}},
      {"type does not last", "event: x\ndata: a\n\ndata: b\n\n", {"x|a|", "message|b|"}},
      {"id lasts", "id: 7\ndata: a\n\ndata: b\n\n", {"message|a|7", "message|b|7"}},
      {"id with NUL is ignored",
       "id: 7\ndata: a\n\nid: 8\0\ndata: b\n\n"s,
       {"message|a|7", "message|b|7"}},
      {"unknown fields", "foo: bar\nDATA: x\n data: y\ndata: a\n\n", {"message|a|"}},
      {"colons in data", "data: a: b:c\n\n", {"message|a: b:c|"}},
      {"controls in data", "data: \x01\x0b\tx\x7f\n\n", {"message|\x01\x0b\tx\x7f|"}},
      {"unfinished", "data: a\n\ndata: b\n", {"message|a|"}},
      {"empty", "", {}},
      {"only line ends", "\n\r\n\r\n\n", {}},
  };
  return kCases;
}

TEST(SseParser, FollowsTheStandardHoweverTheBytesCome) {
  for (const Case& c : cases()) {
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, std::size_t{1000}}) {
      const Read result = read(c.text, piece);
      EXPECT_EQ(result.events, c.events) << c.what << " in pieces of " << piece;
      EXPECT_EQ(result.raw, c.text) << c.what << " in pieces of " << piece;
    }
  }
}

TEST(SseParser, Retry) {
  SseParser parser;
  const std::string text = "retry: 1500\ndata: a\n\nretry: 1s\n\nretry: 99999999999999999999\n\n";
  auto step = parser.next(text);
  ASSERT_EQ(step.state, SseParser::State::kEvent);
  EXPECT_EQ(parser.event().retry_ms, 1500u);
  std::size_t at = step.consumed;
  at += parser.next(std::string_view(text).substr(at)).consumed;
  EXPECT_EQ(parser.event().retry_ms, std::nullopt);
  EXPECT_FALSE(parser.event().has_data);
  parser.next(std::string_view(text).substr(at));
  EXPECT_EQ(parser.event().retry_ms, std::nullopt);
}

TEST(SseParser, DoesNotCopyAWholeEvent) {
  SseParser parser;
  const std::string text = "data: {\"a\":1}\n\ndata: x";
  ASSERT_EQ(parser.next(text).state, SseParser::State::kEvent);
  EXPECT_EQ(parser.event().raw.data(), text.data());
  EXPECT_EQ(parser.event().data.data(), text.data() + 6);
}

TEST(SseParser, BoundsAnEvent) {
  const std::string fits = "data: " + std::string(24, 'x') + "\n\n";
  const std::string beyond = "data: " + std::string(25, 'x') + "\n\n";
  for (const std::size_t piece : {1, 5, 1000}) {
    EXPECT_EQ(read(fits + fits, piece, 32).blocks, 2u);
    EXPECT_EQ(read(beyond, piece, 32).last, SseParser::State::kRefused);
    EXPECT_EQ(read(std::string(33, 'x'), piece, 32).last, SseParser::State::kRefused);
  }
}

TEST(AppendSse, RoundTrip) {
  std::string out;
  ASSERT_TRUE(append_sse_event(out, "error", "a\nb\r\nc", "9"));
  ASSERT_TRUE(append_sse_event(out, "", ""));
  append_sse_comment(out, "awake");
  EXPECT_THAT(read(out, 1000).events, ElementsAre("error|a\nb\nc|9", "message||9"));
  EXPECT_EQ(read(out, 1000).blocks, 3u);
  const std::string before = out;
  EXPECT_FALSE(append_sse_event(out, "a\nb", "x"));
  EXPECT_FALSE(append_sse_event(out, "", "x", "1\r"));
  EXPECT_FALSE(append_sse_event(out, "", "x", std::string_view("\0", 1)));
  EXPECT_EQ(out, before);
}

}  // namespace
}  // namespace gatehouse::net
