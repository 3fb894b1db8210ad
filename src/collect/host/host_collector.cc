#include "collect/host/host_collector.h"

#include <unistd.h>

#include <algorithm>

#include "collect/host/collectors.h"
#include "collect/host/containers.h"
#include "collect/host/gpus.h"

namespace gatehouse::collect {

namespace {

struct Part {
  std::string_view name;
  bool (*collect)(HostScope&);
};

constexpr Part kParts[] = {
    {"arp", collect_arp},
    {"conntrack", collect_conntrack},
    {"cpu", collect_cpu},
    {"cpufreq", collect_cpufreq},
    {"diskstats", collect_diskstats},
    {"dmi", collect_dmi},
    {"edac", collect_edac},
    {"entropy", collect_entropy},
    {"filefd", collect_filefd},
    {"filesystem", collect_filesystem},
    {"hwmon", collect_hwmon},
    {"interrupts", collect_interrupts},
    {"kernel_hung", collect_kernel_hung},
    {"loadavg", collect_loadavg},
    {"mdadm", collect_mdadm},
    {"meminfo", collect_meminfo},
    {"netclass", collect_netclass},
    {"netdev", collect_netdev},
    {"netstat", collect_netstat},
    {"nvme", collect_nvme},
    {"os", collect_os},
    {"powersupplyclass", collect_powersupplyclass},
    {"pressure", collect_pressure},
    {"process", collect_process},
    {"processes", collect_processes},
    {"schedstat", collect_schedstat},
    {"selinux", collect_selinux},
    {"sockstat", collect_sockstat},
    {"softnet", collect_softnet},
    {"stat", collect_stat},
    {"tcpstat", collect_tcpstat},
    {"thermal_zone", collect_thermal_zone},
    {"time", collect_time},
    {"timex", collect_timex},
    {"udp_queues", collect_udp_queues},
    {"uname", collect_uname},
    {"vmstat", collect_vmstat},
};

}  // namespace

struct HostCollector::State {
  State(HostOptions given, const model::Clock& time)
      : options(std::move(given)),
        clock(time),
        files(options.roots),
        containers(files, time),
        gpus(options.nvml_library, host_name(), time) {}

  HostOptions options;
  const model::Clock& clock;
  HostFiles files;
  HostMemory memory;
  Containers containers;
  Gpus gpus;
};

HostCollector::HostCollector(HostOptions options, const model::Clock& clock)
    : state_(std::make_unique<State>(std::move(options), clock)) {}
HostCollector::~HostCollector() = default;

const HostOptions& HostCollector::options() const { return state_->options; }

void HostCollector::collect(SampleSink& sink) {
  if (state_->options.machine) collect_machine(sink);
  if (state_->options.containers) collect_containers(sink);
  if (state_->options.gpus) collect_gpus(sink);
}

void HostCollector::collect_machine(SampleSink& sink) {
  State& state = *state_;
  HostScope scope{state.files, sink, state.clock, state.memory};
  for (const Part& part : kParts) {
    const auto& without = state.options.without;
    if (std::find(without.begin(), without.end(), part.name) != without.end()) continue;
    const int64_t begin_ns = state.clock.steady_ns();
    const bool success = part.collect(scope);
    const auto took_ns = static_cast<double>(state.clock.steady_ns() - begin_ns);
    sink.gauge("node_scrape_collector_duration_seconds",
               "node_exporter: Duration of a collector scrape.", took_ns / 1e9,
               {{"collector", part.name}});
    sink.gauge("node_scrape_collector_success", "node_exporter: Whether a collector succeeded.",
               success ? 1 : 0, {{"collector", part.name}});
  }
  sink.gauge("node_exporter_build_info",
             "A metric with a constant '1' value labeled by the version of the program that stands "
             "in for node_exporter.",
             1, {{"branch", "gatehouse"}, {"goos", "linux"}, {"version", GATEHOUSE_VERSION}});
}

void HostCollector::collect_containers(SampleSink& sink) { state_->containers.collect(sink); }
void HostCollector::collect_gpus(SampleSink& sink) { state_->gpus.collect(sink); }

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return "localhost";
  return name;
}

}  // namespace gatehouse::collect
