// Lifetimes: a target's coroutine holds its Running, its Job and the State; each ends
// by a Cancel of its Running. A Job's discoveries hold the Job. So nothing is
// destroyed under what still uses it, and stop() waits until all have ended.
#include "collect/scraper.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "base/log.h"
#include "base/text.h"
#include "collect/discovery/discovery.h"
#include "collect/scrape.h"
#include "net/http.h"
#include "outbound/http_fetch.h"

namespace gatehouse::collect {

namespace {

// Dropped targets shown where a job does not say (keep_dropped_targets).
constexpr size_t kDroppedShown = 1'000;
// Reasons why targets cannot be scraped that are logged, a job.
constexpr size_t kComplaintsMax = 100;
// Samples of one scrape carry its scheduled time where they are this near to it:
// evenly spaced times need less room. Prometheus's tolerance.
constexpr int64_t kAlignMs = 2;

}  // namespace

struct Scraper::Running {
  Running(const ScrapeConfig& config, const Target& given, model::SampleAppender& appender,
          MemoryBudget& budget)
      : target(given), intake(config, given, appender, budget) {}

  const Target target;
  ScrapeIntake intake;  // the coroutine's, or the pool's while it waits for that
  Cancel stop;
  bool mark_end = true;
  int sources = 1;  // groups it is in
  uint64_t metadata_version = 0;
  TargetState state;                                      // State::mutex
  std::map<std::string, model::MetricMetadata> metadata;  // State::mutex
};

struct Scraper::Job {
  ScrapeConfig config;
  std::unique_ptr<outbound::HttpFetch> fetch;
  std::string accept;
  Cancel stop;
  std::vector<std::unique_ptr<Discovery>> discoveries;
  // Targets by hash, and which of them each source gave.
  std::map<uint64_t, std::shared_ptr<Running>> targets;  // State::mutex
  std::map<std::string, std::set<uint64_t>> by_source;
  std::map<std::string, std::vector<model::Labels>> dropped;  // State::mutex
  std::set<std::string> complaints;                           // about targets, each logged once
  bool ended = false;
};

struct Scraper::State : std::enable_shared_from_this<Scraper::State> {
  State(Loop& l, Pool& p, model::SampleAppender& a, MemoryBudget& b, const model::Clock& c,
        ScraperOptions o)
      : loop(l), pool(p), appender(a), budget(b), clock(c), options(std::move(o)), idle(l) {}

  using JobPtr = std::shared_ptr<Job>;
  using RunningPtr = std::shared_ptr<Running>;

  int64_t wall_ms() const { return clock.wall_ns() / 1'000'000; }
  void begin_job(const JobPtr& job);
  void end_job(const JobPtr& job, bool mark);
  void update(const JobPtr& job, size_t discovery, std::vector<TargetGroup> groups);
  std::set<uint64_t> place(const JobPtr& job, const std::string& source, const TargetGroup& group);
  void release(const JobPtr& job, uint64_t hash);
  void left();

  static Task<void> run_discovery(std::shared_ptr<State> self, JobPtr job, size_t index);
  static Task<void> run_target(std::shared_ptr<State> self, JobPtr job, RunningPtr running);
  Task<void> scrape(JobPtr job, RunningPtr running, int64_t scheduled_ms);
  Task<Result<ScrapedBody>> get(const Job& job, Running& running, MemoryCharge& charge);

  Loop& loop;
  Pool& pool;
  model::SampleAppender& appender;
  MemoryBudget& budget;
  const model::Clock& clock;
  ScraperOptions options;
  mutable std::mutex mutex;
  std::vector<JobPtr> jobs;  // mutex
  int tasks = 0;             // coroutines that have not ended
  Event idle;
};

Scraper::Scraper(Loop& loop, Pool& pool, model::SampleAppender& appender, MemoryBudget& budget,
                 const model::Clock& clock, ScraperOptions options)
    : state_(std::make_shared<State>(loop, pool, appender, budget, clock, std::move(options))) {}
Scraper::~Scraper() = default;

Status Scraper::configure(std::vector<ScrapeConfig> configs) {
  State& state = *state_;
  std::vector<State::JobPtr> next;
  std::vector<State::JobPtr> fresh;
  std::set<State::JobPtr> kept;
  for (ScrapeConfig& config : configs) {
    State::JobPtr job;
    for (const auto& known : state.jobs) {
      const bool same = known->config.job_name == config.job_name && config.fingerprint != 0 &&
                        known->config.fingerprint == config.fingerprint;
      if (same) job = known;
    }
    if (job != nullptr) {
      kept.insert(job);
    } else {
      job = std::make_shared<Job>();
      job->config = std::move(config);
      auto fetch =
          outbound::HttpFetch::create(state.loop, state.pool, state.options.dial, job->config.http);
      if (!fetch.ok()) return fetch.status().with_context("job " + job->config.job_name);
      job->fetch = std::move(*fetch);
      job->accept = accept_header(job->config);
      fresh.push_back(job);
    }
    next.push_back(job);
  }
  std::vector<State::JobPtr> before;
  {
    const std::lock_guard lock(state.mutex);
    before = std::exchange(state.jobs, next);
  }
  for (const auto& job : before) {
    if (kept.contains(job)) continue;
    // A job that goes on in another form would have its series ended and begun at once.
    const bool replaced = std::any_of(next.begin(), next.end(), [&](const auto& other) {
      return other->config.job_name == job->config.job_name;
    });
    state.end_job(job, !replaced);
  }
  for (const auto& job : fresh) state.begin_job(job);
  return {};
}

void Scraper::State::begin_job(const JobPtr& job) {
  DiscoveryScope scope{loop, pool, options.dial, options.nameserver};
  job->discoveries = make_discoveries(scope, job->config);
  for (size_t i = 0; i < job->discoveries.size(); ++i) {
    ++tasks;
    detach(run_discovery(shared_from_this(), job, i));
  }
}

void Scraper::State::end_job(const JobPtr& job, bool mark) {
  job->ended = true;
  std::vector<RunningPtr> ending;
  {
    const std::lock_guard lock(mutex);
    for (const auto& [hash, target] : job->targets) ending.push_back(target);
    job->targets.clear();
  }
  job->stop.fire();
  for (const auto& target : ending) {
    target->mark_end = mark;
    target->stop.fire();
  }
}

void Scraper::State::left() {
  if (--tasks == 0) idle.set();
}

Task<void> Scraper::State::run_discovery(std::shared_ptr<State> self, JobPtr job, size_t index) {
  State* state = self.get();
  GroupUpdate update = [state, index,
                        weak = std::weak_ptr<Job>(job)](std::vector<TargetGroup> groups) {
    const JobPtr alive = weak.lock();
    if (alive != nullptr && !alive->ended) state->update(alive, index, std::move(groups));
  };
  co_await job->discoveries[index]->run(update, job->stop);
  self->left();
}

void Scraper::State::update(const JobPtr& job, size_t discovery, std::vector<TargetGroup> groups) {
  for (const TargetGroup& group : groups) {
    const std::string source = std::to_string(discovery) + "/" + group.source;
    const std::set<uint64_t> before = job->by_source[source];
    std::set<uint64_t> now = place(job, source, group);
    for (const uint64_t hash : before) {
      if (!now.contains(hash)) release(job, hash);
    }
    if (now.empty() && group.targets.empty()) {
      job->by_source.erase(source);
    } else {
      job->by_source[source] = std::move(now);
    }
  }
}

// The targets of one group: known ones stay, new ones begin.
std::set<uint64_t> Scraper::State::place(const JobPtr& job, const std::string& source,
                                         const TargetGroup& group) {
  const std::set<uint64_t>& before = job->by_source[source];
  std::set<uint64_t> now;
  std::vector<model::Labels> dropped;
  for (const model::Labels& labels : group.targets) {
    auto target = make_target(job->config, labels, group.labels);
    if (!target.ok()) {
      const bool fresh = job->complaints.size() < kComplaintsMax &&
                         job->complaints.insert(target.status().message()).second;
      if (!fresh) continue;
      log_warning("a target cannot be scraped", {{"job", job->config.job_name},
                                                 {"target", labels.get("__address__")},
                                                 {"reason", target.status().message()}});
      continue;
    }
    if (!*target) {
      MutableLabels discovered(group.labels);
      for (const auto& [name, value] : labels.pairs()) discovered.set(name, value);
      dropped.push_back(discovered.labels());
      continue;
    }
    const uint64_t hash = (*target)->hash();
    if (!now.insert(hash).second) continue;
    const std::lock_guard lock(mutex);
    const auto known = job->targets.find(hash);
    if (known != job->targets.end()) {
      if (!before.contains(hash)) ++known->second->sources;
      continue;
    }
    auto fresh = std::make_shared<Running>(job->config, **target, appender, budget);
    job->targets.emplace(hash, fresh);
    ++tasks;
    // Not under the lock: it starts at once.
    loop.defer([self = shared_from_this(), job, fresh] { detach(run_target(self, job, fresh)); });
  }
  const std::lock_guard lock(mutex);
  const uint64_t asked = job->config.limits.kept_dropped_targets;
  const size_t shown = asked > 0 ? static_cast<size_t>(asked) : kDroppedShown;
  if (dropped.size() > shown) dropped.resize(shown);
  job->dropped[source] = std::move(dropped);
  if (job->dropped[source].empty()) job->dropped.erase(source);
  return now;
}

void Scraper::State::release(const JobPtr& job, uint64_t hash) {
  RunningPtr ending;
  {
    const std::lock_guard lock(mutex);
    const auto known = job->targets.find(hash);
    if (known == job->targets.end() || --known->second->sources > 0) return;
    ending = known->second;
    job->targets.erase(known);
  }
  ending->stop.fire();
}

Task<void> Scraper::State::run_target(std::shared_ptr<State> self, JobPtr job, RunningPtr running) {
  const int64_t interval = running->target.interval_ms;
  const auto place = static_cast<int64_t>((running->target.hash() ^ self->options.offset_seed) %
                                          static_cast<uint64_t>(interval));
  int64_t now = self->wall_ms();
  int64_t next = now + (place - now % interval + interval) % interval;
  while (!running->stop.fired()) {
    const Wake wake =
        co_await self->loop.sleep_for(std::max<int64_t>(0, next - now), &running->stop);
    if (wake == Wake::kCancelled) break;
    co_await self->scrape(job, running, next);
    now = self->wall_ms();
    next += interval;
    // The clock was set, or the scrape took longer than the interval.
    if (next < now || next > now + interval) {
      next = now + (place - now % interval + interval) % interval;
    }
  }
  if (running->mark_end) {
    const int64_t at = self->wall_ms();
    Running* ending = running.get();
    co_await self->pool.run(self->loop, [ending, at] { ending->intake.end(at); });
  }
  self->left();
}

Task<Result<ScrapedBody>> Scraper::State::get(const Job& job, Running& running,
                                              MemoryCharge& charge) {
  const ScrapeConfig& config = job.config;
  if (config.limits.targets > 0 && job.targets.size() > config.limits.targets) {
    co_return resource_exhausted(
        "target_limit exceeded (number of targets: " + std::to_string(job.targets.size()) +
        ", limit: " + std::to_string(config.limits.targets) + ")");
  }
  outbound::FetchAsk ask;
  ask.url = running.target.url;
  const double timeout_s = static_cast<double>(running.target.timeout_ms) / 1000;
  ask.headers.emplace_back("accept", job.accept);
  ask.headers.emplace_back("user-agent", "Gatehouse/" GATEHOUSE_VERSION);
  ask.headers.emplace_back("x-prometheus-scrape-timeout-seconds", std::to_string(timeout_s));
  if (config.enable_compression) ask.headers.emplace_back("accept-encoding", "gzip");
  ask.body_bytes_max = scrape_body_bytes_max(config, budget);
  ask.deadline_ms = steady_ms() + running.target.timeout_ms;
  ask.cancel = &running.stop;
  ask.charge = &charge;
  Result<outbound::FetchReply> reply = co_await job.fetch->fetch(ask);
  if (!reply.ok()) co_return reply.status();
  if (reply->status != 200) {
    co_return unavailable("server returned HTTP status " + std::to_string(reply->status) + " " +
                          std::string(net::reason_phrase(reply->status)));
  }
  ScrapedBody body;
  body.content_type = std::move(reply->content_type);
  body.content_encoding = to_lower(reply->content_encoding);
  body.body = std::move(reply->body);
  co_return body;
}

Task<void> Scraper::State::scrape(JobPtr job, RunningPtr running, int64_t scheduled_ms) {
  const int64_t begin_ms = wall_ms();
  const bool aligned = begin_ms - scheduled_ms <= kAlignMs && begin_ms >= scheduled_ms;
  const int64_t time_ms = aligned ? scheduled_ms : begin_ms;
  const int64_t begin_ns = steady_ns();
  MemoryCharge charge(budget);
  Result<ScrapedBody> body = co_await get(*job, *running, charge);
  if (running->stop.fired()) co_return;  // not the target's fault
  const double seconds = static_cast<double>(steady_ns() - begin_ns) / 1e9;
  ScrapeCounts counts;
  Running* target = running.get();
  const Status outcome = co_await pool.run(loop, [&, target] {
    Status taken = target->intake.take(time_ms, seconds, std::move(body), charge, counts);
    if (target->metadata_version != target->intake.metadata_version()) {
      const std::lock_guard lock(mutex);
      target->metadata_version = target->intake.metadata_version();
      target->metadata = target->intake.metadata();
    }
    return taken;
  });
  const std::lock_guard lock(mutex);
  TargetState& state = target->state;
  state.health = outcome.ok() ? TargetHealth::kUp : TargetHealth::kDown;
  state.last_error = outcome.message();
  state.last_scrape_ms = begin_ms;
  state.last_duration_s = seconds;
  state.last_samples = counts.scraped;
}

Task<void> Scraper::stop(bool mark) {
  const auto state = state_;
  std::vector<State::JobPtr> ending;
  {
    const std::lock_guard lock(state->mutex);
    ending = std::exchange(state->jobs, {});
  }
  for (const auto& job : ending) state->end_job(job, mark);
  while (state->tasks > 0) {
    state->idle.reset();
    co_await state->idle.wait();
  }
}

std::vector<TargetView> Scraper::targets() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<TargetView> out;
  for (const auto& job : state_->jobs) {
    const size_t begin = out.size();
    for (const auto& [hash, running] : job->targets) {
      out.push_back({job->config.job_name, running->target, running->state});
    }
    std::sort(
        out.begin() + static_cast<ptrdiff_t>(begin), out.end(),
        [](const TargetView& a, const TargetView& b) { return a.target.labels < b.target.labels; });
  }
  return out;
}

std::vector<DroppedTargetView> Scraper::dropped_targets() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<DroppedTargetView> out;
  for (const auto& job : state_->jobs) {
    for (const auto& [source, all] : job->dropped) {
      for (const model::Labels& labels : all) out.push_back({job->config.job_name, labels});
    }
  }
  return out;
}

std::vector<std::string> Scraper::pools() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> out;
  for (const auto& job : state_->jobs) out.push_back(job->config.job_name);
  return out;
}

std::vector<Scraper::TargetMetadata> Scraper::metadata(std::string_view metric,
                                                       size_t limit) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<TargetMetadata> out;
  for (const auto& job : state_->jobs) {
    for (const auto& [hash, running] : job->targets) {
      for (const auto& [name, said] : running->metadata) {
        if (!metric.empty() && name != metric) continue;
        if (limit > 0 && out.size() >= limit) return out;
        out.push_back({running->target.labels, name, said});
      }
    }
  }
  return out;
}

}  // namespace gatehouse::collect
