// CallJournal: makes the record of a call durable before its reply is finished.
// The calls of one Loop that end in the same turn share one append: the first
// schedules it behind what is ready, the others join.
//
// When the store cannot take records (a full disk), the journal says so through
// writable(), and new calls are refused rather than served unrecorded: spend
// that is not recorded is a limit that does not hold. The record of a refusal,
// one a second, is what tries whether the store is well again.
#pragma once

#include <atomic>
#include <coroutine>
#include <vector>

#include "base/loop.h"
#include "model/stream.h"

namespace gatehouse::gateway {

// Shared by the journals of all Loops.
struct JournalHealth {
  std::atomic<int64_t> failing_since_ms{0};  // steady; 0: the last append went well
  std::atomic<int64_t> retry_at_ms{0};
  std::atomic<uint64_t> lost_records{0};  // of calls that were in flight when it began to fail
};

class CallJournal {
 public:
  CallJournal(Loop& loop, model::Appender& appender, JournalHealth& health)
      : loop_(loop), appender_(appender), health_(health) {}
  CallJournal(const CallJournal&) = delete;
  CallJournal& operator=(const CallJournal&) = delete;

  // Whether a new call may begin: the last append went well.
  bool writable() const { return health_.failing_since_ms.load(std::memory_order_relaxed) == 0; }
  // While it may not: whether a refusal should be recorded, to try.
  bool probe_due();

  // co_await journal.append(stream, record): ok once the record is in the log.
  // The record's views must live until then.
  class Appending {
   public:
    Appending(CallJournal& journal, model::StreamId stream, const model::Record& record)
        : journal_(journal), entry_{stream, record} {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle);
    Status await_resume() { return std::move(status_); }

   private:
    friend class CallJournal;
    CallJournal& journal_;
    model::StreamRecord entry_;
    std::coroutine_handle<> handle_;
    Status status_;
  };
  Appending append(model::StreamId stream, const model::Record& record) {
    return Appending(*this, stream, record);
  }

 private:
  void flush();

  Loop& loop_;
  model::Appender& appender_;
  JournalHealth& health_;
  std::vector<Appending*> waiting_;
  std::vector<Appending*> flushing_;
  std::vector<model::StreamRecord> batch_;
};

}  // namespace gatehouse::gateway
