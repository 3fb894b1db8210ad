// Cores: one thread, Loop, Server and gateway Worker a core. A connection lives
// on one of them from accept to close.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/router.h"
#include "base/budget.h"
#include "base/loop.h"
#include "gateway/gateway.h"
#include "net/server.h"
#include "net/tls.h"

namespace gatehouse::app {

class Cores {
 public:
  // `count` 0: one a core of the machine.
  Cores(int count, gateway::Gateway& gateway, net::Dialer& dialer);
  ~Cores();
  Cores(const Cores&) = delete;
  Cores& operator=(const Cores&) = delete;

  // Binds every address on every core, then starts the threads.
  Status start(const std::vector<std::string>& addresses, const net::ServerOptions& options,
               std::shared_ptr<net::TlsServerContext> tls, MemoryBudget& budget,
               std::shared_ptr<Router> router);

  // For requests that begin after this.
  void update(const net::ServerOptions& options, std::shared_ptr<net::TlsServerContext> tls,
              std::shared_ptr<Router> router);

  // Finishes what is in flight, for at most `drain_ms`, and ends the threads.
  void drain(int64_t drain_ms);

  // Runs `work` on the first core until it ends or drain() cancels it.
  void run_on_first(std::function<Task<void>(gateway::Worker&, Cancel&)> work);

  // "host:port" of each listener, with the port that was bound.
  const std::vector<std::string>& listening() const { return listening_; }
  std::vector<const net::ServerCounters*> counters() const;
  bool draining() const { return draining_.load(std::memory_order_relaxed); }

 private:
  struct Core;
  gateway::Gateway& gateway_;
  std::vector<std::unique_ptr<Core>> cores_;
  std::vector<std::string> listening_;
  std::atomic<bool> draining_{false};
};

}  // namespace gatehouse::app
