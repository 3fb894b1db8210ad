#include "store/codec/histogram_chunk.h"

#include <bit>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "store/codec/decimal.h"
#include "store/codec/histogram_layout.h"
#include "store/codec/wrapping.h"

namespace gatehouse::store {
namespace {

using model::CounterReset;
using model::NativeHistogram;

// Bits of a sample's first byte (docs/format/block.md §9).
constexpr uint8_t kLayout = 1;
constexpr uint8_t kTime = 2;
constexpr uint8_t kStart = 4;
constexpr int kResetShift = 3;  // two bits
constexpr uint8_t kWhole = 32;
constexpr uint8_t kFloats = 64;  // counts by XOR, not by difference
constexpr size_t kHeaderBytes = 8;

uint64_t bits_of(double value) { return std::bit_cast<uint64_t>(value); }

// The bytes of the XOR that are not zero: a byte of trailing zero bytes and size, then they.
void put_xor(std::string& out, double value, double last) {
  const uint64_t difference = bits_of(value) ^ bits_of(last);
  if (difference == 0) {
    out.push_back(0);
    return;
  }
  const int trailing = std::countr_zero(difference) / 8;
  const int size = 8 - trailing - std::countl_zero(difference) / 8;
  out.push_back(static_cast<char>(trailing << 4 | size));
  for (int i = 0; i < size; ++i) {
    out.push_back(static_cast<char>(difference >> (8 * trailing + 8 * i)));
  }
}

bool take_xor(std::string_view& in, double& value) {
  if (in.empty()) return false;
  const auto shape = static_cast<uint8_t>(in[0]);
  const size_t size = shape & 15;
  const size_t trailing = shape >> 4;
  if (size + trailing > 8 || in.size() < 1 + size) return false;
  uint64_t difference = 0;
  for (size_t i = 0; i < size; ++i) {
    difference |= uint64_t{static_cast<uint8_t>(in[1 + i])} << (8 * (i + trailing));
  }
  in.remove_prefix(1 + size);
  value = std::bit_cast<double>(bits_of(value) ^ difference);
  return true;
}

// count, zero_count, and all buckets: with `step` for each.
template <typename Histogram, typename Step>
bool each_count(Histogram& histogram, Step step) {
  if (!step(histogram.count) || !step(histogram.zero_count)) return false;
  for (auto& bucket : histogram.positive_buckets) {
    if (!step(bucket)) return false;
  }
  for (auto& bucket : histogram.negative_buckets) {
    if (!step(bucket)) return false;
  }
  return true;
}

bool counts_are_whole(const NativeHistogram& histogram) {
  return each_count(histogram, [](double count) {
    int64_t whole = 0;
    return to_whole(count, 0, whole);
  });
}

// `last` becomes `histogram`, whose layout it has.
void put_counts(std::string& out, const NativeHistogram& histogram, NativeHistogram& last,
                bool floats) {
  std::vector<double*> before;
  before.reserve(2 + last.positive_buckets.size() + last.negative_buckets.size());
  each_count(last, [&](double& count) {
    before.push_back(&count);
    return true;
  });
  size_t i = 0;
  each_count(histogram, [&](double count) {
    double& old = *before[i++];
    if (floats) {
      put_xor(out, count, old);
    } else {
      put_varint(out, zigzag(static_cast<int64_t>(count) - static_cast<int64_t>(old)));
    }
    old = count;
    return true;
  });
}

// From any bytes; what it last gave is what the next builds on.
class HistogramChunkReader {
 public:
  explicit HistogramChunkReader(std::string_view bytes) : rest_(bytes) {}

  // False: the end, or damage.
  bool next() {
    if (rest_.empty()) return false;
    damaged_ = !take();
    return !damaged_;
  }
  bool damaged() const { return damaged_; }

  int64_t time_ms = 0;
  int64_t interval_ms = 0;
  int64_t start_ms = 0;
  uint32_t count = 0;
  NativeHistogram histogram;

 private:
  bool take() {
    if (count == 0) {
      if (rest_.size() <= kHeaderBytes) return false;
      time_ms = get_le<int64_t>(rest_.data());
      rest_.remove_prefix(kHeaderBytes);
    }
    const auto marks = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    if (marks >= 2 * kFloats || (count == 0 && (marks & kLayout) == 0)) return false;
    if ((marks & kTime) != 0) {
      uint64_t off = 0;
      if (count == 0 || !get_varint(rest_, off)) return false;
      interval_ms = plus(interval_ms, unzigzag(off));
    }
    if (count != 0) time_ms = plus(time_ms, interval_ms);
    if ((marks & kStart) != 0) {
      if (rest_.size() < 8) return false;
      start_ms = get_le<int64_t>(rest_.data());
      rest_.remove_prefix(8);
    }
    if ((marks & kLayout) != 0) {
      const double sum = histogram.sum;
      // Every bucket takes a byte at least.
      if (!take_layout(rest_, rest_.size(), histogram)) return false;
      histogram.sum = sum;
    }
    histogram.reset = static_cast<CounterReset>(marks >> kResetShift & 3);
    histogram.whole = (marks & kWhole) != 0;
    ++count;
    return take_counts((marks & kFloats) != 0) && take_xor(rest_, histogram.sum);
  }

  bool take_counts(bool floats) {
    return each_count(histogram, [&](double& value) {
      if (floats) return take_xor(rest_, value);
      uint64_t change = 0;
      int64_t before = 0;
      if (!get_varint(rest_, change) || !to_whole(value, 0, before)) return false;
      value = static_cast<double>(plus(before, unzigzag(change)));
      return true;
    });
  }

  std::string_view rest_;
  bool damaged_ = false;
};

Status damage() { return data_loss("a chunk of histograms is damaged"); }

}  // namespace

void HistogramChunk::append(int64_t time_ms, const NativeHistogram& histogram, int64_t start_ms) {
  const bool layout = count_ == 0 || !same_layout(last_, histogram);
  // Differences start from whole numbers.
  const bool floats = !counts_are_whole(histogram) || (!layout && !counts_are_whole(last_));
  const int64_t interval = minus(time_ms, last_time_ms_);
  const bool off_time = count_ != 0 && interval != interval_ms_;
  if (count_ == 0) put_le<int64_t>(bytes_, time_ms);
  uint8_t marks = static_cast<uint8_t>(static_cast<uint8_t>(histogram.reset) << kResetShift);
  if (layout) marks |= kLayout;
  if (off_time) marks |= kTime;
  if (start_ms != last_start_ms_) marks |= kStart;
  if (histogram.whole) marks |= kWhole;
  if (floats) marks |= kFloats;
  bytes_.push_back(static_cast<char>(marks));
  if (off_time) {
    put_varint(bytes_, zigzag(minus(interval, interval_ms_)));
    interval_ms_ = interval;
  }
  if (start_ms != last_start_ms_) put_le<int64_t>(bytes_, start_ms);
  const double last_sum = last_.sum;
  if (layout) {
    put_layout(bytes_, histogram);
    last_ = histogram;
    each_count(last_, [](double& count) {
      count = 0;
      return true;
    });
  }
  put_counts(bytes_, histogram, last_, floats);
  put_xor(bytes_, histogram.sum, last_sum);
  last_.sum = histogram.sum;
  last_.reset = histogram.reset;
  last_.whole = histogram.whole;
  if (count_ == 0) first_time_ms_ = time_ms;
  last_time_ms_ = time_ms;
  last_start_ms_ = start_ms;
  ++count_;
}

Result<HistogramChunk> HistogramChunk::resume(std::string_view bytes) {
  HistogramChunk chunk;
  HistogramChunkReader reader(bytes);
  while (reader.next()) {
    if (chunk.count_++ == 0) chunk.first_time_ms_ = reader.time_ms;
  }
  if (reader.damaged() || chunk.count_ == 0) return damage();
  chunk.bytes_ = bytes;
  chunk.last_ = std::move(reader.histogram);
  chunk.last_time_ms_ = reader.time_ms;
  chunk.interval_ms_ = reader.interval_ms;
  chunk.last_start_ms_ = reader.start_ms;
  return chunk;
}

size_t HistogramChunk::memory_bytes() const {
  return bytes_.capacity() + (last_.positive_buckets.capacity() +
                              last_.negative_buckets.capacity() + last_.bounds.capacity() +
                              last_.positive_spans.capacity() + last_.negative_spans.capacity()) *
                                 8;
}

void add_histogram(model::SampleColumns& out, int64_t time_ms, NativeHistogram histogram,
                   int64_t start_ms) {
  if (out.histograms.empty()) out.histograms.resize(out.times_ms.size());
  if (start_ms != 0 && out.starts_ms.empty()) out.starts_ms.resize(out.times_ms.size());
  if (start_ms != 0 || !out.starts_ms.empty()) out.starts_ms.push_back(start_ms);
  out.times_ms.push_back(time_ms);
  out.values.push_back(model::is_stale(histogram.sum) ? histogram.sum : 0);
  out.histograms.push_back(std::make_shared<const NativeHistogram>(std::move(histogram)));
}

Status decode_histogram_chunk(std::string_view bytes, int64_t begin_ms, int64_t end_ms,
                              model::SampleColumns& out) {
  HistogramChunkReader reader(bytes);
  while (reader.next()) {
    if (reader.time_ms < begin_ms) continue;
    if (reader.time_ms > end_ms) return {};
    add_histogram(out, reader.time_ms, reader.histogram, reader.start_ms);
  }
  return reader.damaged() ? damage() : Status();
}

}  // namespace gatehouse::store
