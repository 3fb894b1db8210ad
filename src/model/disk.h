// The disk as an interface, so that a failure (torn, dropped or refused writes,
// a failed sync, a full disk) is one process and one seed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gatehouse::model {

// An open file. Reads are safe from any thread, also while one thread writes.
class File {
 public:
  virtual ~File() = default;

  // Reads up to `size` bytes; fewer only at the end of the file.
  virtual Result<size_t> read_at(uint64_t offset, char* out, size_t size) const = 0;
  // Writes all of `bytes`. On an error a part of them may have been written. A
  // full disk, quota or file size limit is kResourceExhausted.
  virtual Status write_at(uint64_t offset, std::string_view bytes) = 0;
  // Makes the file's bytes and size durable. After a failure nothing is known of
  // what was written since the last success, and trying again proves nothing.
  virtual Status sync() = 0;
  virtual Status truncate(uint64_t size) = 0;
  virtual Result<uint64_t> size() const = 0;
};

// A file's bytes as they were when it was mapped, in memory that is the page cache's
// where the disk has one. For files that nobody writes any more.
class Mapping {
 public:
  virtual ~Mapping() = default;
  virtual std::string_view bytes() const = 0;
  // Takes the pages out of the process's memory; the next who reads them gets them
  // from the page cache or the disk. From any thread, also while others read.
  virtual void forget() const {}
};

// Held until it is destroyed, or the process ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class Disk {
 public:
  virtual ~Disk() = default;

  enum class Open { kRead, kWrite, kCreate };  // kCreate: makes it, or empties what is there
  virtual Result<std::unique_ptr<File>> open(const std::string& path, Open how) = 0;
  // The whole file, to read. Here: a copy; a disk that can do better does.
  virtual Result<std::unique_ptr<Mapping>> map(const std::string& path);
  // A second name for a file that nobody writes any more. Here: a copy, synced; a
  // disk that can do better does. The directory is not synced.
  virtual Status link(const std::string& from, const std::string& to);
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  // Makes the directory and its parents, mode 0700; no error where it is there.
  virtual Status make_directory(const std::string& path) = 0;
  // The names in a directory, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  // Makes creations, renames and removals in the directory durable.
  virtual Status sync_directory(const std::string& directory) = 0;
  virtual Result<uint64_t> free_bytes(const std::string& directory) = 0;
  // kUnavailable: another process (or another FileLock of this one) holds it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

}  // namespace gatehouse::model
