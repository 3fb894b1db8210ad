// The machine's disk, by plain system calls.
#pragma once

#include "model/disk.h"

namespace gatehouse::store {

model::Disk& real_disk();

}  // namespace gatehouse::store
