// The one way in which a request comes to the store: on the query pool, bounded in
// number, time, samples and memory, and ended when the client leaves.
#pragma once

#include <algorithm>

#include "api/prometheus/answer.h"
#include "api/prometheus/prometheus.h"
#include "store/metric_store.h"

namespace gatehouse::api {

template <typename Work>
Task<MetricAnswer> Prometheus::run_query(MetricRequest& request, int64_t timeout_ms, Work work) {
  const QueryLimits limits = parts_.limits();
  // Those beyond what runs wait in the pool's queue; a queue longer than this would
  // answer later than anyone waits for.
  if (running_.fetch_add(1, std::memory_order_relaxed) >= limits.concurrent_max * 4) {
    running_.fetch_sub(1, std::memory_order_relaxed);
    MetricAnswer busy = metric::error("unavailable", "too many queries are waiting");
    busy.headers.emplace_back("retry-after", "1");
    co_return busy;
  }
  model::QueryContext context(parts_.budget, steady_ms() + std::min(timeout_ms, limits.timeout_ms),
                              limits.samples_max, &query_share());
  request.exchange.cancel().on_fire([&context] { context.cancel(); });
  const auto run = [&]() -> MetricAnswer {
    // An answer from half of the log would look like a loss. A start reads it within a
    // second; where it takes longer, what is there is better than nothing.
    constexpr int64_t kPatienceMs = 2'000;
    if (!parts_.store.ready()) parts_.store.wait_ready(kPatienceMs);
    if (const Status late = context.check(); !late.ok()) return metric::error_of(late);
    MetricAnswer answer = work(context);
    // What was refused on the way shows at the end at the latest.
    if (const Status refused = context.refused(); !refused.ok()) return metric::error_of(refused);
    return answer;
  };
  MetricAnswer answer = co_await parts_.pool.run(request.worker.loop, run);
  request.exchange.cancel().on_fire({});
  running_.fetch_sub(1, std::memory_order_relaxed);
  co_return answer;
}

}  // namespace gatehouse::api
