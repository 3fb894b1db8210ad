#include "identity/keys.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"
#include "base/log.h"
#include "base/text.h"
#include "identity/roles.h"

namespace gatehouse::identity {

namespace {
constexpr std::string_view kKind = "key";
constexpr size_t kNameChars = 64;
// Patterns and blocks are looked through one by one for each call.
constexpr size_t kPatternsMax = 100;

bool printable(std::string_view text) {
  return valid_utf8(text) && std::none_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
         });
}
Digest secret_digest(std::string_view key_text) {
  return digest_of(key_text.substr(kKeyPrefix.size() + kKeyIdChars + 1, kKeySecretChars));
}
}  // namespace

std::string_view name(KeyState state) {
  constexpr std::string_view kNames[] = {"active", "expired", "revoked"};
  return kNames[static_cast<size_t>(state)];
}

KeyState Key::state(int64_t now_ns) const {
  if (revoked_ns != 0) return KeyState::kRevoked;
  return expires_ns != 0 && now_ns >= expires_ns ? KeyState::kExpired : KeyState::kActive;
}

KeyStore::KeyStore(model::Catalog& catalog, Authenticator& gate, const model::Clock& clock,
                   model::Registry& registry)
    : catalog_(catalog), gate_(gate), clock_(clock) {
  for (KeyState state : {KeyState::kActive, KeyState::kExpired, KeyState::kRevoked}) {
    counts_[static_cast<size_t>(state)] =
        &registry.gauge("gatehouse_identity_keys", "Virtual keys, when last one was changed.",
                        {{"state", std::string(name(state))}});
  }
}

Status KeyStore::load() {
  ASSIGN_OR_RETURN(const std::vector<model::Object> stored, catalog_.list(kKind));
  const std::lock_guard lock(mutex_);
  std::map<std::string, Held, std::less<>> keys;
  for (const model::Object& object : stored) {
    auto held = decode(object);
    if (held.ok() && entry_of(*held).ok()) {
      // What calls left behind outlives a reload.
      if (auto old = keys_.find(object.id); old != keys_.end())
        held->activity = old->second.activity;
      keys.emplace(object.id, std::move(*held));
    } else {
      log_error("a stored key cannot be read and is refused",
                {{"key_id", object.id},
                 {"reason", held.ok() ? "its access list is wrong" : held.status().message()}});
    }
  }
  keys_ = std::move(keys);
  publish();
  return {};
}

Status KeyStore::check(const Key& key, std::string_view own_id) const {
  if (key.name.empty() || key.name.size() > kNameChars || !printable(key.name)) {
    return invalid_argument("name: 1 to 64 characters without control characters");
  }
  RETURN_IF_ERROR(check_roles(key.roles).with_context("roles"));
  if (key.models.size() > kPatternsMax || key.allow_from.size() > kPatternsMax) {
    return invalid_argument("at most 100 model patterns and 100 address blocks");
  }
  for (const std::string& pattern : key.models) {
    if (pattern.empty() || pattern.size() > 256 || !printable(pattern)) {
      return invalid_argument("models: each 1 to 256 characters");
    }
  }
  for (int64_t limit :
       {key.limits.requests_per_minute, key.limits.tokens_per_minute, key.limits.concurrent,
        key.limits.daily_nanodollars, key.limits.monthly_nanodollars}) {
    if (limit < 0) return invalid_argument("limits: none may be below zero");
  }
  if (auto list = AccessList::parse(key.allow_from, {}); !list.ok()) {
    return list.status().with_context("allow_from");
  }
  const bool taken = std::any_of(keys_.begin(), keys_.end(), [&](const auto& other) {
    return other.first != own_id && other.second.key.revoked_ns == 0 &&
           other.second.key.name == key.name;
  });
  if (taken) {
    return {Code::kAlreadyExists, "another key has the name \"" + key.name + "\"; choose another"};
  }
  return {};
}

Result<NewKey> KeyStore::create(const KeySpec& spec, std::string_view created_by) {
  const std::lock_guard lock(mutex_);
  if (keys_.size() >= kKeysMax) return resource_exhausted("there are 100,000 keys already");
  Held held;
  Key& key = held.key;
  key.name = spec.name;
  key.roles = spec.roles;
  key.models = spec.models;
  key.limits = spec.limits;
  key.allow_from = spec.allow_from;
  key.expires_ns = spec.expires_ns;
  key.created_by = created_by;
  key.created_ns = clock_.wall_ns();
  if (key.expires_ns != 0 && key.expires_ns <= key.created_ns) {
    return invalid_argument("expires: has to be in the future");
  }
  do {
    key.id = new_key_id();
  } while (keys_.contains(key.id));
  RETURN_IF_ERROR(check(key, key.id));
  std::string text = new_key_text(key.id);
  held.secret = secret_digest(text);
  held.activity = std::make_shared<KeyActivity>();
  if (Status status = store(held); !status.ok()) {
    wipe(text);
    return status;
  }
  publish();
  return NewKey{held.key, std::move(text)};
}

Result<KeyStore::Held> KeyStore::find(std::string_view id) const {
  const auto found = keys_.find(id);
  if (found == keys_.end()) return not_found("no key has this id");
  Held held = found->second;
  held.key.last_used_ns =
      std::max(held.key.last_used_ns, held.activity->last_used_ns.load(std::memory_order_relaxed));
  return held;
}

Result<KeyStore::Held> KeyStore::find_active(std::string_view id) const {
  ASSIGN_OR_RETURN(Held held, find(id));
  if (held.key.revoked_ns != 0) {
    return Status(Code::kPermissionDenied, "the key was revoked; make a new one");
  }
  return held;
}

Result<Key> KeyStore::get(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Held held, find(id));
  return std::move(held.key);
}

size_t KeyStore::count() const {
  const std::lock_guard lock(mutex_);
  return keys_.size();
}

std::vector<Key> KeyStore::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<Key> out;
  out.reserve(keys_.size());
  for (const auto& [id, held] : keys_) {
    out.push_back(held.key);
    out.back().last_used_ns = std::max(out.back().last_used_ns,
                                       held.activity->last_used_ns.load(std::memory_order_relaxed));
  }
  std::sort(out.begin(), out.end(), [](const Key& a, const Key& b) {
    return a.created_ns != b.created_ns ? a.created_ns > b.created_ns : a.id < b.id;
  });
  return out;
}

Result<NewKey> KeyStore::rotate(std::string_view id, int64_t overlap_ms) {
  if (overlap_ms < 0 || overlap_ms > kOverlapMaxMs) {
    return invalid_argument("overlap: 0 to 604800000 milliseconds (7 days)");
  }
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Held held, find_active(id));
  std::string text = new_key_text(held.key.id);
  held.previous = overlap_ms > 0 ? held.secret : Digest{};
  held.key.previous_until_ns = overlap_ms > 0 ? clock_.wall_ns() + overlap_ms * 1'000'000 : 0;
  held.secret = secret_digest(text);
  if (Status status = store(held); !status.ok()) {
    wipe(text);
    return status;
  }
  publish();
  return NewKey{held.key, std::move(text)};
}

Result<Key> KeyStore::update(std::string_view id, const KeyChange& change) {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Held held, find_active(id));
  if (change.name) held.key.name = *change.name;
  if (change.models) held.key.models = *change.models;
  if (change.limits) held.key.limits = *change.limits;
  if (change.allow_from) held.key.allow_from = *change.allow_from;
  if (change.expires_ns) {
    if (*change.expires_ns != 0 && *change.expires_ns <= clock_.wall_ns()) {
      return invalid_argument("expires: has to be in the future; to end a key now, revoke it");
    }
    held.key.expires_ns = *change.expires_ns;
  }
  RETURN_IF_ERROR(check(held.key, held.key.id));
  RETURN_IF_ERROR(store(held));
  publish();
  return std::move(held.key);
}

Result<Key> KeyStore::revoke(std::string_view id) {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Held held, find(id));
  if (held.key.revoked_ns != 0) return std::move(held.key);
  held.key.revoked_ns = clock_.wall_ns();
  held.key.previous_until_ns = 0;
  held.previous = {};
  RETURN_IF_ERROR(store(held));
  publish();
  return std::move(held.key);
}

std::string KeyStore::person_behind(const model::Principal& principal) const {
  if (principal.id.starts_with("user:")) return principal.id;
  const std::lock_guard lock(mutex_);
  const auto found = keys_.find(principal.id);
  return found == keys_.end() ? std::string() : found->second.key.created_by;
}

Status KeyStore::flush_last_used() {
  const std::lock_guard lock(mutex_);
  Status first;
  for (auto& [id, held] : keys_) {
    const int64_t used_ns = held.activity->last_used_ns.load(std::memory_order_relaxed);
    if (used_ns <= held.stored_last_used_ns) continue;
    Held changed = held;
    changed.key.last_used_ns = used_ns;
    if (Status status = store(changed); !status.ok() && first.ok()) first = status;
  }
  return first;
}

Status KeyStore::store(Held& held) {
  ASSIGN_OR_RETURN(held.version, catalog_.put(kKind, held.key.id, encode(held), held.version, {}));
  held.stored_last_used_ns = held.key.last_used_ns;
  keys_[held.key.id] = held;
  return {};
}

Result<KeyEntry> KeyStore::entry_of(const Held& held) {
  const Key& key = held.key;
  KeyEntry entry;
  entry.number = key_number(key.id);
  entry.secret = held.secret;
  entry.previous = held.previous;
  entry.previous_until_ns = key.previous_until_ns;
  if (key.expires_ns != 0) entry.expires_ns = key.expires_ns;
  entry.revoked = key.revoked_ns != 0;
  if (!key.allow_from.empty()) {
    ASSIGN_OR_RETURN(AccessList list, AccessList::parse(key.allow_from, {}));
    entry.from = std::make_shared<const AccessList>(std::move(list));
  }
  entry.principal = std::make_shared<const model::Principal>(
      model::Principal{key.id, key.name, key.roles, key.models, key.limits});
  entry.activity = held.activity;
  return entry;
}

void KeyStore::publish() {
  std::vector<KeyEntry> entries;
  entries.reserve(keys_.size());
  std::array<int, 3> counts{};
  const int64_t now_ns = clock_.wall_ns();
  for (const auto& [id, held] : keys_) {
    ++counts[static_cast<size_t>(held.key.state(now_ns))];
    auto entry = entry_of(held);
    if (entry.ok()) entries.push_back(std::move(*entry));
  }
  for (size_t i = 0; i < counts.size(); ++i) counts_[i]->set(counts[i]);
  gate_.publish(std::make_shared<const KeyTable>(std::move(entries)));
}

}  // namespace gatehouse::identity
