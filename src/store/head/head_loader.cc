#include "store/head/head_loader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "store/segment.h"

namespace gatehouse::store {
namespace {

// Enough that lining up costs nothing, little enough that threads begin soon.
constexpr size_t kSliceBytes = size_t{512} << 10;
// How far the reader may be ahead: some shards' worth of a head of 200,000 series. A frame
// alone may be as large.
constexpr size_t kAheadBytes = size_t{16} << 20;
// Threads are worth their start from here on.
constexpr uint64_t kThreadsFromBytes = uint64_t{256} << 10;
// A slot further above those known is none: batches make 16,384 series at most,
// and few frames are lost at a time.
constexpr uint32_t kSlotJumpMax = 262'144;

}  // namespace

// The slices on their way from the reader to the threads.
class HeadLoader::Line {
 public:
  // Without threads, push() applies the slice itself.
  Line(HeadLoader& loader, unsigned threads) : loader_(loader) {
    for (unsigned i = 0; i < threads; ++i) {
      threads_.emplace_back([this, i, threads] { work(i, threads); });
    }
  }
  ~Line() { finish(); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void push(Slice slice) {
    if (slice.frames.empty()) return;
    if (threads_.empty()) {
      loader_.apply(slice, 0, 1);
      return;
    }
    std::unique_lock lock(mutex_);
    const size_t size = slice.bytes.size();
    moved_.wait(lock, [&] { return waiting_bytes_ == 0 || waiting_bytes_ + size <= kAheadBytes; });
    waiting_bytes_ += size;
    waiting_.push_back({std::move(slice), threads_.size()});
    moved_.notify_all();
  }

  // Returns when everything is applied.
  void finish() {
    {
      const std::lock_guard lock(mutex_);
      complete_ = true;
    }
    moved_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  struct Waiting {
    Slice slice;
    size_t threads_left;  // that have not applied it
  };

  void work(unsigned number, unsigned step) {
    std::unique_lock lock(mutex_);
    for (size_t next = 0;; ++next) {
      moved_.wait(lock, [&] { return next < gone_ + waiting_.size() || complete_; });
      if (next == gone_ + waiting_.size()) return;
      // Others push behind it, and it stays until this thread is done with it.
      Waiting& mine = waiting_[next - gone_];
      lock.unlock();
      loader_.apply(mine.slice, number, step);
      lock.lock();
      --mine.threads_left;
      for (; !waiting_.empty() && waiting_.front().threads_left == 0; ++gone_) {
        waiting_bytes_ -= waiting_.front().slice.bytes.size();
        waiting_.pop_front();
      }
      moved_.notify_all();
    }
  }

  HeadLoader& loader_;
  std::mutex mutex_;
  std::condition_variable moved_;
  std::deque<Waiting> waiting_;
  size_t gone_ = 0;  // slices that were before waiting_
  size_t waiting_bytes_ = 0;
  bool complete_ = false;
  std::vector<std::thread> threads_;
};

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
  // A few samples at a time: what the processor has to fetch for one comes while another is
  // worked on.
  void sample(const WalSample& sample) {
    ahead_[count_++] = sample;
    if (sample.slot < shard_.slots()) shard_.prefetch_series(sample.slot);
    if (count_ == ahead_.size()) apply_samples();
  }
  void histogram(uint32_t slot, int64_t time_ms, int64_t start_ms,
                 model::NativeHistogram&& histogram) {
    apply_samples();
    if (!known(slot, time_ms)) return;
    shard_.apply(slot, time_ms, start_ms, histogram, INT64_MIN);
  }
  void exemplar(uint32_t slot, model::Exemplar&& exemplar) {
    if (shard_.live(slot)) loader_.head_.keep_exemplar(number_, slot, exemplar);
  }
  void apply_samples() {
    for (size_t i = 0; i < count_; ++i) {
      if (shard_.live(ahead_[i].slot)) shard_.series(ahead_[i].slot).chunk.prefetch_end();
    }
    for (size_t i = 0; i < count_; ++i) {
      if (known(ahead_[i].slot, ahead_[i].time_ms)) shard_.apply(ahead_[i], INT64_MIN);
    }
    count_ = 0;
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
  std::array<WalSample, 24> ahead_;
  size_t count_ = 0;
  uint64_t samples_ = 0;
  uint64_t unknown_ = 0;
  int64_t begin_ms_ = INT64_MAX;
  int64_t end_ms_ = INT64_MIN;
};

bool HeadLoader::are_pairs(std::span<const uint32_t> pairs) const {
  return !pairs.empty() && std::all_of(pairs.begin(), pairs.end(),
                                       [&](uint32_t pair) { return head_.labels_.is_pair(pair); });
}

bool HeadLoader::make_series(Shard& shard, uint32_t number, uint32_t slot,
                             std::span<const uint32_t> pairs) {
  if (slot > shard.slots() + kSlotJumpMax || !are_pairs(pairs)) return false;
  thread_local std::vector<model::LabelView> labels;
  labels.clear();
  for (const uint32_t pair : pairs) labels.push_back(head_.labels_.view(pair));
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
  if (slot > shard.slots() + kSlotJumpMax || !are_pairs(pairs)) return;
  shard.restore_ended(slot, pairs);
}

bool HeadLoader::load_series(Shard& shard, uint32_t number, bool with_tags, std::string_view& in) {
  uint32_t slot = 0;
  uint32_t tag = 0;
  thread_local std::vector<uint32_t> pairs;
  if (!take_slot(in, slot) || in.empty()) return false;
  const bool ended = in[0] == 1;
  in.remove_prefix(1);
  if (with_tags) {
    if (in.size() < sizeof tag) return false;
    tag = get_le<uint32_t>(in.data());
    in.remove_prefix(sizeof tag);
  }
  if (!take_pairs(in, pairs)) return false;
  // An ended series may live again in another slot; those that live are all different.
  bool made = false;
  if (!ended && with_tags) {
    made = slot <= shard.slots() + kSlotJumpMax && are_pairs(pairs) &&
           shard.make_series(slot, tag, pairs);
  } else if (!ended) {
    made = make_series(shard, number, slot, pairs);
  }
  if (ended) restore_ended(shard, slot, pairs);
  uint64_t chunks = 0;
  if (!get_varint(in, chunks) || chunks > in.size()) return false;
  bool whole = made || ended;
  for (uint64_t i = 0; i < chunks; ++i) {
    if (in.empty()) return false;
    Shard::RestoredChunk chunk{static_cast<uint8_t>(in[0]), 0, 0, {}};
    in.remove_prefix(1);
    if (!take_zigzag(in, chunk.first_ms) || !take_zigzag(in, chunk.last_ms) ||
        !take_text(in, chunk.bytes) || chunk.bytes.size() > Arena::kBlockBytes / 2) {
      return false;
    }
    const bool newest = i + 1 == chunks;
    if (chunk.kind > (newest ? Shard::kFloatChunkWithState : Shard::kHistogramChunk)) return false;
    if (!made || chunk.bytes.empty()) {
      // Where its state ends cannot be told without reading it.
      if (chunk.kind != Shard::kFloatChunkWithState) continue;
      if (!SampleChunk::resume(chunk.bytes, chunk.last_ms, in).ok()) return false;
      continue;
    }
    whole &= shard.restore_chunk(slot, chunk, newest, in);
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

void HeadLoader::apply_frame(const Frame& frame, std::string_view payload, uint32_t first_shard,
                             uint32_t step) {
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
      const bool sense = visit_part(part, visitor);
      visitor.apply_samples();
      if (!sense) ++nonsense_;
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
  } else if (frame.type == FrameType::kSnapshotSeries ||
             frame.type == FrameType::kSnapshotLiveSeries) {
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
    const bool with_tags = frame.type == FrameType::kSnapshotLiveSeries;
    for (; sense && count > 0; --count) sense = load_series(shard, number, with_tags, payload);
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

void HeadLoader::apply(const Slice& slice, uint32_t first_shard, uint32_t step) {
  for (const Frame& frame : slice.frames) {
    apply_frame(frame, std::string_view(slice.bytes).substr(frame.offset, frame.size), first_shard,
                step);
  }
}

// Labels are there before anything that refers to them is lined up: refs stay good, so that
// none can come too early.
void HeadLoader::take(const Frame& frame, std::string_view payload, Slice& slice) {
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
  } else {
    slice.frames.push_back(frame);
    slice.frames.back().offset = slice.bytes.size();
    slice.bytes.append(payload);
  }
}

Status HeadLoader::read_frames(const model::File& file, const WalHeader& header, uint64_t size,
                               RecoveryProgress* progress, Line& line, Read& read) {
  FrameCursor cursor(file, header.salt, kFileHeaderBytes, size);
  Slice slice;
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
    if (slice.bytes.capacity() == 0) slice.bytes.reserve(kSliceBytes);
    take({cursor.header().type, cursor.header().position, 0, cursor.payload().size()},
         cursor.payload(), slice);
    if (progress != nullptr) progress->bytes_done += cursor.frame_bytes();
    if (slice.bytes.size() >= kSliceBytes) line.push(std::exchange(slice, {}));
  }
  line.push(std::move(slice));
  return {};
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
  const uint64_t nonsense_before = nonsense_;
  const unsigned threads = size < kThreadsFromBytes || threads_ == 1 ? 0 : threads_;
  Line line(*this, std::min(threads, kShards));
  RETURN_IF_ERROR(read_frames(file, header, size, progress, line, read));
  line.finish();
  if (nonsense_ != nonsense_before) read.damaged = true;
  return read;
}

}  // namespace gatehouse::store
