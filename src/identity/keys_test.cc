#include "identity/keys.h"

#include <gtest/gtest.h>

#include "identity/memory_catalog.h"
#include "identity/roles.h"

namespace gatehouse::identity {
namespace {

class FakeClock : public model::Clock {
 public:
  int64_t wall_ns() const override { return now_ns; }
  int64_t steady_ns() const override { return now_ns; }
  int64_t now_ns = 1'000'000'000'000;
};

class KeysTest : public ::testing::Test {
 protected:
  KeysTest() { EXPECT_TRUE(keys_.load().ok()); }
  NewKey make(const std::string& name) { return *keys_.create({.name = name}, "user:admin"); }
  bool works(std::string_view text, std::string_view from = "192.0.2.1") {
    return gate_.authenticate(text, from, clock_.now_ns).ok();
  }

  FakeClock clock_;
  model::Registry registry_;
  MemoryCatalog catalog_;
  Authenticator gate_{clock_, {}, registry_};
  KeyStore keys_{catalog_, gate_, clock_, registry_};
};

TEST_F(KeysTest, CreateUseRevoke) {
  const NewKey made = make("search");
  EXPECT_TRUE(works(made.secret));
  EXPECT_EQ(keys_.get(made.key.id)->state(clock_.now_ns), KeyState::kActive);
  ASSERT_TRUE(keys_.revoke(made.key.id).ok());
  EXPECT_FALSE(works(made.secret));
  const int64_t revoked_ns = keys_.get(made.key.id)->revoked_ns;
  clock_.now_ns += 5;
  EXPECT_EQ(keys_.revoke(made.key.id)->revoked_ns, revoked_ns);
  EXPECT_FALSE(keys_.rotate(made.key.id, 0).ok());
  EXPECT_FALSE(keys_.update(made.key.id, {}).ok());
}

TEST_F(KeysTest, RotationOverlaps) {
  const NewKey made = make("search");
  const auto rotated = keys_.rotate(made.key.id, 60'000);
  ASSERT_TRUE(rotated.ok());
  EXPECT_EQ(rotated->key.id, made.key.id);
  EXPECT_TRUE(works(made.secret));
  EXPECT_TRUE(works(rotated->secret));
  clock_.now_ns += 60'000 * 1'000'000LL;
  EXPECT_FALSE(works(made.secret));
  EXPECT_TRUE(works(rotated->secret));
  const auto again = keys_.rotate(made.key.id, 0);
  EXPECT_FALSE(works(rotated->secret));
  EXPECT_TRUE(works(again->secret));
  EXPECT_FALSE(keys_.rotate(made.key.id, KeyStore::kOverlapMaxMs + 1).ok());
}

TEST_F(KeysTest, ExpiryAndChange) {
  const NewKey made = make("search");
  EXPECT_TRUE(keys_.update(made.key.id, {.expires_ns = clock_.now_ns + 10}).ok());
  EXPECT_TRUE(works(made.secret));
  clock_.now_ns += 10;
  EXPECT_FALSE(works(made.secret));
  EXPECT_FALSE(keys_.update(made.key.id, {.expires_ns = clock_.now_ns}).ok());
  EXPECT_TRUE(keys_.update(made.key.id, {.expires_ns = 0}).ok());
  EXPECT_TRUE(works(made.secret));
  EXPECT_TRUE(keys_.update(made.key.id, {.allow_from = {{"10.0.0.0/8"}}}).ok());
  EXPECT_FALSE(works(made.secret));
  EXPECT_TRUE(works(made.secret, "10.9.9.9"));
}

TEST_F(KeysTest, EverythingSurvivesARestart) {
  KeySpec spec{.name = "n",
               .roles = {model::Role::kOperator, model::Role::kCaller},
               .models = {"gpt-*"},
               .limits = {1, 2, 3, 4, 5},
               .allow_from = {"192.0.2.0/24"},
               .expires_ns = clock_.now_ns + 1'000'000'000'000};
  const auto made = keys_.create(spec, "user:admin");
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  const auto rotated = keys_.rotate(made->key.id, 5'000);
  EXPECT_TRUE(works(rotated->secret));
  EXPECT_TRUE(keys_.flush_last_used().ok());

  Authenticator gate(clock_, {}, registry_);
  KeyStore other(catalog_, gate, clock_, registry_);
  ASSERT_TRUE(other.load().ok());
  EXPECT_TRUE(gate.authenticate(made->secret, "192.0.2.1", clock_.now_ns).ok());
  const auto principal = gate.authenticate(rotated->secret, "192.0.2.1", clock_.now_ns);
  ASSERT_TRUE(principal.ok());
  EXPECT_TRUE((*principal)->may_use("gpt-4o"));
  EXPECT_FALSE((*principal)->may_use("claude"));
  EXPECT_EQ((*principal)->limits, spec.limits);
  EXPECT_EQ((*principal)->roles, spec.roles);
  EXPECT_EQ(other.get(made->key.id)->last_used_ns, clock_.now_ns);
  EXPECT_EQ(other.person_behind(**principal), "user:admin");
}

TEST_F(KeysTest, NoSecretIsStored) {
  const NewKey made = make("search");
  const NewKey rotated = *keys_.rotate(made.key.id, 1000);
  const auto stored = catalog_.list("key");
  ASSERT_EQ(stored->size(), 1u);
  for (const model::Object& object : *stored) {
    for (const std::string& text : {made.secret, rotated.secret}) {
      for (size_t i = 16; i + 8 < 16 + kKeySecretChars; ++i) {
        EXPECT_EQ(object.body.find(text.substr(i, 8)), std::string::npos);
      }
    }
  }
}

TEST_F(KeysTest, RefusesWhatMakesNoSense) {
  make("taken");
  EXPECT_EQ(keys_.create({.name = "taken"}, "a").status().code(), Code::kAlreadyExists);
  EXPECT_FALSE(keys_.create({.name = ""}, "a").ok());
  EXPECT_FALSE(keys_.create({.name = std::string(65, 'x')}, "a").ok());
  EXPECT_FALSE(keys_.create({.name = "a\nb"}, "a").ok());
  EXPECT_FALSE(keys_.create({.name = "b", .roles = {}}, "a").ok());
  EXPECT_FALSE(keys_.create({.name = "c", .limits = {.concurrent = -1}}, "a").ok());
  EXPECT_FALSE(keys_.create({.name = "d", .allow_from = {"10.0.0.0/99"}}, "a").ok());
  EXPECT_FALSE(keys_.create({.name = "e", .expires_ns = clock_.now_ns}, "a").ok());
  EXPECT_EQ(keys_.get("000000000000").status().code(), Code::kNotFound);
}

TEST_F(KeysTest, ADamagedObjectDoesNotStopTheOthers) {
  const NewKey good = make("good");
  ASSERT_TRUE(catalog_.put("key", "000000000001", "{\"format\":1", 0, {}).ok());
  ASSERT_TRUE(catalog_.put("key", "000000000002", "{\"format\":1}", 0, {}).ok());
  ASSERT_TRUE(keys_.load().ok());
  EXPECT_TRUE(works(good.secret));
  EXPECT_EQ(keys_.list().size(), 1u);
}

TEST_F(KeysTest, AChangeThatCannotBeStoredDoesNotHold) {
  const NewKey made = make("search");
  // Someone else changed the object: our version is stale.
  const auto object = catalog_.get("key", made.key.id);
  ASSERT_TRUE(catalog_.put("key", made.key.id, object->body, object->version, {}).ok());
  EXPECT_FALSE(keys_.rotate(made.key.id, 0).ok());
  EXPECT_TRUE(works(made.secret));
}

TEST(Roles, TableIsThatOfTheDocument) {
  using model::Role;
  const auto can = [](Role role, Action action) { return may(std::vector<Role>{role}, action); };
  EXPECT_TRUE(can(Role::kViewer, Action::kCallsRead));
  EXPECT_FALSE(can(Role::kViewer, Action::kBodiesRead));
  EXPECT_FALSE(can(Role::kViewer, Action::kModelCall));
  EXPECT_TRUE(can(Role::kCaller, Action::kModelCall));
  EXPECT_TRUE(can(Role::kOperator, Action::kKeysWrite));
  EXPECT_FALSE(can(Role::kOperator, Action::kAuditRead));
  EXPECT_FALSE(can(Role::kAuditor, Action::kKeysWrite));
  EXPECT_FALSE(can(Role::kAdmin, Action::kDeployApprove));
  for (int i = 0; i < kActions; ++i) {
    EXPECT_FALSE(may(std::vector<Role>{}, static_cast<Action>(i)));
    // Callers call, push samples and alerts, and nothing else.
    const auto action = static_cast<Action>(i);
    EXPECT_EQ(can(Role::kCaller, action), action == Action::kModelCall ||
                                              action == Action::kMetricsWrite ||
                                              action == Action::kAlertsWrite);
  }
}

TEST(Roles, ApproverAndDeployerAreDifferentPeople) {
  using model::Role;
  EXPECT_FALSE(check_roles(std::vector{Role::kApprover, Role::kDeployer}).ok());
  EXPECT_FALSE(check_roles(std::vector{Role::kApprover, Role::kAdmin}).ok());
  const model::Principal approver{"user:a", "a", {Role::kApprover}, {}, {}};
  EXPECT_TRUE(check_approval(approver, "user:a", "user:b").ok());
  EXPECT_FALSE(check_approval(approver, "user:a", "user:a").ok());
  EXPECT_FALSE(check_approval(approver, "", "user:a").ok());
  const model::Principal admin{"user:c", "c", {Role::kAdmin}, {}, {}};
  EXPECT_FALSE(check_approval(admin, "user:c", "user:b").ok());
}

TEST(Roles, OperatorsGrantLittle) {
  using model::Role;
  EXPECT_TRUE(check_grant(std::vector{Role::kOperator}, std::vector{Role::kCaller}).ok());
  EXPECT_FALSE(check_grant(std::vector{Role::kOperator}, std::vector{Role::kAdmin}).ok());
  EXPECT_FALSE(check_grant(std::vector{Role::kViewer}, std::vector{Role::kViewer}).ok());
  EXPECT_TRUE(check_grant(std::vector{Role::kAdmin}, std::vector{Role::kDeployer}).ok());
}

}  // namespace
}  // namespace gatehouse::identity
