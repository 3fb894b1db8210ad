#include "store/real_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace gatehouse::store {
namespace {

using model::Disk;
using model::File;
using model::FileLock;
using model::Mapping;

Status failure(std::string_view what, const std::string& path) {
  const int error = errno;
  std::string context(what);
  context.append(" ").append(path);
  Status status = from_errno(error, context);
  // RLIMIT_FSIZE is a limit like a full disk is.
  if (error == EFBIG) return {Code::kResourceExhausted, status.message()};
  return status;
}

class RealFile : public File {
 public:
  RealFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~RealFile() override { ::close(fd_); }

  Result<size_t> read_at(uint64_t offset, char* out, size_t size) const override {
    size_t done = 0;
    while (done < size) {
      const ssize_t got = ::pread(fd_, out + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failure("read", path_);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Status write_at(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t put = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return failure("write", path_);
      bytes.remove_prefix(static_cast<size_t>(put));
      offset += static_cast<uint64_t>(put);
    }
    return {};
  }

  Status sync() override { return ::fdatasync(fd_) == 0 ? Status() : failure("sync", path_); }

  Status truncate(uint64_t size) override {
    return ::ftruncate(fd_, static_cast<off_t>(size)) == 0 ? Status() : failure("truncate", path_);
  }

  int fd() const { return fd_; }

  Result<uint64_t> size() const override {
    struct stat found {};
    if (::fstat(fd_, &found) != 0) return failure("stat", path_);
    return static_cast<uint64_t>(found.st_size);
  }

 private:
  int fd_;
  std::string path_;
};

class RealMapping : public Mapping {
 public:
  RealMapping(char* start, size_t size) : start_(start), size_(size) {}
  ~RealMapping() override {
    if (size_ != 0) ::munmap(start_, size_);
  }
  std::string_view bytes() const override { return {start_, size_}; }
  void forget() const override {
    if (size_ != 0) ::madvise(start_, size_, MADV_DONTNEED);
  }

 private:
  char* start_;
  size_t size_;
};

class RealLock : public FileLock {
 public:
  explicit RealLock(int fd) : fd_(fd) {}
  ~RealLock() override { ::close(fd_); }

 private:
  int fd_;
};

class RealDisk : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    int flags = O_CLOEXEC;
    if (how == Open::kRead) flags |= O_RDONLY;
    if (how == Open::kWrite) flags |= O_RDWR;
    if (how == Open::kCreate) flags |= O_RDWR | O_CREAT | O_TRUNC;
    const int fd = ::open(path.c_str(), flags, 0600);
    if (fd < 0) return failure("open", path);
    return std::unique_ptr<File>(std::make_unique<RealFile>(fd, path));
  }

  Result<std::unique_ptr<Mapping>> map(const std::string& path) override {
    ASSIGN_OR_RETURN(const std::unique_ptr<File> file, open(path, Open::kRead));
    ASSIGN_OR_RETURN(const uint64_t size, file->size());
    void* start = nullptr;
    if (size != 0) {
      const int fd = static_cast<const RealFile&>(*file).fd();
      start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
      if (start == MAP_FAILED) return failure("map", path);
    }
    return std::unique_ptr<Mapping>(std::make_unique<RealMapping>(static_cast<char*>(start), size));
  }

  Status link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) == 0) return {};
    // Another file system, one without links, or too many of them.
    if (errno == EXDEV || errno == EPERM || errno == EMLINK || errno == EOPNOTSUPP) {
      return Disk::link(from, to);
    }
    return failure("link", to);
  }

  Status rename(const std::string& from, const std::string& to) override {
    return ::rename(from.c_str(), to.c_str()) == 0 ? Status() : failure("rename", from);
  }

  Status remove(const std::string& path) override {
    return ::unlink(path.c_str()) == 0 ? Status() : failure("remove", path);
  }

  Status make_directory(const std::string& path) override {
    for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
      const std::string part = path.substr(0, at);
      if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
        return failure("make directory", part);
      }
      if (at == std::string::npos) break;
    }
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return failure("stat", path);
    if (!S_ISDIR(found.st_mode)) return invalid_argument(path + " is not a directory");
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    DIR* open = ::opendir(directory.c_str());
    if (open == nullptr) return failure("list", directory);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(open)) {
      const std::string_view found = entry->d_name;
      if (found != "." && found != "..") names.emplace_back(found);
    }
    ::closedir(open);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status sync_directory(const std::string& directory) override {
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return failure("open", directory);
    Status status = ::fsync(fd) == 0 ? Status() : failure("sync", directory);
    ::close(fd);
    return status;
  }

  Result<uint64_t> free_bytes(const std::string& directory) override {
    struct statvfs found {};
    if (::statvfs(directory.c_str(), &found) != 0) return failure("statvfs", directory);
    return uint64_t{found.f_bavail} * found.f_frsize;
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return failure("open", path);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const bool held = errno == EWOULDBLOCK;
      const Status status = failure("lock", path);
      ::close(fd);
      return held ? unavailable(path + " is held by another process") : status;
    }
    return std::unique_ptr<FileLock>(std::make_unique<RealLock>(fd));
  }
};

}  // namespace

model::Disk& real_disk() {
  static RealDisk disk;
  return disk;
}

}  // namespace gatehouse::store
