// The machine's own metrics, without a node_exporter, a cAdvisor or a DCGM exporter
// beside it and under their names, so that the dashboards made for those work.
//
// One thread at a time; blocks for some milliseconds (files of procfs and sysfs, at
// worst half a second for a mount whose server is away): run it on a Pool.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "collect/host/host_files.h"
#include "collect/sink.h"
#include "model/clock.h"

namespace gatehouse::collect {

struct HostOptions {
  HostRoots roots;
  bool machine = true;
  bool containers = true;
  bool gpus = true;
  // By node_exporter's names ("hwmon"); those are left out.
  std::vector<std::string> without;
  // The driver's library; a test names another.
  std::string nvml_library = "libnvidia-ml.so.1";
};

class HostCollector {
 public:
  explicit HostCollector(HostOptions options, const model::Clock& clock = model::system_clock());
  ~HostCollector();
  HostCollector(const HostCollector&) = delete;
  HostCollector& operator=(const HostCollector&) = delete;

  // All of it, or one part; each part is a job of its own in the store: "node",
  // "cadvisor" and "dcgm".
  void collect(SampleSink& sink);
  void collect_machine(SampleSink& sink);
  void collect_containers(SampleSink& sink);
  void collect_gpus(SampleSink& sink);

  const HostOptions& options() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The machine's name, for the label "instance".
std::string host_name();

}  // namespace gatehouse::collect
