#include "store/codec/sample_chunk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "base/bytes.h"
#include "store/codec/decimal.h"
#include "store/codec/wrapping.h"

namespace gatehouse::store {
namespace {

// First bytes of tokens (docs/format/block.md §8).
enum Token : uint8_t {
  kResidual1 = 0x00,  // 0rrrrrrr
  kResidual2 = 0x80,  // 10rrrrrr and a byte
  kResidual3 = 0xC0,  // 110rrrrr and two bytes
  kRun = 0xE0,        // 1110nnnn: n + 1 samples like the last, on time
  kTime = 0xF0,       // varint: the next sample is off by so much
  kResidual = 0xF1,   // varint
  kScale = 0xF2,      // byte: the scale from now on
  kXor = 0xF3,        // byte: trailing zero bytes, bytes that follow
  kStart = 0xF4,      // 8 bytes: the start time from now on
};
constexpr uint32_t kRunMax = 16;
// After so many values in a row that are no multiples of any power of ten, none is looked for.
constexpr uint8_t kMissesMax = 4;

int64_t predicted(int64_t last, int64_t bias16) { return plus(last, plus(bias16, 8) >> 4); }

// The mean of the first changes, then of the last eight or so. Towards zero, so
// that a value that stands still is predicted to.
void learn(int64_t& bias16, uint8_t& multiples, int64_t change) {
  static constexpr uint8_t kShifts[] = {0, 0, 1, 1, 2, 2, 2, 2, 3};
  if (multiples != 0) {
    const int64_t off = minus(static_cast<int64_t>(static_cast<uint64_t>(change) << 4), bias16);
    const int shift = kShifts[multiples];
    bias16 = plus(bias16, plus(off, (off >> 63) & ((int64_t{1} << shift) - 1)) >> shift);
  }
  if (multiples < 8) ++multiples;
}

// What the next interval is expected to be. A gap of more than 24 days is not one to expect.
int32_t expected(int64_t interval) {
  return interval > 0 && interval <= INT32_MAX ? static_cast<int32_t>(interval) : 0;
}

constexpr size_t kHeaderBytes = 8;
// A sample of the worst kind takes 9 bytes of start, 11 of time, 2 of scale, 11 of value.
constexpr size_t kBytesMax = kHeaderBytes + SampleChunk::kSamplesMax * 33;

}  // namespace

SampleChunk::~SampleChunk() { std::free(buffer_); }

SampleChunk::SampleChunk(SampleChunk&& other) noexcept { *this = std::move(other); }

SampleChunk& SampleChunk::operator=(SampleChunk&& other) noexcept {
  if (this == &other) return *this;
  std::free(buffer_);
  buffer_ = std::exchange(other.buffer_, nullptr);
  last_time_ms_ = other.last_time_ms_;
  last_bits_ = other.last_bits_;
  last_whole_ = other.last_whole_;
  bias16_ = other.bias16_;
  interval_ms_ = other.interval_ms_;
  used_ = std::exchange(other.used_, uint16_t{0});
  capacity_ = std::exchange(other.capacity_, uint16_t{0});
  count_ = std::exchange(other.count_, uint16_t{0});
  run_at_ = std::exchange(other.run_at_, uint16_t{0});
  start_at_ = std::exchange(other.start_at_, uint16_t{0});
  scale_ = std::exchange(other.scale_, uint8_t{0});
  multiples_ = std::exchange(other.multiples_, uint8_t{0});
  misses_ = std::exchange(other.misses_, uint8_t{0});
  other.bias16_ = 0;
  other.last_whole_ = 0;
  other.last_bits_ = 0;
  return *this;
}

void SampleChunk::put(const char* bytes, size_t size) {
  if (used_ + size > capacity_) {
    // malloc hands out 16 n + 8 bytes. Steps of a quarter and 24 bytes waste 20 bytes
    // or so of a series; smaller ones cost more in realloc() than all the rest of an append,
    // as the chunks of a million series grow at once and leave holes of all sizes.
    const size_t wanted = std::max<size_t>(used_ + size, size_t{capacity_} + capacity_ / 4 + 24);
    const size_t capacity = std::min<size_t>((wanted + 7) / 16 * 16 + 8, UINT16_MAX);
    auto* grown = static_cast<char*>(std::realloc(buffer_, capacity));
    if (grown == nullptr) throw std::bad_alloc();
    buffer_ = grown;
    capacity_ = static_cast<uint16_t>(capacity);
  }
  std::memcpy(buffer_ + used_, bytes, size);
  used_ = static_cast<uint16_t>(used_ + size);
}

void SampleChunk::put_byte(uint8_t byte) {
  const char c = static_cast<char>(byte);
  put(&c, 1);
}

void SampleChunk::put_varint(uint64_t value) {
  char bytes[10];
  size_t size = 0;
  for (; value >= 0x80; value >>= 7) bytes[size++] = static_cast<char>(value | 0x80);
  bytes[size++] = static_cast<char>(value);
  put(bytes, size);
}

void SampleChunk::shrink() {
  const size_t wanted = (size_t{used_} + 7) / 16 * 16 + 8;
  if (wanted >= capacity_) return;
  if (auto* less = static_cast<char*>(std::realloc(buffer_, wanted)); less != nullptr) {
    buffer_ = less;
    capacity_ = static_cast<uint16_t>(wanted);
  }
}

int64_t SampleChunk::first_time_ms() const { return get_le<int64_t>(buffer_); }

void SampleChunk::put_start(int64_t start_ms) {
  const int64_t holds = start_at_ == 0 ? 0 : get_le<int64_t>(buffer_ + start_at_);
  if (start_ms == holds) return;
  run_at_ = 0;
  put_byte(kStart);
  start_at_ = used_;
  char bytes[8];
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(static_cast<uint64_t>(start_ms) >> (8 * i));
  }
  put(bytes, 8);
}

void SampleChunk::put_time(int64_t time_ms) {
  const int64_t interval = minus(time_ms, last_time_ms_);
  if (interval == interval_ms_) return;
  run_at_ = 0;
  put_byte(kTime);
  put_varint(zigzag(minus(interval, interval_ms_)));
  interval_ms_ = expected(interval);
}

void SampleChunk::put_residual(int64_t whole) {
  const uint64_t residual = zigzag(minus(whole, predicted(last_whole_, bias16_)));
  if (residual < 0x80) {
    put_byte(static_cast<uint8_t>(residual));
  } else if (residual < 0x4000) {
    const char bytes[] = {static_cast<char>(kResidual2 | residual >> 8),
                          static_cast<char>(residual)};
    put(bytes, 2);
  } else if (residual < 0x20'0000) {
    const char bytes[] = {static_cast<char>(kResidual3 | residual >> 16),
                          static_cast<char>(residual >> 8), static_cast<char>(residual)};
    put(bytes, 3);
  } else {
    put_byte(kResidual);
    put_varint(residual);
  }
  learn(bias16_, multiples_, minus(whole, last_whole_));
  last_whole_ = whole;
}

bool SampleChunk::find_scale(double value, int64_t& whole) {
  if (to_whole(value, scale_, whole)) return true;
  if (misses_ >= kMissesMax) return false;
  for (int scale = scale_ + 1; scale <= kScaleMax; ++scale) {
    if (!to_whole(value, scale, whole)) continue;
    const double last = static_cast<double>(last_whole_) * kPowersOfTen[scale - scale_];
    if (!(last < kWholeMax && last > -kWholeMax)) return false;
    const int64_t factor = static_cast<int64_t>(kPowersOfTen[scale - scale_]);
    last_whole_ *= factor;
    // What was learned of a coarser scale says little of this one.
    bias16_ = 0;
    scale_ = static_cast<uint8_t>(scale);
    put_byte(kScale);
    put_byte(scale_);
    return true;
  }
  return false;
}

void SampleChunk::put_value(uint64_t bits) {
  int64_t whole = 0;
  if (find_scale(std::bit_cast<double>(bits), whole)) {
    misses_ = 0;
    put_residual(whole);
    return;
  }
  const uint64_t difference = bits ^ last_bits_;
  const int trailing = std::countr_zero(difference) / 8 % 8;
  const int size = 8 - trailing - std::countl_zero(difference | 1) / 8;
  put_byte(kXor);
  put_byte(static_cast<uint8_t>(trailing << 4 | size));
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(difference >> (8 * trailing) >> (8 * i));
  put(bytes, static_cast<size_t>(size));
  const uint64_t exponent = bits >> 52 & 0x7ff;
  if (exponent != 0x7ff && misses_ < kMissesMax) ++misses_;
}

void SampleChunk::append(int64_t time_ms, double value, int64_t start_ms) {
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  if (count_ == 0) {
    char bytes[8];
    for (int i = 0; i < 8; ++i) {
      bytes[i] = static_cast<char>(static_cast<uint64_t>(time_ms) >> (8 * i));
    }
    put(bytes, 8);
    put_start(start_ms);
    put_value(bits);
  } else {
    put_start(start_ms);
    put_time(time_ms);
    if (bits != last_bits_) {
      run_at_ = 0;
      put_value(bits);
    } else if (run_at_ != 0 && static_cast<uint8_t>(buffer_[run_at_]) < kRun + kRunMax - 1) {
      ++buffer_[run_at_];
    } else {
      run_at_ = used_;
      put_byte(kRun);
    }
  }
  last_time_ms_ = time_ms;
  last_bits_ = bits;
  ++count_;
}

Result<SampleChunk> SampleChunk::resume(std::string_view bytes) {
  if (bytes.size() > kBytesMax) return data_loss("a chunk of samples is too long");
  SampleChunk chunk;
  SampleChunkReader reader(bytes);
  std::array<int64_t, kSamplesMax> times_ms;
  std::array<double, kSamplesMax> values;
  while (reader.next()) reader.next_plain(times_ms, values);
  if (!reader.status().ok()) return reader.status();
  if (reader.count_ == 0 || reader.count_ > kSamplesMax) {
    return data_loss("a chunk has no samples, or too many");
  }
  chunk.put(bytes.data(), bytes.size());
  chunk.last_time_ms_ = reader.time_ms_;
  chunk.last_bits_ = reader.bits_;
  chunk.last_whole_ = reader.whole_;
  chunk.bias16_ = reader.bias16_;
  chunk.interval_ms_ = expected(reader.interval_ms_);
  chunk.count_ = static_cast<uint16_t>(reader.count_);
  chunk.start_at_ = static_cast<uint16_t>(reader.start_at_);
  chunk.scale_ = reader.scale_;
  chunk.multiples_ = reader.multiples_;
  return chunk;
}

void SampleChunk::put_state(std::string& out) const {
  const bool told = std::bit_cast<uint64_t>(from_whole(last_whole_, scale_)) == last_bits_;
  out.push_back(static_cast<char>(multiples_ << 1 | (told ? 1 : 0)));
  out.push_back(static_cast<char>(scale_));
  gatehouse::put_varint(out, zigzag(last_whole_));
  gatehouse::put_varint(out, zigzag(bias16_));
  gatehouse::put_varint(out, static_cast<uint64_t>(interval_ms_));
  gatehouse::put_varint(out, count_);
  gatehouse::put_varint(out, start_at_);
  if (!told) put_le<uint64_t>(out, last_bits_);
}

Result<SampleChunk> SampleChunk::resume(std::string_view bytes, int64_t last_time_ms,
                                        std::string_view& in) {
  const auto damage = [] { return data_loss("the state of a chunk of samples is damaged"); };
  if (in.size() < 2) return damage();
  const auto flags = static_cast<uint8_t>(in[0]);
  SampleChunk chunk;
  chunk.multiples_ = flags >> 1;
  chunk.scale_ = static_cast<uint8_t>(in[1]);
  in.remove_prefix(2);
  std::array<uint64_t, 5> numbers{};
  for (uint64_t& number : numbers) {
    if (!get_varint(in, number)) return damage();
  }
  const auto [whole, bias16, interval_ms, count, start_at] = numbers;
  if (chunk.multiples_ > 8 || chunk.scale_ > kScaleMax || interval_ms > INT32_MAX || count == 0 ||
      count > kSamplesMax || bytes.size() <= kHeaderBytes || bytes.size() > kBytesMax ||
      (start_at != 0 && (start_at < kHeaderBytes || start_at + 8 > bytes.size()))) {
    return damage();
  }
  chunk.last_whole_ = unzigzag(whole);
  chunk.bias16_ = unzigzag(bias16);
  chunk.interval_ms_ = static_cast<int32_t>(interval_ms);
  chunk.count_ = static_cast<uint16_t>(count);
  chunk.start_at_ = static_cast<uint16_t>(start_at);
  chunk.last_time_ms_ = last_time_ms;
  if ((flags & 1) != 0) {
    chunk.last_bits_ = std::bit_cast<uint64_t>(from_whole(chunk.last_whole_, chunk.scale_));
  } else {
    if (in.size() < 8) return damage();
    chunk.last_bits_ = get_le<uint64_t>(in.data());
    in.remove_prefix(8);
  }
  chunk.put(bytes.data(), bytes.size());
  return chunk;
}

double SampleChunkReader::value() const { return std::bit_cast<double>(bits_); }

bool SampleChunkReader::fail() {
  status_ = data_loss("a chunk of samples is damaged");
  rest_ = {};
  run_left_ = 0;
  return false;
}

// A token that is a value and ends a sample.
bool SampleChunkReader::take_value(uint8_t token) {
  uint64_t residual = token;
  if (token >= kXor) {
    if (rest_.empty()) return fail();
    const auto shape = static_cast<uint8_t>(rest_[0]);
    const size_t size = shape & 15;
    const size_t trailing = shape >> 4;
    if (size + trailing > 8 || rest_.size() < 1 + size) return fail();
    uint64_t difference = 0;
    for (size_t i = 0; i < size; ++i) {
      difference |= uint64_t{static_cast<uint8_t>(rest_[1 + i])} << (8 * (i + trailing));
    }
    rest_.remove_prefix(1 + size);
    bits_ ^= difference;
    return true;
  }
  if (token >= kRun) {
    if (!get_varint(rest_, residual)) return fail();
  } else if (token >= kResidual3) {
    if (rest_.size() < 2) return fail();
    residual = (residual & 0x1f) << 16 | uint64_t{static_cast<uint8_t>(rest_[0])} << 8 |
               static_cast<uint8_t>(rest_[1]);
    rest_.remove_prefix(2);
  } else if (token >= kResidual2) {
    if (rest_.empty()) return fail();
    residual = (residual & 0x3f) << 8 | static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
  }
  const int64_t whole = plus(predicted(whole_, bias16_), unzigzag(residual));
  learn(bias16_, multiples_, minus(whole, whole_));
  whole_ = whole;
  bits_ = std::bit_cast<uint64_t>(from_whole(whole_, scale_));
  return true;
}

bool SampleChunkReader::next() {
  if (run_left_ > 0) {
    --run_left_;
    time_ms_ = plus(time_ms_, interval_ms_);
    ++count_;
    return true;
  }
  if (rest_.empty()) return false;
  if (count_ == 0) {
    if (rest_.size() <= kHeaderBytes) return fail();
    time_ms_ = get_le<int64_t>(rest_.data());
    rest_.remove_prefix(kHeaderBytes);
  }
  int64_t interval = interval_ms_;
  while (!rest_.empty()) {
    const auto token = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    if (token == kTime) {
      uint64_t off = 0;
      if (count_ == 0 || !get_varint(rest_, off)) return fail();
      interval = plus(interval, unzigzag(off));
      interval_ms_ = expected(interval);
    } else if (token == kScale) {
      if (rest_.empty()) return fail();
      const int scale = static_cast<uint8_t>(rest_[0]);
      rest_.remove_prefix(1);
      if (scale <= scale_ || scale > kScaleMax) return fail();
      for (; scale_ < scale; ++scale_) {
        whole_ = static_cast<int64_t>(static_cast<uint64_t>(whole_) * 10);
      }
      bias16_ = 0;
    } else if (token == kStart) {
      if (rest_.size() < 8) return fail();
      start_at_ = size_ - rest_.size();
      start_ms_ = get_le<int64_t>(rest_.data());
      rest_.remove_prefix(8);
    } else if (token > kStart || (token >= kRun && token < kTime && count_ == 0)) {
      return fail();
    } else {
      if (token >= kRun && token < kTime) {
        run_left_ = token & 15;
      } else if (!take_value(token)) {
        return false;
      }
      if (count_ != 0) time_ms_ = plus(time_ms_, interval);
      ++count_;
      return true;
    }
  }
  return fail();
}

// What next() does, for the tokens that nearly all samples are made of, its state in registers.
size_t SampleChunkReader::next_plain(std::span<int64_t> times_ms, std::span<double> values) {
  const size_t room = std::min(times_ms.size(), values.size());
  size_t n = 0;
  if (count_ == 0 || start_ms_ != 0) return 0;
  const auto* at = reinterpret_cast<const uint8_t*>(rest_.data());
  const auto* const end = at + rest_.size();
  int64_t time_ms = time_ms_;
  int64_t whole = whole_;
  int64_t bias16 = bias16_;
  uint8_t multiples = multiples_;
  double value = std::bit_cast<double>(bits_);
  uint32_t run_left = run_left_;
  while (n < room) {
    if (run_left == 0) {
      if (at == end) break;
      const uint8_t token = *at;
      if (token >= kTime) break;
      if (token >= kRun) {
        ++at;
        run_left = uint32_t{token & 15u} + 1;
      } else {
        uint64_t residual = token;
        if (token < kResidual2) {
          ++at;
        } else if (token < kResidual3) {
          if (end - at < 2) break;
          residual = (residual & 0x3f) << 8 | at[1];
          at += 2;
        } else {
          if (end - at < 3) break;
          residual = (residual & 0x1f) << 16 | uint64_t{at[1]} << 8 | at[2];
          at += 3;
        }
        const int64_t now = plus(predicted(whole, bias16), unzigzag(residual));
        learn(bias16, multiples, minus(now, whole));
        whole = now;
        value = from_whole(whole, scale_);
        time_ms = plus(time_ms, interval_ms_);
        times_ms[n] = time_ms;
        values[n++] = value;
        continue;
      }
    }
    const size_t same = std::min<size_t>(run_left, room - n);
    for (size_t i = 0; i < same; ++i) {
      time_ms = plus(time_ms, interval_ms_);
      times_ms[n] = time_ms;
      values[n++] = value;
    }
    run_left -= static_cast<uint32_t>(same);
  }
  rest_ = rest_.substr(rest_.size() - static_cast<size_t>(end - at));
  time_ms_ = time_ms;
  whole_ = whole;
  bias16_ = bias16;
  multiples_ = multiples;
  bits_ = std::bit_cast<uint64_t>(value);
  run_left_ = run_left;
  count_ += static_cast<uint32_t>(n);
  return n;
}

Status decode_sample_chunk(std::string_view bytes, int64_t begin_ms, int64_t end_ms,
                           model::SampleColumns& out) {
  std::array<int64_t, SampleChunk::kSamplesMax> times_ms;
  std::array<double, SampleChunk::kSamplesMax> values;
  SampleChunkReader reader(bytes);
  while (reader.next()) {
    if (reader.time_ms() > end_ms) return {};
    if (reader.time_ms() >= begin_ms) {
      const bool has_starts = reader.start_ms() != 0 || !out.starts_ms.empty();
      if (has_starts) {
        out.starts_ms.resize(out.times_ms.size());
        out.starts_ms.push_back(reader.start_ms());
      }
      out.times_ms.push_back(reader.time_ms());
      out.values.push_back(reader.value());
    }
    const size_t n = reader.next_plain(times_ms, values);
    const auto first = std::lower_bound(times_ms.begin(), times_ms.begin() + n, begin_ms);
    const auto last = std::upper_bound(first, times_ms.begin() + n, end_ms);
    const auto low = first - times_ms.begin();
    const auto high = last - times_ms.begin();
    out.times_ms.insert(out.times_ms.end(), first, last);
    out.values.insert(out.values.end(), values.begin() + low, values.begin() + high);
    if (!out.starts_ms.empty()) out.starts_ms.resize(out.times_ms.size());
    if (static_cast<size_t>(high) < n) break;
  }
  if (!out.histograms.empty()) out.histograms.resize(out.times_ms.size());
  return reader.status();
}

}  // namespace gatehouse::store
