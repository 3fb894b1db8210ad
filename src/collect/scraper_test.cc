// Scraping over real sockets: a server of the test's own, Debian's
// prometheus-node-exporter, and a program with the Python client library.
#include "collect/scraper.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/bytes.h"
#include "collect/appender_for_test.h"
#include "net/net_test_peers.h"
#include "net/tls.h"

namespace gatehouse::collect {
namespace {

namespace fs = std::filesystem;
using net::test::LoopThread;
using net::test::TestServer;
using test::RecordingAppender;

bool soon(const std::function<bool()>& holds, int wait_ms = 10'000) {
  for (int waited = 0; waited < wait_ms; waited += 10) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return holds();
}

// A Scraper on a loop of its own.
class Scraping {
 public:
  Scraping() {
    thread.run([this]() -> Task<void> {
      scraper = std::make_unique<Scraper>(thread.loop, pool, store, budget, model::system_clock(),
                                          ScraperOptions());
      co_return;
    });
  }
  ~Scraping() {
    stop();
    thread.run([this]() -> Task<void> {
      scraper.reset();
      co_return;
    });
  }
  void stop() {
    thread.run([this]() -> Task<void> { co_await scraper->stop(true); });
  }
  Status configure(const std::string& yaml) {
    auto config = read_prometheus_config(yaml, "p.yml");
    EXPECT_TRUE(config.ok()) << config.status().message();
    if (!config.ok()) return config.status();
    Status status;
    std::vector<ScrapeConfig> jobs = std::move(config->scrapes);
    thread.run([&]() -> Task<void> {
      status = scraper->configure(std::move(jobs));
      co_return;
    });
    return status;
  }
  std::vector<TargetView> targets() const { return scraper->targets(); }
  // The error of the only target once it has been scraped.
  std::string error() {
    soon([&] { return targets().size() == 1 && targets()[0].state.last_scrape_ms > 0; });
    const auto all = targets();
    return all.size() == 1 ? all[0].state.last_error : "no target";
  }

  Pool pool{2};
  RecordingAppender store;
  MemoryBudget budget{128 << 20};
  LoopThread thread;
  std::unique_ptr<Scraper> scraper;
};

Task<void> reply_text(net::Exchange& exchange, std::string body, int status = 200) {
  net::Reply reply;
  reply.status = status;
  reply.content_type = "text/plain; version=0.0.4";
  reply.body = body;
  const Status sent = co_await exchange.reply(reply);
  (void)sent;
}

std::string job(uint16_t port, const std::string& more = "") {
  return "scrape_configs:\n  - job_name: j\n    scrape_interval: 200ms\n" + more +
         "    static_configs: [{targets: [\"127.0.0.1:" + std::to_string(port) + "\"]}]\n";
}

std::string series(const std::string& name, uint16_t port) {
  return "{__name__=\"" + name + "\", instance=\"127.0.0.1:" + std::to_string(port) +
         "\", job=\"j\"}";
}

TEST(ScraperTest, ScrapesKeepsStateAndMarksTheEnd) {
  std::atomic<int> calls{0};
  std::string accept, agent, path;
  TestServer server([&](net::Exchange& exchange) -> Task<void> {
    if (calls == 0) {
      accept = exchange.request().headers.get("accept");
      agent = exchange.request().headers.get("user-agent");
      path = exchange.request().target;
    }
    ++calls;
    co_await reply_text(exchange, "a " + std::to_string(calls) + "\n");
  });
  Scraping scraping;
  ASSERT_TRUE(scraping.configure(job(server.port(), "    params: {m: [x]}\n")).ok());
  ASSERT_TRUE(soon([&] { return calls >= 3; }));
  ASSERT_EQ(scraping.error(), "");
  EXPECT_EQ(path, "/metrics?m=x");
  EXPECT_TRUE(accept.starts_with("application/openmetrics-text"));
  EXPECT_TRUE(agent.starts_with("Gatehouse/"));
  const auto views = scraping.targets();
  ASSERT_EQ(views.size(), 1u);
  EXPECT_EQ(views[0].state.health, TargetHealth::kUp);
  EXPECT_GT(views[0].state.last_duration_s, 0);
  const std::string name = series("a", server.port());
  ASSERT_TRUE(soon([&] { return scraping.store.of(name).size() >= 3; }));
  // The same configuration again changes nothing; an empty one ends the target.
  ASSERT_TRUE(scraping.configure(job(server.port(), "    params: {m: [x]}\n")).ok());
  EXPECT_FALSE(scraping.store.ended(name));
  ASSERT_TRUE(scraping.configure("").ok());
  EXPECT_TRUE(soon([&] { return scraping.store.ended(name); }));
  EXPECT_TRUE(scraping.store.ended(series("up", server.port())));
  EXPECT_TRUE(scraping.targets().empty());
}

TEST(ScraperTest, WhatATargetCanDoWrongIsItsOwnError) {
  std::atomic<int> way{0};
  TestServer server([&](net::Exchange& exchange) -> Task<void> {
    if (way == 0) {
      co_await reply_text(exchange, "no\n", 503);
    } else {  // without end
      const Status started = co_await exchange.start(200, {});
      (void)started;
      const std::string piece(64 << 10, '\n');
      while (true) {
        const Status written = co_await exchange.write(piece);
        if (!written.ok()) co_return;
      }
    }
  });
  {
    Scraping scraping;
    ASSERT_TRUE(scraping.configure(job(server.port())).ok());
    EXPECT_EQ(scraping.error(), "server returned HTTP status 503 Service Unavailable");
    EXPECT_TRUE(soon([&] { return scraping.store.last(series("up", server.port())) == 0; }));
  }
  way = 1;
  {
    Scraping scraping;
    ASSERT_TRUE(scraping.configure(job(server.port(), "    body_size_limit: 1MB\n")).ok());
    EXPECT_NE(scraping.error().find("longer than 1048576"), std::string::npos);
  }
  {
    Scraping scraping;  // no limit: an eighth of the memory is one
    scraping.budget.set_limit_bytes(8 << 20);
    ASSERT_TRUE(scraping.configure(job(server.port(), "    scrape_timeout: 200ms\n")).ok());
    EXPECT_NE(scraping.error().find("longer than 1048576"), std::string::npos) << scraping.error();
    EXPECT_TRUE(soon([&] { return scraping.store.last(series("up", server.port())) == 0; }));
    scraping.stop();
    EXPECT_EQ(scraping.budget.used_bytes(), 0);
  }
}

TEST(ScraperTest, NobodyThereAndNobodyAnswering) {
  uint16_t closed = 0;
  {
    TestServer server([](net::Exchange&) -> Task<void> { co_return; });
    closed = server.port();
  }
  {
    Scraping scraping;
    ASSERT_TRUE(scraping.configure(job(closed)).ok());
    EXPECT_NE(scraping.error().find("refused"), std::string::npos) << scraping.error();
  }
  TestServer silent([](net::Exchange& exchange) -> Task<void> {
    co_await exchange.loop().sleep_for(60'000, &exchange.cancel());
  });
  Scraping scraping;
  ASSERT_TRUE(scraping.configure(job(silent.port(), "    scrape_timeout: 100ms\n")).ok());
  EXPECT_FALSE(scraping.error().empty());
}

TEST(ScraperTest, CredentialsAndRedirects) {
  std::atomic<int> tokens{0};
  std::string form;
  TestServer server([&](net::Exchange& exchange) -> Task<void> {
    const std::string path(exchange.request().path);
    const std::string authorization(exchange.request().headers.get("authorization"));
    if (path == "/token") {
      ++tokens;
      Result<std::string_view> body = co_await exchange.read_body(4096);
      form = body.ok() ? std::string(*body) : "";
      net::Reply reply;
      reply.content_type = "application/json";
      reply.status = authorization == "Basic " + base64_encode("id:se%20cret") ? 200 : 401;
      reply.body = R"({"access_token":"t0ken","token_type":"bearer","expires_in":3600})";
      const Status sent = co_await exchange.reply(reply);
      (void)sent;
      co_return;
    }
    if (path == "/moved") {
      const std::vector<net::Header> headers = {{"location", "/metrics"}};
      net::Reply reply;
      reply.status = 302;
      reply.headers = headers;
      const Status sent = co_await exchange.reply(reply);
      (void)sent;
      co_return;
    }
    co_await reply_text(exchange, "a{auth=\"" + authorization + "\"} 1\n");
  });
  const std::string port = std::to_string(server.port());
  const auto seen = [&](const std::string& settings, const std::string& authorization) {
    Scraping scraping;
    EXPECT_TRUE(scraping.configure(job(server.port(), settings)).ok());
    EXPECT_EQ(scraping.error(), "") << settings;
    const std::string name = "{__name__=\"a\", auth=\"" + authorization +
                             "\", instance=\"127.0.0.1:" + port + "\", job=\"j\"}";
    EXPECT_TRUE(scraping.store.has(name)) << settings << authorization;
  };
  seen("    basic_auth: {username: u, password: p}\n", "Basic " + base64_encode("u:p"));
  seen("    authorization: {credentials: abc}\n", "Bearer abc");
  seen(
      "    oauth2: {client_id: id, client_secret: \"se cret\", scopes: [s], token_url: "
      "\"http://127.0.0.1:" +
          port + "/token\"}\n",
      "Bearer t0ken");
  EXPECT_EQ(form, "grant_type=client_credentials&scope=s");
  EXPECT_EQ(tokens, 1);
  seen("    metrics_path: /moved\n    bearer_token: x\n", "Bearer x");
  Scraping unmoved;
  ASSERT_TRUE(
      unmoved
          .configure(job(server.port(), "    metrics_path: /moved\n    follow_redirects: false\n"))
          .ok());
  EXPECT_EQ(unmoved.error(), "server returned HTTP status 302 Found");
}

TEST(ScraperTest, TlsAsTheJobSays) {
  std::string name = (fs::temp_directory_path() / "collect-tls-XXXXXX").string();
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  const std::string make =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
      "-days 1 -subj /CN=target -addext subjectAltName=DNS:target.test "
      "-keyout " +
      name + "/key -out " + name + "/cert 2>/dev/null";
  if (std::system(make.c_str()) != 0) GTEST_SKIP() << "openssl is not installed";
  auto tls = net::TlsServerContext::load(name + "/cert", name + "/key");
  ASSERT_TRUE(tls.ok());
  TestServer server(
      [](net::Exchange& exchange) -> Task<void> { co_await reply_text(exchange, "a 1\n"); }, {},
      *tls);
  const auto error = [&](const std::string& settings) {
    Scraping scraping;
    const Status status = scraping.configure(job(server.port(), "    scheme: https\n" + settings));
    return status.ok() ? scraping.error() : status.message();
  };
  EXPECT_NE(error(""), "");
  EXPECT_EQ(error("    tls_config: {insecure_skip_verify: true}\n"), "");
  EXPECT_EQ(error("    tls_config: {ca_file: " + name + "/cert, server_name: target.test}\n"), "");
  EXPECT_NE(error("    tls_config: {ca_file: " + name + "/cert}\n"), "");  // another name
  EXPECT_NE(error("    tls_config: {ca_file: " + name + "/nothing}\n").find("nothing"),
            std::string::npos);
  fs::remove_all(name);
}

TEST(ScraperTest, FileDiscoveryFollowsItsFiles) {
  std::string name = (fs::temp_directory_path() / "collect-sd-XXXXXX").string();
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  const fs::path top = name;
  std::ofstream(top / "a.json")
      << R"([{"targets":["127.0.0.1:1","127.0.0.1:2"],"labels":{"k":"v"}}])";
  Scraping scraping;
  ASSERT_TRUE(scraping
                  .configure("scrape_configs: [{job_name: f, file_sd_configs: [{files: [\"" + name +
                             "/*.json\", \"" + name + "/*.yml\"]}]}]")
                  .ok());
  ASSERT_TRUE(soon([&] { return scraping.targets().size() == 2; }));
  EXPECT_EQ(scraping.targets()[0].target.labels.get("k"), "v");
  EXPECT_EQ(scraping.targets()[0].target.discovered.get("__meta_filepath"), name + "/a.json");
  std::ofstream(top / "b.yml") << "- targets: ['127.0.0.1:3']\n";
  ASSERT_TRUE(soon([&] { return scraping.targets().size() == 3; }));
  std::ofstream(top / "a.json") << "[{\"targets\": [";  // half written: what was known stays
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  EXPECT_EQ(scraping.targets().size(), 3u);
  std::ofstream(top / "a.json") << R"([{"targets":["127.0.0.1:1"]}])";
  ASSERT_TRUE(soon([&] { return scraping.targets().size() == 2; }));
  fs::remove(top / "b.yml");
  ASSERT_TRUE(soon([&] { return scraping.targets().size() == 1; }));
  fs::remove_all(name);
}

TEST(ScraperTest, HttpDiscovery) {
  std::atomic<int> calls{0};
  TestServer server([&](net::Exchange& exchange) -> Task<void> {
    net::Reply reply;
    reply.content_type = "application/json";
    reply.body = ++calls == 1 ? R"([{"targets":["127.0.0.1:1"]},{"targets":["127.0.0.1:2"]}])"
                              : R"([{"targets":["127.0.0.1:2"],"labels":{"a":"b"}}])";
    const Status sent = co_await exchange.reply(reply);
    (void)sent;
  });
  Scraping scraping;
  ASSERT_TRUE(scraping
                  .configure("scrape_configs: [{job_name: h, http_sd_configs: [{url: "
                             "\"http://127.0.0.1:" +
                             std::to_string(server.port()) + "/sd\", refresh_interval: 300ms}]}]")
                  .ok());
  ASSERT_TRUE(soon([&] { return scraping.targets().size() == 2; }));
  ASSERT_TRUE(soon([&] {
    const auto all = scraping.targets();
    return all.size() == 1 && all[0].target.labels.get("a") == "b";
  }));
}

TEST(ScraperTest, TargetLimitAndDroppedTargets) {
  Scraping scraping;
  ASSERT_TRUE(scraping
                  .configure(R"(scrape_configs:
  - job_name: j
    scrape_interval: 100ms
    target_limit: 1
    relabel_configs: [{source_labels: [__address__], regex: ".*:9", action: drop}]
    static_configs: [{targets: ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:9"]}]
)")
                  .ok());
  ASSERT_TRUE(soon([&] {
    const auto all = scraping.targets();
    return all.size() == 2 &&
           all[0].state.last_error.find("target_limit exceeded") != std::string::npos;
  }));
  const auto dropped = scraping.scraper->dropped_targets();
  ASSERT_EQ(dropped.size(), 1u);
  EXPECT_EQ(dropped[0].discovered.get("__address__"), "127.0.0.1:9");
  EXPECT_EQ(scraping.scraper->pools(), std::vector<std::string>{"j"});
}

uint16_t free_port() {
  TestServer server([](net::Exchange&) -> Task<void> { co_return; });
  return server.port();
}

class Child {
 public:
  explicit Child(const std::vector<std::string>& command) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    std::vector<char*> words;
    for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    if (::freopen("/dev/null", "w", stderr) == nullptr) ::_exit(127);
    ::execvp(words[0], words.data());
    ::_exit(127);
  }
  ~Child() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
};

TEST(ScraperTest, DebiansNodeExporterAsATarget) {
  const char* program = "/usr/bin/prometheus-node-exporter";
  if (::access(program, X_OK) != 0) GTEST_SKIP() << "prometheus-node-exporter is not installed";
  const uint16_t port = free_port();
  const Child child({program, "--web.listen-address=127.0.0.1:" + std::to_string(port)});
  Scraping scraping;
  ASSERT_TRUE(scraping.configure(job(port)).ok());
  ASSERT_TRUE(soon([&] { return scraping.store.last(series("up", port)) == 1; }, 20'000));
  ASSERT_TRUE(
      soon([&] { return scraping.store.of(series("node_time_seconds", port)).size() > 2; }));
  EXPECT_GT(scraping.store.names().size(), 500u);
  EXPECT_GT(scraping.store.last(series("scrape_samples_scraped", port)), 500);
  EXPECT_EQ(scraping.store.metadata["node_cpu_seconds_total"].type, model::SampleType::kCounter);
  const auto said = scraping.scraper->metadata("node_load1", 0);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].metadata.help, "1m load average.");
  EXPECT_TRUE(scraping.store.wrong_refs.empty());
}

}  // namespace
}  // namespace gatehouse::collect
