// NVIDIA GPUs under the names of DCGM exporter. On a machine without a GPU, or
// without its driver, there is nothing: one line in the log at the start, and a look
// every few minutes whether a driver has come.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "collect/host/nvml.h"
#include "collect/sink.h"
#include "model/clock.h"

namespace gatehouse::collect {

class Gpus {
 public:
  Gpus(std::string library, std::string host, const model::Clock& clock);
  // With a library that is there already.
  Gpus(std::unique_ptr<Nvml> nvml, std::string host, const model::Clock& clock);
  ~Gpus();
  Gpus(const Gpus&) = delete;
  Gpus& operator=(const Gpus&) = delete;

  void collect(SampleSink& sink);
  size_t size() const { return devices_.size(); }

  static constexpr int64_t kLookEveryNs = 300'000'000'000;

 private:
  struct Device;
  struct Reading;
  bool ready();
  bool open();
  void close();
  void read_errors();
  void collect_device(Device& device, SampleSink& sink);

  std::string library_;
  std::string host_;
  const model::Clock& clock_;
  std::unique_ptr<Nvml> nvml_;
  bool open_ = false;
  int64_t looked_at_ns_ = INT64_MIN;
  std::string driver_;
  NvmlEvents events_ = nullptr;
  std::vector<std::unique_ptr<Device>> devices_;
};

}  // namespace gatehouse::collect
