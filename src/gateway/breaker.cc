#include "gateway/breaker.h"

#include <algorithm>

namespace gatehouse::gateway {

namespace {

// A window's bucket in one word: 24 bits of epoch, 20 of requests, 20 of
// failures. A million calls in a tenth of a window saturate the count, and the
// ratio stays that of the first million.
constexpr uint64_t kCountMask = (1u << 20) - 1;
constexpr uint64_t kEpochMask = (1u << 24) - 1;

constexpr uint64_t pack(uint64_t epoch, uint64_t requests, uint64_t failures) {
  return epoch << 40 | requests << 20 | failures;
}
constexpr uint64_t epoch_of(uint64_t bucket) { return bucket >> 40; }
constexpr uint64_t requests_of(uint64_t bucket) { return bucket >> 20 & kCountMask; }
constexpr uint64_t failures_of(uint64_t bucket) { return bucket & kCountMask; }

// A peer may not shut itself away for longer by a Retry-After.
constexpr int64_t kAskedWaitMaxMs = 3'600'000;

}  // namespace

std::string_view name(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed: return "closed";
    case BreakerState::kHalfOpen: return "half_open";
    case BreakerState::kOpen: return "open";
  }
  return "";
}

CircuitBreaker::CircuitBreaker(const BreakerConfig& config) { configure(config); }

void CircuitBreaker::configure(const BreakerConfig& config) {
  failure_ratio_.store(config.failure_ratio, std::memory_order_relaxed);
  requests_min_.store(config.requests_min, std::memory_order_relaxed);
  consecutive_failures_max_.store(config.consecutive_failures, std::memory_order_relaxed);
  bucket_ms_.store(std::max<int64_t>(1, config.window_ms / static_cast<int64_t>(kBuckets)),
                   std::memory_order_relaxed);
  open_ms_.store(config.open_ms, std::memory_order_relaxed);
}

CircuitBreaker::Permit CircuitBreaker::allow(int64_t now_ms) {
  const uint32_t term = term_.load(std::memory_order_acquire);
  const Force force = force_.load(std::memory_order_relaxed);
  if (force != Force::kNone) return {force == Force::kClosed, false, term};
  if (ejected(now_ms)) return {false, false, term};
  if (state_.load(std::memory_order_acquire) == BreakerState::kClosed) return {true, false, term};
  if (now_ms < open_until_ms_.load(std::memory_order_relaxed)) return {false, false, term};

  const std::lock_guard lock(mutex_);
  const BreakerState state = state_.load(std::memory_order_relaxed);
  const uint32_t current = term_.load(std::memory_order_relaxed);
  if (state == BreakerState::kClosed) return {true, false, current};
  if (now_ms < open_until_ms_.load(std::memory_order_relaxed) ||
      (state == BreakerState::kHalfOpen &&
       now_ms < probe_until_ms_.load(std::memory_order_relaxed))) {
    return {false, false, current};
  }
  // A new term: a probe that was given up cannot speak for this one.
  state_.store(BreakerState::kHalfOpen, std::memory_order_release);
  probe_until_ms_.store(now_ms + open_ms_.load(std::memory_order_relaxed),
                        std::memory_order_relaxed);
  term_.store(current + 1, std::memory_order_release);
  return {true, true, current + 1};
}

void CircuitBreaker::on_success(Permit permit, int64_t now_ms) {
  if (!permit.allowed) return;
  if (!permit.probe) {
    if (permit.term != term_.load(std::memory_order_acquire)) return;
    if (consecutive_failures_.load(std::memory_order_relaxed) != 0) {
      consecutive_failures_.store(0, std::memory_order_relaxed);
    }
    count(false, now_ms);
    return;
  }
  const std::lock_guard lock(mutex_);
  if (permit.term != term_.load(std::memory_order_relaxed) ||
      state_.load(std::memory_order_relaxed) != BreakerState::kHalfOpen) {
    return;
  }
  forget_window();
  term_.fetch_add(1, std::memory_order_release);
  state_.store(BreakerState::kClosed, std::memory_order_release);
}

void CircuitBreaker::on_failure(Permit permit, int64_t now_ms, int64_t asked_wait_ms) {
  if (!permit.allowed || permit.term != term_.load(std::memory_order_acquire)) return;
  if (!permit.probe) {
    count(true, now_ms);
    const int row = consecutive_failures_.fetch_add(1, std::memory_order_relaxed) + 1;
    const int row_max = consecutive_failures_max_.load(std::memory_order_relaxed);
    if ((row_max <= 0 || row < row_max) && !trips(now_ms)) return;
    if (force_.load(std::memory_order_relaxed) != Force::kNone) return;
  }
  const std::lock_guard lock(mutex_);
  if (permit.term != term_.load(std::memory_order_relaxed)) return;
  const BreakerState state = state_.load(std::memory_order_relaxed);
  if (state == (permit.probe ? BreakerState::kHalfOpen : BreakerState::kClosed)) {
    open(now_ms, asked_wait_ms);
  }
}

void CircuitBreaker::on_abandoned(Permit permit) {
  if (!permit.allowed || !permit.probe) return;
  const std::lock_guard lock(mutex_);
  if (permit.term != term_.load(std::memory_order_relaxed)) return;
  probe_until_ms_.store(INT64_MIN, std::memory_order_relaxed);  // another may try at once
}

void CircuitBreaker::open(int64_t now_ms, int64_t asked_wait_ms) {
  const int64_t wait_ms =
      std::max(open_ms_.load(std::memory_order_relaxed), std::min(asked_wait_ms, kAskedWaitMaxMs));
  open_until_ms_.store(now_ms + wait_ms, std::memory_order_relaxed);
  forget_window();
  term_.fetch_add(1, std::memory_order_release);
  state_.store(BreakerState::kOpen, std::memory_order_release);
  opened_total_.fetch_add(1, std::memory_order_relaxed);
}

void CircuitBreaker::forget_window() {
  consecutive_failures_.store(0, std::memory_order_relaxed);
  for (auto& bucket : buckets_) bucket.store(0, std::memory_order_relaxed);
}

// Epochs begin at 1, so that an empty bucket (0) belongs to none.
void CircuitBreaker::count(bool failed, int64_t now_ms) {
  const auto epoch =
      static_cast<uint64_t>(now_ms / bucket_ms_.load(std::memory_order_relaxed) + 1) & kEpochMask;
  std::atomic<uint64_t>& bucket = buckets_[epoch % kBuckets];
  uint64_t old = bucket.load(std::memory_order_relaxed);
  uint64_t next;
  do {
    if (epoch_of(old) != epoch) {
      next = pack(epoch, 1, failed ? 1 : 0);
    } else if (requests_of(old) == kCountMask) {
      return;
    } else {
      next = old + pack(0, 1, failed ? 1 : 0);
    }
  } while (!bucket.compare_exchange_weak(old, next, std::memory_order_relaxed));
}

CircuitBreaker::Counts CircuitBreaker::counts(int64_t now_ms) const {
  const auto epoch =
      static_cast<uint64_t>(now_ms / bucket_ms_.load(std::memory_order_relaxed) + 1) & kEpochMask;
  Counts out;
  for (const auto& slot : buckets_) {
    const uint64_t bucket = slot.load(std::memory_order_relaxed);
    if (bucket == 0 || ((epoch - epoch_of(bucket)) & kEpochMask) >= kBuckets) continue;
    out.requests += static_cast<int64_t>(requests_of(bucket));
    out.failures += static_cast<int64_t>(failures_of(bucket));
  }
  return out;
}

bool CircuitBreaker::trips(int64_t now_ms) const {
  const double ratio = failure_ratio_.load(std::memory_order_relaxed);
  if (ratio <= 0) return false;
  const Counts window = counts(now_ms);
  return window.requests >= requests_min_.load(std::memory_order_relaxed) &&
         window.failure_ratio() >= ratio;
}

bool CircuitBreaker::would_allow(int64_t now_ms) const { return retry_in_ms(now_ms) == 0; }

BreakerState CircuitBreaker::state(int64_t now_ms) const {
  const Force force = force_.load(std::memory_order_relaxed);
  if (force == Force::kOpen) return BreakerState::kOpen;
  if (force == Force::kClosed) return BreakerState::kClosed;
  const BreakerState state = state_.load(std::memory_order_acquire);
  if (state == BreakerState::kOpen && now_ms >= open_until_ms_.load(std::memory_order_relaxed)) {
    return BreakerState::kHalfOpen;
  }
  return state;
}

int64_t CircuitBreaker::retry_in_ms(int64_t now_ms) const {
  const Force force = force_.load(std::memory_order_relaxed);
  if (force == Force::kClosed) return 0;
  // Only an operator ends it: ask again after the usual time.
  if (force == Force::kOpen) return open_ms_.load(std::memory_order_relaxed);
  int64_t until_ms = ejected_until_ms_.load(std::memory_order_relaxed);
  const BreakerState state = state_.load(std::memory_order_acquire);
  if (state != BreakerState::kClosed) {
    until_ms = std::max(until_ms, open_until_ms_.load(std::memory_order_relaxed));
  }
  if (state == BreakerState::kHalfOpen) {
    until_ms = std::max(until_ms, probe_until_ms_.load(std::memory_order_relaxed));
  }
  return until_ms <= now_ms ? 0 : until_ms - now_ms;
}

void CircuitBreaker::force(Force force) {
  const std::lock_guard lock(mutex_);
  // What was learnt under a force, or before it, says little about afterwards.
  if (force == Force::kNone && force_.load(std::memory_order_relaxed) != Force::kNone) {
    forget_window();
    state_.store(BreakerState::kClosed, std::memory_order_release);
  }
  term_.fetch_add(1, std::memory_order_release);
  force_.store(force, std::memory_order_relaxed);
}

std::vector<size_t> outliers(std::span<const CircuitBreaker::Counts> stats,
                             const BreakerConfig& config) {
  std::vector<size_t> out;
  if (config.outlier_margin <= 0 || stats.size() < 2) return out;
  std::vector<size_t> counted;
  for (size_t i = 0; i < stats.size(); ++i) {
    if (stats[i].requests >= std::max(1, config.requests_min)) counted.push_back(i);
  }
  for (const size_t i : counted) {
    std::vector<double> others;
    for (const size_t j : counted) {
      if (j != i) others.push_back(stats[j].failure_ratio());
    }
    if (others.empty()) continue;
    std::sort(others.begin(), others.end());
    const size_t middle = others.size() / 2;
    const double median =
        others.size() % 2 == 1 ? others[middle] : (others[middle - 1] + others[middle]) / 2;
    if (stats[i].failure_ratio() > median + config.outlier_margin) out.push_back(i);
  }
  std::stable_sort(out.begin(), out.end(), [&](size_t a, size_t b) {
    return stats[a].failure_ratio() > stats[b].failure_ratio();
  });
  // Never half of them or more, but of two the worse one may go.
  const size_t most = std::max<size_t>(1, (stats.size() - 1) / 2);
  if (out.size() > most) out.resize(most);
  return out;
}

}  // namespace gatehouse::gateway
