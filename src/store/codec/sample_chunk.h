// SampleChunk: the newest float samples of one series, as the head holds them:
// one sample appended at a time, nothing looked at twice, few bytes a sample. The
// bytes are whole after every append, so that a reader copies them under the
// series' lock and decodes them after (docs/format/block.md §8).
//
// Values are whole multiples of a power of ten where that gives the very bits back,
// and are told by their distance from a prediction: the last value, and a running
// mean of its changes. That serves counters (a steady change) and gauges (none)
// alike. What is no such multiple (a full mantissa, NaN, ±Inf, -0) is told by its
// XOR with the last value's bits. All is bytes, not bits: the most frequent sample
// of all, on time and near its prediction, is one byte.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/sample.h"

namespace gatehouse::store {

class SampleChunk {
 public:
  // Two hours at 15 s are four chunks: a reader of five minutes skips most of them,
  // and what a chunk's object and first sample cost is spread over enough.
  static constexpr uint32_t kSamplesMax = 120;

  SampleChunk() = default;
  ~SampleChunk();
  SampleChunk(SampleChunk&& other) noexcept;
  SampleChunk& operator=(SampleChunk&& other) noexcept;
  SampleChunk(const SampleChunk&) = delete;
  SampleChunk& operator=(const SampleChunk&) = delete;

  // A chunk that goes on where `bytes` end, e.g. those of a snapshot of the head.
  // kDataLoss: they are no chunk.
  static Result<SampleChunk> resume(std::string_view bytes);
  // The same from what put_state() wrote: without reading the bytes. `in` moves past it.
  static Result<SampleChunk> resume(std::string_view bytes, int64_t last_time_ms,
                                    std::string_view& in);
  // REQUIRES: !empty().
  void put_state(std::string& out) const;

  // REQUIRES: !full(), and later than last_time_ms() unless empty.
  void append(int64_t time_ms, double value, int64_t start_ms = 0);

  bool empty() const { return count_ == 0; }
  bool full() const { return count_ >= kSamplesMax; }
  uint32_t size() const { return count_; }
  // REQUIRES: !empty().
  int64_t first_time_ms() const;
  int64_t last_time_ms() const { return last_time_ms_; }
  uint64_t last_value_bits() const { return last_bits_; }

  // All samples so far; good until the next append.
  std::string_view bytes() const { return {buffer_, used_}; }
  void prefetch_begin() const { __builtin_prefetch(buffer_); }
  void prefetch_end() const { __builtin_prefetch(buffer_ + used_, 1); }
  // Gives back room that no sample will fill. For a chunk that is full.
  void shrink();
  // Allocated, without the object itself.
  size_t memory_bytes() const { return capacity_; }

 private:
  friend class SampleChunkReader;
  void put(const char* bytes, size_t size);
  void put_byte(uint8_t byte);
  void put_varint(uint64_t value);
  void put_time(int64_t time_ms);
  void put_value(uint64_t bits);
  void put_start(int64_t start_ms);
  void put_residual(int64_t whole);
  bool find_scale(double value, int64_t& whole);

  char* buffer_ = nullptr;
  int64_t last_time_ms_ = 0;
  uint64_t last_bits_ = 0;
  int64_t last_whole_ = 0;  // the last value that was a multiple, in units of 10^-scale_
  int64_t bias16_ = 0;      // running mean of the changes of last_whole_, times 16
  int32_t interval_ms_ = 0;
  uint16_t used_ = 0;
  uint16_t capacity_ = 0;
  uint16_t count_ = 0;
  uint16_t run_at_ = 0;    // of the token of the run being written; 0: none
  uint16_t start_at_ = 0;  // of the start time that holds; 0: none is known
  uint8_t scale_ = 0;
  uint8_t multiples_ = 0;  // how many there were, up to 8
  uint8_t misses_ = 0;     // values in a row that are no multiples
};

// Reads a chunk from its bytes, any bytes: what is no chunk ends with a status.
class SampleChunkReader {
 public:
  explicit SampleChunkReader(std::string_view bytes) : rest_(bytes), size_(bytes.size()) {}

  // False: the end, or damage (status()).
  bool next();
  int64_t time_ms() const { return time_ms_; }
  double value() const;
  uint64_t value_bits() const { return bits_; }
  int64_t start_ms() const { return start_ms_; }
  const Status& status() const { return status_; }

  // The next samples as next() gives them one by one, at most as many as there is room for, up
  // to one with a start time, which is left to next(). Gives how many.
  size_t next_plain(std::span<int64_t> times_ms, std::span<double> values);

 private:
  friend class SampleChunk;
  bool fail();
  bool take_value(uint8_t token);

  std::string_view rest_;
  size_t size_;
  int64_t time_ms_ = 0;
  int64_t interval_ms_ = 0;
  uint64_t bits_ = 0;
  int64_t whole_ = 0;
  int64_t bias16_ = 0;
  int64_t start_ms_ = 0;
  uint32_t count_ = 0;
  uint32_t run_left_ = 0;
  size_t start_at_ = 0;
  uint8_t scale_ = 0;
  uint8_t multiples_ = 0;
  Status status_;
};

// Adds a chunk's samples behind those of `out`, those in `range` alone. The caller
// sees to it that times ascend. kDataLoss: the bytes are no chunk; `out` then has
// the samples before the damage.
Status decode_sample_chunk(std::string_view bytes, int64_t begin_ms, int64_t end_ms,
                           model::SampleColumns& out);

}  // namespace gatehouse::store
