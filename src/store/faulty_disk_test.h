// A disk in memory for tests: it can be full, refuse writes and syncs, and lose
// power, after which only what was synced is there, and a part of the rest.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "model/disk.h"

namespace gatehouse::store {

class FaultyDisk : public model::Disk {
 public:
  // Bytes that all files may have together; a write past it leaves what fits.
  uint64_t capacity_bytes = UINT64_MAX;
  bool fail_writes = false;  // EIO after half of the bytes
  bool fail_syncs = false;

  // Power is lost: each file keeps its synced bytes, and of those after them the
  // first `kept_bytes`; names made since the last sync of the directory are gone.
  void lose_power(uint64_t kept_bytes);

  std::string& bytes(const std::string& path);
  uint64_t used_bytes() const;

  Result<std::unique_ptr<model::File>> open(const std::string& path, Open how) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_directory(const std::string&) override { return {}; }
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status sync_directory(const std::string& directory) override;
  Result<uint64_t> free_bytes(const std::string&) override { return capacity_bytes - used_bytes(); }
  Result<std::unique_ptr<model::FileLock>> lock(const std::string& path) override;

  struct Content {
    std::string now;
    std::string synced;
  };

 private:
  friend class FaultyFile;
  friend class FaultyLock;
  mutable std::recursive_mutex mutex_;
  std::map<std::string, std::shared_ptr<Content>> files_;
  std::map<std::string, std::shared_ptr<Content>> durable_names_;
  std::map<std::string, bool> locks_;
};

}  // namespace gatehouse::store
