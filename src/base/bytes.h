// Encodings and checksums of bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gatehouse {

std::string hex_encode(std::string_view bytes);
Result<std::string> hex_decode(std::string_view text);

// RFC 4648 §4 with padding, and §5 (URL-safe) without.
std::string base64_encode(std::string_view bytes);
Result<std::string> base64_decode(std::string_view text);  // padding optional
std::string base64url_encode(std::string_view bytes);
Result<std::string> base64url_decode(std::string_view text);

// CRC-32C (Castagnoli, RFC 3720 B.4) of `bytes`, continuing from `crc`.
uint32_t crc32c(std::string_view bytes, uint32_t crc = 0);

// SHA-256, 32 raw bytes.
std::string sha256(std::string_view bytes);

// Equal, in a time that depends on the lengths alone.
bool equal_constant_time(std::string_view a, std::string_view b);

// Overwrites `secret` so that the compiler cannot leave it out, and empties it.
void wipe(std::string& secret);

// Fixed-width little-endian integers, appended to and read from byte strings.
template <typename T>
void put_le(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i)));
  }
}
// REQUIRES: sizeof(T) bytes at `in`.
template <typename T>
T get_le(const char* in) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value |= uint64_t{static_cast<unsigned char>(in[i])} << (8 * i);
  }
  return static_cast<T>(value);
}

// LEB128 unsigned varints, at most 10 bytes. get_varint moves `in` past what it
// read; false: `in` ends early or the varint is too long.
void put_varint(std::string& out, uint64_t value);
bool get_varint(std::string_view& in, uint64_t& value);

}  // namespace gatehouse
