#include "api/health/health.h"

#include "api/ui/console_for_test.h"

namespace gatehouse::api::test {
namespace {

class HealthTest : public ConsoleTest {
 protected:
  Replied get(const std::string& path) {
    const Health health(*gateway_, program_, clock_);
    FakeExchange exchange(loop_, "GET", path);
    test::run(loop_, health.handle(*worker_, exchange));
    return std::move(static_cast<Replied&>(exchange));
  }
  gateway::CircuitBreaker& breaker(size_t index) {
    return gateway_->snapshot()->upstreams[index]->history().breaker;
  }
};

TEST_F(HealthTest, AliveIsAllThatHealthzSays) {
  store_ = resource_exhausted("full");
  draining_ = true;
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(get("/healthz").body, "ok\n");
}

TEST_F(HealthTest, ReadyWhileItCanServe) {
  EXPECT_EQ(get("/readyz").status, 200);
  draining_ = true;
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_NE(get("/readyz").body.find("draining"), std::string::npos);
  draining_ = false;
  records_ready_ = false;
  EXPECT_EQ(get("/readyz").status, 503);
  records_ready_ = true;
  store_ = resource_exhausted("no space left on device");
  EXPECT_EQ(get("/readyz").status, 503);
  store_ = {};
  program_.listening = [] { return false; };
  EXPECT_EQ(get("/readyz").status, 503);
}

TEST_F(HealthTest, TheReportFollowsTheUpstreams) {
  Replied unknown = get("/health");
  EXPECT_EQ(unknown.status, 200);
  EXPECT_EQ(unknown.json().get("status").string(), "unknown");
  gateway::Health well;
  well.state = gateway::HealthState::kHealthy;
  for (const auto& upstream : gateway_->snapshot()->upstreams) {
    upstream->history().set_health(well);
  }
  Replied healthy = get("/health");
  EXPECT_EQ(healthy.json().get("status").string(), "healthy");
  EXPECT_EQ(healthy.json().get("ready").boolean(), true);
  EXPECT_EQ(healthy.json().get("version").string(), "0.1.0");
  EXPECT_EQ(healthy.json().get("upstreams").size(), 2u);
  breaker(0).force(gateway::CircuitBreaker::Force::kOpen);
  Replied degraded = get("/health");
  EXPECT_EQ(degraded.status, 200);
  EXPECT_EQ(degraded.json().get("status").string(), "degraded");
  const wire::JsonView first = degraded.json().get("upstreams").at(0);
  EXPECT_EQ(first.get("health").string(), "unhealthy");
  EXPECT_EQ(first.get("breaker").string(), "open");
  EXPECT_EQ(first.get("reasons").size(), 1u);
  breaker(1).force(gateway::CircuitBreaker::Force::kOpen);
  Replied unhealthy = get("/health");
  EXPECT_EQ(unhealthy.status, 503);
  EXPECT_EQ(unhealthy.json().get("status").string(), "unhealthy");
}

TEST_F(HealthTest, AFailingStoreOrConfigurationShows) {
  config_.ok = false;
  config_.message = "gatehouse.yaml:1:1: secret stuff";
  Replied degraded = get("/health");
  EXPECT_EQ(degraded.json().get("status").string(), "degraded");
  EXPECT_EQ(degraded.json().get("config").get("ok").boolean(), false);
  EXPECT_EQ(degraded.body.find("secret stuff"), std::string::npos);
  gateway_->journal_health().failing_since_ms = steady_ms() - 5'000;
  gateway_->journal_health().lost_records = 3;
  Replied failing = get("/health");
  EXPECT_EQ(failing.status, 503);
  EXPECT_EQ(failing.json().get("journal").get("ok").boolean(), false);
  EXPECT_EQ(failing.json().get("journal").get("lost_records").integer(), 3);
  gateway_->journal_health().failing_since_ms = 0;
  store_ = resource_exhausted("no space left on device");
  Replied full = get("/health");
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(full.json().get("store").get("message").string(), "no space left on device");
}

}  // namespace
}  // namespace gatehouse::api::test
