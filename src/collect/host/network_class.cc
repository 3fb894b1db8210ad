// What an interface is: /sys/class/net (Linux, Documentation/ABI/testing/sysfs-class-net).
#include "collect/host/collectors.h"

namespace gatehouse::collect {

namespace {

struct Property {
  const char* file;
  const char* name;
  const char* help;
  bool counter = false;
  double factor = 1;
};

constexpr Property kProperties[] = {
    {"addr_assign_type", "node_network_address_assign_type",
     "Network device property: address_assign_type"},
    {"carrier", "node_network_carrier", "Network device property: carrier"},
    {"carrier_changes", "node_network_carrier_changes_total",
     "Network device property: carrier_changes_total", true},
    {"carrier_up_count", "node_network_carrier_up_changes_total",
     "Network device property: carrier_up_changes_total", true},
    {"carrier_down_count", "node_network_carrier_down_changes_total",
     "Network device property: carrier_down_changes_total", true},
    {"dev_id", "node_network_device_id", "Network device property: device_id"},
    {"dormant", "node_network_dormant", "Network device property: dormant"},
    {"flags", "node_network_flags", "Network device property: flags"},
    {"ifindex", "node_network_iface_id", "Network device property: iface_id"},
    {"iflink", "node_network_iface_link", "Network device property: iface_link"},
    {"link_mode", "node_network_iface_link_mode", "Network device property: iface_link_mode"},
    {"mtu", "node_network_mtu_bytes", "Network device property: mtu_bytes"},
    {"name_assign_type", "node_network_name_assign_type",
     "Network device property: name_assign_type"},
    {"netdev_group", "node_network_net_dev_group", "Network device property: net_dev_group"},
    {"speed", "node_network_speed_bytes", "Network device property: speed_bytes", false,
     1e6 / 8},  // megabits
    {"tx_queue_len", "node_network_transmit_queue_length",
     "Network device property: transmit_queue_length"},
    {"type", "node_network_protocol_type", "Network device property: protocol_type"},
};

}  // namespace

bool collect_netclass(HostScope& scope) {
  const auto devices = scope.files.list_sys("class/net");
  for (const std::string& device : devices) {
    const std::string at = "class/net/" + device + "/";
    const auto state = scope.files.sys_text(at + "operstate");
    if (!state) continue;  // bonding_masters is a file
    scope.sink.gauge("node_network_up", "Value is 1 if operstate is 'up', 0 otherwise.",
                     *state == "up" ? 1 : 0, {{"device", device}});
    const std::string address = scope.files.sys_text(at + "address").value_or("");
    const std::string broadcast = scope.files.sys_text(at + "broadcast").value_or("");
    const std::string duplex = scope.files.sys_text(at + "duplex").value_or("");
    const std::string alias = scope.files.sys_text(at + "ifalias").value_or("");
    scope.sink.gauge("node_network_info",
                     "Non-numeric data from /sys/class/net/<iface>, value is always 1.", 1,
                     {{"address", address},
                      {"broadcast", broadcast},
                      {"device", device},
                      {"duplex", duplex},
                      {"ifalias", alias},
                      {"operstate", *state}});
    for (const Property& property : kProperties) {
      const auto value = scope.files.sys_number(at + property.file);
      if (!value) continue;
      if (property.counter) {
        scope.sink.counter(property.name, property.help, *value, {{"device", device}});
      } else {
        scope.sink.gauge(property.name, property.help, *value * property.factor,
                         {{"device", device}});
      }
    }
  }
  return !devices.empty();
}

}  // namespace gatehouse::collect
