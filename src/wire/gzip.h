// gzip (RFC 1952) over zlib: whole texts in memory, within bounds.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/budget.h"
#include "base/result.h"

namespace gatehouse::wire {

// All members, one behind the other. What comes out is charged to `charge`, where there is
// one, before it is kept. kInvalidArgument: not gzip, or cut short; kResourceExhausted:
// longer than `bytes_max`; kUnavailable: the charge is refused.
Result<std::string> gzip_decompress(std::string_view packed, size_t bytes_max,
                                    MemoryCharge* charge = nullptr);

}  // namespace gatehouse::wire
