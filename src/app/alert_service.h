// AlertService: the alert engine with the alertmanager.yml that it follows, and how that is
// read again. A file with a problem leaves what is in force as it is.
//
// Any thread; loading is one at a time.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "alerts/engine.h"
#include "base/result.h"
#include "model/clock.h"
#include "model/metrics.h"

namespace gatehouse::app {

class AlertService {
 public:
  // `config_path`: an alertmanager.yml; empty: one receiver, "default", that tells nobody.
  // Begins to send.
  static Result<std::unique_ptr<AlertService>> open(alerts::AlertEngineParts parts,
                                                    alerts::AlertEngineOptions options,
                                                    const std::string& config_path);

  // Reads the file, which may be another one, again. `why` goes to the log.
  Status reload(std::string_view why, const std::string& config_path);
  Status reload(std::string_view why);
  // The same where it, or a template it names, has changed since.
  void reload_if_changed();
  // Sends what is under way for at most `flush_ms`, and saves.
  void finish(int64_t flush_ms) { engine_->finish(flush_ms); }

  alerts::AlertEngine& engine() { return *engine_; }

 private:
  AlertService(alerts::AlertEngineParts parts, std::unique_ptr<alerts::AlertEngine> engine);
  Status load_locked(const std::string& config_path);
  std::string stamps() const;

  const model::Clock& clock_;
  std::unique_ptr<alerts::AlertEngine> engine_;
  std::mutex mutex_;
  std::string config_path_, stamps_;  // guarded by mutex_
  model::Gauge& good_;
  model::Gauge& good_since_;
};

}  // namespace gatehouse::app
