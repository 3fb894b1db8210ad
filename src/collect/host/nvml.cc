#include "collect/host/nvml.h"

#include <dlfcn.h>

namespace gatehouse::collect {

namespace {
template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
}
}  // namespace

std::unique_ptr<Nvml> load_nvml(const std::string& library) {
  void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return nullptr;
  auto out = std::make_unique<Nvml>();
  Nvml& nvml = *out;
  find(handle, "nvmlInit_v2", nvml.init);
  find(handle, "nvmlShutdown", nvml.shutdown);
  find(handle, "nvmlSystemGetDriverVersion", nvml.driver_version);
  find(handle, "nvmlDeviceGetCount_v2", nvml.count);
  find(handle, "nvmlDeviceGetHandleByIndex_v2", nvml.handle);
  find(handle, "nvmlDeviceGetName", nvml.name);
  find(handle, "nvmlDeviceGetUUID", nvml.uuid);
  find(handle, "nvmlDeviceGetMinorNumber", nvml.minor_number);
  find(handle, "nvmlDeviceGetPciInfo_v3", nvml.pci);
  find(handle, "nvmlDeviceGetUtilizationRates", nvml.utilization);
  find(handle, "nvmlDeviceGetEncoderUtilization", nvml.encoder);
  find(handle, "nvmlDeviceGetDecoderUtilization", nvml.decoder);
  find(handle, "nvmlDeviceGetMemoryInfo", nvml.memory);
  find(handle, "nvmlDeviceGetMemoryInfo_v2", nvml.memory_v2);
  find(handle, "nvmlDeviceGetTemperature", nvml.temperature);
  find(handle, "nvmlDeviceGetFieldValues", nvml.fields);
  find(handle, "nvmlDeviceGetPowerUsage", nvml.power);
  find(handle, "nvmlDeviceGetEnforcedPowerLimit", nvml.power_limit);
  find(handle, "nvmlDeviceGetTotalEnergyConsumption", nvml.energy);
  find(handle, "nvmlDeviceGetClockInfo", nvml.clock);
  find(handle, "nvmlDeviceGetFanSpeed", nvml.fan);
  find(handle, "nvmlDeviceGetPerformanceState", nvml.state);
  find(handle, "nvmlDeviceGetCurrentClocksThrottleReasons", nvml.throttle);
  find(handle, "nvmlDeviceGetViolationStatus", nvml.violation);
  find(handle, "nvmlDeviceGetTotalEccErrors", nvml.ecc);
  find(handle, "nvmlDeviceGetPcieReplayCounter", nvml.pcie_replay);
  find(handle, "nvmlDeviceGetCurrPcieLinkGeneration", nvml.pcie_generation);
  find(handle, "nvmlDeviceGetCurrPcieLinkWidth", nvml.pcie_width);
  find(handle, "nvmlDeviceGetRetiredPages", nvml.retired);
  find(handle, "nvmlDeviceGetRetiredPagesPendingStatus", nvml.retired_pending);
  find(handle, "nvmlDeviceGetRemappedRows", nvml.remapped);
  find(handle, "nvmlEventSetCreate", nvml.events_create);
  find(handle, "nvmlDeviceRegisterEvents", nvml.events_register);
  find(handle, "nvmlEventSetWait_v2", nvml.events_wait);
  find(handle, "nvmlEventSetFree", nvml.events_free);
  if (nvml.init == nullptr || nvml.count == nullptr || nvml.handle == nullptr) {
    ::dlclose(handle);
    return nullptr;
  }
  return out;
}

}  // namespace gatehouse::collect
