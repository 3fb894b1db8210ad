#include "store/faulty_disk_test.h"

#include <gtest/gtest.h>

#include <cstring>

namespace gatehouse::store {

class FaultyFile : public model::File {
 public:
  FaultyFile(FaultyDisk& disk, std::shared_ptr<FaultyDisk::Content> content)
      : disk_(disk), content_(std::move(content)) {}

  Result<size_t> read_at(uint64_t offset, char* out, size_t size) const override {
    std::lock_guard lock(disk_.mutex_);
    if (offset >= content_->now.size()) return size_t{0};
    const size_t got = std::min<size_t>(size, content_->now.size() - offset);
    std::memcpy(out, content_->now.data() + offset, got);
    return got;
  }
  Status write_at(uint64_t offset, std::string_view bytes) override {
    std::lock_guard lock(disk_.mutex_);
    size_t room = bytes.size();
    if (disk_.fail_writes) room /= 2;
    const uint64_t others = disk_.used_bytes() - content_->now.size();
    const uint64_t mine = disk_.capacity_bytes - others;
    if (offset + room > mine) room = mine > offset ? mine - offset : 0;
    if (content_->now.size() < offset + room) content_->now.resize(offset + room);
    std::memcpy(content_->now.data() + offset, bytes.data(), room);
    if (disk_.fail_writes) return internal_error("write: input/output error");
    if (room < bytes.size()) return resource_exhausted("write: no space left on device");
    return {};
  }
  Status sync() override {
    std::lock_guard lock(disk_.mutex_);
    if (disk_.fail_syncs) return internal_error("sync: input/output error");
    content_->synced = content_->now;
    return {};
  }
  Status truncate(uint64_t size) override {
    std::lock_guard lock(disk_.mutex_);
    content_->now.resize(size);
    return {};
  }
  Result<uint64_t> size() const override {
    std::lock_guard lock(disk_.mutex_);
    return static_cast<uint64_t>(content_->now.size());
  }

 private:
  FaultyDisk& disk_;
  std::shared_ptr<FaultyDisk::Content> content_;
};

class FaultyLock : public model::FileLock {
 public:
  FaultyLock(FaultyDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  ~FaultyLock() override { disk_.locks_[path_] = false; }

 private:
  FaultyDisk& disk_;
  std::string path_;
};

void FaultyDisk::lose_power(uint64_t kept_bytes) {
  std::lock_guard lock(mutex_);
  files_ = durable_names_;
  for (auto& [path, content] : files_) {
    auto survivor = std::make_shared<Content>();
    survivor->now = content->synced;
    if (content->now.size() > content->synced.size()) {
      survivor->now += content->now.substr(content->synced.size(), kept_bytes);
    }
    survivor->synced = survivor->now;
    content = survivor;
  }
  durable_names_ = files_;
}

std::string& FaultyDisk::bytes(const std::string& path) { return files_.at(path)->now; }

uint64_t FaultyDisk::used_bytes() const {
  uint64_t total = 0;
  for (const auto& [path, content] : files_) total += content->now.size();
  return total;
}

Result<std::unique_ptr<model::File>> FaultyDisk::open(const std::string& path, Open how) {
  std::lock_guard lock(mutex_);
  if (how == Open::kCreate) files_[path] = std::make_shared<Content>();
  const auto found = files_.find(path);
  if (found == files_.end()) return not_found("open " + path);
  return std::unique_ptr<model::File>(std::make_unique<FaultyFile>(*this, found->second));
}

Status FaultyDisk::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  files_[to] = files_.at(from);
  files_.erase(from);
  return {};
}

Status FaultyDisk::remove(const std::string& path) {
  std::lock_guard lock(mutex_);
  return files_.erase(path) == 1 ? Status() : not_found("remove " + path);
}

Result<std::vector<std::string>> FaultyDisk::list(const std::string& directory) {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [path, content] : files_) {
    if (path.starts_with(directory + "/")) names.push_back(path.substr(directory.size() + 1));
  }
  return names;
}

Status FaultyDisk::sync_directory(const std::string&) {
  std::lock_guard lock(mutex_);
  if (fail_syncs) return internal_error("sync: input/output error");
  durable_names_ = files_;
  return {};
}

Result<std::unique_ptr<model::FileLock>> FaultyDisk::lock(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (locks_[path]) return unavailable(path + " is held");
  locks_[path] = true;
  return std::unique_ptr<model::FileLock>(std::make_unique<FaultyLock>(*this, path));
}

namespace {

TEST(FaultyDisk, KeepsWhatWasSyncedAndAPartOfTheRest) {
  FaultyDisk disk;
  auto file = *disk.open("d/a", model::Disk::Open::kCreate);
  ASSERT_TRUE(file->write_at(0, "safe").ok());
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(disk.sync_directory("d").ok());
  ASSERT_TRUE(file->write_at(4, "lost").ok());
  ASSERT_TRUE((*disk.open("d/b", model::Disk::Open::kCreate))->write_at(0, "x").ok());
  disk.lose_power(2);
  EXPECT_EQ(disk.bytes("d/a"), "safelo");
  EXPECT_EQ(*disk.list("d"), std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace gatehouse::store
