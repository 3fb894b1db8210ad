// Snappy's block format (github.com/google/snappy, format_description.txt), which
// remote write and remote read wrap their messages in.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gatehouse::wire {

// The size of a block's contents, as it claims; errors as of snappy_decompress. For
// who sets memory aside before.
Result<size_t> snappy_decompressed_size(std::string_view block, size_t size_max);

// Writes the contents over `out`, whose capacity is used again. The length that a
// block claims is looked at before anything is allocated: kResourceExhausted where
// it is above `size_max`. kInvalidArgument: not a block, or a damaged one.
Status snappy_decompress(std::string_view block, size_t size_max, std::string& out);

// Writes a block over `out`.
void snappy_compress(std::string_view contents, std::string& out);

}  // namespace gatehouse::wire
