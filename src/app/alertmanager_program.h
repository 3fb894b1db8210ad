// AlertmanagerProgram: `gatehouse alertmanager`, the alert engine and Alertmanager's API
// alone, in the place of an Alertmanager. One loop serves HTTP; the engine has its own.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "api/alertmanager/alertmanager.h"
#include "app/alert_service.h"
#include "app/alertmanager_flags.h"
#include "app/web_config.h"
#include "base/budget.h"
#include "base/loop.h"
#include "base/pool.h"
#include "catalog/sqlite_catalog.h"
#include "model/metrics.h"
#include "net/server.h"
#include "net/tls.h"
#include "store/record_log.h"

namespace gatehouse::app {

class AlertmanagerProgram {
 public:
  // Opens the data, reads the configuration, listens. REQUIRES: SIGTERM, SIGINT and SIGHUP
  // are blocked.
  static Result<std::unique_ptr<AlertmanagerProgram>> start(AlertmanagerFlags flags);
  ~AlertmanagerProgram();

  // Until SIGTERM or SIGINT; reloads on SIGHUP.
  void run();

 private:
  explicit AlertmanagerProgram(AlertmanagerFlags flags);
  Status open_data();
  Status build_web();
  Status listen();
  std::string external_url() const;
  void publish_metrics();

  Task<void> serve(net::Exchange& exchange);
  Task<bool> permitted(net::Exchange& exchange);
  Task<void> route(net::Exchange& exchange, std::string path);
  Task<void> reload(net::Exchange& exchange);

  const AlertmanagerFlags flags_;
  const model::Clock& clock_ = model::system_clock();
  std::string prefix_;  // of all routes, "" or "/…"
  model::Registry registry_;
  MemoryBudget budget_;
  Pool pool_{2};
  std::unique_ptr<catalog::SqliteCatalog> catalog_;
  std::unique_ptr<store::RecordLog> records_;
  std::unique_ptr<AlertService> alerts_;
  std::unique_ptr<api::Alertmanager> api_;
  std::unique_ptr<BasicAuth> users_;
  std::shared_ptr<net::TlsServerContext> tls_;
  Loop loop_;
  std::vector<std::unique_ptr<net::Server>> servers_;
  std::thread thread_;
  int64_t gets_ = 0;  // under way; the loop's thread
};

}  // namespace gatehouse::app
