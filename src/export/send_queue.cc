#include "export/send_queue.h"

#include <algorithm>
#include <cassert>

namespace gatehouse::exporting {
namespace {

// Exemplars that follow a sample and go with it beyond the size of a request.
constexpr size_t kFollowersMax = 100;

uint64_t partition_hash(uint32_t shard, uint32_t slot) {
  return ((uint64_t{shard} << 32 | slot) * 0x9e3779b97f4a7c15) >> 32;
}

}  // namespace

int64_t Entry::bytes() const {
  size_t bytes = sizeof(Entry);
  if (kind == EntryKind::kHistogram) {
    const model::NativeHistogram& h = histogram();
    bytes += sizeof h +
             8 * (h.positive_buckets.capacity() + h.negative_buckets.capacity() +
                  h.positive_spans.capacity() + h.negative_spans.capacity() + h.bounds.capacity());
  } else if (kind == EntryKind::kExemplar) {
    bytes += sizeof(model::Exemplar);
    for (const auto& [name, text] : exemplar().labels) bytes += 64 + name.size() + text.size();
  }
  return static_cast<int64_t>(bytes);
}

bool SendQueue::push(std::vector<Entry>& entries, store::WalPlace place, store::WalPlace next,
                     int64_t now_ms) {
  int64_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.bytes();
  if (!budget_.try_charge(bytes)) return false;
  charged_bytes_ += bytes;
  read_to_ = next;
  if (entries.empty()) return true;
  marks_.push_back({next_, place, now_ms});
  for (Entry& entry : entries) {
    entry.sequence = next_++;
    counts_.add(entry.kind);
    Partition& partition =
        partitions_[partition_hash(entry.shard, entry.slot) % partitions_.size()];
    if (!partition.taken) ++ready_;
    partition.waiting.push_back(std::move(entry));
    ++size_;
  }
  entries.clear();
  return true;
}

const SendQueue::Mark& SendQueue::mark_of(uint64_t sequence) const {
  auto after = std::upper_bound(marks_.begin(), marks_.end(), sequence,
                                [](uint64_t s, const Mark& mark) { return s < mark.first; });
  assert(after != marks_.begin());
  return *--after;
}

uint64_t SendQueue::least() const {
  uint64_t least = next_;
  for (const Partition& partition : partitions_) {
    if (partition.taken) {
      least = std::min(least, partition.taken_from);
    } else if (!partition.waiting.empty()) {
      least = std::min(least, partition.waiting.front().sequence);
    }
  }
  return least;
}

store::WalPlace SendQueue::done_to() const {
  const uint64_t sequence = least();
  return sequence == next_ ? read_to_ : mark_of(sequence).place;
}

void SendQueue::trim_marks() {
  const uint64_t sequence = least();
  while (marks_.size() > 1 && marks_[1].first <= sequence) marks_.pop_front();
}

size_t SendQueue::take_from(uint32_t number, size_t most, Batch& batch) {
  Partition& partition = partitions_[number];
  size_t count = std::min(most, partition.waiting.size());
  while (count < partition.waiting.size() && count < most + kFollowersMax &&
         partition.waiting[count].kind == EntryKind::kExemplar) {
    ++count;
  }
  partition.taken = true;
  partition.taken_from = partition.waiting.front().sequence;
  ready_ -= partition.waiting.size();
  const auto end = partition.waiting.begin() + static_cast<ptrdiff_t>(count);
  std::move(partition.waiting.begin(), end, std::back_inserter(batch.entries));
  partition.waiting.erase(partition.waiting.begin(), end);
  batch.partitions.push_back(number);
  return count;
}

SendQueue::Batch SendQueue::take(size_t most, int64_t overdue_ms) {
  Batch batch;
  if (ready_ == 0) return batch;
  struct Free {
    uint32_t number;
    uint64_t first;
    size_t size;
    bool overdue;
  };
  std::vector<Free> free;
  bool any_overdue = false;
  for (uint32_t i = 0; i < partitions_.size(); ++i) {
    const Partition& partition = partitions_[i];
    if (partition.taken || partition.waiting.empty()) continue;
    const uint64_t first = partition.waiting.front().sequence;
    const bool overdue = mark_of(first).time_ms <= overdue_ms;
    any_overdue |= overdue;
    free.push_back({i, first, partition.waiting.size(), overdue});
  }
  if (ready_ < most && !any_overdue) return batch;
  std::sort(free.begin(), free.end(), [](const Free& a, const Free& b) {
    if (a.overdue != b.overdue) return a.overdue;
    return a.overdue ? a.first < b.first : a.size > b.size;
  });
  for (const Free& each : free) {
    if (batch.entries.size() >= most) break;
    take_from(each.number, most - batch.entries.size(), batch);
  }
  return batch;
}

void SendQueue::done(Batch& batch) {
  int64_t bytes = 0;
  for (const Entry& entry : batch.entries) {
    bytes += entry.bytes();
    --(entry.kind == EntryKind::kSample      ? counts_.samples
       : entry.kind == EntryKind::kHistogram ? counts_.histograms
                                             : counts_.exemplars);
  }
  charged_bytes_ -= bytes;
  budget_.release(bytes);
  size_ -= batch.entries.size();
  for (const uint32_t number : batch.partitions) {
    partitions_[number].taken = false;
    ready_ += partitions_[number].waiting.size();
  }
  batch = {};
  trim_marks();
}

}  // namespace gatehouse::exporting
