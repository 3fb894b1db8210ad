// What is mounted, and how full it is.
//
// statfs() of a file system whose server is away waits for it, possibly for ever:
// those that live elsewhere are asked by a thread of their own, and one that has not
// answered is reported with node_filesystem_device_error 1 and not asked again until
// it has.
#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <tuple>

#include "collect/host/collectors.h"

namespace gatehouse::collect {

namespace {

// node_exporter gives a mount 5 s; a collection must not take so long.
constexpr auto kRemotePatience = std::chrono::milliseconds(500);

struct Mount {
  std::string device, point, type;
  bool readonly = false;
};

bool passed_over_type(std::string_view type) {
  static constexpr std::string_view kTypes[] = {
      "autofs",     "binfmt_misc", "bpf",       "cgroup",   "cgroup2",   "configfs",
      "debugfs",    "devpts",      "devtmpfs",  "fusectl",  "hugetlbfs", "iso9660",
      "mqueue",     "nsfs",        "overlay",   "proc",     "procfs",    "pstore",
      "rpc_pipefs", "securityfs",  "selinuxfs", "squashfs", "sysfs",     "tracefs"};
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

bool below(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

// ^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)
bool passed_over_point(std::string_view point) {
  for (const std::string_view directory : {"/dev", "/proc", "/sys"}) {
    if (below(point, directory)) return true;
  }
  for (const std::string_view directory :
       {"/run/credentials/", "/var/lib/docker/", "/var/lib/containers/storage/"}) {
    if (point.size() > directory.size() && point.starts_with(directory)) return true;
  }
  return false;
}

bool remote(std::string_view type) {
  for (const std::string_view prefix : {"nfs", "cifs", "smb", "fuse", "9p", "ceph", "gfs", "afs"}) {
    if (type.starts_with(prefix)) return true;
  }
  return false;
}

// The octal escapes of /proc/mounts: \040 is a space.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto octal = [&](size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<Mount> read_mounts(std::string_view text) {
  std::vector<Mount> mounts;
  std::set<std::tuple<std::string, std::string, std::string>> seen;
  std::string_view line;
  while (next_line(text, line)) {
    Mount mount;
    mount.device = unescape(next_word(line));
    mount.point = unescape(next_word(line));
    mount.type = next_word(line);
    const std::string_view options = next_word(line);
    mount.readonly = options == "ro" || options.starts_with("ro,");
    if (passed_over_type(mount.type) || passed_over_point(mount.point)) continue;
    if (seen.emplace(mount.device, mount.point, mount.type).second) {
      mounts.push_back(std::move(mount));
    }
  }
  return mounts;
}

struct Asking {
  std::mutex mutex;
  std::condition_variable answered;
  bool done = false, failed = false;
  struct statvfs answer {};
};

// The mounts that have not answered yet.
struct Silent {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Asking>> by_path;
};
Silent& silent() {
  static Silent* const all = new Silent;  // threads that never return refer to it
  return *all;
}

bool ask_remote(const std::string& path, struct statvfs& out) {
  Silent& all = silent();
  std::shared_ptr<Asking> asking;
  {
    const std::lock_guard lock(all.mutex);
    auto& known = all.by_path[path];
    if (known == nullptr) {
      known = std::make_shared<Asking>();
      std::thread([path, mine = known] {
        struct statvfs answer {};
        const bool failed = ::statvfs(path.c_str(), &answer) != 0;
        const std::lock_guard own(mine->mutex);
        mine->answer = answer;
        mine->failed = failed;
        mine->done = true;
        mine->answered.notify_all();
      }).detach();
    } else if (std::unique_lock own(known->mutex); !known->done) {
      return false;  // still silent: no second wait for it
    }
    asking = known;
  }
  std::unique_lock own(asking->mutex);
  const bool done = asking->answered.wait_for(own, kRemotePatience, [&] { return asking->done; });
  if (!done) return false;
  out = asking->answer;
  const bool good = !asking->failed;
  own.unlock();
  const std::lock_guard lock(all.mutex);
  all.by_path.erase(path);
  return good;
}

}  // namespace

bool collect_filesystem(HostScope& scope) {
  // Those of init: the process may live in a namespace of its own.
  auto text = scope.files.proc("1/mounts");
  if (!text) text = scope.files.proc("self/mounts");
  if (!text) return false;
  for (const Mount& mount : read_mounts(*text)) {
    const std::string path = scope.files.roots().root + mount.point;
    struct statvfs size {};
    const bool good =
        remote(mount.type) ? ask_remote(path, size) : ::statvfs(path.c_str(), &size) == 0;
    const auto add = [&](std::string_view name, std::string_view help, double value) {
      scope.sink.gauge(
          name, help, value,
          {{"device", mount.device}, {"fstype", mount.type}, {"mountpoint", mount.point}});
    };
    add("node_filesystem_device_error",
        "Whether an error occurred while getting statistics for the given device.", good ? 0 : 1);
    if (!good) continue;
    const auto unit = static_cast<double>(size.f_frsize);
    add("node_filesystem_size_bytes", "Filesystem size in bytes.",
        static_cast<double>(size.f_blocks) * unit);
    add("node_filesystem_free_bytes", "Filesystem free space in bytes.",
        static_cast<double>(size.f_bfree) * unit);
    add("node_filesystem_avail_bytes", "Filesystem space available to non-root users in bytes.",
        static_cast<double>(size.f_bavail) * unit);
    add("node_filesystem_files", "Filesystem total file nodes.", static_cast<double>(size.f_files));
    add("node_filesystem_files_free", "Filesystem total free file nodes.",
        static_cast<double>(size.f_ffree));
    add("node_filesystem_readonly", "Filesystem read-only status.", mount.readonly ? 1 : 0);
  }
  return true;
}

}  // namespace gatehouse::collect
