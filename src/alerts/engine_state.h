// What AlertEngine is made of. engine.cc opens, takes alerts and ends; engine_flush.cc tells
// receivers; engine_upkeep.cc does what time brings and keeps what must survive;
// engine_views.cc answers.
//
// One lock is around the store, the groups and the notification log. It is never held over an
// await, a write to the catalog, or a call to a receiver. Coroutines belong to the engine's
// own Loop and thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

#include "alerts/dispatcher.h"
#include "alerts/engine.h"
#include "alerts/history.h"
#include "alerts/inhibition.h"
#include "alerts/notification_log.h"
#include "alerts/sender.h"
#include "base/loop.h"
#include "base/pool.h"

namespace gatehouse::alerts {

// One flush of a group: what it found, and how far telling has come. Once every integration
// was told, what it found resolved leaves the group.
struct Flush {
  std::shared_ptr<Group> group;
  ToldAlerts told;
  std::vector<std::pair<uint64_t, uint32_t>> resolved;  // fingerprint and revision
  int open = 0;                                         // deliveries under way
  bool failed = false;
  int64_t bytes = 0;  // of the alerts' texts
};

struct Delivery {
  std::shared_ptr<Flush> flush;
  std::shared_ptr<const AlertmanagerConfig> config;
  std::shared_ptr<const Integration> integration;
  std::string channel;  // "receiver/webhook[0]"
  ToldGroup group;
  int64_t repeat_interval_ms = 0;
  int64_t deadline_ms = 0;  // steady
};

// What integrations of one receiver share: its place in the queue, and what became of it.
struct Channel {
  // A receiver that hangs holds this many connections, whatever the number of groups.
  static constexpr int kAttemptsMax = 32;
  int running = 0;
  std::deque<Event*> waiting;
  int64_t not_before_ms = 0;  // steady; as the receiver's Retry-After asked for
  std::optional<DeliveryView> last;
};

struct KindMetrics {
  model::Counter& notifications;
  model::Counter& failed;
  model::Counter& requests;
  model::Counter& requests_failed;
  model::Histogram& latency;
};

struct AlertEngine::State {
  State(AlertEngineParts a_parts, AlertEngineOptions an_options, History a_history);
  ~State();

  Moment now() const {
    return {parts.clock.wall_ns() / 1'000'000, parts.clock.steady_ns() / 1'000'000};
  }

  // engine.cc
  Status take(std::vector<model::Alert> alerts);
  void put_one(model::Alert alert, Moment at, std::vector<Change>& changes, Status& worst);
  void record(const std::vector<Change>& changes);
  void wake_if_due();  // REQUIRES mutex
  void start();
  void finish(int64_t flush_ms);
  Task<void> run_rounds();
  void publish();
  void declare_kind(std::string_view kind);        // not under the mutex
  KindMetrics& metrics_of(std::string_view kind);  // REQUIRES mutex

  // engine_flush.cc
  void flush_due(Moment at);
  void flush(const std::shared_ptr<Group>& group, Moment at, std::vector<Delivery>& deliveries,
             std::vector<Change>& changes);
  bool collect(Group& group, Moment at, Flush& flush, std::vector<Change>& changes);
  void settle(const Flush& flush);
  Task<void> deliver(Delivery delivery);
  Task<bool> attempt_until_told(const Delivery& delivery);
  Task<bool> enter(Channel& channel, int64_t deadline_ms);
  void leave(Channel& channel);
  std::shared_ptr<const Notification> build(const Delivery& delivery);
  void log_told(const Delivery& delivery);
  void note_attempt(const Delivery& delivery, const SendOutcome& outcome, int attempt,
                    const Notification& notification);
  void give_up(const Delivery& delivery, const std::string& reason);
  Task<void> test(std::shared_ptr<const AlertmanagerConfig> config,
                  std::shared_ptr<const Integration> integration, std::string receiver,
                  std::function<void(SendOutcome)> done);

  // Of one alert; REQUIRES mutex.
  void update_silenced(StoredAlert& alert, const model::Labels& labels, Moment at);
  std::optional<uint64_t> inhibited_by(const model::Labels& labels, Moment at) const;
  bool may_be_inhibited(const model::Labels& labels) const;
  std::vector<std::string> muted_by(const Route& route, int64_t wall_ms) const;
  void sync_inhibitor(const StoredAlert& alert, const model::Labels& labels);
  void note_suppression(StoredAlert& alert, std::optional<uint64_t> inhibitor, Moment at,
                        std::vector<Change>& changes);

  // engine_upkeep.cc
  Status restore();
  Status read_snapshot(std::string_view bytes, model::Position& position, int64_t& saved_at_ms);
  std::string make_snapshot();  // REQUIRES mutex
  void save();
  void upkeep(Moment at);
  void end_hold_if_known(Moment at);  // REQUIRES mutex
  void sweep_ended(Moment at, std::vector<Change>& changes);
  void sweep_suppressed(Moment at, std::vector<Change>& changes);
  void warn_of_ends(Moment at, std::vector<Change>& changes);
  void rebuild_inhibitor();  // REQUIRES mutex
  void silence_changed(const Silence& silence, SilenceChange change, std::string_view person);

  // engine_views.cc
  bool shows(const AlertFilter& filter, const AlertView& view) const;
  AlertView view_of(StoredAlert& alert, const model::Labels& labels, Moment at);

  AlertEngineParts parts;
  const AlertEngineOptions options;
  History history;
  Silences silences;

  mutable std::mutex mutex;  // guards what follows, up to the next empty line
  AlertStore store;
  Dispatcher dispatcher;
  NotificationLog log;
  std::unique_ptr<Inhibitor> inhibitor;  // null: no rules
  bool changed = false;                  // since the last snapshot
  model::Position recorded_through = 0;
  int64_t sleeping_until_ms = 0;
  int in_flight = 0;  // deliveries and tests
  bool stopping = false;
  std::condition_variable quiet;  // in_flight or rounds_running fell
  std::map<std::string, Channel> channels;
  std::map<std::string, std::deque<DeliveryView>, std::less<>> deliveries;
  std::vector<Change> unrecorded;  // of notifications, while the store of Records fails

  // The loop's thread alone.
  int64_t hold_until_ms = 0;  // steady
  int64_t next_upkeep_ms = 0, next_collect_ms = 0, next_sweep_ms = 0, next_save_ms = 0;
  int64_t next_silence_collect_ms = 0;
  uint64_t swept_silence_version = 0;
  std::set<std::string> warned;  // silences of whose end it was told
  std::map<std::string, Silence::State> silence_states;
  std::atomic<bool> saving = false;
  bool rounds_running = false;  // guarded by mutex
  std::mutex save_mutex;        // one snapshot at a time

  std::map<std::string, KindMetrics, std::less<>> kinds;
  model::Counter& received_firing;
  model::Counter& received_resolved;
  model::Counter& invalid;
  model::Counter& refused;
  model::Counter& suppressed_silence;
  model::Counter& suppressed_inhibition;
  model::Counter& suppressed_time;
  model::Counter& records_failed;

  Loop loop;
  Pool pool{2};
  Sender sender;
  Cancel cancel;
  Event wake;
  std::thread thread;
};

}  // namespace gatehouse::alerts
