// Metric names, units and meaning: NVIDIA, DCGM field identifiers and dcgm-exporter's default
// counters. Frame buffer sizes are MiB, power is W, energy mJ, clocks MHz.
#include "collect/host/gpus.h"

#include <array>

#include "base/log.h"

namespace gatehouse::collect {

namespace {

constexpr unsigned kXidEvent = 8;          // nvmlEventTypeXidCriticalError
constexpr unsigned kFieldMemoryTemp = 82;  // NVML_FI_DEV_MEMORY_TEMP
// Over all links of a device, since NVML 7: flit and data CRC errors, replays, recoveries.
constexpr unsigned kFieldNvlinkFlit = 38, kFieldNvlinkData = 45, kFieldNvlinkReplay = 52,
                   kFieldNvlinkRecovery = 59;
constexpr unsigned kFieldNvlinkTx = 138, kFieldNvlinkRx = 139;  // KiB of payload
constexpr unsigned kAllLinks = UINT32_MAX;
// XIDs read at a time; they are rare.
constexpr int kEventsMax = 64;

double value_of(const NvmlField& field) {
  switch (field.value_type) {
    case 0: return field.value.d;
    case 1: return field.value.u;
    case 2: return static_cast<double>(field.value.ul);
    case 3: return static_cast<double>(field.value.ull);
    default: return static_cast<double>(field.value.sll);
  }
}

}  // namespace

struct Gpus::Device {
  NvmlDevice handle = nullptr;
  std::string index, uuid, device, model, bus;
  double last_xid = 0;
};

Gpus::Gpus(std::string library, std::string host, const model::Clock& clock)
    : library_(std::move(library)), host_(std::move(host)), clock_(clock) {}

Gpus::Gpus(std::unique_ptr<Nvml> nvml, std::string host, const model::Clock& clock)
    : host_(std::move(host)), clock_(clock), nvml_(std::move(nvml)) {}

Gpus::~Gpus() { close(); }

void Gpus::close() {
  if (!open_) return;
  if (events_ != nullptr && nvml_->events_free != nullptr) nvml_->events_free(events_);
  events_ = nullptr;
  devices_.clear();
  if (nvml_->shutdown != nullptr) nvml_->shutdown();
  open_ = false;
}

bool Gpus::ready() {
  if (open_) return true;
  const int64_t now = clock_.steady_ns();
  const bool first = looked_at_ns_ == INT64_MIN;
  if (!first && now - looked_at_ns_ < kLookEveryNs) return false;
  looked_at_ns_ = now;
  if (nvml_ == nullptr) nvml_ = load_nvml(library_);
  if (nvml_ != nullptr && open()) {
    log_info("GPUs found", {{"count", static_cast<int64_t>(devices_.size())}, {"driver", driver_}});
    return true;
  }
  if (first) log_info("no NVIDIA GPU found: no GPU metrics");
  return false;
}

bool Gpus::open() {
  if (nvml_->init() != 0) return false;
  open_ = true;
  unsigned count = 0;
  if (nvml_->count(&count) != 0 || count == 0) {
    close();
    return false;
  }
  char text[96] = {};
  if (nvml_->driver_version != nullptr && nvml_->driver_version(text, sizeof text) == 0) {
    driver_ = text;
  }
  if (nvml_->events_create != nullptr && nvml_->events_create(&events_) != 0) events_ = nullptr;
  for (unsigned i = 0; i < count; ++i) {
    auto device = std::make_unique<Device>();
    if (nvml_->handle(i, &device->handle) != 0) continue;
    device->index = std::to_string(i);
    if (nvml_->name != nullptr && nvml_->name(device->handle, text, sizeof text) == 0) {
      device->model = text;
    }
    if (nvml_->uuid != nullptr && nvml_->uuid(device->handle, text, sizeof text) == 0) {
      device->uuid = text;
    }
    unsigned minor = i;
    if (nvml_->minor_number != nullptr) nvml_->minor_number(device->handle, &minor);
    device->device = "nvidia" + std::to_string(minor);
    NvmlPci pci{};
    if (nvml_->pci != nullptr && nvml_->pci(device->handle, &pci) == 0) device->bus = pci.bus_id;
    if (events_ != nullptr && nvml_->events_register != nullptr) {
      nvml_->events_register(device->handle, kXidEvent, events_);
    }
    devices_.push_back(std::move(device));
  }
  return true;
}

// The last XID of each device stays its value, as DCGM has it.
void Gpus::read_errors() {
  if (events_ == nullptr || nvml_->events_wait == nullptr) return;
  for (int i = 0; i < kEventsMax; ++i) {
    NvmlEvent event{};
    if (nvml_->events_wait(events_, &event, 0) != 0) return;
    for (auto& device : devices_) {
      if (device->handle != event.device) continue;
      device->last_xid = static_cast<double>(event.data);
      log_warning("GPU error", {{"gpu", device->index},
                                {"uuid", device->uuid},
                                {"xid", static_cast<int64_t>(event.data)}});
    }
  }
}

void Gpus::collect(SampleSink& sink) {
  if (!ready()) return;
  read_errors();
  for (auto& device : devices_) collect_device(*device, sink);
}

// One device's metrics, part by part; what the driver does not have is left out.
struct Gpus::Reading {
  const Nvml& nvml;
  const Device& device;
  SampleSink& sink;
  std::array<model::LabelView, 7> labels;

  void gauge(std::string_view name, std::string_view help, double value) const {
    sink.add({name, model::SampleType::kGauge, help}, labels, value);
  }
  void counter(std::string_view name, std::string_view help, double value) const {
    sink.add({name, model::SampleType::kCounter, help}, labels, value);
  }
  template <typename Function>
  void number(Function function, std::string_view name, std::string_view help,
              double factor = 1) const {
    unsigned value = 0;
    if (function != nullptr && function(device.handle, &value) == 0) {
      gauge(name, help, value * factor);
    }
  }

  void load() const;
  void memory() const;
  void power_and_clocks() const;
  void violations() const;
  void ecc() const;
  void pages() const;
  void fields() const;
};

void Gpus::Reading::load() const {
  NvmlUtilization busy{};
  if (nvml.utilization != nullptr && nvml.utilization(device.handle, &busy) == 0) {
    gauge("DCGM_FI_DEV_GPU_UTIL", "GPU utilization (in %).", busy.gpu);
    gauge("DCGM_FI_DEV_MEM_COPY_UTIL", "Memory utilization (in %).", busy.memory);
  }
  unsigned value = 0, period = 0;
  if (nvml.encoder != nullptr && nvml.encoder(device.handle, &value, &period) == 0) {
    gauge("DCGM_FI_DEV_ENC_UTIL", "Encoder utilization (in %).", value);
  }
  if (nvml.decoder != nullptr && nvml.decoder(device.handle, &value, &period) == 0) {
    gauge("DCGM_FI_DEV_DEC_UTIL", "Decoder utilization (in %).", value);
  }
}

void Gpus::Reading::memory() const {
  constexpr double kMiB = 1 << 20;
  NvmlMemoryV2 room{};
  room.version = kNvmlMemoryV2;
  NvmlMemory old{};
  if (nvml.memory_v2 != nullptr && nvml.memory_v2(device.handle, &room) == 0) {
    gauge("DCGM_FI_DEV_FB_RESERVED", "Framebuffer memory reserved (in MiB).",
          static_cast<double>(room.reserved) / kMiB);
  } else if (nvml.memory != nullptr && nvml.memory(device.handle, &old) == 0) {
    room.total = old.total;
    room.free = old.free;
    room.used = old.used;
  }
  if (room.total == 0) return;
  gauge("DCGM_FI_DEV_FB_TOTAL", "Framebuffer memory total (in MiB).",
        static_cast<double>(room.total) / kMiB);
  gauge("DCGM_FI_DEV_FB_FREE", "Framebuffer memory free (in MiB).",
        static_cast<double>(room.free) / kMiB);
  gauge("DCGM_FI_DEV_FB_USED", "Framebuffer memory used (in MiB).",
        static_cast<double>(room.used) / kMiB);
}

void Gpus::Reading::power_and_clocks() const {
  unsigned value = 0;
  unsigned long long wide = 0;
  if (nvml.temperature != nullptr && nvml.temperature(device.handle, 0, &value) == 0) {
    gauge("DCGM_FI_DEV_GPU_TEMP", "GPU temperature (in C).", value);
  }
  number(nvml.power, "DCGM_FI_DEV_POWER_USAGE", "Power draw (in W).", 0.001);
  number(nvml.power_limit, "DCGM_FI_DEV_POWER_MGMT_LIMIT", "Power limit in force (in W).", 0.001);
  if (nvml.energy != nullptr && nvml.energy(device.handle, &wide) == 0) {
    counter("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "Total energy consumption since boot (in mJ).",
            static_cast<double>(wide));
  }
  if (nvml.clock != nullptr && nvml.clock(device.handle, 1, &value) == 0) {
    gauge("DCGM_FI_DEV_SM_CLOCK", "SM clock frequency (in MHz).", value);
  }
  if (nvml.clock != nullptr && nvml.clock(device.handle, 2, &value) == 0) {
    gauge("DCGM_FI_DEV_MEM_CLOCK", "Memory clock frequency (in MHz).", value);
  }
  number(nvml.fan, "DCGM_FI_DEV_FAN_SPEED", "Fan speed (in %).");
  number(nvml.state, "DCGM_FI_DEV_PSTATE", "Performance state (0 is the highest).");
  if (nvml.throttle != nullptr && nvml.throttle(device.handle, &wide) == 0) {
    gauge("DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", "Bits that say why the clocks are held down.",
          static_cast<double>(wide));
  }
  gauge("DCGM_FI_DEV_XID_ERRORS", "Value of the last XID error encountered.", device.last_xid);
}

void Gpus::Reading::violations() const {
  struct Violation {
    unsigned policy;  // nvmlPerfPolicyType_t
    const char* name;
    const char* help;
  };
  static constexpr Violation kViolations[] = {
      {0, "DCGM_FI_DEV_POWER_VIOLATION", "Throttling duration due to power constraints (in ns)."},
      {1, "DCGM_FI_DEV_THERMAL_VIOLATION",
       "Throttling duration due to thermal constraints (in ns)."},
      {2, "DCGM_FI_DEV_SYNC_BOOST_VIOLATION",
       "Throttling duration due to sync-boost constraints (in ns)."},
      {3, "DCGM_FI_DEV_BOARD_LIMIT_VIOLATION",
       "Throttling duration due to board limit constraints (in ns)."},
      {4, "DCGM_FI_DEV_LOW_UTIL_VIOLATION", "Throttling duration due to low utilization (in ns)."},
      {5, "DCGM_FI_DEV_RELIABILITY_VIOLATION",
       "Throttling duration due to reliability constraints (in ns)."}};
  for (const Violation& source : kViolations) {
    NvmlViolation times{};
    if (nvml.violation == nullptr || nvml.violation(device.handle, source.policy, &times) != 0) {
      continue;
    }
    counter(source.name, source.help, static_cast<double>(times.violation_time));
  }
}

void Gpus::Reading::ecc() const {
  unsigned long long wide = 0;
  struct Ecc {
    unsigned type, scope;  // corrected 0, uncorrected 1; volatile 0, aggregate 1
    const char* name;
    const char* help;
  };
  static constexpr Ecc kEcc[] = {
      {0, 0, "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "Total number of single-bit volatile ECC errors."},
      {1, 0, "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "Total number of double-bit volatile ECC errors."},
      {0, 1, "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", "Total number of single-bit persistent ECC errors."},
      {1, 1, "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", "Total number of double-bit persistent ECC errors."}};
  for (const Ecc& source : kEcc) {
    if (nvml.ecc == nullptr || nvml.ecc(device.handle, source.type, source.scope, &wide) != 0) {
      continue;
    }
    counter(source.name, source.help, static_cast<double>(wide));
  }
}

void Gpus::Reading::pages() const {
  unsigned value = 0;
  if (nvml.pcie_replay != nullptr && nvml.pcie_replay(device.handle, &value) == 0) {
    counter("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "Total number of PCIe retries.", value);
  }
  number(nvml.pcie_generation, "DCGM_FI_DEV_PCIE_LINK_GEN", "PCIe generation in use.");
  number(nvml.pcie_width, "DCGM_FI_DEV_PCIE_LINK_WIDTH", "PCIe lanes in use.");

  const auto retired = [&](unsigned cause, std::string_view name, std::string_view help) {
    unsigned pages = 0;  // asking with room for none gives the count
    if (nvml.retired == nullptr) return;
    const NvmlReturn outcome = nvml.retired(device.handle, cause, &pages, nullptr);
    constexpr NvmlReturn kInsufficientSize = 7;
    if (outcome == 0 || outcome == kInsufficientSize) counter(name, help, pages);
  };
  retired(0, "DCGM_FI_DEV_RETIRED_SBE", "Total number of retired pages due to single-bit errors.");
  retired(1, "DCGM_FI_DEV_RETIRED_DBE", "Total number of retired pages due to double-bit errors.");
  if (nvml.retired_pending != nullptr && nvml.retired_pending(device.handle, &value) == 0) {
    counter("DCGM_FI_DEV_RETIRED_PENDING", "Total number of pages pending retirement.", value);
  }
  unsigned corrected = 0, uncorrected = 0, pending = 0, failed = 0;
  if (nvml.remapped != nullptr &&
      nvml.remapped(device.handle, &corrected, &uncorrected, &pending, &failed) == 0) {
    counter("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
            "Number of remapped rows for correctable errors", corrected);
    counter("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
            "Number of remapped rows for uncorrectable errors", uncorrected);
    gauge("DCGM_FI_DEV_ROW_REMAP_PENDING", "Whether remapping of rows is pending", pending);
    gauge("DCGM_FI_DEV_ROW_REMAP_FAILURE", "Whether remapping of rows has failed", failed);
  }
}

void Gpus::Reading::fields() const {
  std::array<NvmlField, 7> asked{};
  constexpr std::array<unsigned, 7> kIds = {
      kFieldMemoryTemp,     kFieldNvlinkFlit, kFieldNvlinkData, kFieldNvlinkReplay,
      kFieldNvlinkRecovery, kFieldNvlinkTx,   kFieldNvlinkRx};
  for (size_t i = 0; i < asked.size(); ++i) {
    asked[i].field_id = kIds[i];
    asked[i].outcome = -1;
    if (kIds[i] == kFieldNvlinkTx || kIds[i] == kFieldNvlinkRx) asked[i].scope_id = kAllLinks;
  }
  if (nvml.fields == nullptr ||
      nvml.fields(device.handle, static_cast<int>(asked.size()), asked.data()) != 0) {
    return;
  }
  const auto good = [&](size_t i) { return asked[i].outcome == 0; };
  if (good(0)) gauge("DCGM_FI_DEV_MEMORY_TEMP", "Memory temperature (in C).", value_of(asked[0]));
  static constexpr std::array<std::pair<const char*, const char*>, 4> kNvlink = {{
      {"DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
       "Total number of NVLink flow-control CRC errors."},
      {"DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL", "Total number of NVLink data CRC errors."},
      {"DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL", "Total number of NVLink retries."},
      {"DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", "Total number of NVLink recovery errors."},
  }};
  for (size_t i = 0; i < kNvlink.size(); ++i) {
    if (good(i + 1)) counter(kNvlink[i].first, kNvlink[i].second, value_of(asked[i + 1]));
  }
  if (good(5) && good(6)) {
    counter("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
            "Total number of NVLink bandwidth counters for all lanes.",
            value_of(asked[5]) + value_of(asked[6]));
  }
}

void Gpus::collect_device(Device& device, SampleSink& sink) {
  const Reading reading{*nvml_,
                        device,
                        sink,
                        {{{"DCGM_FI_DRIVER_VERSION", driver_},
                          {"Hostname", host_},
                          {"UUID", device.uuid},
                          {"device", device.device},
                          {"gpu", device.index},
                          {"modelName", device.model},
                          {"pci_bus_id", device.bus}}}};
  reading.load();
  reading.memory();
  reading.power_and_clocks();
  reading.violations();
  reading.ecc();
  reading.pages();
  reading.fields();
}

}  // namespace gatehouse::collect
