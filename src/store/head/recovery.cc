#include "store/head/recovery.h"

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "store/segment.h"

namespace gatehouse::store {
namespace {

// Positions go on so far past the last one found: those of frames that a power cut
// took are never given to others.
constexpr Position kPositionGap = Position{1} << 20;

struct FileOf {
  uint32_t number;
  std::string path;
};

// Files "<8 hex digits><suffix>", by number.
Result<std::vector<FileOf>> numbered(model::Disk& disk, const std::string& directory,
                                     std::string_view suffix) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, disk.list(directory));
  std::vector<FileOf> found;
  for (const std::string& name : names) {
    if (name.size() != 8 + suffix.size() || !name.ends_with(suffix)) continue;
    uint32_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + 8, number, 16);
    if (error == std::errc() && end == name.data() + 8) {
      found.push_back({number, directory + "/" + name});
    }
  }
  std::sort(found.begin(), found.end(),
            [](const FileOf& a, const FileOf& b) { return a.number < b.number; });
  return found;
}

void tell(RecoveryReport& report, const std::string& path, const HeadLoader::Read& read) {
  if (read.torn_bytes > 0) {
    report.torn_bytes += read.torn_bytes;
    log_warning("the end of a file of the samples' log was not whole and is cut off",
                {{"file", path}, {"bytes", read.torn_bytes}});
  }
  if (!read.damaged) return;
  report.lost_bytes += read.lost_bytes;
  report.damaged.push_back(path);
  report.problems.push_back(path + " is damaged: " + std::to_string(read.lost_bytes) +
                            " bytes could not be read; the rest is served, and the file is set "
                            "aside as " +
                            path + ".damaged");
  log_error("a file of the samples' log is damaged; what is whole of it is served",
            {{"file", path}, {"lost_bytes", read.lost_bytes}});
}

}  // namespace

Result<RecoveryReport> recover(model::Disk& disk, const std::string& head_directory,
                               const std::string& wal_directory, Head& head, unsigned threads,
                               RecoveryProgress* progress) {
  RecoveryReport report;
  ASSIGN_OR_RETURN(const std::vector<std::string> in_head, disk.list(head_directory));
  for (const std::string& name : in_head) {
    if (name.ends_with(".snapshot.tmp")) (void)disk.remove(head_directory + "/" + name);
  }
  ASSIGN_OR_RETURN(std::vector<FileOf> snapshots, numbered(disk, head_directory, ".snapshot"));
  ASSIGN_OR_RETURN(std::vector<FileOf> segments, numbered(disk, wal_directory, ".wal"));
  HeadLoader loader(head, threads);
  // The newest snapshot that can be read at all; those before it are leftovers.
  while (!snapshots.empty()) {
    const FileOf newest = snapshots.back();
    snapshots.pop_back();
    Result<std::unique_ptr<model::File>> file = disk.open(newest.path, model::Disk::Open::kRead);
    if (!file.ok()) return file.status();
    if (progress != nullptr) progress->bytes_total += (*file)->size().value_or(0);
    Result<HeadLoader::Read> read = loader.load(**file, progress);
    if (!read.ok()) {
      if (read.status().code() != Code::kDataLoss) return read.status().with_context(newest.path);
      report.damaged.push_back(newest.path);
      report.problems.push_back(newest.path + ": " + read.status().message());
      log_error("a snapshot of the head cannot be read and is set aside",
                {{"file", newest.path}, {"reason", read.status().message()}});
      continue;
    }
    read->damaged |= !read->complete;
    read->lost_bytes += read->torn_bytes;
    read->torn_bytes = 0;
    tell(report, newest.path, *read);
    report.snapshot = newest.number;
    report.next_segment = std::max(report.next_segment, newest.number);
    break;
  }
  for (const FileOf& leftover : snapshots) (void)disk.remove(leftover.path);
  for (const FileOf& segment : segments) {
    report.next_segment = std::max(report.next_segment, segment.number + 1);
    ASSIGN_OR_RETURN(const std::unique_ptr<model::File> file,
                     disk.open(segment.path, model::Disk::Open::kWrite));
    ASSIGN_OR_RETURN(const uint64_t size, file->size());
    if (segment.number < report.snapshot) {
      report.segments[segment.number] = size;
      continue;
    }
    if (progress != nullptr) progress->bytes_total += size;
    Result<HeadLoader::Read> read = loader.load(*file, progress);
    if (!read.ok()) {
      if (read.status().code() != Code::kDataLoss) return read.status().with_context(segment.path);
      // A segment whose very header did not make it to the disk has nothing.
      if (segment.number == segments.back().number && size <= kFileHeaderBytes) {
        (void)disk.remove(segment.path);
        continue;
      }
      report.damaged.push_back(segment.path);
      report.lost_bytes += size;
      report.problems.push_back(segment.path + ": " + read.status().message());
      log_error("a segment of the samples' log cannot be read and is set aside",
                {{"file", segment.path}, {"reason", read.status().message()}});
      continue;
    }
    tell(report, segment.path, *read);
    report.segments[segment.number] = size;
    if (read->torn_bytes > 0 && !read->damaged) {
      RETURN_IF_ERROR(file->truncate(read->end));
      RETURN_IF_ERROR(file->sync());
      report.segments[segment.number] = read->end;
    }
  }
  report.samples = loader.samples();
  report.unknown_samples = loader.unknown();
  report.next_position = loader.next_position() + kPositionGap;
  report.series = head.stats().series;
  return report;
}

}  // namespace gatehouse::store
