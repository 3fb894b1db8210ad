#include "identity/lockout.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "base/random.h"

namespace gatehouse::identity {

namespace {
// More are never kept of one subject, whatever is configured: 800 bytes.
constexpr int kFailuresKeptMax = 100;
// How often locks that have run out are looked for.
constexpr int64_t kSweepMs = 5'000;

constexpr std::string_view kKindNames[] = {"address", "key", "user"};
}  // namespace

Lockout::Lockout(LockoutConfig config, model::Registry& registry) {
  static_assert(crypto_shorthash_KEYBYTES == 16);
  const std::string key = random_bytes(hash_key_.size());
  std::memcpy(hash_key_.data(), key.data(), key.size());
  for (size_t i = 0; i < std::size(kKindNames); ++i) {
    locks_[i] = &registry.counter("gatehouse_identity_lockouts",
                                  "Lock-outs after repeated failures to authenticate.",
                                  {{"by", std::string(kKindNames[i])}});
  }
  registry.gauge_from("gatehouse_identity_locked", "Addresses, key ids and users locked out now.",
                      {}, [this] { return locked_count_.load(std::memory_order_relaxed); });
  update(config);
}

void Lockout::update(LockoutConfig config) {
  config.failures = std::clamp(config.failures, 0, kFailuresKeptMax);
  config.tracked_max = std::max<size_t>(config.tracked_max, 64);
  const std::lock_guard lock(mutex_);
  config_ = config;
  make_room();
}

Lockout::Subject Lockout::subject(Kind kind, std::string_view text) const {
  static_assert(crypto_shorthash_BYTES == sizeof(uint64_t));
  uint64_t hash = 0;
  crypto_shorthash(reinterpret_cast<unsigned char*>(&hash),
                   reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                   hash_key_.data());
  return {kind, hash};
}

Lockout::Subject Lockout::address(std::string_view text) const {
  const auto parsed = net::IpAddress::parse(text);
  if (!parsed) return subject(Kind::kAddress, text);
  const net::IpAddress whole = subject_of(*parsed);
  return subject(Kind::kAddress,
                 {reinterpret_cast<const char*>(whole.bytes.data()), whole.bytes.size()});
}

int64_t Lockout::locked_for_ms(Subject subject, int64_t now_ms) {
  if (!anyone_locked() || filter(subject).load(std::memory_order_relaxed) == 0) return 0;
  const std::lock_guard lock(mutex_);
  sweep(now_ms);
  const auto found = by_slot_.find(slot_of(subject));
  if (found == by_slot_.end()) return 0;
  return std::max<int64_t>(found->second->locked_until_ms - now_ms, 0);
}

bool Lockout::failed(Subject subject, int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (config_.failures == 0) return false;
  sweep(now_ms);
  auto found = by_slot_.find(slot_of(subject));
  if (found == by_slot_.end()) {
    entries_.push_back({subject, {}, 0});
    found = by_slot_.emplace(slot_of(subject), std::prev(entries_.end())).first;
    make_room();
  } else {
    entries_.splice(entries_.end(), entries_, found->second);
  }
  Entry& entry = *found->second;
  if (entry.locked_until_ms > now_ms) return false;
  if (entry.locked_until_ms != 0) unlock(entry);
  std::erase_if(entry.failures_ms,
                [&](int64_t at_ms) { return at_ms <= now_ms - config_.window_ms; });
  entry.failures_ms.push_back(now_ms);
  if (entry.failures_ms.size() < static_cast<size_t>(config_.failures)) return false;
  entry.failures_ms = {};
  entry.locked_until_ms = now_ms + config_.lock_ms;
  filter(subject).fetch_add(1, std::memory_order_relaxed);
  locked_count_.fetch_add(1, std::memory_order_relaxed);
  locks_[static_cast<size_t>(subject.kind)]->add();
  return true;
}

void Lockout::forgive(Subject subject) {
  const std::lock_guard lock(mutex_);
  const auto found = by_slot_.find(slot_of(subject));
  if (found == by_slot_.end()) return;
  if (found->second->locked_until_ms != 0) unlock(*found->second);
  entries_.erase(found->second);
  by_slot_.erase(found);
}

size_t Lockout::tracked() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void Lockout::unlock(Entry& entry) {
  entry.locked_until_ms = 0;
  filter(entry.subject).fetch_sub(1, std::memory_order_relaxed);
  locked_count_.fetch_sub(1, std::memory_order_relaxed);
}

void Lockout::sweep(int64_t now_ms) {
  if (!anyone_locked() || now_ms < next_sweep_ms_) return;
  next_sweep_ms_ = now_ms + kSweepMs;
  for (Entry& entry : entries_) {
    if (entry.locked_until_ms != 0 && entry.locked_until_ms <= now_ms) unlock(entry);
  }
}

void Lockout::make_room() {
  // How many of the oldest are looked through for one that is not locked.
  constexpr int kLookAt = 8;
  while (entries_.size() > config_.tracked_max) {
    auto victim = entries_.begin();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (std::distance(entries_.begin(), it) >= kLookAt) break;
      if (it->locked_until_ms == 0) {
        victim = it;
        break;
      }
    }
    if (victim->locked_until_ms != 0) unlock(*victim);
    by_slot_.erase(slot_of(victim->subject));
    entries_.erase(victim);
  }
}

}  // namespace gatehouse::identity
