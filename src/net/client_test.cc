#include "net/client.h"

#include "net/net_test_peers.h"

namespace gatehouse::net {
namespace {

using test::LoopThread;
using test::ScriptedPeer;
using test::TestServer;

// A client on a loop that the test runs itself.
class ClientTest : public testing::Test {
 protected:
  ~ClientTest() override {
    client.close_idle();
    loop.run_for(1);
  }
  Origin origin_at(uint16_t port) {
    Origin origin;
    origin.host = "127.0.0.1";
    origin.port = port;
    origin.host_header = "test";
    return origin;
  }
  void run(std::function<Task<void>()> body) {
    bool done = false;
    detach(enclose(body, done));
    const int64_t limit_ms = steady_ms() + 20'000;
    while (!done && steady_ms() < limit_ms) loop.run_for(20);
    ASSERT_TRUE(done);
  }
  static Task<void> enclose(std::function<Task<void>()>& body, bool& done) {
    co_await body();
    done = true;
  }

  struct Answer {
    Status status;
    int code = 0;
    std::string body;
    bool reused = false;
  };
  // A whole call.
  Task<Answer> call(const Origin& origin, std::string_view body, Cancel* cancel = nullptr,
                    int64_t timeout_ms = 5000) {
    Answer answer;
    ClientCall one(client);
    ClientRequest request;
    request.origin = &origin;
    request.body = body;
    request.cancel = cancel;
    request.connect_deadline_ms = request.write_deadline_ms = steady_ms() + timeout_ms;
    answer.status = co_await one.send(request);
    if (!answer.status.ok()) co_return answer;
    const auto head = co_await one.read_head(steady_ms() + timeout_ms);
    answer.status = head.status();
    if (!head.ok()) co_return answer;
    answer.code = (*head)->status;
    answer.reused = one.times().reused;
    const auto all = co_await one.read_all(1 << 20, steady_ms() + timeout_ms);
    answer.status = all.status();
    if (all.ok()) answer.body = std::string(*all);
    co_return answer;
  }

  Loop loop;
  Pool pool{1};
  Dialer dialer{pool, DialOptions(), nullptr};
  Client client{loop, dialer};
};

Task<void> echo(Exchange& exchange) {
  const Result<std::string_view> body = co_await exchange.read_body(1 << 20);
  Reply reply;
  reply.body = body.ok() ? *body : std::string_view("bad");
  (void)co_await exchange.reply(reply);
}

TEST_F(ClientTest, CallsAndUsesTheConnectionAgain) {
  TestServer server(echo);
  const Origin origin = origin_at(server.port());
  run([&]() -> Task<void> {
    for (int i = 0; i < 3; ++i) {
      const std::string text = "body " + std::to_string(i);
      const Answer answer = co_await call(origin, text);
      EXPECT_TRUE(answer.status.ok()) << answer.status.to_string();
      EXPECT_EQ(answer.code, 200);
      EXPECT_EQ(answer.body, text);
      EXPECT_EQ(answer.reused, i > 0);
    }
    EXPECT_EQ(client.idle_connections(), 1);
    EXPECT_EQ(client.open_connections(), 1);
  });
  EXPECT_EQ(server.server->counters().connections_accepted, 1);
}

TEST_F(ClientTest, ReadsEveryFramingAndPassesInterimReplies) {
  const std::string_view replies[] = {
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\nbody",
      "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody",
  };
  for (const std::string_view reply : replies) {
    ScriptedPeer peer([&](int fd, int) {
      ScriptedPeer::read_head(fd);
      for (const char c : reply) {
        ScriptedPeer::write(fd, {&c, 1});
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
    });
    const Origin origin = origin_at(peer.port());
    run([&]() -> Task<void> {
      const Answer answer = co_await call(origin, "");
      EXPECT_TRUE(answer.status.ok()) << answer.status.to_string();
      EXPECT_EQ(answer.body, "body");
    });
  }
}

TEST_F(ClientTest, ReplacesAStaleConnectionOnce) {
  std::atomic<int> requests{0};
  ScriptedPeer peer([&](int fd, int before) {
    // The first connection serves one request and closes when another may come.
    const int rounds = before == 0 ? 1 : 2;
    for (int i = 0; i < rounds; ++i) {
      if (ScriptedPeer::read_head(fd).empty()) return;
      ++requests;
      ScriptedPeer::write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  const Origin origin = origin_at(peer.port());
  run([&]() -> Task<void> {
    EXPECT_EQ((co_await call(origin, "")).body, "ok");
    co_await loop.sleep_for(50);
    const Answer second = co_await call(origin, "");
    EXPECT_TRUE(second.status.ok()) << second.status.to_string();
    EXPECT_EQ(second.body, "ok");
    EXPECT_FALSE(second.reused);
    client.close_idle();
  });
  EXPECT_EQ(requests, 2);
  EXPECT_EQ(peer.accepted(), 2);
}

TEST_F(ClientTest, AFreshConnectionThatClosesIsAnError) {
  ScriptedPeer peer([](int fd, int) { ScriptedPeer::read_head(fd); });
  const Origin origin = origin_at(peer.port());
  run([&]() -> Task<void> {
    const Answer answer = co_await call(origin, "");
    EXPECT_EQ(answer.status.code(), Code::kUnavailable) << answer.status.to_string();
  });
  EXPECT_EQ(peer.accepted(), 1);
}

TEST_F(ClientTest, GivesWhatHasComeWithoutWaitingForMore) {
  std::atomic<bool> more{false};
  ScriptedPeer peer([&](int fd, int) {
    ScriptedPeer::read_head(fd);
    ScriptedPeer::write(fd,
                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n1\r");
    while (!more) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ScriptedPeer::write(fd, "\nd\r\n0\r\n\r\n");
  });
  const Origin origin = origin_at(peer.port());
  run([&]() -> Task<void> {
    ClientCall call(client);
    ClientRequest request;
    request.origin = &origin;
    request.target = "/";
    EXPECT_EQ(call.read_ready(), "");
    const Status sent = co_await call.send(request);
    EXPECT_TRUE(sent.ok());
    const auto head = co_await call.read_head(steady_ms() + 5000);
    EXPECT_TRUE(head.ok());
    const auto first = co_await call.read_some(steady_ms() + 5000);
    EXPECT_EQ(*first, "a");
    EXPECT_EQ(call.read_ready(), "b");
    EXPECT_EQ(call.read_ready(), "c");
    EXPECT_EQ(call.read_ready(), "");  // the head of the next chunk has come in part
    more = true;
    const auto last = co_await call.read_some(steady_ms() + 5000);
    EXPECT_EQ(*last, "d");
    EXPECT_EQ(call.read_ready(), "");
    const auto end = co_await call.read_some(steady_ms() + 5000);
    EXPECT_TRUE(end.ok() && end->empty());
  });
}

TEST_F(ClientTest, TellsCutAndLyingReplies) {
  struct Case {
    std::string_view bytes;
    Code code;
  };
  const Case cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", Code::kDataLoss},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", Code::kDataLoss},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", Code::kDataLoss},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", Code::kDataLoss},
      {"garbage that is not HTTP\r\n\r\n", Code::kDataLoss},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", Code::kDataLoss},
      {"HTTP/1.1 200 OK\r\nContent-", Code::kUnavailable},
      {"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", Code::kResourceExhausted},
  };
  for (const Case& each : cases) {
    ScriptedPeer peer([&](int fd, int) {
      ScriptedPeer::read_head(fd);
      ScriptedPeer::write(fd, each.bytes);
    });
    const Origin origin = origin_at(peer.port());
    run([&]() -> Task<void> {
      const Answer answer = co_await call(origin, "");
      EXPECT_EQ(answer.status.code(), each.code) << each.bytes << answer.status.to_string();
    });
    EXPECT_EQ(client.open_connections(), 0);
  }
}

TEST_F(ClientTest, DoesNotTrustAConnectionThatSaidTooMuch) {
  ScriptedPeer peer([](int fd, int) {
    for (int i = 0; i < 2; ++i) {
      if (ScriptedPeer::read_head(fd).empty()) return;
      ScriptedPeer::write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n");
    }
  });
  const Origin origin = origin_at(peer.port());
  run([&]() -> Task<void> {
    EXPECT_EQ((co_await call(origin, "")).body, "ok");
    EXPECT_EQ(client.idle_connections(), 0);
  });
}

TEST_F(ClientTest, EveryWaitHasItsDeadline) {
  std::atomic<bool> written{false};
  ScriptedPeer silent([&](int fd, int before) {
    if (before == 1) {
      ScriptedPeer::read_head(fd);
      ScriptedPeer::write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
    }
    if (before == 2) {
      written.wait(false);  // reads nothing
      return;
    }
    ScriptedPeer::wait_for_close(fd, 3000);
  });
  const Origin origin = origin_at(silent.port());
  // More than the buffers of both sockets hold. Made before the clock starts: its first
  // touch of so much memory can cost seconds under a sanitizer on a loaded machine.
  const std::string large(16 << 20, 'x');
  run([&]() -> Task<void> {
    const int64_t begin_ms = steady_ms();
    const Answer head = co_await call(origin, "", nullptr, 60);
    EXPECT_EQ(head.status.code(), Code::kDeadlineExceeded) << head.status.to_string();
    // The head must come within it, from a thread that a busy machine may keep waiting.
    const Answer body = co_await call(origin, "", nullptr, 300);
    EXPECT_EQ(body.status.code(), Code::kDeadlineExceeded) << body.status.to_string();
    EXPECT_EQ(body.code, 200);
    const Answer writing = co_await call(origin, large, nullptr, 60);
    written = true;
    written.notify_all();
    EXPECT_EQ(writing.status.code(), Code::kDeadlineExceeded);
    EXPECT_TRUE(writing.status.message().starts_with("write")) << writing.status.message();
    EXPECT_LT(steady_ms() - begin_ms, 1500);
  });
}

TEST_F(ClientTest, CancelClosesTheUpstreamInTime) {
  std::atomic<int64_t> closed_ms{0};
  std::atomic<bool> asked{false};
  ScriptedPeer peer([&](int fd, int before) {
    ScriptedPeer::read_head(fd);
    if (before == 1) {
      ScriptedPeer::write(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    }
    asked = true;
    ScriptedPeer::wait_for_close(fd, 5000);
    closed_ms = steady_ms();
  });
  const Origin origin = origin_at(peer.port());
  for (int round = 0; round < 2; ++round) {
    asked = false;
    closed_ms = 0;
    int64_t fired_ms = 0;
    run([&]() -> Task<void> {
      Cancel cancel;
      Repeat later(loop, 40, [&] {
        if (!cancel.fired()) fired_ms = steady_ms();
        cancel.fire();
      });
      const Answer answer = co_await call(origin, "", &cancel);
      EXPECT_EQ(answer.status.code(), Code::kCancelled) << answer.status.to_string();
    });
    for (int i = 0; i < 1000 && closed_ms == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_NE(closed_ms, 0);
    EXPECT_LT(closed_ms - fired_ms, 50);
  }
}

TEST_F(ClientTest, QueuesBeyondThePlacesOfAnOrigin) {
  std::atomic<int> at_once{0}, most{0};
  TestServer server([&](Exchange& exchange) -> Task<void> {
    most = std::max<int>(most, ++at_once);
    co_await exchange.loop().sleep_for(30);
    --at_once;
    Reply reply;
    (void)co_await exchange.reply(reply);
  });
  Origin origin = origin_at(server.port());
  origin.connections_max = 2;
  run([&]() -> Task<void> {
    std::vector<int> order;
    Event all(loop);
    const auto one = [&](int number) -> Task<void> {
      const Answer answer = co_await call(origin, "");
      EXPECT_TRUE(answer.status.ok()) << answer.status.to_string();
      order.push_back(number);
      if (order.size() == 6) all.set();
    };
    for (int i = 0; i < 6; ++i) detach(one(i));
    const Answer late = co_await call(origin, "", nullptr, 20);
    EXPECT_EQ(late.status.code(), Code::kDeadlineExceeded);
    EXPECT_TRUE(late.status.message().starts_with("connect")) << late.status.message();
    co_await all.wait();
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5}));
  });
  EXPECT_EQ(most, 2);
  EXPECT_EQ(server.server->counters().connections_accepted, 2);
}

TEST_F(ClientTest, StreamsALargeReplyInBoundedMemory) {
  constexpr int64_t kBytes = 100 << 20;
  TestServer server([](Exchange& exchange) -> Task<void> {
    const std::string piece(64 * 1024, 's');
    (void)co_await exchange.start(200, {});
    for (int64_t sent = 0; sent < kBytes; sent += static_cast<int64_t>(piece.size())) {
      if (!(co_await exchange.write(piece)).ok()) co_return;
    }
    (void)co_await exchange.finish();
  });
  const Origin origin = origin_at(server.port());
  run([&]() -> Task<void> {
    ClientCall one(client);
    ClientRequest request;
    request.origin = &origin;
    request.method = "GET";
    EXPECT_TRUE((co_await one.send(request)).ok());
    EXPECT_TRUE((co_await one.read_head()).ok());
    int64_t bytes = 0;
    size_t largest = 0;
    while (true) {
      const auto piece = co_await one.read_some(steady_ms() + 5000);
      EXPECT_TRUE(piece.ok()) << piece.status().to_string();
      if (!piece.ok() || piece->empty()) break;
      bytes += static_cast<int64_t>(piece->size());
      largest = std::max(largest, piece->size());
    }
    EXPECT_EQ(bytes, kBytes);
    EXPECT_LE(largest, size_t{64} * 1024);
    EXPECT_EQ(client.idle_connections(), 1);
  });
}

TEST_F(ClientTest, StreamsTheRequest) {
  TestServer server(echo);
  const Origin origin = origin_at(server.port());
  for (const int64_t length : {int64_t{-1}, int64_t{9}}) {
    run([&]() -> Task<void> {
      ClientCall one(client);
      ClientRequest request;
      request.origin = &origin;
      request.streamed_body = true;
      request.content_length = length;
      EXPECT_TRUE((co_await one.send(request)).ok());
      EXPECT_TRUE((co_await one.write("first")).ok());
      co_await loop.sleep_for(10);
      EXPECT_TRUE((co_await one.write("last")).ok());
      EXPECT_TRUE((co_await one.finish()).ok());
      EXPECT_TRUE((co_await one.read_head(steady_ms() + 3000)).ok());
      const auto body = co_await one.read_all(100, steady_ms() + 3000);
      EXPECT_TRUE(body.ok());
      if (body.ok()) {
        EXPECT_EQ(*body, "firstlast");
      }
    });
  }
}

}  // namespace
}  // namespace gatehouse::net
