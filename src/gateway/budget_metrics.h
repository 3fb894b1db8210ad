// Budgets as metrics: what was spent of each in its day and its month, and its limit, so that
// an alert can tell the pace before the money is gone.
#pragma once

#include "gateway/limits.h"
#include "model/clock.h"
#include "model/metrics.h"

namespace gatehouse::gateway {

// From now on a set that gets a budget has its metrics. REQUIRES: the registry's gauges are not
// read once the clock is gone; called before the first LimitRegistry::get().
void publish_budgets(LimitRegistry& limits, model::Registry& registry, const model::Clock& clock);

}  // namespace gatehouse::gateway
