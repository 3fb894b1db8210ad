// Recovery: a head from the snapshot and the log of its directories
// (docs/format/wal.md §7), each file by a HeadLoader.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/disk.h"
#include "store/head/head.h"
#include "store/head/head_loader.h"

namespace gatehouse::store {

struct RecoveryReport {
  uint64_t series = 0;
  uint64_t samples = 0;          // from the log
  uint64_t unknown_samples = 0;  // of slots that nothing names: not served
  uint64_t torn_bytes = 0;
  uint64_t lost_bytes = 0;
  std::vector<std::string> damaged;  // paths; to be set aside once a new snapshot is there
  std::vector<std::string> problems;
  // For Wal::create().
  std::map<uint32_t, uint64_t> segments;
  uint32_t next_segment = 1;
  Position next_position = 1;
  uint32_t snapshot = 0;  // number of the one that was read; 0: none
};

// REQUIRES: a new head, and directories that are there. A file from a newer version ends it.
Result<RecoveryReport> recover(model::Disk& disk, const std::string& head_directory,
                               const std::string& wal_directory, Head& head, unsigned threads,
                               RecoveryProgress* progress);

}  // namespace gatehouse::store
