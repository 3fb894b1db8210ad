#include "alerts/engine.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <future>

#include "alerts/engine_state.h"
#include "base/log.h"

namespace gatehouse::alerts {

namespace {

// Alerts are taken under the lock this many at a time, so that those who look and those who
// are told wait for milliseconds while a storm comes in.
constexpr size_t kTakeAtATime = 256;
constexpr double kLatencyBounds[] = {1, 5, 10, 15, 20};  // Alertmanager's
constexpr int64_t kUnrecordedMax = 10'000;

model::Counter& received(model::Registry& registry, std::string_view status) {
  return registry.counter("alertmanager_alerts_received", "The total number of received alerts.",
                          model::Labels{{"status", std::string(status)}, {"version", "v2"}});
}
model::Counter& suppressed(model::Registry& registry, std::string_view reason) {
  return registry.counter(
      "alertmanager_notifications_suppressed",
      "The total number of notifications suppressed for being silenced, inhibited, outside of "
      "active time intervals or within muted time intervals.",
      model::Labels{{"reason", std::string(reason)}});
}

}  // namespace

AlertEngine::State::State(AlertEngineParts a_parts, AlertEngineOptions an_options,
                          History a_history)
    : parts(std::move(a_parts)),
      options(std::move(an_options)),
      history(std::move(a_history)),
      silences(parts.catalog, parts.clock),
      store(parts.budget, options.alerts_max),
      received_firing(received(parts.registry, "firing")),
      received_resolved(received(parts.registry, "resolved")),
      invalid(parts.registry.counter("alertmanager_alerts_invalid",
                                     "The total number of received alerts that were invalid.",
                                     model::Labels{{"version", "v2"}})),
      refused(parts.registry.counter("alertmanager_alerts_refused",
                                     "Alerts refused for want of room.", model::Labels{})),
      suppressed_silence(suppressed(parts.registry, "silence")),
      suppressed_inhibition(suppressed(parts.registry, "inhibition")),
      suppressed_time(suppressed(parts.registry, "mute_time_interval")),
      records_failed(parts.registry.counter("alertmanager_history_failed",
                                            "Changes of state that were not recorded.",
                                            model::Labels{})),
      sender(loop, pool, parts.clock, options.dial),
      wake(loop) {}

AlertEngine::State::~State() = default;

// Asks the registry, whose lock is held by those who read gauges and wait for the engine's: so
// never under that one.
void AlertEngine::State::declare_kind(std::string_view kind) {
  const model::Labels labels{{"integration", std::string(kind)}};
  model::Registry& registry = parts.registry;
  const KindMetrics made{
      registry.counter("alertmanager_notifications", "The total number of attempted notifications.",
                       labels),
      registry.counter("alertmanager_notifications_failed",
                       "The total number of failed notifications.", labels),
      registry.counter("alertmanager_notification_requests",
                       "The total number of attempted notification requests.", labels),
      registry.counter("alertmanager_notification_requests_failed",
                       "The total number of failed notification requests.", labels),
      registry.histogram("alertmanager_notification_latency_seconds",
                         "The latency of notifications in seconds.", kLatencyBounds, labels)};
  const std::lock_guard lock(mutex);
  kinds.emplace(std::string(kind), made);
}

KindMetrics& AlertEngine::State::metrics_of(std::string_view kind) {
  const auto found = kinds.find(kind);
  assert(found != kinds.end());  // configure() declares those of its receivers
  return found->second;
}

void AlertEngine::State::publish() {
  model::Registry& registry = parts.registry;
  const auto alerts_in = [this](bool wanted) {
    return [this, wanted] {
      const std::lock_guard lock(mutex);
      const int64_t wall_ms = now().wall_ms;
      int64_t count = 0;
      store.each([&](const StoredAlert& alert) {
        if (!store.resolved(alert, wall_ms) && alert.recorded_suppressed == wanted) ++count;
      });
      return static_cast<double>(count);
    };
  };
  constexpr std::string_view kAlerts = "alertmanager_alerts";
  constexpr std::string_view kAlertsHelp = "How many alerts by state.";
  registry.gauge_from(kAlerts, kAlertsHelp, model::Labels{{"state", "active"}}, alerts_in(false));
  registry.gauge_from(kAlerts, kAlertsHelp, model::Labels{{"state", "suppressed"}},
                      alerts_in(true));
  registry.gauge_from(kAlerts, kAlertsHelp, model::Labels{{"state", "unprocessed"}},
                      [] { return 0.0; });
  registry.gauge_from("alertmanager_dispatcher_aggregation_groups",
                      "Number of active aggregation groups", model::Labels{}, [this] {
                        const std::lock_guard lock(mutex);
                        return static_cast<double>(dispatcher.groups());
                      });
  registry.gauge_from("alertmanager_alerts_memory_bytes", "Memory of the alerts that are known",
                      model::Labels{}, [this] {
                        const std::lock_guard lock(mutex);
                        return static_cast<double>(store.bytes());
                      });
  using Turn = Silence::State;
  for (const auto& [name, turn] : {std::pair{"active", Turn::kActive},
                                   {"pending", Turn::kPending},
                                   {"expired", Turn::kExpired}}) {
    registry.gauge_from("alertmanager_silences", "How many silences by state.",
                        model::Labels{{"state", name}}, [this, wanted = turn] {
                          const int64_t wall_ms = now().wall_ms;
                          int64_t count = 0;
                          for (const Silence& each : silences.list()) {
                            if (each.state_at(wall_ms) == wanted) ++count;
                          }
                          return static_cast<double>(count);
                        });
  }
  for (const IntegrationKind& kind : integration_kinds()) {
    std::string_view name = kind.key;
    if (name.ends_with("_configs")) name.remove_suffix(8);
    declare_kind(name);
  }
}

void AlertEngine::State::record(const std::vector<Change>& changes) {
  if (changes.empty()) return;
  const auto appended = history.append(changes);
  const std::lock_guard lock(mutex);
  changed = true;
  if (appended.ok()) {
    recorded_through = std::max(recorded_through, *appended);
    return;
  }
  records_failed.add(static_cast<double>(changes.size()));
  log_error("changes of alerts were not recorded", {{"reason", appended.status().message()}});
  // What was told must be known after a restart: it is recorded once the store works again.
  for (const Change& change : changes) {
    const bool told = !change.attributes.empty() &&
                      std::get<std::string>(change.attributes.front().second) == "notified";
    if (told && unrecorded.size() < kUnrecordedMax) unrecorded.push_back(change);
  }
}

void AlertEngine::State::wake_if_due() {
  if (dispatcher.next_due_ms() >= sleeping_until_ms) return;
  sleeping_until_ms = 0;  // once is enough
  loop.post([this] { wake.set(); });
}

void AlertEngine::State::put_one(model::Alert alert, Moment at, std::vector<Change>& changes,
                                 Status& worst) {
  const int64_t resolve_timeout_ms =
      dispatcher.config() != nullptr ? dispatcher.config()->resolve_timeout_ms : 300'000;
  const model::Labels labels = alert.labels;
  const auto put = store.put(std::move(alert), at.wall_ms, resolve_timeout_ms);
  if (!put.ok()) {
    (put.status().code() == Code::kInvalidArgument ? invalid : refused).add();
    // In Alertmanager's words, one after another; an answer names the first few.
    constexpr size_t kAnswerBytesMax = 4096;
    const bool invalid_one = put.status().code() == Code::kInvalidArgument;
    std::string message =
        invalid_one ? put.status().message() : labels.to_string() + ": " + put.status().message();
    if (worst.ok()) {
      worst = Status(put.status().code(), std::move(message));
      log_warning("an alert was not taken",
                  {{"labels", labels.to_string()}, {"reason", put.status().message()}});
    } else if (worst.message().size() < kAnswerBytesMax) {
      // Of both kinds the one that is worth another try.
      const Code code = invalid_one ? worst.code() : put.status().code();
      worst = Status(code, worst.message() + "; " + message);
    }
    return;
  }
  StoredAlert& stored = *put->alert;
  (stored.explicit_end ? received_resolved : received_firing).add();
  changed = true;
  sync_inhibitor(stored, labels);
  dispatcher.insert(stored, labels, at);
  switch (put->change) {
    case AlertStore::Change::kFiring:
      changes.push_back(change_of_alert("firing", stored, at.wall_ms));
      break;
    case AlertStore::Change::kVanished:
      changes.push_back(change_of_alert("vanished", stored, at.wall_ms));
      break;
    case AlertStore::Change::kResolved:
      changes.push_back(change_of_alert("resolved", stored, at.wall_ms));
      break;
    case AlertStore::Change::kRepeated: break;
  }
}

Status AlertEngine::State::take(std::vector<model::Alert> alerts) {
  Status worst;
  for (size_t from = 0; from < alerts.size(); from += kTakeAtATime) {
    const size_t until = std::min(alerts.size(), from + kTakeAtATime);
    std::vector<Change> changes;
    {
      const std::lock_guard lock(mutex);
      const Moment at = now();
      for (size_t i = from; i < until; ++i) put_one(std::move(alerts[i]), at, changes, worst);
      wake_if_due();
    }
    record(changes);
  }
  return worst;
}

Task<void> AlertEngine::State::run_rounds() {
  while (!cancel.fired()) {
    const Moment at = now();
    flush_due(at);
    if (at.steady_ms >= next_upkeep_ms) {
      next_upkeep_ms = at.steady_ms + 1000;
      upkeep(at);
    }
    wake.reset();
    int64_t wait_ms = 0;
    {
      const std::lock_guard lock(mutex);
      sleeping_until_ms = std::min(dispatcher.next_due_ms(), next_upkeep_ms);
      wait_ms = std::clamp<int64_t>(sleeping_until_ms - now().steady_ms, 0, 1000);
    }
    co_await wake.wait(steady_ms() + wait_ms, &cancel);
  }
  const std::lock_guard lock(mutex);
  rounds_running = false;
  quiet.notify_all();
}

void AlertEngine::State::start() {
  rounds_running = true;
  thread = std::thread([this] { loop.run(); });
  loop.post([this] { detach(run_rounds()); });
}

void AlertEngine::State::finish(int64_t flush_ms) {
  if (!thread.joinable()) return;
  {
    std::unique_lock lock(mutex);
    stopping = true;  // no flush begins from here
    quiet.wait_for(lock, std::chrono::milliseconds(flush_ms), [this] { return in_flight == 0; });
  }
  loop.post([this] {
    cancel.fire();
    wake.set();
  });
  {
    std::unique_lock lock(mutex);
    quiet.wait(lock, [this] { return in_flight == 0 && !rounds_running; });
  }
  pool.finish();
  save();
  loop.stop();
  thread.join();
}

AlertEngine::AlertEngine(std::unique_ptr<State> state) : state_(std::move(state)) {}

AlertEngine::~AlertEngine() { finish(0); }

Result<std::unique_ptr<AlertEngine>> AlertEngine::open(AlertEngineParts parts,
                                                       AlertEngineOptions options) {
  ASSIGN_OR_RETURN(History history, History::open(parts.appender, parts.reader));
  auto state = std::make_unique<State>(std::move(parts), std::move(options), std::move(history));
  RETURN_IF_ERROR(state->silences.load().with_context("silences"));
  RETURN_IF_ERROR(state->restore());
  State* const self = state.get();
  state->silences.on_change(
      [self](const Silence& silence, SilenceChange change, std::string_view person) {
        self->silence_changed(silence, change, person);
      });
  state->publish();
  state->start();
  return std::unique_ptr<AlertEngine>(new AlertEngine(std::move(state)));
}

void AlertEngine::configure(std::shared_ptr<const AlertmanagerConfig> config) {
  for (const auto& [name, receiver] : config->receivers) {
    for (const auto& integration : receiver.integrations) {
      state_->declare_kind(integration->kind());
    }
  }
  const std::lock_guard lock(state_->mutex);
  const Moment at = state_->now();
  state_->dispatcher.configure(std::move(config), state_->store, at);
  state_->rebuild_inhibitor();
  state_->end_hold_if_known(at);
  state_->changed = true;
  state_->wake_if_due();
}

void AlertEngine::finish(int64_t flush_ms) { state_->finish(flush_ms); }

void AlertEngine::notify(std::span<const model::Alert> alerts) {
  const Status taken = state_->take({alerts.begin(), alerts.end()});
  (void)taken;  // counted and logged there; rules say it again at their next turn
}

Status AlertEngine::take(std::vector<model::Alert> alerts) {
  return state_->take(std::move(alerts));
}

Silences& AlertEngine::silences() { return state_->silences; }

Result<SendOutcome> AlertEngine::test_receiver(std::string_view receiver,
                                               std::string_view integration) {
  const auto held = config();
  if (held == nullptr) return unavailable("there is no configuration yet");
  const auto found = held->receivers.find(std::string(receiver));
  if (found == held->receivers.end()) {
    return not_found("there is no receiver \"" + std::string(receiver) + "\"");
  }
  const auto& all = found->second.integrations;
  const auto one = std::find_if(all.begin(), all.end(), [integration](const auto& each) {
    return each->name() == integration;
  });
  if (one == all.end()) {
    return not_found("the receiver has no integration \"" + std::string(integration) + "\"");
  }
  // Shared, as the loop may be ended before the outcome is taken.
  auto promise = std::make_shared<std::promise<SendOutcome>>();
  std::future<SendOutcome> outcome = promise->get_future();
  State* const state = state_.get();
  {
    const std::lock_guard lock(state->mutex);
    if (state->stopping) return unavailable("the program is ending");
    ++state->in_flight;
  }
  state->loop.post([state, held, integration_held = *one, name = std::string(receiver), promise] {
    std::function<void(SendOutcome)> done = [promise](SendOutcome sent) {
      promise->set_value(std::move(sent));
    };
    detach(state->test(held, integration_held, name, std::move(done)));
  });
  return outcome.get();
}

}  // namespace gatehouse::alerts
