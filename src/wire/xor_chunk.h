// Prometheus's XOR chunk of float samples (tsdb/chunkenc/xor.go), after Facebook's
// "Gorilla" paper (VLDB 2015, §4.1): times as differences of differences, values as
// what changed in their bits. Written for remote read's streamed response.
#pragma once

#include <cstdint>
#include <string>

namespace gatehouse::wire {

class XorChunkWriter {
 public:
  // What Prometheus puts into one; readers take up to 65,535.
  static constexpr size_t kSamplesMax = 120;

  // REQUIRES: size() < kSamplesMax; times ascend.
  void append(int64_t time_ms, double value);
  size_t size() const { return count_; }
  int64_t first_ms() const { return first_ms_; }
  int64_t last_ms() const { return time_ms_; }

  // The chunk's bytes; the writer is empty afterwards. The view lives until the
  // next append.
  const std::string& finish();

 private:
  void bits(uint64_t value, int count);
  void varint_bytes(uint64_t value);
  void write_value(double value);

  std::string out_;
  size_t count_ = 0;
  int64_t first_ms_ = 0;
  int64_t time_ms_ = 0;
  uint64_t delta_ms_ = 0;
  uint64_t value_bits_ = 0;
  int leading_ = -1;  // of the window of bits last stated; -1: none yet
  int trailing_ = 0;
  int free_bits_ = 0;  // at the low end of the last byte
};

}  // namespace gatehouse::wire
