// Hashing and comparing label names and values: some twenty short texts a sample,
// which is what an append mostly does. Inline, a few loads each.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace gatehouse::store {

inline uint64_t load_u64(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}
inline uint32_t load_u32(const char* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

inline bool same_text(std::string_view a, std::string_view b) {
  const size_t size = a.size();
  if (size != b.size()) return false;
  const char* x = a.data();
  const char* y = b.data();
  if (size >= 8) {
    for (size_t i = 0; i + 8 < size; i += 8) {
      if (load_u64(x + i) != load_u64(y + i)) return false;
    }
    return load_u64(x + size - 8) == load_u64(y + size - 8);
  }
  if (size >= 4) {
    return load_u32(x) == load_u32(y) && load_u32(x + size - 4) == load_u32(y + size - 4);
  }
  for (size_t i = 0; i < size; ++i) {
    if (x[i] != y[i]) return false;
  }
  return true;
}

// docs/format/wal.md §2: a product of 128 bits, folded, for every 16 bytes.
inline uint64_t fold(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hash_text(uint64_t hash, std::string_view text) {
  constexpr uint64_t kFirst = 0x9E37'79B9'7F4A'7C15;
  constexpr uint64_t kSecond = 0xC2B2'AE3D'27D4'EB4F;
  const char* at = text.data();
  size_t left = text.size();
  for (; left > 16; left -= 16, at += 16) {
    hash = fold(load_u64(at) ^ hash ^ kFirst, load_u64(at + 8) ^ kSecond);
  }
  uint64_t a = 0;
  uint64_t b = 0;
  if (left >= 8) {
    a = load_u64(at);
    b = load_u64(at + left - 8);
  } else if (left >= 4) {
    a = load_u32(at);
    b = load_u32(at + left - 4);
  } else if (left > 0) {
    a = static_cast<uint8_t>(at[0]);
    b = uint64_t{static_cast<uint8_t>(at[left / 2])} << 8 | static_cast<uint8_t>(at[left - 1]);
  }
  return fold(a ^ hash ^ kFirst, b ^ kSecond ^ (uint64_t{text.size()} << 48));
}

}  // namespace gatehouse::store
