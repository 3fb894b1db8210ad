#include "gateway/journal.h"

namespace gatehouse::gateway {

namespace {
constexpr int64_t kRetryMs = 1000;  // a full disk is not emptied faster
}

bool CallJournal::probe_due() {
  int64_t due = health_.retry_at_ms.load(std::memory_order_relaxed);
  const int64_t now = steady_ms();
  return now >= due && health_.retry_at_ms.compare_exchange_strong(due, now + kRetryMs);
}

void CallJournal::Appending::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  journal_.waiting_.push_back(this);
  if (journal_.waiting_.size() == 1) {
    journal_.loop_.defer([&journal = journal_] { journal.flush(); });
  }
}

void CallJournal::flush() {
  flushing_.swap(waiting_);
  batch_.clear();
  for (const Appending* each : flushing_) batch_.push_back(each->entry_);
  const auto appended = appender_.append(batch_);
  if (appended.ok()) {
    if (health_.failing_since_ms.exchange(0, std::memory_order_relaxed) != 0) {
      log_info("records are stored again", {});
    }
  } else {
    int64_t healthy = 0;
    if (health_.failing_since_ms.compare_exchange_strong(healthy, steady_ms())) {
      log_error("records cannot be stored: new calls are refused until they can",
                {{"reason", appended.status().message()}});
    }
    health_.retry_at_ms.store(steady_ms() + kRetryMs, std::memory_order_relaxed);
  }
  // A resumed call may append again: that goes to waiting_, and its own flush.
  for (Appending* each : flushing_) {
    each->status_ = appended.status();
    each->handle_.resume();
  }
  flushing_.clear();
}

}  // namespace gatehouse::gateway
