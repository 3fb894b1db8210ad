// Small files read whole: configurations, secrets, certificates.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace gatehouse {

// kNotFound: it cannot be opened; kResourceExhausted: it is longer than `bytes_max`. The
// message names the path. Blocks.
Result<std::string> read_file(const std::string& path, size_t bytes_max);

// The files that a pattern (its last part may hold * ? [...]) stands for, sorted.
std::vector<std::string> files_matching(const std::string& pattern);

}  // namespace gatehouse
