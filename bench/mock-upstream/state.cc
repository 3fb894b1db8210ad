#include "mock-upstream/state.h"

#include <algorithm>
#include <ctime>

#include "mock-upstream/json.h"

namespace mock {
namespace {

// Bodies are shown to tests, which send small ones.
constexpr size_t kBodyShown = 64u << 10;
// Enough for the largest departure run many times over; beyond it calls go unrecorded.
constexpr size_t kCallsKept = 500'000;
// More attempts of one call than any retry policy makes.
constexpr size_t kAttemptsKept = 256;

void append_member(std::string& out, std::string_view name, int64_t value) {
  if (out.back() != '{') out += ',';
  append_quoted(out, name);
  out += ':';
  append_number(out, value);
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  if (out.back() != '{') out += ',';
  append_quoted(out, name);
  out += ':';
  append_quoted(out, value);
}

template <typename Map>
void append_counts(std::string& out, std::string_view name, const Map& counts) {
  out += ",\"";
  out += name;
  out += "\":{";
  for (const auto& [key, count] : counts) {
    if constexpr (std::is_same_v<typename Map::key_type, int>) {
      append_member(out, std::to_string(key), static_cast<int64_t>(count));
    } else {
      append_member(out, key, static_cast<int64_t>(count));
    }
  }
  out += '}';
}

void append_times(std::string& out, const CallRecord& call) {
  append_member(out, "method", call.method);
  append_member(out, "target", call.target);
  append_member(out, "upstream", call.upstream);
  append_member(out, "status", call.status);
  append_member(out, "started_ns", call.started_ns);
  append_member(out, "first_byte_ns", call.first_byte_ns);
  append_member(out, "finished_ns", call.finished_ns);
  append_member(out, "closed_early_ns", call.closed_early_ns);
}

// When the last of the attempts ended; 0 while one is still open.
int64_t ended_ns(const std::vector<CallHandle>& attempts) {
  int64_t last = 0;
  for (const CallHandle& call : attempts) {
    const int64_t end = std::max(call->finished_ns, call->closed_early_ns);
    if (end == 0) return 0;
    last = std::max(last, end);
  }
  return last;
}

void bump(Counts& counts, std::string_view key) {
  auto found = counts.find(key);
  if (found == counts.end()) found = counts.emplace(std::string(key), 0).first;
  ++found->second;
}

}  // namespace

int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

const Behavior& BehaviorSet::of(std::string_view upstream) const {
  if (upstream.empty()) return otherwise;
  const auto found = by_upstream.find(upstream);
  return found == by_upstream.end() ? otherwise : found->second;
}

void ThreadStats::count(const Request& request, const Ask& ask) {
  const std::lock_guard lock(mutex_);
  bump(paths_, request.target.substr(0, request.target.find('?')));
  if (!ask.upstream.empty()) bump(upstreams_, ask.upstream);
  last_head_ = request.head;
  last_body_.assign(request.body, 0, kBodyShown);
  last_ns_ = monotonic_ns();
}

void ThreadStats::count_status(int status) {
  const std::lock_guard lock(mutex_);
  ++statuses_[status];
}

void ThreadStats::reset() {
  requests = 0;
  connections_opened = connections_open.load();
  in_flight_max = in_flight.load();
  closed_early = 0;
  bad_requests = 0;
  const std::lock_guard lock(mutex_);
  paths_.clear();
  upstreams_.clear();
  statuses_.clear();
  last_head_.clear();
  last_body_.clear();
  last_ns_ = 0;
}

State::State(Behavior defaults, int threads) : defaults_(std::move(defaults)) {
  auto set = std::make_shared<BehaviorSet>();
  set->otherwise = defaults_;
  behaviors_ = std::move(set);
  for (int i = 0; i < threads; ++i) threads_.push_back(std::make_unique<ThreadStats>());
}

std::shared_ptr<const BehaviorSet> State::behaviors() {
  const std::lock_guard lock(behaviors_mutex_);
  return behaviors_;
}

std::string State::change(std::string_view upstream, std::string_view object) {
  Behavior behavior = defaults_;
  std::string wrong = set_behavior_json(behavior, object, ",upstream,");
  if (!wrong.empty()) return wrong;
  const std::lock_guard lock(behaviors_mutex_);
  auto set = std::make_shared<BehaviorSet>(*behaviors_);
  if (upstream.empty()) {
    set->otherwise = behavior;
  } else {
    set->by_upstream.insert_or_assign(std::string(upstream), behavior);
  }
  behaviors_ = std::move(set);
  first_calls_.clear();
  version_.fetch_add(1, std::memory_order_release);
  return {};
}

void State::reset() {
  {
    const std::lock_guard lock(behaviors_mutex_);
    auto set = std::make_shared<BehaviorSet>();
    set->otherwise = defaults_;
    behaviors_ = std::move(set);
    first_calls_.clear();
    version_.fetch_add(1, std::memory_order_release);
  }
  {
    const std::lock_guard lock(calls_mutex_);
    calls_.clear();
  }
  for (const auto& thread : threads_) thread->reset();
}

bool State::among_first(std::string_view name, int64_t n) {
  const std::lock_guard lock(behaviors_mutex_);
  bump(first_calls_, name);
  return first_calls_.find(name)->second <= static_cast<uint64_t>(n);
}

CallHandle State::start_call(std::string_view id, const Request& request, const Ask& ask) {
  auto call = std::make_shared<CallRecord>();
  call->method = request.method;
  call->target = request.target;
  call->upstream = ask.upstream;
  call->head = request.head;
  call->started_ns = monotonic_ns();
  const std::lock_guard lock(calls_mutex_);
  auto found = calls_.find(id);
  if (found == calls_.end()) {
    if (calls_.size() >= kCallsKept) return nullptr;
    found = calls_.emplace(std::string(id), std::vector<CallHandle>()).first;
  }
  if (found->second.size() >= kAttemptsKept) return nullptr;
  found->second.push_back(call);
  return call;
}

void State::append_stats(std::string& out) {
  int64_t requests = 0, opened = 0, open = 0, in_flight = 0, in_flight_max = 0, early = 0, bad = 0;
  std::map<std::string, uint64_t> paths, upstreams;
  std::map<int, uint64_t> statuses;
  std::string last_head, last_body;
  int64_t last_ns = 0;
  for (const auto& thread : threads_) {
    requests += thread->requests;
    opened += thread->connections_opened;
    open += thread->connections_open;
    in_flight += thread->in_flight;
    in_flight_max += thread->in_flight_max;
    early += thread->closed_early;
    bad += thread->bad_requests;
    const std::lock_guard lock(thread->mutex_);
    for (const auto& [path, count] : thread->paths_) paths[path] += count;
    for (const auto& [upstream, count] : thread->upstreams_) upstreams[upstream] += count;
    for (const auto& [status, count] : thread->statuses_) statuses[status] += count;
    if (thread->last_ns_ > last_ns) {
      last_ns = thread->last_ns_;
      last_head = thread->last_head_;
      last_body = thread->last_body_;
    }
  }
  out += '{';
  append_member(out, "requests", requests);
  append_member(out, "connections_opened", opened);
  append_member(out, "connections_open", open);
  append_member(out, "in_flight", in_flight);
  append_member(out, "in_flight_max", in_flight_max);
  append_member(out, "closed_early", early);
  append_member(out, "bad_requests", bad);
  append_member(out, "now_ns", monotonic_ns());
  append_member(out, "started_ns", started_ns_);
  append_counts(out, "paths", paths);
  append_counts(out, "upstreams", upstreams);
  append_counts(out, "statuses", statuses);
  out += ",\"last_request\":";
  if (last_ns == 0) {
    out += "null";
  } else {
    append_request_json(out, last_head, last_body);
  }
  out += '}';
}

void State::append_behaviors(std::string& out) {
  const auto set = behaviors();
  out += "{\"default\":";
  append_behavior_json(out, set->otherwise);
  out += ",\"upstreams\":{";
  for (const auto& [name, behavior] : set->by_upstream) {
    if (out.back() != '{') out += ',';
    append_quoted(out, name);
    out += ':';
    append_behavior_json(out, behavior);
  }
  out += "}}";
}

bool State::append_call(std::string& out, std::string_view id) {
  const std::lock_guard lock(calls_mutex_);
  const auto found = calls_.find(id);
  if (found == calls_.end()) return false;
  out += '{';
  append_member(out, "id", id);
  append_times(out, *found->second.back());
  append_member(out, "ended_ns", ended_ns(found->second));
  out += ",\"attempts\":[";
  for (const CallHandle& call : found->second) {
    if (out.back() != '[') out += ',';
    out += '{';
    append_times(out, *call);
    out += ",\"request\":";
    append_request_json(out, call->head, std::string_view(call->body).substr(0, kBodyShown));
    out += '}';
  }
  out += "]}";
  return true;
}

void State::append_calls(std::string& out) {
  const std::lock_guard lock(calls_mutex_);
  out += '{';
  for (const auto& [id, attempts] : calls_) {
    if (out.back() != '{') out += ',';
    append_quoted(out, id);
    out += ":{";
    append_times(out, *attempts.back());
    append_member(out, "ended_ns", ended_ns(attempts));
    append_member(out, "attempts", static_cast<int64_t>(attempts.size()));
    out += '}';
  }
  out += '}';
}

}  // namespace mock
