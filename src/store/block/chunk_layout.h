// In which order the chunks of a block's series are written, and which is coded
// against the one before it. The buckets of a classic histogram count the same
// events: what `le`="0.5" counted in an interval is what "0.25" counted, and the
// few between. Side by side, by their bounds, each says only what it adds.
#pragma once

#include <cstdint>
#include <string>

#include "model/sample.h"

namespace gatehouse::store {

struct ChunkOrder {
  // The labels without `le` and the metric's ending; series of one family alone may
  // refer to each other. Empty: of no family.
  std::string family;
  double bound = 0;    // of the bucket
  bool total = false;  // NAME_count, which is what the last bucket counts
};
// Of a series of NAME_bucket or NAME_count.
ChunkOrder chunk_order(model::LabelsView labels);

}  // namespace gatehouse::store
