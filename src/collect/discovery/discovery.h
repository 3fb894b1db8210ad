// Where targets come from. Each Discovery tells its job of groups of targets, now and
// whenever they change, until it is stopped.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "base/pool.h"
#include "base/task.h"
#include "collect/prometheus_config.h"
#include "collect/target.h"
#include "outbound/http_fetch.h"

namespace gatehouse::collect {

// What is between a discovery and its job: groups replace those of the same source; a
// group without targets ends its source.
using GroupUpdate = std::function<void(std::vector<TargetGroup>)>;

// What discoveries stand on; lives longer than they.
struct DiscoveryScope {
  Loop& loop;
  Pool& pool;
  net::DialOptions dial;
  // The name server to ask, "address:port"; empty: the system's.
  std::string nameserver;
};

class Discovery {
 public:
  virtual ~Discovery() = default;
  // Runs until `stop` fires. On the loop's thread. Trouble is logged once, when it
  // begins, and once when it is over; targets found before stay.
  virtual Task<void> run(GroupUpdate update, Cancel& stop) = 0;
};

std::unique_ptr<Discovery> static_discovery(std::vector<StaticConfig> config);
std::unique_ptr<Discovery> file_discovery(const DiscoveryScope& scope, FileDiscoveryConfig config);
std::unique_ptr<Discovery> http_discovery(const DiscoveryScope& scope, HttpDiscoveryConfig config);
std::unique_ptr<Discovery> dns_discovery(const DiscoveryScope& scope, DnsDiscoveryConfig config);
std::unique_ptr<Discovery> kubernetes_discovery(const DiscoveryScope& scope,
                                                KubernetesDiscoveryConfig config);

// All of one job, in the order of their kinds.
std::vector<std::unique_ptr<Discovery>> make_discoveries(const DiscoveryScope& scope,
                                                         const ScrapeConfig& config);

// [{"targets": [...], "labels": {...}}], as JSON or YAML (a superset of it).
Result<std::vector<TargetGroup>> read_target_groups(std::string_view text, const std::string& name);

// Logs the begin and the end of trouble, not every time it is met.
class TroubleLog {
 public:
  TroubleLog(std::string kind, std::string what) : kind_(std::move(kind)), what_(std::move(what)) {}
  void report(const Status& status);

 private:
  std::string kind_, what_, last_;
};

}  // namespace gatehouse::collect
