#include "export/alert_sender.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "outbound/http_fetch.h"
#include "wire/json.h"

namespace gatehouse::exporting {

namespace {

// An alert as it is sent; shared by the queues it waits in.
using AlertText = std::shared_ptr<const std::string>;

constexpr int64_t kBackoffMinMs = 500, kBackoffMaxMs = 10'000;
// Rules say what still holds once a minute: what is older is better said anew.
constexpr int64_t kRetryForMs = 60'000;
// An Alertmanager answers with nothing, or why it refused.
constexpr size_t kReplyBytesMax = 64 << 10;
constexpr std::array<double, 9> kLatencies = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10};

AlertText text_of(const model::Alert& alert, const model::Labels& labels) {
  auto out = std::make_shared<std::string>();
  wire::JsonWriter json(*out);
  json.begin_object().key("labels").begin_object();
  for (const auto& [name, value] : labels.pairs()) json.member(name, value);
  json.end_object().key("annotations").begin_object();
  for (const auto& [name, value] : alert.annotations) json.member(name, value);
  // An Alertmanager has no word for it: it hears that the alert stands until it times out.
  if (alert.vanished) json.member("data_vanished", "the series of this alert have no more samples");
  json.end_object();
  if (alert.starts_at_ms != 0) json.member("startsAt", format_time(alert.starts_at_ms * 1'000'000));
  if (alert.ends_at_ms != 0 && !alert.vanished)
    json.member("endsAt", format_time(alert.ends_at_ms * 1'000'000));
  json.member("generatorURL", alert.generator_url).end_object();
  return out;
}

}  // namespace

struct AlertSender::State {
  // One Alertmanager.
  struct Destination {
    Destination(Loop& loop, model::Registry& registry, const std::string& to);

    const std::string url;
    outbound::HttpClientConfig http;
    int64_t timeout_ms = 0;
    std::unique_ptr<outbound::HttpFetch> fetch;  // the loop's
    Event wake;                                  // the loop's
    Cancel cancel;                               // the loop's
    bool failing = false;                        // the loop's: it has been said so
    std::deque<AlertText> queue;                 // guarded by State::mutex
    size_t under_way = 0;                        // guarded by State::mutex
    bool working = false;                        // guarded by State::mutex
    model::Counter& sent;
    model::Counter& errors;
    model::Histogram& latency;
  };
  using DestinationPtr = std::shared_ptr<Destination>;
  struct Set {
    AlertRelabel relabel;
    std::vector<DestinationPtr> destinations;
  };

  State(Pool& resolving, model::Registry& metrics, net::DialOptions dialling)
      : pool(resolving),
        registry(metrics),
        dial(std::move(dialling)),
        dropped(registry.counter("prometheus_notifications_dropped",
                                 "Alerts that no Alertmanager was told of", {})),
        queued(registry.gauge("prometheus_notifications_queue_length",
                              "Alerts that wait to be sent", {})),
        discovered(registry.gauge("prometheus_notifications_alertmanagers_discovered",
                                  "Alertmanagers that are told of alerts", {})) {
    registry
        .gauge("prometheus_notifications_queue_capacity",
               "Alerts that may wait for one Alertmanager", {})
        .set(static_cast<double>(kAlertQueueMax));
  }

  void run_on_loop(const std::function<void()>& work);
  Result<std::vector<Set>> make_sets(std::vector<AlertmanagerSet> given);
  Task<void> work(DestinationPtr to);
  Task<void> deliver(Destination& to, std::vector<AlertText> batch);
  Task<bool> attempt(Destination& to, const std::string& body, size_t count, bool& again);
  std::vector<AlertText> take(Destination& to);
  void count_waiting();  // REQUIRES: mutex

  Pool& pool;
  model::Registry& registry;
  const net::DialOptions dial;
  model::Counter& dropped;
  model::Gauge& queued;
  model::Gauge& discovered;

  std::mutex mutex;
  std::condition_variable idle;  // a queue is empty, a worker has ended
  std::vector<Set> sets;
  std::map<std::string, DestinationPtr> destinations;  // by URL
  int workers = 0;

  Loop loop;
  std::thread thread;
};

AlertSender::State::Destination::Destination(Loop& loop, model::Registry& registry,
                                             const std::string& to)
    : url(to),
      wake(loop),
      sent(
          registry.counter("prometheus_notifications_sent", "Alerts sent", {{"alertmanager", to}})),
      errors(registry.counter("prometheus_notifications_errors",
                              "Alerts whose sending failed, each attempt counted",
                              {{"alertmanager", to}})),
      latency(registry.histogram("prometheus_notifications_latency_seconds",
                                 "How long sending took", kLatencies, {{"alertmanager", to}})) {}

AlertSender::AlertSender(Pool& pool, model::Registry& registry, net::DialOptions dial)
    : state_(std::make_unique<State>(pool, registry, std::move(dial))) {
  state_->thread = std::thread([this] { state_->loop.run(); });
}

AlertSender::~AlertSender() { finish(0); }

void AlertSender::State::count_waiting() {
  size_t count = 0;
  for (const auto& [url, each] : destinations) count += each->queue.size();
  queued.set(static_cast<double>(count));
}

void AlertSender::State::run_on_loop(const std::function<void()>& work) {
  std::mutex waiting;
  std::condition_variable ended;
  bool done = false;
  loop.post([&] {
    work();
    const std::lock_guard lock(waiting);
    done = true;
    ended.notify_one();
  });
  std::unique_lock lock(waiting);
  ended.wait(lock, [&] { return done; });
}

// On the loop. Destinations that are as they were are taken over.
Result<std::vector<AlertSender::State::Set>> AlertSender::State::make_sets(
    std::vector<AlertmanagerSet> given) {
  std::vector<Set> made;
  std::map<std::string, DestinationPtr> all;
  for (AlertmanagerSet& each : given) {
    Set& set = made.emplace_back();
    set.relabel = std::move(each.relabel);
    for (const std::string& url : each.urls) {
      if (all.contains(url)) continue;  // once is enough
      const auto known = destinations.find(url);
      if (known != destinations.end() && known->second->http == each.http &&
          known->second->timeout_ms == each.timeout_ms) {
        all[url] = known->second;
      } else {
        auto fresh = std::make_shared<Destination>(loop, registry, url);
        fresh->http = each.http;
        fresh->timeout_ms = each.timeout_ms;
        auto fetch = outbound::HttpFetch::create(loop, pool, dial, each.http);
        if (!fetch.ok()) return fetch.status().with_context("alertmanager " + url);
        fresh->fetch = std::move(*fetch);
        all[url] = std::move(fresh);
      }
      set.destinations.push_back(all[url]);
    }
  }
  const std::lock_guard lock(mutex);
  for (auto& [url, before] : destinations) {
    const auto now = all.find(url);
    if (now != all.end() && now->second == before) continue;
    if (now != all.end()) now->second->queue.swap(before->queue);
    before->queue.clear();
    before->cancel.fire();
  }
  destinations = std::move(all);
  return made;
}

Status AlertSender::configure(std::vector<AlertmanagerSet> sets) {
  Status configured;
  State& state = *state_;
  state.run_on_loop([&] {
    auto made = state.make_sets(std::move(sets));
    configured = made.status();
    if (!made.ok()) return;
    std::vector<State::DestinationPtr> begin;
    {
      const std::lock_guard lock(state.mutex);
      state.sets = std::move(*made);
      state.discovered.set(static_cast<double>(state.destinations.size()));
      for (auto& [url, each] : state.destinations) {
        if (each->working) continue;
        each->working = true;
        ++state.workers;
        begin.push_back(each);
      }
    }
    for (State::DestinationPtr& each : begin) detach(state.work(std::move(each)));
  });
  return configured;
}

void AlertSender::notify(std::span<const model::Alert> alerts) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  std::vector<State::DestinationPtr> wake;
  for (const State::Set& set : state.sets) {
    for (const model::Alert& alert : alerts) {
      model::Labels labels = alert.labels;
      if (set.relabel && !set.relabel(labels)) continue;
      const AlertText text = text_of(alert, labels);
      for (const State::DestinationPtr& to : set.destinations) {
        if (to->queue.empty()) wake.push_back(to);
        if (to->queue.size() >= kAlertQueueMax) {
          to->queue.pop_front();
          state.dropped.add();
        }
        to->queue.push_back(text);
      }
    }
  }
  state.count_waiting();
  for (State::DestinationPtr& to : wake) state.loop.post([to = std::move(to)] { to->wake.set(); });
}

std::vector<AlertText> AlertSender::State::take(Destination& to) {
  const std::lock_guard lock(mutex);
  std::vector<AlertText> batch;
  while (!to.queue.empty() && batch.size() < kAlertBatchMax) {
    batch.push_back(std::move(to.queue.front()));
    to.queue.pop_front();
  }
  to.under_way = batch.size();
  count_waiting();
  if (batch.empty()) idle.notify_all();
  return batch;
}

Task<void> AlertSender::State::work(DestinationPtr to) {
  while (!to->cancel.fired()) {
    to->wake.reset();
    std::vector<AlertText> batch = take(*to);
    if (batch.empty()) {
      co_await to->wake.wait(kNever, &to->cancel);
      continue;
    }
    co_await deliver(*to, std::move(batch));
  }
  to->fetch.reset();
  const std::lock_guard lock(mutex);
  to->under_way = 0;
  --workers;
  idle.notify_all();
}

Task<void> AlertSender::State::deliver(Destination& to, std::vector<AlertText> batch) {
  std::string body = "[";
  for (const AlertText& text : batch) {
    if (body.size() > 1) body += ',';
    body += *text;
  }
  body += ']';
  const int64_t until_ms = steady_ms() + kRetryForMs;
  for (int64_t backoff_ms = kBackoffMinMs;; backoff_ms = std::min(2 * backoff_ms, kBackoffMaxMs)) {
    bool again = false;
    const bool sent = co_await attempt(to, body, batch.size(), again);
    if (sent) co_return;
    if (!again || to.cancel.fired() || steady_ms() + backoff_ms > until_ms) break;
    co_await loop.sleep_for(backoff_ms, &to.cancel);
    if (to.cancel.fired()) break;
  }
  dropped.add(static_cast<double>(batch.size()));
}

Task<bool> AlertSender::State::attempt(Destination& to, const std::string& body, size_t count,
                                       bool& again) {
  const int64_t begun_ms = steady_ms();
  outbound::FetchAsk ask;
  ask.method = "POST";
  ask.url = to.url;
  ask.headers.emplace_back("content-type", "application/json");
  ask.body = body;
  ask.body_bytes_max = kReplyBytesMax;
  ask.cut_body = true;
  ask.deadline_ms = begun_ms + to.timeout_ms;
  ask.cancel = &to.cancel;
  const Result<outbound::FetchReply> reply = co_await to.fetch->fetch(ask);
  to.latency.observe(static_cast<double>(steady_ms() - begun_ms) / 1000);
  const int status = reply.ok() ? reply->status : 0;
  if (status / 100 == 2) {
    to.sent.add(static_cast<double>(count));
    if (to.failing) log_info("an alertmanager takes alerts again", {{"url", to.url}});
    to.failing = false;
    co_return true;
  }
  to.errors.add(static_cast<double>(count));
  again = status == 0 || status == 429 || status / 100 == 5;
  if (!to.failing && !to.cancel.fired()) {
    const std::string reason =
        reply.ok() ? "status " + std::to_string(status) + ": " + reply->body.substr(0, 200)
                   : reply.status().message();
    log_warning("an alertmanager did not take alerts", {{"url", to.url}, {"reason", reason}});
  }
  to.failing = true;
  co_return false;
}

void AlertSender::finish(int64_t flush_ms) {
  State& state = *state_;
  if (!state.thread.joinable()) return;
  {
    std::unique_lock lock(state.mutex);
    state.idle.wait_for(lock, std::chrono::milliseconds(flush_ms), [&] {
      return std::all_of(state.destinations.begin(), state.destinations.end(), [](const auto& at) {
        return at.second->queue.empty() && at.second->under_way == 0;
      });
    });
    state.sets.clear();
  }
  state.run_on_loop([&] {
    for (auto& [url, each] : state.destinations) each->cancel.fire();
  });
  {
    std::unique_lock lock(state.mutex);
    state.idle.wait(lock, [&] { return state.workers == 0; });
  }
  state.loop.stop();
  state.thread.join();
}

}  // namespace gatehouse::exporting
