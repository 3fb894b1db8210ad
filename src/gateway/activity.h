// Activity: the last day of calls as the console's home page shows it, kept as
// calls end, so that no page has to read a day of records.
//
// Two rings of steps, by the wall time at which a call ended: fine ones of 15 s
// over two hours, coarse ones of 15 minutes over two days. Each is twice what a
// page shows, so that it can be compared with the time before; and a page is the
// sum of at most a few hundred steps, so that reading one holds the lock for
// microseconds. Models have a minute and 15 minutes as steps; upstreams keep the
// last five minutes of attempts.
//
// Invariants
//   - Memory is bounded by the constants below: 4 MiB with 64 models, 64
//     upstreams and 10,000 keys in use, whatever is called.
//   - A step knows which time it stands for: one that was not written since the
//     ring came round counts as empty.
//   - The mutex is held for one call's additions (well under 100 ns), or for one
//     page's sums.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/duration_histogram.h"
#include "gateway/outcome.h"
#include "gateway/telemetry.h"
#include "model/stream.h"

namespace gatehouse::gateway {

struct ActivityTotals {
  int64_t calls = 0;
  int64_t errors = 0;  // outcomes error and incomplete
  int64_t refused = 0;
  int64_t estimated = 0;  // calls whose usage was estimated
  int64_t input_tokens = 0, cached_input_tokens = 0, output_tokens = 0, reasoning_tokens = 0;
  int64_t cost_nanodollars = 0;
  DurationHistogram first_token;
  void add(const ActivityTotals& other);
};

struct ActivityPoint {
  int64_t at_ms = 0;  // when the step begins
  int64_t calls = 0;
  int64_t errors = 0;
  std::optional<double> first_token_p95_ms;
};

struct ModelActivity {
  std::string model;
  int64_t calls = 0, errors = 0, tokens = 0, cost_nanodollars = 0;
  bool priced = false;  // any of the calls had a known price
  DurationHistogram first_token;
};

struct UpstreamActivity {
  int64_t attempts = 0, failures = 0;
  DurationHistogram latency, first_token;
};

// Of one key in the present UTC day.
struct KeyToday {
  int64_t requests = 0, tokens = 0;
};

struct ActivityView {
  int64_t range_ms = 0, step_ms = 0;
  // Since when calls are known: the start, or the oldest record that was replayed.
  int64_t known_since_ms = 0;
  ActivityTotals totals;
  std::optional<ActivityTotals> previous;  // of the range before this one
  std::vector<ActivityPoint> points;       // range_ms / step_ms, oldest first; the last is now's
  std::vector<ModelActivity> top_models;   // at most 5, most calls first
};

class Activity {
 public:
  enum class Range { k15Minutes, k1Hour, k24Hours };
  static constexpr size_t kModelsMax = 64;
  static constexpr size_t kUpstreamsMax = 64;
  // Keys whose use is counted; further ones of the same day show no use. 1 MiB.
  static constexpr size_t kKeysMax = 10'000;

  // `now_ms`: the wall time of the start.
  explicit Activity(int64_t now_ms);
  ~Activity();

  // A call ended. Any thread.
  // `key_id`: empty for a call without one.
  void add(std::string_view key_id, const CallTrace& trace);

  // Adds the calls that earlier processes recorded up to `through`, newest
  // first, for at most `patience_ms`: what is not reached by then stays unknown.
  // Blocks; calls may end meanwhile.
  Status rebuild(const model::Reader& reader, model::Position through, int64_t now_ms,
                 int64_t patience_ms);

  ActivityView view(Range range, int64_t now_ms) const;
  UpstreamActivity upstream(std::string_view name, int64_t now_ms) const;
  KeyToday key_today(std::string_view key_id, int64_t now_ms) const;
  bool any_call() const;  // ever

 private:
  struct Ended;
  struct Attempted;
  struct Rings;
  void add_locked(const Ended& ended);
  void add_key(const Ended& ended);
  void add_attempt(const Attempted& attempt);
  void replay(const model::Record& record);

  mutable std::mutex mutex_;
  std::unique_ptr<Rings> rings_;
  int64_t known_since_ms_;
  bool any_call_ = false;
};

}  // namespace gatehouse::gateway
