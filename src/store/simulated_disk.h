// SimulatedDisk: a disk in memory that fails as disks do, from a seed. It knows
// what is durable apart from what is in the page cache: a sync makes a file's bytes
// durable, sync_directory() its names. At a power cut, of what was not synced some
// writes are there, whole, in part or not at all, in any order, and the first few
// changes of names. After a failed sync, the writes concerned are gone from the
// cache's list of what is to be written, as Linux has it: no later sync saves them.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/random.h"
#include "model/disk.h"

namespace gatehouse::store {

class SimulatedDisk : public model::Disk {
 public:
  explicit SimulatedDisk(uint64_t seed) : random_(seed) {}

  // Faults, each of so many in a thousand operations of its kind.
  struct Faults {
    uint32_t write_fails = 0;              // EIO, after a part of the bytes
    uint32_t sync_fails = 0;               // of files
    uint32_t open_fails = 0;               // of files to be made
    uint64_t capacity_bytes = UINT64_MAX;  // of all files; a write past it leaves what fits
  };
  void set_faults(Faults faults) { faults_ = faults; }

  // The process ends: what is in the page cache stays. Files and locks that are
  // open become useless.
  void end_process();
  // Power is lost.
  void lose_power();

  uint64_t used_bytes() const;
  uint64_t failures() const { return failures_; }
  // The bytes of a file, to damage them; null: it is not there.
  std::string* bytes(const std::string& path);
  std::vector<std::string> paths() const;

  Result<std::unique_ptr<model::File>> open(const std::string& path, Open how) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_directory(const std::string&) override { return {}; }
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status sync_directory(const std::string& directory) override;
  Result<uint64_t> free_bytes(const std::string& directory) override;
  Result<std::unique_ptr<model::FileLock>> lock(const std::string& path) override;

 private:
  friend class SimulatedFile;
  friend class SimulatedLock;
  struct Write {
    uint64_t offset;
    std::string bytes;
    bool truncates;  // to `offset`
  };
  struct Inode {
    std::string now;
    std::string durable;
    std::vector<Write> unsynced;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  struct NameChange {
    std::string directory;
    std::string path;
    std::shared_ptr<Inode> inode;  // null: removed
    std::string and_remove;        // of a rename: the old name
  };
  bool happens(uint32_t in_a_thousand);
  static void apply(std::string& bytes, const Write& write, size_t size);
  static void apply(Names& names, const NameChange& change);

  mutable std::mutex mutex_;
  Random random_;
  Faults faults_;
  uint64_t failures_ = 0;
  uint64_t life_ = 0;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> changes_;
  std::map<std::string, uint64_t> locks_;  // by life
};

}  // namespace gatehouse::store
