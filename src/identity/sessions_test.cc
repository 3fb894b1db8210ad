#include "identity/sessions.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/loop.h"
#include "base/pool.h"
#include "identity/memory_catalog.h"

namespace gatehouse::identity {
namespace {

class FakeClock : public model::Clock {
 public:
  int64_t wall_ns() const override { return now_ns; }
  int64_t steady_ns() const override { return now_ns; }
  int64_t now_ns = 1'000'000'000'000;
};

constexpr int64_t kHour = 3'600'000'000'000;

class SessionsTest : public ::testing::Test {
 protected:
  SessionsTest() {
    EXPECT_TRUE(users_.load().ok());
    EXPECT_TRUE(sessions_.load().ok());
  }
  std::string link(std::string_view user = kFirstUser) {
    return *new_login_link(catalog_, clock_, {}, user);
  }
  Result<NewSession> redeem(const std::string& token) { return sessions_.redeem(token, "::1"); }

  template <typename T>
  T run(Task<T> task) {
    std::optional<T> out;
    detach(store(std::move(task), out));
    while (!out) loop_.run_for(50);
    return std::move(*out);
  }
  template <typename T>
  static Task<void> store(Task<T> task, std::optional<T>& out) {
    out.emplace(co_await std::move(task));
  }
  Status set_password(std::string user, std::string password) {
    return run(users_.set_password(loop_, std::move(user), std::move(password)));
  }
  Result<User> sign_in(std::string user, std::string password, std::string from = "192.0.2.1") {
    return run(users_.check_password(loop_, std::move(user), std::move(password), std::move(from)));
  }

  FakeClock clock_;
  model::Registry registry_;
  MemoryCatalog catalog_;
  Lockout lockout_{{}, registry_};
  Loop loop_;
  Pool pool_{1};
  UserStore users_{catalog_, pool_, lockout_, clock_};
  SessionStore sessions_{catalog_, users_, lockout_, clock_, {}, registry_};
};

TEST_F(SessionsTest, TheFirstLinkMakesTheAdmin) {
  const std::string token = link();
  const auto session = redeem(token);
  ASSERT_TRUE(session.ok()) << session.status().to_string();
  const auto checked = sessions_.check(session->token, true);
  ASSERT_TRUE(checked.ok());
  EXPECT_EQ(checked->principal->id, "user:admin");
  EXPECT_TRUE(checked->principal->has(model::Role::kAdmin));
  EXPECT_EQ(redeem(token).status().code(), Code::kUnauthenticated);  // once
}

TEST_F(SessionsTest, LinksExpireAndOpenNoOtherUsers) {
  const std::string late = link();
  clock_.now_ns += 15 * 60'000'000'000LL;
  EXPECT_FALSE(redeem(late).ok());
  EXPECT_FALSE(redeem(link("mallory")).ok());
  EXPECT_TRUE(users_.empty());
  ASSERT_TRUE(redeem(link()).ok());
  EXPECT_FALSE(redeem(link("mallory")).ok());
}

TEST_F(SessionsTest, NeitherTokensNorPasswordsAreStored) {
  const std::string token = link();
  const auto session = redeem(token);
  const std::string other = link();
  ASSERT_TRUE(set_password("admin", "correct horse battery").ok());
  for (std::string_view kind : {"session", "login-link", "user"}) {
    const auto stored = catalog_.list(kind);
    ASSERT_FALSE(stored->empty()) << kind;
    for (const model::Object& object : *stored) {
      for (const std::string& secret :
           {token, other, session->token, std::string("correct horse battery")}) {
        EXPECT_EQ((object.body + object.id).find(secret), std::string::npos);
      }
    }
  }
}

TEST_F(SessionsTest, IdleAndAbsoluteEnd) {
  const std::string token = redeem(link())->token;
  for (int i = 0; i < 13; ++i) {
    clock_.now_ns += 11 * kHour;
    EXPECT_TRUE(sessions_.check(token, true).ok()) << i;
  }
  clock_.now_ns += 11 * kHour;
  EXPECT_TRUE(sessions_.check(token, true).ok());
  clock_.now_ns += 2 * kHour;  // past seven days though never idle
  for (int i = 0; i < 2; ++i) clock_.now_ns += 6 * kHour;
  EXPECT_FALSE(sessions_.check(token, true).ok());

  const std::string idle = redeem(link())->token;
  clock_.now_ns += 11 * kHour;
  EXPECT_TRUE(sessions_.check(idle, false).ok());  // a poll does not prolong it
  clock_.now_ns += kHour;
  EXPECT_FALSE(sessions_.check(idle, false).ok());
  EXPECT_TRUE(catalog_.list("session")->empty());
}

TEST_F(SessionsTest, SurvivesARestartAndEnds) {
  const std::string token = redeem(link())->token;
  const std::string second = redeem(link())->token;
  UserStore users(catalog_, pool_, lockout_, clock_);
  ASSERT_TRUE(users.load().ok());
  SessionStore after(catalog_, users, lockout_, clock_, {}, registry_);
  ASSERT_TRUE(after.load().ok());
  EXPECT_TRUE(after.check(token, true).ok());
  EXPECT_TRUE(after.end_all("admin", second).ok());
  EXPECT_FALSE(after.check(token, true).ok());
  EXPECT_TRUE(after.check(second, true).ok());
  EXPECT_TRUE(after.end(second).ok());
  EXPECT_FALSE(after.check(second, true).ok());
}

TEST_F(SessionsTest, SessionsOfAUserAreBounded) {
  const std::string first = redeem(link())->token;
  for (int i = 0; i < 40; ++i) {
    clock_.now_ns += 1000;
    ASSERT_TRUE(sessions_.start("admin").ok());
  }
  EXPECT_EQ(sessions_.list("admin").size(), 32u);
  EXPECT_FALSE(sessions_.check(first, true).ok());
}

TEST_F(SessionsTest, CsrfIsBoundToTheSession) {
  const auto a = redeem(link());
  const auto b = redeem(link());
  EXPECT_TRUE(SessionStore::csrf_fits(a->token, a->csrf));
  EXPECT_FALSE(SessionStore::csrf_fits(a->token, b->csrf));
  EXPECT_FALSE(SessionStore::csrf_fits(a->token, ""));
}

TEST_F(SessionsTest, Passwords) {
  ASSERT_TRUE(redeem(link()).ok());
  EXPECT_FALSE(sign_in("admin", "").ok());  // has none yet
  EXPECT_EQ(set_password("admin", "elevenchars").code(), Code::kInvalidArgument);
  EXPECT_EQ(set_password("admin", std::string(257, 'x')).code(), Code::kInvalidArgument);
  ASSERT_TRUE(set_password("admin", "correct horse battery").ok());
  EXPECT_TRUE(sign_in("admin", "correct horse battery").ok());
  const auto wrong = sign_in("admin", "wrong horse battery");
  const auto nobody = sign_in("nobody", "correct horse battery");
  EXPECT_EQ(wrong.status().to_string(), nobody.status().to_string());
  EXPECT_EQ(wrong.status().code(), Code::kUnauthenticated);
  EXPECT_TRUE(users_.get("admin")->has_password);
}

TEST_F(SessionsTest, PasswordAttemptsLockTheUserAndTheAddress) {
  ASSERT_TRUE(redeem(link()).ok());
  ASSERT_TRUE(set_password("admin", "correct horse battery").ok());
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(sign_in("admin", "guess number x", "198.51.100." + std::to_string(i)).ok());
  }
  EXPECT_EQ(sign_in("admin", "correct horse battery", "203.0.113.1").status().code(),
            Code::kResourceExhausted);
  EXPECT_TRUE(redeem(link()).ok());  // the way in from the machine itself
  clock_.now_ns += 15 * 60'000'000'000LL;
  EXPECT_TRUE(sign_in("admin", "correct horse battery", "203.0.113.1").ok());
}

TEST_F(SessionsTest, TheLastAdminStays) {
  ASSERT_TRUE(redeem(link()).ok());
  EXPECT_FALSE(users_.remove("admin").ok());
  EXPECT_FALSE(users_.set_roles("admin", {model::Role::kViewer}).ok());
  ASSERT_TRUE(users_.create("second", {model::Role::kAdmin}).ok());
  EXPECT_TRUE(users_.set_roles("admin", {model::Role::kViewer}).ok());
  EXPECT_FALSE(users_.create("Bad Name", {model::Role::kViewer}).ok());
}

TEST_F(SessionsTest, Cookies) {
  EXPECT_EQ(session_cookie("t", 60'000, true),
            "gatehouse_session=t; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure");
  net::HeaderList headers;
  headers.add("Cookie", "a=b; gatehouse_session=tok; c=d");
  EXPECT_EQ(session_from(headers), "tok");
  headers.add("Cookie", "gatehouse_session=planted");
  EXPECT_EQ(session_from(headers), "");
}

}  // namespace
}  // namespace gatehouse::identity
