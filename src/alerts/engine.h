// AlertEngine: Alertmanager's job. Takes alerts, groups them by the route tree, holds back
// what is silenced, inhibited or muted, and tells receivers, once and again as the
// configuration says; every change of state is a Record.
//
// Runs on a Loop and a thread of its own. Views and changes are taken from any thread.
//
// What survives the end of the process at any instant: what was told to whom (the
// notification log, Records of {stream="alerts"} with kind=notified), silences (catalog), and
// the alerts themselves (a snapshot every few seconds, and Records). A notification that was
// sent but not logged is sent again: at most one duplicate, never a loss.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/config.h"
#include "alerts/history.h"
#include "alerts/silence_guard.h"
#include "alerts/silences.h"
#include "base/budget.h"
#include "base/result.h"
#include "model/alert.h"
#include "model/catalog.h"
#include "model/clock.h"
#include "model/metrics.h"
#include "model/stream.h"
#include "net/options.h"

namespace gatehouse::alerts {

struct AlertEngineOptions {
  net::DialOptions dial;
  std::string external_url;
  int64_t retention_ms = 120 * 3'600'000LL;  // of expired silences and of the notification log
  int64_t alerts_max = 200'000;              // live at a time; more are refused, counted and named
};

// REQUIRES: all outlive the AlertEngine.
struct AlertEngineParts {
  model::Catalog& catalog;
  model::Appender& appender;
  const model::Reader& reader;
  MemoryBudget& budget;
  model::Registry& registry;
  const model::Clock& clock;
  // Whether every rule group has been evaluated since the start: until then nothing is
  // resolved because it was not heard of. Empty: there are no rules here.
  std::function<bool()> rules_ready;
};

enum class AlertState { kUnprocessed, kActive, kSuppressed };

struct AlertView {
  model::Alert alert;
  uint64_t fingerprint = 0;
  int64_t updated_at_ms = 0;
  AlertState state = AlertState::kUnprocessed;
  std::vector<std::string> silenced_by, inhibited_by, muted_by;
  std::vector<std::string> receivers;
  bool flapping = false;
};

struct GroupView {
  model::Labels labels;
  std::string receiver;
  std::string key;
  std::string route_id;
  std::vector<AlertView> alerts;
};

// Which alerts a view holds; as the parameters of Alertmanager's API.
struct AlertFilter {
  bool active = true, silenced = true, inhibited = true, muted = true, unprocessed = true;
  Matchers matchers;
  std::string receiver_regex;
};

struct DeliveryView {
  std::string receiver, integration, group_key, error;
  int64_t time_ms = 0, duration_ms = 0;
  int status = 0;  // of HTTP
  int attempt = 0;
  bool delivered = false;
  int alerts_firing = 0, alerts_resolved = 0;
};

struct ReceiverView {
  std::string name;
  bool active = false;  // a route leads to it
  struct IntegrationView {
    std::string name;
    bool send_resolved = false;
    std::optional<DeliveryView> last;
  };
  std::vector<IntegrationView> integrations;
};

class AlertEngine : public model::Notifier {
 public:
  // Reads what an earlier process left; nothing is sent yet.
  static Result<std::unique_ptr<AlertEngine>> open(AlertEngineParts parts,
                                                   AlertEngineOptions options);
  ~AlertEngine() override;

  // Begins with, or changes to, a configuration. Groups whose route stays go on with what
  // they know.
  void configure(std::shared_ptr<const AlertmanagerConfig> config);
  // Sends what is under way for at most `flush_ms`, saves, and ends the thread.
  void finish(int64_t flush_ms);

  void notify(std::span<const model::Alert> alerts) override;
  // The same for alerts from outside, with a word on each that cannot be taken.
  Status take(std::vector<model::Alert> alerts);

  std::shared_ptr<const AlertmanagerConfig> config() const;
  // By fingerprint; groups by their labels, then receivers. The visiting forms never hold more
  // than one group, as a storm of alerts is large.
  std::vector<AlertView> alerts(const AlertFilter& filter) const;
  std::vector<GroupView> groups(const AlertFilter& filter) const;
  void visit_alerts(const AlertFilter& filter, const std::function<void(AlertView&&)>& visit) const;
  void visit_groups(const AlertFilter& filter, const std::function<void(GroupView&&)>& visit) const;
  std::vector<ReceiverView> receivers() const;
  std::vector<DeliveryView> deliveries(std::string_view receiver, size_t limit) const;
  Silences& silences();
  // The live alerts that these matchers would hide.
  std::vector<AlertView> would_silence(const Matchers& matchers) const;
  size_t live_alerts() const;
  // What happened to the alerts that all matchers match (none: to any, and to silences) within
  // [begin, end), the newest first: what fired, who was told, who silenced it. Reads the disk.
  Result<std::vector<HistoryEntry>> history(const Matchers& matchers, int64_t begin_ms,
                                            int64_t end_ms, size_t limit) const;
  // Sends a notification of a made-up alert; waits for the outcome. Any thread but the
  // engine's.
  Result<SendOutcome> test_receiver(std::string_view receiver, std::string_view integration);
  bool ready() const;

 private:
  struct State;
  explicit AlertEngine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace gatehouse::alerts
