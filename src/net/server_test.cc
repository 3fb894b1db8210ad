#include "net/server.h"

#include "net/net_test_peers.h"

namespace gatehouse::net {
namespace {

using test::RawClient;
using test::TestServer;

// Answers with what it was asked, the body included.
Task<void> echo(Exchange& exchange) {
  const Result<std::string_view> body = co_await exchange.read_body(1 << 20);
  Reply reply;
  std::string text;
  if (!body.ok()) {
    text = body.status().message();
    reply.status = body.status().code() == Code::kResourceExhausted  ? 413
                   : body.status().code() == Code::kDeadlineExceeded ? 408
                                                                     : 400;
  } else {
    text = std::string(exchange.request().method_text) + " " +
           std::string(exchange.request().target) + " [" + std::string(*body) + "]";
  }
  reply.content_type = "text/plain";
  reply.body = text;
  (void)co_await exchange.reply(reply);
}

TEST(Server, AnswersAndKeepsTheConnection) {
  TestServer server(echo);
  RawClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string reply = client.receive_until("GET /a []");
    EXPECT_TRUE(reply.starts_with("HTTP/1.1 200 OK\r\nDate: ")) << reply;
    EXPECT_NE(reply.find("Content-Length: 9\r\n"), std::string::npos) << reply;
  }
  EXPECT_FALSE(client.ended);
}

TEST(Server, ReadsBodiesByLengthAndChunked) {
  TestServer server(echo);
  RawClient client(server.port());
  client.send("POST /l HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_NE(client.receive_until("[hello]").find("[hello]"), std::string::npos);
  client.send("POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  client.send("2\r\nde\r\n0\r\n\r\n");
  EXPECT_NE(client.receive_until("[abcde]").find("[abcde]"), std::string::npos);
  const std::string large(300'000, 'z');
  client.send("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + large);
  EXPECT_NE(client.receive_until("z]").find(large), std::string::npos);
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  TestServer server(echo);
  RawClient client(server.port());
  client.send(
      "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none"
      "POST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string all = client.receive_all();
  const size_t one = all.find("POST /1 [one]");
  const size_t two = all.find("POST /2 [two]");
  const size_t three = all.find("GET /3 []");
  EXPECT_LT(one, two);
  EXPECT_LT(two, three);
  EXPECT_NE(three, std::string::npos) << all;
  EXPECT_TRUE(client.ended);
}

TEST(Server, ReadsRequestsThatComeByteByByte) {
  TestServer server(echo);
  RawClient client(server.port());
  const std::string request =
      "POST /s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nslow\r\n0\r\n\r\n"
      "POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok";
  for (const char c : request) {
    client.send({&c, 1});
    std::this_thread::sleep_for(std::chrono::microseconds(300));
  }
  const std::string all = client.receive_until("[ok]");
  EXPECT_NE(all.find("POST /s [slow]"), std::string::npos) << all;
  EXPECT_NE(all.find("POST /t [ok]"), std::string::npos) << all;
}

TEST(Server, RefusesAmbiguousFramingBeforeTheHandler) {
  std::atomic<int> handled{0};
  TestServer server([&](Exchange& exchange) -> Task<void> {
    ++handled;
    return echo(exchange);
  });
  const std::string_view cases[] = {
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
      "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
      "GET / HTTP/1.1\nHost: x\n\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
  };
  for (const std::string_view bytes : cases) {
    RawClient client(server.port());
    client.send(std::string(bytes) + "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string all = client.receive_all();
    EXPECT_TRUE(all.starts_with("HTTP/1.1 400 ") || all.starts_with("HTTP/1.1 501 "))
        << bytes << all;
    EXPECT_NE(all.find("Connection: close\r\n"), std::string::npos) << all;
    EXPECT_NE(all.find("\"type\":\"invalid_request_error\""), std::string::npos) << all;
    EXPECT_EQ(all.find("HTTP/1.1", 1), std::string::npos) << all;
    EXPECT_TRUE(client.ended && !client.reset);
  }
  EXPECT_EQ(handled, 0);
}

}  // namespace
}  // namespace gatehouse::net
