#include "identity/authenticator.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

namespace gatehouse::identity {
namespace {

class FakeClock : public model::Clock {
 public:
  int64_t wall_ns() const override { return now_ns; }
  int64_t steady_ns() const override { return now_ns; }
  int64_t now_ns = 1'000'000'000'000;
};

class AuthenticatorTest : public ::testing::Test {
 protected:
  // A key and the entry that stands for it.
  std::string add(std::function<void(KeyEntry&)> change = {}) {
    const std::string id = new_key_id();
    const std::string text = new_key_text(id);
    KeyEntry entry;
    entry.number = key_number(id);
    entry.secret = digest_of(parse_virtual_key(text)->secret);
    model::Principal principal;
    principal.id = id;
    principal.roles = {model::Role::kCaller};
    entry.principal = std::make_shared<const model::Principal>(principal);
    entry.activity = std::make_shared<KeyActivity>();
    if (change) change(entry);
    entries_.push_back(entry);
    publish();
    return text;
  }
  void publish() { gate_.publish(std::make_shared<const KeyTable>(entries_)); }
  Result<model::PrincipalPtr> call(std::string_view key, std::string_view from = "192.0.2.1") {
    return gate_.authenticate(key, from, clock_.now_ns, &refusal_);
  }
  void fail(int times, std::string_view from) {
    const std::string other = new_key_text(new_key_id());
    for (int i = 0; i < times; ++i) EXPECT_FALSE(call(other, from).ok());
  }

  FakeClock clock_;
  model::Registry registry_;
  Authenticator gate_{clock_, {}, registry_};
  std::vector<KeyEntry> entries_;
  Refusal refusal_;
};

TEST_F(AuthenticatorTest, KnowsItsKeys) {
  std::vector<std::string> keys;
  for (int i = 0; i < 100; ++i) keys.push_back(add());
  for (const std::string& key : keys) {
    const auto principal = call(key);
    ASSERT_TRUE(principal.ok());
    EXPECT_EQ((*principal)->id, key.substr(3, 12));
  }
}

TEST_F(AuthenticatorTest, TellsNoDifferenceBetweenUnknownAndWrong) {
  const std::string key = add();
  const auto wrong = call(new_key_text(key.substr(3, 12)));
  const auto unknown = call(new_key_text(new_key_id()));
  ASSERT_FALSE(wrong.ok());
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(wrong.status().to_string(), unknown.status().to_string());
  EXPECT_EQ(wrong.status().code(), Code::kUnauthenticated);
}

TEST_F(AuthenticatorTest, ExpiryRevocationRotationAndAddresses) {
  const std::string expired = add([&](KeyEntry& e) { e.expires_ns = clock_.now_ns; });
  const std::string revoked = add([](KeyEntry& e) { e.revoked = true; });
  EXPECT_FALSE(call(expired).ok());
  EXPECT_EQ(refusal_.reason, RefusalReason::kExpired);
  EXPECT_FALSE(call(revoked).ok());
  EXPECT_EQ(refusal_.reason, RefusalReason::kRevoked);

  std::string old_text;
  const std::string rotated = add([&](KeyEntry& e) {
    old_text = new_key_text(e.principal->id);
    e.previous = digest_of(parse_virtual_key(old_text)->secret);
    e.previous_until_ns = clock_.now_ns + 1000;
  });
  EXPECT_TRUE(call(rotated).ok());
  EXPECT_TRUE(call(old_text).ok());
  clock_.now_ns += 1000;
  EXPECT_TRUE(call(rotated).ok());
  EXPECT_FALSE(call(old_text).ok());

  const std::string office = add([](KeyEntry& e) {
    e.from = std::make_shared<const AccessList>(
        *AccessList::parse(std::vector<std::string>{"10.0.0.0/8"}, {}));
  });
  EXPECT_TRUE(call(office, "10.1.2.3").ok());
  EXPECT_EQ(call(office, "192.0.2.9").status().code(), Code::kPermissionDenied);
}

TEST_F(AuthenticatorTest, AKeyWithoutAPreviousSecretHasNone) {
  // The digest of no secret is all zero bytes; nothing hashes to that, and an
  // unknown key matches nobody even with the longest of overlaps.
  const auto text = new_key_text("zzzzzzzzzzzz");
  EXPECT_FALSE(call(text).ok());
}

TEST_F(AuthenticatorTest, ServerWideListIsAskedFirst) {
  const std::string key = add();
  gate_.set_access(*AccessList::parse({}, std::vector<std::string>{"192.0.2.0/24"}));
  EXPECT_EQ(call(key).status().code(), Code::kPermissionDenied);
  EXPECT_TRUE(call(key, "198.51.100.1").ok());
}

TEST_F(AuthenticatorTest, LocksAnAddressButNotTheKeysThatItHoldsAlready) {
  const std::string used = add();
  const std::string unused = add();
  EXPECT_TRUE(call(used, "192.0.2.7").ok());
  fail(10, "192.0.2.7");
  EXPECT_EQ(call(unused, "192.0.2.7").status().code(), Code::kResourceExhausted);
  EXPECT_EQ(refusal_.reason, RefusalReason::kLocked);
  EXPECT_EQ(refusal_.retry_after_ms, 15 * 60'000);
  EXPECT_TRUE(call(used, "192.0.2.7").ok());
  EXPECT_TRUE(call(unused, "192.0.2.8").ok());
  clock_.now_ns += 15 * 60 * 1'000'000'000LL;
  EXPECT_TRUE(call(unused, "192.0.2.7").ok());
}

TEST_F(AuthenticatorTest, LocksAnIpv6NetworkByItsSlash64) {
  const std::string key = add();
  for (int i = 0; i < 10; ++i) fail(1, "2001:db8::" + std::to_string(i));
  EXPECT_EQ(call(key, "2001:db8::ffff").status().code(), Code::kResourceExhausted);
  EXPECT_TRUE(call(key, "2001:db8:0:1::1").ok());
}

TEST_F(AuthenticatorTest, NobodyCanLockTheOwnerOfAKnownIdOut) {
  const std::string key = add();
  const std::string id = key.substr(3, 12);
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(call(new_key_text(id), "198.51.100." + std::to_string(i)).ok());
  }
  EXPECT_EQ(refusal_.reason, RefusalReason::kLocked);
  EXPECT_TRUE(call(key, "203.0.113.1").ok());
}

TEST_F(AuthenticatorTest, FailuresOutsideTheWindowAreForgotten) {
  const std::string key = add();
  for (int i = 0; i < 30; ++i) {
    fail(1, "192.0.2.7");
    clock_.now_ns += 34 * 1'000'000'000LL;  // nine in any five minutes and a bit
  }
  fail(1, "192.0.2.7");
  EXPECT_TRUE(call(key, "192.0.2.7").ok());
}

TEST_F(AuthenticatorTest, LockoutForgetsTheOldestBeyondItsBound) {
  Lockout lockout({.tracked_max = 100}, registry_);
  for (int i = 0; i < 10'000; ++i) lockout.failed(lockout.key(std::to_string(i)), i);
  EXPECT_EQ(lockout.tracked(), 100u);
}

TEST_F(AuthenticatorTest, CredentialsFromHeaders) {
  const auto from = [](std::initializer_list<net::Header> headers) {
    net::HeaderList list;
    for (const net::Header& header : headers) list.add(header.name, header.value);
    return std::string(credential_from(list));
  };
  EXPECT_EQ(from({{"Authorization", "Bearer k1"}}), "k1");
  EXPECT_EQ(from({{"authorization", "bearer   k1 "}}), "k1");
  EXPECT_EQ(from({{"authorization", "Basic abc"}, {"x-api-key", "k2"}}), "k2");
  EXPECT_EQ(from({{"api-key", "k3"}}), "k3");
  EXPECT_EQ(from({{"authorization", "Bearer k1"}, {"api-key", "k3"}}), "k1");
  EXPECT_EQ(from({{"authorization", "Bearer "}}), "");
  EXPECT_EQ(from({}), "");
}

// Run under ThreadSanitizer too: keys come and go while threads authenticate,
// and no call that begins after a revocation succeeds.
TEST_F(AuthenticatorTest, RevocationHoldsAtOnceOnAllThreads) {
  const std::string key = add();
  std::atomic<bool> stop{false};
  std::atomic<int> phase{0};  // 0 valid, 1 changing, 2 revoked, 3 changing, modulo 4
  std::atomic<int> violations{0}, granted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!stop.load()) {
        const int before = phase.load();
        const bool ok = gate_.authenticate(key, "192.0.2.1", 5).ok();
        const int after = phase.load();
        if (ok) ++granted;
        if (before == after && before % 2 == 0 && ok != (before % 4 == 0)) ++violations;
      }
    });
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  while (std::chrono::steady_clock::now() < until) {
    for (const bool revoked : {true, false}) {
      ++phase;
      entries_[0].revoked = revoked;
      publish();
      ++phase;
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(granted.load(), 0);
  EXPECT_EQ(violations.load(), 0);
}

TEST_F(AuthenticatorTest, MeasuresItself) {
  std::vector<std::string> keys;
  for (int i = 0; i < 1000; ++i) keys.push_back(add());
  constexpr int kCalls = 200'000;
  const auto begin = std::chrono::steady_clock::now();
  int granted = 0;
  for (int i = 0; i < kCalls; ++i) {
    granted += gate_.authenticate(keys[static_cast<size_t>(i) % keys.size()], "192.0.2.1", 5).ok();
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(granted, kCalls);
  RecordProperty("ns_a_call", static_cast<int>(took.count() / kCalls));
  if (std::getenv("GATEHOUSE_PRINT_TIMES") != nullptr) {
    std::printf("authenticate: %d ns a call\n", static_cast<int>(took.count() / kCalls));
  }
}

}  // namespace
}  // namespace gatehouse::identity
