// The objects of a Kubernetes cluster that discovery looks at, reduced to what their
// targets need: a watch of 10,000 pods must not hold their whole manifests.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/json.h"

namespace gatehouse::collect {

using KubeTexts = std::vector<std::pair<std::string, std::string>>;

struct KubePort {
  std::string name, protocol, app_protocol;
  int64_t number = 0;
};

struct KubeContainer {
  std::string name, image, id;
  bool init = false;
  std::vector<KubePort> ports;
};

// One address of an Endpoints or EndpointSlice.
struct KubeEndpoint {
  std::vector<std::string> addresses;
  std::optional<bool> ready, serving, terminating;
  std::string hostname, node, zone;
  std::string target_kind, target_name, target_namespace;
  KubeTexts topology;
};

struct KubeSubset {
  std::vector<KubePort> ports;
  std::vector<KubeEndpoint> endpoints;
};

struct KubeRule {
  std::string host;
  std::vector<std::string> paths;
};

// Which fields are set depends on the kind.
struct KubeObject {
  std::string namespace_name, name, uid;
  KubeTexts labels, annotations;

  // pod
  std::string controller_kind, controller_name;
  std::string pod_ip, host_ip, node, phase, ready;
  std::vector<KubeContainer> containers;
  // service
  std::string type, cluster_ip, external_name, load_balancer_ip;
  std::vector<KubePort> ports;
  // node
  std::string provider_id;
  KubeTexts addresses;  // type, address
  int64_t kubelet_port = 0;
  // endpoints, endpointslice
  std::string address_type;
  std::vector<KubeSubset> subsets;
  // ingress
  std::string class_name;
  std::vector<std::string> tls_hosts;
  std::vector<KubeRule> rules;

  std::string key() const { return namespace_name + "/" + name; }
};

enum class KubeKind { kNode, kService, kPod, kEndpoints, kEndpointSlice, kIngress };
std::optional<KubeKind> kube_kind(std::string_view role);
std::string_view role_name(KubeKind kind);
// "/api/v1/namespaces/NS/pods", without the namespace where that is empty.
std::string resource_path(KubeKind kind, const std::string& namespace_name);

KubeObject read_kube_object(KubeKind kind, const wire::JsonView& object);

// By "namespace/name".
using KubeObjects = std::map<std::string, KubeObject>;

}  // namespace gatehouse::collect
