#include "gateway/budget_metrics.h"

#include <gtest/gtest.h>

#include <map>

namespace gatehouse::gateway {
namespace {

struct FixedClock : model::Clock {
  int64_t wall_ns() const override { return 1'700'000'000'000'000'000; }
  int64_t steady_ns() const override { return 0; }
};

std::map<std::string, double> read(const model::Registry& registry) {
  std::map<std::string, double> out;
  registry.visit([&out](const model::Registry::Family& family) {
    for (const auto& child : family.children) {
      out[family.name + child.labels.to_string()] = child.read();
    }
  });
  return out;
}

TEST(BudgetMetrics, OfSetsThatHaveABudget) {
  FixedClock clock;
  model::Registry registry;
  LimitRegistry limits;
  publish_budgets(limits, registry, clock);
  limits.get(LimitScope::kKey, "plain", {});
  EXPECT_TRUE(read(registry).empty());

  model::Limits budget;
  budget.daily_nanodollars = 2'000'000'000;
  const LimitSetPtr set = limits.get(LimitScope::kKey, "k", budget);
  set->budget.settle(0, 500'000'000, clock.wall_ns());
  const std::string of_day = R"({limit="k", period="day", scope="key"})";
  const std::string of_month = R"({limit="k", period="month", scope="key"})";
  EXPECT_EQ(read(registry),
            (std::map<std::string, double>{{"gatehouse_budget_limit_dollars" + of_day, 2},
                                           {"gatehouse_budget_limit_dollars" + of_month, 0},
                                           {"gatehouse_budget_spent_dollars" + of_day, 0.5},
                                           {"gatehouse_budget_spent_dollars" + of_month, 0.5}}));

  // A budget that is taken away and given again is the same metric.
  limits.get(LimitScope::kKey, "k", {});
  EXPECT_EQ(read(registry)["gatehouse_budget_limit_dollars" + of_day], 0);
  limits.get(LimitScope::kKey, "k", budget);
  EXPECT_EQ(read(registry).size(), 4u);
}

}  // namespace
}  // namespace gatehouse::gateway
