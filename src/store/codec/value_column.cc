#include "store/codec/value_column.h"

#include <bit>

#include "base/bytes.h"
#include "store/codec/decimal.h"
#include "store/codec/int_column.h"

namespace gatehouse::store {
namespace {

constexpr uint8_t kHasExceptions = 0x80;

// Whole numbers in the order of the doubles, so that near doubles are near numbers.
int64_t ordered(uint64_t bits) {
  const auto whole = static_cast<int64_t>(bits);
  return whole < 0 ? whole ^ INT64_MAX : whole;
}
uint64_t unordered(int64_t whole) {
  return static_cast<uint64_t>(whole < 0 ? whole ^ INT64_MAX : whole);
}

// The least scale at which all values are multiples but a few; false: too many are not.
bool find_scale(std::span<const double> values, int& scale) {
  scale = 0;
  size_t misses = 0;
  for (const double value : values) {
    int64_t whole = 0;
    int enough = scale;
    while (enough <= kScaleMax && !to_whole(value, enough, whole)) ++enough;
    if (enough <= kScaleMax) {
      scale = enough;
    } else if (++misses > 2 + values.size() / 16) {
      return false;
    }
  }
  return true;
}

bool fill(std::span<const double> values, int scale, WholeColumn& out) {
  out.scale = static_cast<uint8_t>(scale);
  int64_t last = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    int64_t whole = 0;
    if (to_whole(values[i], scale, whole)) {
      last = whole;
    } else {
      out.exceptions.emplace_back(static_cast<uint32_t>(i), std::bit_cast<uint64_t>(values[i]));
      if (out.exceptions.size() > 2 + values.size() / 16) return false;
    }
    out.whole.push_back(last);
  }
  // What comes before the first multiple costs least if it is like it.
  size_t first = 0;
  while (first < out.exceptions.size() && out.exceptions[first].first == first) ++first;
  if (first < values.size()) {
    for (size_t i = 0; i < first; ++i) out.whole[i] = out.whole[first];
  }
  return true;
}

bool take_exceptions(std::string_view& in, std::span<double> out) {
  uint64_t count = 0;
  if (!get_varint(in, count) || count > out.size()) return false;
  uint64_t row = 0;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t gap = 0;
    if (!get_varint(in, gap) || in.size() < 8 || gap >= out.size() - row) return false;
    row += gap;
    out[row] = std::bit_cast<double>(get_le<uint64_t>(in.data()));
    in.remove_prefix(8);
  }
  return true;
}

}  // namespace

void to_whole_column(std::span<const double> values, WholeColumn& out) {
  out.whole.clear();
  out.exceptions.clear();
  int scale = 0;
  if (find_scale(values, scale) && fill(values, scale, out)) return;
  out.scale = WholeColumn::kBits;
  out.whole.clear();
  out.exceptions.clear();
  for (const double value : values) out.whole.push_back(ordered(std::bit_cast<uint64_t>(value)));
}

bool encode_values(const WholeColumn& column, const WholeColumn* reference, std::string& out) {
  const bool apart = !column.exceptions.empty();
  out.push_back(static_cast<char>(column.scale | (apart ? kHasExceptions : 0)));
  std::span<const int64_t> other;
  if (reference != nullptr && reference->scale == column.scale) other = reference->whole;
  const bool used = encode_ints(column.whole, other, out);
  if (!apart) return used;
  put_varint(out, column.exceptions.size());
  uint32_t last = 0;
  for (const auto& [row, bits] : column.exceptions) {
    put_varint(out, row - last);
    put_le<uint64_t>(out, bits);
    last = row;
  }
  return used;
}

bool decode_values(std::string_view& in, std::span<const int64_t> reference,
                   std::span<int64_t> whole, std::span<double> out) {
  if (in.empty()) return false;
  const auto head = static_cast<uint8_t>(in[0]);
  in.remove_prefix(1);
  const int scale = head & ~kHasExceptions;
  if (scale > kScaleMax && scale != WholeColumn::kBits) return false;
  if (!decode_ints(in, reference, whole)) return false;
  if (out.empty()) return true;
  if (scale == WholeColumn::kBits) {
    for (size_t i = 0; i < out.size(); ++i) out[i] = std::bit_cast<double>(unordered(whole[i]));
  } else if (scale == 0) {
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<double>(whole[i]);
  } else {
    const double unit = kPowersOfTen[scale];
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<double>(whole[i]) / unit;
  }
  return (head & kHasExceptions) == 0 || take_exceptions(in, out);
}

}  // namespace gatehouse::store
