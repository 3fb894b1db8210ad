#include "app/metric_service.h"

#include <sys/stat.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <sstream>

#include "app/hidden_secrets.h"
#include "base/log.h"

namespace gatehouse::app {

namespace {

// More than there are cores, so that the system's scheduler divides them: with one thread a
// core, two long queries would hold up every short one until their end.
int query_threads() {
  return static_cast<int>(std::max<size_t>(8, 2 * std::thread::hardware_concurrency()));
}

size_t cores() { return std::max<size_t>(1, std::thread::hardware_concurrency()); }

// When a file was last written, and its size: enough to tell that it changed.
std::string stamp_of(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return path + " is not there;";
  return path + " " + std::to_string(found.st_mtim.tv_sec) + "." +
         std::to_string(found.st_mtim.tv_nsec) + " " + std::to_string(found.st_size) + ";";
}

std::string fingerprint_of(const std::string& path, const collect::PrometheusConfig& config) {
  std::string stamps = stamp_of(path);
  for (const std::string& file : config.files) stamps += stamp_of(file);
  return stamps;
}

// How people reach the program, as far as the configuration says it.
std::string external_url(const Config& config) {
  if (!config.server.public_url.empty()) return config.server.public_url;
  const std::string scheme = config.server.tls_certificate_path.empty() ? "http://" : "https://";
  for (const std::string& listen : config.server.listen) {
    if (!listen.starts_with("unix:")) return scheme + listen;
  }
  return scheme + "localhost";
}

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

store::MetricStoreOptions store_options(const Config& config, const model::Clock& clock) {
  store::MetricStoreOptions options;
  options.directory = config.storage.path + "/metrics";
  options.retention_ms = config.metrics.retention_age_ms;
  options.retention_bytes = static_cast<uint64_t>(config.metrics.retention_bytes);
  options.sync_interval_ms = config.storage.sync_interval_ms;
  options.head.out_of_order_ms = config.metrics.out_of_order_ms;
  options.head.exemplars_max = static_cast<size_t>(config.metrics.exemplars_max);
  options.recovery_threads = static_cast<unsigned>(cores());
  options.clock = &clock;
  return options;
}

}  // namespace

MetricService::MetricService(const Config& config, MetricParts parts)
    : parts_(parts),
      config_(config.metrics),
      rules_config_(config.rules),
      external_url_(external_url(config)),
      dial_(config.egress),
      query_pool_(query_threads()),
      intake_pool_(static_cast<int>(cores())),
      // Half of the cores at most, so that who pushes little finds one free.
      bulk_pool_(static_cast<int>(std::max<size_t>(1, cores() / 2))),
      parallel_(query_pool_, cores() - 1),
      loop_(std::make_unique<Loop>()) {}

Result<std::unique_ptr<MetricService>> MetricService::open(const Config& config,
                                                           MetricParts parts) {
  auto service = std::unique_ptr<MetricService>(new MetricService(config, parts));
  RETURN_IF_ERROR(service->load_prometheus(config.metrics));
  store::MetricStoreOptions store = store_options(config, parts.clock);
  store.on_log = RemoteWriters::hold_log(service->prometheus_, store.directory);
  ASSIGN_OR_RETURN(service->store_, store::MetricStore::open(parts.budget, std::move(store)));
  collect::ScraperOptions options;
  options.dial = config.egress;
  options.offset_seed = std::hash<std::string>{}(collect::host_name());
  service->scraper_ =
      std::make_unique<collect::Scraper>(*service->loop_, service->collect_pool_, *service->store_,
                                         parts.budget, parts.clock, std::move(options));
  RuleServiceParts rules{.store = *service->store_,
                         .records = parts.records,
                         .notifier = parts.notifier,
                         .pool = service->collect_pool_,
                         .budget = parts.budget,
                         .registry = parts.registry,
                         .clock = parts.clock,
                         .dial = config.egress};
  ASSIGN_OR_RETURN(RuleSet rule_set, service->read_rules(config.rules));
  service->rules_ = std::make_unique<RuleService>(std::move(rules), config.rules.concurrency);
  RETURN_IF_ERROR(service->rules_->take(std::move(rule_set)));
  auto* self = service.get();
  api::PrometheusParts api{.authenticator = parts.authenticator,
                           .sessions = parts.sessions,
                           .audit = parts.audit,
                           .store = *service->store_,
                           .scraper = *service->scraper_,
                           .rules = service->rules_->engine(),
                           .alertmanagers = {},
                           .pool = service->query_pool_,
                           .intake = service->intake_pool_,
                           .bulk = service->bulk_pool_,
                           .parallel = service->parallel_,
                           .budget = parts.budget,
                           .clock = parts.clock,
                           .program = parts.program,
                           .limits = {},
                           .prometheus_yaml = {},
                           .snapshot_directory = config.storage.path + "/metrics/snapshots",
                           .host_name = collect::host_name()};
  api.limits = [self] {
    const std::lock_guard lock(self->config_mutex_);
    return self->config_.limits;
  };
  api.alertmanagers = [self] {
    return api::AlertmanagerUrls{self->rules_->alertmanagers(),
                                 self->rules_->dropped_alertmanagers()};
  };
  api.prometheus_yaml = [self] {
    const std::lock_guard lock(self->config_mutex_);
    return self->prometheus_yaml_;
  };
  service->writers_ = std::make_unique<RemoteWriters>(
      *service->store_, service->collect_pool_, parts.budget, parts.registry, parts.clock,
      config.egress, config.storage.path + "/metrics");
  service->api_ = std::make_unique<api::Prometheus>(std::move(api));
  service->publish();
  return service;
}

MetricService::~MetricService() {
  finish();
  query_pool_.finish();
  intake_pool_.finish();
  bulk_pool_.finish();
  collect_pool_.finish();
}

Status MetricService::load_prometheus(const MetricsConfig& config) {
  if (config.prometheus_config.empty()) {
    prometheus_ = {};
    writers_due_ = true;
    const std::lock_guard lock(config_mutex_);
    prometheus_yaml_.clear();
    fingerprint_.clear();
    return {};
  }
  ASSIGN_OR_RETURN(auto loaded, collect::load_prometheus_config(config.prometheus_config));
  RETURN_IF_ERROR(RemoteWriters::check(loaded).with_context(config.prometheus_config));
  prometheus_ = std::move(loaded);
  writers_due_ = true;
  for (const std::string& notice : prometheus_.notices) {
    log_warning("prometheus.yml", {{"notice", notice}});
  }
  fingerprint_ = fingerprint_of(config.prometheus_config, prometheus_);
  const std::lock_guard lock(config_mutex_);
  prometheus_yaml_ = hide_secrets(text_of(config.prometheus_config));
  config_.limits.otlp_promoted = prometheus_.otlp_promoted_attributes;
  return {};
}

void MetricService::run_on_loop(const std::function<Task<void>()>& work) {
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  const auto run = [](const std::function<Task<void>()>& inner,
                      std::function<void()> then) -> Task<void> {
    co_await inner();
    then();
  };
  loop_->post([&] {
    detach(run(work, [&] {
      const std::lock_guard lock(mutex);
      done = true;
      ended.notify_one();
    }));
  });
  std::unique_lock lock(mutex);
  ended.wait(lock, [&] { return done; });
}

Result<RuleSet> MetricService::read_rules(const RulesConfig& config) const {
  rules::EvaluationOptions options;
  {
    const std::lock_guard lock(config_mutex_);
    options.query_timeout_ms = config_.limits.timeout_ms;
    options.samples_max = config_.limits.samples_max;
    options.query.lookback_ms = config_.limits.lookback_ms;
  }
  options.external_url = external_url_;
  return RuleService::read(config, prometheus_, options);
}

Status MetricService::configure_scrapes() {
  Status configured;
  run_on_loop([&]() -> Task<void> {
    configured = scraper_->configure(prometheus_.scrapes);
    co_return;
  });
  return configured;
}

Status MetricService::start() {
  thread_ = std::thread([this] { loop_->run(); });
  collecting_ = true;
  RETURN_IF_ERROR(configure_scrapes());
  collect::LocalOptions options;
  options.host.machine = config_.host;
  options.host.containers = config_.host && config_.containers;
  options.host.gpus = config_.host && config_.gpus;
  options.interval_ms = config_.host_interval_ms;
  options.self = config_.self;
  local_ = std::make_unique<collect::LocalCollector>(*loop_, collect_pool_, *store_,
                                                     parts_.registry, parts_.clock, options);
  run_on_loop([this]() -> Task<void> {
    local_->start();
    co_return;
  });
  return {};
}

Status MetricService::apply(const Config& config) {
  const collect::PrometheusConfig before = prometheus_;
  RETURN_IF_ERROR(load_prometheus(config.metrics));
  Status configured;
  auto rules = read_rules(config.rules);
  configured = rules.status();
  if (configured.ok()) configured = configure_scrapes();
  if (configured.ok()) configured = rules_->take(std::move(*rules));
  if (!configured.ok()) {
    prometheus_ = before;
    return configured;
  }
  rules_config_ = config.rules;
  const std::lock_guard lock(config_mutex_);
  config_ = config.metrics;
  config_.limits.otlp_promoted = prometheus_.otlp_promoted_attributes;
  return {};
}

void MetricService::keep_house() {
  reload_if_changed();
  rules_->keep_house();
  if (!writers_due_ || !store_->ready()) return;
  writers_due_ = false;
  writers_->configure(prometheus_);
}

void MetricService::reload_if_changed() {
  MetricsConfig config;
  {
    const std::lock_guard lock(config_mutex_);
    config = config_;
  }
  if (config.prometheus_config.empty()) return;
  const std::string now = fingerprint_of(config.prometheus_config, prometheus_);
  if (now == fingerprint_) return;
  fingerprint_ = now;  // a file that is wrong is told of once
  const collect::PrometheusConfig before = prometheus_;
  Status loaded = load_prometheus(config);
  Result<RuleSet> rules = loaded.ok() ? read_rules(rules_config_) : loaded;
  if (loaded.ok()) loaded = rules.status();
  if (loaded.ok()) loaded = configure_scrapes();
  if (loaded.ok()) loaded = rules_->take(std::move(*rules));
  if (loaded.ok()) {
    log_info("prometheus.yml was read again",
             {{"jobs", static_cast<int64_t>(prometheus_.scrapes.size())}});
    return;
  }
  prometheus_ = before;
  log_error("prometheus.yml was refused; the one before stays in force",
            {{"reason", loaded.message()}});
}

void MetricService::finish() {
  if (collecting_) {
    collecting_ = false;
    run_on_loop([this]() -> Task<void> {
      if (local_ != nullptr) co_await local_->stop();
      // A restart is no end of the series: its gap says enough.
      co_await scraper_->stop(false);
    });
    loop_->stop();
    thread_.join();
  }
  // As long as Prometheus gives its own on shutdown, by far: a restart goes on from here.
  constexpr int64_t kFlushMs = 5'000;
  if (rules_ != nullptr) rules_->finish(kFlushMs);
  if (writers_ != nullptr) writers_->finish(kFlushMs);
  if (store_ != nullptr) store_->finish();
}

void MetricService::publish() {
  const auto gauge = [this](std::string_view name, std::string_view help, auto read) {
    parts_.registry.gauge_from(name, help, {},
                               [this, read] { return static_cast<double>(read(*store_)); });
  };
  gauge("gatehouse_metrics_head_series", "Series with samples in memory",
        [](const store::MetricStore& store) { return store.stats(0).head.series; });
  gauge("gatehouse_metrics_head_memory_bytes", "Memory of the newest samples and their labels",
        [](const store::MetricStore& store) { return store.stats(0).head.memory_bytes; });
  gauge("gatehouse_metrics_wal_bytes", "Size of the log of samples",
        [](const store::MetricStore& store) { return store.stats(0).wal_bytes; });
  gauge("gatehouse_metrics_blocks_bytes", "Size of the blocks of samples",
        [](const store::MetricStore& store) { return store.stats(0).blocks_bytes; });
}

}  // namespace gatehouse::app
