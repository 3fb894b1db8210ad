#include "api/prometheus/metrics.h"

#include "api/ui/console_for_test.h"

namespace gatehouse::api::test {
namespace {

using model::Role;

class MetricsTest : public ConsoleTest {
 protected:
  Replied get(FakeExchange::Headers headers) {
    const Metrics metrics(registry_, authenticator_, clock_);
    FakeExchange exchange(loop_, "GET", "/metrics", std::move(headers));
    test::run(loop_, metrics.handle(*worker_, exchange));
    return std::move(static_cast<Replied&>(exchange));
  }
};

TEST_F(MetricsTest, AScraperWithAKeyGetsTheFormItAsksFor) {
  registry_.counter("gatehouse_test_things", "Things.", {}).add(3);
  const std::string key = bearer(Role::kViewer);
  const Replied plain = get({{"authorization", key}});
  EXPECT_EQ(plain.status, 200);
  EXPECT_TRUE(plain.headers.at("content-type").starts_with("text/plain; version=0.0.4"));
  EXPECT_NE(plain.body.find("gatehouse_test_things_total 3\n"), std::string::npos);
  EXPECT_EQ(plain.body.find("# EOF"), std::string::npos);
  const Replied open = get(
      {{"authorization", key}, {"accept", "application/openmetrics-text;version=1.0.0,*/*;q=0.1"}});
  EXPECT_TRUE(open.headers.at("content-type").starts_with("application/openmetrics-text"));
  EXPECT_TRUE(open.body.ends_with("# EOF\n"));
}

TEST_F(MetricsTest, OthersAreRefused) {
  Replied nobody = get({});
  EXPECT_EQ(nobody.status, 401);
  EXPECT_TRUE(nobody.headers.at("www-authenticate").starts_with("Bearer"));
  EXPECT_EQ(get({{"authorization", "Bearer wrong"}}).status, 401);
  EXPECT_EQ(get({{"authorization", bearer(Role::kCaller)}}).status, 403);
  for (const Role role : {Role::kOperator, Role::kAuditor, Role::kAdmin}) {
    EXPECT_EQ(get({{"authorization", bearer(role)}}).status, 200) << model::name(role);
  }
  for (int i = 0; i < 20; ++i) get({{"authorization", "Bearer wrong"}});
  Replied locked = get({{"authorization", "Bearer wrong"}});
  EXPECT_EQ(locked.status, 429);
  EXPECT_GE(std::stoi(locked.headers["retry-after"]), 1);
}

TEST_F(MetricsTest, WithoutAuthenticationItIsOpen) {
  gateway::GatewayConfig config;
  config.authenticate = false;
  ASSERT_TRUE(gateway_->configure(config, {}).ok());
  loop_.run_for(50);
  EXPECT_EQ(get({}).status, 200);
}

}  // namespace
}  // namespace gatehouse::api::test
