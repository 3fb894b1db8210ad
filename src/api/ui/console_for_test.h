// A Console with all its parts around it, in memory, and callers of every role.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "api/exchange_for_test.h"
#include "api/ui/console.h"
#include "base/pool.h"
#include "base/random.h"
#include "identity/memory_catalog.h"
#include "identity/memory_log.h"
#include "net/dialer.h"

namespace gatehouse::api::test {

class FakeClock : public model::Clock {
 public:
  int64_t wall_ns() const override { return wall; }
  int64_t steady_ns() const override { return gatehouse::steady_ns() + skipped; }
  void pass_ms(int64_t ms) {
    wall += ms * 1'000'000;
    skipped += ms * 1'000'000;
  }
  int64_t wall = 1'767'269'250'000'000'000;  // 2026-01-01 12:07:30 UTC
  int64_t skipped = 0;
};

// A call that ended, as a test wishes it.
struct EndedCall {
  std::string model = "gpt-4o-mini";
  std::string key_id = "k1";
  std::string upstream = "azure-west";
  int status = 200;
  std::string error{};
  int attempts = 1;
  bool stream = true;
  bool priced = true;
  std::string request_body{}, reply_body{};
  std::string session{}, metadata{};
};

class ConsoleTest : public ::testing::Test {
 protected:
  ConsoleTest() {
    EXPECT_TRUE(users_.load().ok());
    EXPECT_TRUE(sessions_.load().ok());
    EXPECT_TRUE(keys_.load().ok());
    audit_ = *identity::AuditLog::open(log_, log_, objects_, clock_, registry_);
    call_stream_ = *log_.stream(model::Labels{{"stream", std::string(gateway::kCallStream)}});
    gateway_ = *gateway::Gateway::make({log_, registry_, limits_, clock_});
    configure();
    worker_ = &gateway_->add_worker(loop_, dialer_);
    program_.version = "0.1.0";
    program_.started_ms = clock_.wall / 1'000'000;
    program_.config = [this] { return config_; };
    program_.listening = [] { return true; };
    program_.records_ready = [this] { return records_ready_; };
    program_.draining = [this] { return draining_; };
    program_.store = [this] { return store_; };
    config_.since_ms = program_.started_ms;
    console_ = std::make_unique<Console>(ConsoleParts{
        *gateway_, authenticator_, keys_, users_, sessions_, *audit_, session_config_, log_, log_,
        pool_, clock_, program_, [this] { return std::make_unique<Feed>(*this); }});
  }

  void configure() {
    gateway::GatewayConfig config;
    for (const char* name : {"azure-west", "openai"}) {
      gateway::UpstreamConfig upstream;
      upstream.name = name;
      upstream.kind = std::string_view(name) == "openai" ? gateway::UpstreamKind::kOpenAi
                                                         : gateway::UpstreamKind::kAzureOpenAi;
      upstream.url = "https://" + std::string(name) + ".example.net/v1";
      config.upstreams.push_back(upstream);
    }
    gateway::ModelConfig model;
    model.name = "gpt-4o-mini";
    model.targets = {{"azure-west", "", 1, 0}};
    config.models.push_back(model);
    config.record_bodies = true;
    ASSERT_TRUE(gateway_->configure(config, {}).ok());
  }

  // The feed of live calls: what log_ got since.
  class Feed : public CallFeed {
   public:
    explicit Feed(ConsoleTest& test) : test_(test), at_(test.log_.entries.size()) {}
    uint64_t poll(const model::Reader::Visit& visit) override {
      for (; at_ < test_.log_.entries.size(); ++at_) {
        const auto& entry = test_.log_.entries[at_];
        if (!visit(entry.labels, entry.record.view(), at_ + 1)) break;
      }
      return std::exchange(test_.missed_, 0);
    }

   private:
    ConsoleTest& test_;
    size_t at_;
  };

  // A key of that role, made behind the console's back, once.
  std::string bearer(model::Role role) {
    auto& secret = secrets_[role];
    if (secret.empty()) {
      identity::KeySpec spec;
      spec.name = "test-" + std::string(model::name(role));
      spec.roles = {role};
      secret = keys_.create(spec, "user:admin")->secret;
    }
    return "Bearer " + secret;
  }
  Replied as(model::Role role, std::string method, std::string target, std::string body = {}) {
    return call(std::move(method), std::move(target), {{"authorization", bearer(role)}},
                std::move(body));
  }
  Replied call(std::string method, std::string target, FakeExchange::Headers headers = {},
               std::string body = {}) {
    FakeExchange exchange(loop_, std::move(method), std::move(target), std::move(headers),
                          std::move(body));
    test::run(loop_, console_->handle(*worker_, exchange));
    EXPECT_TRUE(exchange.finished || exchange.gone);
    return std::move(static_cast<Replied&>(exchange));
  }
  Replied admin(std::string method, std::string target, std::string body = {}) {
    return as(model::Role::kAdmin, std::move(method), std::move(target), std::move(body));
  }

  // Signs in by a link, as the user admin.
  struct SignedIn {
    std::string cookie, csrf;
  };
  SignedIn sign_in() {
    const std::string link =
        *identity::new_login_link(objects_, clock_, session_config_, identity::kFirstUser);
    Replied exchange = call("POST", "/api/v1/session", {}, "{\"token\":\"" + link + "\"}");
    EXPECT_EQ(exchange.status, 200) << exchange.body;
    const std::string cookie = exchange.headers["set-cookie"];
    return {cookie.substr(0, cookie.find(';')),
            std::string(exchange.json().get("csrf").string().value_or(""))};
  }

  // Ends a call now; returns its id.
  std::string add_call(const EndedCall& wish) {
    gateway::CallRequest request;
    auto principal = std::make_shared<model::Principal>();
    principal->id = wish.key_id;
    principal->name = "search-service";
    if (!wish.key_id.empty()) request.principal = principal;
    request.model = wish.model;
    request.stream = wish.stream;
    request.session = wish.session;
    request.metadata = wish.metadata;
    request.body = wish.request_body;
    gateway::CallTrace trace;
    clock_.pass_ms(10);
    trace.begin_ns = 1'000'000;
    trace.end_ns = trace.begin_ns + 1'834'200'000;
    trace.begin_wall_ns = clock_.wall - 1'834'200'000;
    trace.first_token_ns = trace.begin_ns + 312'800'000;
    trace.upstream_ns = 1'833'800'000;
    trace.request_id = time_ordered_id(trace.begin_wall_ns / 1'000'000);
    trace.route = "/v1/chat/completions";
    gateway::begin_trace({}, "", trace);
    trace.status = wish.status;
    trace.error = wish.error;
    trace.error_message = wish.error.empty() ? "" : "what went wrong";
    trace.public_model = wish.model;
    trace.version = "2024-07-18";
    if (wish.attempts > 0) trace.upstream = wish.upstream;
    for (int i = 0; i < wish.attempts; ++i) {
      gateway::AttemptTrace attempt;
      attempt.upstream = wish.upstream;
      attempt.begin_ns = i * 500'000'000LL;
      attempt.duration_ns = 200'000'000;
      attempt.status = i + 1 < wish.attempts ? 429 : wish.status;
      if (i + 1 < wish.attempts) attempt.error = "status_429";
      if (i + 1 == wish.attempts && wish.status >= 400) attempt.error = wish.error;
      trace.attempts.push_back(attempt);
    }
    trace.usage.input_tokens = 812;
    trace.usage.cached_input_tokens = 512;
    trace.usage.output_tokens = 240;
    trace.usage.finish_reason = "stop";
    trace.cost_nanodollars = 214'800;
    trace.priced = wish.priced;
    trace.request_body = wish.request_body;
    trace.reply_body = wish.reply_body;
    trace.reply_bytes = static_cast<int64_t>(wish.reply_body.size());
    const gateway::CallRecord record(request, trace);
    const model::StreamRecord one{call_stream_, record.view()};
    EXPECT_TRUE(log_.append({&one, 1}).ok());
    gateway_->activity().add(wish.key_id, trace);
    return trace.request_id;
  }

  FakeClock clock_;
  model::Registry registry_;
  identity::MemoryCatalog objects_;
  identity::MemoryLog log_;
  Loop loop_;
  Pool pool_{1};  // one thread: MemoryLog is read without a lock
  identity::Authenticator authenticator_{clock_, {}, registry_};
  identity::KeyStore keys_{objects_, authenticator_, clock_, registry_};
  identity::UserStore users_{objects_, pool_, authenticator_.lockout(), clock_};
  identity::SessionConfig session_config_;
  identity::SessionStore sessions_{objects_, users_,          authenticator_.lockout(),
                                   clock_,   session_config_, registry_};
  std::unique_ptr<identity::AuditLog> audit_;
  gateway::LimitRegistry limits_;
  net::Dialer dialer_{pool_, {}, nullptr};
  std::unique_ptr<gateway::Gateway> gateway_;
  gateway::Worker* worker_ = nullptr;
  model::StreamId call_stream_ = 0;
  ProgramState program_;
  ConfigState config_;
  bool records_ready_ = true;
  bool draining_ = false;
  Status store_;
  uint64_t missed_ = 0;
  std::unique_ptr<Console> console_;
  std::map<model::Role, std::string> secrets_;
};

}  // namespace gatehouse::api::test
