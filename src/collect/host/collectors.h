// The parts of the host collector, one function a subject, under the names that
// node_exporter 1.5 gives its collectors. Each returns false where the kernel does
// not offer what it reads, as node_exporter's "no data"; metric names, labels, units
// and help texts are node_exporter's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "collect/host/host_files.h"
#include "collect/sink.h"
#include "model/clock.h"

namespace gatehouse::collect {

// What is too dear to be read at every collection.
struct HostMemory {
  int64_t processes_at_ns = INT64_MIN;
  std::map<std::string, double> processes_by_state;
  int64_t sockets_at_ns = INT64_MIN;
  std::map<std::string, double> sockets_by_state;
};

struct HostScope {
  HostFiles& files;
  SampleSink& sink;
  const model::Clock& clock;
  HostMemory& memory;
};

// processor.cc
bool collect_cpu(HostScope& scope);
bool collect_cpufreq(HostScope& scope);
bool collect_stat(HostScope& scope);
bool collect_kernel_hung(HostScope& scope);
bool collect_loadavg(HostScope& scope);
bool collect_pressure(HostScope& scope);
bool collect_schedstat(HostScope& scope);
bool collect_softnet(HostScope& scope);
bool collect_interrupts(HostScope& scope);
bool collect_processes(HostScope& scope);

// memory.cc
bool collect_meminfo(HostScope& scope);
bool collect_vmstat(HostScope& scope);
bool collect_edac(HostScope& scope);

// storage.cc, filesystem.cc
bool collect_diskstats(HostScope& scope);
bool collect_filesystem(HostScope& scope);
bool collect_mdadm(HostScope& scope);
bool collect_nvme(HostScope& scope);

// network.cc, network_class.cc
bool collect_netdev(HostScope& scope);
bool collect_netclass(HostScope& scope);
bool collect_netstat(HostScope& scope);
bool collect_sockstat(HostScope& scope);
bool collect_conntrack(HostScope& scope);
bool collect_arp(HostScope& scope);
bool collect_udp_queues(HostScope& scope);
bool collect_tcpstat(HostScope& scope);

// machine.cc
bool collect_uname(HostScope& scope);
bool collect_os(HostScope& scope);
bool collect_time(HostScope& scope);
bool collect_timex(HostScope& scope);
bool collect_entropy(HostScope& scope);
bool collect_filefd(HostScope& scope);
bool collect_selinux(HostScope& scope);
bool collect_dmi(HostScope& scope);
// The metrics that every Prometheus client library gives of its own process.
bool collect_process(HostScope& scope);

// sensors.cc
bool collect_hwmon(HostScope& scope);
bool collect_thermal_zone(HostScope& scope);
bool collect_powersupplyclass(HostScope& scope);

}  // namespace gatehouse::collect
