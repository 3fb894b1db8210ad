#include "net/websocket.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatehouse::net {
namespace {

using Mask = std::array<char, 4>;
constexpr Mask kMask = {0x37, char(0xfa), 0x21, 0x3d};

struct Read {
  std::string log;  // "text:" payload, "bin:" payload, ". " at a message's end, "ping(x)" ...
  std::uint16_t refused = 0;
};

Read read(std::string bytes, std::size_t piece, WebSocketSide side = WebSocketSide::kServer,
          std::uint64_t limit = 1 << 20) {
  WebSocketDecoder decoder(side, limit);
  Read result;
  bool started = false;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t length = std::min(piece, bytes.size() - at);
    std::span<char> input(bytes.data() + at, length);
    at += length;
    while (true) {
      const auto step = decoder.next(input);
      input = input.subspan(step.consumed);
      if (step.state == WebSocketDecoder::State::kMore) {
        EXPECT_TRUE(input.empty());
        break;
      }
      if (step.state == WebSocketDecoder::State::kRefused) {
        result.refused = decoder.close_code();
        return result;
      }
      if (step.state == WebSocketDecoder::State::kData) {
        if (!started) result.log += step.opcode == Opcode::kText ? "text:" : "bin:";
        result.log += step.payload;
        started = !step.message_end;
        if (step.message_end) result.log += ". ";
        continue;
      }
      const char* names[] = {"close", "ping", "pong"};
      const std::string text =
          step.opcode == Opcode::kClose
              ? std::to_string(decoder.close_code()) + " " + std::string(decoder.close_reason())
              : std::string(step.payload);
      result.log += std::string(names[static_cast<int>(step.opcode) - 8]) + "(" + text + ") ";
    }
  }
  return result;
}

std::string frame(Opcode opcode, const std::string& payload, bool fin = true) {
  std::string out;
  append_websocket_frame(out, opcode, payload, fin, kMask);
  return out;
}

TEST(WebSocketHandshake, KeyOfTheRfc) {
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketHandshake, Checks) {
  const auto status = [](const std::string& lines) {
    const std::string head =
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + lines +
        "\r\n";
    RequestHead request;
    EXPECT_TRUE(parse_request(head, HeadLimits{}, request).ok());
    return check_websocket_request(request).status;
  };
  const std::string version = "Sec-WebSocket-Version: 13\r\n";
  EXPECT_EQ(status(version + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 0);
  EXPECT_EQ(status("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 426);
  EXPECT_EQ(status("Sec-WebSocket-Version: 8\r\n"), 426);
  EXPECT_EQ(status(version), 400);
  EXPECT_EQ(status(version + "Sec-WebSocket-Key: short\r\n"), 400);
  EXPECT_EQ(status(version + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n"), 400);
  EXPECT_EQ(status(version + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n"), 400);
}

TEST(WebSocketDecoder, ReadsMessagesHoweverTheBytesCome) {
  const std::string bytes =
      frame(Opcode::kText, "Hel", false) + frame(Opcode::kPing, "p") +
      frame(Opcode::kContinuation, "", false) + frame(Opcode::kContinuation, "lo \xc3", false) +
      frame(Opcode::kContinuation, "\xa9") + frame(Opcode::kBinary, "") +
      frame(Opcode::kBinary, std::string(300, '\xff')) + frame(Opcode::kPong, "") +
      frame(Opcode::kText, std::string(70000, 'x')) +
      frame(Opcode::kClose,
            "\x03\xe8"
            "bye") +
      "ignored";
  const std::string expected =
      "text:Helping(p) lo \xc3\xa9. bin:. bin:" + std::string(300, '\xff') +
      ". pong() text:" + std::string(70000, 'x') + ". close(1000 bye) ";
  for (const std::size_t piece : {1, 2, 5, 4096, 1000000}) {
    const Read result = read(bytes, piece);
    EXPECT_EQ(result.refused, 0);
    EXPECT_EQ(result.log, expected) << piece;
  }
  std::string from_server;
  append_websocket_frame(from_server, Opcode::kText, "hi");
  append_websocket_close(from_server, kCloseGoingAway, "");
  EXPECT_EQ(read(from_server, 1, WebSocketSide::kClient).log, "text:hi. close(1001 ) ");
}

TEST(WebSocketDecoder, Refuses) {
  struct Case {
    const char* what;
    std::string bytes;
    std::uint16_t code;
  };
  std::string unmasked;
  append_websocket_frame(unmasked, Opcode::kText, "x");
  std::string reserved = frame(Opcode::kText, "x");
  reserved[0] = char(reserved[0] | 0x40);
  const std::vector<Case> cases = {
      {"unmasked", unmasked, 1002},
      {"reserved bit", reserved, 1002},
      {"opcode 3", frame(static_cast<Opcode>(3), ""), 1002},
      {"opcode 11", "\x8b\x80zzzz", 1002},
      {"fragmented ping", "\x09\x80zzzz", 1002},
      {"long ping", "\x89\xfe\x01\x01zzzz", 1002},
      {"continuation first", frame(Opcode::kContinuation, "x"), 1002},
      {"text within text", frame(Opcode::kText, "x", false) + frame(Opcode::kText, "y"), 1002},
      {"length not shortest, 16", std::string("\x81\xfe\x00\x05zzzz", 8), 1002},
      {"length not shortest, 64", std::string("\x81\xff\0\0\0\0\0\0\xff\xffzzzz", 14), 1002},
      {"too long", frame(Opcode::kBinary, std::string(101, 'x')), 1009},
      {"too long in parts",
       frame(Opcode::kBinary, std::string(60, 'x'), false) +
           frame(Opcode::kContinuation, std::string(60, 'x')),
       1009},
      {"huge", std::string("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffzzzz", 14), 1009},
      {"no UTF-8", frame(Opcode::kText, "\xff"), 1007},
      {"overlong", frame(Opcode::kText, "\xc0\xaf"), 1007},
      {"surrogate", frame(Opcode::kText, "\xed\xa0\x80"), 1007},
      {"beyond U+10FFFF", frame(Opcode::kText, "\xf4\x90\x80\x80"), 1007},
      {"cut character", frame(Opcode::kText, "\xe2\x82"), 1007},
      {"close of one byte", frame(Opcode::kClose, "x"), 1002},
      {"close 1005", frame(Opcode::kClose, "\x03\xed"), 1002},
      {"close 999", frame(Opcode::kClose, "\x03\xe7"), 1002},
      {"close reason no UTF-8", frame(Opcode::kClose, "\x03\xe8\xff"), 1007},
  };
  for (const Case& c : cases) {
    for (const std::size_t piece : {1, 1000}) {
      EXPECT_EQ(read(c.bytes, piece, WebSocketSide::kServer, 100).refused, c.code) << c.what;
    }
  }
  EXPECT_EQ(read(frame(Opcode::kText, "x"), 100, WebSocketSide::kClient).refused, 1002);
}

TEST(AppendWebSocketClose, CutsTheReasonBetweenCharacters) {
  std::string reason(122, 'x');
  reason += "\xc3\xa9";
  std::string out;
  append_websocket_close(out, kCloseInternal, reason);
  EXPECT_EQ(out.size(), 2u + 2u + 122u);
  EXPECT_EQ(read(out, 1000, WebSocketSide::kClient).refused, 0);
}

}  // namespace
}  // namespace gatehouse::net
