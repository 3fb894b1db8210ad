#include "export/remote_writer.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/log.h"
#include "base/loop.h"
#include "export/position_file.h"
#include "export/receiver.h"
#include "export/request_builder.h"
#include "export/send_queue.h"
#include "export/sender.h"
#include "export/writer_metrics.h"
#include "net/tls.h"
#include "store/wal/wal_reader.h"

namespace gatehouse::exporting {
namespace {

// How soon what is new in the log is seen; requests wait longer to be full.
constexpr int64_t kPollMs = 200;
// What a power cut or a kill -9 can make be sent twice.
constexpr int64_t kSaveMs = 5'000;
constexpr int64_t kTickMs = 500;
constexpr int64_t kReadFailedMs = 5'000;
constexpr int64_t kNoMemoryMs = 100;
// Of one request.
constexpr size_t kMetadataMax = 2'000;

// The reader holds the log from where it reads; this, from what is not sent.
std::string hold_name(std::string_view name) { return "remote_write_unsent/" + std::string(name); }
std::string reader_name(std::string_view name) { return "remote_write/" + std::string(name); }

}  // namespace

struct RemoteWriter::State {
  State(RemoteWriteConfig c, RemoteWriterParts p)
      : config(std::move(c)),
        parts(std::move(p)),
        metrics(WriterMetrics::make(*parts.registry, config.name, config.url)),
        position(*parts.disk, parts.directory, config.name) {}

  const RemoteWriteConfig config;
  const RemoteWriterParts parts;
  WriterMetrics metrics;
  PositionFile position;
  std::shared_ptr<net::TlsClientContext> tls;
  std::unique_ptr<store::WalReader> reader;
  Loop loop;
  Course* course = nullptr;  // the thread's
  std::thread thread;
  mutable std::mutex mutex;
  RemoteWriterState shown;
};

// All that belongs to the thread's Loop.
class RemoteWriter::Course {
 public:
  explicit Course(State& state)
      : state_(state),
        loop_(state.loop),
        reader_(*state.reader),
        labels_(*state.parts.head, state.config.external_labels, state.parts.relabel),
        builder_(*state.parts.head, labels_, state.config.version),
        queue_(*state.parts.budget, static_cast<size_t>(state.config.queue.shards_max)),
        receiver_(loop_, *state.parts.pool, *state.parts.disk, *state.parts.clock, state.config,
                  state.parts.dial, state.tls),
        sender_({loop_, state.config, *state.parts.wal, *state.parts.budget, state.metrics, queue_,
                 builder_, receiver_},
                [this] { sent_all(); }),
        read_to_(reader_.place()),
        saved_(reader_.place()) {
    std::vector<Entry> none;
    (void)queue_.push(none, read_to_, read_to_, steady_ms());
  }

  void begin() {
    running_ = 3;  // the sender, and:
    sender_.begin();
    detach(read_log());
    detach(keep());
    if (state_.config.version == 1 && state_.config.metadata_interval_ms > 0) {
      ++running_;
      detach(send_metadata());
    }
  }

  void stop(int64_t flush_ms) {
    stop_.fire();
    ++running_;
    detach(limit(flush_ms));
    sender_.flush();
  }

 private:
  void ended() {
    if (--running_ > 0) return;
    save();
    show();
    loop_.stop();
  }
  void sent_all() {
    flushed_.fire();
    ended();
  }
  Task<void> limit(int64_t flush_ms) {
    co_await loop_.sleep_for(flush_ms, &flushed_);
    sender_.abort();
    ended();
  }

  Task<void> read_log() {
    store::WalBatch batch;
    uint64_t missed_bytes = 0;
    bool complained = false;
    while (!stop_.fired()) {
      if (queue_.size() >= sender_.capacity()) {
        co_await sender_.wait_for_room(&stop_);
        continue;
      }
      // What the log no longer has, the reader passes over.
      const uint32_t first_segment = state_.parts.wal->first_segment();
      if (read_to_.segment < first_segment) read_to_ = {first_segment, 0};
      const Status read = reader_.next(batch);
      if (const uint64_t missed = reader_.missed_bytes(); missed != missed_bytes) {
        state_.metrics.log_missed_bytes.add(static_cast<double>(missed - missed_bytes));
        log_error("remote write: a part of the log went, or was damaged, before it was sent",
                  {{"remote_name", state_.config.name}, {"bytes", missed - missed_bytes}});
        missed_bytes = missed;
      }
      if (!read.ok() && !complained) {
        log_error("remote write: the log cannot be read; it is tried again",
                  {{"remote_name", state_.config.name}, {"reason", read.to_string()}});
      }
      complained = !read.ok();
      const int64_t pause_ms = !read.ok() ? kReadFailedMs : batch.empty() ? kPollMs : 1;
      if (read.ok()) co_await enqueue(batch);
      co_await loop_.sleep_for(pause_ms, &stop_);
    }
    ended();
  }

  Task<void> enqueue(store::WalBatch& batch) {
    const store::WalPlace next = reader_.place();
    std::vector<Entry> entries = entries_of(batch);
    while (!queue_.push(entries, read_to_, next, steady_ms())) {
      co_await loop_.sleep_for(kNoMemoryMs, &stop_);
      if (stop_.fired()) co_return;  // read again in the next life
    }
    read_to_ = next;
    state_.metrics.set_pending(queue_.counts());
    if (queue_.ready() >= static_cast<size_t>(state_.config.queue.batch_samples_max)) {
      sender_.wake();
    }
  }

  bool wanted(uint32_t shard, uint32_t slot) {
    if (!labels_.has_rules()) return true;
    // What is not known yet is looked at again when it is sent.
    if (labels_.verdict(shard, slot) != SeriesLabels::Verdict::kDropped) return true;
    state_.metrics.dropped_by_rules.add();
    return false;
  }

  // In an order in which each exemplar follows a sample of its series.
  std::vector<Entry> entries_of(store::WalBatch& batch) {
    std::vector<Entry> entries;
    entries.reserve(batch.floats.size() + batch.histograms.size() + batch.exemplars.size());
    const auto key = [](uint32_t shard, uint32_t slot) { return uint64_t{shard} << 32 | slot; };
    std::unordered_multimap<uint64_t, store::WalBatch::Exemplar*> exemplars;
    if (state_.config.send_exemplars) {
      for (auto& each : batch.exemplars) exemplars.emplace(key(each.shard, each.slot), &each);
    }
    const auto add_exemplar = [&](store::WalBatch::Exemplar& from) {
      Entry entry;
      entry.shard = from.shard;
      entry.slot = from.slot;
      entry.time_ms = from.exemplar.time_ms;
      entry.kind = EntryKind::kExemplar;
      entry.more = std::make_shared<const model::Exemplar>(std::move(from.exemplar));
      entries.push_back(std::move(entry));
    };
    const auto add_exemplars_of = [&](uint64_t series) {
      const auto [from, to] = exemplars.equal_range(series);
      for (auto at = from; at != to; ++at) add_exemplar(*at->second);
      exemplars.erase(from, to);
    };
    for (const auto& each : batch.floats) {
      if (!wanted(each.shard, each.slot)) continue;
      Entry entry;
      entry.shard = each.shard;
      entry.slot = each.slot;
      entry.time_ms = each.time_ms;
      entry.start_ms = each.start_ms;
      entry.value = each.value;
      entries.push_back(std::move(entry));
      if (!exemplars.empty()) add_exemplars_of(key(each.shard, each.slot));
    }
    for (const auto& each : batch.histograms) {
      if (!state_.config.send_native_histograms || !wanted(each.shard, each.slot)) continue;
      Entry entry;
      entry.shard = each.shard;
      entry.slot = each.slot;
      entry.time_ms = each.time_ms;
      entry.start_ms = each.start_ms;
      entry.kind = EntryKind::kHistogram;
      entry.more = each.histogram;
      entries.push_back(std::move(entry));
      if (!exemplars.empty()) add_exemplars_of(key(each.shard, each.slot));
    }
    for (auto& [series, exemplar] : exemplars) {
      if (wanted(exemplar->shard, exemplar->slot)) add_exemplar(*exemplar);
    }
    return entries;
  }

  Task<void> send_metadata() {
    while (!stop_.fired()) {
      co_await loop_.sleep_for(state_.config.metadata_interval_ms, &stop_);
      if (stop_.fired()) break;
      const auto all = state_.parts.head->metadata("", 0);
      std::span<const RequestBuilder::Described> left(all);
      while (!left.empty() && !stop_.fired()) {
        const auto some = left.first(std::min(left.size(), kMetadataMax));
        left = left.subspan(some.size());
        co_await sender_.send_metadata(some);
      }
    }
    ended();
  }

  // Saves the place, adapts the shards and shows what there is to see.
  Task<void> keep() {
    int64_t save_at_ms = steady_ms();
    while (!stop_.fired()) {
      if (steady_ms() >= save_at_ms) {
        save();
        save_at_ms = steady_ms() + kSaveMs;
      }
      sender_.adapt();
      show();
      co_await loop_.sleep_for(kTickMs, &stop_);
    }
    ended();
  }

  void save() {
    const store::WalPlace place = queue_.done_to();
    if (place == saved_ && saved_once_) return;
    if (const Status saved = state_.position.save(place); !saved.ok()) {
      if (!save_failed_) {
        log_error("remote write: the place in the log cannot be saved; a restart sends twice",
                  {{"remote_name", state_.config.name}, {"reason", saved.to_string()}});
      }
      save_failed_ = true;
      return;
    }
    save_failed_ = false;
    saved_once_ = true;
    saved_ = place;
    state_.parts.wal->hold(hold_name(state_.config.name), place.segment);
  }

  void show() {
    const int64_t newest_ms = state_.parts.head->end_ms();
    if (newest_ms != INT64_MIN) {
      state_.metrics.highest.set(static_cast<double>(newest_ms) / 1000);
    }
    state_.metrics.set_pending(queue_.counts());
    std::lock_guard lock(state_.mutex);
    state_.shown.failing = sender_.failing();
    state_.shown.last_error = sender_.last_error();
    state_.shown.pending = queue_.size();
    state_.shown.behind_bytes = reader_.behind_bytes();
    state_.shown.shards = sender_.shards();
  }

  State& state_;
  Loop& loop_;
  store::WalReader& reader_;
  SeriesLabels labels_;
  RequestBuilder builder_;
  SendQueue queue_;
  Receiver receiver_;
  Sender sender_;
  store::WalPlace read_to_;  // all before it is in the queue
  store::WalPlace saved_;
  bool saved_once_ = false;
  bool save_failed_ = false;
  Cancel stop_;     // no more is read
  Cancel flushed_;  // no request is under way any more
  int running_ = 0;
};

RemoteWriter::RemoteWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<RemoteWriter>> RemoteWriter::start(RemoteWriteConfig config,
                                                          RemoteWriterParts parts) {
  RETURN_IF_ERROR(check(config));
  auto state = std::make_unique<State>(std::move(config), std::move(parts));
  const RemoteWriterParts& with = state->parts;
  const std::string about = "remote_write \"" + state->config.name + "\"";
  Result<std::shared_ptr<net::TlsClientContext>> tls =
      net::TlsClientContext::load(state->config.ca_file);
  if (!tls.ok()) return tls.status().with_context(about);
  state->tls = std::move(*tls);
  if (Status made = with.disk->make_directory(with.directory); !made.ok()) {
    return made.with_context(about);
  }
  Result<std::optional<store::WalPlace>> saved = state->position.load();
  store::WalPlace place;
  if (saved.ok() && *saved) {
    place = **saved;
  } else if (!saved.ok()) {
    if (saved.status().code() != Code::kDataLoss) return saved.status().with_context(about);
    log_error("remote write: the place in the log is lost; the log is sent from its beginning",
              {{"remote_name", state->config.name}, {"reason", saved.status().message()}});
    place = {with.wal->first_segment(), 0};
  }
  if (place > with.wal->end()) {
    log_error(
        "remote write: the saved place is of another log; this one is sent from its beginning",
        {{"remote_name", state->config.name}});
    place = {with.wal->first_segment(), 0};
  }
  state->reader = std::make_unique<store::WalReader>(*with.head, *with.wal, *with.disk,
                                                     reader_name(state->config.name), place);
  with.wal->hold(hold_name(state->config.name), state->reader->place().segment);
  const RemoteWriteQueueConfig& queue = state->config.queue;
  state->metrics.shards_min.set(queue.shards_min);
  state->metrics.shards_max.set(queue.shards_max);
  state->metrics.shard_capacity.set(queue.capacity);
  state->metrics.batch_samples_max.set(queue.batch_samples_max);

  State* raw = state.get();
  std::unique_ptr<RemoteWriter> writer(new RemoteWriter(std::move(state)));
  raw->thread = std::thread([raw] {
    Course course(*raw);
    raw->course = &course;
    raw->loop.post([&course] { course.begin(); });
    raw->loop.run();
    raw->course = nullptr;
  });
  return writer;
}

RemoteWriter::~RemoteWriter() { finish(0); }

void RemoteWriter::finish(int64_t flush_ms) {
  if (!state_->thread.joinable()) return;
  state_->loop.post([this, flush_ms] {
    // Behind the begin() of a thread that has only just come up.
    state_->loop.post([this, flush_ms] { state_->course->stop(flush_ms); });
  });
  state_->thread.join();
}

Status RemoteWriter::forget() {
  state_->reader->forget();
  state_->parts.wal->release(hold_name(state_->config.name));
  return state_->position.remove();
}

RemoteWriterState RemoteWriter::state() const {
  std::lock_guard lock(state_->mutex);
  return state_->shown;
}

Status RemoteWriter::hold_log(model::Disk& disk, const std::string& directory,
                              std::string_view name, store::Wal& wal) {
  ASSIGN_OR_RETURN(const std::optional<store::WalPlace> place,
                   PositionFile(disk, directory, name).load());
  if (place) wal.hold(hold_name(name), place->segment);
  return {};
}

}  // namespace gatehouse::exporting
