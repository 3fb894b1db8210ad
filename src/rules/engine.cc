// The schedule of groups. One thread waits for the next that is due and hands it to a pool;
// a group is at most once on the pool, and goes back to the schedule when it has run.
#include "rules/engine.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/pool.h"
#include "rules/running_group.h"

namespace gatehouse::rules {

namespace {

using GroupPtr = std::shared_ptr<RunningGroup>;
using GroupKey = std::pair<std::string, std::string>;  // file, name

// The clock of the wall is looked at as often, so that one that was set is noticed.
constexpr int64_t kLookAgainMs = 1'000;
// A step of the clock beyond which all groups are planned anew.
constexpr int64_t kClockStepMs = 2'000;

}  // namespace

struct RuleEngine::State {
  State(RuleEngineParts given, int concurrency)
      : parts(given),
        share(given.budget.limit_bytes() / 4),
        history(given.records),
        metrics(given.registry),
        around{parts, share, history, metrics, stopping},
        pool(std::max(1, concurrency)) {
    scheduler = std::thread([this] { schedule(); });
  }

  void schedule();
  void plan(const GroupPtr& group) {
    due.emplace(group->slot_before(now_ms()) + group->interval_ms(), group);
  }
  void notice_clock();
  void submit(const GroupPtr& group, int64_t due_ms);
  void ran(const GroupPtr& group, int64_t slot_ms);
  void take_away(const std::vector<GroupPtr>& leaving);
  void note_ready();
  int64_t now_ms() const { return parts.clock.wall_ns() / 1'000'000; }

  const RuleEngineParts parts;
  MemoryBudget share;
  AlertHistory history;
  RuleMetrics metrics;
  std::atomic<bool> stopping{false};
  const GroupSurroundings around;
  std::atomic<bool> ready{false};

  std::mutex configuring;  // one configure() at a time; taken before `mutex`
  mutable std::mutex mutex;
  std::condition_variable wake;   // of the scheduler
  std::condition_variable ended;  // a group has run
  std::map<GroupKey, GroupPtr> groups;
  std::multimap<int64_t, GroupPtr> due;  // by Unix time; those that run are not in it
  bool configured = false;
  int64_t wall_less_steady_ms = 0;

  Pool pool;
  std::thread scheduler;
};

void RuleEngine::State::schedule() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    notice_clock();
    const int64_t now = now_ms();
    while (!due.empty() && due.begin()->first <= now) {
      const auto [due_ms, group] = *due.begin();
      due.erase(due.begin());
      submit(group, due_ms);
    }
    int64_t wait_ms = kLookAgainMs;
    if (!due.empty()) wait_ms = std::clamp<int64_t>(due.begin()->first - now, 1, kLookAgainMs);
    wake.wait_for(lock, std::chrono::milliseconds(wait_ms));
  }
}

// A clock that was set back would leave groups unevaluated until it came there again; one
// set forward, all groups due at once.
void RuleEngine::State::notice_clock() {
  const int64_t difference = now_ms() - parts.clock.steady_ns() / 1'000'000;
  const int64_t step = difference - wall_less_steady_ms;
  wall_less_steady_ms = difference;
  if (std::abs(step) < kClockStepMs) return;
  std::multimap<int64_t, GroupPtr> before;
  before.swap(due);
  for (const auto& [due_ms, group] : before) plan(group);
}

void RuleEngine::State::submit(const GroupPtr& group, int64_t due_ms) {
  group->running = true;
  pool.submit([this, group, due_ms] { ran(group, group->run(due_ms)); });
}

void RuleEngine::State::ran(const GroupPtr& group, int64_t slot_ms) {
  {
    const std::lock_guard lock(mutex);
    group->running = false;
    if (!group->gone && !stopping) {
      const int64_t next_ms = slot_ms + group->interval_ms();
      // The clock was set while it ran.
      if (std::abs(next_ms - now_ms()) > group->interval_ms() + kClockStepMs &&
          next_ms > now_ms()) {
        plan(group);
      } else {
        due.emplace(next_ms, group);
      }
    }
    note_ready();
  }
  ended.notify_all();
  wake.notify_one();
}

// REQUIRES: mutex.
void RuleEngine::State::note_ready() {
  if (ready || !configured) return;
  ready = std::all_of(groups.begin(), groups.end(),
                      [](const auto& each) { return each.second->evaluated(); });
}

// REQUIRES: configuring. Returns when none of them runs any more.
void RuleEngine::State::take_away(const std::vector<GroupPtr>& leaving) {
  std::unique_lock lock(mutex);
  for (const GroupPtr& group : leaving) group->gone = true;
  std::erase_if(due, [](const auto& each) { return each.second->gone.load(); });
  ended.wait(lock, [&] {
    return std::none_of(leaving.begin(), leaving.end(),
                        [](const GroupPtr& group) { return group->running; });
  });
}

RuleEngine::RuleEngine(RuleEngineParts parts, int concurrency)
    : state_(std::make_unique<State>(parts, concurrency)) {}

RuleEngine::~RuleEngine() { finish(); }

void RuleEngine::configure(std::vector<RuleGroup> groups, const EvaluationOptions& options) {
  State& state = *state_;
  const std::lock_guard one(state.configuring);
  std::map<GroupKey, GroupPtr> before, next;
  {
    const std::lock_guard lock(state.mutex);
    before = state.groups;
  }
  std::vector<RuleGroup> fresh;
  for (RuleGroup& group : groups) {
    const auto known = before.find({group.file, group.name});
    if (known != before.end() && known->second->same_as(group, options)) {
      next.insert(before.extract(known));
    } else {
      fresh.push_back(std::move(group));
    }
  }
  std::vector<GroupPtr> leaving;
  for (const auto& [key, group] : before) leaving.push_back(group);
  state.take_away(leaving);
  std::vector<GroupPtr> made;
  for (RuleGroup& group : fresh) {
    const GroupKey key(group.file, group.name);
    const auto known = before.find(key);
    RunningGroup* from = known == before.end() ? nullptr : known->second.get();
    made.push_back(std::make_shared<RunningGroup>(state.around, std::move(group), options, from));
    next[key] = made.back();
    if (known != before.end()) before.erase(known);
  }
  for (const auto& [key, gone] : before) gone->end();
  {
    const std::lock_guard lock(state.mutex);
    state.share.set_limit_bytes(state.parts.budget.limit_bytes() / 4);
    state.groups = std::move(next);
    for (const GroupPtr& group : made) state.plan(group);
    state.configured = true;
    state.note_ready();
  }
  state.wake.notify_one();
}

void RuleEngine::finish() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_one();
  if (state_->scheduler.joinable()) state_->scheduler.join();
  state_->pool.finish();
}

bool RuleEngine::ready() const { return state_->ready; }

std::vector<GroupView> RuleEngine::groups(bool with_alerts) const {
  std::vector<GroupPtr> groups;
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [key, group] : state_->groups) groups.push_back(group);
  }
  std::vector<GroupView> views;
  views.reserve(groups.size());
  for (const GroupPtr& group : groups) views.push_back(group->view(with_alerts));
  return views;
}

}  // namespace gatehouse::rules
