// How a RecordLog comes back from what it finds on the disk.
#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/text.h"
#include "store/record_log.h"

namespace gatehouse::store {
namespace {

// Past any number of records that a power cut can take back within a sync interval.
constexpr Position kPositionGap = Position{1} << 24;

bool is_segment(std::string_view name) {
  return name.size() == 20 && name.ends_with(".log") &&
         name.find_first_not_of("0123456789abcdef") == 16;
}

}  // namespace

Status RecordLog::recover() {
  const int64_t started_ns = options_.clock->steady_ns();
  RETURN_IF_ERROR(options_.disk->make_directory(options_.directory));
  Result<std::unique_ptr<model::FileLock>> lock = options_.disk->lock(path("LOCK"));
  if (!lock.ok()) {
    if (lock.status().code() != Code::kUnavailable) return lock.status();
    return unavailable("another gatehouse has the directory " + options_.directory +
                       " open; stop it, or give this one another directory");
  }
  directory_lock_ = std::move(*lock);
  ASSIGN_OR_RETURN(std::vector<std::string> names, options_.disk->list(options_.directory));
  RETURN_IF_ERROR(finish_repairs(names));
  std::erase_if(names, [](const std::string& name) { return !is_segment(name); });
  for (size_t i = 0; i < names.size(); ++i) {
    RETURN_IF_ERROR(recover_segment(names[i], i + 1 == names.size()));
  }
  if (!segments_.empty()) next_position_ += kPositionGap;
  if (segments_.empty() || segments_.back()->file == nullptr) RETURN_IF_ERROR(start_segment());
  synced_position_ = next_position_ - 1;
  fill_window();
  stats_.recovery_seconds = static_cast<double>(options_.clock->steady_ns() - started_ns) / 1e9;
  log_info("record log: open", {{"directory", options_.directory},
                                {"segments", static_cast<uint64_t>(segments_.size())},
                                {"last_position", last_position()},
                                {"seconds", stats_.recovery_seconds}});
  return {};
}

// A .repair file whose segment is gone takes its place; any other was not finished.
Status RecordLog::finish_repairs(std::vector<std::string>& names) {
  constexpr std::string_view kSuffix = ".repair";
  std::vector<std::string> repairs;
  for (const std::string& name : names) {
    if (name.ends_with(kSuffix)) repairs.push_back(name);
  }
  for (const std::string& name : repairs) {
    const std::string segment = name.substr(0, name.size() - kSuffix.size());
    if (!is_segment(segment)) continue;
    if (std::find(names.begin(), names.end(), segment) != names.end()) {
      RETURN_IF_ERROR(options_.disk->remove(path(name)));
      continue;
    }
    RETURN_IF_ERROR(options_.disk->rename(path(name), path(segment)));
    names.push_back(segment);
  }
  std::sort(names.begin(), names.end());
  return {};
}

Status RecordLog::set_aside(const std::string& name, std::string_view why) {
  RETURN_IF_ERROR(options_.disk->rename(path(name), path(name) + ".damaged"));
  ++stats_.damaged_files;
  log_error("record log: a damaged segment was set aside",
            {{"file", path(name) + ".damaged"},
             {"error", why},
             {"next", "check the disk; delete the file once it is not needed"}});
  return {};
}

Status RecordLog::recover_segment(const std::string& name, bool newest) {
  Result<std::unique_ptr<model::File>> file =
      options_.disk->open(path(name), model::Disk::Open::kWrite);
  if (!file.ok()) return file.status().with_context("record log: open a segment");
  ASSIGN_OR_RETURN(const uint64_t size, (*file)->size());
  const Result<FileHeader> header = read_file_header(**file);
  if (!header.ok()) {
    if (header.status().code() == Code::kUnimplemented) {
      return header.status().with_context(path(name));
    }
    // A power cut between making a file and syncing it leaves it empty or zeros.
    if (size <= kFileHeaderBytes) {
      stats_.torn_bytes += size;
      log_warning("record log: removed a segment without records",
                  {{"file", path(name)}, {"bytes", size}});
      return options_.disk->remove(path(name));
    }
    return set_aside(name, header.status().message());
  }
  Result<ScanResult> scan = index_segment(**file, *header);
  if (!scan.ok()) return set_aside(name, scan.status().message());
  if (scan->damaged) {
    ASSIGN_OR_RETURN(const std::unique_ptr<Repair> repair,
                     repair_segment(*options_.disk, options_.directory, name));
    if (repair == nullptr) return {};
    ++stats_.damaged_files;
    stats_.lost_bytes += repair->scan.lost_bytes;
    log_error("record log: a damaged segment was set aside and its whole records kept",
              {{"file", path(name) + ".damaged"},
               {"unreadable_bytes", repair->scan.lost_bytes},
               {"next", "check the disk; delete the file once it is not needed"}});
    ScanResult repaired = repair->scan;
    repaired.sealed = true;
    return adopt(name, repair->header, std::move(repaired), newest);
  }
  if (!scan->sealed && size > scan->index.end) {
    // A torn tail, or a footer that was not finished.
    RETURN_IF_ERROR((*file)->truncate(scan->index.end));
    stats_.torn_bytes += size - scan->index.end;
    log_warning(
        "record log: cut a torn tail; nothing acknowledged is lost unless the machine "
        "lost power",
        {{"file", path(name)}, {"bytes", size - scan->index.end}});
  }
  return adopt(name, *header, std::move(*scan), newest);
}

Status RecordLog::adopt(const std::string& name, const FileHeader& header, ScanResult scan,
                        bool newest) {
  auto segment = std::make_shared<Segment>();
  segment->name = name;
  segment->header = header;
  segment->index = std::move(scan.index);
  segment->sealed = scan.sealed;
  next_position_ =
      std::max({next_position_, header.first_position, segment->index.last_position + 1});
  ASSIGN_OR_RETURN(std::unique_ptr<model::File> file,
                   options_.disk->open(path(name), model::Disk::Open::kWrite));
  if (!segment->sealed && !newest) {
    // A full disk has no room for a footer: it is read without one, and tried again
    // at the next start.
    const Result<uint64_t> sealed = seal_segment(*file, header, segment->index);
    if (!sealed.ok()) RETURN_IF_ERROR(file->truncate(segment->index.end));
    segment->sealed = true;  // constant from here on, which is what it means in memory
  }
  ASSIGN_OR_RETURN(segment->bytes, file->size());
  segment->synced_end = segment->index.end;
  if (!segment->sealed) {
    // What the last process wrote may still be in the page cache alone.
    if (!file->sync().ok()) start_new_segment_ = true;
    dictionary_.seed(segment->index);
    segment->names_defined = segment->index.names.size();
    segment->streams_defined = segment->index.streams.size();
    segment->file = std::move(file);
  }
  segments_.push_back(std::move(segment));
  return {};
}

void RecordLog::fill_window() {
  std::vector<std::pair<model::Labels, model::OwnedRecord>> newest;
  std::vector<Position> positions;
  size_t bytes = 0;
  const Status status =
      read({}, {}, model::Order::kNewestFirst,
           [&](const model::Labels& labels, const model::Record& record, Position position) {
             if (newest.size() >= options_.window_records) return false;
             newest.emplace_back(labels, model::OwnedRecord(record));
             positions.push_back(position);
             bytes += newest.back().second.memory_bytes();
             return bytes < options_.window_bytes;
           });
  if (!status.ok()) {
    log_warning("record log: the newest records could not be read back",
                {{"directory", options_.directory}, {"error", status.message()}});
  }
  EncodedBatch batch;
  for (size_t i = newest.size(); i-- > 0;) {
    const Result<model::StreamId> id = dictionary_.stream(newest[i].first);
    if (!id.ok()) continue;
    const model::StreamRecord one{*id, newest[i].second.view()};
    if (!encode_batch({&one, 1}, dictionary_, batch).ok()) continue;
    window_.add(std::string_view(batch.frame).substr(kFrameHeaderBytes), positions[i], 1,
                batch.min_ns, batch.max_ns);
  }
}

}  // namespace gatehouse::store
