#include "export/sender.h"

#include <algorithm>
#include <cmath>

#include "base/log.h"

namespace gatehouse::exporting {
namespace {

constexpr double kBusyShare = 0.7;
// How often a shard without work looks whether some samples have waited long enough.
constexpr int64_t kLookMs = 250;
// The head learns of a series right after the log does: what it does not know after
// so long, it will not.
constexpr int kUnknownRounds = 5;
constexpr int64_t kUnknownMs = 20;
constexpr int64_t kNoMemoryMs = 100;
constexpr int kMetadataAttempts = 3;
// Refusals can be as many as requests; one line in so long says enough.
constexpr int64_t kTellAgainMs = 30'000;

// What `sent` has beyond what the receiver says it has written.
uint64_t rest(uint64_t sent, int64_t written) {
  return sent - std::min(sent, static_cast<uint64_t>(std::max<int64_t>(written, 0)));
}
EntryCounts rest(const EntryCounts& sent, const Answer& answer) {
  return {rest(sent.samples, answer.samples_written),
          rest(sent.histograms, answer.histograms_written),
          rest(sent.exemplars, answer.exemplars_written)};
}
uint64_t sum(const EntryCounts& counts) {
  return counts.samples + counts.histograms + counts.exemplars;
}

}  // namespace

int shards_for(const ShardLoad& load, int64_t period_ms, const RemoteWriteQueueConfig& queue) {
  if (load.failing) return load.shards;
  const double busy =
      static_cast<double>(load.busy_ms) / static_cast<double>(std::max<int64_t>(period_ms, 1));
  const double wanted =
      std::min(std::ceil(busy / kBusyShare), static_cast<double>(queue.shards_max));
  int shards = static_cast<int>(wanted);
  if (load.held_up) shards = std::max(shards, 2 * load.shards);
  return std::clamp(shards, queue.shards_min, queue.shards_max);
}

Sender::Sender(const Parts& parts, std::function<void()> ended)
    : loop_(parts.loop),
      config_(parts.config),
      wal_(parts.wal),
      budget_(parts.budget),
      metrics_(parts.metrics),
      queue_(parts.queue),
      builder_(parts.builder),
      receiver_(parts.receiver),
      ended_(std::move(ended)),
      ready_(loop_),
      room_(loop_),
      works_(static_cast<size_t>(config_.queue.shards_max)),
      adapted_at_ms_(steady_ms()) {}

void Sender::set_shards(int shards) {
  shards_ = shards;
  metrics_.shards.set(shards);
  for (int number = 0; number < shards; ++number) {
    if (works_[static_cast<size_t>(number)]) continue;
    works_[static_cast<size_t>(number)] = true;
    ++working_;
    detach(work(number));
  }
}

void Sender::adapt() {
  const int64_t now_ms = steady_ms();
  if (now_ms - adapted_at_ms_ < kAdaptMs || flushing_) return;
  load_.shards = shards_;
  const int shards = shards_for(load_, now_ms - adapted_at_ms_, config_.queue);
  adapted_at_ms_ = now_ms;
  load_ = {};
  metrics_.shards_desired.set(shards);
  if (shards != shards_) set_shards(shards);
}

Task<void> Sender::wait_for_room(Cancel* cancel) {
  load_.held_up = true;
  room_.reset();
  co_await room_.wait(steady_ms() + 1000, cancel);
}

void Sender::flush() {
  flushing_ = true;
  ready_.set();
}

Task<void> Sender::work(int number) {
  while (!abort_.fired() && (flushing_ || number < shards_)) {
    const int64_t overdue_ms =
        flushing_ ? INT64_MAX : steady_ms() - config_.queue.batch_deadline_ms;
    SendQueue::Batch batch =
        queue_.take(static_cast<size_t>(config_.queue.batch_samples_max), overdue_ms);
    if (!batch.empty()) {
      if (!co_await deliver(batch)) break;
      continue;
    }
    if (flushing_) break;
    ready_.reset();
    co_await ready_.wait(steady_ms() + kLookMs, &abort_);
  }
  works_[static_cast<size_t>(number)] = false;
  if (--working_ == 0) ended_();
}

Task<bool> Sender::deliver(SendQueue::Batch& batch) {
  WriteRequest request;
  if (!co_await build(batch, request)) co_return false;
  metrics_.dropped_by_rules.add(static_cast<double>(request.dropped));
  metrics_.dropped_unknown.add(static_cast<double>(request.unknown));
  metrics_.exemplars.failed.add(static_cast<double>(request.lone_exemplars));
  if (sum(request.counts) > 0) {
    const auto bytes = static_cast<int64_t>(request.body.capacity());
    if (!co_await charge(bytes)) co_return false;
    const bool sent = co_await send(request);
    budget_.release(bytes);
    if (!sent) co_return false;
  }
  queue_.done(batch);
  metrics_.set_pending(queue_.counts());
  room_.set();
  // Partitions are free again that others may have waited for.
  ready_.set();
  co_return true;
}

Task<bool> Sender::build(SendQueue::Batch& batch, WriteRequest& request) {
  for (int round = 0;; ++round) {
    builder_.build(batch.entries, request);
    if (request.unknown == 0 || round == kUnknownRounds) break;
    co_await loop_.sleep_for(kUnknownMs, &abort_);
    if (abort_.fired()) co_return false;
  }
  // Where the log no longer has what a sample was read from, the store may have given
  // its series' slot to another meanwhile: it leaves under no name rather than a wrong one.
  // Looked at after the labels were: a slot is given out after the log was cut.
  const uint32_t first_segment = wal_.first_segment();
  const auto gone = std::stable_partition(
      batch.entries.begin(), batch.entries.end(),
      [&](const Entry& entry) { return queue_.place_of(entry.sequence).segment >= first_segment; });
  if (gone == batch.entries.end()) co_return true;
  const auto lost = static_cast<uint64_t>(batch.entries.end() - gone);
  builder_.build(std::span(batch.entries.begin(), gone), request);
  request.unknown += lost;
  if (steady_ms() - told_lost_at_ms_ >= kTellAgainMs) {
    told_lost_at_ms_ = steady_ms();
    log_error("remote write is so far behind that the log was cut before it",
              {{"remote_name", config_.name}, {"samples_lost", lost}});
  }
  co_return true;
}

Task<bool> Sender::charge(int64_t bytes) {
  while (!budget_.try_charge(bytes)) {
    co_await loop_.sleep_for(kNoMemoryMs, &abort_);
    if (abort_.fired()) co_return false;
  }
  co_return true;
}

Task<Answer> Sender::post(std::string_view body, int attempt) {
  const int64_t begin_ms = steady_ms();
  Answer answer = co_await receiver_.post(body, attempt, &abort_);
  const int64_t took_ms = steady_ms() - begin_ms;
  metrics_.request_seconds.observe(static_cast<double>(took_ms) / 1000);
  load_.busy_ms += std::max<int64_t>(took_ms, 1);
  co_return answer;
}

Task<bool> Sender::back_off(const Answer& answer, int64_t& backoff_ms) {
  const int64_t wait_ms = answer.retry_after_ms > 0 ? answer.retry_after_ms : backoff_ms;
  backoff_ms = std::min(backoff_ms * 2, config_.queue.backoff_max_ms);
  co_await loop_.sleep_for(wait_ms, &abort_);
  co_return !abort_.fired();
}

Task<bool> Sender::send(const WriteRequest& request) {
  metrics_.count_total(request.counts);
  int64_t backoff_ms = config_.queue.backoff_min_ms;
  for (int attempt = 0;; ++attempt) {
    metrics_.bytes_total.add(static_cast<double>(request.body.size()));
    const Answer answer = co_await post(request.body, attempt);
    switch (answer.kind) {
      case Answer::Kind::kTaken: taken(request, answer); co_return true;
      case Answer::Kind::kRefused: refused(request, answer); co_return true;
      case Answer::Kind::kCancelled: co_return false;
      case Answer::Kind::kTryAgain: break;
    }
    fail_later(answer);
    metrics_.count_retried(request.counts);
    if (!co_await back_off(answer, backoff_ms)) co_return false;
  }
}

void Sender::answered() {
  if (!failing_) return;
  failing_ = false;
  log_info("remote write: the receiver answers again", {{"remote_name", config_.name}});
}

void Sender::taken(const WriteRequest& request, const Answer& answer) {
  answered();
  if (config_.version == 2) {
    const EntryCounts left = rest(request.counts, answer);
    if (sum(left) > 0) {
      metrics_.count_failed(left);
      const bool nothing = sum(left) == sum(request.counts);
      tell_refusal(nothing ? "it answered that all is well and wrote nothing: does it know version "
                             "2 of remote write?"
                           : "it wrote a part of a request only",
                   sum(left));
      if (nothing) return;
    }
  }
  last_error_.clear();
  highest_sent_ms_ = std::max(highest_sent_ms_, request.highest_ms);
  metrics_.highest_sent.set(static_cast<double>(highest_sent_ms_) / 1000);
}

void Sender::refused(const WriteRequest& request, const Answer& answer) {
  answered();
  // A part of it may have been written, which version 2 says.
  const EntryCounts left = config_.version == 2 ? rest(request.counts, answer) : request.counts;
  metrics_.count_failed(left);
  tell_refusal(answer.reason, sum(left));
}

void Sender::tell_refusal(const std::string& reason, uint64_t samples) {
  last_error_ = reason;
  if (steady_ms() - told_refusal_at_ms_ < kTellAgainMs) return;
  told_refusal_at_ms_ = steady_ms();
  log_error("remote write: the receiver refused samples, which are not sent again",
            {{"remote_name", config_.name}, {"samples", samples}, {"reason", reason}});
}

void Sender::fail_later(const Answer& answer) {
  load_.failing = true;
  last_error_ = answer.reason;
  if (failing_) return;
  failing_ = true;
  log_warning("remote write: the receiver does not take samples; they wait in the log",
              {{"remote_name", config_.name}, {"reason", answer.reason}});
}

Task<void> Sender::send_metadata(std::span<const RequestBuilder::Described> metrics) {
  std::string body;
  RequestBuilder::build_metadata(metrics, body);
  const auto count = static_cast<double>(metrics.size());
  metrics_.metadata_total.add(count);
  int64_t backoff_ms = config_.queue.backoff_min_ms;
  for (int attempt = 0; attempt < kMetadataAttempts; ++attempt) {
    if (attempt > 0) metrics_.metadata_retried.add(count);
    metrics_.metadata_bytes_total.add(static_cast<double>(body.size()));
    const Answer answer = co_await post(body, attempt);
    if (answer.kind == Answer::Kind::kTaken || answer.kind == Answer::Kind::kCancelled) co_return;
    if (answer.kind == Answer::Kind::kRefused) break;
    if (!co_await back_off(answer, backoff_ms)) co_return;
  }
  metrics_.metadata_failed.add(count);
}

}  // namespace gatehouse::exporting
