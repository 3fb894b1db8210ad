#include "store/simulated_disk.h"

#include <algorithm>
#include <cstring>

namespace gatehouse::store {
namespace {

// What a disk writes at once, all or nothing.
constexpr size_t kSectorBytes = 512;

std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

Status input_output_error(const std::string& what) {
  return internal_error(what + ": input/output error (simulated)");
}

}  // namespace

class SimulatedFile : public model::File {
 public:
  SimulatedFile(SimulatedDisk& disk, std::shared_ptr<SimulatedDisk::Inode> inode)
      : disk_(disk), inode_(std::move(inode)), life_(disk.life_) {}

  Result<size_t> read_at(uint64_t offset, char* out, size_t size) const override {
    std::lock_guard lock(disk_.mutex_);
    if (offset >= inode_->now.size()) return size_t{0};
    const size_t got = std::min<size_t>(size, inode_->now.size() - offset);
    std::memcpy(out, inode_->now.data() + offset, got);
    return got;
  }

  Status write_at(uint64_t offset, std::string_view bytes) override {
    std::lock_guard lock(disk_.mutex_);
    if (life_ != disk_.life_) return internal_error("the process has ended (simulated)");
    size_t room = bytes.size();
    Status status;
    uint64_t used = 0;
    if (disk_.faults_.capacity_bytes != UINT64_MAX) {
      for (const auto& [path, inode] : disk_.names_) {
        if (inode != inode_) used += inode->now.size();
      }
      const uint64_t mine =
          disk_.faults_.capacity_bytes - std::min(used, disk_.faults_.capacity_bytes);
      if (offset + room > std::max<uint64_t>(mine, inode_->now.size())) {
        room = mine > offset ? static_cast<size_t>(mine - offset) : 0;
        room = std::min(room, bytes.size());
        status = resource_exhausted("write: no space left on device (simulated)");
      }
    }
    if (status.ok() && disk_.happens(disk_.faults_.write_fails)) {
      room = static_cast<size_t>(disk_.random_.below(bytes.size() + 1));
      status = input_output_error("write");
    }
    if (room > 0) {
      SimulatedDisk::Write write{offset, std::string(bytes.substr(0, room)), false};
      SimulatedDisk::apply(inode_->now, write, room);
      inode_->unsynced.push_back(std::move(write));
    }
    if (!status.ok()) ++disk_.failures_;
    return status;
  }

  Status sync() override {
    std::lock_guard lock(disk_.mutex_);
    if (life_ != disk_.life_) return internal_error("the process has ended (simulated)");
    if (disk_.happens(disk_.faults_.sync_fails)) {
      ++disk_.failures_;
      // Some of it made it; none of it will be tried again.
      for (const SimulatedDisk::Write& write : inode_->unsynced) {
        if (disk_.random_.below(2) == 0) {
          SimulatedDisk::apply(inode_->durable, write, write.bytes.size());
        }
      }
      inode_->unsynced.clear();
      return input_output_error("sync");
    }
    for (const SimulatedDisk::Write& write : inode_->unsynced) {
      SimulatedDisk::apply(inode_->durable, write, write.bytes.size());
    }
    inode_->unsynced.clear();
    return {};
  }

  Status truncate(uint64_t size) override {
    std::lock_guard lock(disk_.mutex_);
    if (life_ != disk_.life_) return internal_error("the process has ended (simulated)");
    if (disk_.happens(disk_.faults_.write_fails)) {
      ++disk_.failures_;
      return input_output_error("truncate");
    }
    SimulatedDisk::Write write{size, {}, true};
    SimulatedDisk::apply(inode_->now, write, 0);
    inode_->unsynced.push_back(std::move(write));
    return {};
  }

  Result<uint64_t> size() const override {
    std::lock_guard lock(disk_.mutex_);
    return uint64_t{inode_->now.size()};
  }

 private:
  SimulatedDisk& disk_;
  std::shared_ptr<SimulatedDisk::Inode> inode_;
  uint64_t life_;
};

class SimulatedLock : public model::FileLock {
 public:
  SimulatedLock(SimulatedDisk& disk, std::string path)
      : disk_(disk), path_(std::move(path)), life_(disk.life_) {}
  ~SimulatedLock() override {
    std::lock_guard lock(disk_.mutex_);
    if (life_ == disk_.life_) disk_.locks_.erase(path_);
  }

 private:
  SimulatedDisk& disk_;
  std::string path_;
  uint64_t life_;
};

bool SimulatedDisk::happens(uint32_t in_a_thousand) {
  return in_a_thousand != 0 && random_.below(1000) < in_a_thousand;
}

void SimulatedDisk::apply(std::string& bytes, const Write& write, size_t size) {
  if (write.truncates) {
    bytes.resize(write.offset);
    return;
  }
  if (bytes.size() < write.offset + size) bytes.resize(write.offset + size);
  std::memcpy(bytes.data() + write.offset, write.bytes.data(), size);
}

void SimulatedDisk::apply(Names& names, const NameChange& change) {
  if (change.inode == nullptr) {
    names.erase(change.path);
  } else {
    names[change.path] = change.inode;
  }
  if (!change.and_remove.empty()) names.erase(change.and_remove);
}

void SimulatedDisk::end_process() {
  std::lock_guard lock(mutex_);
  ++life_;
  locks_.clear();
}

void SimulatedDisk::lose_power() {
  std::lock_guard lock(mutex_);
  ++life_;
  locks_.clear();
  // Names are journalled: of what was not synced, the first few changes are there.
  const uint64_t kept = random_.below(changes_.size() + 1);
  for (uint64_t i = 0; i < kept; ++i) apply(durable_names_, changes_[i]);
  changes_.clear();
  names_ = durable_names_;
  for (auto& [path, inode] : names_) {
    std::vector<Write> writes = std::move(inode->unsynced);
    inode->unsynced.clear();
    // How much reached the disk on its own: nothing, all, or each write as it may.
    const uint64_t how = random_.below(3);
    for (const Write& write : writes) {
      if (how == 0 || (how == 2 && random_.below(2) == 0)) continue;
      size_t size = write.bytes.size();
      if (how == 2 && !write.truncates && random_.below(3) == 0) {
        const uint64_t sectors = random_.below(size / kSectorBytes + 1);
        size = static_cast<size_t>(sectors) * kSectorBytes;
        if (size == 0) continue;
      }
      apply(inode->durable, write, size);
    }
    inode->now = inode->durable;
  }
}

uint64_t SimulatedDisk::used_bytes() const {
  std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (const auto& [path, inode] : names_) total += inode->now.size();
  return total;
}

std::string* SimulatedDisk::bytes(const std::string& path) {
  std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  return found == names_.end() ? nullptr : &found->second->now;
}

std::vector<std::string> SimulatedDisk::paths() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> all;
  for (const auto& [path, inode] : names_) all.push_back(path);
  return all;
}

Result<std::unique_ptr<model::File>> SimulatedDisk::open(const std::string& path, Open how) {
  std::lock_guard lock(mutex_);
  if (how == Open::kCreate) {
    if (happens(faults_.open_fails)) {
      ++failures_;
      return input_output_error("open " + path);
    }
    const auto found = names_.find(path);
    if (found != names_.end()) {
      found->second->now.clear();
      found->second->unsynced.push_back({0, {}, true});
    } else {
      names_[path] = std::make_shared<Inode>();
      changes_.push_back({directory_of(path), path, names_[path], {}});
    }
  }
  const auto found = names_.find(path);
  if (found == names_.end()) return not_found("open " + path + ": no such file (simulated)");
  return std::unique_ptr<model::File>(std::make_unique<SimulatedFile>(*this, found->second));
}

Status SimulatedDisk::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  const auto found = names_.find(from);
  if (found == names_.end()) return not_found("rename " + from + ": no such file (simulated)");
  const NameChange change{directory_of(to), to, found->second, from};
  changes_.push_back(change);
  apply(names_, change);
  return {};
}

Status SimulatedDisk::remove(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (!names_.contains(path)) return not_found("remove " + path + ": no such file (simulated)");
  const NameChange change{directory_of(path), path, nullptr, {}};
  changes_.push_back(change);
  apply(names_, change);
  return {};
}

Result<std::vector<std::string>> SimulatedDisk::list(const std::string& directory) {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [path, inode] : names_) {
    if (directory_of(path) == directory) names.push_back(path.substr(directory.size() + 1));
  }
  return names;
}

Status SimulatedDisk::sync_directory(const std::string& directory) {
  std::lock_guard lock(mutex_);
  if (happens(faults_.sync_fails)) {
    ++failures_;
    return input_output_error("sync " + directory);
  }
  // The journal has one order for all directories: with one change go those before it.
  size_t last = 0;
  for (size_t i = 0; i < changes_.size(); ++i) {
    if (changes_[i].directory == directory) last = i + 1;
  }
  for (size_t i = 0; i < last; ++i) apply(durable_names_, changes_[i]);
  changes_.erase(changes_.begin(), changes_.begin() + static_cast<std::ptrdiff_t>(last));
  return {};
}

Result<uint64_t> SimulatedDisk::free_bytes(const std::string&) {
  const uint64_t used = used_bytes();
  return faults_.capacity_bytes > used ? faults_.capacity_bytes - used : uint64_t{0};
}

Result<std::unique_ptr<model::FileLock>> SimulatedDisk::lock(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (locks_.contains(path)) return unavailable(path + " is held (simulated)");
  locks_[path] = life_;
  return std::unique_ptr<model::FileLock>(std::make_unique<SimulatedLock>(*this, path));
}

}  // namespace gatehouse::store
