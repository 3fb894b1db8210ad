// What labels may come from outside: sorted by name, no name twice or empty, valid
// UTF-8, within bounds. Prometheus's rules for a series (model/labels: IsValid with
// UTF-8 names), and limits that it leaves to configuration.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "model/sample.h"

namespace gatehouse::wire {

struct LabelLimits {
  // Real series have up to some 40; Mimir's default is 30, Thanos's none.
  size_t labels = 256;
  // Above any name a client library allows itself.
  size_t name_bytes = 1024;
  // A value names a series; a text this long belongs into a log.
  size_t value_bytes = 64 << 10;
};

bool is_ascii(std::string_view bytes);

// Whether `text` is well-formed UTF-8; quick where it is ASCII.
bool is_utf8(std::string_view text);

// The first eight bytes as a number that orders as the bytes do; 0 past the end.
// Equal keys say nothing of the bytes behind. `readable_end`: up to where memory
// may be read.
inline uint64_t order_key(std::string_view name, const char* readable_end) {
  if (name.empty()) return 0;
  uint64_t word = 0;
  if (readable_end - name.data() >= 8) {
    std::memcpy(&word, name.data(), 8);
    word = __builtin_bswap64(word);
    return name.size() >= 8 ? word : word & ~uint64_t{0} << (64 - 8 * name.size());
  }
  for (size_t i = 0; i < 8; ++i) {
    word = word << 8 | (i < name.size() ? static_cast<unsigned char>(name[i]) : 0u);
  }
  return word;
}

// What is wrong with the labels of a series, or "" where nothing is. Without
// "__name__" they are wrong as well.
std::string_view check_labels(model::LabelsView labels, const LabelLimits& limits);

}  // namespace gatehouse::wire
