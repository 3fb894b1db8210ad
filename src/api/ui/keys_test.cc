#include "api/ui/console_for_test.h"

namespace gatehouse::api::test {
namespace {

using model::Role;

class ConsoleKeysTest : public ConsoleTest {
 protected:
  // The id of a key made through the console.
  std::string make(const std::string& body, Role by = Role::kAdmin) {
    Replied made = as(by, "POST", "/api/v1/keys", body);
    EXPECT_EQ(made.status, 201) << made.body;
    return std::string(made.json().get("key").get("id").string().value_or(""));
  }
};

TEST_F(ConsoleKeysTest, AKeyIsMadeWithItsDefaults) {
  Replied made = admin("POST", "/api/v1/keys", R"({"name":"search"})");
  ASSERT_EQ(made.status, 201);
  const wire::JsonView root = made.json();
  EXPECT_TRUE(root.get("secret").string()->starts_with("gh_"));
  const wire::JsonView key = root.get("key");
  EXPECT_EQ(key.get("role").string(), "caller");
  EXPECT_EQ(key.get("models").at(0).string(), "*");
  EXPECT_EQ(key.get("models").size(), 1u);
  for (const auto [name, limit] : key.get("limits").members()) EXPECT_TRUE(limit.is_null()) << name;
  EXPECT_EQ(key.get("state").string(), "active");
  EXPECT_EQ(key.get("created_by").string(), "admin");
  EXPECT_TRUE(key.get("last_used_at_ms").is_null());
  // The secret works, and stands nowhere else.
  const std::string secret(*root.get("secret").string());
  EXPECT_TRUE(authenticator_.authenticate(secret, "192.0.2.1", clock_.wall_ns()).ok());
  EXPECT_EQ(admin("GET", "/api/v1/keys").body.find(secret), std::string::npos);
}

TEST_F(ConsoleKeysTest, EveryMemberIsTaken) {
  const int64_t expires = clock_.wall / 1'000'000 + 1000;
  const std::string id = make(R"({"name":"all","role":"viewer","models":["gpt-4o-mini","text-*"],
      "limits":{"requests_per_minute":600,"tokens_per_minute":null,"concurrent":50,
      "daily_nanousd":"5000000000"},"expires_at_ms":)" +
                              std::to_string(expires) + "}");
  Replied read = admin("GET", "/api/v1/keys/" + id);
  ASSERT_EQ(read.status, 200);
  const wire::JsonView key = read.json();
  EXPECT_EQ(key.get("role").string(), "viewer");
  EXPECT_EQ(key.get("models").size(), 2u);
  EXPECT_EQ(key.get("limits").get("requests_per_minute").integer(), 600);
  EXPECT_TRUE(key.get("limits").get("tokens_per_minute").is_null());
  EXPECT_EQ(key.get("limits").get("daily_nanousd").string(), "5000000000");
  EXPECT_EQ(key.get("expires_at_ms").integer(), expires);
  clock_.pass_ms(2000);
  Replied later = admin("GET", "/api/v1/keys/" + id);
  EXPECT_EQ(later.json().get("state").string(), "expired");
}

TEST_F(ConsoleKeysTest, WhatIsWrongIsNamed) {
  for (const char* body :
       {R"({})", R"({"name":""})", R"({"name":7})", R"({"name":"a","role":"emperor"})",
        R"({"name":"a","models":[]})", R"({"name":"a","models":"*"})",
        R"({"name":"a","models":["a*b"]})", R"({"name":"a","limits":{"requests":1}})",
        R"({"name":"a","limits":{"concurrent":0}})", R"({"name":"a","limits":{"concurrent":1.5}})",
        R"({"name":"a","limits":{"daily_nanousd":1}})",
        R"({"name":"a","limits":{"daily_nanousd":"0"}})",
        R"({"name":"a","limits":{"daily_nanousd":"-1"}})",
        R"({"name":"a","limits":{"daily_nanousd":"99999999999999999999"}})",
        R"({"name":"a","expires_at_ms":1})", R"({"name":"a","limit":{}})"}) {
    Replied refused = admin("POST", "/api/v1/keys", body);
    EXPECT_EQ(refused.status, 400) << body;
    EXPECT_EQ(refused.code(), "invalid_body") << body;
  }
}

TEST_F(ConsoleKeysTest, NamesAreTakenOnce) {
  const std::string id = make(R"({"name":"one"})");
  EXPECT_EQ(admin("POST", "/api/v1/keys", R"({"name":"one"})").code(), "key_name_taken");
  admin("DELETE", "/api/v1/keys/" + id);
  make(R"({"name":"one"})");
}

TEST_F(ConsoleKeysTest, AChangeMergesWhatIsGiven) {
  const std::string id =
      make(R"({"name":"one","models":["a"],"limits":{"concurrent":5,"requests_per_minute":7}})");
  Replied changed = admin("PATCH", "/api/v1/keys/" + id,
                          R"({"limits":{"concurrent":null,"daily_nanousd":"9"},"role":"caller"})");
  ASSERT_EQ(changed.status, 200) << changed.body;
  const wire::JsonView key = changed.json();
  EXPECT_EQ(key.get("name").string(), "one");
  EXPECT_EQ(key.get("models").at(0).string(), "a");
  EXPECT_TRUE(key.get("limits").get("concurrent").is_null());
  EXPECT_EQ(key.get("limits").get("requests_per_minute").integer(), 7);
  EXPECT_EQ(key.get("limits").get("daily_nanousd").string(), "9");
  EXPECT_EQ(admin("PATCH", "/api/v1/keys/" + id, R"({"role":"admin"})").code(), "invalid_body");
  EXPECT_EQ(admin("PATCH", "/api/v1/keys/none", "{}").code(), "key_not_found");
}

TEST_F(ConsoleKeysTest, AddressesAreBoundAndFreed) {
  const std::string id = make(R"({"name":"one","allow_from":["10.0.0.0/8","192.0.2.7"]})");
  Replied read = admin("GET", "/api/v1/keys/" + id);
  EXPECT_EQ(read.json().get("allow_from").size(), 2u);
  EXPECT_EQ(keys_.get(id)->allow_from, (std::vector<std::string>{"10.0.0.0/8", "192.0.2.7"}));
  Replied other = admin("PATCH", "/api/v1/keys/" + id, R"({"name":"two"})");
  EXPECT_EQ(other.json().get("allow_from").size(), 2u);
  for (const char* body : {R"({"allow_from":"10.0.0.0/8"})", R"({"allow_from":[7]})",
                           R"({"allow_from":["10.0.0.0/99"]})", R"({"allow_from":null})"}) {
    EXPECT_EQ(admin("PATCH", "/api/v1/keys/" + id, body).code(), "invalid_body") << body;
  }
  Replied freed = admin("PATCH", "/api/v1/keys/" + id, R"({"allow_from":[]})");
  EXPECT_EQ(freed.json().get("allow_from").size(), 0u);
  EXPECT_TRUE(keys_.get(id)->allow_from.empty());
}

TEST_F(ConsoleKeysTest, ARotationOverlaps) {
  Replied made = admin("POST", "/api/v1/keys", R"({"name":"one"})");
  const std::string id(*made.json().get("key").get("id").string());
  const std::string first(*made.json().get("secret").string());
  const std::string target = "/api/v1/keys/" + id + "/rotate";
  EXPECT_EQ(admin("POST", target, "{}").code(), "invalid_body");
  EXPECT_EQ(admin("POST", target, R"({"overlap_ms":604800001})").code(), "invalid_body");
  Replied rotated = admin("POST", target, R"({"overlap_ms":60000})");
  ASSERT_EQ(rotated.status, 200) << rotated.body;
  const std::string second(*rotated.json().get("secret").string());
  EXPECT_NE(first, second);
  EXPECT_EQ(rotated.json().get("key").get("previous_secret_until_at_ms").integer(),
            clock_.wall / 1'000'000 + 60'000);
  const auto works = [&](const std::string& secret) {
    return authenticator_.authenticate(secret, "192.0.2.1", clock_.wall_ns()).ok();
  };
  EXPECT_TRUE(works(first) && works(second));
  clock_.pass_ms(61'000);
  EXPECT_FALSE(works(first));
  EXPECT_TRUE(works(second));
}

TEST_F(ConsoleKeysTest, ARevokedKeyStaysRevoked) {
  const std::string id = make(R"({"name":"one"})");
  Replied revoked = admin("DELETE", "/api/v1/keys/" + id);
  EXPECT_EQ(revoked.json().get("state").string(), "revoked");
  const size_t audited = log_.entries.size();
  Replied again = admin("DELETE", "/api/v1/keys/" + id);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.body, revoked.body);
  EXPECT_EQ(log_.entries.size(), audited);
  EXPECT_EQ(admin("PATCH", "/api/v1/keys/" + id, R"({"name":"two"})").code(), "key_revoked");
  EXPECT_EQ(admin("POST", "/api/v1/keys/" + id + "/rotate", R"({"overlap_ms":0})").code(),
            "key_revoked");
  EXPECT_EQ(admin("DELETE", "/api/v1/keys/none").code(), "key_not_found");
}

TEST_F(ConsoleKeysTest, AnOperatorHandsOutLowlyRolesOnly) {
  make(R"({"name":"a"})", Role::kOperator);
  make(R"({"name":"b","role":"viewer"})", Role::kOperator);
  const std::string admins = make(R"({"name":"c","role":"operator"})");
  for (const char* role : {"operator", "admin", "auditor", "deployer"}) {
    Replied refused = as(Role::kOperator, "POST", "/api/v1/keys",
                         std::string(R"({"name":"d","role":")") + role + "\"}");
    EXPECT_EQ(refused.status, 403) << role;
    EXPECT_EQ(refused.code(), "forbidden");
  }
  EXPECT_EQ(as(Role::kOperator, "PATCH", "/api/v1/keys/" + admins, R"({"name":"e"})").code(),
            "forbidden");
  EXPECT_EQ(as(Role::kOperator, "POST", "/api/v1/keys/" + admins + "/rotate", R"({"overlap_ms":0})")
                .code(),
            "forbidden");
}

TEST_F(ConsoleKeysTest, UseAndSpendAreShown) {
  const std::string id = make(R"({"name":"one"})");
  EndedCall call;
  call.key_id = id;
  add_call(call);
  limits_.apply(gateway::LimitScope::kKey, id, 1052, 214'800, clock_.wall,
                {clock_.steady_ns(), clock_.wall});
  Replied read = admin("GET", "/api/v1/keys/" + id);
  const wire::JsonView usage = read.json().get("usage");
  EXPECT_EQ(usage.get("requests").integer(), 1);
  EXPECT_EQ(usage.get("tokens").integer(), 1052);
  EXPECT_EQ(usage.get("spend_today_nanousd").string(), "214800");
  EXPECT_EQ(usage.get("spend_month_nanousd").string(), "214800");
}

TEST_F(ConsoleKeysTest, TheListIsNewestFirst) {
  make(R"({"name":"old"})");
  clock_.pass_ms(1000);
  make(R"({"name":"new"})");
  Replied list = admin("GET", "/api/v1/keys");
  EXPECT_EQ(list.json().get("keys").at(0).get("name").string(), "new");
}

}  // namespace
}  // namespace gatehouse::api::test
