#include "api/ui/console.h"

#include "api/ui/console_for_test.h"

namespace gatehouse::api::test {
namespace {

using model::Role;

TEST_F(ConsoleTest, EveryRouteAsksForItsPermission) {
  struct Line {
    const char* method;
    const char* path;
    bool viewer, operator_, auditor, admin;
  };
  // The table of docs/api.md §1, by the routes that need each permission.
  const Line lines[] = {
      {"GET", "/api/v1/overview", true, true, true, true},
      {"GET", "/api/v1/calls", true, true, true, true},
      {"GET", "/api/v1/calls/filters", true, true, true, true},
      {"GET", "/api/v1/calls/none", true, true, true, true},
      {"GET", "/api/v1/keys", true, true, true, true},
      {"GET", "/api/v1/keys/none", true, true, true, true},
      {"POST", "/api/v1/keys", false, true, false, true},
      {"PATCH", "/api/v1/keys/none", false, true, false, true},
      {"DELETE", "/api/v1/keys/none", false, true, false, true},
      {"POST", "/api/v1/keys/none/rotate", false, true, false, true},
      {"GET", "/api/v1/upstreams", true, true, true, true},
      {"GET", "/api/v1/audit", false, false, true, true},
  };
  for (const Line& line : lines) {
    const std::pair<Role, bool> roles[] = {
        {Role::kViewer, line.viewer},   {Role::kOperator, line.operator_},
        {Role::kAuditor, line.auditor}, {Role::kAdmin, line.admin},
        {Role::kCaller, false},         {Role::kDeployer, false},
        {Role::kRetrainer, false},      {Role::kApprover, false},
        {Role::kSecretAdmin, false}};
    for (const auto& [role, allowed] : roles) {
      Replied exchange = as(role, line.method, line.path, "{}");
      const bool refused = exchange.status == 403 && exchange.code() == "forbidden";
      EXPECT_EQ(refused, !allowed) << model::name(role) << " " << line.method << " " << line.path
                                   << ": " << exchange.status << " " << exchange.body;
    }
    Replied nobody = call(line.method, line.path, {}, "{}");
    EXPECT_EQ(nobody.status, 401);
    EXPECT_EQ(nobody.code(), "not_signed_in");
    EXPECT_EQ(nobody.headers["cache-control"], "no-store");
  }
}

TEST_F(ConsoleTest, UnknownRoutesAndMethodsAreToldApart) {
  EXPECT_EQ(admin("GET", "/api/v1/nothing").code(), "not_found");
  EXPECT_EQ(admin("GET", "/api/v2/session").status, 404);
  EXPECT_EQ(admin("GET", "/api/v1/keys/").status, 404);
  EXPECT_EQ(admin("GET", "/api/v1/%6beys/%zz").status, 404);
  Replied wrong = admin("PUT", "/api/v1/keys/x");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.code(), "method_not_allowed");
  EXPECT_EQ(wrong.headers["allow"], "GET, PATCH, DELETE");
  EXPECT_EQ(admin("POST", "/api/v1/calls/live").headers["allow"], "GET");
  Replied head = admin("HEAD", "/api/v1/keys");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
}

TEST_F(ConsoleTest, ABadKeyIsRefusedAndInTheEndLockedOut) {
  Replied bad = call("GET", "/api/v1/keys", {{"authorization", "Bearer nonsense"}});
  EXPECT_EQ(bad.status, 401);
  EXPECT_EQ(bad.code(), "not_signed_in");
  for (int i = 0; i < 20; ++i) {
    call("GET", "/api/v1/keys", {{"authorization", "Bearer nonsense"}});
  }
  Replied locked = call("GET", "/api/v1/keys", {{"authorization", "Bearer nonsense"}});
  EXPECT_EQ(locked.status, 429);
  EXPECT_EQ(locked.code(), "locked_out");
  EXPECT_GE(std::stoi(locked.headers["retry-after"]), 1);
}

TEST_F(ConsoleTest, ALinkSignsInOnce) {
  const std::string link =
      *identity::new_login_link(objects_, clock_, session_config_, identity::kFirstUser);
  const std::string body = "{\"token\":\"" + link + "\"}";
  Replied first = call("POST", "/api/v1/session", {}, body);
  EXPECT_EQ(first.status, 200);
  const std::string cookie = first.headers["set-cookie"];
  EXPECT_NE(cookie.find("; Path=/; HttpOnly; SameSite=Strict; Max-Age="), std::string::npos)
      << cookie;
  EXPECT_EQ(cookie.find("Secure"), std::string::npos);
  EXPECT_EQ(first.json().get("user").string(), "admin");
  EXPECT_EQ(first.json().get("base_url").string(), "http://gate.test:8080");
  Replied again = call("POST", "/api/v1/session", {}, body);
  EXPECT_EQ(again.status, 401);
  EXPECT_EQ(again.code(), "link_used");
  EXPECT_EQ(again.headers.count("set-cookie"), 0u);
}

TEST_F(ConsoleTest, OverTlsTheCookieIsSecure) {
  const std::string link =
      *identity::new_login_link(objects_, clock_, session_config_, identity::kFirstUser);
  FakeExchange exchange(loop_, "POST", "/api/v1/session", {}, "{\"token\":\"" + link + "\"}");
  exchange.set_peer({"192.0.2.7", 1, true});
  run(loop_, console_->handle(*worker_, exchange));
  EXPECT_NE(exchange.headers["set-cookie"].find("; Secure"), std::string::npos);
  EXPECT_EQ(exchange.json().get("base_url").string(), "https://gate.test:8080");
}

TEST_F(ConsoleTest, ASessionIsReadAndEnded) {
  const SignedIn me = sign_in();
  Replied read = call("GET", "/api/v1/session", {{"cookie", me.cookie}});
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.json().get("csrf").string(), me.csrf);
  EXPECT_EQ(read.json().get("role").string(), "admin");
  EXPECT_EQ(read.json().get("permissions").size(), 10u);
  Replied ended =
      call("DELETE", "/api/v1/session", {{"cookie", me.cookie}, {"x-gatehouse-csrf", me.csrf}});
  EXPECT_EQ(ended.status, 204);
  EXPECT_EQ(ended.body, "");
  EXPECT_NE(ended.headers["set-cookie"].find("gatehouse_session=;"), std::string::npos);
  EXPECT_EQ(call("GET", "/api/v1/session", {{"cookie", me.cookie}}).status, 401);
}

TEST_F(ConsoleTest, PollingDoesNotKeepASessionAlive) {
  const SignedIn me = sign_in();
  const int64_t idle = session_config_.idle_ms;
  const FakeExchange::Headers poll = {{"cookie", me.cookie}, {"x-gatehouse-poll", "1"}};
  clock_.pass_ms(idle - 60'000);
  EXPECT_EQ(call("GET", "/api/v1/overview", poll).status, 200);
  clock_.pass_ms(2 * 60'000);
  EXPECT_EQ(call("GET", "/api/v1/overview", poll).status, 401);
  const SignedIn again = sign_in();
  clock_.pass_ms(idle - 60'000);
  EXPECT_EQ(call("GET", "/api/v1/overview", {{"cookie", again.cookie}}).status, 200);
  clock_.pass_ms(2 * 60'000);
  EXPECT_EQ(call("GET", "/api/v1/overview", {{"cookie", again.cookie}}).status, 200);
}

TEST_F(ConsoleTest, ChangesByCookieNeedTheCsrfTokenAndTheOwnOrigin) {
  const SignedIn me = sign_in();
  const std::string body = "{\"name\":\"made\"}";
  const auto post = [&](FakeExchange::Headers headers) {
    headers.push_back({"cookie", me.cookie});
    Replied exchange = call("POST", "/api/v1/keys", headers, body);
    return exchange.status == 201 ? std::string("made") : exchange.code();
  };
  EXPECT_EQ(post({}), "csrf");
  EXPECT_EQ(post({{"x-gatehouse-csrf", "wrong"}}), "csrf");
  EXPECT_EQ(post({{"x-gatehouse-csrf", me.csrf}, {"origin", "http://evil.test"}}), "origin");
  EXPECT_EQ(post({{"x-gatehouse-csrf", me.csrf}, {"origin", "null"}}), "origin");
  EXPECT_EQ(post({{"x-gatehouse-csrf", me.csrf}, {"origin", "http://gate.test"}}), "origin");
  EXPECT_EQ(post({{"x-gatehouse-csrf", me.csrf}, {"origin", "http://GATE.test:8080"}}), "made");
  Replied foreign =
      call("POST", "/api/v1/session", {{"origin", "http://evil.test"}}, "{\"token\":\"x\"}");
  EXPECT_EQ(foreign.code(), "origin");
}

TEST_F(ConsoleTest, PasswordsAreSetCheckedAndChanged) {
  const SignedIn me = sign_in();
  const SignedIn other = sign_in();
  const auto change = [&](const std::string& body) {
    return call("POST", "/api/v1/session/password",
                {{"cookie", me.cookie}, {"x-gatehouse-csrf", me.csrf}}, body);
  };
  const auto enter = [&](const std::string& password) {
    return call("POST", "/api/v1/session", {},
                "{\"user\":\"admin\",\"password\":\"" + password + "\"}");
  };
  EXPECT_EQ(change("{\"current\":null,\"new\":\"too short\"}").code(), "password_too_weak");
  EXPECT_EQ(change("{\"new\":7}").code(), "invalid_body");
  EXPECT_EQ(change("{\"current\":null,\"new\":\"correct horse\",\"nwe\":1}").code(),
            "invalid_body");
  EXPECT_EQ(change("{\"current\":null,\"new\":\"correct horse battery\"}").status, 204);
  // Every other session of the user has ended, this one has not.
  EXPECT_EQ(call("GET", "/api/v1/session", {{"cookie", other.cookie}}).status, 401);
  Replied mine = call("GET", "/api/v1/session", {{"cookie", me.cookie}});
  EXPECT_EQ(mine.json().get("has_password").boolean(), true);
  EXPECT_EQ(change("{\"current\":\"no\",\"new\":\"another long one\"}").code(),
            "wrong_credentials");
  EXPECT_EQ(enter("not the password").code(), "wrong_credentials");
  Replied in = enter("correct horse battery");
  EXPECT_EQ(in.status, 200);
  EXPECT_EQ(in.headers.count("set-cookie"), 1u);
}

TEST_F(ConsoleTest, GuessingAPasswordLocksOut) {
  sign_in();
  std::string code;
  for (int i = 0; i < 20 && code != "locked_out"; ++i) {
    Replied guess =
        call("POST", "/api/v1/session", {}, R"({"user":"admin","password":"guess number one"})");
    code = guess.code();
    if (code == "locked_out") {
      EXPECT_EQ(guess.status, 429);
      EXPECT_EQ(guess.headers.count("retry-after"), 1u);
    }
  }
  EXPECT_EQ(code, "locked_out");
}

TEST_F(ConsoleTest, BodiesAreReadStrictly) {
  const auto code = [&](std::string body) {
    return call("POST", "/api/v1/session", {}, std::move(body)).code();
  };
  EXPECT_EQ(code("{"), "invalid_body");
  EXPECT_EQ(code("[]"), "invalid_body");
  EXPECT_EQ(code("{}"), "invalid_body");
  EXPECT_EQ(code("{\"token\":\"a\",\"user\":\"b\"}"), "invalid_body");
  EXPECT_EQ(code("{\"token\":\"a\",\"token\":\"b\"}"), "invalid_body");
  Replied unknown = call("POST", "/api/v1/session", {}, "{\"tokn\":\"a\"}");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_NE(unknown.body.find("tokn"), std::string::npos);
  Replied large = call("POST", "/api/v1/session", {}, std::string(65 * 1024, ' '));
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(large.code(), "body_too_large");
}

TEST_F(ConsoleTest, AKeyHasNoSessionToEnd) {
  EXPECT_EQ(admin("DELETE", "/api/v1/session").status, 403);
  EXPECT_EQ(admin("POST", "/api/v1/session/password", R"({"new":"correct horse battery"})").status,
            403);
  Replied session = as(Role::kViewer, "GET", "/api/v1/session");
  EXPECT_EQ(session.status, 200);
  EXPECT_TRUE(session.json().get("csrf").is_null());
  EXPECT_EQ(session.json().get("role").string(), "viewer");
}

TEST_F(ConsoleTest, TheConfigurationsStateIsTold) {
  config_.ok = false;
  config_.message = "gatehouse.yaml:14:5: unknown key";
  Replied session = admin("GET", "/api/v1/session");
  EXPECT_EQ(session.json().get("config").get("ok").boolean(), false);
  EXPECT_EQ(session.json().get("config").get("message").string(), config_.message);
}

TEST_F(ConsoleTest, WhileRecordsAreReplayedDataWaits) {
  records_ready_ = false;
  for (const char* path : {"/api/v1/overview", "/api/v1/calls", "/api/v1/calls/filters"}) {
    Replied exchange = admin("GET", path);
    EXPECT_EQ(exchange.status, 503);
    EXPECT_EQ(exchange.code(), "starting");
    EXPECT_EQ(exchange.headers["retry-after"], "1");
  }
  EXPECT_EQ(admin("GET", "/api/v1/session").status, 200);
}

TEST_F(ConsoleTest, RefusalsAndChangesAreAudited) {
  as(Role::kViewer, "POST", "/api/v1/keys", "{\"name\":\"x\"}");
  admin("POST", "/api/v1/keys", "{\"name\":\"x\"}");
  Replied audit = as(Role::kAuditor, "GET", "/api/v1/audit");
  ASSERT_EQ(audit.status, 200);
  const wire::JsonView entries = audit.json().get("entries");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries.at(0).get("action").string(), "key.create");
  EXPECT_EQ(entries.at(0).get("outcome").string(), "done");
  EXPECT_EQ(entries.at(0).get("actor_kind").string(), "key");
  EXPECT_EQ(entries.at(0).get("address").string(), "192.0.2.7");
  EXPECT_EQ(entries.at(1).get("action").string(), "keys.write");
  EXPECT_EQ(entries.at(1).get("outcome").string(), "refused");
}

TEST_F(ConsoleTest, TheAuditLogIsPaged) {
  for (int i = 0; i < 5; ++i) {
    admin("POST", "/api/v1/keys", "{\"name\":\"k" + std::to_string(i) + "\"}");
  }
  std::string target = "/api/v1/audit?limit=2";
  std::vector<int64_t> sequences;
  for (int page = 0; page < 3; ++page) {
    Replied read = admin("GET", target);
    const wire::JsonView root = read.json();
    for (const wire::JsonView entry : root.get("entries").items()) {
      sequences.push_back(*entry.get("sequence").integer());
    }
    EXPECT_EQ(root.get("next_before").is_null(), page == 2);
    target = "/api/v1/audit?limit=2&before=" +
             std::string(root.get("next_before").string().value_or(""));
  }
  EXPECT_EQ(sequences, (std::vector<int64_t>{5, 4, 3, 2, 1}));
}

TEST_F(ConsoleTest, WithoutAnAuditLogNothingIsChanged) {
  bearer(Role::kAdmin);
  gateway_->journal_health().failing_since_ms = 1;
  Replied refused = admin("POST", "/api/v1/keys", "{\"name\":\"x\"}");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.code(), "overloaded");
  EXPECT_EQ(keys_.count(), 1u);
  gateway_->journal_health().failing_since_ms = 0;
  log_.full = true;  // it fails without having been seen to
  Replied unaudited = admin("POST", "/api/v1/keys", "{\"name\":\"x\"}");
  EXPECT_EQ(unaudited.status, 503);
  EXPECT_EQ(unaudited.body.find("gh_"), std::string::npos);
}

}  // namespace
}  // namespace gatehouse::api::test
