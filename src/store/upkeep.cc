// What a RecordLog does beside the appends: sync, seal, repair, retire.
#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/text.h"
#include "store/record_log.h"

namespace gatehouse::store {
namespace {

constexpr int64_t kUpkeepIntervalMs = 1000;  // where no sync asks for a shorter one
// A wall clock that moved this much more than time passed has jumped; retention
// by age then waits, so that a wrong date does not delete what is young.
constexpr int64_t kClockJumpNs = 600LL * 1'000'000'000;
// Only appends that are waiting right now ask for a lost range.
constexpr size_t kLostRangesMax = 64;
constexpr int64_t kHoldRetentionNs = 3600LL * 1'000'000'000;

}  // namespace

Status RecordLog::sync() {
  std::lock_guard lock(sync_mutex_);
  return sync_locked();
}

// Group commit: whoever gets the lock first syncs for all that wrote before it.
Status RecordLog::sync_through(Position position) {
  std::lock_guard lock(sync_mutex_);
  const auto lost = [&] {
    return std::any_of(lost_.begin(), lost_.end(), [&](const LostRange& range) {
      return position > range.after && position <= range.through;
    });
  };
  if (!lost() && synced_position_ < position) {
    Status synced = sync_locked();
    if (!synced.ok() && !lost()) return synced;
  }
  if (lost()) return unavailable("record log: the disk did not confirm the write; try again");
  return {};
}

Status RecordLog::sync_locked() {
  RETURN_IF_ERROR(seal_full_segments());
  SegmentPtr newest;
  uint64_t end = 0;
  Position position = 0;
  bool directory_dirty = false;
  {
    std::lock_guard lock(mutex_);
    newest = segments_.back();
    end = newest->index.end;
    position = next_position_ - 1;
    directory_dirty = directory_dirty_;
    if (newest->synced_end == end && !directory_dirty) {
      synced_position_ = position;
      return {};
    }
  }
  Status status = newest->file->sync();
  if (status.ok() && directory_dirty) status = options_.disk->sync_directory(options_.directory);
  if (!status.ok()) {
    sync_failed(newest, status);
    return status.with_context("record log");
  }
  std::lock_guard lock(mutex_);
  newest->synced_end = end;
  if (directory_dirty) directory_dirty_ = false;
  synced_position_ = position;
  if (!health_.ok() && newest == segments_.back()) {
    log_info("record log: syncing again", {{"directory", options_.directory}});
    health_ = {};
  }
  return {};
}

// After a failed fsync the kernel may have dropped the pages and will report
// success next time: the segment is written no more, whatever a retry would say.
void RecordLog::sync_failed(const SegmentPtr& segment, const Status& status) {
  std::lock_guard lock(mutex_);
  ++stats_.sync_failures;
  note_failure(status, "a sync failed; a power cut may take back the newest records");
  segment->untrusted = true;
  if (options_.sync_interval_ms == 0) {
    // Nothing since the last good sync was acknowledged: take it back, so that a
    // refused append leaves no record behind.
    if (lost_.size() >= kLostRangesMax) lost_.erase(lost_.begin());
    lost_.push_back({synced_position_, next_position_ - 1});
    const uint64_t keep = std::max<uint64_t>(segment->synced_end, kFileHeaderBytes);
    if (segment->file->truncate(keep).ok()) {
      Result<ScanResult> scan = scan_segment(*segment->file, segment->header, nullptr, {});
      if (scan.ok()) {
        segment->names_defined = scan->index.names.size();
        segment->streams_defined = scan->index.streams.size();
        segment->index = std::move(scan->index);
      }
      segment->bytes = keep;
    }
  }
  if (segment == segments_.back()) {
    start_new_segment_ = true;
    (void)start_segment();  // where it fails, the next append tries again
  }
}

// Footers for the segments that another follows.
Status RecordLog::seal_full_segments() {
  for (;;) {
    SegmentPtr full;
    SegmentIndex index;
    {
      std::lock_guard lock(mutex_);
      for (size_t i = 0; i + 1 < segments_.size() && full == nullptr; ++i) {
        if (!segments_[i]->sealed && !segments_[i]->untrusted) full = segments_[i];
      }
      if (full == nullptr) return {};
      index = full->index;
      const auto names = dictionary_.names(1, full->names_defined);
      index.names.assign(names.begin(), names.end());
      index.streams.clear();
      for (const model::Labels* labels : dictionary_.streams(1, full->streams_defined)) {
        index.streams.push_back(*labels);
      }
      index.stream_defined.assign(index.streams.size(), true);
    }
    const Result<uint64_t> bytes = seal_segment(*full->file, full->header, index);
    if (!bytes.ok() && bytes.status().code() == Code::kResourceExhausted) {
      // No room for a footer. The records are whole without it: sync them, and seal later.
      (void)full->file->truncate(index.end);
      if (full->synced_end != index.end) {
        if (const Status synced = full->file->sync(); !synced.ok()) sync_failed(full, synced);
      }
      std::lock_guard lock(mutex_);
      full->synced_end = index.end;
      return {};
    }
    if (!bytes.ok()) {
      sync_failed(full, bytes.status());
      return bytes.status().with_context("record log: seal " + full->name);
    }
    std::lock_guard lock(mutex_);
    full->index = std::move(index);
    full->bytes = *bytes;
    full->synced_end = full->index.end;
    full->sealed = true;
    full->file.reset();
  }
}

void RecordLog::repair_suspects() {
  SegmentPtr suspect;
  {
    std::lock_guard lock(mutex_);
    for (const SegmentPtr& segment : segments_) {
      if (segment->suspect && segment->sealed) suspect = segment;
    }
  }
  if (suspect == nullptr) return;
  Result<std::unique_ptr<Repair>> repair =
      repair_segment(*options_.disk, options_.directory, suspect->name);
  std::lock_guard lock(mutex_);
  if (!repair.ok()) {
    log_error("record log: a damaged segment could not be repaired; what is whole is served",
              {{"file", path(suspect->name)}, {"error", repair.status().message()}});
    suspect->suspect = false;  // until damage is seen again
    return;
  }
  const auto at = std::find(segments_.begin(), segments_.end(), suspect);
  if (at == segments_.end()) return;  // retired meanwhile
  ++stats_.damaged_files;
  if (*repair == nullptr) {
    segments_.erase(at);
    return;
  }
  auto repaired = std::make_shared<Segment>();
  repaired->name = suspect->name;
  repaired->header = (*repair)->header;
  repaired->index = std::move((*repair)->scan.index);
  repaired->bytes = (*repair)->bytes;
  repaired->sealed = true;
  stats_.lost_bytes += (*repair)->scan.lost_bytes;
  *at = repaired;
  log_error("record log: a damaged segment was set aside and its whole records kept",
            {{"file", path(suspect->name) + ".damaged"},
             {"unreadable_bytes", (*repair)->scan.lost_bytes},
             {"next", "check the disk; delete the file once it is not needed"}});
}

bool RecordLog::age_retention_holds(int64_t wall_ns) {
  const int64_t steady_ns = options_.clock->steady_ns();
  const bool first = last_steady_ns_ == 0;
  const int64_t drift_ns = (wall_ns - last_wall_ns_) - (steady_ns - last_steady_ns_);
  last_wall_ns_ = wall_ns;
  last_steady_ns_ = steady_ns;
  if (!first && (drift_ns > kClockJumpNs || drift_ns < -kClockJumpNs)) {
    hold_retention_until_ns_ = steady_ns + kHoldRetentionNs;
    log_warning("record log: the clock jumped; retention by age waits an hour",
                {{"directory", options_.directory}, {"jump_seconds", drift_ns / 1'000'000'000}});
  }
  return steady_ns < hold_retention_until_ns_;
}

void RecordLog::retire() {
  const int64_t wall_ns = options_.clock->wall_ns();
  const bool hold = age_retention_holds(wall_ns);
  for (;;) {
    SegmentPtr oldest;
    {
      std::lock_guard lock(mutex_);
      const Segment& newest = *segments_.back();
      if (newest.index.last_position != 0 &&
          wall_ns - newest.header.created_ns > options_.segment_age_ms * 1'000'000) {
        start_new_segment_ = true;  // at the next append
      }
      if (segments_.size() < 2) return;
      uint64_t bytes = 0;
      for (const SegmentPtr& segment : segments_) bytes += segment->bytes;
      // A record from a caller with a wrong clock must not keep its segment for
      // ever: none is newer than the segment that came next.
      const int64_t newest_ns =
          std::min(segments_.front()->index.max_ns, segments_[1]->header.created_ns);
      const bool too_large =
          options_.retention_bytes > 0 && bytes > static_cast<uint64_t>(options_.retention_bytes);
      const bool too_old = options_.retention_age_ms > 0 && !hold &&
                           newest_ns < wall_ns - options_.retention_age_ms * 1'000'000;
      if (!too_large && !too_old) return;
      oldest = segments_.front();
      segments_.erase(segments_.begin());
      ++stats_.segments_retired;
      directory_dirty_ = true;
    }
    if (const Status removed = options_.disk->remove(path(oldest->name)); !removed.ok()) {
      log_error("record log: a segment past its retention could not be deleted",
                {{"file", path(oldest->name)}, {"error", removed.message()}});
    }
  }
}

void RecordLog::upkeep() {
  {
    std::lock_guard lock(sync_mutex_);
    (void)sync_locked();  // noted in health
    repair_suspects();
    retire();
  }
}

void RecordLog::run_background() {
  const int64_t interval_ms =
      options_.sync_interval_ms > 0 ? options_.sync_interval_ms : kUpkeepIntervalMs;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, std::chrono::milliseconds(interval_ms),
                   [this] { return stopping_ || wake_upkeep_; });
    wake_upkeep_ = false;
    if (stopping_) return;
    lock.unlock();
    upkeep();
    lock.lock();
  }
}

}  // namespace gatehouse::store
