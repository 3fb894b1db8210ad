#include "app/alert_service.h"

#include <sys/stat.h>

#include <utility>

#include "alerts/config.h"
#include "base/log.h"

namespace gatehouse::app {

namespace {

constexpr std::string_view kNoReceivers =
    "route: {receiver: default}\nreceivers: [{name: default}]\n";

std::string stamp_of(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return path + ":gone;";
  return path + ":" + std::to_string(found.st_ino) + ":" + std::to_string(found.st_size) + ":" +
         std::to_string(found.st_mtim.tv_sec) + "." + std::to_string(found.st_mtim.tv_nsec) + ";";
}

}  // namespace

AlertService::AlertService(alerts::AlertEngineParts parts,
                           std::unique_ptr<alerts::AlertEngine> engine)
    : clock_(parts.clock),
      engine_(std::move(engine)),
      good_(parts.registry.gauge("alertmanager_config_last_reload_successful",
                                 "Whether the last configuration reload attempt was successful.",
                                 {})),
      good_since_(parts.registry.gauge("alertmanager_config_last_reload_success_timestamp_seconds",
                                       "Timestamp of the last successful configuration reload.",
                                       {})) {
  parts.registry.gauge_from(
      "alertmanager_receivers", "Number of configured receivers.", {}, [this] {
        const auto config = engine_->config();
        return config == nullptr ? 0.0 : static_cast<double>(config->receivers.size());
      });
}

Result<std::unique_ptr<AlertService>> AlertService::open(alerts::AlertEngineParts parts,
                                                         alerts::AlertEngineOptions options,
                                                         const std::string& config_path) {
  ASSIGN_OR_RETURN(auto engine, alerts::AlertEngine::open(parts, std::move(options)));
  auto service =
      std::unique_ptr<AlertService>(new AlertService(std::move(parts), std::move(engine)));
  const std::lock_guard lock(service->mutex_);
  RETURN_IF_ERROR(service->load_locked(config_path));
  return service;
}

std::string AlertService::stamps() const {
  std::string all = stamp_of(config_path_);
  if (const auto config = engine_->config()) {
    for (const std::string& file : config->files) all += stamp_of(file);
  }
  return all;
}

Status AlertService::load_locked(const std::string& config_path) {
  const auto loaded = config_path.empty()
                          ? alerts::read_alertmanager_config(kNoReceivers, "built-in")
                          : alerts::load_alertmanager_config(config_path);
  if (!loaded.ok()) {
    good_.set(0);
    stamps_ = stamps();  // a file that is wrong is told of once
    return loaded.status();
  }
  for (const std::string& notice : (*loaded)->notices) {
    log_warning("alertmanager.yml", {{"notice", notice}});
  }
  engine_->configure(*loaded);
  config_path_ = config_path;
  stamps_ = stamps();
  good_.set(1);
  good_since_.set(static_cast<double>(clock_.wall_ns()) / 1e9);
  return {};
}

Status AlertService::reload(std::string_view why, const std::string& config_path) {
  const std::lock_guard lock(mutex_);
  const Status loaded = load_locked(config_path);
  if (loaded.ok()) {
    log_info("alertmanager.yml was read again", {{"why", why}});
  } else {
    log_error("alertmanager.yml was refused; the one before stays in force",
              {{"why", why}, {"reason", loaded.message()}});
  }
  return loaded;
}

Status AlertService::reload(std::string_view why) {
  std::string path;
  {
    const std::lock_guard lock(mutex_);
    path = config_path_;
  }
  return reload(why, path);
}

void AlertService::reload_if_changed() {
  {
    const std::lock_guard lock(mutex_);
    if (config_path_.empty() || stamps() == stamps_) return;
  }
  const Status reloaded = reload("a file has changed");
  (void)reloaded;  // it is in the log and the metric
}

}  // namespace gatehouse::app
