// Columns of doubles, bit-exact. Most are decimal numbers of a few digits, and so
// whole numbers of a small unit; the few that are not (NaN, -0, a full mantissa
// among round numbers) stand apart. A column of full mantissas is coded by its bits,
// as whole numbers in the order of the doubles (docs/format/block.md §4).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gatehouse::store {

// A column as whole numbers of 10^-scale.
struct WholeColumn {
  static constexpr uint8_t kBits = 31;  // in place of a scale: the bits of the doubles
  uint8_t scale = 0;
  std::vector<int64_t> whole;
  // Row, bits: what is no multiple. `whole` has the value before it there.
  std::vector<std::pair<uint32_t, uint64_t>> exceptions;
};
void to_whole_column(std::span<const double> values, WholeColumn& out);

// Appends the column. `reference`: null, or a column of the same length that the
// reader will have; true: it was used.
bool encode_values(const WholeColumn& column, const WholeColumn* reference, std::string& out);

// Takes whole.size() values from the front of `in`: as whole numbers into `whole`,
// and as doubles into `out`, which is as long, or empty where they are not wanted.
// False: damage, or a reference is needed that is not there.
bool decode_values(std::string_view& in, std::span<const int64_t> reference,
                   std::span<int64_t> whole, std::span<double> out);

}  // namespace gatehouse::store
