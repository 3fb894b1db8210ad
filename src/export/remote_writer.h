// RemoteWriter: sends what comes into the store to one receiver of Prometheus's remote
// write, version 1 or 2.
//
// It follows the store's log from a place that it keeps in a file, so that what was not
// with the receiver when the process ended is sent by the next one: every sample at
// least once, those of a series in their order. Intake never waits for it: what is not
// sent stays in the log, as long as the store keeps it for consumers.
//
// A thread of its own with one Loop reads, encodes and sends. In memory are at most
// `queue.capacity` samples a shard and a body for each request under way, charged to
// the memory budget; where that is used up, reading waits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/budget.h"
#include "base/pool.h"
#include "base/result.h"
#include "export/config.h"
#include "export/series_labels.h"
#include "model/clock.h"
#include "model/disk.h"
#include "model/metrics.h"
#include "net/options.h"
#include "store/head/head.h"
#include "store/wal/wal.h"

namespace gatehouse::exporting {

// What a writer stands on; all of it outlives the writer.
struct RemoteWriterParts {
  const store::Head* head = nullptr;
  store::Wal* wal = nullptr;
  model::Disk* disk = nullptr;
  const model::Clock* clock = nullptr;
  Pool* pool = nullptr;  // for resolving names
  MemoryBudget* budget = nullptr;
  model::Registry* registry = nullptr;
  net::DialOptions dial;
  std::string directory;  // of the files with positions
  Relabel relabel;        // may be empty
};

struct RemoteWriterState {
  bool failing = false;
  std::string last_error;     // "" where the last request was taken
  uint64_t pending = 0;       // samples in memory
  uint64_t behind_bytes = 0;  // of the log, not read yet
  int shards = 0;
};

class RemoteWriter {
 public:
  // Goes on where the destination's file says; without one, with what comes from now on.
  // With a damaged one, or one of another log, from the beginning of the log: twice is
  // better than never.
  static Result<std::unique_ptr<RemoteWriter>> start(RemoteWriteConfig config,
                                                     RemoteWriterParts parts);
  // As finish(0).
  ~RemoteWriter();

  // Stops reading, sends what is queued for at most `flush_ms`, saves the place and
  // ends the thread. Call it before the store's end.
  void finish(int64_t flush_ms);
  // For a destination that is no longer wanted: its place and its hold on the log go.
  // REQUIRES: finish() was called.
  Status forget();

  RemoteWriterState state() const;

  // Keeps the log for a destination from its place on before a writer is there: for
  // MetricStoreOptions::on_log.
  static Status hold_log(model::Disk& disk, const std::string& directory, std::string_view name,
                         store::Wal& wal);

 private:
  struct State;
  class Course;
  explicit RemoteWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace gatehouse::exporting
