#include "net/server.h"

#include <sys/resource.h>
#include <sys/un.h>

#include <fstream>

#include "net/net_test_peers.h"
#include "net/proxy_protocol.h"

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

TEST(Server, ASecondProcessIsToldThatTheAddressIsInUse) {
  EXPECT_TRUE(check_free("127.0.0.1:0").ok());
  Loop loop;
  MemoryBudget budget(1 << 20);
  const auto nothing = [](Exchange&) -> Task<void> { co_return; };
  {
    Server first(loop, {}, nullptr, budget, nothing);
    ASSERT_TRUE(first.listen("127.0.0.1:0").ok());
    const std::string address = "127.0.0.1:" + std::to_string(first.port());
    const Status taken = check_free(address);
    EXPECT_EQ(taken.code(), Code::kAlreadyExists);
    EXPECT_NE(taken.message().find("in use"), std::string::npos);
    // The servers of one process do share it.
    Server second(loop, {}, nullptr, budget, nothing);
    EXPECT_TRUE(second.listen(address).ok());
  }
  loop.run_for(0);  // what accepted ends
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

TEST(Server, EnforcesHeadLimits) {
  ServerOptions options;
  options.head_timeout_ms = 100;
  TestServer server(echo, options);
  const auto answer_to = [&](std::string_view bytes) {
    RawClient client(server.port());
    client.send(bytes);
    return client.receive_all();
  };
  EXPECT_TRUE(answer_to("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(40'000, 'a') + "\r\n\r\n")
                  .starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(answer_to("GET /" + std::string(10'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n")
                  .starts_with("HTTP/1.1 414 "));
  EXPECT_TRUE(answer_to("GET / HTTP/2.0\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 505 "));
  EXPECT_TRUE(answer_to("GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n")
                  .starts_with("HTTP/1.1 417 "));
  const std::string slow = answer_to("GET / HTTP/1.1\r\nHos");
  EXPECT_TRUE(slow.starts_with("HTTP/1.1 408 ")) << slow;
  EXPECT_NE(slow.find("\"code\":\"request_timeout\""), std::string::npos) << slow;
}

TEST(Server, EndsSlowAndLongBodies) {
  ServerOptions options;
  options.body_stall_timeout_ms = 100;
  options.body_bytes_max = 1000;
  TestServer server(echo, options);
  RawClient slow(server.port());
  slow.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
  EXPECT_TRUE(slow.receive_all().starts_with("HTTP/1.1 408 "));
  RawClient announced(server.port());
  announced.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nabc");
  const std::string refused = announced.receive_all();
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 413 ")) << refused;
  EXPECT_NE(refused.find("Connection: close"), std::string::npos);
  RawClient chunked(server.port());
  chunked.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 20; ++i) chunked.send("64\r\n" + std::string(100, 'x') + "\r\n");
  chunked.send("0\r\n\r\n");
  EXPECT_TRUE(chunked.receive_until("1000 bytes").starts_with("HTTP/1.1 413 "));
  RawClient garbage(server.port());
  garbage.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  const std::string bad = garbage.receive_all();
  EXPECT_TRUE(bad.starts_with("HTTP/1.1 400 ")) << bad;
  EXPECT_TRUE(garbage.ended);
}

TEST(Server, AsksForTheBodyOnlyWhereItIsRead) {
  TestServer server(echo);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.receive(25), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("body");
  EXPECT_NE(client.receive_until("[body]").find("200 OK"), std::string::npos);
  TestServer unread([](Exchange& exchange) -> Task<void> {
    Reply reply;
    reply.status = 403;
    (void)co_await exchange.reply(reply);
  });
  RawClient other(unread.port());
  other.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  const std::string all = other.receive_all();
  EXPECT_TRUE(all.starts_with("HTTP/1.1 403 ")) << all;
  EXPECT_NE(all.find("Connection: close"), std::string::npos);
}

TEST(Server, SkipsABodyThatWasNotRead) {
  TestServer server([](Exchange& exchange) -> Task<void> {
    Reply reply;
    reply.body = exchange.request().path;
    (void)co_await exchange.reply(reply);
  });
  RawClient client(server.port());
  client.send("POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
  EXPECT_TRUE(client.receive_until("/first").starts_with("HTTP/1.1 200"));
  client.send(std::string(100'000, 'G') + "GET /second HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.receive_until("/second").starts_with("HTTP/1.1 200"));
}

TEST(Server, AnswersHeadAndOlderClients) {
  TestServer server(echo);
  RawClient client(server.port());
  client.send("HEAD /h HTTP/1.1\r\nHost: x\r\n\r\nGET /g HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string both = client.receive_until("GET /g []");
  EXPECT_NE(both.find("Content-Length: 10\r\n"), std::string::npos) << both;
  EXPECT_EQ(both.find("HEAD /h"), std::string::npos) << both;
  RawClient old(server.port());
  old.send("GET /o HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(old.receive_all().ends_with("GET /o []"));
  EXPECT_TRUE(old.ended);
  RawClient kept(server.port());
  kept.send("GET /o HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_NE(kept.receive_until("[]").find("Connection: keep-alive\r\n"), std::string::npos);
  EXPECT_FALSE(kept.ended);
}

Task<void> stream_three(Exchange& exchange) {
  (void)co_await exchange.start(200, {});
  (void)co_await exchange.write("one");
  (void)co_await exchange.write("");
  (void)co_await exchange.write("three");
  (void)co_await exchange.finish();
}

TEST(Server, StreamsChunkedAndUntilClose) {
  TestServer server(stream_three);
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(
      client.receive_until("0\r\n\r\n")
          .ends_with("Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n"));
  RawClient old(server.port());
  old.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string all = old.receive_all();
  EXPECT_TRUE(all.ends_with("Connection: close\r\n\r\nonethree")) << all;
}

TEST(Server, AHandlerThatStopsAmidAStreamCutsIt) {
  TestServer server([](Exchange& exchange) -> Task<void> {
    (void)co_await exchange.start(200, {});
    (void)co_await exchange.write("part");
  });
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string all = client.receive_all();
  EXPECT_EQ(all.find("0\r\n\r\n"), std::string::npos) << all;
  EXPECT_TRUE(client.ended);
}

TEST(Server, ABodyOfACutCallIsNotInTheNext) {
  TestServer server([](Exchange& exchange) -> Task<void> {
    if (exchange.request().target != "/cut") co_return co_await echo(exchange);
    (void)co_await exchange.read_body(1 << 20);
    exchange.abort();
  });
  const std::string chunked = " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  {
    RawClient cut(server.port());
    cut.send("POST /cut" + chunked + "6\r\nsecret\r\n0\r\n\r\n");
    cut.receive_all();
  }
  {
    RawClient next(server.port());
    next.send("POST /next" + chunked + "3\r\nown\r\n0\r\n\r\n");
    EXPECT_NE(next.receive_until("]").find("POST /next [own]"), std::string::npos);
  }
}

TEST(Server, AnswersForAHandlerThatDoesNot) {
  TestServer server([](Exchange&) -> Task<void> { co_return; });
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.receive_all().starts_with("HTTP/1.1 500 "));
}

TEST(Server, RefusesHeadersThatWouldSplitTheReply) {
  TestServer server([](Exchange& exchange) -> Task<void> {
    Header evil{"X-Name", "a\r\nSet-Cookie: b"};
    Reply reply;
    reply.headers = std::span(&evil, 1);
    EXPECT_FALSE((co_await exchange.reply(reply)).ok());
    EXPECT_FALSE(exchange.replied());
  });
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.receive_all().starts_with("HTTP/1.1 500 "));
}

TEST(Server, ASlowReaderStopsTheHandler) {
  std::atomic<int64_t> written{0};
  ServerOptions options;
  options.write_stall_timeout_ms = 400;
  std::atomic<bool> failed{false};
  TestServer server(
      [&](Exchange& exchange) -> Task<void> {
        const std::string piece(32 * 1024, 'p');
        (void)co_await exchange.start(200, {});
        while (written < int64_t{1} << 30) {
          const Status status = co_await exchange.write(piece);
          if (!status.ok()) break;
          written += static_cast<int64_t>(piece.size());
        }
        failed = true;
      },
      options);
  RawClient client(server.port(), 16 * 1024);
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const int64_t first = written;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(written, first);
  EXPECT_LT(written, 4 << 20);
  EXPECT_EQ(client.receive(1 << 20).size(), size_t{1} << 20);  // and it goes on
  EXPECT_GT(written, first);
  for (int i = 0; i < 300 && !failed; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(failed);  // a client that reads nothing for too long is given up
}

TEST(Server, AClientThatLeavesFiresCancelInTime) {
  std::atomic<int64_t> woken_ms{0};
  std::atomic<bool> waiting{false};
  TestServer server([&](Exchange& exchange) -> Task<void> {
    waiting = true;
    const Wake wake = co_await exchange.loop().sleep_for(5000, &exchange.cancel());
    EXPECT_EQ(wake, Wake::kCancelled);
    woken_ms = steady_ms();
  });
  for (const bool pipelined : {false, true}) {
    waiting = false;
    woken_ms = 0;
    RawClient client(server.port());
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    while (!waiting) std::this_thread::yield();
    if (pipelined) client.send("GET /next HTTP/1.1\r\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    EXPECT_EQ(woken_ms, 0);
    const int64_t left_ms = steady_ms();
    client.close();
    while (woken_ms == 0 && steady_ms() - left_ms < 2000) std::this_thread::yield();
    EXPECT_LT(woken_ms - left_ms, 50);
    EXPECT_NE(woken_ms, 0);
  }
}

TEST(Server, EndsExchangesThatTakeTooLong) {
  ServerOptions options;
  options.total_timeout_ms = 100;
  TestServer server(
      [](Exchange& exchange) -> Task<void> {
        EXPECT_EQ(co_await exchange.loop().sleep_for(5000, &exchange.cancel()), Wake::kCancelled);
      },
      options);
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  client.receive_all();
  EXPECT_TRUE(client.ended);
}

TEST(Server, ClosesIdleConnections) {
  ServerOptions options;
  options.idle_timeout_ms = 50;
  TestServer server(echo, options);
  RawClient client(server.port());
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_TRUE(client.ended);
}

TEST(Server, LimitsConnections) {
  ServerOptions options;
  options.connections_per_address_max = 2;
  TestServer each(echo, options);
  {
    RawClient one(each.port());
    RawClient two(each.port());
    one.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    one.receive_until("[]");
    RawClient three(each.port());
    EXPECT_TRUE(three.receive_all().starts_with("HTTP/1.1 503 "));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  RawClient again(each.port());
  again.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(again.receive_until("[]").starts_with("HTTP/1.1 200 "));
  options.connections_per_address_max = 10;
  options.connections_max = 1;
  TestServer all(echo, options);
  RawClient one(all.port());
  one.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  one.receive_until("[]");
  RawClient two(all.port());
  EXPECT_TRUE(two.receive_all().starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(all.server->counters().connections_refused, 1);
}

TEST(Server, DrainsGracefully) {
  std::atomic<bool> waiting{false};
  TestServer server([&](Exchange& exchange) -> Task<void> {
    if (exchange.request().path == "/slow") {
      waiting = true;
      co_await exchange.loop().sleep_for(150, &exchange.cancel());
    }
    if (exchange.request().path == "/forever") {
      waiting = true;
      co_await exchange.loop().sleep_for(60'000, &exchange.cancel());
    }
    Reply reply;
    reply.body = "done";
    (void)co_await exchange.reply(reply);
  });
  RawClient idle(server.port());
  RawClient slow(server.port());
  RawClient forever(server.port());
  slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  while (!waiting) std::this_thread::yield();
  waiting = false;
  forever.send("GET /forever HTTP/1.1\r\nHost: x\r\n\r\n");
  while (!waiting) std::this_thread::yield();
  const int64_t begin_ms = steady_ms();
  server.thread.run([&]() -> Task<void> { co_await server.server->drain(400); });
  EXPECT_LT(steady_ms() - begin_ms, 3000);
  EXPECT_GE(steady_ms() - begin_ms, 400);
  EXPECT_EQ(idle.receive_all(), "");
  const std::string reply = slow.receive_all();
  EXPECT_TRUE(reply.starts_with("HTTP/1.1 200 ") && reply.ends_with("done")) << reply;
  EXPECT_NE(reply.find("Connection: close"), std::string::npos);
  forever.receive_all();
  EXPECT_TRUE(forever.ended);
}

TEST(Server, UpdatesWhileItServes) {
  TestServer server(echo);
  RawClient client(server.port());
  client.send("GET /old HTTP/1.1\r\nHost: x\r\n\r\n");
  client.receive_until("[]");
  server.thread.run([&]() -> Task<void> {
    server.server->update({}, nullptr, stream_three);
    co_return;
  });
  client.send("GET /new HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.receive_until("0\r\n\r\n").find("three"), std::string::npos);
}

TEST(Server, TakesTheAddressFromATrustedProxy) {
  ServerOptions options;
  options.proxy_protocol_from = {"127.0.0.0/8"};
  TestServer server(
      [](Exchange& exchange) -> Task<void> {
        const std::string text =
            exchange.peer().address + "|" + std::to_string(exchange.peer().port);
        Reply reply;
        reply.body = text;
        (void)co_await exchange.reply(reply);
      },
      options);
  ProxyHeader header;
  header.proxied = true;
  header.source.bytes = {192, 0, 2, 7};
  header.source.port = 4711;
  header.destination.bytes = {192, 0, 2, 1};
  header.destination.port = 80;
  RawClient client(server.port());
  client.send(make_proxy_header(header) + "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.receive_until("4711").find("192.0.2.7|4711"), std::string::npos);
  RawClient without(server.port());
  without.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(without.receive_all(), "");
  EXPECT_TRUE(without.ended);
}

TEST(Server, ListensOnUnixSocketsAndSaysWhyItCannot) {
  const std::string path = testing::TempDir() + "gatehouse-" + std::to_string(::getpid());
  TestServer server(echo, {}, nullptr, "unix:" + path);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  path.copy(to.sun_path, sizeof to.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  const std::string_view request = "GET /u HTTP/1.0\r\n\r\n";
  EXPECT_EQ(::send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  char reply[4];
  EXPECT_EQ(::recv(fd, reply, 4, MSG_WAITALL), 4);
  ::close(fd);
  Loop loop;
  Server other(loop, {}, nullptr, server.budget, echo);
  const Status status = other.listen("192.0.2.1:0");
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("192.0.2.1:0"), std::string::npos) << status.message();
  EXPECT_FALSE(other.listen("nonsense").ok());
}

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * 4096;
}

TEST(Server, IdleConnectionsHoldLittle) {
  ServerOptions options;
  options.connections_per_address_max = 10'000;
  TestServer server(echo, options);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const int count = limit.rlim_cur >= 10'500 ? 5000 : 400;
  std::vector<std::unique_ptr<RawClient>> clients;
  clients.reserve(static_cast<size_t>(count));
  const int64_t before = resident_bytes();
  for (int i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
    clients.back()->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(clients.back()->receive(12), "HTTP/1.1 200");
  }
  const int64_t each = (resident_bytes() - before) / count;
  std::printf("%d idle connections: %lld bytes each\n", count, static_cast<long long>(each));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(each, 2500);
#endif
}

}  // namespace
}  // namespace gatehouse::net
