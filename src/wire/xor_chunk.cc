#include "wire/xor_chunk.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace gatehouse::wire {

void XorChunkWriter::bits(uint64_t value, int count) {
  while (count > 0) {
    if (free_bits_ == 0) {
      out_.push_back(0);
      free_bits_ = 8;
    }
    const int taken = std::min(count, free_bits_);
    const uint64_t part = value >> (count - taken) & ((uint64_t{1} << taken) - 1);
    out_.back() =
        static_cast<char>(static_cast<unsigned char>(out_.back()) | part << (free_bits_ - taken));
    free_bits_ -= taken;
    count -= taken;
  }
}

void XorChunkWriter::varint_bytes(uint64_t value) {
  for (; value >= 0x80; value >>= 7) bits((value & 0x7f) | 0x80, 8);
  bits(value, 8);
}

void XorChunkWriter::write_value(double value) {
  const auto now = std::bit_cast<uint64_t>(value);
  const uint64_t changed = now ^ value_bits_;
  value_bits_ = now;
  if (changed == 0) {
    bits(0, 1);
    return;
  }
  bits(1, 1);
  const int leading = std::min(std::countl_zero(changed), 31);  // five bits hold it
  const int trailing = std::countr_zero(changed);
  if (leading_ >= 0 && leading >= leading_ && trailing >= trailing_) {
    bits(0, 1);
    bits(changed >> trailing_, 64 - leading_ - trailing_);
    return;
  }
  leading_ = leading;
  trailing_ = trailing;
  const int significant = 64 - leading - trailing;
  bits(1, 1);
  bits(static_cast<uint64_t>(leading), 5);
  bits(static_cast<uint64_t>(significant & 63), 6);  // 64 is written as 0
  bits(changed >> trailing, significant);
}

void XorChunkWriter::append(int64_t time_ms, double value) {
  assert(count_ < kSamplesMax);
  // Differences wrap as they do in Go; a reader adds them up again.
  const uint64_t delta = static_cast<uint64_t>(time_ms) - static_cast<uint64_t>(time_ms_);
  if (count_ == 0) {
    out_.assign(2, '\0');
    free_bits_ = 0;
    leading_ = -1;
    first_ms_ = time_ms;
    const auto zigzag = static_cast<uint64_t>(time_ms) << 1 ^ static_cast<uint64_t>(time_ms >> 63);
    varint_bytes(zigzag);
    value_bits_ = std::bit_cast<uint64_t>(value);
    bits(value_bits_, 64);
  } else if (count_ == 1) {
    varint_bytes(delta);
    write_value(value);
  } else {
    const auto change = static_cast<int64_t>(delta - delta_ms_);
    const auto fits = [&](int width) {
      return change >= -((int64_t{1} << (width - 1)) - 1) && change <= int64_t{1} << (width - 1);
    };
    const auto raw = static_cast<uint64_t>(change);
    if (change == 0) {
      bits(0, 1);
    } else if (fits(14)) {
      bits(0b10, 2);
      bits(raw, 14);
    } else if (fits(17)) {
      bits(0b110, 3);
      bits(raw, 17);
    } else if (fits(20)) {
      bits(0b1110, 4);
      bits(raw, 20);
    } else {
      bits(0b1111, 4);
      bits(raw, 64);
    }
    write_value(value);
  }
  delta_ms_ = delta;
  time_ms_ = time_ms;
  ++count_;
}

const std::string& XorChunkWriter::finish() {
  if (count_ == 0) out_.assign(2, '\0');
  out_[0] = static_cast<char>(count_ >> 8);
  out_[1] = static_cast<char>(count_);
  count_ = 0;
  return out_;
}

}  // namespace gatehouse::wire
