#include "identity/authenticator.h"

#include <algorithm>
#include <bit>

#include "base/bytes.h"
#include "base/log.h"
#include "base/text.h"

namespace gatehouse::identity {

namespace {

constexpr std::string_view kReasonNames[] = {"missing", "malformed", "wrong",  "expired",
                                             "revoked", "address",   "locked", "role"};
constexpr uint32_t kNoEntry = UINT32_MAX;

std::string_view text_of(const Digest& digest) { return {digest.data(), digest.size()}; }

uint64_t next_serial() {
  static std::atomic<uint64_t> serial{0};
  return ++serial;
}

}  // namespace

std::string_view name(RefusalReason reason) { return kReasonNames[static_cast<size_t>(reason)]; }

KeyTable::KeyTable(std::vector<KeyEntry> entries) : entries_(std::move(entries)) {
  const size_t places = std::bit_ceil(std::max<size_t>(entries_.size() * 2, 8));
  shift_ = 64u - static_cast<unsigned>(std::countr_zero(places));
  places_.assign(places, kNoEntry);
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    size_t place = entries_[i].number * 0x9e3779b97f4a7c15 >> shift_;
    while (places_[place] != kNoEntry) place = (place + 1) & (places - 1);
    places_[place] = i;
  }
  KeyEntry nobody;
  nobody.number = UINT64_MAX;  // ids have 60 bits
  entries_.push_back(std::move(nobody));
}

size_t KeyTable::find(uint64_t number) const {
  size_t place = number * 0x9e3779b97f4a7c15 >> shift_;
  for (; places_[place] != kNoEntry; place = (place + 1) & (places_.size() - 1)) {
    if (entries_[places_[place]].number == number) return places_[place];
  }
  return entries_.size() - 1;
}

// What a thread keeps of the Authenticator it last asked.
struct Authenticator::ThreadView {
  uint64_t serial = 0;
  uint64_t version = 0;
  Shared shared;
  // By index into the table; null until the thread first needs it.
  std::vector<model::PrincipalPtr> principals;

  const model::PrincipalPtr& principal(size_t index) {
    model::PrincipalPtr& own = principals[index];
    if (!own) {
      const model::PrincipalPtr& common = (*shared.table)[index].principal;
      own = model::PrincipalPtr(std::make_shared<model::PrincipalPtr>(common), common.get());
    }
    return own;
  }
};

Authenticator::Authenticator(const model::Clock& clock, LockoutConfig lockout,
                             model::Registry& registry)
    : serial_(next_serial()), clock_(clock), lockout_(lockout, registry) {
  for (std::string_view reason : kReasonNames) {
    refusals_.push_back(&registry.counter("gatehouse_identity_refusals",
                                          "Calls turned away before they reached a route.",
                                          {{"reason", std::string(reason)}}));
  }
  shared_.table = std::make_shared<const KeyTable>(std::vector<KeyEntry>{});
  shared_.access = std::make_shared<const AccessList>();
}

void Authenticator::publish(std::shared_ptr<const KeyTable> table) {
  const std::lock_guard lock(mutex_);
  shared_.table = std::move(table);
  version_.fetch_add(1, std::memory_order_release);
}

void Authenticator::set_access(AccessList access, bool guard_probes) {
  const std::lock_guard lock(mutex_);
  shared_.guard_probes = guard_probes;
  shared_.access = std::make_shared<const AccessList>(std::move(access));
  version_.fetch_add(1, std::memory_order_release);
}

Authenticator::ThreadView& Authenticator::view() {
  thread_local ThreadView view;
  const uint64_t version = version_.load(std::memory_order_acquire);
  if (view.serial != serial_ || view.version != version) {
    const std::lock_guard lock(mutex_);
    view.principals.clear();
    view.shared = shared_;
    view.principals.resize(view.shared.table->size());
    view.version = version_.load(std::memory_order_relaxed);
    view.serial = serial_;
  }
  return view;
}

bool Authenticator::permits(std::string_view peer_address) {
  return view().shared.access->permits(peer_address);
}

bool Authenticator::permits_probe(std::string_view peer_address) {
  const Shared& shared = view().shared;
  return shared.guard_probes ? shared.access->permits(peer_address)
                             : !shared.access->denies(peer_address);
}

void Authenticator::refused(RefusalReason reason, std::string_view key_id,
                            std::string_view peer_address) {
  const Status told = refuse(reason, key_id, peer_address, 0, nullptr);
  (void)told;  // the caller has words of its own
}

Result<model::PrincipalPtr> Authenticator::authenticate(std::string_view presented,
                                                        std::string_view peer_address,
                                                        int64_t now_ns, Refusal* refusal) {
  ThreadView& view = this->view();
  if (!view.shared.access->permits(peer_address)) {
    return refuse(RefusalReason::kAddress, {}, peer_address, 0, refusal);
  }
  if (presented.empty()) return refuse(RefusalReason::kMissing, {}, peer_address, 0, refusal);

  int64_t locked_ms = 0;
  uint64_t from = 0;
  if (lockout_.anyone_locked()) [[unlikely]] {
    const Lockout::Subject subject = lockout_.address(peer_address);
    from = subject.hash;
    locked_ms = lockout_.locked_for_ms(subject, clock_.steady_ns() / 1'000'000);
  }

  const auto key = parse_virtual_key(presented);
  if (!key.ok()) {
    if (locked_ms > 0) return refuse(RefusalReason::kLocked, {}, peer_address, locked_ms, refusal);
    return wrong(RefusalReason::kMalformed, {}, peer_address, refusal);
  }
  const size_t index = view.shared.table->find(key->number);
  const KeyEntry& entry = (*view.shared.table)[index];
  const Digest digest = digest_of(key->secret);
  const bool is_current = equal_constant_time(text_of(digest), text_of(entry.secret));
  const bool is_previous = equal_constant_time(text_of(digest), text_of(entry.previous));
  const bool right = view.shared.table->known(index) &&
                     (is_current || (is_previous && now_ns < entry.previous_until_ns));
  if (locked_ms > 0 && !(right && familiar(*entry.activity, from))) {
    return refuse(RefusalReason::kLocked, key->id, peer_address, locked_ms, refusal);
  }
  if (!right) return wrong(RefusalReason::kWrong, key->id, peer_address, refusal);
  if (entry.revoked) return refuse(RefusalReason::kRevoked, key->id, peer_address, 0, refusal);
  if (now_ns >= entry.expires_ns) {
    return refuse(RefusalReason::kExpired, key->id, peer_address, 0, refusal);
  }
  if (entry.from && !entry.from->permits(peer_address)) {
    return refuse(RefusalReason::kAddress, key->id, peer_address, 0, refusal);
  }
  remember(*entry.activity, peer_address, now_ns);
  return view.principal(index);
}

bool Authenticator::familiar(const KeyActivity& activity, uint64_t address) const {
  return std::any_of(activity.addresses.begin(), activity.addresses.end(), [address](auto& known) {
    return known.load(std::memory_order_relaxed) == address;
  });
}

void Authenticator::remember(KeyActivity& activity, std::string_view address,
                             int64_t now_ns) const {
  const int64_t last_ns = activity.last_used_ns.load(std::memory_order_relaxed);
  // A wall clock that was set back must not freeze the mark in the future.
  if (now_ns - last_ns >= kLastUsedStepNs || now_ns < last_ns) {
    activity.last_used_ns.store(now_ns, std::memory_order_relaxed);
  }
  const uint64_t hash = lockout_.address(address).hash;
  if (familiar(activity, hash)) return;
  const uint32_t place = activity.next_address.fetch_add(1, std::memory_order_relaxed);
  activity.addresses[place % activity.addresses.size()].store(hash, std::memory_order_relaxed);
}

Status Authenticator::wrong(RefusalReason reason, std::string_view key_id, std::string_view address,
                            Refusal* out) {
  const int64_t now_ms = clock_.steady_ns() / 1'000'000;
  if (lockout_.failed(lockout_.address(address), now_ms)) {
    log_warning("address locked out after repeated failures to authenticate",
                {{"address", address}});
  }
  if (!key_id.empty()) {
    const Lockout::Subject id = lockout_.key(key_id);
    const int64_t locked_ms = lockout_.locked_for_ms(id, now_ms);
    if (locked_ms > 0) return refuse(RefusalReason::kLocked, key_id, address, locked_ms, out);
    if (lockout_.failed(id, now_ms)) {
      log_warning("wrong secrets for a key id are locked out; its right secret still works",
                  {{"key_id", key_id}, {"address", address}});
    }
  }
  return refuse(reason, key_id, address, 0, out);
}

Status Authenticator::refuse(RefusalReason reason, std::string_view key_id,
                             std::string_view address, int64_t retry_after_ms, Refusal* out) {
  refusals_[static_cast<size_t>(reason)]->add();
  const Refusal refusal{reason, std::string(key_id), std::string(address), retry_after_ms};
  if (observer_) observer_(refusal);
  if (out != nullptr) *out = refusal;
  const std::string key = "The key gh_" + refusal.key_id + "_… ";
  switch (reason) {
    case RefusalReason::kMissing:
      return {Code::kUnauthenticated,
              "No key was sent. Send one as \"authorization: Bearer gh_…\"."};
    case RefusalReason::kMalformed:
      return {Code::kUnauthenticated,
              "What was sent is not a Gatehouse key, or was mistyped or cut. Keys have the form "
              "gh_<id>_<secret>_<checksum>."};
    case RefusalReason::kWrong:
      return {Code::kUnauthenticated, "The key is not known. Check it, or ask for a new one."};
    case RefusalReason::kExpired:
      return {Code::kUnauthenticated, key + "has expired. Ask for a new one."};
    case RefusalReason::kRevoked:
      return {Code::kUnauthenticated, key + "was revoked. Ask for a new one."};
    case RefusalReason::kAddress:
      return {Code::kPermissionDenied, "Calls from this address are not allowed."};
    case RefusalReason::kRole:
      return {Code::kPermissionDenied, key + "lacks the role that this asks for."};
    case RefusalReason::kLocked: break;
  }
  return {Code::kResourceExhausted, "Too many failures to authenticate; locked for another " +
                                        std::to_string((retry_after_ms + 999) / 1000) +
                                        " seconds."};
}

std::string_view credential_from(const net::HeaderList& headers) {
  constexpr std::string_view kBearer = "bearer ";
  const std::string_view authorization = headers.get("authorization");
  if (authorization.size() > kBearer.size() &&
      equal_ignoring_case(authorization.substr(0, kBearer.size()), kBearer)) {
    return trim(authorization.substr(kBearer.size()));
  }
  const std::string_view anthropic = headers.get("x-api-key");
  return anthropic.empty() ? headers.get("api-key") : anthropic;
}

}  // namespace gatehouse::identity
