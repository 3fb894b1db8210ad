// SendQueue: what was read of the log and is not with its receiver yet.
//
// Samples wait in partitions, by series. A request takes samples of any number of
// partitions, oldest first, and keeps those partitions to itself until it is done
// with: so no series overtakes itself, however many requests are under way, and how
// many that are can change at any time. Where little is queued, one request takes
// from all partitions; where much is, each takes from the longest.
//
// Of one thread, but for what it charges.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/budget.h"
#include "model/sample.h"
#include "store/wal/wal.h"

namespace gatehouse::exporting {

enum class EntryKind : uint8_t { kSample, kHistogram, kExemplar };

struct Entry {
  uint64_t sequence = 0;  // counts everything queued
  uint32_t shard = 0;     // names the series, with `slot`, in the store's head
  uint32_t slot = 0;
  int64_t time_ms = 0;
  int64_t start_ms = 0;
  double value = 0;
  EntryKind kind = EntryKind::kSample;
  std::shared_ptr<const void> more;  // of kHistogram, kExemplar

  const model::NativeHistogram& histogram() const {
    return *static_cast<const model::NativeHistogram*>(more.get());
  }
  const model::Exemplar& exemplar() const {
    return *static_cast<const model::Exemplar*>(more.get());
  }
  // What it takes in memory, roughly.
  int64_t bytes() const;
};

struct EntryCounts {
  uint64_t samples = 0;
  uint64_t histograms = 0;
  uint64_t exemplars = 0;
  void add(EntryKind kind) {
    ++(kind == EntryKind::kSample      ? samples
       : kind == EntryKind::kHistogram ? histograms
                                       : exemplars);
  }
};

class SendQueue {
 public:
  SendQueue(MemoryBudget& budget, size_t partitions) : budget_(budget), partitions_(partitions) {}
  ~SendQueue() { budget_.release(charged_bytes_); }
  SendQueue(const SendQueue&) = delete;
  SendQueue& operator=(const SendQueue&) = delete;

  // Queues entries in the log's order, read from `place` on; later ones are read from
  // `next` on. False: the memory budget has no room, and nothing was done.
  bool push(std::vector<Entry>& entries, store::WalPlace place, store::WalPlace next,
            int64_t now_ms);

  struct Batch {
    std::vector<Entry> entries;
    std::vector<uint32_t> partitions;
    bool empty() const { return entries.empty(); }
  };
  // At most `most` entries, where there are so many to be had or some have waited
  // since `overdue_ms`; else none. An exemplar goes with what is before it.
  Batch take(size_t most, int64_t overdue_ms);
  // The receiver has them, or never will.
  void done(Batch& batch);

  // Entries, also those that were taken and are not done with; those that can be taken.
  size_t size() const { return size_; }
  size_t ready() const { return ready_; }
  const EntryCounts& counts() const { return counts_; }
  // Where reading was when an entry that is not done with was found.
  store::WalPlace place_of(uint64_t sequence) const { return mark_of(sequence).place; }
  // Everything before it is done with.
  store::WalPlace done_to() const;

 private:
  struct Partition {
    std::deque<Entry> waiting;
    bool taken = false;
    uint64_t taken_from = 0;  // the least sequence of what was taken
  };
  struct Mark {  // one push
    uint64_t first;
    store::WalPlace place;
    int64_t time_ms;
  };
  const Mark& mark_of(uint64_t sequence) const;
  void trim_marks();
  // The least sequence that is not done with; next_: all are.
  uint64_t least() const;
  size_t take_from(uint32_t number, size_t most, Batch& batch);

  MemoryBudget& budget_;
  std::vector<Partition> partitions_;
  std::deque<Mark> marks_;
  store::WalPlace read_to_;
  uint64_t next_ = 1;
  size_t size_ = 0;
  size_t ready_ = 0;
  EntryCounts counts_;
  int64_t charged_bytes_ = 0;
};

}  // namespace gatehouse::exporting
