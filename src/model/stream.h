// The interfaces between engines and the store: a Stream is everything that
// shares one Labels; an Appender adds to streams, a Reader reads them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/record.h"

namespace gatehouse::model {

// Names a stream within one Appender for the life of the process.
using StreamId = uint32_t;

// A place in the append order. Later appends have greater positions.
using Position = uint64_t;

struct TimeRange {
  int64_t begin_ns = INT64_MIN;  // inclusive
  int64_t end_ns = INT64_MAX;    // exclusive
  bool contains(int64_t time_ns) const { return time_ns >= begin_ns && time_ns < end_ns; }
};

struct StreamRecord {
  StreamId stream;
  Record record;
};

class Appender {
 public:
  virtual ~Appender() = default;

  // The id of the stream with these labels, which it makes where there is none.
  virtual Result<StreamId> stream(const Labels& labels) = 0;

  // Appends all or nothing, from any thread. When it returns ok the records
  // survive the end of the process at any instant; a loss of power can take
  // back what came within the sync interval (docs/format/record-log.md). A full
  // disk is kResourceExhausted, and the next call tries again.
  // Returns the position of the last record.
  virtual Result<Position> append(std::span<const StreamRecord> records) = 0;
};

enum class Order { kOldestFirst, kNewestFirst };

class Reader {
 public:
  virtual ~Reader() = default;

  // Calls `visit` with each record of the selected streams in the range until it
  // returns false. The record's bytes live for the call alone.
  using Visit = std::function<bool(const Labels&, const Record&, Position)>;
  virtual Status read(const Selector& selector, TimeRange range, Order order,
                      const Visit& visit) const = 0;

  // Everything appended after `position`, oldest first: for rebuilding state
  // from a snapshot that says how far it has come.
  virtual Status read_after(Position position, const Visit& visit) const = 0;
};

}  // namespace gatehouse::model
