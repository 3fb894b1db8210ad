// Columns of whole numbers, coded as what a prediction leaves of them. Encoding
// tries the predictions that pay and takes the smallest; decoding is a few loops
// over arrays (docs/format/block.md §5).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gatehouse::store {

// 8 1/2 hours at 15 s. What a reader decodes at least, and holds at most, of one column.
inline constexpr size_t kColumnRowsMax = 2048;

// Appends `values`. `reference` is empty, or a column of the same length that the
// reader will have: it is used where that is smaller, and then the result is true.
// REQUIRES: 1 <= values.size() <= kColumnRowsMax.
bool encode_ints(std::span<const int64_t> values, std::span<const int64_t> reference,
                 std::string& out);

// Takes out.size() values from the front of `in`. False: it is damaged, or needs a
// reference where there is none.
bool decode_ints(std::string_view& in, std::span<const int64_t> reference, std::span<int64_t> out);

}  // namespace gatehouse::store
