// One scrape's reply turned into samples of the store: the format is read, labels are
// merged and relabelled, limits kept, and what is gone is marked.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/budget.h"
#include "base/result.h"
#include "collect/prometheus_config.h"
#include "collect/publisher.h"
#include "collect/target.h"

namespace gatehouse::collect {

// The Accept header for a job's protocols.
std::string accept_header(const ScrapeConfig& config);

struct ScrapedBody {
  std::string content_type, content_encoding;
  std::string body;
};

struct ScrapeCounts {
  uint64_t scraped = 0;            // samples in the body
  uint64_t after_relabelling = 0;  // of these, left
  uint64_t added = 0;              // series seen for the first time
};

// How long a body may be, as it comes and unpacked: the job's own limit; without one an
// eighth of the memory, so that a few targets that write without end leave most of it to
// the others.
size_t scrape_body_bytes_max(const ScrapeConfig& config, const MemoryBudget& budget);

// Keeps what one target gave last. One thread at a time.
class ScrapeIntake {
 public:
  // What is kept of the target from scrape to scrape is charged to `budget`.
  ScrapeIntake(const ScrapeConfig& config, Target target, model::SampleAppender& appender,
               MemoryBudget& budget)
      : config_(config),
        target_(std::move(target)),
        budget_(budget),
        publisher_(appender, &budget) {}

  // A scrape begun at `time_ms` (Unix) that took `seconds`. `got`: the body, or why there
  // is none. The target is up where the Status returned is ok; either way the store has
  // `up` and its companions after it.
  Status take(int64_t time_ms, double seconds, Result<ScrapedBody> got, MemoryCharge& charge,
              ScrapeCounts& counts);
  // The target is gone: every series of it ends.
  void end(int64_t time_ms);

  // What the target says of its metrics; for the API's targets/metadata.
  const std::map<std::string, model::MetricMetadata>& metadata() const { return metadata_; }
  // Changes with it.
  uint64_t metadata_version() const { return metadata_version_; }

 private:
  class Sink;
  Status read(ScrapedBody& got, MemoryCharge& charge, ScrapeCounts& counts);
  void report(std::string_view name, double value);

  const ScrapeConfig& config_;
  Target target_;
  MemoryBudget& budget_;
  Publisher publisher_;
  std::map<std::string, model::MetricMetadata> metadata_;
  uint64_t metadata_version_ = 0;
};

}  // namespace gatehouse::collect
