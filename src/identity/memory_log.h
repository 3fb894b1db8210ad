// A log in memory, for tests: what model::Appender and model::Reader promise, and
// ways to damage it.
#pragma once

#include <mutex>
#include <vector>

#include "model/stream.h"

namespace gatehouse::identity {

class MemoryLog : public model::Appender, public model::Reader {
 public:
  struct Entry {
    model::Labels labels;
    model::OwnedRecord record;
  };

  Result<model::StreamId> stream(const model::Labels& labels) override {
    const std::lock_guard lock(mutex_);
    streams_.push_back(labels);
    return static_cast<model::StreamId>(streams_.size() - 1);
  }
  Result<model::Position> append(std::span<const model::StreamRecord> records) override {
    const std::lock_guard lock(mutex_);
    if (full) return resource_exhausted("no space left on device");
    for (const auto& record : records) {
      entries.push_back({streams_[record.stream], model::OwnedRecord(record.record)});
    }
    return entries.size();
  }
  Status read(const model::Selector& selector, model::TimeRange range, model::Order order,
              const Visit& visit) const override {
    for (size_t n = 0; n < entries.size(); ++n) {
      const size_t i = order == model::Order::kOldestFirst ? n : entries.size() - 1 - n;
      const model::Record record = entries[i].record.view();
      if (!selector.matches(entries[i].labels) || !range.contains(record.time_ns)) continue;
      if (!visit(entries[i].labels, record, i + 1)) break;
    }
    return {};
  }
  Status read_after(model::Position position, const Visit& visit) const override {
    for (size_t i = position; i < entries.size(); ++i) {
      if (!visit(entries[i].labels, entries[i].record.view(), i + 1)) break;
    }
    return {};
  }

  std::vector<Entry> entries;
  bool full = false;

 private:
  std::mutex mutex_;
  std::vector<model::Labels> streams_;
};

}  // namespace gatehouse::identity
