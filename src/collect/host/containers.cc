// Formats: Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/{memory,cpuacct,
// blkio-controller}.rst. Names and meaning of the metrics: cAdvisor, docs/storage/prometheus.md;
// its working set is usage less inactive file pages.
#include "collect/host/containers.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "wire/json.h"

namespace gatehouse::collect {

namespace {

// A node runs some 110 pods by Kubernetes' default; each container takes some 10
// files of 10 µs.
constexpr size_t kCgroupsMax = 512;
// kubepods.slice/kubepods-burstable.slice/kubepods-...-pod.slice/cri-...scope and a few more.
constexpr int kDepthMax = 8;
// Containers come and go: identities of dead ones are forgotten when there are so many.
constexpr size_t kIdentitiesMax = 4096;
// What the kernel writes for "no limit" (PAGE_COUNTER_MAX in bytes) and above.
constexpr double kNoLimit = 9.2e18;

bool container_id(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "kubepods-burstable-pod1234_ab.slice" or "pod1234-ab": the pod's uid.
std::string pod_uid(std::string_view name) {
  if (name.ends_with(".slice")) name.remove_suffix(6);
  const size_t at = name.starts_with("pod") ? 0 : name.find("-pod");
  if (at == std::string_view::npos) return {};
  std::string uid(name.substr(at == 0 ? 3 : at + 4));
  std::replace(uid.begin(), uid.end(), '_', '-');
  return uid;
}

std::string string_at(const wire::JsonView& object, std::string_view key) {
  return std::string(object[key].string().value_or(""));
}

}  // namespace

CgroupPath read_cgroup_path(std::string_view path) {
  CgroupPath out;
  if (path == "/") {
    out.kind = CgroupPath::Kind::kRoot;
    return out;
  }
  const auto parts = split(path.substr(1), '/');
  const bool kubernetes = path.find("kubepods") != std::string_view::npos;
  for (const std::string_view part : parts) {
    if (!kubernetes) break;
    if (std::string uid = pod_uid(part); !uid.empty()) out.pod_uid = std::move(uid);
  }
  std::string_view last = parts.back();
  const std::string_view parent = parts.size() > 1 ? parts[parts.size() - 2] : std::string_view();
  if (last.ends_with(".scope")) {
    last.remove_suffix(6);
    const size_t dash = last.rfind('-');
    if (parent == "machine.slice" && last.starts_with("machine-")) {
      out.kind = CgroupPath::Kind::kContainer;
      out.container_id = last.substr(8);
      return out;
    }
    if (dash != std::string_view::npos) last.remove_prefix(dash + 1);
  } else if (const size_t colon = last.rfind(':'); colon != std::string_view::npos) {
    last.remove_prefix(colon + 1);  // "kubepods-...slice:cri-containerd:<id>"
  }
  if (container_id(last)) {
    out.kind = CgroupPath::Kind::kContainer;
    out.container_id = last;
  } else if (parent == "lxc" || parent == "lxc.payload") {
    out.kind = CgroupPath::Kind::kContainer;
    out.container_id = last;
  } else if (kubernetes && !out.pod_uid.empty() && !pod_uid(parts.back()).empty()) {
    out.kind = CgroupPath::Kind::kPod;
  } else if (parts.size() == 1) {
    out.kind = CgroupPath::Kind::kSlice;
  }
  return out;
}

// One cgroup's numbers as they are read, each handed on under its own name.
struct Containers::Reading {
  const Found& cgroup;
  SampleSink& sink;
  std::string id;
  const ContainerIdentity& who;
  std::string base;  // version 2: of the cgroup, below /sys; version 1: unused

  using Extra = std::initializer_list<model::LabelView>;
  void add(model::SampleType type, std::string_view name, std::string_view help, double value,
           Extra extra) {
    std::vector<model::LabelView> labels{{"container", who.container},
                                         {"id", id},
                                         {"image", who.image},
                                         {"name", who.name},
                                         {"namespace", who.namespace_name},
                                         {"pod", who.pod}};
    labels.insert(labels.end(), extra.begin(), extra.end());
    sink.add({name, type, help}, labels, value);
  }
  void gauge(std::string_view name, std::string_view help, double value, Extra extra = {}) {
    add(model::SampleType::kGauge, name, help, value, extra);
  }
  void counter(std::string_view name, std::string_view help, double value, Extra extra = {}) {
    add(model::SampleType::kCounter, name, help, value, extra);
  }

  void cpu(double usage, double user, double system) {
    counter("container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.", usage,
            {{"cpu", "total"}});
    counter("container_cpu_user_seconds_total", "Cumulative user cpu time consumed in seconds.",
            user);
    counter("container_cpu_system_seconds_total", "Cumulative system cpu time consumed in seconds.",
            system);
  }
  void throttling(double periods, double throttled, double seconds) {
    counter("container_cpu_cfs_periods_total", "Number of elapsed enforcement period intervals.",
            periods);
    counter("container_cpu_cfs_throttled_periods_total", "Number of throttled period intervals.",
            throttled);
    counter("container_cpu_cfs_throttled_seconds_total",
            "Total time duration the container has been throttled.", seconds);
  }
  void cpu_limits(double quota, double period, double shares) {
    if (quota > 0) gauge("container_spec_cpu_quota", "CPU quota of the container.", quota);
    if (period > 0) gauge("container_spec_cpu_period", "CPU period of the container.", period);
    if (shares > 0) gauge("container_spec_cpu_shares", "CPU share of the container.", shares);
  }
  void memory(double usage, double inactive_file, double rss, double cache, double mapped) {
    gauge("container_memory_usage_bytes",
          "Current memory usage in bytes, including all memory regardless of when it was accessed",
          usage);
    gauge("container_memory_working_set_bytes", "Current working set in bytes.",
          std::max(0.0, usage - inactive_file));
    gauge("container_memory_rss", "Size of RSS in bytes.", rss);
    gauge("container_memory_cache", "Number of bytes of page cache memory.", cache);
    gauge("container_memory_mapped_file", "Size of memory mapped files in bytes.", mapped);
  }
  void memory_limit(double limit) {
    gauge("container_spec_memory_limit_bytes", "Memory limit for the container.",
          limit >= kNoLimit ? 0 : limit);
  }
  void faults(double minor, double major) {
    constexpr std::string_view kName = "container_memory_failures_total";
    constexpr std::string_view kHelp = "Cumulative count of memory allocation failures.";
    counter(kName, kHelp, minor, {{"failure_type", "pgfault"}, {"scope", "hierarchy"}});
    counter(kName, kHelp, major, {{"failure_type", "pgmajfault"}, {"scope", "hierarchy"}});
  }
  void oom_kills(double count) {
    counter("container_oom_events_total",
            "Count of out of memory events observed for the container", count);
  }
  void io(std::string_view device, std::string_view name, double value) {
    struct Source {
      std::string_view key, metric, help;
    };
    static constexpr Source kSources[] = {
        {"rbytes", "container_fs_reads_bytes_total", "Cumulative count of bytes read"},
        {"wbytes", "container_fs_writes_bytes_total", "Cumulative count of bytes written"},
        {"rios", "container_fs_reads_total", "Cumulative count of reads completed"},
        {"wios", "container_fs_writes_total", "Cumulative count of writes completed"},
    };
    for (const Source& source : kSources) {
      if (source.key == name) counter(source.metric, source.help, value, {{"device", device}});
    }
  }
  void life(const std::string& directory, double now_seconds) {
    struct stat about {};
    if (::stat(directory.c_str(), &about) == 0) {
      gauge("container_start_time_seconds",
            "Start time of the container since unix epoch in seconds.",
            static_cast<double>(about.st_mtim.tv_sec));
    }
    gauge("container_last_seen", "Last time a container was seen by the exporter", now_seconds);
  }
};

void Containers::find(const std::string& base, const std::string& path, int depth,
                      std::vector<Found>& found) const {
  if (found.size() >= kCgroupsMax) return;
  CgroupPath what = read_cgroup_path(path.empty() ? "/" : path);
  const bool leaf = what.kind == CgroupPath::Kind::kContainer;
  if (what.kind != CgroupPath::Kind::kOther) {
    found.push_back({path.empty() ? "/" : path, std::move(what)});
  }
  // What a container does within its own cgroup is its own affair.
  if (leaf || depth >= kDepthMax) return;
  const std::string directory = files_.roots().sys + "/" + base + path;
  DIR* entries = ::opendir(directory.c_str());
  if (entries == nullptr) return;
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(entries)) {
    if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)) {
      continue;
    }
    names.emplace_back(entry->d_name);
  }
  ::closedir(entries);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    // Services have no containers below them.
    if (name.ends_with(".service") || name.ends_with(".mount")) continue;
    find(base, path + "/" + name, depth + 1, found);
  }
}

const ContainerIdentity& Containers::identity(const CgroupPath& what) {
  static const ContainerIdentity kNobody;
  if (what.kind != CgroupPath::Kind::kContainer) return kNobody;
  const auto known = identities_.find(what.container_id);
  if (known != identities_.end()) return known->second;
  if (identities_.size() >= kIdentitiesMax) identities_.clear();
  return identities_.emplace(what.container_id, look_up(what.container_id)).first->second;
}

ContainerIdentity Containers::look_up(const std::string& id) {
  ContainerIdentity who;
  who.name = id;
  wire::JsonDocument document;
  const auto read = [&](const std::string& path) {
    const auto text = files_.root(path);
    return text && document.read(*text).ok();
  };
  if (read("var/lib/docker/containers/" + id + "/config.v2.json")) {
    const std::string name = string_at(document.root(), "Name");
    const wire::JsonView config = document.root()["Config"];
    who.name = name.starts_with("/") ? name.substr(1) : name;
    who.image = string_at(config, "Image");
    const wire::JsonView labels = config["Labels"];
    who.container = string_at(labels, "io.kubernetes.container.name");
    who.pod = string_at(labels, "io.kubernetes.pod.name");
    who.namespace_name = string_at(labels, "io.kubernetes.pod.namespace");
  } else if (read("run/containerd/io.containerd.runtime.v2.task/k8s.io/" + id + "/config.json")) {
    const wire::JsonView notes = document.root()["annotations"];
    who.image = string_at(notes, "io.kubernetes.cri.image-name");
    who.container = string_at(notes, "io.kubernetes.cri.container-name");
    who.pod = string_at(notes, "io.kubernetes.cri.sandbox-name");
    who.namespace_name = string_at(notes, "io.kubernetes.cri.sandbox-namespace");
    if (string_at(notes, "io.kubernetes.cri.container-type") == "sandbox") who.container = "POD";
  } else if (read("run/containers/storage/overlay-containers/" + id + "/userdata/config.json") ||
             read("var/lib/containers/storage/overlay-containers/" + id +
                  "/userdata/config.json")) {
    const wire::JsonView notes = document.root()["annotations"];
    const std::string name = string_at(notes, "io.kubernetes.cri-o.Name");
    who.image = string_at(notes, "io.kubernetes.cri-o.ImageName");
    who.container = string_at(notes, "io.kubernetes.container.name");
    who.pod = string_at(notes, "io.kubernetes.pod.name");
    who.namespace_name = string_at(notes, "io.kubernetes.pod.namespace");
    if (!name.empty()) who.name = name;
  }
  return who;
}

// "8:0" -> "/dev/sda", or the number where there is no such device.
const std::string& Containers::device_name(std::string_view number) {
  const auto known = devices_.find(number);
  if (known != devices_.end()) return known->second;
  std::string name(number);
  if (const auto text = files_.sys("dev/block/" + name + "/uevent")) {
    std::string_view rest = *text, line;
    while (next_line(rest, line)) {
      if (line.starts_with("DEVNAME=")) name = "/dev/" + std::string(line.substr(8));
    }
  }
  return devices_.emplace(std::string(number), std::move(name)).first->second;
}

namespace {
// "key value" lines.
std::map<std::string, double, std::less<>> key_values(std::optional<std::string_view> text) {
  std::map<std::string, double, std::less<>> values;
  if (!text) return values;
  std::string_view rest = *text, line;
  while (next_line(rest, line)) {
    const std::string_view key = next_word(line);
    values.emplace(key, number_or_zero(next_word(line)));
  }
  return values;
}
}  // namespace

void Containers::read_network(Reading& reading, const std::string& processes_file) {
  const auto processes = files_.sys(processes_file);
  if (!processes) return;
  const std::string first(processes->substr(0, processes->find('\n')));
  if (first.empty()) return;
  // In the machine's own network namespace the numbers are the machine's.
  const std::string& proc = files_.roots().proc;
  const auto space_of = [&](const std::string& pid) {
    char target[128];
    const std::string link = proc + "/" + pid + "/ns/net";
    const ssize_t bytes = ::readlink(link.c_str(), target, sizeof target);
    return bytes < 0 ? std::string() : std::string(target, static_cast<size_t>(bytes));
  };
  const std::string own = space_of(first);
  if (own.empty() || own == space_of("1")) return;
  const auto text = files_.proc(first + "/net/dev");
  if (!text) return;
  struct Column {
    const char* name;
    const char* help;
  };
  static constexpr Column kReceive[] = {
      {"container_network_receive_bytes_total", "Cumulative count of bytes received"},
      {"container_network_receive_packets_total", "Cumulative count of packets received"},
      {"container_network_receive_errors_total",
       "Cumulative count of errors encountered while receiving"},
      {"container_network_receive_packets_dropped_total",
       "Cumulative count of packets dropped while receiving"}};
  static constexpr Column kTransmit[] = {
      {"container_network_transmit_bytes_total", "Cumulative count of bytes transmitted"},
      {"container_network_transmit_packets_total", "Cumulative count of packets transmitted"},
      {"container_network_transmit_errors_total",
       "Cumulative count of errors encountered while transmitting"},
      {"container_network_transmit_packets_dropped_total",
       "Cumulative count of packets dropped while transmitting"}};
  std::string_view rest = *text, line;
  while (next_line(rest, line)) {
    const size_t colon = line.rfind(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view device = trim(line.substr(0, colon));
    line.remove_prefix(colon + 1);
    if (device == "lo") continue;
    for (int column = 0; column < 16; ++column) {
      const double value = number_or_zero(next_word(line));
      const Column* source = column < 4                   ? &kReceive[column]
                             : column >= 8 && column < 12 ? &kTransmit[column - 8]
                                                          : nullptr;
      if (source != nullptr) {
        reading.counter(source->name, source->help, value, {{"interface", device}});
      }
    }
  }
}

// The root cgroup has no memory accounting of its own: the machine's.
void Containers::read_root_memory(Reading& reading) {
  const auto fields = key_values(files_.proc("meminfo"));
  const auto bytes = [&](std::string_view key) {
    const auto found = fields.find(key);
    return found == fields.end() ? 0 : found->second * 1024;
  };
  reading.memory(bytes("MemTotal:") - bytes("MemFree:"), bytes("Inactive(file):"),
                 bytes("AnonPages:"), bytes("Cached:"), bytes("Mapped:"));
}

void Containers::read_v2(Reading& reading) {
  const std::string& at = reading.base;
  const auto cpu = key_values(files_.sys(at + "/cpu.stat"));
  const auto of = [](const auto& values, std::string_view key) {
    const auto found = values.find(key);
    return found == values.end() ? 0.0 : found->second;
  };
  if (!cpu.empty()) {
    reading.cpu(of(cpu, "usage_usec") / 1e6, of(cpu, "user_usec") / 1e6,
                of(cpu, "system_usec") / 1e6);
  }
  if (of(cpu, "nr_periods") > 0) {
    reading.throttling(of(cpu, "nr_periods"), of(cpu, "nr_throttled"),
                       of(cpu, "throttled_usec") / 1e6);
  }
  if (const auto most = files_.sys_text(at + "/cpu.max")) {
    std::string_view line = *most;
    const double quota = number_or_zero(next_word(line));  // "max" is none
    const double period = number_or_zero(next_word(line));
    const double weight = files_.sys_number(at + "/cpu.weight").value_or(0);
    // Kubernetes' mapping of [1, 10000] to [2, 262144].
    const double shares = weight > 0 ? 2 + (weight - 1) * 262142 / 9999 : 0;
    reading.cpu_limits(quota, period, std::floor(shares));
  }
  if (const auto usage = files_.sys_number(at + "/memory.current")) {
    const auto memory = key_values(files_.sys(at + "/memory.stat"));
    reading.memory(*usage, of(memory, "inactive_file"), of(memory, "anon"), of(memory, "file"),
                   of(memory, "file_mapped"));
    reading.faults(of(memory, "pgfault"), of(memory, "pgmajfault"));
    reading.memory_limit(files_.sys_number(at + "/memory.max").value_or(0));
    reading.oom_kills(of(key_values(files_.sys(at + "/memory.events")), "oom_kill"));
    if (const auto peak = files_.sys_number(at + "/memory.peak")) {
      reading.gauge("container_memory_max_usage_bytes", "Maximum memory usage recorded in bytes",
                    *peak);
    }
    if (const auto swap = files_.sys_number(at + "/memory.swap.current")) {
      reading.gauge("container_memory_swap", "Container swap usage in bytes.", *swap);
    }
  } else if (reading.id == "/") {
    read_root_memory(reading);
  }
  if (const auto text = files_.sys(at + "/io.stat")) {
    const std::string copy(*text);
    std::string_view rest = copy, line;
    while (next_line(rest, line)) {
      const std::string& device = device_name(next_word(line));
      for (std::string_view pair = next_word(line); !pair.empty(); pair = next_word(line)) {
        const size_t equals = pair.find('=');
        if (equals == std::string_view::npos) continue;
        reading.io(device, pair.substr(0, equals), number_or_zero(pair.substr(equals + 1)));
      }
    }
  }
  if (const auto threads = files_.sys_number(at + "/pids.current")) {
    reading.gauge("container_threads", "Number of threads running inside the container", *threads);
  }
  if (reading.cgroup.what.kind == CgroupPath::Kind::kContainer) {
    read_network(reading, at + "/cgroup.procs");
  }
}

void Containers::read_v1(Reading& reading) {
  const std::string path = reading.id == "/" ? "" : reading.id;
  const auto at = [&](std::string_view controller, std::string_view file) {
    return "fs/cgroup/" + std::string(controller) + path + "/" + std::string(file);
  };
  const auto of = [](const auto& values, std::string_view key) {
    const auto found = values.find(key);
    return found == values.end() ? 0.0 : found->second;
  };
  if (const auto usage = files_.sys_number(at("cpuacct", "cpuacct.usage"))) {
    const auto times = key_values(files_.sys(at("cpuacct", "cpuacct.stat")));
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    reading.cpu(*usage / 1e9, of(times, "user") / ticks, of(times, "system") / ticks);
  }
  const auto cpu = key_values(files_.sys(at("cpu", "cpu.stat")));
  if (of(cpu, "nr_periods") > 0) {
    reading.throttling(of(cpu, "nr_periods"), of(cpu, "nr_throttled"),
                       of(cpu, "throttled_time") / 1e9);
  }
  reading.cpu_limits(files_.sys_number(at("cpu", "cpu.cfs_quota_us")).value_or(0),
                     files_.sys_number(at("cpu", "cpu.cfs_period_us")).value_or(0),
                     files_.sys_number(at("cpu", "cpu.shares")).value_or(0));
  if (const auto usage = files_.sys_number(at("memory", "memory.usage_in_bytes"))) {
    const auto memory = key_values(files_.sys(at("memory", "memory.stat")));
    reading.memory(*usage, of(memory, "total_inactive_file"), of(memory, "total_rss"),
                   of(memory, "total_cache"), of(memory, "total_mapped_file"));
    reading.faults(of(memory, "total_pgfault"), of(memory, "total_pgmajfault"));
    reading.gauge("container_memory_swap", "Container swap usage in bytes.",
                  of(memory, "total_swap"));
    reading.memory_limit(files_.sys_number(at("memory", "memory.limit_in_bytes")).value_or(0));
    if (const auto peak = files_.sys_number(at("memory", "memory.max_usage_in_bytes"))) {
      reading.gauge("container_memory_max_usage_bytes", "Maximum memory usage recorded in bytes",
                    *peak);
    }
    if (const auto count = files_.sys_number(at("memory", "memory.failcnt"))) {
      reading.counter("container_memory_failcnt", "Number of memory usage hits limits", *count);
    }
    reading.oom_kills(of(key_values(files_.sys(at("memory", "memory.oom_control"))), "oom_kill"));
  }
  struct Throttle {
    const char* file;
    const char* read;
    const char* write;
  };
  static constexpr Throttle kThrottle[] = {
      {"blkio.throttle.io_service_bytes_recursive", "rbytes", "wbytes"},
      {"blkio.throttle.io_serviced_recursive", "rios", "wios"}};
  for (const Throttle& source : kThrottle) {
    const auto text = files_.sys(at("blkio", source.file));
    if (!text) continue;
    const std::string copy(*text);
    std::string_view rest = copy, line;
    while (next_line(rest, line)) {
      const std::string_view number = next_word(line), what = next_word(line);
      if (what != "Read" && what != "Write") continue;
      reading.io(device_name(number), what == "Read" ? source.read : source.write,
                 number_or_zero(next_word(line)));
    }
  }
  if (const auto threads = files_.sys_number(at("pids", "pids.current"))) {
    reading.gauge("container_threads", "Number of threads running inside the container", *threads);
  }
  if (reading.cgroup.what.kind == CgroupPath::Kind::kContainer) {
    read_network(reading, at("memory", "cgroup.procs"));
  }
}

void Containers::collect(SampleSink& sink) {
  const bool unified = files_.sys("fs/cgroup/cgroup.controllers").has_value();
  // Every container has a memory cgroup in version 1.
  const std::string base = unified ? "fs/cgroup" : "fs/cgroup/memory";
  const double now_seconds = static_cast<double>(clock_.wall_ns() / 1'000'000'000);
  std::vector<Found> found;
  const std::string top = files_.roots().sys + "/" + base;
  if (::access(top.c_str(), R_OK | X_OK) != 0) return;
  find(base, "", 0, found);
  for (const Found& cgroup : found) {
    const std::string below = cgroup.path == "/" ? "" : cgroup.path;
    Reading reading{cgroup, sink, cgroup.path, identity(cgroup.what), base + below};
    if (unified) {
      read_v2(reading);
    } else {
      read_v1(reading);
    }
    reading.life(top + below, now_seconds);
  }
}

}  // namespace gatehouse::collect
