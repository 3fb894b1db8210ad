#include "store/wal/wal.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/log.h"
#include "base/random.h"

namespace gatehouse::store {
namespace {

// What may wait for a sync before who writes much waits for it: a disk writes it within
// some 10 ms.
constexpr uint64_t kUnsyncedBytesMax = uint64_t{8} << 20;

Status not_durable() {
  return internal_error("what an earlier sync may have lost has not been written out anew yet");
}

}  // namespace

std::string Wal::segment_name(uint32_t number) {
  char name[16];
  std::snprintf(name, sizeof name, "%08x.wal", number);
  return name;
}

Wal::Wal(model::Disk& disk, const model::Clock& clock, LabelTable& labels, WalOptions options)
    : disk_(disk), clock_(clock), labels_(labels), options_(std::move(options)) {}

Result<std::unique_ptr<Wal>> Wal::create(model::Disk& disk, const model::Clock& clock,
                                         LabelTable& labels, WalOptions options,
                                         std::map<uint32_t, uint64_t> segments, uint32_t number,
                                         Position next, uint32_t labels_logged) {
  std::unique_ptr<Wal> wal(new Wal(disk, clock, labels, std::move(options)));
  wal->sync_failed_ = !segments.empty();
  wal->segments_ = std::move(segments);
  wal->next_ = next;
  wal->labels_logged_ = labels_logged;
  RETURN_IF_ERROR(wal->open_segment(number));
  if (wal->options_.sync_thread && wal->options_.sync_interval_ms > 0) {
    wal->syncs_ = std::thread([raw = wal.get()] { raw->run_syncs(); });
  }
  return wal;
}

Wal::~Wal() { finish(); }

void Wal::finish() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  written_.notify_all();
  caught_up_.notify_all();
  if (syncs_.joinable()) syncs_.join();
}

Status Wal::open_segment(uint32_t number) {
  WalHeader header;
  header.number = number;
  header.hash_seed = options_.hash_seed;
  header.first_position = next_;
  header.created_ns = clock_.wall_ns();
  header.salt = thread_random().next();
  const std::string path = options_.directory + "/" + segment_name(number);
  ASSIGN_OR_RETURN(std::shared_ptr<model::File> file, disk_.open(path, model::Disk::Open::kCreate));
  const std::string bytes = encode(header);
  Status written = file->write_at(0, bytes);
  // Its name must be durable before anything that is synced into it.
  if (written.ok()) written = disk_.sync_directory(options_.directory);
  if (!written.ok()) {
    file.reset();
    (void)disk_.remove(path);
    return written;
  }
  file_ = std::move(file);
  number_ = number;
  salt_ = header.salt;
  offset_ = bytes.size();
  synced_ = 0;
  segments_[number] = offset_;
  return {};
}

void Wal::cut_to(uint64_t offset) {
  offset_ = offset;
  segments_[number_] = offset_;
  if (file_->truncate(offset).ok()) return;
  // What is behind the end could pass for frames: no more is written here.
  if (synced_ < offset_) to_sync_.push_back(number_);
  file_.reset();
}

Status Wal::put(std::string_view bytes) {
  RETURN_IF_ERROR(file_->write_at(offset_, bytes));
  offset_ += bytes.size();
  segments_[number_] = offset_;
  return {};
}

Status Wal::put_labels(uint32_t& logged) {
  for (const uint32_t end = labels_.end(); logged < end;) {
    uint32_t to = 0;
    const std::string raw = labels_.raw(logged, to);
    FrameBatch frame;
    frame.begin(FrameType::kLabels);
    put_le<uint32_t>(frame.bytes(), logged);
    frame.bytes().append(raw);
    frame.end();
    RETURN_IF_ERROR(put(frame.finish(next_, salt_)));
    ++next_;
    logged = to;
  }
  return {};
}

Status Wal::write(FrameBatch& batch) {
  std::unique_lock lock(mutex_);
  if (stopping_) return unavailable("the store is shutting down");
  if (file_ == nullptr || offset_ >= options_.segment_bytes) {
    if (file_ != nullptr && synced_ < offset_) {
      // What a sync of the next segment promises holds for this one as well.
      const std::shared_ptr<model::File> full = file_;
      if (!full->sync().ok()) sync_failed_ = true;
    }
    file_.reset();
    RETURN_IF_ERROR(open_segment(number_ + 1));
  }
  const uint64_t begin = offset_;
  const Position first = next_;
  uint32_t logged = labels_logged_;
  Status written = put_labels(logged);
  if (written.ok()) written = put(batch.finish(next_, salt_));
  if (written.ok() && options_.sync_interval_ms == 0) {
    written = file_->sync();
    if (written.ok()) {
      synced_ = offset_;
    } else {
      sync_failed_ = true;
      cut_to(begin);
      file_.reset();
    }
  }
  if (!written.ok()) {
    if (file_ != nullptr) cut_to(begin);
    next_ = first;
    problem_ = written.to_string();
    problem_of_write_ = true;
    return written.with_context("the log of samples");
  }
  next_ += batch.frames();
  labels_logged_ = logged;
  bytes_written_ += offset_ - begin;
  if (problem_of_write_) problem_.clear();
  problem_of_write_ = false;
  lock.unlock();
  written_.notify_all();
  return {};
}

void Wal::pace() {
  std::unique_lock lock(mutex_);
  const auto near = [&] {
    return stopping_ || file_ == nullptr || offset_ - synced_ <= kUnsyncedBytesMax;
  };
  if (!syncs_.joinable() || near()) return;
  hurry_ = true;
  wake_.notify_all();
  caught_up_.wait_for(lock, std::chrono::milliseconds(options_.sync_interval_ms), near);
}

Status Wal::sync() {
  std::lock_guard one(sync_mutex_);
  std::shared_ptr<model::File> file;
  uint64_t end = 0;
  uint32_t number = 0;
  std::vector<uint32_t> earlier;
  {
    std::lock_guard lock(mutex_);
    earlier.swap(to_sync_);
    if (earlier.empty() && (file_ == nullptr || synced_ >= offset_)) {
      return sync_failed_ ? not_durable() : Status();
    }
    file = file_;
    end = offset_;
    number = number_;
  }
  Status synced = file == nullptr ? Status() : file->sync();
  for (const uint32_t segment : earlier) {
    if (!synced.ok()) break;
    auto opened =
        disk_.open(options_.directory + "/" + segment_name(segment), model::Disk::Open::kWrite);
    // What a snapshot made superfluous is gone.
    if (opened.ok()) synced = (*opened)->sync();
  }
  std::lock_guard lock(mutex_);
  if (synced.ok()) {
    if (number == number_ && file != nullptr) synced_ = std::max(synced_, end);
    caught_up_.notify_all();
    return sync_failed_ ? not_durable() : Status();
  }
  to_sync_.insert(to_sync_.end(), earlier.begin(), earlier.end());
  sync_failed_ = true;
  problem_ = synced.with_context("a sync of the log of samples failed").to_string();
  log_error(
      "a sync of the log of samples failed; its segment is closed, and the head is written "
      "out anew",
      {{"segment", segment_name(number)}, {"reason", synced.message()}});
  if (number == number_) file_.reset();
  return synced;
}

Result<uint32_t> Wal::rotate() {
  // Most of it before others have to wait. Should it fail, so it will below.
  (void)sync();
  std::lock_guard one(sync_mutex_);
  std::lock_guard lock(mutex_);
  if (file_ != nullptr && synced_ < offset_ && !file_->sync().ok()) sync_failed_ = true;
  file_.reset();
  RETURN_IF_ERROR(open_segment(number_ + 1));
  return number_;
}

Status Wal::remove_before(uint32_t number) {
  std::unique_lock lock(mutex_);
  uint32_t keep_from = std::min(number, number_);
  for (const auto& [name, held] : consumers_) keep_from = std::min(keep_from, held);
  // Who is too far behind loses the oldest: a log that only grows fills the disk.
  uint64_t total = 0;
  uint32_t within = keep_from;
  for (auto at = segments_.rbegin(); at != segments_.rend(); ++at) {
    total += at->second;
    if (total > options_.consumers_bytes_max && at->first < number) {
      within = at->first + 1;
      break;
    }
  }
  keep_from = std::min(std::max(keep_from, within), number_);
  std::vector<uint32_t> gone;
  for (const auto& [segment, bytes] : segments_) {
    if (segment < keep_from) gone.push_back(segment);
  }
  for (const uint32_t segment : gone) segments_.erase(segment);
  lock.unlock();
  Status first_failure;
  for (const uint32_t segment : gone) {
    Status removed = disk_.remove(options_.directory + "/" + segment_name(segment));
    if (!removed.ok() && removed.code() != Code::kNotFound && first_failure.ok()) {
      first_failure = std::move(removed);
    }
  }
  return first_failure;
}

Position Wal::next_position() const {
  std::lock_guard lock(mutex_);
  return next_;
}

WalPlace Wal::end() const {
  std::lock_guard lock(mutex_);
  return {number_, offset_};
}

uint32_t Wal::first_segment() const {
  std::lock_guard lock(mutex_);
  return segments_.empty() ? number_ : segments_.begin()->first;
}

uint64_t Wal::bytes() const {
  std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (const auto& [number, bytes] : segments_) total += bytes;
  return total;
}

uint64_t Wal::bytes_between(uint32_t first, uint32_t last) const {
  std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (auto at = segments_.lower_bound(first); at != segments_.end() && at->first < last; ++at) {
    total += at->second;
  }
  return total;
}

uint64_t Wal::bytes_written() const {
  std::lock_guard lock(mutex_);
  return bytes_written_;
}

bool Wal::sync_failed() const {
  std::lock_guard lock(mutex_);
  return sync_failed_;
}

void Wal::clear_sync_failure() {
  std::lock_guard lock(mutex_);
  sync_failed_ = false;
  problem_.clear();
}

std::string Wal::problem() const {
  std::lock_guard lock(mutex_);
  return problem_;
}

void Wal::hold(const std::string& consumer, uint32_t segment) {
  std::lock_guard lock(mutex_);
  consumers_[consumer] = segment;
}

void Wal::release(const std::string& consumer) {
  std::lock_guard lock(mutex_);
  consumers_.erase(consumer);
}

uint32_t Wal::held_from() const {
  std::lock_guard lock(mutex_);
  uint32_t least = UINT32_MAX;
  for (const auto& [name, held] : consumers_) least = std::min(least, held);
  return least;
}

bool Wal::wait_past(WalPlace place, int64_t wait_ms) const {
  std::unique_lock lock(mutex_);
  const auto more = [&] { return stopping_ || WalPlace{number_, offset_} > place; };
  written_.wait_for(lock, std::chrono::milliseconds(wait_ms), more);
  return WalPlace{number_, offset_} > place;
}

void Wal::run_syncs() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, std::chrono::milliseconds(options_.sync_interval_ms),
                   [&] { return stopping_ || hurry_; });
    if (stopping_) continue;
    hurry_ = false;
    if (to_sync_.empty() && (file_ == nullptr || synced_ >= offset_)) continue;
    lock.unlock();
    (void)sync();
    lock.lock();
  }
}

}  // namespace gatehouse::store
