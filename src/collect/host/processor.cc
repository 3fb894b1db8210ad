// CPU time, scheduling and interrupts. Formats: Linux, Documentation/filesystems/proc.rst,
// Documentation/scheduler/sched-stats.rst, net/core/net-procfs.c (softnet_stat).
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "collect/host/collectors.h"

namespace gatehouse::collect {

namespace {

double user_hz() {
  static const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  return ticks;
}

// "cpu12" -> "12"; "" for any other.
std::string_view cpu_of(std::string_view word) {
  if (!word.starts_with("cpu") || word.size() == 3) return {};
  word.remove_prefix(3);
  return word.find_first_not_of("0123456789") == std::string_view::npos ? word : std::string_view();
}

// A machine with hundreds of cores and interrupts would give tens of thousands
// of series; node_exporter leaves the collector off for that.
constexpr size_t kInterruptSeriesMax = 1024;
// Looking at each process takes some 15 µs: done once a minute, and not at all
// where it would take over 15 ms.
constexpr int64_t kProcessesEveryNs = 60'000'000'000;
constexpr size_t kProcessesMax = 1000;

void throttles(HostScope& scope, const std::vector<std::string>& cpus) {
  std::map<std::string, double> packages;
  std::map<std::pair<std::string, std::string>, double> cores;
  for (const std::string& cpu : cpus) {
    const std::string base = "devices/system/cpu/" + cpu + "/";
    const auto core_count = scope.files.sys_number(base + "thermal_throttle/core_throttle_count");
    if (!core_count) continue;
    const auto package = scope.files.sys_text(base + "topology/physical_package_id");
    const auto core = scope.files.sys_text(base + "topology/core_id");
    if (!package || !core) continue;
    cores.try_emplace({*package, *core}, *core_count);
    const auto count = scope.files.sys_number(base + "thermal_throttle/package_throttle_count");
    if (count) packages.try_emplace(*package, *count);
  }
  for (const auto& [package, count] : packages) {
    scope.sink.counter("node_cpu_package_throttles_total",
                       "Number of times this CPU package has been throttled.", count,
                       {{"package", package}});
  }
  for (const auto& [where, count] : cores) {
    scope.sink.counter("node_cpu_core_throttles_total",
                       "Number of times this CPU core has been throttled.", count,
                       {{"core", where.second}, {"package", where.first}});
  }
}

std::vector<std::string> cpu_directories(HostScope& scope) {
  std::vector<std::string> cpus = scope.files.list_sys("devices/system/cpu");
  std::erase_if(cpus, [](const std::string& name) { return cpu_of(name).empty(); });
  return cpus;
}

}  // namespace

bool collect_cpu(HostScope& scope) {
  const auto text = scope.files.proc("stat");
  if (!text) return false;
  static constexpr std::array<std::string_view, 8> kModes = {"user",   "nice", "system",  "idle",
                                                             "iowait", "irq",  "softirq", "steal"};
  std::string_view rest = *text, line;
  while (next_line(rest, line)) {
    const std::string_view cpu = cpu_of(next_word(line));
    if (cpu.empty()) continue;
    for (const std::string_view mode : kModes) {
      scope.sink.counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.",
                         number_or_zero(next_word(line)) / user_hz(),
                         {{"cpu", cpu}, {"mode", mode}});
    }
    for (const std::string_view mode : {"user", "nice"}) {
      scope.sink.counter(
          "node_cpu_guest_seconds_total", "Seconds the CPUs spent in guests (VMs) for each mode.",
          number_or_zero(next_word(line)) / user_hz(), {{"cpu", cpu}, {"mode", mode}});
    }
  }
  throttles(scope, cpu_directories(scope));
  return true;
}

bool collect_cpufreq(HostScope& scope) {
  struct Source {
    const char* file;
    const char* name;
    const char* help;
  };
  static constexpr Source kSources[] = {
      {"cpuinfo_cur_freq", "node_cpu_frequency_hertz", "Current CPU thread frequency in hertz."},
      {"cpuinfo_min_freq", "node_cpu_frequency_min_hertz",
       "Minimum CPU thread frequency in hertz."},
      {"cpuinfo_max_freq", "node_cpu_frequency_max_hertz",
       "Maximum CPU thread frequency in hertz."},
      {"scaling_cur_freq", "node_cpu_scaling_frequency_hertz",
       "Current scaled CPU thread frequency in hertz."},
      {"scaling_min_freq", "node_cpu_scaling_frequency_min_hertz",
       "Minimum scaled CPU thread frequency in hertz."},
      {"scaling_max_freq", "node_cpu_scaling_frequency_max_hertz",
       "Maximum scaled CPU thread frequency in hertz."},
  };
  for (const std::string& directory : cpu_directories(scope)) {
    const std::string base = "devices/system/cpu/" + directory + "/cpufreq/";
    for (const Source& source : kSources) {
      const auto kilohertz = scope.files.sys_number(base + source.file);
      if (!kilohertz) continue;
      scope.sink.gauge(source.name, source.help, *kilohertz * 1000, {{"cpu", cpu_of(directory)}});
    }
  }
  return true;
}

bool collect_stat(HostScope& scope) {
  const auto text = scope.files.proc("stat");
  if (!text) return false;
  std::string_view rest = *text, line;
  while (next_line(rest, line)) {
    const std::string_view key = next_word(line);
    const double value = number_or_zero(next_word(line));
    if (key == "intr") {
      scope.sink.counter("node_intr_total", "Total number of interrupts serviced.", value);
    } else if (key == "ctxt") {
      scope.sink.counter("node_context_switches_total", "Total number of context switches.", value);
    } else if (key == "processes") {
      scope.sink.counter("node_forks_total", "Total number of forks.", value);
    } else if (key == "btime") {
      scope.sink.gauge("node_boot_time_seconds", "Node boot time, in unixtime.", value);
    } else if (key == "procs_running") {
      scope.sink.gauge("node_procs_running", "Number of processes in runnable state.", value);
    } else if (key == "procs_blocked") {
      scope.sink.gauge("node_procs_blocked",
                       "Number of processes blocked waiting for I/O to complete.", value);
    }
  }
  return true;
}

bool collect_kernel_hung(HostScope& scope) {
  const auto count = scope.files.proc_number("sys/kernel/hung_task_detect_count");
  if (!count) return false;
  scope.sink.counter("node_kernel_hung_tasks", "Tasks found hung since the system started.",
                     *count);
  return true;
}

bool collect_loadavg(HostScope& scope) {
  const auto text = scope.files.proc("loadavg");
  if (!text) return false;
  std::string_view line = *text;
  const double one = number_or_zero(next_word(line));
  const double five = number_or_zero(next_word(line));
  const double fifteen = number_or_zero(next_word(line));
  scope.sink.gauge("node_load1", "1m load average.", one);
  scope.sink.gauge("node_load5", "5m load average.", five);
  scope.sink.gauge("node_load15", "15m load average.", fifteen);
  return true;
}

bool collect_pressure(HostScope& scope) {
  struct Source {
    const char* file;
    const char* line;
    const char* name;
    const char* help;
  };
  static constexpr Source kSources[] = {
      {"pressure/cpu", "some", "node_pressure_cpu_waiting_seconds_total",
       "Total time in seconds that processes have waited for CPU time"},
      {"pressure/io", "some", "node_pressure_io_waiting_seconds_total",
       "Total time in seconds that processes have waited due to IO congestion"},
      {"pressure/io", "full", "node_pressure_io_stalled_seconds_total",
       "Total time in seconds no process could make progress due to IO congestion"},
      {"pressure/memory", "some", "node_pressure_memory_waiting_seconds_total",
       "Total time in seconds that processes have waited for memory"},
      {"pressure/memory", "full", "node_pressure_memory_stalled_seconds_total",
       "Total time in seconds no process could make progress due to memory congestion"},
      {"pressure/irq", "full", "node_pressure_irq_stalled_seconds_total",
       "Total time in seconds no process could make progress due to IRQ congestion"},
  };
  bool any = false;
  for (const Source& source : kSources) {
    const auto text = scope.files.proc(source.file);
    if (!text) continue;
    std::string_view rest = *text, line;
    while (next_line(rest, line)) {
      const size_t total = line.find("total=");
      if (!line.starts_with(source.line) || total == std::string_view::npos) continue;
      any = true;
      const double microseconds = number_or_zero(line.substr(total + 6));
      scope.sink.counter(source.name, source.help, microseconds / 1e6);
    }
  }
  return any;
}

bool collect_schedstat(HostScope& scope) {
  const auto text = scope.files.proc("schedstat");
  if (!text) return false;
  std::string_view rest = *text, line;
  while (next_line(rest, line)) {
    const std::string_view cpu = cpu_of(next_word(line));
    if (cpu.empty()) continue;
    for (int skipped = 0; skipped < 6; ++skipped) next_word(line);
    const double running = number_or_zero(next_word(line)) / 1e9;
    const double waiting = number_or_zero(next_word(line)) / 1e9;
    const double slices = number_or_zero(next_word(line));
    scope.sink.counter("node_schedstat_running_seconds_total",
                       "Number of seconds CPU spent running a process.", running, {{"cpu", cpu}});
    scope.sink.counter("node_schedstat_waiting_seconds_total",
                       "Number of seconds spent by processing waiting for this CPU.", waiting,
                       {{"cpu", cpu}});
    scope.sink.counter("node_schedstat_timeslices_total", "Number of timeslices executed by CPU.",
                       slices, {{"cpu", cpu}});
  }
  return true;
}

bool collect_softnet(HostScope& scope) {
  const auto text = scope.files.proc("net/softnet_stat");
  if (!text) return false;
  struct Column {
    size_t at;
    const char* name;
    const char* help;
    bool counter;
  };
  // The last four came with later versions of node_exporter.
  static constexpr Column kColumns[] = {
      {0, "node_softnet_processed_total", "Number of processed packets", true},
      {1, "node_softnet_dropped_total", "Number of dropped packets", true},
      {2, "node_softnet_times_squeezed_total",
       "Number of times processing packets ran out of quota", true},
      {8, "node_softnet_cpu_collision_total",
       "Number of collision occur while obtaining device lock while transmitting", true},
      {9, "node_softnet_received_rps_total", "Number of times cpu woken up received_rps", true},
      {10, "node_softnet_flow_limit_count_total", "Number of times flow limit has been reached",
       true},
      {11, "node_softnet_backlog_len", "Softnet backlog status", false},
  };
  std::string_view rest = *text, line;
  for (size_t row = 0; next_line(rest, line); ++row) {
    std::vector<uint64_t> columns;
    for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
      columns.push_back(hex_number(word).value_or(0));
    }
    const std::string cpu = std::to_string(columns.size() > 12 ? columns[12] : row);
    for (const Column& column : kColumns) {
      if (column.at >= columns.size()) continue;
      const auto value = static_cast<double>(columns[column.at]);
      if (column.counter) {
        scope.sink.counter(column.name, column.help, value, {{"cpu", cpu}});
      } else {
        scope.sink.gauge(column.name, column.help, value, {{"cpu", cpu}});
      }
    }
  }
  return true;
}

bool collect_interrupts(HostScope& scope) {
  const auto text = scope.files.proc("interrupts");
  if (!text) return false;
  std::string_view rest = *text, line;
  if (!next_line(rest, line)) return false;
  size_t cpus = 0;
  while (!next_word(line).empty()) ++cpus;
  const auto lines = static_cast<size_t>(std::count(rest.begin(), rest.end(), '\n'));
  if (lines * cpus > kInterruptSeriesMax) return false;
  while (next_line(rest, line)) {
    std::string_view type = next_word(line);
    if (!type.ends_with(':')) continue;
    type.remove_suffix(1);
    std::vector<double> counts;
    std::string_view before = line;
    while (counts.size() < cpus) {
      before = line;
      const auto count = host_number(next_word(line));
      if (!count) break;
      counts.push_back(*count);
    }
    if (counts.size() < cpus) continue;  // ERR and MIS count for the machine
    // A numbered interrupt is told by its chip, then its line and devices; others
    // have a text.
    std::string_view chip, devices;
    if (type.find_first_not_of("0123456789") == std::string_view::npos) {
      chip = next_word(line);
      devices = trim(line);
    } else {
      chip = trim(line);
    }
    for (size_t cpu = 0; cpu < cpus; ++cpu) {
      const std::string number = std::to_string(cpu);
      scope.sink.counter("node_interrupts_total", "Interrupt details.", counts[cpu],
                         {{"cpu", number}, {"devices", devices}, {"info", chip}, {"type", type}});
    }
  }
  return true;
}

bool collect_processes(HostScope& scope) {
  const auto load = scope.files.proc_text("loadavg");
  std::vector<std::string> names = scope.files.list_proc("");
  std::erase_if(names, [](const std::string& name) {
    return name.find_first_not_of("0123456789") != std::string::npos;
  });
  scope.sink.gauge("node_processes_pids", "Number of PIDs", static_cast<double>(names.size()));
  if (const auto most = scope.files.proc_number("sys/kernel/pid_max")) {
    scope.sink.gauge("node_processes_max_processes", "Number of max PIDs limit", *most);
  }
  if (const auto most = scope.files.proc_number("sys/kernel/threads-max")) {
    scope.sink.gauge("node_processes_max_threads", "Limit of threads in the system", *most);
  }
  if (load) {  // "0.00 0.01 0.05 1/289 1234": runnable and all threads
    std::string_view line = *load;
    for (int skipped = 0; skipped < 3; ++skipped) next_word(line);
    const std::string_view threads = next_word(line);
    scope.sink.gauge("node_processes_threads", "Allocated threads in system",
                     number_or_zero(threads.substr(threads.find('/') + 1)));
  }
  if (names.size() > kProcessesMax) return true;
  const int64_t now = scope.clock.steady_ns();
  HostMemory& memory = scope.memory;
  if (memory.processes_at_ns == INT64_MIN || now - memory.processes_at_ns >= kProcessesEveryNs) {
    memory.processes_at_ns = now;
    for (auto& [state, count] : memory.processes_by_state) count = 0;
    for (const std::string& pid : names) {
      const auto stat = scope.files.proc(pid + "/stat");
      if (!stat) continue;
      const size_t end = stat->rfind(')');  // the command may hold anything
      if (end == std::string_view::npos || end + 2 >= stat->size()) continue;
      ++memory.processes_by_state[std::string(1, (*stat)[end + 2])];
    }
  }
  for (const auto& [state, count] : memory.processes_by_state) {
    scope.sink.gauge("node_processes_state", "Number of processes in each state.", count,
                     {{"state", state}});
  }
  return true;
}

}  // namespace gatehouse::collect
