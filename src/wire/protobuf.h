// The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding),
// read from and appended to byte strings by hand: no generated code, no exception,
// no copy. ProtoReader walks the fields of one message; what it hands out are views
// into the bytes it was given. The first thing that is malformed ends the walk, and
// ok() is false from then on; a message is good when next() has returned false and
// ok() holds.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace gatehouse::wire {

enum class ProtoType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message)
      : at_(message.data()), end_(message.data() + message.size()) {}

  // Moves to the next field, whose value must then be read or skipped.
  bool next() {
    if (at_ == end_) return false;
    const uint64_t tag = varint();
    field_ = static_cast<uint32_t>(tag >> 3);
    type_ = static_cast<ProtoType>(tag & 7);
    if (field_ == 0 || tag > UINT32_MAX) fail();
    return ok_;
  }
  uint32_t field() const { return field_; }
  ProtoType type() const { return type_; }
  bool ok() const { return ok_; }
  // Of the message; where the next field begins.
  const char* position() const { return at_; }

  // Whether the field is `field` in the type that is wanted. A known field of
  // another type is skipped as an unknown one, as the format asks.
  bool is(uint32_t field, ProtoType type) const { return field_ == field && type_ == type; }

  uint64_t varint() {
    if (at_ != end_ && static_cast<int8_t>(*at_) >= 0) return static_cast<uint8_t>(*at_++);
    return long_varint();
  }
  int64_t int64() { return static_cast<int64_t>(varint()); }
  int32_t int32() { return static_cast<int32_t>(varint()); }
  uint32_t uint32() { return static_cast<uint32_t>(varint()); }
  int64_t sint64() { return unzigzag(varint()); }
  int32_t sint32() { return static_cast<int32_t>(unzigzag(varint() & UINT32_MAX)); }
  uint64_t fixed64() {
    uint64_t value = 0;
    if (end_ - at_ < 8) return fail();
    std::memcpy(&value, at_, 8);
    at_ += 8;
    return value;
  }
  double float64() { return std::bit_cast<double>(fixed64()); }
  std::string_view bytes() {
    const uint64_t length = varint();
    if (length > static_cast<uint64_t>(end_ - at_)) {
      fail();
      return {};
    }
    const std::string_view value(at_, length);
    at_ += length;
    return value;
  }

  // Passes over the value of the field.
  void skip() {
    switch (type_) {
      case ProtoType::kVarint: varint(); return;
      case ProtoType::kFixed64: advance(8); return;
      case ProtoType::kBytes: bytes(); return;
      case ProtoType::kFixed32: advance(4); return;
    }
    fail();  // groups are deprecated, and none of the formats here has them
  }

  // Calls take(reader) for each element of a repeated scalar, packed or not;
  // `take` reads one element.
  template <typename Take>
  void repeated(Take&& take) {
    if (type_ != ProtoType::kBytes) {
      take(*this);
      return;
    }
    ProtoReader packed(bytes());
    while (packed.ok_ && packed.at_ != packed.end_) take(packed);
    if (!packed.ok_) fail();
  }

  uint64_t fail() {
    ok_ = false;
    at_ = end_;
    return 0;
  }

 private:
  static int64_t unzigzag(uint64_t value) {
    return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
  }
  void advance(int64_t bytes) {
    if (end_ - at_ < bytes) {
      fail();
    } else {
      at_ += bytes;
    }
  }
  uint64_t long_varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const uint64_t byte = static_cast<uint8_t>(*at_++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return fail();
  }

  const char* at_;
  const char* end_;
  uint32_t field_ = 0;
  ProtoType type_ = ProtoType::kVarint;
  bool ok_ = true;
};

// Appends fields to a string. Scalars that are zero are left out, as proto3 does;
// `message` writes what a callable appends, and moves it once its length is known.
class ProtoWriter {
 public:
  explicit ProtoWriter(std::string& out) : out_(out) {}
  std::string& out() { return out_; }

  void varint_always(uint32_t field, uint64_t value) {
    tag(field, ProtoType::kVarint);
    put(value);
  }
  void varint(uint32_t field, uint64_t value) {
    if (value != 0) varint_always(field, value);
  }
  void int64(uint32_t field, int64_t value) { varint(field, static_cast<uint64_t>(value)); }
  void sint64(uint32_t field, int64_t value) { varint(field, zigzag(value)); }
  void float64_always(uint32_t field, double value) {
    tag(field, ProtoType::kFixed64);
    put_le(out_, std::bit_cast<uint64_t>(value));
  }
  void float64(uint32_t field, double value) {
    if (std::bit_cast<uint64_t>(value) != 0) float64_always(field, value);
  }
  void fixed64(uint32_t field, uint64_t value) {
    if (value == 0) return;
    tag(field, ProtoType::kFixed64);
    put_le(out_, value);
  }
  void bytes(uint32_t field, std::string_view value) {
    if (!value.empty()) bytes_always(field, value);
  }
  void bytes_always(uint32_t field, std::string_view value) {
    tag(field, ProtoType::kBytes);
    put(value.size());
    out_ += value;
  }
  template <typename Fill>
  void message(uint32_t field, Fill&& fill) {
    tag(field, ProtoType::kBytes);
    const size_t begin = out_.size();
    out_.push_back(0);  // most lengths take one byte
    fill(*this);
    const size_t length = out_.size() - begin - 1;
    if (length < 0x80) {
      out_[begin] = static_cast<char>(length);
      return;
    }
    char digits[10];
    size_t count = 0;
    for (uint64_t rest = length; count == 0 || rest != 0; rest >>= 7) {
      digits[count++] = static_cast<char>((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    }
    out_.replace(begin, 1, digits, count);
  }
  // An element of a packed field, within message().
  void packed_varint(uint64_t value) { put(value); }
  void packed_sint64(int64_t value) { put(zigzag(value)); }
  void packed_float64(double value) { put_le(out_, std::bit_cast<uint64_t>(value)); }

 private:
  static uint64_t zigzag(int64_t value) {
    return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  }
  void tag(uint32_t field, ProtoType type) {
    put(uint64_t{field} << 3 | static_cast<uint64_t>(type));
  }
  void put(uint64_t value) {
    if (value < 0x80) {
      out_.push_back(static_cast<char>(value));
    } else {
      put_varint(out_, value);
    }
  }

  std::string& out_;
};

}  // namespace gatehouse::wire
