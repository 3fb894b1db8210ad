#include "store/head/recovery.h"

#include <algorithm>
#include <charconv>
#include <thread>

#include "base/log.h"
#include "store/segment.h"

namespace gatehouse::store {
namespace {

// Enough that threads have something to do, little enough to be no burden.
constexpr size_t kSliceBytes = size_t{8} << 20;
// A slot further above those known is none: batches make 16,384 series at most,
// and few frames are lost at a time.
constexpr uint32_t kSlotJumpMax = 262'144;
// Positions go on so far past the last one found: those of frames that a power cut
// took are never given to others.
constexpr Position kPositionGap = Position{1} << 20;

}  // namespace

class HeadLoader::PartVisitor {
 public:
  PartVisitor(HeadLoader& loader, uint32_t number)
      : loader_(loader), number_(number), shard_(*loader.head_.shards_[number]) {}
  ~PartVisitor() {
    loader_.samples_ += samples_;
    loader_.unknown_ += unknown_;
    if (begin_ms_ <= end_ms_) loader_.head_.widen(begin_ms_, end_ms_);
    shard_.settle_memory();
  }

  void series(uint32_t slot, std::span<const uint32_t> pairs) {
    if (!loader_.make_series(shard_, number_, slot, pairs)) ++loader_.nonsense_;
  }
  void sample(const WalSample& sample) {
    if (!known(sample.slot, sample.time_ms)) return;
    shard_.apply(sample, INT64_MIN);
  }
  void histogram(uint32_t slot, int64_t time_ms, int64_t start_ms,
                 model::NativeHistogram&& histogram) {
    if (!known(slot, time_ms)) return;
    shard_.apply(slot, time_ms, start_ms, histogram, INT64_MIN);
  }
  void exemplar(uint32_t slot, model::Exemplar&& exemplar) {
    if (shard_.live(slot)) loader_.head_.keep_exemplar(number_, slot, exemplar);
  }

 private:
  bool known(uint32_t slot, int64_t time_ms) {
    if (!shard_.live(slot)) {
      ++unknown_;
      return false;
    }
    ++samples_;
    begin_ms_ = std::min(begin_ms_, time_ms);
    end_ms_ = std::max(end_ms_, time_ms);
    return true;
  }

  HeadLoader& loader_;
  uint32_t number_;
  Shard& shard_;
  uint64_t samples_ = 0;
  uint64_t unknown_ = 0;
  int64_t begin_ms_ = INT64_MAX;
  int64_t end_ms_ = INT64_MIN;
};

bool HeadLoader::make_series(Shard& shard, uint32_t number, uint32_t slot,
                             std::span<const uint32_t> pairs) {
  if (pairs.empty() || slot > shard.slots() + kSlotJumpMax) return false;
  std::vector<model::LabelView> labels;
  for (const uint32_t pair : pairs) {
    if (!head_.labels_.is_pair(pair)) return false;
    labels.push_back(head_.labels_.view(pair));
  }
  uint32_t of_labels = 0;
  const uint32_t tag = head_.tag_and_shard(labels, of_labels);
  if (of_labels != number) return false;
  if (const uint32_t other = shard.find(tag, labels); other != Shard::kNone) {
    if (other == slot) return true;
    // The series had ended, all of its samples being in blocks, and came again.
    const uint32_t only[] = {other};
    shard.end_series(only, 0);
  }
  return shard.make_series(slot, tag, pairs);
}

void HeadLoader::restore_ended(Shard& shard, uint32_t slot, std::span<const uint32_t> pairs) {
  if (slot > shard.slots() + kSlotJumpMax) return;
  for (const uint32_t pair : pairs) {
    if (!head_.labels_.is_pair(pair)) return;
  }
  shard.restore_ended(slot, pairs);
}

bool HeadLoader::load_series(Shard& shard, uint32_t number, std::string_view& in) {
  uint32_t slot = 0;
  std::vector<uint32_t> pairs;
  if (!take_slot(in, slot) || in.empty()) return false;
  const bool ended = in[0] == 1;
  in.remove_prefix(1);
  if (!take_pairs(in, pairs)) return false;
  // An ended series may live again in another slot.
  const bool made = !ended && make_series(shard, number, slot, pairs);
  if (ended) restore_ended(shard, slot, pairs);
  uint64_t chunks = 0;
  if (!get_varint(in, chunks) || chunks > in.size()) return false;
  bool whole = made || ended;
  for (uint64_t i = 0; i < chunks; ++i) {
    if (in.empty()) return false;
    Shard::RestoredChunk chunk{in[0] == 1, 0, 0, {}};
    in.remove_prefix(1);
    if (!take_zigzag(in, chunk.first_ms) || !take_zigzag(in, chunk.last_ms) ||
        !take_text(in, chunk.bytes) || chunk.bytes.size() > Arena::kBlockBytes / 2) {
      return false;
    }
    if (!made || chunk.bytes.empty()) continue;
    whole &= shard.restore_chunk(slot, chunk, i + 1 == chunks);
    head_.widen(chunk.first_ms, chunk.last_ms);
  }
  for (const bool histograms : {false, true}) {
    uint64_t count = 0;
    if (!get_varint(in, count)) return false;
    for (; count > 0; --count) {
      LateSample late{0, 0, 0, nullptr, false};
      if (!take_zigzag(in, late.time_ms) || !take_zigzag(in, late.start_ms)) return false;
      if (histograms) {
        auto histogram = std::make_shared<model::NativeHistogram>();
        if (!take_histogram(in, *histogram)) return false;
        late.histogram = std::move(histogram);
      } else {
        if (in.size() < 8) return false;
        late.bits = get_le<uint64_t>(in.data());
        in.remove_prefix(8);
      }
      if (!made) continue;
      head_.widen(late.time_ms, late.time_ms);
      shard.restore_late(slot, std::move(late));
    }
  }
  return whole;
}

void HeadLoader::apply_frame(const Frame& frame, uint32_t first_shard, uint32_t step) {
  auto payload = std::string_view(slice_).substr(frame.offset, frame.size);
  const auto mine = [&](uint32_t shard) { return shard % step == first_shard; };
  if (frame.type == FrameType::kSamples) {
    while (!payload.empty()) {
      uint32_t number = 0;
      std::string_view part;
      if (!take_part(payload, number, part)) {
        if (first_shard == 0) ++nonsense_;
        return;
      }
      if (!mine(number) || frame.position < from_[number]) continue;
      Shard& shard = *head_.shards_[number];
      std::scoped_lock lock(shard.append_mutex, shard.state_mutex);
      PartVisitor visitor(*this, number);
      if (!visit_part(part, visitor)) ++nonsense_;
    }
  } else if (frame.type == FrameType::kDeletion) {
    WalDeletion deletion;
    if (!parse_deletion(payload, deletion)) {
      if (first_shard == 0) ++nonsense_;
      return;
    }
    if (!mine(deletion.shard) || frame.position < from_[deletion.shard]) return;
    Shard& shard = *head_.shards_[deletion.shard];
    std::scoped_lock lock(shard.append_mutex, shard.state_mutex);
    for (const uint32_t slot : deletion.slots) {
      if (!shard.delete_samples(slot, {deletion.begin_ms, deletion.end_ms}).ok()) ++nonsense_;
    }
  } else if (frame.type == FrameType::kSnapshotSeries) {
    const uint32_t number = payload.empty() ? kShards : static_cast<uint8_t>(payload[0]);
    if (number >= kShards || !mine(number)) {
      if (number >= kShards && first_shard == 0) ++nonsense_;
      return;
    }
    payload.remove_prefix(1);
    Shard& shard = *head_.shards_[number];
    std::scoped_lock lock(shard.append_mutex, shard.state_mutex);
    from_[number] = frame.position;
    uint64_t count = 0;
    bool sense = get_varint(payload, count);
    for (; sense && count > 0; --count) sense = load_series(shard, number, payload);
    if (!sense) ++nonsense_;
    shard.settle_memory();
  } else if (frame.type == FrameType::kSnapshotExemplars) {
    const uint32_t number = payload.empty() ? kShards : static_cast<uint8_t>(payload[0]);
    if (number >= kShards || !mine(number)) return;
    payload.remove_prefix(1);
    uint64_t count = 0;
    bool sense = get_varint(payload, count);
    for (; sense && count > 0; --count) {
      uint32_t slot = 0;
      model::Exemplar exemplar;
      sense = take_slot(payload, slot) && take_exemplar(payload, exemplar);
      if (sense && head_.shards_[number]->live(slot)) head_.keep_exemplar(number, slot, exemplar);
    }
    if (!sense) ++nonsense_;
  }
}

void HeadLoader::apply_slice() {
  for (const Frame& frame : frames_) {
    const auto payload = std::string_view(slice_).substr(frame.offset, frame.size);
    if (frame.type == FrameType::kLabels) {
      if (payload.size() < 4 ||
          !head_.labels_.import_raw(get_le<uint32_t>(payload.data()), payload.substr(4))) {
        ++nonsense_;
      }
    } else if (frame.type == FrameType::kMetadata) {
      std::string metric;
      model::MetricMetadata metadata;
      if (parse_metadata(payload, metric, metadata)) {
        head_.keep_metadata(std::move(metric), std::move(metadata));
      } else {
        ++nonsense_;
      }
    }
  }
  const auto work = [this](unsigned thread, unsigned step) {
    for (const Frame& frame : frames_) apply_frame(frame, thread, step);
  };
  // A thread is worth its start from some hundred kilobytes on.
  const unsigned step = slice_.size() < (size_t{256} << 10) ? 1 : std::min(threads_, kShards);
  std::vector<std::thread> others;
  for (unsigned i = 1; i < step; ++i) others.emplace_back(work, i, step);
  work(0, step);
  for (std::thread& other : others) other.join();
  slice_.clear();
  frames_.clear();
}

Result<HeadLoader::Read> HeadLoader::load(const model::File& file, RecoveryProgress* progress) {
  char head[kFileHeaderBytes];
  ASSIGN_OR_RETURN(const size_t got, file.read_at(0, head, sizeof head));
  ASSIGN_OR_RETURN(const WalHeader header, parse_wal_header({head, got}));
  if (!seeded_) head_.hash_seed_ = header.hash_seed;
  if (header.hash_seed != head_.hash_seed_) return data_loss("the file is of another store");
  seeded_ = true;
  ASSIGN_OR_RETURN(const uint64_t size, file.size());
  Read read;
  read.end = kFileHeaderBytes;
  FrameCursor cursor(file, header.salt, kFileHeaderBytes, size);
  const uint64_t nonsense_before = nonsense_;
  for (;;) {
    ASSIGN_OR_RETURN(const FrameCursor::Step step, cursor.next());
    if (step == FrameCursor::Step::kEnd) break;
    if (step == FrameCursor::Step::kBad) {
      const uint64_t bad_at = cursor.offset();
      ASSIGN_OR_RETURN(const bool found, cursor.resync(header.first_position));
      if (!found) {
        (read.damaged ? read.lost_bytes : read.torn_bytes) += size - bad_at;
        break;
      }
      read.damaged = true;
      ASSIGN_OR_RETURN(const FrameCursor::Step again, cursor.next());
      if (again != FrameCursor::Step::kFrame) return internal_error("a found frame is gone");
      read.lost_bytes += cursor.offset() - bad_at;
    }
    read.end = cursor.offset() + cursor.frame_bytes();
    newest_ = std::max(newest_, cursor.header().position);
    read.complete |= cursor.header().type == FrameType::kSnapshotEnd;
    frames_.push_back(
        {cursor.header().type, cursor.header().position, slice_.size(), cursor.payload().size()});
    slice_.append(cursor.payload());
    if (progress != nullptr) progress->bytes_done += cursor.frame_bytes();
    if (slice_.size() >= kSliceBytes) apply_slice();
  }
  apply_slice();
  if (nonsense_ != nonsense_before) read.damaged = true;
  return read;
}

namespace {

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
