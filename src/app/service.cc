#include "app/service.h"

#include <signal.h>

#include "api/ui/follow_log.h"
#include "app/credentials.h"
#include "app/pages.h"
#include "app/stores.h"
#include "base/log.h"
#include "gateway/health.h"
#include "identity/audit_left.h"

namespace gatehouse::app {

namespace {

constexpr int64_t kSaveLimitsEverySeconds = 5;
constexpr int64_t kFlushKeysEverySeconds = 60;
constexpr int64_t kSweepSessionsEverySeconds = 300;

// Where links in notifications lead, as far as the configuration says it.
std::string alerts_url(const Config& config) {
  if (!config.alerts.external_url.empty()) return config.alerts.external_url;
  if (!config.server.public_url.empty()) return config.server.public_url;
  const std::string scheme = config.server.tls_certificate_path.empty() ? "http://" : "https://";
  for (const std::string& listen : config.server.listen) {
    if (!listen.starts_with("unix:")) return scheme + listen;
  }
  return scheme + "localhost";
}

}  // namespace

Service::Service(const Config& config) : budget_(config.memory_limit_bytes) {}

// The pools' work uses every other part, so it ends before the first of them goes.
Service::~Service() {
  // Rules tell the alert engine, which asks whether rules are ready: both end before either goes.
  if (samples_ != nullptr) samples_->finish();
  if (alerts_ != nullptr) alerts_->finish(0);
  console_pool_.finish();
  pool_.finish();
}

Result<std::unique_ptr<Service>> Service::start(ConfigFile file) {
  const Config config = *file.loaded.config;
  auto service = std::unique_ptr<Service>(new Service(config));
  service->memory_watch_ =
      std::make_unique<MemoryWatch>(service->budget_, config.memory_limit_bytes);
  RETURN_IF_ERROR(service->open_stores(config));
  RETURN_IF_ERROR(service->build_identity(config));
  RETURN_IF_ERROR(service->build_gateway(config));
  service->reloader_ =
      std::make_unique<Reloader>(std::move(file), service->clock_, service->registry_,
                                 [to = service.get()](const Config& next, const Config& before) {
                                   return to->apply(next, before);
                                 });
  RETURN_IF_ERROR(service->build_alerts(config));
  RETURN_IF_ERROR(service->build_metrics(config));
  service->build_pages();
  RETURN_IF_ERROR(service->build_cores(config));
  return service;
}

Status Service::open_stores(const Config& config) {
  ASSIGN_OR_RETURN(catalog_, open_catalog(config.storage));
  store::RecordLogOptions options;
  options.directory = record_log_path(config.storage);
  options.clock = &clock_;
  options.sync_interval_ms = config.storage.sync_interval_ms;
  options.retention_age_ms = config.storage.retention_age_ms;
  options.retention_bytes = config.storage.retention_bytes;
  ASSIGN_OR_RETURN(records_, store::RecordLog::open(options));
  records_->publish(registry_, model::Labels{});
  return {};
}

Status Service::build_identity(const Config& config) {
  session_config_ = config.access.sessions;
  authenticator_ =
      std::make_unique<identity::Authenticator>(clock_, config.access.lockout, registry_);
  ASSIGN_OR_RETURN(auto access,
                   identity::AccessList::parse(config.access.allow, config.access.deny));
  authenticator_->set_access(std::move(access), config.access.guard_probes);
  keys_ = std::make_unique<identity::KeyStore>(*catalog_, *authenticator_, clock_, registry_);
  RETURN_IF_ERROR(keys_->load().with_context("keys"));
  users_ = std::make_unique<identity::UserStore>(*catalog_, console_pool_,
                                                 authenticator_->lockout(), clock_);
  RETURN_IF_ERROR(users_->load().with_context("users"));
  sessions_ = std::make_unique<identity::SessionStore>(
      *catalog_, *users_, authenticator_->lockout(), clock_, config.access.sessions, registry_);
  RETURN_IF_ERROR(sessions_->load().with_context("sessions"));
  ASSIGN_OR_RETURN(audit_,
                   identity::AuditLog::open(*records_, *records_, *catalog_, clock_, registry_));
  authenticator_->on_refusal([this](const identity::Refusal& refusal) {
    identity::AuditEntry entry;
    entry.actor = refusal.key_id;
    entry.actor_kind =
        refusal.key_id.empty() ? identity::ActorKind::kUnknown : identity::ActorKind::kKey;
    entry.action = "authenticate";
    entry.outcome = "refused";
    entry.address = refusal.address;
    entry.details = {{"reason", std::string(name(refusal.reason))}};
    const Status written = audit_->refused(std::move(entry));
    if (!written.ok()) log_error("a refusal was not audited", {{"reason", written.message()}});
  });
  const auto taken = identity::take_left_entries(*catalog_, *audit_);
  if (!taken.ok()) return taken.status().with_context("audit log");
  first_start_ = users_->empty();
  return {};
}

Status Service::build_gateway(const Config& config) {
  ASSIGN_OR_RETURN(auto trust, net::TlsClientContext::load());
  dialer_ = std::make_unique<net::Dialer>(pool_, config.egress, std::move(trust));
  ASSIGN_OR_RETURN(gateway_, gateway::Gateway::make({*records_, registry_, limits_, clock_}));
  ASSIGN_OR_RETURN(auto made, make_credentials(config.gateway, *dialer_, clock_, registry_));
  RETURN_IF_ERROR(gateway_->configure(config.gateway, made));
  limit_state_ = std::make_unique<LimitState>(*catalog_, *records_, *gateway_);
  return limit_state_->restore();
}

Status Service::build_alerts(const Config& config) {
  alerts::AlertEngineOptions options;
  options.dial = config.egress;
  options.external_url = alerts_url(config);
  options.retention_ms = config.alerts.retention_ms;
  alerts::AlertEngineParts parts{
      *catalog_, *records_, *records_, budget_, registry_, clock_, [this] {
        const MetricService* rules = rules_known_.load(std::memory_order_acquire);
        return rules != nullptr && rules->rules_ready();
      }};
  auto opened =
      AlertService::open(std::move(parts), std::move(options), config.alerts.alertmanager_config);
  if (!opened.ok()) return opened.status().with_context("alerts");
  alerts_ = std::move(*opened);
  admission_ = std::make_unique<api::AdmissionParts>(
      api::AdmissionParts{*authenticator_, *sessions_, console_pool_, clock_});
  api::AlertmanagerParts api{alerts_->engine(), console_pool_, clock_, GATEHOUSE_VERSION,
                             clock_.wall_ns() / 1'000'000};
  api.admission = admission_.get();
  api.audit = audit_.get();
  api.silence_share = [this] { return reloader_->current().alerts.silence_share; };
  alertmanager_ = std::make_unique<api::Alertmanager>(std::move(api));
  return {};
}

Status Service::build_metrics(const Config& config) {
  ASSIGN_OR_RETURN(samples_, MetricService::open(
                                 config, {*authenticator_, *sessions_, *audit_, registry_, budget_,
                                          clock_, program_, *records_, &alerts_->engine()}));
  rules_known_.store(samples_.get(), std::memory_order_release);
  return {};
}

void Service::build_pages() {
  program_.version = GATEHOUSE_VERSION;
  program_.started_ms = clock_.wall_ns() / 1'000'000;
  program_.config = [this] {
    const ConfigStatus status = reloader_->status();
    const gateway::SpendBudget budget = gateway_->snapshot()->config.budget;
    return api::ConfigState{status.ok, status.message, status.since_wall_ms,
                            budget.daily_nanodollars, budget.monthly_nanodollars};
  };
  program_.listening = [this] { return listening_.load(); };
  // Calls are replayed before the listeners open, samples beside the first requests.
  program_.records_ready = [this] { return samples_->store().ready(); };
  program_.draining = [this] { return cores_->draining(); };
  program_.store = [this] { return records_->health(); };
  console_ = std::make_unique<api::Console>(
      api::ConsoleParts{*gateway_, *authenticator_, *keys_, *users_, *sessions_, *audit_,
                        session_config_, *records_, *records_, console_pool_, clock_, program_,
                        api::follow_window(records_->window()), &alerts_->engine()});
  health_ = std::make_unique<api::Health>(*gateway_, program_, clock_);
  metrics_ = std::make_unique<api::Metrics>(registry_, *authenticator_, clock_);
  const api::Gate gate{*gateway_, *authenticator_, clock_};
  Pages pages;
  pages.health = [this](gateway::Worker& worker, net::Exchange& exchange) {
    return health_->handle(worker, exchange);
  };
  pages.metrics = [this](gateway::Worker& worker, net::Exchange& exchange) {
    return metrics_->handle(worker, exchange);
  };
  pages.reload = [this, gate](gateway::Worker& worker, net::Exchange& exchange) {
    return reload_page(gate, worker, exchange, pool_, *reloader_, *audit_);
  };
  pages.prometheus = [this](gateway::Worker& worker, net::Exchange& exchange) {
    return samples_->api().handle(worker, exchange);
  };
  pages.alertmanager = [this](gateway::Worker& worker, net::Exchange& exchange) {
    return alertmanager_->handle(&worker, exchange, std::string(exchange.request().path));
  };
  pages.console = [this](gateway::Worker& worker, net::Exchange& exchange) {
    return console_->handle(worker, exchange);
  };
  router_ = std::make_shared<Router>(gate, std::move(pages));
}

Status Service::build_cores(const Config& config) {
  if (!config.server.tls_certificate_path.empty()) {
    ASSIGN_OR_RETURN(tls_, net::TlsServerContext::load(config.server.tls_certificate_path,
                                                       config.server.tls_key_path));
  }
  cores_ = std::make_unique<Cores>(config.server.threads, *gateway_, *dialer_);
  RETURN_IF_ERROR(
      cores_->start(config.server.listen, config.server.options, tls_, budget_, router_));
  listening_ = true;
  RETURN_IF_ERROR(samples_->start());
  // The console's past: beside the first calls, as nothing depends on it.
  console_pool_.submit([this, through = records_->last_position()] {
    constexpr int64_t kPatienceMs = 5'000;  // a day of calls at 1,000 a second
    const Status rebuilt =
        gateway_->activity().rebuild(*records_, through, clock_.wall_ns() / 1'000'000, kPatienceMs);
    if (!rebuilt.ok())
      log_warning("the overview's past is not known", {{"reason", rebuilt.message()}});
  });
  cores_->run_on_first([](gateway::Worker& worker, Cancel& cancel) -> Task<void> {
    gateway::HealthChecker checker(worker);
    co_await checker.run(cancel);
  });
  publish_metrics();
  return {};
}

void Service::publish_metrics() {
  const auto sum = [this](std::atomic<int64_t> net::ServerCounters::*field) {
    return [this, field] {
      int64_t total = 0;
      for (const net::ServerCounters* each : cores_->counters()) total += (each->*field).load();
      return static_cast<double>(total);
    };
  };
  registry_.gauge_from("gatehouse_connections_open", "Client connections that are open", {},
                       sum(&net::ServerCounters::connections_open));
  registry_.gauge_from("gatehouse_calls_in_flight", "Calls between admission and record", {},
                       [this] { return static_cast<double>(gateway_->calls_in_flight()); });
  registry_.gauge_from("gatehouse_memory_budget_used_bytes", "Memory charged to the budget", {},
                       [this] { return static_cast<double>(budget_.used_bytes()); });
  registry_.gauge_from("gatehouse_memory_budget_limit_bytes", "memory.limit", {},
                       [this] { return static_cast<double>(budget_.limit_bytes()); });
}

Status Service::apply(const Config& config, const Config& before) {
  // What can fail comes first, so that a refusal leaves everything as it was.
  ASSIGN_OR_RETURN(auto access,
                   identity::AccessList::parse(config.access.allow, config.access.deny));
  for (const std::string& key : changed_keys(before, config)) {
    for (const char* fixed :
         {"server.listen", "server.threads", "storage", "access.sessions", "metrics.retention",
          "alerts.retention", "alerts.external_url", "rules.concurrency",
          "metrics.out_of_order_window", "metrics.exemplars", "metrics.host", "metrics.self"}) {
      if (key.starts_with(fixed)) {
        return invalid_argument(key + " takes a restart: change it back, or restart");
      }
    }
  }
  std::shared_ptr<net::TlsServerContext> tls;
  if (!config.server.tls_certificate_path.empty()) {
    ASSIGN_OR_RETURN(tls, net::TlsServerContext::load(config.server.tls_certificate_path,
                                                      config.server.tls_key_path));
  }
  ASSIGN_OR_RETURN(auto made, make_credentials(config.gateway, *dialer_, clock_, registry_));
  if (!config.alerts.alertmanager_config.empty()) {
    const auto checked = alerts::load_alertmanager_config(config.alerts.alertmanager_config);
    if (!checked.ok()) return checked.status().with_context("alerts");
  }
  RETURN_IF_ERROR(samples_->apply(config).with_context("metrics"));
  RETURN_IF_ERROR(gateway_->configure(config.gateway, made));
  RETURN_IF_ERROR(
      alerts_->reload("configuration", config.alerts.alertmanager_config).with_context("alerts"));
  tls_ = std::move(tls);
  authenticator_->set_access(std::move(access), config.access.guard_probes);
  authenticator_->lockout().update(config.access.lockout);
  set_log_severity(config.log_severity);
  memory_watch_->set_limit_bytes(config.memory_limit_bytes);
  dialer_->update(config.egress, dialer_->tls());
  cores_->update(config.server.options, tls_, router_);
  return {};
}

std::string Service::url() const {
  const Config config = reloader_->current();
  if (!config.server.public_url.empty()) return config.server.public_url;
  for (const std::string& address : listening()) {
    if (address.starts_with("unix:")) continue;
    std::string shown = address;
    if (shown.starts_with("0.0.0.0:")) shown.replace(0, 7, "127.0.0.1");
    if (shown.starts_with("[::]:")) shown.replace(0, 4, "localhost");
    return (tls_ != nullptr ? "https://" : "http://") + shown;
  }
  return "http://localhost";
}

void Service::keep_house(int64_t second) {
  reloader_->reload_if_changed();
  if (samples_->rule_files_changed()) {
    const Status reloaded = reloader_->reload("a rule file changed");
    (void)reloaded;  // it is in the log, the metric and the console
  }
  samples_->keep_house();
  alerts_->reload_if_changed();
  if (!tls_prepared_) prepare_tls();
  // Another process (`gatehouse key create`) may have changed the catalog.
  if (const auto version = catalog_->data_version(); version.ok() && *version != catalog_version_) {
    catalog_version_ = *version;
    if (const Status loaded = keys_->load(); !loaded.ok()) {
      log_error("keys were not read again", {{"reason", loaded.message()}});
    }
    take_left_audit();
    if (const Status loaded = users_->load(); !loaded.ok()) {
      log_error("users were not read again", {{"reason", loaded.message()}});
    }
  }
  Status done = audit_->flush();
  if (!done.ok()) log_error("the audit log was not flushed", {{"reason", done.message()}});
  if (second % kSaveLimitsEverySeconds == 0) {
    done = limit_state_->save(records_->last_position());
    if (!done.ok()) log_error("limits were not saved", {{"reason", done.message()}});
  }
  if (second % kFlushKeysEverySeconds == 0) {
    done = keys_->flush_last_used();
    if (!done.ok()) log_error("last use of keys was not saved", {{"reason", done.message()}});
  }
  if (second % kSweepSessionsEverySeconds == 0) {
    done = sessions_->sweep();
    if (!done.ok()) log_error("old sessions were not removed", {{"reason", done.message()}});
  }
}

// What the first connection by TLS would else wait for; once the start is over.
void Service::prepare_tls() {
  tls_prepared_ = true;
  console_pool_.submit([this] {
    const Status prepared = dialer_->tls()->prepare();
    if (!prepared.ok()) log_warning("TLS may not work", {{"reason", prepared.message()}});
  });
}

// What a command did to the catalog is told by the entry that it left.
void Service::take_left_audit() {
  const auto taken = identity::take_left_entries(*catalog_, *audit_);
  if (!taken.ok()) log_error("a change was not audited", {{"reason", taken.status().message()}});
  if (!taken.ok() || *taken > 0) return;
  identity::AuditEntry entry;
  entry.actor_kind = identity::ActorKind::kSystem;
  entry.action = "catalog.reread";
  entry.details = {{"why", "another process changed the catalog and left no entry"}};
  if (const Status written = audit_->append(std::move(entry)); !written.ok()) {
    log_error("a change was not audited", {{"reason", written.message()}});
  }
}

void Service::run() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, each);
  for (int64_t second = 1;; ++second) {
    const timespec one_second{1, 0};
    const int signal = sigtimedwait(&signals, nullptr, &one_second);
    if (signal == SIGHUP) {
      const Status reloaded = reloader_->reload("SIGHUP");
      (void)reloaded;  // it is in the log, the metric and the console
    } else if (signal == SIGTERM || signal == SIGINT) {
      break;
    }
    keep_house(second);
  }
  const int64_t drain_ms = config().server.drain_ms;
  log_info("draining", {{"calls_in_flight", gateway_->calls_in_flight()}, {"drain_ms", drain_ms}});
  cores_->drain(drain_ms);
  samples_->finish();
  constexpr int64_t kFlushMs = 5'000;  // a notification that is under way may go out still
  alerts_->finish(kFlushMs);
  Status done = limit_state_->save(records_->last_position());
  if (!done.ok()) log_error("limits were not saved", {{"reason", done.message()}});
  done = keys_->flush_last_used();
  if (!done.ok()) log_error("last use of keys was not saved", {{"reason", done.message()}});
  done = audit_->flush(true);
  if (!done.ok()) log_error("the audit log was not flushed", {{"reason", done.message()}});
  done = records_->sync();
  if (!done.ok()) log_error("records were not synced", {{"reason", done.message()}});
  log_info("stopped", {});
  flush_log();
}

}  // namespace gatehouse::app
