// All scraping: the jobs of a configuration, the discovery of their targets, and the
// scrapes, each target at its own place in its interval.
//
// Runs on one Loop; what takes time (reading bodies, files, names) is done on a Pool.
// Views for the API are taken from any thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/budget.h"
#include "base/loop.h"
#include "base/pool.h"
#include "base/result.h"
#include "base/task.h"
#include "collect/prometheus_config.h"
#include "collect/target.h"
#include "model/clock.h"
#include "model/series.h"
#include "net/options.h"

namespace gatehouse::collect {

struct ScraperOptions {
  net::DialOptions dial;
  // Shifts this server's scrapes against those of another that scrapes the same.
  uint64_t offset_seed = 0;
  // The server that DNS discovery asks, "address:port"; empty: the system's.
  std::string nameserver;
};

class Scraper {
 public:
  Scraper(Loop& loop, Pool& pool, model::SampleAppender& appender, MemoryBudget& budget,
          const model::Clock& clock, ScraperOptions options);
  // REQUIRES: stop() has ended.
  ~Scraper();
  Scraper(const Scraper&) = delete;
  Scraper& operator=(const Scraper&) = delete;

  // Jobs that are as they were go on undisturbed; others end and begin. On error (a TLS
  // file that cannot be read) everything stays as it was. The loop's thread.
  Status configure(std::vector<ScrapeConfig> jobs);

  // Ends all scrapes, with their series marked as ended where `mark`, and waits for them.
  Task<void> stop(bool mark);

  // Any thread.
  std::vector<TargetView> targets() const;
  std::vector<DroppedTargetView> dropped_targets() const;
  std::vector<std::string> pools() const;
  struct TargetMetadata {
    model::Labels target;
    std::string metric;
    model::MetricMetadata metadata;
  };
  // Of the metric, or of all where it is empty.
  std::vector<TargetMetadata> metadata(std::string_view metric, size_t limit) const;

 private:
  struct State;
  struct Job;
  struct Running;
  std::shared_ptr<State> state_;
};

}  // namespace gatehouse::collect
