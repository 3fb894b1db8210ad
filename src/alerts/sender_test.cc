// Deliveries over sockets: receivers that hang, refuse, ask to wait, talk without end or lead
// elsewhere; mail servers. What is sent is in test/alerts/receivers.
#include "alerts/sender.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "alerts/sample_notification_for_test.h"
#include "base/files.h"
#include "net/net_test_peers.h"

namespace gatehouse::alerts {
namespace {

using net::test::LoopThread;
using net::test::ScriptedPeer;

class SenderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = NotificationTemplates::create({});
    ASSERT_TRUE(made.ok()) << made.status().message();
    templates = *made;
  }

  static std::shared_ptr<Integration> make(std::string_view kind, const std::string& config,
                                           const std::string& global = "{}") {
    wire::ConfigLog log;
    log.file = "test.yml";
    const auto globals = wire::parse_yaml(global);
    const auto node = wire::parse_yaml(config);
    EXPECT_TRUE(node.ok()) << node.status().message();
    std::shared_ptr<Integration> made;
    for (const IntegrationKind& each : integration_kinds()) {
      if (each.key != kind) continue;
      wire::ConfigFields fields(log, *node->documents().front(), kind);
      made = each.read(fields, read_globals(log, globals->documents().front()));
      fields.done();
    }
    for (const std::string& problem : log.problems) ADD_FAILURE() << problem;
    return made;
  }

  SendOutcome send(const Integration& integration, int64_t wait_ms = 5'000,
                   const std::string& which = "firing", net::DialOptions dial = {},
                   int64_t cancel_after_ms = -1) {
    SendOutcome outcome;
    LoopThread thread;
    Pool pool(1);
    const Notification notification = sample_notification(which);
    Cancel cancel;
    thread.run([&]() -> Task<void> {
      Sender sender(thread.loop, pool, model::system_clock(), dial);
      if (cancel_after_ms >= 0) detach(fire_later(thread.loop, cancel, cancel_after_ms));
      outcome = co_await sender.send(integration, *templates, notification, steady_ms() + wait_ms,
                                     &cancel);
    });
    thread.stop();
    pool.finish();
    return outcome;
  }

  static Task<void> fire_later(Loop& loop, Cancel& cancel, int64_t ms) {
    (void)co_await loop.sleep_for(ms);
    cancel.fire();
  }

  static std::string webhook(uint16_t port, const std::string& more = {}) {
    return "url: http://127.0.0.1:" + std::to_string(port) + "/hook-secret\n" + more;
  }

  std::shared_ptr<const NotificationTemplates> templates;
};

// Reads a request and its body, and answers.
void answer(int fd, const std::string& reply, std::string* request = nullptr) {
  std::string head = ScriptedPeer::read_head(fd);
  const size_t at = head.find("ontent-Length: ");
  size_t left = at == std::string::npos ? 0 : std::stoul(head.substr(at + 15));
  std::string body(left, '\0');
  size_t got = 0;
  while (got < left) {
    const ssize_t piece = ::recv(fd, body.data() + got, left - got, 0);
    if (piece <= 0) break;
    got += static_cast<size_t>(piece);
  }
  if (request != nullptr) *request = head + body;
  ScriptedPeer::write(fd, reply);
}

std::string http(const std::string& status, const std::string& headers, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST_F(SenderTest, Delivers) {
  std::string request;
  ScriptedPeer peer([&](int fd, int) { answer(fd, http("200 OK", "", "fine"), &request); });
  const auto hook = make("webhook_configs", webhook(peer.port()));
  const SendOutcome outcome = send(*hook);
  EXPECT_TRUE(outcome.delivered) << outcome.error;
  EXPECT_EQ(outcome.status, 200);
  EXPECT_FALSE(outcome.retry);
  EXPECT_TRUE(request.starts_with("POST /hook-secret HTTP/1.1\r\n")) << request;
  EXPECT_NE(request.find("User-Agent: Gatehouse/"), std::string::npos);
  EXPECT_TRUE(request.ends_with("}\n")) << request;
}

TEST_F(SenderTest, CredentialsOfTheUrl) {
  std::string request;
  ScriptedPeer peer([&](int fd, int) { answer(fd, http("401 No", "", "pass-word?"), &request); });
  const auto hook =
      make("webhook_configs",
           "url: http://user:pass-word@127.0.0.1:" + std::to_string(peer.port()) + "/#top");
  const SendOutcome outcome = send(*hook);
  EXPECT_NE(request.find("Authorization: Basic dXNlcjpwYXNzLXdvcmQ="), std::string::npos)
      << request;
  EXPECT_EQ(outcome.error, "unexpected status code 401: <secret>?");
  EXPECT_FALSE(outcome.retry);
}

TEST_F(SenderTest, CredentialsOfTheClient) {
  ScriptedPeer peer([&](int fd, int) {
    answer(fd, http("403 No", "", "Authorization: Bearer token-word is not known"));
  });
  const auto hook =
      make("webhook_configs",
           webhook(peer.port(), "http_config: {authorization: {credentials: token-word}}"));
  EXPECT_EQ(send(*hook).error,
            "unexpected status code 403: Authorization: Bearer <secret> is not known");
}

TEST_F(SenderTest, AsksToWait) {
  ScriptedPeer peer([&](int fd, int) {
    answer(fd, http("429 Too Many Requests", "Retry-After: 7\r\n", "later\n\n  please"));
  });
  const SendOutcome outcome = send(*make("webhook_configs", webhook(peer.port())));
  EXPECT_FALSE(outcome.delivered);
  EXPECT_TRUE(outcome.retry);
  EXPECT_EQ(outcome.retry_after_ms, 7'000);
  EXPECT_EQ(outcome.error, "unexpected status code 429: later please");
}

TEST_F(SenderTest, ServerError) {
  ScriptedPeer peer([&](int fd, int) {
    answer(fd, http("500 Oops", "Retry-After: Fri, 01 Jan 2100 00:00:00 GMT\r\n",
                    std::string(10'000, 'x')));
  });
  const SendOutcome outcome = send(*make("webhook_configs", webhook(peer.port())));
  EXPECT_TRUE(outcome.retry);
  EXPECT_EQ(outcome.retry_after_ms, 3'600'000);  // bounded
  EXPECT_LT(outcome.error.size(), 400u);
}

TEST_F(SenderTest, Hangs) {
  ScriptedPeer peer([&](int fd, int) { ScriptedPeer::wait_for_close(fd, 5'000); });
  const int64_t begin_ms = steady_ms();
  const SendOutcome outcome = send(*make("webhook_configs", webhook(peer.port())), 300);
  EXPECT_TRUE(outcome.retry);
  EXPECT_FALSE(outcome.error.empty());
  EXPECT_LT(steady_ms() - begin_ms, 2'000);
}

TEST_F(SenderTest, HangsLongerThanItsTimeout) {
  ScriptedPeer peer([&](int fd, int) { ScriptedPeer::wait_for_close(fd, 5'000); });
  const auto hook = make("webhook_configs", webhook(peer.port(), "timeout: 200ms"));
  const int64_t begin_ms = steady_ms();
  EXPECT_TRUE(send(*hook, 10'000).retry);
  EXPECT_LT(steady_ms() - begin_ms, 2'000);
}

TEST_F(SenderTest, Cancelled) {
  ScriptedPeer peer([&](int fd, int) { ScriptedPeer::wait_for_close(fd, 5'000); });
  const int64_t begin_ms = steady_ms();
  const auto hook = make("webhook_configs", webhook(peer.port()));
  EXPECT_FALSE(send(*hook, 10'000, "firing", {}, 1'000).delivered);
  EXPECT_LT(steady_ms() - begin_ms, 3'000);
}

TEST_F(SenderTest, BodyWithoutAnEnd) {
  ScriptedPeer peer([&](int fd, int) {
    answer(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
    while (ScriptedPeer::write(fd, chunk)) {
    }
  });
  const int64_t begin_ms = steady_ms();
  const SendOutcome outcome = send(*make("webhook_configs", webhook(peer.port())), 10'000);
  EXPECT_TRUE(outcome.delivered) << outcome.error;
  EXPECT_LT(steady_ms() - begin_ms, 5'000);
}

TEST_F(SenderTest, RedirectToMetadata) {
  ScriptedPeer peer([&](int fd, int) {
    answer(fd, http("307 Go", "Location: http://169.254.169.254/latest/meta-data\r\n", ""));
  });
  const SendOutcome outcome = send(*make("webhook_configs", webhook(peer.port())));
  EXPECT_FALSE(outcome.delivered);
  EXPECT_TRUE(outcome.retry);
  EXPECT_NE(outcome.error.find("169.254.169.254 is not allowed"), std::string::npos)
      << outcome.error;
}

TEST_F(SenderTest, RedirectIntoAPrivateNetwork) {
  int inner_calls = 0;
  ScriptedPeer inner([&](int fd, int) {
    ++inner_calls;
    answer(fd, http("200 OK", "", ""));
  });
  ScriptedPeer peer([&](int fd, int) {
    const std::string to = "http://localhost:" + std::to_string(inner.port()) + "/admin";
    answer(fd, http("308 Go", "Location: " + to + "\r\n", ""));
  });
  const auto hook = make("webhook_configs", webhook(peer.port()));
  const SendOutcome outcome = send(*hook);
  EXPECT_FALSE(outcome.delivered);
  EXPECT_NE(outcome.error.find("not allowed"), std::string::npos) << outcome.error;
  EXPECT_EQ(inner_calls, 0);
  // An administrator who names the network opens it.
  net::DialOptions dial;
  dial.allow = {"127.0.0.0/8"};
  EXPECT_TRUE(send(*hook, 5'000, "firing", dial).delivered);
  EXPECT_EQ(inner_calls, 1);
}

TEST_F(SenderTest, RedirectsOfAPost) {
  std::vector<std::string> requests(3);
  ScriptedPeer peer([&](int fd, int count) {
    const std::string code = count == 0 ? "308 Go" : "303 See";
    answer(fd,
           count < 2 ? http(code, "Location: /next\r\nConnection: close\r\n", "")
                     : http("200 OK", "Connection: close\r\n", ""),
           &requests[static_cast<size_t>(std::min(count, 2))]);
  });
  EXPECT_TRUE(send(*make("webhook_configs", webhook(peer.port()))).delivered);
  EXPECT_TRUE(requests[1].starts_with("POST /next ")) << requests[1];
  EXPECT_TRUE(requests[1].ends_with("}\n"));
  EXPECT_TRUE(requests[2].starts_with("GET /next ")) << requests[2];
  EXPECT_EQ(requests[2].find("Content-Type"), std::string::npos);
}

TEST_F(SenderTest, RedirectsAreNotFollowedWhereTheyAreOff) {
  ScriptedPeer peer([&](int fd, int) { answer(fd, http("302 Go", "Location: /next\r\n", "")); });
  const auto hook =
      make("webhook_configs", webhook(peer.port(), "http_config: {follow_redirects: false}"));
  const SendOutcome outcome = send(*hook);
  EXPECT_EQ(outcome.status, 302);
  EXPECT_FALSE(outcome.retry);
}

TEST_F(SenderTest, ThroughAProxy) {
  std::string request;
  ScriptedPeer proxy([&](int fd, int) { answer(fd, http("200 OK", "", ""), &request); });
  const std::string at = "127.0.0.1:" + std::to_string(proxy.port());
  const auto hook = make("webhook_configs",
                         "url: http://hook.invalid:8080/a?b=1\nhttp_config: {proxy_url: "
                         "'http://user:word@" +
                             at + "'}");
  EXPECT_TRUE(send(*hook).delivered);
  EXPECT_TRUE(request.starts_with("POST http://hook.invalid:8080/a?b=1 HTTP/1.1\r\n")) << request;
  EXPECT_NE(request.find("roxy-authorization: Basic dXNlcjp3b3Jk\r\n"), std::string::npos)
      << request;
}

TEST_F(SenderTest, ThroughATunnel) {
  std::string asked;
  ScriptedPeer proxy([&](int fd, int) {
    asked = ScriptedPeer::read_head(fd);
    ScriptedPeer::write(fd, "HTTP/1.1 403 Not there\r\n\r\n");
  });
  const std::string at = "127.0.0.1:" + std::to_string(proxy.port());
  const auto hook = make("webhook_configs",
                         "url: https://hook.invalid/a\nhttp_config: {proxy_url: 'http://" + at +
                             "', no_proxy: other.invalid, proxy_connect_header: {X-Team: [a]}}");
  const SendOutcome outcome = send(*hook);
  EXPECT_EQ(asked,
            "CONNECT hook.invalid:443 HTTP/1.1\r\nHost: hook.invalid:443\r\nX-Team: "
            "a\r\n\r\n");
  EXPECT_TRUE(outcome.retry);
  EXPECT_EQ(outcome.error, "the proxy refused the tunnel to hook.invalid:443: 403 Not there");
}

TEST_F(SenderTest, NobodyThere) {
  uint16_t port = 0;
  {
    port = ScriptedPeer([](int, int) {}).port();
  }
  const SendOutcome outcome = send(*make("webhook_configs", webhook(port)));
  EXPECT_TRUE(outcome.retry);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.error.find("hook-secret"), std::string::npos) << outcome.error;
}

TEST_F(SenderTest, SecretsOfFilesAreReadForEachAttempt) {
  std::string request;
  ScriptedPeer peer([&](int fd, int) { answer(fd, http("200 OK", "", ""), &request); });
  const std::string file = ::testing::TempDir() + "url_" + std::to_string(::getpid());
  const auto hook = make("webhook_configs", "url_file: " + file);
  const SendOutcome missing = send(*hook);
  EXPECT_FALSE(missing.delivered);
  EXPECT_NE(missing.error.find(file), std::string::npos) << missing.error;
  std::ofstream(file) << "http://127.0.0.1:" << peer.port() << "/later\n";
  EXPECT_TRUE(send(*hook).delivered);
  EXPECT_TRUE(request.starts_with("POST /later ")) << request;
  ::unlink(file.c_str());
}

TEST_F(SenderTest, ATemplateThatExplodesStopsNothing) {
  std::string request;
  ScriptedPeer peer([&](int fd, int) { answer(fd, http("200 OK", "", "ok"), &request); });
  const auto slack =
      make("slack_configs", "api_url: http://127.0.0.1:" + std::to_string(peer.port()) +
                                "/x\ntext: '{{ define \"a\" }}{{ template \"a\" . "
                                "}}{{ template \"a\" . }}{{ end }}{{ template "
                                "\"a\" . }}'");
  const SendOutcome outcome = send(*slack, 20'000);
  EXPECT_TRUE(outcome.delivered) << outcome.error;
  EXPECT_TRUE(outcome.plain_fallback);
  EXPECT_NE(outcome.template_error.find("template"), std::string::npos);
  EXPECT_NE(request.find("instance = a:9090"), std::string::npos) << request;
}

// A mail server that speaks by a script: the greeting and EHLO's answer, then `replies` to the
// commands in their order; the message's end counts as one.
struct MailPeer {
  explicit MailPeer(std::vector<std::string> replies) {
    peer = std::make_unique<ScriptedPeer>([this, replies](int fd, int) {
      ScriptedPeer::write(fd, replies[0] + "\r\n");
      bool in_message = false;
      for (size_t i = 1; i < replies.size(); ++i) {
        const std::string line = read(fd, in_message ? "\r\n.\r\n" : "\r\n");
        if (line.empty()) return;
        heard += line;
        in_message = replies[i].starts_with("354");
        ScriptedPeer::write(fd, replies[i] + "\r\n");
      }
      heard += read(fd, "\r\n");
    });
  }
  static std::string read(int fd, std::string_view end) {
    std::string got;
    char byte;
    while (!got.ends_with(end) && ::recv(fd, &byte, 1, 0) == 1) got += byte;
    return got;
  }
  std::string config(const std::string& more) const {
    return "smarthost: 127.0.0.1:" + std::to_string(peer->port()) +
           "\nfrom: a@example.org\nto: b@example.org, c@example.org\ntext: '.x'\nhtml: ''\n" + more;
  }
  std::string heard;
  std::unique_ptr<ScriptedPeer> peer;
};

TEST_F(SenderTest, MailByLogin) {
  MailPeer mail({"220 hello", "250-me\r\n250-8BITMIME\r\n250 AUTH LOGIN", "334 VXNlcg==",
                 "334 UGFzcw==", "235 in", "250 ok", "250 ok", "250 ok", "354 go", "250 taken"});
  const auto email = make("email_configs", mail.config("require_tls: false\nhello: gate\n"
                                                       "auth_username: u\nauth_password: p-word"));
  const SendOutcome outcome = send(*email);
  EXPECT_TRUE(outcome.delivered) << outcome.error;
  mail.peer.reset();
  EXPECT_TRUE(mail.heard.starts_with(
      "EHLO gate\r\nAUTH LOGIN\r\ndQ==\r\ncC13b3Jk\r\nMAIL FROM:<a@example.org> "
      "BODY=8BITMIME\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n"))
      << mail.heard;
  EXPECT_NE(mail.heard.find("\r\n\r\n..x\r\n"), std::string::npos) << mail.heard;
  EXPECT_TRUE(mail.heard.ends_with("QUIT\r\n")) << mail.heard;
}

// The example of RFC 2195 §2.
TEST_F(SenderTest, MailByCramMd5) {
  MailPeer mail({"220 hello", "250-me\r\n250 AUTH CRAM-MD5 PLAIN",
                 "334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+", "535 no"});
  const auto email =
      make("email_configs", mail.config("require_tls: false\nauth_username: tim\nauth_secret: "
                                        "tanstaaftanstaaf"));
  const SendOutcome outcome = send(*email);
  EXPECT_EQ(outcome.error, "AUTH: the mail server answered 535 no");
  EXPECT_TRUE(outcome.retry);
  mail.peer.reset();
  EXPECT_NE(mail.heard.find("dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"), std::string::npos)
      << mail.heard;
}

TEST_F(SenderTest, MailWithoutTheTlsThatIsAskedFor) {
  MailPeer mail({"220 hello", "250 me"});
  const SendOutcome outcome = send(*make("email_configs", mail.config("")));
  EXPECT_NE(outcome.error.find("does not advertise the STARTTLS"), std::string::npos)
      << outcome.error;
  EXPECT_TRUE(outcome.retry);
}

TEST_F(SenderTest, MailServerThatSpeaksBeforeTls) {
  MailPeer mail({"220 hello", "250-me\r\n250 STARTTLS", "220 go\r\n250 injected"});
  const SendOutcome outcome = send(*make("email_configs", mail.config("")));
  EXPECT_FALSE(outcome.delivered);
  EXPECT_EQ(outcome.error, "the mail server sent more than its answer to STARTTLS");
}

TEST_F(SenderTest, MailThatIsRefused) {
  MailPeer later({"220 hello", "250 me", "451 greylisted"});
  const SendOutcome greylisted = send(*make("email_configs", later.config("require_tls: false")));
  EXPECT_TRUE(greylisted.retry);
  EXPECT_EQ(greylisted.status, 451);
  MailPeer never({"220 hello", "250 me", "250 ok", "550 no such user"});
  const SendOutcome refused = send(*make("email_configs", never.config("require_tls: false")));
  EXPECT_FALSE(refused.retry);
  EXPECT_EQ(refused.error, "RCPT TO: the mail server answered 550 no such user");
}

TEST_F(SenderTest, MailServerThatIsNone) {
  ScriptedPeer endless([](int fd, int) {
    const std::string text(65'536, 'x');
    while (ScriptedPeer::write(fd, text)) {
    }
  });
  const auto config = [](uint16_t port) {
    return "smarthost: 127.0.0.1:" + std::to_string(port) +
           "\nfrom: a@example.org\nto: b@example.org";
  };
  EXPECT_EQ(send(*make("email_configs", config(endless.port()))).error,
            "the mail server sends a line without an end");
  ScriptedPeer silent([](int fd, int) { ScriptedPeer::wait_for_close(fd, 5'000); });
  const SendOutcome outcome = send(*make("email_configs", config(silent.port())), 300);
  EXPECT_TRUE(outcome.retry);
}

// Driven by test/alerts/test_email.py, which has started a server and looks at what it got.
TEST_F(SenderTest, MailToARealServer) {
  const char* config = std::getenv("GATEHOUSE_TEST_MAIL");
  if (config == nullptr) GTEST_SKIP() << "test/alerts/test_email.py runs this with a server";
  const char* which = std::getenv("GATEHOUSE_TEST_NOTIFICATION");
  const SendOutcome outcome =
      send(*make("email_configs", config), 10'000, which == nullptr ? "firing" : which);
  std::printf("outcome %d %d %d %s\n", outcome.delivered, outcome.retry, outcome.status,
              outcome.error.c_str());
}

}  // namespace
}  // namespace gatehouse::alerts
