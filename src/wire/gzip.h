// gzip (RFC 1952) over zlib, whole texts in memory, within bounds.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gatehouse::wire {

// kInvalidArgument: not gzip, or cut short; kResourceExhausted: more than `size_max`.
Result<std::string> gzip_decompress(std::string_view packed, size_t size_max);

// Fast rather than small: for answers that are sent once.
std::string gzip_compress(std::string_view text);

}  // namespace gatehouse::wire
