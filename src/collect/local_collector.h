// What is collected without a scrape: the machine, its containers and GPUs
// (collect/host), and the program's own metrics, each as a job of its own.
#pragma once

#include <memory>
#include <string>

#include "base/loop.h"
#include "base/pool.h"
#include "base/task.h"
#include "collect/host/host_collector.h"
#include "model/clock.h"
#include "model/metrics.h"
#include "model/series.h"

namespace gatehouse::collect {

// The registry's families as samples: counters with "_total", histograms as _bucket, _sum
// and _count.
void sample_registry(const model::Registry& registry, SampleSink& sink);

struct LocalOptions {
  HostOptions host;
  int64_t interval_ms = 15'000;
  std::string instance;  // the label of all; empty: the machine's name
  bool self = true;
};

class LocalCollector {
 public:
  LocalCollector(Loop& loop, Pool& pool, model::SampleAppender& appender,
                 const model::Registry& registry, const model::Clock& clock, LocalOptions options);
  // REQUIRES: stop() has ended, where start() was called.
  ~LocalCollector();
  LocalCollector(const LocalCollector&) = delete;
  LocalCollector& operator=(const LocalCollector&) = delete;

  // Collects at once, then every interval. The loop's thread.
  void start();
  Task<void> stop();
  // One collection, here and now. Any thread, one at a time.
  Status collect_once();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace gatehouse::collect
