// NVIDIA's management library (NVML) as far as the GPU metrics need it, loaded at run
// time: Gatehouse neither links against it nor ships it. Types and numbers after
// the NVML API reference; their layout is part of its stable ABI.
//
// A function that the driver's library does not have stays null: ask before each call.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace gatehouse::collect {

using NvmlDevice = void*;
using NvmlEvents = void*;
using NvmlReturn = int;  // 0: success

struct NvmlUtilization {
  unsigned gpu, memory;  // percent
};
struct NvmlMemory {
  unsigned long long total, free, used;
};
struct NvmlMemoryV2 {
  unsigned version;
  unsigned long long total, reserved, free, used;
};
inline constexpr unsigned kNvmlMemoryV2 = sizeof(NvmlMemoryV2) | 2u << 24;
struct NvmlPci {
  char bus_id_legacy[16];
  unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
  char bus_id[32];
};
struct NvmlField {
  unsigned field_id, scope_id;
  long long timestamp, latency_us;
  unsigned value_type;  // 0 double, 1 unsigned, 2 unsigned long, 3 unsigned long long, 4 signed
  NvmlReturn outcome;
  union {
    double d;
    unsigned u;
    unsigned long ul;
    unsigned long long ull;
    long long sll;
  } value;
};
struct NvmlEvent {
  NvmlDevice device;
  unsigned long long type, data;
  unsigned gpu_instance, compute_instance;
};
struct NvmlViolation {
  unsigned long long reference_time, violation_time;  // µs, ns
};

struct Nvml {
  NvmlReturn (*init)() = nullptr;
  NvmlReturn (*shutdown)() = nullptr;
  NvmlReturn (*driver_version)(char*, unsigned) = nullptr;
  NvmlReturn (*count)(unsigned*) = nullptr;
  NvmlReturn (*handle)(unsigned, NvmlDevice*) = nullptr;
  NvmlReturn (*name)(NvmlDevice, char*, unsigned) = nullptr;
  NvmlReturn (*uuid)(NvmlDevice, char*, unsigned) = nullptr;
  NvmlReturn (*minor_number)(NvmlDevice, unsigned*) = nullptr;
  NvmlReturn (*pci)(NvmlDevice, NvmlPci*) = nullptr;
  NvmlReturn (*utilization)(NvmlDevice, NvmlUtilization*) = nullptr;
  NvmlReturn (*encoder)(NvmlDevice, unsigned*, unsigned*) = nullptr;
  NvmlReturn (*decoder)(NvmlDevice, unsigned*, unsigned*) = nullptr;
  NvmlReturn (*memory)(NvmlDevice, NvmlMemory*) = nullptr;
  NvmlReturn (*memory_v2)(NvmlDevice, NvmlMemoryV2*) = nullptr;
  NvmlReturn (*temperature)(NvmlDevice, unsigned, unsigned*) = nullptr;
  NvmlReturn (*fields)(NvmlDevice, int, NvmlField*) = nullptr;
  NvmlReturn (*power)(NvmlDevice, unsigned*) = nullptr;             // mW
  NvmlReturn (*power_limit)(NvmlDevice, unsigned*) = nullptr;       // mW
  NvmlReturn (*energy)(NvmlDevice, unsigned long long*) = nullptr;  // mJ
  NvmlReturn (*clock)(NvmlDevice, unsigned, unsigned*) = nullptr;   // MHz
  NvmlReturn (*fan)(NvmlDevice, unsigned*) = nullptr;
  NvmlReturn (*state)(NvmlDevice, unsigned*) = nullptr;
  NvmlReturn (*throttle)(NvmlDevice, unsigned long long*) = nullptr;
  NvmlReturn (*violation)(NvmlDevice, unsigned, NvmlViolation*) = nullptr;
  NvmlReturn (*ecc)(NvmlDevice, unsigned type, unsigned counter, unsigned long long*) = nullptr;
  NvmlReturn (*pcie_replay)(NvmlDevice, unsigned*) = nullptr;
  NvmlReturn (*pcie_generation)(NvmlDevice, unsigned*) = nullptr;
  NvmlReturn (*pcie_width)(NvmlDevice, unsigned*) = nullptr;
  NvmlReturn (*retired)(NvmlDevice, unsigned cause, unsigned*, unsigned long long*) = nullptr;
  NvmlReturn (*retired_pending)(NvmlDevice, unsigned*) = nullptr;
  NvmlReturn (*remapped)(NvmlDevice, unsigned*, unsigned*, unsigned*, unsigned*) = nullptr;
  NvmlReturn (*events_create)(NvmlEvents*) = nullptr;
  NvmlReturn (*events_register)(NvmlDevice, unsigned long long, NvmlEvents) = nullptr;
  NvmlReturn (*events_wait)(NvmlEvents, NvmlEvent*, unsigned) = nullptr;
  NvmlReturn (*events_free)(NvmlEvents) = nullptr;
};

// The library's functions; null where it cannot be loaded or lacks what the least
// of metrics needs. It stays loaded: the driver's library is not made to be unloaded.
std::unique_ptr<Nvml> load_nvml(const std::string& library);

}  // namespace gatehouse::collect
