// Authenticator: from the key a caller presents to the Principal it stands for,
// in under a microsecond, on any thread, without a lock.
//
// KeyStore publishes a KeyTable, which never changes after that. Each thread
// keeps the table it last used together with its number; one acquire load tells
// whether there is a newer one, so a revocation holds for every call that begins
// after publish() returned. The Principal handed out has a reference count of
// this thread's own, so that cores do not pass a cache line to and fro.
//
// A wrong key costs the same whether its id exists or not: the secret is hashed
// and compared twice (current and previous secret) in either case.
//
// Lock-out. A secret has 256 bits: guessing is hopeless, so a lock must above
// all not become a weapon against those who hold a key.
//   - An address with too many failures is locked: every key from it is refused,
//     right or wrong, so that a list of stolen keys cannot be tried out; except
//     keys that were used from this very address before, so that clients which
//     share it (behind NAT or a proxy) go on working.
//   - A key id with too many failures is locked for wrong secrets alone. Whoever
//     knows an id, which is public, cannot lock its owner out.
//   - Only wrong or malformed keys count; no key at all, or one that is expired
//     or revoked but otherwise right, does not.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "identity/address.h"
#include "identity/lockout.h"
#include "identity/virtual_key.h"
#include "model/clock.h"
#include "model/metrics.h"
#include "model/principal.h"
#include "net/http.h"

namespace gatehouse::identity {

// What calls leave behind at a key; outlives the tables that name it.
struct alignas(64) KeyActivity {
  std::atomic<int64_t> last_used_ns{0};  // written at most every kLastUsedStepNs
  // Keyed hashes of the latest addresses it was used from.
  std::array<std::atomic<uint64_t>, 6> addresses{};
  std::atomic<uint32_t> next_address{0};
};
inline constexpr int64_t kLastUsedStepNs = 60'000'000'000;

struct KeyEntry {
  uint64_t number = 0;
  Digest secret{};
  Digest previous{};  // after a rotation; holds until previous_until_ns
  int64_t previous_until_ns = 0;
  int64_t expires_ns = INT64_MAX;
  bool revoked = false;
  model::PrincipalPtr principal;
  std::shared_ptr<const AccessList> from;  // null: from anywhere
  std::shared_ptr<KeyActivity> activity;
};

// Keys by number: open addressing, at most half full.
class KeyTable {
 public:
  explicit KeyTable(std::vector<KeyEntry> entries);
  // The index of the entry, or of the last one, which stands for all unknown
  // keys and matches none.
  size_t find(uint64_t number) const;
  const KeyEntry& operator[](size_t index) const { return entries_[index]; }
  size_t size() const { return entries_.size() - 1; }
  bool known(size_t index) const { return index + 1 != entries_.size(); }

 private:
  std::vector<KeyEntry> entries_;
  std::vector<uint32_t> places_;
  unsigned shift_ = 0;
};

enum class RefusalReason {
  kMissing,
  kMalformed,
  kWrong,  // unknown id or wrong secret: not told apart
  kExpired,
  kRevoked,
  kAddress,  // not in the access list, of the server or of the key
  kLocked,
  kRole,  // a right key without the role that the route asks for
};
std::string_view name(RefusalReason reason);

// Why a caller was turned away, for the audit log and the reply. `key_id` is
// what the caller claims to be, empty where the key was malformed.
struct Refusal {
  RefusalReason reason = RefusalReason::kMissing;
  std::string key_id;
  std::string address;
  int64_t retry_after_ms = 0;  // for kLocked
};

class Authenticator {
 public:
  Authenticator(const model::Clock& clock, LockoutConfig lockout, model::Registry& registry);
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  // The principal of the key, or why there is none: kUnauthenticated,
  // kPermissionDenied (address), kResourceExhausted (locked). Messages hold
  // nothing of the secret. `refusal`, where given, is filled on refusal.
  Result<model::PrincipalPtr> authenticate(std::string_view presented,
                                           std::string_view peer_address, int64_t now_ns,
                                           Refusal* refusal = nullptr);

  // The table for every call from now on.
  void publish(std::shared_ptr<const KeyTable> table);
  // The addresses that may come at all, and whether that holds for health probes.
  void set_access(AccessList access, bool guard_probes = false);
  // Whether this one may: for what asks for no key.
  bool permits(std::string_view peer_address);
  // Health probes: those of load balancers and clusters, which come from
  // addresses of their own. Only the deny list keeps them out, unless
  // set_access() was told otherwise.
  bool permits_probe(std::string_view peer_address);
  // Counts and reports a refusal that was found out elsewhere.
  void refused(RefusalReason reason, std::string_view key_id, std::string_view peer_address);
  // Called for each refusal, on the caller's thread. Set before the first call.
  void on_refusal(std::function<void(const Refusal&)> observer) { observer_ = std::move(observer); }

  Lockout& lockout() { return lockout_; }

 private:
  struct ThreadView;
  struct Shared {
    std::shared_ptr<const KeyTable> table;
    std::shared_ptr<const AccessList> access;
    bool guard_probes = false;
  };
  ThreadView& view();
  Status refuse(RefusalReason reason, std::string_view key_id, std::string_view address,
                int64_t retry_after_ms, Refusal* out);
  Status wrong(RefusalReason reason, std::string_view key_id, std::string_view address,
               Refusal* out);
  bool familiar(const KeyActivity& activity, uint64_t address) const;
  void remember(KeyActivity& activity, std::string_view address, int64_t now_ns) const;

  const uint64_t serial_;  // tells the Authenticators of a process apart
  const model::Clock& clock_;
  Lockout lockout_;
  std::function<void(const Refusal&)> observer_;
  std::vector<model::Counter*> refusals_;

  std::mutex mutex_;
  Shared shared_;
  std::atomic<uint64_t> version_{1};
};

// The key in a request: `authorization: Bearer`, `x-api-key` (Anthropic) or
// `api-key` (Azure OpenAI). Empty: none. Where a caller sends several, the first
// of that order that is not empty counts.
std::string_view credential_from(const net::HeaderList& headers);

}  // namespace gatehouse::identity
