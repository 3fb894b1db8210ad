// Temperatures, fans, voltages and supplies. After Linux, Documentation/hwmon/sysfs-interface.rst
// and Documentation/ABI/testing/sysfs-class-{thermal,power}; names after node_exporter.
#include <limits.h>
#include <stdlib.h>

#include <algorithm>

#include "base/text.h"
#include "collect/host/collectors.h"

namespace gatehouse::collect {

namespace {

// Lower case, what is no letter or digit an underscore, none at the ends.
std::string clean_name(std::string_view text) {
  std::string out = to_lower(text);
  for (char& c : out) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == ':')) c = '_';
  }
  const size_t begin = out.find_first_not_of('_');
  if (begin == std::string::npos) return {};
  return out.substr(begin, out.find_last_not_of('_') - begin + 1);
}

// The device behind a chip, "platform_coretemp_0"; else what the chip calls itself.
std::string chip_name(HostScope& scope, const std::string& directory, const std::string& own) {
  const std::string link = scope.files.roots().sys + "/class/hwmon/" + directory + "/device";
  char resolved[PATH_MAX];
  if (::realpath(link.c_str(), resolved) != nullptr) {
    const std::string_view path = resolved;
    const size_t last = path.rfind('/');
    const std::string_view parent = path.substr(0, last);
    const std::string device = clean_name(path.substr(last + 1));
    const std::string type = clean_name(parent.substr(parent.rfind('/') + 1));
    if (!device.empty()) return type.empty() ? device : type + "_" + device;
  }
  return own.empty() ? directory : clean_name(own);
}

struct Sensor {
  std::string_view kind, number, element;
};

// "temp1_crit_alarm" -> temp, 1, crit_alarm. False: not a sensor's file.
bool split_sensor(std::string_view file, Sensor& sensor) {
  const size_t digit = file.find_first_of("0123456789");
  if (digit == 0 || digit == std::string_view::npos) return false;
  const size_t under = file.find('_', digit);
  sensor.kind = file.substr(0, digit);
  sensor.number = file.substr(digit, under == std::string_view::npos ? under : under - digit);
  if (sensor.number.find_first_not_of("0123456789") != std::string_view::npos) return false;
  sensor.element = under == std::string_view::npos ? std::string_view() : file.substr(under + 1);
  static constexpr std::string_view kKinds[] = {"in",    "curr",   "temp",     "fan",
                                                "power", "energy", "humidity", "pwm",
                                                "vrm",   "cpu",    "freq",     "intrusion"};
  return std::find(std::begin(kKinds), std::end(kKinds), sensor.kind) != std::end(kKinds);
}

struct Unit {
  std::string_view suffix;
  double factor = 1;
};

Unit unit_of(const Sensor& sensor) {
  const std::string_view kind = sensor.kind, element = sensor.element;
  if (element == "fault" || element == "alarm") return {};
  if (element == "beep") return {"_enabled"};
  if (kind == "in" || kind == "cpu") return {"_volts", 0.001};
  if (kind == "temp" && element != "type") return {"_celsius", 0.001};
  if (kind == "curr") return {"_amps", 0.001};
  if (kind == "energy") return {"_joule", 1e-6};
  if (kind == "humidity") return {"_percent", 0.001};
  if (kind == "power") {
    if (element == "accuracy") return {"", 1e-6};
    if (element.find("interval") != std::string_view::npos) return {"_seconds", 0.001};
    return {"_watt", 1e-6};
  }
  if (kind == "fan" &&
      (element == "input" || element == "min" || element == "max" || element == "target")) {
    return {"_rpm"};
  }
  return {};
}

void add_sensor(HostScope& scope, const std::string& path, const std::string& chip,
                const Sensor& sensor, bool has_plain) {
  const std::string name = std::string(sensor.kind) + std::string(sensor.number);
  if (sensor.element == "label") {
    const auto label = scope.files.sys_text(path);
    if (!label || label->empty()) return;
    scope.sink.gauge("node_hwmon_sensor_label", "Label for given chip and sensor", 1,
                     {{"chip", chip}, {"label", *label}, {"sensor", name}});
    return;
  }
  const auto value = scope.files.sys_number(path);
  if (!value) return;
  std::string metric = "node_hwmon_" + std::string(sensor.kind);
  if (sensor.element == "input") {
    if (has_plain) metric += "_input";
  } else if (!sensor.element.empty()) {
    metric += "_" + clean_name(sensor.element);
  }
  const Unit unit = unit_of(sensor);
  metric += unit.suffix;
  const std::string help = "Hardware monitor for " + std::string(sensor.kind) +
                           (sensor.element.empty() ? "" : " (" + std::string(sensor.element) + ")");
  const double scaled = *value * unit.factor;
  if (sensor.kind == "energy") {
    scope.sink.counter(metric + "_total", help, scaled, {{"chip", chip}, {"sensor", name}});
  } else {
    scope.sink.gauge(metric, help, scaled, {{"chip", chip}, {"sensor", name}});
  }
}

}  // namespace

bool collect_hwmon(HostScope& scope) {
  const auto chips = scope.files.list_sys("class/hwmon");
  for (const std::string& directory : chips) {
    const std::string at = "class/hwmon/" + directory;
    const std::string own = scope.files.sys_text(at + "/name").value_or("");
    const std::string chip = chip_name(scope, directory, own);
    if (!own.empty()) {
      scope.sink.gauge("node_hwmon_chip_names", "Annotation metric for human-readable chip names",
                       1, {{"chip", chip}, {"chip_name", clean_name(own)}});
    }
    const auto files = scope.files.list_sys(at);
    for (const std::string& file : files) {
      Sensor sensor;
      if (!split_sensor(file, sensor)) continue;
      const std::string plain = std::string(sensor.kind) + std::string(sensor.number);
      const bool has_plain = std::binary_search(files.begin(), files.end(), plain);
      add_sensor(scope, at + "/" + file, chip, sensor, has_plain);
    }
  }
  return !chips.empty();
}

bool collect_thermal_zone(HostScope& scope) {
  for (const std::string& directory : scope.files.list_sys("class/thermal")) {
    const std::string at = "class/thermal/" + directory + "/";
    const std::string type = scope.files.sys_text(at + "type").value_or("");
    constexpr std::string_view kZone = "thermal_zone", kDevice = "cooling_device";
    if (directory.starts_with(kZone)) {
      const auto temperature = scope.files.sys_number(at + "temp");
      if (!temperature) continue;
      scope.sink.gauge("node_thermal_zone_temp", "Zone temperature in Celsius", *temperature / 1000,
                       {{"type", type}, {"zone", directory.substr(kZone.size())}});
    } else if (directory.starts_with(kDevice)) {
      const std::string number = directory.substr(kDevice.size());
      if (const auto state = scope.files.sys_number(at + "cur_state")) {
        scope.sink.gauge("node_cooling_device_cur_state",
                         "Current throttle state of the cooling device", *state,
                         {{"name", number}, {"type", type}});
      }
      if (const auto state = scope.files.sys_number(at + "max_state")) {
        scope.sink.gauge("node_cooling_device_max_state",
                         "Maximum throttle state of the cooling device", *state,
                         {{"name", number}, {"type", type}});
      }
    }
  }
  return true;
}

bool collect_powersupplyclass(HostScope& scope) {
  struct Property {
    const char* file;
    const char* name;
    double factor;
  };
  static constexpr Property kProperties[] = {
      {"online", "node_power_supply_online", 1},
      {"present", "node_power_supply_present", 1},
      {"capacity", "node_power_supply_capacity", 1},
      {"cycle_count", "node_power_supply_cyclecount", 1},
      {"voltage_now", "node_power_supply_voltage_volt", 1e-6},
      {"current_now", "node_power_supply_current_ampere", 1e-6},
      {"power_now", "node_power_supply_power_watt", 1e-6},
      {"energy_now", "node_power_supply_energy_watthour", 1e-6},
      {"energy_full", "node_power_supply_energy_full", 1e-6},
      {"charge_now", "node_power_supply_charge_ampere", 1e-6},
      {"charge_full", "node_power_supply_charge_full", 1e-6},
      {"temp", "node_power_supply_temp_celsius", 0.1},
  };
  for (const std::string& supply : scope.files.list_sys("class/power_supply")) {
    const std::string at = "class/power_supply/" + supply + "/";
    for (const Property& property : kProperties) {
      const auto value = scope.files.sys_number(at + property.file);
      if (!value) continue;
      const std::string help =
          std::string(property.file) + " value of /sys/class/power_supply/<power_supply>.";
      scope.sink.gauge(property.name, help, *value * property.factor, {{"power_supply", supply}});
    }
    const std::string type = scope.files.sys_text(at + "type").value_or("");
    const std::string status = scope.files.sys_text(at + "status").value_or("");
    const std::string model = scope.files.sys_text(at + "model_name").value_or("");
    scope.sink.gauge(
        "node_power_supply_info", "info of /sys/class/power_supply/<power_supply>.", 1,
        {{"model_name", model}, {"power_supply", supply}, {"status", status}, {"type", type}});
  }
  return true;
}

}  // namespace gatehouse::collect
