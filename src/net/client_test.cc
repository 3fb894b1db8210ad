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

}  // namespace
}  // namespace gatehouse::net
