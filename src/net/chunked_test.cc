#include "net/chunked.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatehouse::net {
namespace {

struct Decoded {
  std::string payload;
  std::size_t consumed = 0;
  ChunkedDecoder::State state = ChunkedDecoder::State::kMore;
};

// Feeds `text` in pieces of `piece` bytes.
Decoded decode(ChunkedDecoder& decoder, const std::string& text, std::size_t piece) {
  Decoded decoded;
  while (decoded.consumed < text.size()) {
    const std::string_view input = std::string_view(text).substr(decoded.consumed, piece);
    const auto step = decoder.next(input);
    decoded.state = step.state;
    decoded.consumed += step.consumed;
    decoded.payload += step.payload;
    if (step.state == ChunkedDecoder::State::kDone) break;
    if (step.state == ChunkedDecoder::State::kRefused) break;
  }
  return decoded;
}

TEST(ChunkedDecoder, DecodesWholeAndInPieces) {
  const std::string text =
      "5\r\nhello\r\nA;name=\"v;w\"\r\n 0123\r\n789\r\n00\r\nX-Sum: 1\r\nHost: x\r\n\r\nGET ";
  for (const std::size_t piece : {1, 2, 3, 7, 1000}) {
    ChunkedDecoder decoder;
    const Decoded decoded = decode(decoder, text, piece);
    EXPECT_EQ(decoded.state, ChunkedDecoder::State::kDone) << decoder.error().reason;
    EXPECT_EQ(decoded.payload, "hello 0123\r\n789");
    EXPECT_EQ(text.substr(decoded.consumed), "GET ");
    ASSERT_EQ(decoder.trailers().size(), 1u);
    EXPECT_EQ(decoder.trailers().get("x-sum"), "1");
    EXPECT_EQ(decoder.payload_bytes(), 15u);
    decoder.reset();
    EXPECT_EQ(decode(decoder, "0\r\n\r\n", piece).state, ChunkedDecoder::State::kDone);
    EXPECT_TRUE(decoder.trailers().empty());
  }
}

TEST(ChunkedDecoder, HandsOutViewsOfItsInput) {
  const std::string text = "3\r\nabc\r\n";
  ChunkedDecoder decoder;
  const auto step = decoder.next(text);
  EXPECT_EQ(step.state, ChunkedDecoder::State::kPayload);
  EXPECT_EQ(step.payload.data(), text.data() + 3);
}

TEST(ChunkedDecoder, Refuses) {
  const std::vector<std::string> refused = {
      "\r\n",
      "g\r\n",
      "-1\r\n",
      "+1\r\n",
      "0x1\r\n",
      " 1\r\n",
      "1 \r\n",
      "1\t;a\r\n",
      "1\n",
      "1\rX",
      "1;a\n",
      "1;a\rb",
      std::string("1;a\0\r\n", 6),
      "10000000000000000\r\n",
      "00000000000000001\r\n",
      "8000000000000000\r\n",
      "ffffffffffffffff\r\n",
      "1\r\nab\r\n",
      "1\r\na\n",
      "1\r\na\rb",
      "1\r\na0\r\n\r\n",
      "1;" + std::string(256, 'a') + "\r\n",
      "0\r\nX\r\n\r\n",
      "0\r\nX : 1\r\n\r\n",
      "0\r\nX: 1\n\r\n",
      "0\r\nX: 1\r\n y\r\n\r\n",
      "0\r\nX: 1\rY",
      "0\r\n\n",
      "0\r\nX: \x01\r\n\r\n",
      "0\r\nX: " + std::string(8192, 'a') + "\r\n\r\n",
      "1\r\na\r\n7fffffffffffffff\r\n",
  };
  for (const std::string& text : refused) {
    for (const std::size_t piece : {std::size_t{1}, text.size()}) {
      ChunkedDecoder decoder;
      EXPECT_EQ(decode(decoder, text, piece).state, ChunkedDecoder::State::kRefused) << text;
      EXPECT_EQ(decoder.error().status, 400);
      EXPECT_EQ(decoder.next(std::string_view("0\r\n\r\n")).consumed, 0u);
    }
  }
}

TEST(ChunkedDecoder, BoundsExtensionsOfTheWholeMessage) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "1;" + std::string(200, 'e') + "\r\na\r\n";
  ChunkedDecoder decoder;
  EXPECT_EQ(decode(decoder, text, text.size()).state, ChunkedDecoder::State::kRefused);
}

TEST(ChunkedDecoder, BoundsTrailers) {
  std::string text = "0\r\n";
  for (int i = 0; i < 33; ++i) text += "X: y\r\n";
  ChunkedDecoder decoder;
  EXPECT_EQ(decode(decoder, text + "\r\n", 1000).state, ChunkedDecoder::State::kRefused);
}

TEST(Encoder, WritesWhatTheDecoderReads) {
  EXPECT_EQ(ChunkHead(1).view(), "1\r\n");
  EXPECT_EQ(ChunkHead(0x1fa0).view(), "1fa0\r\n");
  EXPECT_EQ(ChunkHead(0xffffffffffffffff).view(), "ffffffffffffffff\r\n");
  std::string out;
  append_chunk(out, "hello");
  append_chunk(out, "");
  append_chunk(out, std::string(300, 'x'));
  HeaderList trailers;
  trailers.add("X-Sum", "1");
  ASSERT_TRUE(append_last_chunk(out, trailers));
  ChunkedDecoder decoder;
  const Decoded decoded = decode(decoder, out, 11);
  EXPECT_EQ(decoded.state, ChunkedDecoder::State::kDone);
  EXPECT_EQ(decoded.payload, "hello" + std::string(300, 'x'));
  EXPECT_EQ(decoder.trailers().get("x-sum"), "1");

  const std::string before = out;
  trailers.add("X", "a\nb");
  EXPECT_FALSE(append_last_chunk(out, trailers));
  EXPECT_EQ(out, before);
}

}  // namespace
}  // namespace gatehouse::net
