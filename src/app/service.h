// Service: the running program. Its constructor order is the architecture: store
// and catalog, identity, gateway, protocols, cores.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "api/alertmanager/alertmanager.h"
#include "api/caller.h"
#include "api/health/health.h"
#include "api/prometheus/metrics.h"
#include "api/ui/console.h"
#include "app/alert_service.h"
#include "app/config_file.h"
#include "app/cores.h"
#include "app/limit_state.h"
#include "app/memory_watch.h"
#include "app/metric_service.h"
#include "app/reloader.h"
#include "base/budget.h"
#include "base/pool.h"
#include "catalog/sqlite_catalog.h"
#include "gateway/gateway.h"
#include "identity/audit.h"
#include "identity/authenticator.h"
#include "identity/keys.h"
#include "identity/sessions.h"
#include "identity/users.h"
#include "model/metrics.h"
#include "net/dialer.h"
#include "net/tls.h"
#include "store/record_log.h"

namespace gatehouse::app {

class Service {
 public:
  // Builds and starts everything; the message of an error says what to do.
  // REQUIRES: file.loaded has a configuration.
  static Result<std::unique_ptr<Service>> start(ConfigFile file);
  ~Service();

  // Until SIGTERM or SIGINT: serves, reloads on SIGHUP, keeps house. Then drains.
  void run();

  const std::vector<std::string>& listening() const { return cores_->listening(); }
  Config config() const { return reloader_->current(); }
  // Base URL for people.
  std::string url() const;
  identity::KeyStore& keys() { return *keys_; }
  model::Catalog& catalog() { return *catalog_; }
  const model::Clock& clock() const { return clock_; }
  bool first_start() const { return first_start_; }

 private:
  explicit Service(const Config& config);
  Status open_stores(const Config& config);
  Status build_identity(const Config& config);
  Status build_gateway(const Config& config);
  Status build_cores(const Config& config);
  Status apply(const Config& config, const Config& before);
  Status build_alerts(const Config& config);
  Status build_metrics(const Config& config);
  void build_pages();
  void keep_house(int64_t second);
  void prepare_tls();
  void take_left_audit();
  void publish_metrics();

  const model::Clock& clock_ = model::system_clock();
  model::Registry registry_;
  MemoryBudget budget_;
  std::unique_ptr<MemoryWatch> memory_watch_;
  Pool pool_{2};          // names and reloads: a call may wait for them
  Pool console_pool_{2};  // password hashes, catalog writes, reads of the log for people
  std::unique_ptr<store::RecordLog> records_;
  std::unique_ptr<catalog::SqliteCatalog> catalog_;
  int64_t catalog_version_ = 0;
  bool tls_prepared_ = false;

  std::unique_ptr<identity::Authenticator> authenticator_;
  std::unique_ptr<identity::KeyStore> keys_;
  std::unique_ptr<identity::UserStore> users_;
  std::unique_ptr<identity::SessionStore> sessions_;
  std::unique_ptr<identity::AuditLog> audit_;
  identity::SessionConfig session_config_;
  bool first_start_ = false;

  gateway::LimitRegistry limits_;
  std::unique_ptr<net::Dialer> dialer_;
  std::unique_ptr<gateway::Gateway> gateway_;
  std::unique_ptr<LimitState> limit_state_;

  std::unique_ptr<AlertService> alerts_;
  std::unique_ptr<api::AdmissionParts> admission_;
  std::unique_ptr<api::Alertmanager> alertmanager_;
  // Set once it is there: the alert engine asks from its own thread.
  std::atomic<const MetricService*> rules_known_{nullptr};
  std::unique_ptr<MetricService> samples_;

  std::unique_ptr<Reloader> reloader_;
  api::ProgramState program_;
  std::unique_ptr<api::Console> console_;
  std::unique_ptr<api::Health> health_;
  std::unique_ptr<api::Metrics> metrics_;
  std::shared_ptr<Router> router_;
  std::atomic<bool> listening_{false};
  std::shared_ptr<net::TlsServerContext> tls_;
  std::unique_ptr<Cores> cores_;
};

}  // namespace gatehouse::app
