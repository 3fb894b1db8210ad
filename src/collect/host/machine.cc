// The machine as such: names, clocks, descriptors; and the program's own process.
#include <sys/resource.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <ctime>

#include "base/text.h"
#include "collect/host/collectors.h"

namespace gatehouse::collect {

namespace {

// NAME=value lines, the value perhaps in quotes (os-release(5)).
std::map<std::string, std::string, std::less<>> read_os_release(std::string_view text) {
  std::map<std::string, std::string, std::less<>> fields;
  std::string_view line;
  while (next_line(text, line)) {
    const size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    std::string_view value = trim(line.substr(equals + 1));
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front()) {
      value = value.substr(1, value.size() - 2);
    }
    std::string plain;
    for (size_t i = 0; i < value.size(); ++i) {
      if (value[i] == '\\' && i + 1 < value.size()) ++i;
      plain += value[i];
    }
    fields.emplace(trim(line.substr(0, equals)), std::move(plain));
  }
  return fields;
}

// "22.04.1" -> 22.04.
std::optional<double> major_minor(std::string_view version) {
  const size_t dot = version.find('.');
  const size_t second = dot == std::string_view::npos ? dot : version.find('.', dot + 1);
  return host_number(version.substr(0, second));
}

}  // namespace

bool collect_uname(HostScope& scope) {
  utsname name{};
  if (::uname(&name) != 0) return false;
  const std::string_view domain = static_cast<const char*>(name.domainname);
  scope.sink.gauge("node_uname_info",
                   "Labeled system information as provided by the uname system call.", 1,
                   {{"domainname", domain},
                    {"machine", static_cast<const char*>(name.machine)},
                    {"nodename", static_cast<const char*>(name.nodename)},
                    {"release", static_cast<const char*>(name.release)},
                    {"sysname", static_cast<const char*>(name.sysname)},
                    {"version", static_cast<const char*>(name.version)}});
  return true;
}

bool collect_os(HostScope& scope) {
  auto text = scope.files.root("etc/os-release");
  if (!text) text = scope.files.root("usr/lib/os-release");
  if (!text) return false;
  auto os = read_os_release(*text);
  scope.sink.gauge(
      "node_os_info",
      "A metric with a constant '1' value labeled by build_id, id, id_like, image_id, "
      "image_version, name, pretty_name, variant, variant_id, version, version_codename, "
      "version_id.",
      1,
      {{"build_id", os["BUILD_ID"]},
       {"id", os["ID"]},
       {"id_like", os["ID_LIKE"]},
       {"image_id", os["IMAGE_ID"]},
       {"image_version", os["IMAGE_VERSION"]},
       {"name", os["NAME"]},
       {"pretty_name", os["PRETTY_NAME"]},
       {"variant", os["VARIANT"]},
       {"variant_id", os["VARIANT_ID"]},
       {"version", os["VERSION"]},
       {"version_codename", os["VERSION_CODENAME"]},
       {"version_id", os["VERSION_ID"]}});
  if (const auto version = major_minor(os["VERSION_ID"])) {
    scope.sink.gauge("node_os_version", "Metric containing the major.minor part of the OS version.",
                     *version,
                     {{"id", os["ID"]}, {"id_like", os["ID_LIKE"]}, {"name", os["NAME"]}});
  }
  return true;
}

bool collect_time(HostScope& scope) {
  const int64_t now_ns = scope.clock.wall_ns();
  scope.sink.gauge("node_time_seconds", "System time in seconds since epoch (1970).",
                   static_cast<double>(now_ns) / 1e9);
  const time_t now = now_ns / 1'000'000'000;
  tm local{};
  ::localtime_r(&now, &local);
  scope.sink.gauge("node_time_zone_offset_seconds", "System time zone offset in seconds.",
                   static_cast<double>(local.tm_gmtoff), {{"time_zone", local.tm_zone}});
  const std::string base = "devices/system/clocksource";
  for (const std::string& directory : scope.files.list_sys(base)) {
    constexpr std::string_view kPrefix = "clocksource";
    if (!directory.starts_with(kPrefix)) continue;
    const std::string device = directory.substr(kPrefix.size());
    const std::string at = base + "/" + directory + "/";
    const std::string all = scope.files.sys_text(at + "available_clocksource").value_or("");
    std::string_view rest = all;
    for (std::string_view source = next_word(rest); !source.empty(); source = next_word(rest)) {
      scope.sink.gauge("node_time_clocksource_available_info",
                       "Available clocksources read from '/sys/devices/system/clocksource'.", 1,
                       {{"clocksource", source}, {"device", device}});
    }
    if (const auto source = scope.files.sys_text(at + "current_clocksource")) {
      scope.sink.gauge("node_time_clocksource_current_info",
                       "Current clocksource read from '/sys/devices/system/clocksource'.", 1,
                       {{"clocksource", *source}, {"device", device}});
    }
  }
  return true;
}

bool collect_timex(HostScope& scope) {
  timex clock{};
  const int state = ::adjtimex(&clock);
  if (state < 0) return false;
  const double divisor = (clock.status & STA_NANO) != 0 ? 1e9 : 1e6;
  constexpr double kPpm = 1e6 * 65536;  // parts per million with 16 bits of fraction
  SampleSink& sink = scope.sink;
  const auto value = [](long number) { return static_cast<double>(number); };
  sink.gauge("node_timex_sync_status",
             "Is clock synchronized to a reliable server (1 = yes, 0 = no).",
             state == TIME_ERROR ? 0 : 1);
  sink.gauge("node_timex_offset_seconds",
             "Time offset in between local system and reference clock.",
             value(clock.offset) / divisor);
  sink.gauge("node_timex_frequency_adjustment_ratio", "Local clock frequency adjustment.",
             1 + value(clock.freq) / kPpm);
  sink.gauge("node_timex_maxerror_seconds", "Maximum error in seconds.",
             value(clock.maxerror) / 1e6);
  sink.gauge("node_timex_estimated_error_seconds", "Estimated error in seconds.",
             value(clock.esterror) / 1e6);
  sink.gauge("node_timex_status", "Value of the status array bits.", clock.status);
  sink.gauge("node_timex_loop_time_constant", "Phase-locked loop time constant.",
             value(clock.constant));
  sink.gauge("node_timex_tick_seconds", "Seconds between clock ticks.", value(clock.tick) / 1e6);
  sink.gauge("node_timex_pps_frequency_hertz", "Pulse per second frequency.",
             value(clock.ppsfreq) / kPpm);
  sink.gauge("node_timex_pps_jitter_seconds", "Pulse per second jitter.",
             value(clock.jitter) / divisor);
  sink.gauge("node_timex_pps_shift_seconds", "Pulse per second interval duration.", clock.shift);
  sink.gauge("node_timex_pps_stability_hertz",
             "Pulse per second stability, average of recent frequency changes.",
             value(clock.stabil) / kPpm);
  sink.counter("node_timex_pps_jitter_total",
               "Pulse per second count of jitter limit exceeded events.", value(clock.jitcnt));
  sink.counter("node_timex_pps_calibration_total",
               "Pulse per second count of calibration intervals.", value(clock.calcnt));
  sink.counter("node_timex_pps_error_total", "Pulse per second count of calibration errors.",
               value(clock.errcnt));
  sink.counter("node_timex_pps_stability_exceeded_total",
               "Pulse per second count of stability limit exceeded events.", value(clock.stbcnt));
  sink.gauge("node_timex_tai_offset_seconds", "International Atomic Time (TAI) offset.", clock.tai);
  return true;
}

bool collect_entropy(HostScope& scope) {
  const auto available = scope.files.proc_number("sys/kernel/random/entropy_avail");
  const auto size = scope.files.proc_number("sys/kernel/random/poolsize");
  if (available) {
    scope.sink.gauge("node_entropy_available_bits", "Bits of available entropy.", *available);
  }
  if (size) scope.sink.gauge("node_entropy_pool_size_bits", "Bits of entropy pool.", *size);
  return available && size;
}

bool collect_filefd(HostScope& scope) {
  const auto text = scope.files.proc_text("sys/fs/file-nr");
  if (!text) return false;
  std::string_view line = *text;
  const double allocated = number_or_zero(next_word(line));
  next_word(line);
  const double most = number_or_zero(next_word(line));
  scope.sink.gauge("node_filefd_allocated", "File descriptor statistics: allocated.", allocated);
  scope.sink.gauge("node_filefd_maximum", "File descriptor statistics: maximum.", most);
  return true;
}

bool collect_selinux(HostScope& scope) {
  const auto enforcing = scope.files.sys_number("fs/selinux/enforce");
  scope.sink.gauge("node_selinux_enabled", "SELinux is enabled, 1 is true, 0 is false",
                   enforcing ? 1 : 0);
  if (enforcing) {
    scope.sink.gauge("node_selinux_current_mode",
                     "Current SELinux enforcement mode, 1 is enforcing, 0 is permissive",
                     *enforcing);
  }
  return true;
}

bool collect_dmi(HostScope& scope) {
  static constexpr std::string_view kFields[] = {
      "bios_date",    "bios_release",  "bios_vendor",     "bios_version",    "board_name",
      "board_vendor", "board_version", "chassis_vendor",  "chassis_version", "product_family",
      "product_name", "product_sku",   "product_version", "sys_vendor"};
  std::vector<std::string> values;
  std::vector<model::LabelView> labels;
  bool any = false;
  for (const std::string_view field : kFields) {
    const auto text = scope.files.sys_text("class/dmi/id/" + std::string(field));
    any = any || text;
    values.push_back(text.value_or(""));
  }
  if (!any) return false;
  for (size_t i = 0; i < std::size(kFields); ++i) {
    const bool vendor = kFields[i] == "sys_vendor";
    labels.push_back({vendor ? std::string_view("system_vendor") : kFields[i], values[i]});
  }
  scope.sink.add({"node_dmi_info", model::SampleType::kGauge,
                  "A metric with a constant '1' value labeled by the DMI fields of the machine."},
                 labels, 1);
  return true;
}

bool collect_process(HostScope& scope) {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return false;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  scope.sink.counter("process_cpu_seconds_total",
                     "Total user and system CPU time spent in seconds.",
                     seconds(usage.ru_utime) + seconds(usage.ru_stime));
  const auto limit = [&](int resource, std::string_view name, std::string_view help) {
    rlimit most{};
    if (::getrlimit(static_cast<__rlimit_resource>(resource), &most) != 0) return;
    scope.sink.gauge(name, help, static_cast<double>(most.rlim_cur));
  };
  limit(RLIMIT_NOFILE, "process_max_fds", "Maximum number of open file descriptors.");
  limit(RLIMIT_AS, "process_virtual_memory_max_bytes",
        "Maximum amount of virtual memory available in bytes.");
  scope.sink.gauge("process_open_fds", "Number of open file descriptors.",
                   static_cast<double>(scope.files.list_proc("self/fd").size()));
  const auto text = scope.files.proc("self/stat");
  if (!text) return true;
  std::string_view line = text->substr(std::min(text->rfind(')') + 1, text->size()));
  for (int skipped = 3; skipped < 22; ++skipped) next_word(line);
  const double started_ticks = number_or_zero(next_word(line));
  const double virtual_bytes = number_or_zero(next_word(line));
  const double pages = number_or_zero(next_word(line));
  scope.sink.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", virtual_bytes);
  scope.sink.gauge("process_resident_memory_bytes", "Resident memory size in bytes.",
                   pages * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  const auto stat = scope.files.proc("stat");
  const size_t boot = stat ? stat->find("\nbtime ") : std::string_view::npos;
  if (boot != std::string_view::npos) {
    const std::string_view number = stat->substr(boot + 7);
    const double since = number_or_zero(number.substr(0, number.find('\n'))) +
                         started_ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
    scope.sink.gauge("process_start_time_seconds",
                     "Start time of the process since unix epoch in seconds.", since);
  }
  return true;
}

}  // namespace gatehouse::collect
