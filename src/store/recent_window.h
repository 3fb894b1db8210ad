// The newest records in memory, as they were encoded: what the console lists and
// follows without touching the disk.
//
// Bounded by records and bytes; the oldest batches leave first. A follower pulls:
// it is told once that there is something new, and takes it when it likes, so
// that a slow one holds no memory, never delays an append, and is told how many
// records it missed.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "model/stream.h"
#include "store/batch.h"
#include "store/dictionary.h"

namespace gatehouse::store {

class RecentWindow;

class Follower {
 public:
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  struct Polled {
    size_t visited = 0;
    uint64_t missed = 0;  // records that left the window unseen
    bool more = false;    // batches wait: `batches_max` was reached, or the visit said stop
  };
  // Visits what came since the last poll, oldest first. A visit that says stop
  // passes over the rest of its batch.
  // The record's bytes live for the call alone. One thread at a time.
  Polled poll(size_t batches_max, const model::Reader::Visit& visit);

 private:
  friend class RecentWindow;
  Follower(RecentWindow& window, std::function<void()> wake)
      : window_(window), wake_(std::move(wake)) {}

  RecentWindow& window_;
  std::function<void()> wake_;
  uint64_t next_sequence_ = 0;  // of the first batch not yet seen
  uint64_t records_seen_ = 0;   // in all, or missed; to count what is missed
  std::atomic<bool> armed_{true};
};

class RecentWindow {
 public:
  RecentWindow(const Dictionary& dictionary, size_t records_max, size_t bytes_max)
      : dictionary_(dictionary), records_max_(records_max), bytes_max_(bytes_max) {}

  // Visits the selected records, newest or oldest first, until `visit` says stop.
  void read(const model::Selector& selector, model::TimeRange range, model::Order order,
            const model::Reader::Visit& visit) const;

  // From now on `wake` is called, on the appender's thread, once for all that
  // comes until the next poll. It must be quick (post to a loop) and must not call
  // the window. REQUIRES: the Follower ends before the window.
  std::unique_ptr<Follower> follow(std::function<void()> wake);

  size_t records() const;
  size_t bytes() const;

  // For the log: in the order of positions.
  void add(std::string_view payload, model::Position first, size_t records, int64_t min_ns,
           int64_t max_ns);
  void wake();

 private:
  friend class Follower;
  struct Batch {
    model::Position first = 0;
    size_t records = 0;
    int64_t min_ns = 0;
    int64_t max_ns = 0;
    std::string payload;
  };
  using BatchPtr = std::shared_ptr<const Batch>;

  const Dictionary& dictionary_;
  const size_t records_max_;
  const size_t bytes_max_;
  mutable std::mutex mutex_;
  std::deque<BatchPtr> batches_;
  uint64_t first_sequence_ = 0;  // of batches_.front(), counted from the first ever added
  uint64_t records_ever_ = 0;
  size_t records_ = 0;
  size_t bytes_ = 0;
  std::vector<Follower*> followers_;
  std::atomic<size_t> follower_count_{0};
};

// Visits one decoded batch. `selected` says, for each entry of its stream ids,
// whether to; false: the visit said stop.
bool visit_batch(const DecodedBatch& batch, const IdTables& tables, model::Position first,
                 const std::vector<char>& selected, model::TimeRange range, model::Order order,
                 model::Position after, const model::Reader::Visit& visit);

}  // namespace gatehouse::store
