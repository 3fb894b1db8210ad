// Block devices. Formats: Linux, Documentation/admin-guide/iostats.rst,
// Documentation/admin-guide/md.rst.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "collect/host/collectors.h"

namespace gatehouse::collect {

namespace {

bool digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// node_exporter's default: ^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$, the
// partitions and the devices without a disk behind them.
bool passed_over(std::string_view device) {
  for (const std::string_view prefix : {"ram", "loop", "fd"}) {
    if (device.starts_with(prefix) && digits(device.substr(prefix.size()))) return true;
  }
  for (const std::string_view prefix : {"hd", "sd", "vd", "xvd"}) {
    if (!device.starts_with(prefix) || device.size() < prefix.size() + 2) continue;
    const char letter = device[prefix.size()];
    if (letter >= 'a' && letter <= 'z' && digits(device.substr(prefix.size() + 1))) return true;
  }
  if (!device.starts_with("nvme")) return false;
  const size_t part = device.rfind('p');
  const size_t space = device.find('n', 4);
  return part != std::string_view::npos && space != std::string_view::npos && space < part &&
         digits(device.substr(4, space - 4)) &&
         digits(device.substr(space + 1, part - space - 1)) && digits(device.substr(part + 1));
}

struct DiskColumn {
  const char* name;
  const char* help;
  double factor;
  bool gauge = false;
};

// In the order of /proc/diskstats, from its fourth column. Sectors have 512 bytes
// whatever the device's own; times are milliseconds.
constexpr std::array<DiskColumn, 17> kColumns = {{
    {"node_disk_reads_completed_total", "The total number of reads completed successfully.", 1},
    {"node_disk_reads_merged_total", "The total number of reads merged.", 1},
    {"node_disk_read_bytes_total", "The total number of bytes read successfully.", 512},
    {"node_disk_read_time_seconds_total", "The total number of seconds spent by all reads.", 0.001},
    {"node_disk_writes_completed_total", "The total number of writes completed successfully.", 1},
    {"node_disk_writes_merged_total", "The number of writes merged.", 1},
    {"node_disk_written_bytes_total", "The total number of bytes written successfully.", 512},
    {"node_disk_write_time_seconds_total",
     "This is the total number of seconds spent by all writes.", 0.001},
    {"node_disk_io_now", "The number of I/Os currently in progress.", 1, true},
    {"node_disk_io_time_seconds_total", "Total seconds spent doing I/Os.", 0.001},
    {"node_disk_io_time_weighted_seconds_total", "The weighted # of seconds spent doing I/Os.",
     0.001},
    {"node_disk_discards_completed_total", "The total number of discards completed successfully.",
     1},
    {"node_disk_discards_merged_total", "The total number of discards merged.", 1},
    {"node_disk_discarded_sectors_total", "The total number of sectors discarded successfully.", 1},
    {"node_disk_discard_time_seconds_total",
     "This is the total number of seconds spent by all discards.", 0.001},
    {"node_disk_flush_requests_total", "The total number of flush requests completed successfully",
     1},
    {"node_disk_flush_requests_time_seconds_total",
     "This is the total number of seconds spent by all flush requests.", 0.001},
}};

// What udev knows of a device, "E:NAME=VALUE" a line.
std::map<std::string, std::string, std::less<>> udev_properties(HostFiles& files,
                                                                const std::string& major,
                                                                const std::string& minor) {
  std::map<std::string, std::string, std::less<>> properties;
  const auto text = files.root("run/udev/data/b" + major + ":" + minor);
  if (!text) return properties;
  std::string_view rest = *text, line;
  while (next_line(rest, line)) {
    const size_t equals = line.find('=');
    if (!line.starts_with("E:") || equals == std::string_view::npos) continue;
    properties.emplace(line.substr(2, equals - 2), line.substr(equals + 1));
  }
  return properties;
}

void disk_info(HostScope& scope, const std::string& device, const std::string& major,
               const std::string& minor) {
  auto udev = udev_properties(scope.files, major, minor);
  const std::string& serial =
      udev["SCSI_IDENT_SERIAL"].empty() ? udev["ID_SERIAL_SHORT"] : udev["SCSI_IDENT_SERIAL"];
  scope.sink.gauge("node_disk_info", "Info of /sys/block/<block_device>.", 1,
                   {{"device", device},
                    {"major", major},
                    {"minor", minor},
                    {"model", udev["ID_MODEL"]},
                    {"path", udev["ID_PATH"]},
                    {"revision", udev["ID_REVISION"]},
                    {"serial", serial},
                    {"wwn", udev["ID_WWN"]}});
  if (!udev["DM_NAME"].empty()) {
    scope.sink.gauge("node_disk_device_mapper_info", "Info about disk device mapper.", 1,
                     {{"device", device},
                      {"lv_layer", udev["DM_LV_LAYER"]},
                      {"lv_name", udev["DM_LV_NAME"]},
                      {"name", udev["DM_NAME"]},
                      {"uuid", udev["DM_UUID"]},
                      {"vg_name", udev["DM_VG_NAME"]}});
  }
  if (!udev["ID_FS_TYPE"].empty()) {
    scope.sink.gauge("node_disk_filesystem_info", "Info about disk filesystem.", 1,
                     {{"device", device},
                      {"type", udev["ID_FS_TYPE"]},
                      {"usage", udev["ID_FS_USAGE"]},
                      {"uuid", udev["ID_FS_UUID"]},
                      {"version", udev["ID_FS_VERSION"]}});
  }
}

// One array of /proc/mdstat:
//   md0 : active raid1 sdb1[1] sda1[0](F)
//         248896 blocks [2/1] [U_]
//         [=>...]  recovery = 5.0% (12448/248896) finish=...
struct MdArray {
  std::string device, state = "inactive";
  double active = 0, required = 0, failed = 0, spare = 0, blocks = 0, synced = -1;
};

void read_array_line(std::string_view line, MdArray& array) {
  next_word(line);  // the colon
  array.state = std::string(next_word(line));
  for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
    if (word.find('[') == std::string_view::npos) continue;
    if (word.ends_with("(F)")) {
      ++array.failed;
    } else if (word.ends_with("(S)")) {
      ++array.spare;
    } else {
      ++array.active;
    }
  }
  array.required = array.active;
}

void read_detail_line(std::string_view line, MdArray& array) {
  const size_t slash_at = line.find('/');
  if (line.find(" blocks") != std::string_view::npos) {
    array.blocks = number_or_zero(next_word(line));
    const size_t open = line.find(" [");
    const size_t slash = line.find('/', open == std::string_view::npos ? 0 : open);
    const size_t close = line.find(']', slash == std::string_view::npos ? 0 : slash);
    if (open == std::string_view::npos || close == std::string_view::npos) return;
    const auto required = host_number(line.substr(open + 2, slash - open - 2));
    const auto active = host_number(line.substr(slash + 1, close - slash - 1));
    if (required && active) {
      array.required = *required;
      array.active = *active;
    }
    return;
  }
  for (const std::string_view activity : {"recovery", "resync", "reshape", "check"}) {
    if (line.find(std::string(activity) + " =") == std::string_view::npos) continue;
    array.state = activity == "recovery" ? "recovering" : activity;
    const size_t open = line.find('(');
    if (open != std::string_view::npos && slash_at != std::string_view::npos && slash_at > open) {
      array.synced = number_or_zero(line.substr(open + 1, slash_at - open - 1));
    }
  }
}

void add_array(SampleSink& sink, const MdArray& array) {
  for (const std::string_view state :
       {"active", "inactive", "recovering", "resync", "check", "reshape"}) {
    sink.gauge("node_md_state", "Indicates the state of md-device.", array.state == state ? 1 : 0,
               {{"device", array.device}, {"state", state}});
  }
  constexpr std::string_view kDisks = "Number of active/failed/spare disks of device.";
  sink.gauge("node_md_disks", kDisks, array.active,
             {{"device", array.device}, {"state", "active"}});
  sink.gauge("node_md_disks", kDisks, array.failed,
             {{"device", array.device}, {"state", "failed"}});
  sink.gauge("node_md_disks", kDisks, array.spare, {{"device", array.device}, {"state", "spare"}});
  sink.gauge("node_md_disks_required", "Total number of disks of device.", array.required,
             {{"device", array.device}});
  sink.gauge("node_md_blocks", "Total number of blocks on device.", array.blocks,
             {{"device", array.device}});
  sink.gauge("node_md_blocks_synced", "Number of blocks synced on device.",
             array.synced < 0 ? array.blocks : array.synced, {{"device", array.device}});
}

}  // namespace

bool collect_diskstats(HostScope& scope) {
  const auto text = scope.files.proc("diskstats");
  if (!text) return false;
  struct Disk {
    std::string major, minor, device;
  };
  std::vector<Disk> disks;
  std::string_view rest = *text, line;
  while (next_line(rest, line)) {
    Disk disk;
    disk.major = next_word(line);
    disk.minor = next_word(line);
    disk.device = next_word(line);
    if (disk.device.empty() || passed_over(disk.device)) continue;
    for (const DiskColumn& column : kColumns) {  // older kernels have fewer
      const auto value = host_number(next_word(line));
      if (!value) break;
      if (column.gauge) {
        scope.sink.gauge(column.name, column.help, *value * column.factor,
                         {{"device", disk.device}});
      } else {
        scope.sink.counter(column.name, column.help, *value * column.factor,
                           {{"device", disk.device}});
      }
    }
    disks.push_back(std::move(disk));
  }
  for (const Disk& disk : disks) disk_info(scope, disk.device, disk.major, disk.minor);
  return true;
}

bool collect_mdadm(HostScope& scope) {
  const auto text = scope.files.proc("mdstat");
  if (!text) return false;
  std::optional<MdArray> array;
  std::string_view rest = *text, line;
  while (next_line(rest, line)) {
    if (line.empty() || line.starts_with("Personalities") || line.starts_with("unused")) continue;
    if (line[0] == ' ' || line[0] == '\t') {
      if (array) read_detail_line(line, *array);
      continue;
    }
    if (array) add_array(scope.sink, *array);
    array.emplace();
    array->device = next_word(line);
    read_array_line(line, *array);
  }
  if (array) add_array(scope.sink, *array);
  return true;
}

bool collect_nvme(HostScope& scope) {
  const auto devices = scope.files.list_sys("class/nvme");
  for (const std::string& device : devices) {
    const std::string at = "class/nvme/" + device + "/";
    const std::string firmware = scope.files.sys_text(at + "firmware_rev").value_or("");
    const std::string model = scope.files.sys_text(at + "model").value_or("");
    const std::string serial = scope.files.sys_text(at + "serial").value_or("");
    const std::string state = scope.files.sys_text(at + "state").value_or("");
    scope.sink.gauge("node_nvme_info",
                     "Non-numeric data from /sys/class/nvme/<device>, value is always 1.", 1,
                     {{"device", device},
                      {"firmware_revision", firmware},
                      {"model", model},
                      {"serial", serial},
                      {"state", state}});
  }
  return !devices.empty();
}

}  // namespace gatehouse::collect
