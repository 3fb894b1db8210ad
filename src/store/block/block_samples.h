// Decoding the chunks of a block. A thread keeps the last columns that it decoded:
// series side by side share their times, and may be coded one against the other, so
// that reading them in the order of the file decodes each column once.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "model/sample.h"
#include "store/block/block_format.h"

namespace gatehouse::store {

// Which block a thread's decoded columns are of; never given twice.
uint64_t new_cache_key();

// Adds the samples of a chunk that lie in the range, both ends included, behind those of `out`.
// kDataLoss: the chunk is damaged, or does not come after what `out` has.
Status read_chunk(std::string_view file, uint64_t cache_key, const ChunkPlace& place,
                  int64_t begin_ms, int64_t end_ms, model::SampleColumns& out);

}  // namespace gatehouse::store
