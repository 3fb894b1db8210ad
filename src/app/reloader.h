// Reloader: the configuration in force, and how it changes: on SIGHUP, when the
// file or one it names changes, and on POST /-/reload. All or nothing: a file
// with a problem leaves the old configuration in force, and says so in the log,
// in a metric and to the console.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "app/config_file.h"
#include "model/clock.h"
#include "model/metrics.h"

namespace gatehouse::app {

// For the console's banner and /health.
struct ConfigStatus {
  bool ok = true;
  std::string message;        // the first problem, with file, line and column
  int64_t since_wall_ms = 0;  // when it came into force, or was refused
};

class Reloader {
 public:
  // Applies a configuration to the parts that run. kInvalidArgument leaves all as
  // it was.
  using Apply = std::function<Status(const Config& config, const Config& before)>;

  Reloader(ConfigFile file, const model::Clock& clock, model::Registry& registry, Apply apply);

  // Any thread but a Loop's. `why` goes to the log.
  Status reload(std::string_view why);
  // Reloads where a file has changed since it was last read.
  void reload_if_changed();

  ConfigStatus status() const;
  Config current() const;

 private:
  // What a change shows in: of each file its inode, size and time.
  std::vector<std::string> stamps() const;
  Status refuse(std::string message);

  const ConfigFile file_;  // its `loaded` is what the program began with
  const model::Clock& clock_;
  const Apply apply_;
  model::Gauge& good_;
  model::Gauge& good_since_;
  std::mutex reloading_;  // one at a time
  mutable std::mutex mutex_;
  Config config_;
  std::vector<std::string> files_;
  std::vector<std::string> stamps_;
  ConfigStatus status_;
};

}  // namespace gatehouse::app
