// A chunk of the head that nobody appends to any more, as columns: about half of
// what its tokens take (docs/format/block.md §8.1). Several full chunks may become
// one, which costs less a sample, in time and in bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/sample.h"

namespace gatehouse::store {

// Appends what the chunks hold, oldest first. REQUIRES: they are whole, their times
// ascend, and they have kColumnRowsMax samples at most together. kDataLoss: they are
// no chunks; nothing was appended.
Status seal_chunks(std::span<const std::string_view> chunks, std::string& out);

// As decode_sample_chunk().
Status decode_sealed_chunk(std::string_view bytes, int64_t begin_ms, int64_t end_ms,
                           model::SampleColumns& out);

}  // namespace gatehouse::store
