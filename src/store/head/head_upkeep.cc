// Head: deleting, flushing, and writing snapshots.
#include <algorithm>

#include "base/log.h"
#include "base/random.h"
#include "store/head/head.h"

namespace gatehouse::store {
namespace {

// Readers and writers get a turn between so many series.
constexpr uint32_t kTurn = 512;
// Of a snapshot's file: large writes, a frame that is read in one piece.
constexpr size_t kFrameBytes = size_t{1} << 20;

uint32_t slots_in(const Shard& shard) {
  std::lock_guard lock(shard.state_mutex);
  return shard.slots();
}

}  // namespace

Result<uint64_t> Head::delete_samples(std::span<const model::Matcher> matchers,
                                      model::TimeRangeMs range) {
  Wal* const wal = wal_.load();
  if (wal == nullptr) return unavailable("the store is still reading its log");
  const Resolved resolved = resolve(matchers);
  if (resolved.nothing) return uint64_t{0};
  uint64_t series = 0;
  for (uint32_t number = 0; number < kShards; ++number) {
    Shard& shard = *shards_[number];
    std::lock_guard append_lock(shard.append_mutex);
    std::vector<uint32_t> slots = slots_of(shard, resolved);
    // A start that reads the log from before the last flush finds series that have
    // ended since alive, with samples that are in blocks by now.
    std::vector<model::LabelView> labels;
    for (const uint32_t slot : shard.ended_slots()) {
      labels.clear();
      shard.labels_of(slot, labels);
      if (std::all_of(matchers.begin(), matchers.end(), [&](const model::Matcher& matcher) {
            return matcher.matches(model::find_label(labels, matcher.name()));
          })) {
        slots.push_back(slot);
      }
    }
    if (slots.empty()) continue;
    std::sort(slots.begin(), slots.end());
    FrameBatch frames;
    put_deletion(frames, {number, range.begin_ms, range.end_ms, slots});
    RETURN_IF_ERROR(wal->write(frames));
    for (const uint32_t slot : slots) {
      std::lock_guard lock(shard.state_mutex);
      RETURN_IF_ERROR(shard.delete_samples(slot, range));
    }
    shard.settle_memory();
    series += slots.size();
  }
  return series;
}

void Head::begin_flush(int64_t cut_ms) {
  flush_cut_ms_.store(cut_ms);
  // Whoever planned a batch before has carried it out once its locks are free.
  for (const auto& shard : shards_) std::lock_guard lock(shard->append_mutex);
}

Status Head::truncate(int64_t cut_ms, bool keep_all) {
  const uint32_t segment = wal_.load()->end().segment;
  int64_t begin_ms = INT64_MAX;
  for (const auto& shard : shards_) {
    std::vector<uint32_t> ended;
    const uint32_t slots = slots_in(*shard);
    for (uint32_t first = 0; first < slots; first += kTurn) {
      std::lock_guard append_lock(shard->append_mutex);
      std::lock_guard lock(shard->state_mutex);
      for (uint32_t slot = first; slot < std::min(slots, first + kTurn); ++slot) {
        RETURN_IF_ERROR(shard->truncate(slot, cut_ms));
      }
      shard->settle_memory();
    }
    std::lock_guard append_lock(shard->append_mutex);
    std::lock_guard lock(shard->state_mutex);
    for (uint32_t slot = 0; slot < shard->slots(); ++slot) {
      if (!shard->live(slot)) continue;
      if (shard->without_samples(slot)) {
        if (!keep_all) ended.push_back(slot);
      } else {
        begin_ms = std::min(begin_ms, shard->first_time_ms(slot));
      }
    }
    if (!ended.empty()) shard->end_series(ended, segment);
    shard->settle_memory();
  }
  // What came since may be older; the next flush finds it all the same. A head that has never
  // held a sample has no begin: one before all times would keep it from ever being flushed.
  const int64_t end = end_ms();
  if (end != INT64_MIN) begin_ms_.store(std::min(begin_ms, end));
  return {};
}

void Head::end_flush() {
  for (const auto& shard : shards_) {
    std::lock_guard append_lock(shard->append_mutex);
    std::lock_guard lock(shard->state_mutex);
    flush_cut_ms_.store(INT64_MIN);
    shard->flush_is_over();
  }
}

void Head::reuse_slots(uint32_t first_segment) {
  for (const auto& shard : shards_) {
    std::lock_guard append_lock(shard->append_mutex);
    std::lock_guard lock(shard->state_mutex);
    shard->reuse_slots(first_segment);
  }
}

namespace {

// Frames one after another into a file, a megabyte at a time.
class SnapshotFile {
 public:
  SnapshotFile(model::File& file, uint64_t salt, uint64_t offset)
      : file_(file), salt_(salt), offset_(offset) {}

  Status put(FrameType type, Position position, std::string_view payload) {
    batch_.clear();
    batch_.begin(type);
    batch_.bytes().append(payload);
    batch_.end();
    const std::string_view bytes = batch_.finish(position, salt_);
    RETURN_IF_ERROR(file_.write_at(offset_, bytes));
    offset_ += bytes.size();
    return {};
  }
  uint64_t bytes() const { return offset_; }

 private:
  model::File& file_;
  uint64_t salt_;
  uint64_t offset_;
  FrameBatch batch_;
};

}  // namespace

std::string Head::exemplars_for_snapshot(uint32_t shard, uint64_t& count) const {
  std::lock_guard lock(exemplars_mutex_);
  std::string out;
  count = 0;
  for (const StoredExemplar& stored : exemplars_) {
    // What does not fit a frame is the newest of 100,000; it goes.
    if (stored.shard != shard || out.size() > kPayloadBytesMax / 2) continue;
    put_varint(out, stored.slot);
    put_exemplar(out, stored.exemplar);
    ++count;
  }
  return out;
}

std::string Head::snapshot_name(uint32_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "%08x.snapshot", number);
  return name;
}

Status Head::write_snapshot(model::Disk& disk, const std::string& directory, uint32_t number,
                            uint64_t& size) {
  const std::string path = directory + "/" + snapshot_name(number);
  ASSIGN_OR_RETURN(std::unique_ptr<model::File> file,
                   disk.open(path + ".tmp", model::Disk::Open::kCreate));
  Status written = put_snapshot(*file, number, size);
  if (written.ok()) written = file->sync();
  file.reset();
  if (written.ok()) written = disk.rename(path + ".tmp", path);
  if (!written.ok()) {
    (void)disk.remove(path + ".tmp");
    return written;
  }
  return disk.sync_directory(directory);
}

Status Head::put_snapshot(model::File& file, uint32_t number, uint64_t& size) {
  Wal& wal = *wal_.load();
  WalHeader header;
  header.snapshot = true;
  header.number = number;
  header.hash_seed = hash_seed_;
  header.first_position = wal.next_position();
  header.created_ns = clock_.wall_ns();
  header.salt = thread_random().next();
  const std::string head = encode(header);
  RETURN_IF_ERROR(file.write_at(0, head));
  SnapshotFile out(file, header.salt, head.size());

  uint64_t series = 0;
  std::string payload, records;
  uint32_t labels_written = Arena::kFirst;
  for (uint32_t shard_number = 0; shard_number < kShards; ++shard_number) {
    Shard& shard = *shards_[shard_number];
    // No one changes the shard meanwhile; readers go on reading it.
    std::lock_guard append_lock(shard.append_mutex);
    const Position position = wal.next_position();
    // All labels that its series refer to are in the table by now.
    while (labels_written < labels_.end()) {
      uint32_t to = 0;
      payload.clear();
      put_le<uint32_t>(payload, labels_written);
      payload += labels_.raw(labels_written, to);
      RETURN_IF_ERROR(out.put(FrameType::kLabels, header.first_position, payload));
      labels_written = to;
    }
    uint64_t count = 0;
    const auto write = [&]() -> Status {
      payload.clear();
      payload.push_back(static_cast<char>(shard_number));
      put_varint(payload, count);
      payload.append(records);
      records.clear();
      series += count;
      count = 0;
      return out.put(FrameType::kSnapshotLiveSeries, position, payload);
    };
    for (uint32_t slot = 0; slot < shard.slots(); ++slot) {
      if (shard.series(slot).state == SeriesState::kFree) continue;
      shard.put_snapshot(slot, records);
      ++count;
      if (records.size() >= kFrameBytes) RETURN_IF_ERROR(write());
    }
    // A frame for every shard, as it says as of which position the shard is.
    RETURN_IF_ERROR(write());
    records = exemplars_for_snapshot(shard_number, count);
    if (count == 0) continue;
    payload.assign(1, static_cast<char>(shard_number));
    put_varint(payload, count);
    payload += records;
    records.clear();
    RETURN_IF_ERROR(out.put(FrameType::kSnapshotExemplars, position, payload));
  }
  for (const auto& [metric, metadata] : metadata({}, 0)) {
    FrameBatch frame;
    put_metadata(frame, metric, metadata);
    RETURN_IF_ERROR(out.put(FrameType::kMetadata, header.first_position,
                            std::string_view(frame.bytes()).substr(kFrameHeaderBytes)));
  }
  payload.clear();
  put_varint(payload, series);
  RETURN_IF_ERROR(out.put(FrameType::kSnapshotEnd, header.first_position, payload));
  size = out.bytes();
  return {};
}

namespace {

struct Ordered {
  const Shard* shard;
  uint32_t slot;
  const char* row;
};

}  // namespace

Status Head::visit_by_labels(model::TimeRangeMs range, const SeriesVisit& visit) const {
  std::vector<Ordered> all;
  MemoryCharge memory(budget_);
  for (const auto& shard : shards_) {
    const uint32_t slots = slots_in(*shard);
    RETURN_IF_ERROR(memory.grow(static_cast<int64_t>(slots * sizeof(Ordered))));
    for (uint32_t first = 0; first < slots; first += kTurn) {
      std::lock_guard lock(shard->state_mutex);
      for (uint32_t slot = first; slot < std::min(slots, first + kTurn); ++slot) {
        if (!shard->live(slot) || shard->without_samples(slot)) continue;
        all.push_back({shard.get(), slot, shard->row(slot)});
      }
    }
  }
  std::sort(all.begin(), all.end(), [&](const Ordered& a, const Ordered& b) {
    return Shard::compare_rows(labels_, a.row, b.row) < 0;
  });
  RawSeries raw;
  model::SampleColumns samples;
  std::vector<model::LabelView> labels;
  for (const Ordered& series : all) {
    raw.clear();
    labels.clear();
    {
      std::lock_guard lock(series.shard->state_mutex);
      series.shard->copy(series.slot, range, raw);
      if (raw.pieces.empty() && raw.late.empty()) continue;
      series.shard->labels_of(series.slot, labels);
    }
    RETURN_IF_ERROR(decode(raw, range, samples));
    if (!samples.empty()) RETURN_IF_ERROR(visit(labels, samples));
  }
  return {};
}

int64_t Head::least_time_from(int64_t from_ms) const {
  int64_t least = INT64_MAX;
  RawSeries raw;
  model::SampleColumns samples;
  for (const auto& shard : shards_) {
    const uint32_t slots = slots_in(*shard);
    for (uint32_t slot = 0; slot < slots; ++slot) {
      raw.clear();
      {
        std::lock_guard lock(shard->state_mutex);
        if (!shard->live(slot)) continue;
        // What is known without decoding is enough for most.
        const int64_t first_ms = shard->first_time_ms(slot);
        if (first_ms >= from_ms) {
          least = std::min(least, first_ms);
          continue;
        }
        shard->copy(slot, {from_ms, least == INT64_MAX ? least : least - 1}, raw);
      }
      if (decode(raw, {from_ms, least}, samples).ok() && !samples.empty()) {
        least = std::min(least, samples.times_ms.front());
      }
      if (least <= from_ms) return least;
    }
  }
  return least;
}

}  // namespace gatehouse::store
