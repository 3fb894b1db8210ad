// What the store is told: plain values, filled by app/config from gatehouse.yaml.
#pragma once

#include <cstdint>
#include <string>

namespace gatehouse::store {

struct StoreOptions {
  std::string path = "./data";
  // Segments go once they are older than this, or while all of them are larger
  // than retention_bytes: whichever comes first. 0: no limit of that kind.
  int64_t retention_age_ms = 30 * 86'400'000LL;
  int64_t retention_bytes = int64_t{10} << 30;
  // How long what is written may wait for the fsync that it shares. kill -9 takes
  // nothing that was acknowledged; a power cut can take what came within this.
  int64_t sync_interval_ms = 200;
};

}  // namespace gatehouse::store
