// Shard: an eighth of the head's series, by the hash of their labels. A series is
// 88 bytes, a row of refs to its label pairs, a SampleChunk being written and a
// chain of those that are full, newest first.
//
// Two locks. `append_mutex` is held by the one who changes the shard, from looking
// at it until the change is made, across the write to the log. `state_mutex` is
// held, beside the other, just while the change is made; a reader holds it alone,
// to copy what it will decode later. So no reader waits for the disk, and whoever
// holds either may look. Functions that change need both, the others either.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/budget.h"
#include "model/series.h"
#include "store/codec/histogram_chunk.h"
#include "store/codec/sample_chunk.h"
#include "store/head/arena.h"
#include "store/head/label_table.h"
#include "store/head/postings.h"
#include "store/wal/wal_format.h"

namespace gatehouse::store {

enum class SeriesState : uint8_t {
  kFree,  // nothing was ever here, or the slot may be used again
  kLive,
  kEnded,  // found by nobody; segments of the log still name the slot
};

struct Series {
  SampleChunk chunk;              // being written; not read while histogram_open
  uint32_t labels = 0;            // in the arena: how many, then their refs as varints
  uint32_t sealed = 0;            // the newest full chunk; 0: none
  uint32_t tag = 0;               // of the hash
  uint32_t pending = 0;           // for append(): 1 + index of what it plans
  uint32_t ended_at_segment = 0;  // kEnded: the segment of the log written at the time
  uint16_t generation = 0;
  SeriesState state = SeriesState::kFree;
  bool histogram_open = false;  // the newest sample is in the shard's histogram chunk
};

// Samples that came after later ones of their series, sorted by time.
struct LateSample {
  int64_t time_ms;
  int64_t start_ms;
  uint64_t bits;
  std::shared_ptr<const model::NativeHistogram> histogram;
  bool during_flush;
};

// What a reader copies of a series, to decode it without the lock.
struct RawSeries {
  struct Piece {
    bool histograms;
    size_t offset;
    size_t size;
  };
  std::string bytes;
  std::vector<Piece> pieces;  // newest first
  std::vector<LateSample> late;
  void clear() {
    bytes.clear();
    pieces.clear();
    late.clear();
  }
};
Status decode(const RawSeries& raw, model::TimeRangeMs range, model::SampleColumns& out);

class Shard {
 public:
  Shard(MemoryBudget& budget, LabelTable& labels);
  ~Shard();

  std::mutex append_mutex;
  mutable std::mutex state_mutex;

  // Slots below it exist.
  uint32_t slots() const { return slots_; }
  Series& series(uint32_t slot) { return blocks_[slot / kBlockSeries][slot % kBlockSeries]; }
  const Series& series(uint32_t slot) const {
    return blocks_[slot / kBlockSeries][slot % kBlockSeries];
  }
  bool live(uint32_t slot) const {
    return slot < slots_ && series(slot).state == SeriesState::kLive;
  }

  static constexpr uint32_t kNone = UINT32_MAX;
  void prefetch_entry(uint32_t tag) const {
    if (!table_.empty()) __builtin_prefetch(&table_[tag & (table_.size() - 1)]);
  }
  // The first slot with this tag: most likely the one.
  uint32_t candidate(uint32_t tag) const;
  uint32_t find(uint32_t tag, model::LabelsView labels) const;
  bool has_labels(uint32_t slot, model::LabelsView labels) const;
  void prefetch_labels(uint32_t slot) const { __builtin_prefetch(arena_.at(series(slot).labels)); }
  void prefetch_pairs(uint32_t slot) const;
  void prefetch_chunk(uint32_t slot) const { series(slot).chunk.prefetch_begin(); }
  void prefetch_series(uint32_t slot) const {
    const auto* at = reinterpret_cast<const char*>(&series(slot));
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
  }
  // Replaces what is in `pairs`.
  void pairs_of(uint32_t slot, std::vector<uint32_t>& pairs) const;
  // Adds to `out`.
  void labels_of(uint32_t slot, std::vector<model::LabelView>& out) const;
  // The refs of a series, where they stay as long as the slot is the series'.
  const char* row(uint32_t slot) const { return arena_.at(series(slot).labels); }
  std::string_view row_text(uint32_t slot) const;
  // Adds the labels of a row to `out`.
  static void labels_of_row(const LabelTable& labels, const char* row,
                            std::vector<model::LabelView>& out);
  // By the labels of two rows, as blocks have them.
  static int compare_rows(const LabelTable& labels, const char* a, const char* b);
  // "": none.
  std::string_view value_of(uint32_t slot, std::string_view name) const;

  struct Last {
    bool any = false;
    int64_t time_ms = INT64_MIN;
    uint64_t bits = 0;
    const model::NativeHistogram* histogram = nullptr;
  };
  Last last(uint32_t slot) const;
  // The sample of this time where it can be told cheaply: in the chunk being
  // written, or among the late ones. False: none was seen.
  bool seen(uint32_t slot, int64_t time_ms, uint64_t& bits,
            const model::NativeHistogram** histogram) const;

  // A slot for a series to be made, not yet in use; give_back() where it comes to nothing.
  uint32_t take_slot();
  void give_back_slot(uint32_t slot) { free_slots_.push_back(slot); }
  // Makes the series, in place of whatever the slot had. False: no memory.
  bool make_series(uint32_t slot, uint32_t tag, std::span<const uint32_t> pairs);
  // The series ends: found by nobody from now on.
  void end_series(std::span<const uint32_t> slots, uint32_t segment);
  // Slots of series that ended before `first_segment` may be used again.
  void reuse_slots(uint32_t first_segment);

  // Takes a sample in by the one rule of all replays: later than the last goes
  // behind it, the last again is nothing, earlier goes among the late ones.
  // Samples before `flush_cut_ms` do so too, while a flush is under way.
  void apply(const WalSample& sample, int64_t flush_cut_ms);
  void apply(uint32_t slot, int64_t time_ms, int64_t start_ms,
             const model::NativeHistogram& histogram, int64_t flush_cut_ms);

  // For loading a snapshot. False: the bytes are no chunk.
  static constexpr uint8_t kFloatChunk = 0, kHistogramChunk = 1, kFloatChunkWithState = 2;
  struct RestoredChunk {
    uint8_t kind;
    int64_t first_ms;
    int64_t last_ms;
    std::string_view bytes;
  };
  // `in`: what follows the chunk; moves past its state, where that is there.
  bool restore_chunk(uint32_t slot, const RestoredChunk& chunk, bool newest, std::string_view& in);
  void restore_late(uint32_t slot, LateSample sample);
  void restore_ended(uint32_t slot, std::span<const uint32_t> pairs);

  // Takes out samples in the range.
  Status delete_samples(uint32_t slot, model::TimeRangeMs range);
  // Takes out samples before `cut_ms` other than those that came during the flush.
  Status truncate(uint32_t slot, int64_t cut_ms);
  void flush_is_over();
  bool without_samples(uint32_t slot) const;
  // The least time of the series' samples; INT64_MAX: none.
  int64_t first_time_ms(uint32_t slot) const;

  // Copies what may have samples in the range.
  void copy(uint32_t slot, model::TimeRangeMs range, RawSeries& out) const;

  const Postings& postings() const { return postings_; }
  // Charges what the last changes took.
  void settle_memory();
  size_t memory_bytes() const;
  uint64_t live_series() const { return live_; }
  const std::deque<uint32_t>& ended_slots() const { return ended_slots_; }
  uint64_t ended_series() const { return ended_slots_.size(); }
  uint64_t sealed_chunks() const { return sealed_chunks_; }
  uint64_t late_samples() const;
  static constexpr size_t kSeriesBytes = sizeof(Series);

  // The parts of a series as a snapshot has them.
  void put_snapshot(uint32_t slot, std::string& out) const;

 private:
  static constexpr uint32_t kBlockSeries = 512;
  // What a full chunk begins with; its bytes follow.
  struct Sealed {
    uint32_t older;
    uint32_t size_and_kind;  // bit 31: histograms
    int64_t first_ms;
    int64_t last_ms;
    uint32_t size() const { return size_and_kind & 0x7fff'ffff; }
    bool histograms() const { return size_and_kind >> 31 != 0; }
  };
  Sealed sealed_at(uint32_t ref) const;
  void seal(uint32_t slot);
  bool put_sealed(Series& series, bool histograms, int64_t first_ms, int64_t last_ms,
                  std::string_view bytes);
  void free_sealed(uint32_t ref);
  void add_late(uint32_t slot, LateSample sample);
  void grow_table();
  void enter(uint32_t slot, uint32_t tag);
  void forget(uint32_t slot);
  void clear_samples(uint32_t slot);
  // Puts samples back into a series that has none.
  void refill(uint32_t slot, const model::SampleColumns& samples);
  void make_slots(uint32_t count);
  bool put_row(Series& series, std::span<const uint32_t> pairs);
  void free_labels(Series& series);

  MemoryBudget& budget_;
  LabelTable& labels_;
  SizedArena arena_;
  Postings postings_;
  std::vector<std::unique_ptr<Series[]>> blocks_;
  uint32_t slots_ = 0;
  std::vector<uint64_t> table_;  // tag << 32 | slot + 1; 1 << 31: was used
  size_t entries_ = 0;
  std::vector<uint32_t> free_slots_;
  std::deque<uint32_t> ended_slots_;
  std::unordered_map<uint32_t, HistogramChunk> histograms_;
  std::unordered_map<uint32_t, std::vector<LateSample>> late_;
  uint64_t live_ = 0;
  uint64_t sealed_chunks_ = 0;
  int64_t heap_bytes_ = 0;     // chunks being written, blocks of series, tables, late samples
  int64_t charged_bytes_ = 0;  // of heap_bytes_
};

}  // namespace gatehouse::store
