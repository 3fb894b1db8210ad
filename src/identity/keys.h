// KeyStore: virtual keys as people manage them. Objects of kind "key", id by id;
// every change is durable first and then published to the Authenticator, so
// that it holds on all threads when the call returns.
//
// Any thread. Changes take a mutex and wait for the disk: not for a Loop that
// serves calls; run them on base/pool.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "identity/authenticator.h"
#include "model/catalog.h"
#include "model/clock.h"
#include "model/metrics.h"
#include "model/principal.h"

namespace gatehouse::identity {

enum class KeyState { kActive, kExpired, kRevoked };
std::string_view name(KeyState state);

// A key without its secret. Times are Unix nanoseconds; 0: never.
struct Key {
  std::string id;
  std::string name;
  std::vector<model::Role> roles;
  std::vector<std::string> models;  // patterns; empty: all
  model::Limits limits;
  std::vector<std::string> allow_from;  // CIDR; empty: from anywhere
  std::string created_by;               // the person: "user:<name>"; or "system"
  int64_t created_ns = 0;
  int64_t expires_ns = 0;
  int64_t revoked_ns = 0;
  int64_t last_used_ns = 0;  // to the minute
  int64_t previous_until_ns = 0;
  KeyState state(int64_t now_ns) const;
};

// Shown once: nothing can bring `secret` back. wipe() it when it was shown.
struct NewKey {
  Key key;
  std::string secret;  // the whole text, gh_…
};

struct KeySpec {
  std::string name{};
  std::vector<model::Role> roles = {model::Role::kCaller};
  std::vector<std::string> models{};
  model::Limits limits{};
  std::vector<std::string> allow_from{};
  int64_t expires_ns = 0;
};

// What is set is changed.
struct KeyChange {
  std::optional<std::string> name{};
  std::optional<std::vector<std::string>> models{};
  std::optional<model::Limits> limits{};
  std::optional<std::vector<std::string>> allow_from{};
  std::optional<int64_t> expires_ns{};
};

class KeyStore {
 public:
  // Everything is held in memory, at about 600 bytes a key: 60 MB at most.
  static constexpr size_t kKeysMax = 100'000;
  static constexpr int64_t kOverlapMaxMs = 7 * 24 * 3'600'000LL;

  KeyStore(model::Catalog& catalog, Authenticator& gate, const model::Clock& clock,
           model::Registry& registry);

  // Reads the catalog and publishes. An object that cannot be read is left out
  // and logged: its key is refused, others work.
  Status load();

  // kInvalidArgument; kAlreadyExists: a key that is not revoked has the name.
  Result<NewKey> create(const KeySpec& spec, std::string_view created_by);
  Result<Key> get(std::string_view id) const;
  std::vector<Key> list() const;  // newest first
  size_t count() const;           // revoked ones too
  // A new secret; the old one holds for another overlap_ms, 0: not at all. One
  // old secret at a time: an older one ends.
  Result<NewKey> rotate(std::string_view id, int64_t overlap_ms);
  Result<Key> update(std::string_view id, const KeyChange& change);
  // Revoking twice is the same as once.
  Result<Key> revoke(std::string_view id);

  // The person behind a principal: of a key, who made it.
  std::string person_behind(const model::Principal& principal) const;

  // Stores when keys were last used. Call every minute or so, and at the end.
  Status flush_last_used();

 private:
  struct Held {
    Key key;
    Digest secret{};
    Digest previous{};
    uint64_t version = 0;
    int64_t stored_last_used_ns = 0;
    std::shared_ptr<KeyActivity> activity;
  };
  static std::string encode(const Held& held);
  static Result<Held> decode(const model::Object& object);
  static Result<KeyEntry> entry_of(const Held& held);
  Status check(const Key& key, std::string_view own_id) const;
  Status store(Held& held);  // and into keys_
  Result<Held> find(std::string_view id) const;
  Result<Held> find_active(std::string_view id) const;
  void publish();

  model::Catalog& catalog_;
  Authenticator& gate_;
  const model::Clock& clock_;
  model::Gauge* counts_[3];
  mutable std::mutex mutex_;
  std::map<std::string, Held, std::less<>> keys_;
};

}  // namespace gatehouse::identity
