#include "net/websocket_stream.h"

#include "net/net_test_peers.h"

namespace gatehouse::net {
namespace {

using test::RawClient;
using test::TestServer;

constexpr std::string_view kUpgrade =
    "GET /live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
constexpr std::array<char, 4> kMask = {1, 2, 3, 4};

std::string frame(Opcode opcode, std::string_view payload, bool fin = true) {
  std::string out;
  append_websocket_frame(out, opcode, payload, fin, kMask);
  return out;
}
std::string expected(Opcode opcode, std::string_view payload) {
  std::string out;
  append_websocket_frame(out, opcode, payload);
  return out;
}

// Sends every message back.
Task<void> echo(Exchange& exchange) {
  WebSocketOptions options;
  options.message_bytes_max = 1000;
  options.ping_after_ms = 60;
  auto socket = co_await WebSocket::accept(exchange, options);
  if (!socket.ok()) {
    Reply reply;
    reply.status = socket.status().code() == Code::kUnimplemented ? 426 : 400;
    (void)co_await exchange.reply(reply);
    co_return;
  }
  while (true) {
    const auto message = co_await (*socket)->receive();
    if (!message.ok()) break;
    const Status sent = co_await (*socket)->send_text(*message);
    if (!sent.ok()) break;
  }
}

TEST(WebSocket, GreetsAndEchoes) {
  TestServer server(echo);
  RawClient client(server.port());
  // The first message comes in the same packet as the handshake.
  client.send(std::string(kUpgrade) + frame(Opcode::kText, "early"));
  const std::string head = client.receive_until("\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 101 ")) << head;
  EXPECT_NE(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), std::string::npos);
  EXPECT_EQ(client.receive(7), expected(Opcode::kText, "early"));
  client.send(frame(Opcode::kText, "two ", false));
  client.send(frame(Opcode::kPing, "p"));
  client.send(frame(Opcode::kContinuation, "parts"));
  EXPECT_EQ(client.receive(3), expected(Opcode::kPong, "p"));
  EXPECT_EQ(client.receive(11), expected(Opcode::kText, "two parts"));
  std::string bye;
  append_websocket_close(bye, kCloseNormal, "", kMask);
  client.send(bye);
  EXPECT_EQ(client.receive_all().substr(0, 4), std::string("\x88\x02\x03\xe8", 4));
  EXPECT_TRUE(client.ended);
}

TEST(WebSocket, RefusesWhatIsNoHandshake) {
  TestServer server(echo);
  RawClient plain(server.port());
  plain.send("GET /live HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(plain.receive_until("\r\n\r\n").starts_with("HTTP/1.1 400 "));
  RawClient old(server.port());
  std::string request(kUpgrade);
  request.replace(request.find("Version: 13"), 11, "Version: 12");
  old.send(request);
  EXPECT_TRUE(old.receive_until("\r\n\r\n").starts_with("HTTP/1.1 426 "));
}

TEST(WebSocket, EndsThoseWhoBreakTheProtocol) {
  TestServer server(echo);
  const auto close_code = [&](std::string_view bytes) {
    RawClient client(server.port());
    client.send(std::string(kUpgrade) + std::string(bytes));
    client.receive_until("\r\n\r\n");
    const std::string rest = client.receive_all();
    EXPECT_TRUE(client.ended);
    if (rest.size() < 4 || rest[0] != '\x88') return -1;
    return static_cast<unsigned char>(rest[2]) << 8 | static_cast<unsigned char>(rest[3]);
  };
  EXPECT_EQ(close_code(expected(Opcode::kText, "unmasked")), kCloseProtocolError);
  EXPECT_EQ(close_code(frame(Opcode::kText, std::string(1001, 'x'))), kCloseTooBig);
  EXPECT_EQ(close_code(frame(Opcode::kText, "\xff\xfe")), kCloseInvalidText);
}

TEST(WebSocket, PingsASilentPeerAndGivesItUp) {
  TestServer server(echo);
  RawClient client(server.port());
  client.send(kUpgrade);
  client.receive_until("\r\n\r\n");
  const int64_t begin_ms = steady_ms();
  EXPECT_EQ(client.receive(2), expected(Opcode::kPing, ""));
  client.receive_all();
  EXPECT_TRUE(client.ended);
  EXPECT_LT(steady_ms() - begin_ms, 2000);
}

}  // namespace
}  // namespace gatehouse::net
