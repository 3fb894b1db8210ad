#include "store/recent_window.h"

#include <algorithm>

namespace gatehouse::store {
namespace {

// What a batch costs beside its payload: the entry, its control block, the pointer.
constexpr size_t kBatchOverheadBytes = 128;

IdTables all_tables(const Dictionary& dictionary) {
  return dictionary.tables(dictionary.name_count(), dictionary.stream_count());
}

}  // namespace

bool visit_batch(const DecodedBatch& batch, const IdTables& tables, model::Position first,
                 const std::vector<char>& selected, model::TimeRange range, model::Order order,
                 model::Position after, const model::Reader::Visit& visit) {
  const size_t count = batch.records.size();
  for (size_t n = 0; n < count; ++n) {
    const size_t i = order == model::Order::kOldestFirst ? n : count - 1 - n;
    const model::Record& record = batch.records[i];
    const uint64_t id = batch.head.stream_ids[batch.stream_of[i]];
    if (first + i <= after || !selected[id - 1] || !range.contains(record.time_ns)) continue;
    if (!visit(*tables.streams[id - 1], record, first + i)) return false;
  }
  return true;
}

void RecentWindow::add(std::string_view payload, model::Position first, size_t records,
                       int64_t min_ns, int64_t max_ns) {
  const size_t bytes = payload.size() + kBatchOverheadBytes;
  if (bytes > bytes_max_ || records > records_max_) return;
  auto batch = std::make_shared<Batch>();
  batch->first = first;
  batch->records = records;
  batch->min_ns = min_ns;
  batch->max_ns = max_ns;
  batch->payload = payload;
  std::vector<BatchPtr> leaving;  // freed after the lock
  std::lock_guard lock(mutex_);
  batches_.push_back(std::move(batch));
  records_ += records;
  records_ever_ += records;
  bytes_ += bytes;
  while (records_ > records_max_ || bytes_ > bytes_max_) {
    records_ -= batches_.front()->records;
    bytes_ -= batches_.front()->payload.size() + kBatchOverheadBytes;
    leaving.push_back(std::move(batches_.front()));
    batches_.pop_front();
    ++first_sequence_;
  }
}

void RecentWindow::wake() {
  if (follower_count_.load(std::memory_order_acquire) == 0) return;
  std::lock_guard lock(mutex_);
  for (Follower* follower : followers_) {
    if (follower->armed_.exchange(false)) follower->wake_();
  }
}

void RecentWindow::read(const model::Selector& selector, model::TimeRange range, model::Order order,
                        const model::Reader::Visit& visit) const {
  std::vector<BatchPtr> batches;
  {
    std::lock_guard lock(mutex_);
    batches.assign(batches_.begin(), batches_.end());
  }
  const IdTables tables = all_tables(dictionary_);
  std::vector<char> selected;
  for (const model::Labels* labels : tables.streams) {
    selected.push_back(static_cast<char>(selector.matches(*labels)));
  }
  if (order == model::Order::kNewestFirst) std::reverse(batches.begin(), batches.end());
  DecodedBatch decoded;
  for (const BatchPtr& batch : batches) {
    if (batch->max_ns < range.begin_ns || batch->min_ns >= range.end_ns) continue;
    if (!decode_batch(batch->payload, tables, decoded).ok()) continue;  // it was encoded here
    if (!visit_batch(decoded, tables, batch->first, selected, range, order, 0, visit)) return;
  }
}

std::unique_ptr<Follower> RecentWindow::follow(std::function<void()> wake) {
  std::unique_ptr<Follower> follower(new Follower(*this, std::move(wake)));
  std::lock_guard lock(mutex_);
  follower->next_sequence_ = first_sequence_ + batches_.size();
  follower->records_seen_ = records_ever_;
  followers_.push_back(follower.get());
  follower_count_.store(followers_.size(), std::memory_order_release);
  return follower;
}

size_t RecentWindow::records() const {
  std::lock_guard lock(mutex_);
  return records_;
}

size_t RecentWindow::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

Follower::~Follower() {
  std::lock_guard lock(window_.mutex_);
  std::erase(window_.followers_, this);
  window_.follower_count_.store(window_.followers_.size(), std::memory_order_release);
}

Follower::Polled Follower::poll(size_t batches_max, const model::Reader::Visit& visit) {
  armed_.store(true);  // before looking: what comes meanwhile wakes again
  Polled polled;
  std::vector<RecentWindow::BatchPtr> batches;
  {
    std::lock_guard lock(window_.mutex_);
    const uint64_t end = window_.first_sequence_ + window_.batches_.size();
    if (next_sequence_ < window_.first_sequence_) {
      // Everything before the window's first batch, less what was seen.
      const uint64_t gone = window_.records_ever_ - window_.records_;
      polled.missed = gone - records_seen_;
      records_seen_ = gone;
      next_sequence_ = window_.first_sequence_;
    }
    while (next_sequence_ < end && batches.size() < batches_max) {
      batches.push_back(window_.batches_[next_sequence_ - window_.first_sequence_]);
      records_seen_ += batches.back()->records;
      ++next_sequence_;
    }
    polled.more = next_sequence_ < end;
  }
  const IdTables tables = all_tables(window_.dictionary_);
  const std::vector<char> selected(tables.streams.size(), 1);
  DecodedBatch decoded;
  for (size_t i = 0; i < batches.size(); ++i) {
    const RecentWindow::BatchPtr batch = batches[i];
    if (!decode_batch(batch->payload, tables, decoded).ok()) continue;
    const bool go_on =
        visit_batch(decoded, tables, batch->first, selected, {}, model::Order::kOldestFirst, 0,
                    [&](const auto& labels, const auto& record, auto position) {
                      ++polled.visited;
                      return visit(labels, record, position);
                    });
    if (!go_on) {
      // The rest of this batch is passed over; the batches after it wait.
      while (batches.back() != batch) {
        records_seen_ -= batches.back()->records;
        --next_sequence_;
        batches.pop_back();
        polled.more = true;
      }
      break;
    }
  }
  return polled;
}

}  // namespace gatehouse::store
