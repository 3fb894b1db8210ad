// A lifetime of the store of samples: some hundred things happen to it, all chosen
// by a seed, among them ends of the process and power cuts, on a disk that is full
// at times and fails at others. Beside the store stands a model of what it was told.
#pragma once

#include <cstdint>
#include <string>

namespace gatehouse::simulation {

struct Outcome {
  std::string violation;  // "" where all was as it must be
  uint64_t appended = 0;
  uint64_t crashes = 0;
  uint64_t disk_failures = 0;
  uint64_t checked = 0;  // samples
};

// `verbose`: prints what happens.
Outcome live(uint64_t seed, bool verbose);

}  // namespace gatehouse::simulation
