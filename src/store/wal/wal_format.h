// The bytes of the write-ahead log and of snapshots, after docs/format/wal.md: pure
// functions. Parsers take any bytes at all and never read past them.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/sample.h"
#include "store/format.h"

namespace gatehouse::store {

inline constexpr uint32_t kShardBits = 3;
inline constexpr uint32_t kShards = 1 << kShardBits;
// A slot is 31 bits in postings; a shard of so many series takes 35 GiB.
inline constexpr uint32_t kSlotsMax = 1u << 27;
// What a series' labels may be (head/labels_check.h) needs less.
inline constexpr size_t kLabelsOfSeriesMax = 128;

// A frame is closed once it is so large: a reader holds a frame in memory.
inline constexpr size_t kFrameBytesTarget = size_t{4} << 20;
// A frame of the largest size holds it beside kFrameBytesTarget.
inline constexpr size_t kHistogramBytesMax = size_t{1} << 20;

struct WalHeader {
  bool snapshot = false;
  uint32_t number = 0;
  uint32_t hash_seed = 0;
  Position first_position = 1;
  int64_t created_ns = 0;
  uint64_t salt = 0;
};
std::string encode(const WalHeader& header);
Result<WalHeader> parse_wal_header(std::string_view bytes);

// Frames side by side in one buffer, ready to be written but for what only their
// place tells: position, salt and the header's part of the CRC.
class FrameBatch {
 public:
  void clear() {
    bytes_.clear();
    frames_.clear();
  }
  bool empty() const { return frames_.empty(); }
  size_t frames() const { return frames_.size(); }
  // The payload is appended to bytes() between begin() and end().
  void begin(FrameType type);
  void end();
  size_t payload_bytes() const { return bytes_.size() - frames_.back().offset - kFrameHeaderBytes; }
  std::string& bytes() { return bytes_; }
  // Numbers the frames from `first` on, and gives what is to be written.
  std::string_view finish(Position first, uint64_t salt);

 private:
  struct Frame {
    size_t offset;
    size_t size;
    uint32_t payload_crc;
    FrameType type;
  };
  std::string bytes_;
  std::vector<Frame> frames_;
};

struct WalSeries {
  uint32_t slot = 0;
  std::span<const uint32_t> pairs;
};
struct WalSample {
  uint32_t slot = 0;
  int64_t time_ms = 0;
  uint64_t bits = 0;
  int64_t start_ms = 0;
};
struct WalHistogram {
  uint32_t slot = 0;
  int64_t time_ms = 0;
  int64_t start_ms = 0;
  const model::NativeHistogram* histogram = nullptr;
};
struct WalExemplar {
  uint32_t slot = 0;
  const model::Exemplar* exemplar = nullptr;
};

// What a batch says of one shard.
struct WalPart {
  uint32_t shard = 0;
  std::span<const WalSeries> series;
  std::span<const WalSample> samples;
  std::span<const WalHistogram> histograms;
  std::span<const WalExemplar> exemplars;
  bool empty() const {
    return series.empty() && samples.empty() && histograms.empty() && exemplars.empty();
  }
};
// Adds the part to the open frame of type kSamples, closing it and opening another
// where it grows too large.
void put_part(FrameBatch& out, const WalPart& part);

void put_histogram(std::string& out, const model::NativeHistogram& histogram);
// Moves `in` past it.
bool take_histogram(std::string_view& in, model::NativeHistogram& histogram);
void put_exemplar(std::string& out, const model::Exemplar& exemplar);
bool take_exemplar(std::string_view& in, model::Exemplar& exemplar);

inline void put_zigzag(std::string& out, int64_t value) { put_varint(out, zigzag(value)); }
inline bool take_zigzag(std::string_view& in, int64_t& value) {
  uint64_t raw = 0;
  if (!get_varint(in, raw)) return false;
  value = unzigzag(raw);
  return true;
}
void put_text(std::string& out, std::string_view text);
bool take_text(std::string_view& in, std::string_view& text);
bool take_slot(std::string_view& in, uint32_t& slot);
// `count` refs, at most kLabelsOfSeriesMax.
bool take_pairs(std::string_view& in, std::vector<uint32_t>& pairs);

// Reads the samples of a part one by one.
class WalSampleReader {
 public:
  explicit WalSampleReader(std::string_view& in) : in_(in) {}
  // Reads the count, and the first time. False: damage.
  bool open();
  uint64_t left() const { return left_; }
  // REQUIRES: left() > 0. False: damage.
  bool next(WalSample& sample);

 private:
  std::string_view& in_;
  uint64_t left_ = 0;
  uint32_t next_slot_ = 0;
  int64_t time_ms_ = 0;
  int64_t start_ms_ = 0;
};

// Splits a payload of type kSamples into its parts: shard and the rest.
bool take_part(std::string_view& payload, uint32_t& shard, std::string_view& part);

// Calls visitor.series(slot, span of pairs), .sample(WalSample), .histogram(slot,
// time, start, NativeHistogram&&), .exemplar(slot, Exemplar&&). False: damage; what
// came before it was visited.
template <typename Visitor>
bool visit_part(std::string_view in, Visitor& visitor) {
  uint64_t count = 0;
  if (!get_varint(in, count)) return false;
  std::vector<uint32_t> pairs;
  for (; count > 0; --count) {
    uint32_t slot = 0;
    if (!take_slot(in, slot) || !take_pairs(in, pairs)) return false;
    visitor.series(slot, std::span<const uint32_t>(pairs));
  }
  WalSampleReader samples(in);
  if (!samples.open()) return false;
  WalSample sample;
  while (samples.left() > 0) {
    if (!samples.next(sample)) return false;
    visitor.sample(sample);
  }
  if (!get_varint(in, count)) return false;
  for (; count > 0; --count) {
    WalHistogram head;
    model::NativeHistogram histogram;
    if (!take_slot(in, head.slot) || !take_zigzag(in, head.time_ms) ||
        !take_zigzag(in, head.start_ms) || !take_histogram(in, histogram)) {
      return false;
    }
    visitor.histogram(head.slot, head.time_ms, head.start_ms, std::move(histogram));
  }
  if (!get_varint(in, count)) return false;
  for (; count > 0; --count) {
    uint32_t slot = 0;
    model::Exemplar exemplar;
    if (!take_slot(in, slot) || !take_exemplar(in, exemplar)) return false;
    visitor.exemplar(slot, std::move(exemplar));
  }
  return in.empty();
}

struct WalDeletion {
  uint32_t shard = 0;
  int64_t begin_ms = 0;
  int64_t end_ms = 0;
  std::vector<uint32_t> slots;  // ascending
};
void put_deletion(FrameBatch& out, const WalDeletion& deletion);
bool parse_deletion(std::string_view payload, WalDeletion& deletion);

void put_metadata(FrameBatch& out, std::string_view metric, const model::MetricMetadata& metadata);
bool parse_metadata(std::string_view payload, std::string& metric, model::MetricMetadata& metadata);

}  // namespace gatehouse::store
