#include "identity/entra/credential.h"

#include <atomic>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "base/log.h"
#include "base/text.h"

namespace gatehouse::identity::entra {

namespace {
// A token this close to its end is not sent: it has to last until the upstream
// has looked at it, its clock being ahead of ours.
constexpr int64_t kMarginNs = 30'000'000'000;
// After a failure, how long the same error is given without asking again.
constexpr int64_t kRetryNs = 5'000'000'000;

uint64_t next_version() {
  static std::atomic<uint64_t> version{0};
  return ++version;
}
}  // namespace

struct EntraCredential::State {
  std::string host;
  Options options;
  std::shared_ptr<Transport> transport;
  const model::Clock* clock = nullptr;
  model::Counter* fetched = nullptr;
  model::Counter* failed = nullptr;

  std::atomic<uint64_t> version{0};  // of the token; unique in the process; 0: none yet
  std::atomic<int64_t> usable_until_ns{0};
  std::atomic<int64_t> refresh_ns{0};
  std::atomic<bool> fetching{false};

  std::mutex mutex;
  std::string bearer;  // "Bearer …"
  Status last_failure;
  int64_t failed_at_ns = 0;
  struct Waiter {
    Loop* loop;
    Event* event;
  };
  std::vector<Waiter> waiters;

  ~State() {
    wipe(bearer);
    wipe(options.client_secret);
    wipe(options.identity_header);
  }
};

EntraCredential::EntraCredential(std::string host, Options options,
                                 std::shared_ptr<Transport> transport, const model::Clock& clock,
                                 model::Registry& registry)
    : state_(std::make_shared<State>()) {
  state_->host = std::move(host);
  state_->options = std::move(options);
  state_->transport = std::move(transport);
  state_->clock = &clock;
  state_->fetched = &registry.counter("gatehouse_identity_token_requests",
                                      "Requests for Microsoft Entra tokens.", {{"outcome", "ok"}});
  state_->failed =
      &registry.counter("gatehouse_identity_token_requests", "Requests for Microsoft Entra tokens.",
                        {{"outcome", "error"}});
}

EntraCredential::~EntraCredential() = default;

Task<void> EntraCredential::refresh(Loop& loop, std::shared_ptr<State> state) {
  Result<Token> token =
      co_await fetch_token(loop, *state->transport, state->options, *state->clock);
  std::vector<State::Waiter> waiters;
  {
    const std::lock_guard lock(state->mutex);
    if (token.ok()) {
      wipe(state->bearer);
      state->bearer.reserve(token->value.size() + 7);
      state->bearer.append("Bearer ").append(token->value);
      wipe(token->value);
      state->usable_until_ns = token->expires_ns - kMarginNs;
      state->refresh_ns = token->refresh_ns;
      state->last_failure = {};
      state->version = next_version();
      state->fetched->add();
    } else {
      state->last_failure = token.status();
      state->failed_at_ns = state->clock->steady_ns();
      // Ahead of the token's end there is time: the next try comes later.
      state->refresh_ns = state->clock->wall_ns() + 6 * kRetryNs;
      state->failed->add();
      log_warning("a token could not be fetched",
                  {{"host", state->host}, {"reason", token.status().message()}});
    }
    waiters.swap(state->waiters);
    state->fetching = false;
  }
  for (const State::Waiter& waiter : waiters) {
    waiter.loop->post([event = waiter.event] { event->set(); });
  }
}

const model::Credential::Header* EntraCredential::ready(std::string_view host) {
  State& state = *state_;
  if (!equal_ignoring_case(host, state.host)) return nullptr;
  const uint64_t version = state.version.load(std::memory_order_acquire);
  const int64_t now_ns = state.clock->wall_ns();
  if (version == 0 || now_ns >= state.usable_until_ns.load(std::memory_order_relaxed)) {
    return nullptr;
  }
  if (now_ns >= state.refresh_ns.load(std::memory_order_relaxed)) {
    if (Loop* loop = Loop::current(); loop != nullptr && !state.fetching.exchange(true)) {
      // Off the caller's stack.
      loop->defer([loop, kept = state_] { detach(refresh(*loop, kept)); });
    }
  }
  // A few tokens are in use at once: one place a thread would be fought over.
  struct Place {
    uint64_t version = 0;
    Header header;
    ~Place() { wipe(header.value); }
  };
  thread_local Place places[4];
  Place& place = places[reinterpret_cast<uintptr_t>(&state) / 64 % 4];
  if (place.version != version) {
    const std::lock_guard lock(state.mutex);
    wipe(place.header.value);
    place.header.name = "authorization";
    place.header.value = state.bearer;
    place.version = state.version.load(std::memory_order_relaxed);
  }
  return &place.header;
}

Task<Result<model::Credential::Header>> EntraCredential::authorize(Loop& loop,
                                                                   std::string_view host) {
  const std::shared_ptr<State> state = state_;  // outlives the wait
  if (!equal_ignoring_case(host, state->host)) {
    co_return Status(Code::kPermissionDenied,
                     "this credential is for " + state->host + " and goes to no other host");
  }
  if (const Header* header = ready(state->host)) co_return *header;
  Event done(loop);
  bool begin = false;
  {
    const std::lock_guard lock(state->mutex);
    const bool just_failed =
        !state->last_failure.ok() && state->clock->steady_ns() - state->failed_at_ns < kRetryNs;
    if (just_failed) co_return state->last_failure;
    begin = !state->fetching.exchange(true);
    if (!begin) state->waiters.push_back({&loop, &done});
  }
  if (begin) {
    co_await refresh(loop, state);
  } else {
    (void)co_await done.wait();  // a fetch is bounded by its own deadlines
  }
  const std::lock_guard lock(state->mutex);
  if (state->clock->wall_ns() < state->usable_until_ns) {
    Header header;
    header.name = "authorization";
    header.value = state->bearer;
    co_return header;
  }
  if (!state->last_failure.ok()) co_return state->last_failure;
  co_return unavailable("the Microsoft Entra token that was given has expired already");
}

}  // namespace gatehouse::identity::entra
