// WalReader: follows the log of samples from a place on, for a consumer that sends
// them elsewhere. Segments from its place on are kept for it, within
// WalOptions::consumers_bytes_max; one that falls further behind is told how much it missed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/disk.h"
#include "store/head/head.h"
#include "store/wal/wal.h"

namespace gatehouse::store {

struct WalBatch {
  struct Float {
    uint32_t shard;
    uint32_t slot;
    int64_t time_ms;
    double value;
    int64_t start_ms;
  };
  struct Histogram {
    uint32_t shard;
    uint32_t slot;
    int64_t time_ms;
    int64_t start_ms;
    std::shared_ptr<const model::NativeHistogram> histogram;
  };
  struct Exemplar {
    uint32_t shard;
    uint32_t slot;
    model::Exemplar exemplar;
  };
  std::vector<Float> floats;
  std::vector<Histogram> histograms;
  std::vector<Exemplar> exemplars;
  bool empty() const { return floats.empty() && histograms.empty() && exemplars.empty(); }
  void clear() {
    floats.clear();
    histograms.clear();
    exemplars.clear();
  }
};

// By one thread at a time. REQUIRES: `head`, `wal` and `disk` outlive it.
class WalReader {
 public:
  // From `place` on, as place() gave it, maybe in an earlier life; the default: from
  // what is appended next on. Two readers of one name disturb each other.
  WalReader(const Head& head, Wal& wal, model::Disk& disk, std::string consumer,
            WalPlace place = {});
  // The segments are held for the consumer's next life; forget() gives them up.
  ~WalReader();
  void forget();

  // The samples of the next frames, some thousand of them or what there is: empty
  // at the end of the log, for which wait() waits. An error: the file cannot be
  // read now; try again.
  Status next(WalBatch& out);
  bool wait(int64_t wait_ms) const { return wal_.wait_past(place_, wait_ms); }

  // Where the next call goes on: all before it was given.
  WalPlace place() const { return place_; }
  // Bytes of the log that went before they were read, or were damaged.
  uint64_t missed_bytes() const { return missed_bytes_; }
  // From place() to the end of the log.
  uint64_t behind_bytes() const;
  // Adds the labels of a sample's series. False: the series is not known any more.
  bool labels_of(uint32_t shard, uint32_t slot, std::vector<model::LabelView>& out) const {
    return head_.labels_of(shard, slot, out);
  }

 private:
  struct Open;
  // Opens the segment at place_, or the first one after it. False: the end of the log.
  Result<bool> open_here();

  const Head& head_;
  Wal& wal_;
  model::Disk& disk_;
  const std::string consumer_;
  WalPlace place_;
  uint64_t missed_bytes_ = 0;
  std::unique_ptr<Open> open_;
};

}  // namespace gatehouse::store
