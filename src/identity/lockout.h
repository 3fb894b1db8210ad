// Lockout: who failed too often of late, by address and by key id.
//
// After `failures` failures within the window a subject is locked for lock_ms;
// attempts meanwhile neither prolong the lock nor count. What a lock refuses is
// decided by the one who asks (see authenticator.h): this class only counts.
//
// Invariants
//   - Memory is bounded: at most tracked_max subjects; the least recently seen
//     gives way, one that is not locked before one that is.
//   - While nobody is locked, asking costs one relaxed load. While someone is,
//     others are told apart from them by a filter, without the mutex.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "identity/address.h"
#include "identity/config.h"
#include "model/metrics.h"

namespace gatehouse::identity {

class Lockout {
 public:
  enum class Kind : uint8_t { kAddress, kKey, kUser };
  // Stands for an address, a key id or a user: a keyed 64-bit hash, so that
  // nobody can choose a subject that collides with another's.
  struct Subject {
    Kind kind;
    uint64_t hash;
  };

  Lockout(LockoutConfig config, model::Registry& registry);

  Subject address(std::string_view text) const;  // IPv6 by its /64
  Subject key(std::string_view id) const { return subject(Kind::kKey, id); }
  Subject user(std::string_view name) const { return subject(Kind::kUser, name); }

  bool anyone_locked() const { return locked_count_.load(std::memory_order_relaxed) > 0; }
  // How long `subject` stays locked; 0: it is not. Times are steady.
  int64_t locked_for_ms(Subject subject, int64_t now_ms);
  // Counts a failure. True: this one locked the subject.
  bool failed(Subject subject, int64_t now_ms);
  // Forgets the subject's failures.
  void forgive(Subject subject);

  void update(LockoutConfig config);
  size_t tracked() const;

 private:
  struct Entry {
    Subject subject;
    std::vector<int64_t> failures_ms;  // the latest, oldest first
    int64_t locked_until_ms = 0;       // 0: not locked
  };
  using Entries = std::list<Entry>;  // least recently seen first

  Subject subject(Kind kind, std::string_view text) const;
  static uint64_t slot_of(Subject subject) {
    return subject.hash + static_cast<uint64_t>(subject.kind);
  }
  std::atomic<uint32_t>& filter(Subject s) { return filter_[slot_of(s) % filter_.size()]; }
  void unlock(Entry& entry);
  void sweep(int64_t now_ms);
  void make_room();

  std::array<unsigned char, 16> hash_key_;
  model::Counter* locks_[3];
  mutable std::mutex mutex_;
  LockoutConfig config_;
  Entries entries_;
  std::unordered_map<uint64_t, Entries::iterator> by_slot_;
  std::atomic<int> locked_count_{0};
  int64_t next_sweep_ms_ = 0;
  // How many locked subjects fall into each place; 0: none, so no need to look.
  std::array<std::atomic<uint32_t>, 1024> filter_{};
};

}  // namespace gatehouse::identity
