#include "gateway/budget_metrics.h"

#include <memory>
#include <string>

namespace gatehouse::gateway {

void publish_budgets(LimitRegistry& limits, model::Registry& registry, const model::Clock& clock) {
  limits.on_budget([&registry, &clock](const LimitSetPtr& set) {
    const auto gauge = [&](std::string_view metric, std::string_view help, std::string_view period,
                           auto read) {
      const model::Labels labels{{"scope", std::string(name(set->scope()))},
                                 {"limit", set->name()},
                                 {"period", std::string(period)}};
      // A set that is gone reads 0: no limit.
      registry.gauge_from(metric, help, labels, [weak = std::weak_ptr(set), read, &clock] {
        const auto alive = weak.lock();
        if (!alive) return 0.0;
        return static_cast<double>(read(alive->budget, clock.wall_ns())) / 1e9;
      });
    };
    constexpr std::string_view kSpent = "gatehouse_budget_spent_dollars";
    constexpr std::string_view kSpentHelp = "What was spent in the UTC day or month, in US dollars";
    constexpr std::string_view kLimit = "gatehouse_budget_limit_dollars";
    constexpr std::string_view kLimitHelp = "The budget of the day or month; 0: none";
    gauge(kSpent, kSpentHelp, "day", [](Budget& b, int64_t now) { return b.spent_today(now); });
    gauge(kSpent, kSpentHelp, "month",
          [](Budget& b, int64_t now) { return b.spent_this_month(now); });
    gauge(kLimit, kLimitHelp, "day", [](Budget& b, int64_t) { return b.daily_limit(); });
    gauge(kLimit, kLimitHelp, "month", [](Budget& b, int64_t) { return b.monthly_limit(); });
  });
}

}  // namespace gatehouse::gateway
