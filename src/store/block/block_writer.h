// BlockWriter: series in, in the order of their labels, and a block file out, all
// at once or not at all (docs/format/block.md).
//
// Samples are held back until 8 MiB of them are there, so that series which are
// like each other (the buckets of one histogram, whose `le` may sort them far from
// each other) are coded side by side, each against the one before it. What the
// index needs of a series (35 bytes or so) is held to the end.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/budget.h"
#include "model/disk.h"
#include "model/sample.h"
#include "store/block/meta.h"

namespace gatehouse::store {

class BlockWriter {
 public:
  struct Options {
    std::string id;  // new_block_id()
    uint32_t level = 1;
    std::vector<std::string> parents;
  };

  // The block becomes `directory`/`id`.block. All that it holds in memory is charged to `budget`.
  static Result<std::unique_ptr<BlockWriter>> create(model::Disk& disk, MemoryBudget& budget,
                                                     const std::string& directory, Options options);
  // Removes what was written unless finish() went well.
  virtual ~BlockWriter() = default;

  // REQUIRES: labels greater than those before (as compare_labels() has it), times
  // ascending. A series without samples is left out. kResourceExhausted: the disk is
  // full, or the memory budget. After a failure only the destructor may be called.
  virtual Status add(model::LabelsView labels, const model::SampleColumns& samples) = 0;

  // Writes the index, syncs file and directory, gives the file its name. Without
  // any sample there is no block: kNotFound.
  virtual Result<BlockMeta> finish() = 0;
};

// The order of series within a block: name and value of the first label, then of the next.
int compare_labels(model::LabelsView a, model::LabelsView b);

}  // namespace gatehouse::store
