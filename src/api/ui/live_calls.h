// LiveCalls: the calls that end, on their way to the pages that watch them.
//
// Whichever watcher's quarter of a second is over reads what the log has got
// since the last reading, once for all of them: each call is matched with every
// watcher and written as JSON at most once. A watcher holds at most 200 calls
// until it is asked; what comes beyond is counted, so that a slow reader costs
// nothing, and no call ever waits for a watcher.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/ui/call_json.h"
#include "model/stream.h"

namespace gatehouse::api {

// Calls that were appended since the last poll, oldest first; one thread at a
// time. The record's bytes live for the visit alone.
class CallFeed {
 public:
  virtual ~CallFeed() = default;
  // Returns how many records were missed: they came faster than they were polled.
  virtual uint64_t poll(const model::Reader::Visit& visit) = 0;
};
using FollowCalls = std::function<std::unique_ptr<CallFeed>()>;

class LiveCalls {
 public:
  static constexpr int64_t kGatherMs = 250;
  static constexpr size_t kGatheredMax = 200;
  static constexpr size_t kWatchersMax = 32;

  class Watcher {
   public:
    explicit Watcher(CallFilter filter) : filter_(std::move(filter)) {}

   private:
    friend class LiveCalls;
    CallFilter filter_;
    std::vector<std::shared_ptr<const std::string>> calls_;
    uint64_t skipped_ = 0;
  };
  struct Gathered {
    std::vector<std::shared_ptr<const std::string>> calls;  // Call, as JSON
    uint64_t skipped = 0;
  };

  explicit LiveCalls(FollowCalls follow) : follow_(std::move(follow)) {}

  // Null: there are as many as may be. The feed runs while anyone watches.
  std::shared_ptr<Watcher> watch(CallFilter filter);
  void leave(const std::shared_ptr<Watcher>& watcher);
  // Reads the feed where the last reading is old enough, and takes what has come
  // for this watcher. Any thread but a Loop's: it decodes records.
  Gathered gather(Watcher& watcher, int64_t steady_ms);
  size_t watchers() const;

 private:
  void poll(int64_t steady_ms);

  FollowCalls follow_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Watcher>> watchers_;
  std::unique_ptr<CallFeed> feed_;
  int64_t polled_ms_ = 0;
};

}  // namespace gatehouse::api
