#include "store/record_log.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "base/random.h"

namespace gatehouse::store {
namespace {

// A thread's buffer is kept between appends up to this size: a batch of 500
// records of the usual 400 bytes fits in it.
constexpr size_t kKeptBufferBytes = size_t{512} << 10;
constexpr int64_t kFailureLogIntervalNs = 10'000'000'000;

std::string frame_of(std::string payload_with_room, Position position, FrameType type,
                     uint64_t salt) {
  const auto payload = std::string_view(payload_with_room).substr(kFrameHeaderBytes);
  finish_frame(payload_with_room, crc32c(payload), position, type, salt);
  return payload_with_room;
}

}  // namespace

RecordLog::RecordLog(RecordLogOptions options)
    : options_(std::move(options)),
      window_(dictionary_, options_.window_records, options_.window_bytes) {}

Result<std::unique_ptr<RecordLog>> RecordLog::open(RecordLogOptions options) {
  std::unique_ptr<RecordLog> log(new RecordLog(std::move(options)));
  const Status recovered = log->recover();
  if (!recovered.ok()) return recovered;
  if (log->options_.background) {
    log->background_ = std::thread([raw = log.get()] { raw->run_background(); });
  }
  return log;
}

RecordLog::~RecordLog() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (background_.joinable()) background_.join();
  if (segments_.empty()) return;  // it never opened
  if (const Status synced = sync(); !synced.ok()) {
    log_error("record log: the last sync failed; a power cut may take back the newest records",
              {{"directory", options_.directory}, {"error", synced.message()}});
  }
}

Result<model::StreamId> RecordLog::stream(const model::Labels& labels) {
  return dictionary_.stream(labels);
}

Result<Position> RecordLog::append(std::span<const model::StreamRecord> records) {
  if (records.empty()) return last_position();
  thread_local EncodedBatch batch;
  RETURN_IF_ERROR(encode_batch(records, dictionary_, batch));
  Position last = 0;
  {
    std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(make_room(batch));
    Segment& segment = *segments_.back();
    const Position first = next_position_;
    finish_frame(batch.frame, batch.payload_crc, first, FrameType::kBatch, segment.header.salt);
    const uint64_t offset = segment.index.end;
    RETURN_IF_ERROR(write_frame(batch.frame));
    segment.index.add_frame(offset, batch.frame.size(), first);
    segment.index.add_records(first, batch.records, batch.min_ns, batch.max_ns);
    for (const uint64_t id : batch.stream_ids) segment.index.use_stream(id);
    next_position_ += batch.records;
    last = next_position_ - 1;
    stats_.records_appended += batch.records;
    window_.add(std::string_view(batch.frame).substr(kFrameHeaderBytes), first, batch.records,
                batch.min_ns, batch.max_ns);
  }
  if (batch.frame.capacity() > kKeptBufferBytes) std::string().swap(batch.frame);
  if (options_.sync_interval_ms == 0) RETURN_IF_ERROR(sync_through(last));
  window_.wake();
  return last;
}

Position RecordLog::last_position() const {
  std::lock_guard lock(mutex_);
  for (auto it = segments_.rbegin(); it != segments_.rend(); ++it) {
    if ((*it)->index.last_position != 0) return (*it)->index.last_position;
  }
  return 0;
}

// Sees to it that the newest segment has room for the batch and defines its ids.
Status RecordLog::make_room(const EncodedBatch& batch) {
  for (const uint64_t id : batch.stream_ids) {
    if (id == 0 || id > kStreamsMax) return invalid_argument("no stream has this id");
  }
  const Segment& newest = *segments_.back();
  const bool full =
      newest.index.last_position != 0 &&
      newest.index.end + batch.frame.size() > static_cast<uint64_t>(options_.segment_bytes);
  if (full || start_new_segment_) RETURN_IF_ERROR(start_segment());
  return define(batch);
}

Status RecordLog::start_segment() {
  auto segment = std::make_shared<Segment>();
  segment->name = segment_name(next_position_);
  segment->header = {next_position_, options_.clock->wall_ns(),
                     get_le<uint64_t>(random_bytes(8).data())};
  // A segment without records can have the same name: only where it is being replaced,
  // for an error on its file.
  if (!segments_.empty() && segments_.back()->name == segment->name) {
    segment->name = segment_name(++next_position_);
    segment->header.first_position = next_position_;
  }
  Result<std::unique_ptr<model::File>> file =
      options_.disk->open(path(segment->name), model::Disk::Open::kCreate);
  Status status = file.ok() ? (*file)->write_at(0, encode(segment->header)) : file.status();
  if (!status.ok()) {
    if (file.ok()) (void)options_.disk->remove(path(segment->name));
    note_failure(status, "a new segment could not be made");
    ++stats_.append_failures;
    return status.with_context("record log: start a segment");
  }
  segment->file = std::move(*file);
  segment->bytes = kFileHeaderBytes;
  segments_.push_back(std::move(segment));
  start_new_segment_ = false;
  directory_dirty_ = true;
  wake_upkeep_ = true;
  wake_.notify_one();
  return {};
}

// Defines every id up to the greatest that the batch has: ids are given in order,
// so that one comparison tells whether there is something to define.
Status RecordLog::define(const EncodedBatch& batch) {
  Segment& segment = *segments_.back();
  uint64_t stream_id_max = 0;
  for (const uint64_t id : batch.stream_ids) stream_id_max = std::max(stream_id_max, id);
  if (batch.name_id_max > segment.names_defined) {
    const size_t last = dictionary_.name_count();
    std::string payload(kFrameHeaderBytes, '\0');
    put_names(payload, segment.names_defined + 1,
              dictionary_.names(segment.names_defined + 1, last));
    const uint64_t offset = segment.index.end;
    const std::string frame =
        frame_of(std::move(payload), next_position_, FrameType::kNames, segment.header.salt);
    RETURN_IF_ERROR(write_frame(frame));
    segment.index.add_frame(offset, frame.size(), next_position_);
    segment.names_defined = last;
  }
  if (stream_id_max > segment.streams_defined) {
    const size_t last = dictionary_.stream_count();
    if (stream_id_max > last) return invalid_argument("no stream has this id");
    std::string payload(kFrameHeaderBytes, '\0');
    put_streams(payload, segment.streams_defined + 1,
                dictionary_.streams(segment.streams_defined + 1, last));
    const uint64_t offset = segment.index.end;
    const std::string frame =
        frame_of(std::move(payload), next_position_, FrameType::kStreams, segment.header.salt);
    RETURN_IF_ERROR(write_frame(frame));
    segment.index.add_frame(offset, frame.size(), next_position_);
    segment.streams_defined = last;
  }
  return {};
}

// Writes at the end of the newest segment. After a failure the file ends where it
// did before, or holds bytes there that the next write overwrites and that no
// reader takes for a frame.
Status RecordLog::write_frame(std::string_view frame) {
  Segment& segment = *segments_.back();
  const Status written = segment.file->write_at(segment.index.end, frame);
  if (!written.ok()) {
    (void)segment.file->truncate(segment.index.end);
    // A full disk passes; where a place on the disk is bad, another file may do.
    if (written.code() != Code::kResourceExhausted) start_new_segment_ = true;
    ++stats_.append_failures;
    note_failure(written, "records could not be written");
    return written.with_context("record log");
  }
  segment.bytes = segment.index.end + frame.size();
  if (!health_.ok() && !segment.untrusted && health_.code() == Code::kResourceExhausted) {
    log_info("record log: writing again", {{"directory", options_.directory}});
    health_ = {};
  }
  return {};
}

void RecordLog::note_failure(const Status& status, std::string_view what) {
  health_ = status;
  const int64_t now_ns = options_.clock->steady_ns();
  if (last_failure_log_ns_ != 0 && now_ns - last_failure_log_ns_ < kFailureLogIntervalNs) return;
  last_failure_log_ns_ = now_ns;
  const bool full = status.code() == Code::kResourceExhausted;
  log_error("record log: " + std::string(what),
            {{"directory", options_.directory},
             {"error", status.message()},
             {"next", full ? "free space on the disk, or lower the log's retention size"
                           : "check the disk; the kernel's log says more"}});
}

Status RecordLog::health() const {
  std::lock_guard lock(mutex_);
  return health_;
}

RecordLog::Stats RecordLog::stats() const {
  std::lock_guard lock(mutex_);
  Stats stats = stats_;
  stats.segments = segments_.size();
  for (const SegmentPtr& segment : segments_) stats.bytes += segment->bytes;
  return stats;
}

void RecordLog::publish(model::Registry& registry, const model::Labels& labels) const {
  const auto gauge = [&](std::string_view name, std::string_view help, uint64_t Stats::*figure) {
    registry.gauge_from(name, help, labels,
                        [this, figure] { return static_cast<double>(stats().*figure); });
  };
  gauge("gatehouse_store_segments", "Segment files of the record log.", &Stats::segments);
  gauge("gatehouse_store_bytes", "Bytes in the record log's segments.", &Stats::bytes);
  const auto counter = [&](std::string_view name, std::string_view help, uint64_t Stats::*figure) {
    registry.counter_from(name, help, labels,
                          [this, figure] { return static_cast<double>(stats().*figure); });
  };
  counter("gatehouse_store_records_appended", "Records appended since the start.",
          &Stats::records_appended);
  counter("gatehouse_store_append_failures", "Appends refused by the disk.",
          &Stats::append_failures);
  counter("gatehouse_store_sync_failures", "Syncs that failed.", &Stats::sync_failures);
  counter("gatehouse_store_torn_bytes", "Bytes cut off a torn tail at the start.",
          &Stats::torn_bytes);
  counter("gatehouse_store_lost_bytes", "Unreadable bytes in damaged segments.",
          &Stats::lost_bytes);
  counter("gatehouse_store_damaged_files", "Segment files set aside.", &Stats::damaged_files);
  counter("gatehouse_store_segments_retired", "Segments deleted by retention.",
          &Stats::segments_retired);
  registry.gauge_from("gatehouse_store_healthy", "1 while writes and syncs succeed.", labels,
                      [this] { return health().ok() ? 1.0 : 0.0; });
}

}  // namespace gatehouse::store
