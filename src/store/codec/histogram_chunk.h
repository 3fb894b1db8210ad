// HistogramChunk: the newest native histograms of one series, as the head holds
// them; the counterpart of SampleChunk (docs/format/block.md §9). A sample says of
// its buckets only how each count changed; their layout (schema, spans, bounds,
// threshold) is said once, and again when it changes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/sample.h"

namespace gatehouse::store {

class HistogramChunk {
 public:
  static constexpr uint32_t kSamplesMax = 120;
  // A histogram of 160 buckets whose counts all change takes about 300 bytes.
  static constexpr size_t kBytesMax = 32 << 10;

  static Result<HistogramChunk> resume(std::string_view bytes);

  // REQUIRES: !full(), and later than last_time_ms() unless empty.
  void append(int64_t time_ms, const model::NativeHistogram& histogram, int64_t start_ms = 0);

  bool empty() const { return count_ == 0; }
  bool full() const { return count_ >= kSamplesMax || bytes_.size() >= kBytesMax; }
  uint32_t size() const { return count_; }
  int64_t first_time_ms() const { return first_time_ms_; }
  int64_t last_time_ms() const { return last_time_ms_; }
  // REQUIRES: !empty().
  const model::NativeHistogram& last() const { return last_; }
  std::string_view bytes() const { return bytes_; }
  void shrink() { bytes_.shrink_to_fit(); }
  size_t memory_bytes() const;

 private:
  std::string bytes_;
  model::NativeHistogram last_;
  int64_t first_time_ms_ = 0;
  int64_t last_time_ms_ = 0;
  int64_t interval_ms_ = 0;
  int64_t last_start_ms_ = 0;
  uint32_t count_ = 0;
};

// Adds a chunk's samples behind those of `out`, those in the range alone (values,
// and starts where there are any, as SampleColumns has them).
Status decode_histogram_chunk(std::string_view bytes, int64_t begin_ms, int64_t end_ms,
                              model::SampleColumns& out);

// One sample behind those of `out`, whose columns it keeps as long as each other.
void add_histogram(model::SampleColumns& out, int64_t time_ms, model::NativeHistogram histogram,
                   int64_t start_ms);

}  // namespace gatehouse::store
