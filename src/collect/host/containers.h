// Containers, from their cgroups, under cAdvisor's names. Versions 1 and 2 of cgroups,
// and machines that have both (systemd's hybrid layout counts as version 1).
//
// A cgroup is reported where it is the root, a slice directly below it, a Kubernetes
// pod, or a container: its path ends in a container's id as Docker, containerd,
// CRI-O or Podman write it ("docker-<id>.scope", "cri-containerd-<id>.scope",
// "/docker/<id>", "/kubepods/.../<id>"), or lies below lxc or machine.slice. Who a
// container is comes from the runtime's own files, where they can be read.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "collect/host/host_files.h"
#include "collect/sink.h"
#include "model/clock.h"

namespace gatehouse::collect {

// The labels of a container besides "id".
struct ContainerIdentity {
  std::string name, image, container, pod, namespace_name;
};

// What a cgroup's path says.
struct CgroupPath {
  enum class Kind { kOther, kRoot, kSlice, kPod, kContainer };
  Kind kind = Kind::kOther;
  std::string container_id;  // 64 hexadecimal digits, or a machine's name
  std::string pod_uid;       // of a Kubernetes pod
};
// `path` begins with '/'.
CgroupPath read_cgroup_path(std::string_view path);

class Containers {
 public:
  Containers(HostFiles& files, const model::Clock& clock) : files_(files), clock_(clock) {}
  void collect(SampleSink& sink);

 private:
  struct Reading;
  struct Found {
    std::string path;
    CgroupPath what;
  };
  void find(const std::string& base, const std::string& path, int depth,
            std::vector<Found>& found) const;
  const ContainerIdentity& identity(const CgroupPath& what);
  ContainerIdentity look_up(const std::string& id);
  void read_v2(Reading& reading);
  void read_v1(Reading& reading);
  void read_root_memory(Reading& reading);
  void read_network(Reading& reading, const std::string& processes_file);
  const std::string& device_name(std::string_view number);

  HostFiles& files_;
  const model::Clock& clock_;
  std::map<std::string, ContainerIdentity> identities_;      // by container id
  std::map<std::string, std::string, std::less<>> devices_;  // "8:0" -> "/dev/sda"
};

}  // namespace gatehouse::collect
