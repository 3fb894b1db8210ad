// Sender: takes batches off the queue and sees each one to its end: taken by the
// receiver, refused by it for good, or kept for the writer's next life.
//
// A shard is a request that may be under way. Their number follows one rule, applied
// every kAdaptMs: as many as would each be busy for 70 % of the time, from the time that
// requests took since; at least twice as many as now where reading had to wait because
// the queue was full; and as many as now where the receiver failed, since more requests
// would not help it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/budget.h"
#include "base/loop.h"
#include "export/config.h"
#include "export/receiver.h"
#include "export/request_builder.h"
#include "export/send_queue.h"
#include "export/writer_metrics.h"
#include "store/wal/wal.h"

namespace gatehouse::exporting {

// The number of shards after a period of `period_ms`.
struct ShardLoad {
  int shards = 1;
  int64_t busy_ms = 0;   // of all requests
  bool held_up = false;  // reading waited for the queue
  bool failing = false;  // a request failed in a way that may pass
};
int shards_for(const ShardLoad& load, int64_t period_ms, const RemoteWriteQueueConfig& queue);

// Belongs to its Loop.
class Sender {
 public:
  static constexpr int64_t kAdaptMs = 10'000;

  struct Parts {
    Loop& loop;
    const RemoteWriteConfig& config;
    const store::Wal& wal;
    MemoryBudget& budget;
    WriterMetrics& metrics;
    SendQueue& queue;
    RequestBuilder& builder;
    Receiver& receiver;
  };
  Sender(const Parts& parts, std::function<void()> ended);

  void begin() { set_shards(config_.queue.shards_min); }
  // There may be enough for a request.
  void wake() { ready_.set(); }
  // How many may be queued.
  size_t capacity() const {
    return static_cast<size_t>(config_.queue.capacity) * static_cast<size_t>(shards_);
  }
  // Waits for room in the queue, at most a second.
  Task<void> wait_for_room(Cancel* cancel);
  void adapt();

  // Sends what is queued without waiting for more, then ends; abort() ends at once.
  // What is not with the receiver by then stays in the queue. `ended` is called when
  // nothing is under way any more.
  void flush();
  void abort() { abort_.fire(); }

  int shards() const { return shards_; }
  bool failing() const { return failing_; }
  const std::string& last_error() const { return last_error_; }
  // Sends metadata; gives up after a few attempts, as the next ones come soon.
  Task<void> send_metadata(std::span<const RequestBuilder::Described> metrics);

 private:
  void set_shards(int shards);
  Task<void> work(int number);
  // False: the end came first; the batch is not done with.
  Task<bool> deliver(SendQueue::Batch& batch);
  Task<bool> build(SendQueue::Batch& batch, WriteRequest& request);
  Task<bool> charge(int64_t bytes);
  Task<bool> send(const WriteRequest& request);
  Task<Answer> post(std::string_view body, int attempt);
  Task<bool> back_off(const Answer& answer, int64_t& backoff_ms);
  void answered();
  void taken(const WriteRequest& request, const Answer& answer);
  void refused(const WriteRequest& request, const Answer& answer);
  void fail_later(const Answer& answer);
  void tell_refusal(const std::string& reason, uint64_t samples);

  Loop& loop_;
  const RemoteWriteConfig& config_;
  const store::Wal& wal_;
  MemoryBudget& budget_;
  WriterMetrics& metrics_;
  SendQueue& queue_;
  RequestBuilder& builder_;
  Receiver& receiver_;
  std::function<void()> ended_;
  Event ready_;
  Event room_;
  Cancel abort_;
  int shards_ = 0;
  int working_ = 0;
  std::vector<bool> works_;  // by number
  bool flushing_ = false;
  bool failing_ = false;
  std::string last_error_;
  ShardLoad load_;
  int64_t adapted_at_ms_;
  int64_t told_refusal_at_ms_ = INT64_MIN / 2;
  int64_t told_lost_at_ms_ = INT64_MIN / 2;
  int64_t highest_sent_ms_ = INT64_MIN;
};

}  // namespace gatehouse::exporting
