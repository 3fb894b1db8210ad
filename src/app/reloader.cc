#include "app/reloader.h"

#include <sys/stat.h>

#include "base/log.h"

namespace gatehouse::app {

Reloader::Reloader(ConfigFile file, const model::Clock& clock, model::Registry& registry,
                   Apply apply)
    : file_(std::move(file)),
      clock_(clock),
      apply_(std::move(apply)),
      good_(registry.gauge("gatehouse_config_last_reload_successful",
                           "1 while the configuration file is the one in force", {})),
      good_since_(registry.gauge("gatehouse_config_last_reload_success_timestamp_seconds",
                                 "When the configuration in force was read", {})),
      config_(*file_.loaded.config),
      files_(file_.loaded.files) {
  status_.since_wall_ms = clock_.wall_ns() / 1'000'000;
  good_.set(1);
  good_since_.set(static_cast<double>(status_.since_wall_ms) / 1000);
  stamps_ = stamps();
}

std::vector<std::string> Reloader::stamps() const {
  std::vector<std::string> made;
  const auto add = [&made](const std::string& path) {
    struct stat file {};
    if (::stat(path.c_str(), &file) != 0) {
      made.push_back("absent");
      return;
    }
    made.push_back(std::to_string(file.st_ino) + ":" + std::to_string(file.st_size) + ":" +
                   std::to_string(file.st_mtim.tv_sec) + "." +
                   std::to_string(file.st_mtim.tv_nsec));
  };
  if (!file_.path.empty()) add(file_.path);
  for (const std::string& file : files_) add(file);
  // A certificate that was renewed is served without anyone's doing.
  if (!config_.server.tls_certificate_path.empty()) {
    add(config_.server.tls_certificate_path);
    add(config_.server.tls_key_path);
  }
  return made;
}

Status Reloader::refuse(std::string message) {
  log_error("the configuration was not reloaded: the one before stays in force",
            {{"reason", message}});
  good_.set(0);
  std::lock_guard lock(mutex_);
  status_ = {false, message, clock_.wall_ns() / 1'000'000};
  return invalid_argument(std::move(message));
}

Status Reloader::reload(std::string_view why) {
  std::lock_guard one(reloading_);
  if (file_.path.empty()) {
    return invalid_argument("there is no configuration file to reload; start with --config FILE");
  }
  {
    std::lock_guard lock(mutex_);
    stamps_ = stamps();
  }
  LoadedConfig loaded = file_.read();
  if (!loaded.config) return refuse(loaded.problems.front());
  const Config before = current();
  const Status applied = apply_(*loaded.config, before);
  if (!applied.ok()) return refuse(file_.path + ": " + applied.message());
  std::string changed;
  for (const std::string& key : changed_keys(before, *loaded.config)) {
    if (!changed.empty()) changed += ", ";
    changed += key;
  }
  log_info("configuration reloaded", {{"why", why}, {"changed", changed}});
  std::lock_guard lock(mutex_);
  config_ = std::move(*loaded.config);
  files_ = std::move(loaded.files);
  stamps_ = stamps();
  status_ = {true, "", clock_.wall_ns() / 1'000'000};
  good_.set(1);
  good_since_.set(static_cast<double>(status_.since_wall_ms) / 1000);
  return {};
}

void Reloader::reload_if_changed() {
  if (file_.path.empty()) return;
  {
    std::lock_guard lock(mutex_);
    if (stamps() == stamps_) return;
  }
  const Status reloaded = reload("a file changed");
  (void)reloaded;  // it is in the log, the metric and the console
}

ConfigStatus Reloader::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

Config Reloader::current() const {
  std::lock_guard lock(mutex_);
  return config_;
}

}  // namespace gatehouse::app
