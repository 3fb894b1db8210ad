#include "app/cores.h"

#include <algorithm>

namespace gatehouse::app {

struct Cores::Core {
  Core(gateway::Gateway& gateway, net::Dialer& dialer) : worker(gateway.add_worker(loop, dialer)) {}

  Loop loop;
  gateway::Worker& worker;
  Cancel background;  // ends what run_on_first started
  int background_running = 0;
  std::vector<std::unique_ptr<net::Server>> servers;
  std::thread thread;

  net::Handler handler(std::shared_ptr<Router> router) {
    return [router = std::move(router), this](net::Exchange& exchange) {
      return router->serve(worker, exchange);
    };
  }
};

Cores::Cores(int count, gateway::Gateway& gateway, net::Dialer& dialer) : gateway_(gateway) {
  if (count == 0) count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (int i = 0; i < count; ++i) cores_.push_back(std::make_unique<Core>(gateway, dialer));
}

Cores::~Cores() {
  for (auto& core : cores_) {
    core->loop.stop();
    if (core->thread.joinable()) core->thread.join();
  }
  for (auto& core : cores_) core->servers.clear();
  gateway_.remove_workers();
}

namespace {

// The address with the port that was bound: the cores after the first must not
// each choose another one.
std::string with_port(const std::string& address, uint16_t port) {
  if (address.starts_with("unix:")) return address;
  return address.substr(0, address.rfind(':') + 1) + std::to_string(port);
}

}  // namespace

Status Cores::start(const std::vector<std::string>& addresses, const net::ServerOptions& options,
                    std::shared_ptr<net::TlsServerContext> tls, MemoryBudget& budget,
                    std::shared_ptr<Router> router) {
  for (const std::string& address : addresses) RETURN_IF_ERROR(net::check_free(address));
  listening_ = addresses;
  for (auto& core : cores_) {
    for (std::string& address : listening_) {
      // A socket in the file system has one acceptor.
      if (address.starts_with("unix:") && core != cores_.front()) continue;
      auto server =
          std::make_unique<net::Server>(core->loop, options, tls, budget, core->handler(router));
      RETURN_IF_ERROR(server->listen(address));
      address = with_port(address, server->port());
      core->servers.push_back(std::move(server));
    }
  }
  for (auto& core : cores_) {
    core->thread = std::thread([loop = &core->loop] { loop->run(); });
  }
  return {};
}

void Cores::update(const net::ServerOptions& options, std::shared_ptr<net::TlsServerContext> tls,
                   std::shared_ptr<Router> router) {
  for (auto& core : cores_) {
    core->loop.post([core = core.get(), options, tls, router] {
      for (auto& server : core->servers) server->update(options, tls, core->handler(router));
    });
  }
}

void Cores::run_on_first(std::function<Task<void>(gateway::Worker&, Cancel&)> work) {
  Core* core = cores_.front().get();
  core->loop.post([core, work = std::move(work)] {
    auto run = [](Core& on, std::function<Task<void>(gateway::Worker&, Cancel&)> what) -> Task<> {
      ++on.background_running;
      co_await what(on.worker, on.background);
      --on.background_running;
    };
    detach(run(*core, work));
  });
}

void Cores::drain(int64_t drain_ms) {
  draining_.store(true, std::memory_order_relaxed);
  for (auto& core : cores_) {
    core->loop.post([core = core.get(), drain_ms] {
      auto run = [](Core& on, int64_t ms) -> Task<> {
        on.background.fire();
        for (auto& server : on.servers) co_await server->drain(ms);
        while (on.background_running > 0) co_await on.loop.sleep_for(5);
        on.worker.client.close_idle();
        on.loop.stop();
      };
      detach(run(*core, drain_ms));
    });
  }
  for (auto& core : cores_) {
    if (core->thread.joinable()) core->thread.join();
  }
}

std::vector<const net::ServerCounters*> Cores::counters() const {
  std::vector<const net::ServerCounters*> all;
  for (const auto& core : cores_) {
    for (const auto& server : core->servers) all.push_back(&server->counters());
  }
  return all;
}

}  // namespace gatehouse::app
