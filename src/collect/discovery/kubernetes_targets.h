// From objects of a cluster to groups of targets: pure, and in every label's name what
// Prometheus gives (discovery/kubernetes).
#pragma once

#include "collect/discovery/kubernetes_objects.h"
#include "collect/target.h"

namespace gatehouse::collect {

// What objects of one kind are joined with, where the role asks for it; each may be null.
struct KubeJoin {
  const KubeObjects* pods = nullptr;      // endpoints, endpointslice
  const KubeObjects* services = nullptr;  // endpoints, endpointslice
  const KubeObjects* nodes = nullptr;     // attach_metadata: {node: true}
};

// The source's name also where the object is gone: a group without targets ends it.
std::string kube_source(KubeKind kind, const KubeObject& object);
TargetGroup kube_targets(KubeKind kind, const KubeObject& object, const KubeJoin& join);

}  // namespace gatehouse::collect
