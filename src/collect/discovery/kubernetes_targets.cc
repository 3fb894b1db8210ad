#include "collect/discovery/kubernetes_targets.h"

#include <algorithm>

namespace gatehouse::collect {

namespace {

using Pairs = std::vector<model::Labels::Pair>;

const std::string kMeta = "__meta_kubernetes_";

// What is no letter, digit or underscore becomes one.
std::string label_name(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    const bool fits =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!fits) c = '_';
  }
  return out;
}

std::string host_port(const std::string& host, int64_t port) {
  const bool six = host.find(':') != std::string::npos;
  return (six ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string yes_no(bool value) { return value ? "true" : "false"; }

void add(Pairs& out, std::string_view name, std::string value) {
  out.emplace_back(kMeta + std::string(name), std::move(value));
}

// name, labels and annotations of an object, under its role's names.
void add_meta(Pairs& out, const std::string& role, const KubeObject& object) {
  add(out, role + "_name", object.name);
  for (const auto& [name, value] : object.labels) {
    add(out, role + "_label_" + label_name(name), value);
    add(out, role + "_labelpresent_" + label_name(name), "true");
  }
  for (const auto& [name, value] : object.annotations) {
    add(out, role + "_annotation_" + label_name(name), value);
    add(out, role + "_annotationpresent_" + label_name(name), "true");
  }
}

const KubeObject* look_up(const KubeObjects* objects, const std::string& key) {
  if (objects == nullptr) return nullptr;
  const auto found = objects->find(key);
  return found == objects->end() ? nullptr : &found->second;
}

void add_node(Pairs& out, const KubeJoin& join, const std::string& node) {
  const KubeObject* found = node.empty() ? nullptr : look_up(join.nodes, "/" + node);
  if (found != nullptr) add_meta(out, "node", *found);
}

void add_pod(Pairs& out, const KubeObject& pod) {
  add_meta(out, "pod", pod);
  add(out, "pod_ip", pod.pod_ip);
  add(out, "pod_ready", pod.ready);
  add(out, "pod_phase", pod.phase);
  add(out, "pod_node_name", pod.node);
  add(out, "pod_host_ip", pod.host_ip);
  add(out, "pod_uid", pod.uid);
  add(out, "pod_controller_kind", pod.controller_kind);
  add(out, "pod_controller_name", pod.controller_name);
}

void add_container(Pairs& out, const KubeContainer& container, const KubePort* port) {
  add(out, "pod_container_name", container.name);
  add(out, "pod_container_id", container.id);
  add(out, "pod_container_image", container.image);
  add(out, "pod_container_init", yes_no(container.init));
  if (port == nullptr) return;
  add(out, "pod_container_port_name", port->name);
  add(out, "pod_container_port_number", std::to_string(port->number));
  add(out, "pod_container_port_protocol", port->protocol);
}

void node_targets(const KubeObject& node, TargetGroup& group) {
  Pairs labels;
  add_meta(labels, "node", node);
  add(labels, "node_provider_id", node.provider_id);
  group.labels = model::Labels(std::move(labels));
  std::string address;
  for (const std::string_view type :
       {"InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname"}) {
    for (const auto& [kind, value] : node.addresses) {
      if (address.empty() && kind == type) address = value;
    }
  }
  if (address.empty()) return;
  Pairs target = {{"__address__", host_port(address, node.kubelet_port)}, {"instance", node.name}};
  for (const auto& [type, value] : node.addresses) {
    const std::string name = kMeta + "node_address_" + label_name(type);
    const bool seen = std::any_of(target.begin(), target.end(),
                                  [&](const auto& pair) { return pair.first == name; });
    if (!seen) target.emplace_back(name, value);  // the first of a type
  }
  group.targets.emplace_back(std::move(target));
}

void service_targets(const KubeObject& service, TargetGroup& group) {
  Pairs labels = {{kMeta + "namespace", service.namespace_name}};
  add_meta(labels, "service", service);
  group.labels = model::Labels(std::move(labels));
  for (const KubePort& port : service.ports) {
    Pairs target = {{"__address__",
                     host_port(service.name + "." + service.namespace_name + ".svc", port.number)}};
    add(target, "service_port_name", port.name);
    add(target, "service_port_number", std::to_string(port.number));
    add(target, "service_port_protocol", port.protocol);
    add(target, "service_type", service.type);
    if (service.type == "ExternalName") {
      add(target, "service_external_name", service.external_name);
    } else {
      add(target, "service_cluster_ip", service.cluster_ip);
    }
    if (service.type == "LoadBalancer") {
      add(target, "service_loadbalancer_ip", service.load_balancer_ip);
    }
    group.targets.emplace_back(std::move(target));
  }
}

void pod_targets(const KubeObject& pod, const KubeJoin& join, TargetGroup& group) {
  if (pod.pod_ip.empty()) return;  // not placed yet
  Pairs labels = {{kMeta + "namespace", pod.namespace_name}};
  add_pod(labels, pod);
  add_node(labels, join, pod.node);
  group.labels = model::Labels(std::move(labels));
  for (const KubeContainer& container : pod.containers) {
    if (container.ports.empty()) {
      const bool six = pod.pod_ip.find(':') != std::string::npos;
      Pairs target = {{"__address__", six ? "[" + pod.pod_ip + "]" : pod.pod_ip}};
      add_container(target, container, nullptr);
      group.targets.emplace_back(std::move(target));
    }
    for (const KubePort& port : container.ports) {
      Pairs target = {{"__address__", host_port(pod.pod_ip, port.number)}};
      add_container(target, container, &port);
      group.targets.emplace_back(std::move(target));
    }
  }
}

// The pods met behind endpoints, and which of their ports have become targets.
struct SeenPods {
  std::map<const KubeObject*, std::vector<int64_t>> ports;
};

void endpoint_labels(Pairs& target, bool slice, const KubeEndpoint& endpoint,
                     const KubePort& port) {
  if (!slice) {
    add(target, "endpoint_port_name", port.name);
    add(target, "endpoint_port_protocol", port.protocol);
    add(target, "endpoint_ready", yes_no(endpoint.ready.value_or(true)));
    add(target, "endpoint_address_target_kind", endpoint.target_kind);
    add(target, "endpoint_address_target_name", endpoint.target_name);
    add(target, "endpoint_node_name", endpoint.node);
    add(target, "endpoint_hostname", endpoint.hostname);
    return;
  }
  add(target, "endpointslice_port_name", port.name);
  add(target, "endpointslice_port_protocol", port.protocol);
  add(target, "endpointslice_port_app_protocol", port.app_protocol);
  add(target, "endpointslice_port", std::to_string(port.number));
  const auto condition = [&](const char* name, const std::optional<bool>& value) {
    if (value)
      add(target, "endpointslice_endpoint_conditions_" + std::string(name), yes_no(*value));
  };
  condition("ready", endpoint.ready);
  condition("serving", endpoint.serving);
  condition("terminating", endpoint.terminating);
  add(target, "endpointslice_endpoint_hostname", endpoint.hostname);
  add(target, "endpointslice_address_target_kind", endpoint.target_kind);
  add(target, "endpointslice_address_target_name", endpoint.target_name);
  add(target, "endpointslice_endpoint_node_name", endpoint.node);
  add(target, "endpointslice_endpoint_zone", endpoint.zone);
  for (const auto& [name, value] : endpoint.topology) {
    add(target, "endpointslice_endpoint_topology_" + label_name(name), value);
    add(target, "endpointslice_endpoint_topology_present_" + label_name(name), "true");
  }
}

void endpoint_target(bool slice, const KubeObject& object, const KubeEndpoint& endpoint,
                     const KubePort& port, const KubeJoin& join, SeenPods& seen,
                     TargetGroup& group) {
  for (const std::string& address : endpoint.addresses) {
    Pairs target = {{"__address__", host_port(address, port.number)}};
    endpoint_labels(target, slice, endpoint, port);
    add_node(target, join, endpoint.node);
    const std::string& space =
        endpoint.target_namespace.empty() ? object.namespace_name : endpoint.target_namespace;
    const KubeObject* pod = endpoint.target_kind == "Pod"
                                ? look_up(join.pods, space + "/" + endpoint.target_name)
                                : nullptr;
    if (pod != nullptr) {
      add_pod(target, *pod);
      std::vector<int64_t>& ports = seen.ports[pod];
      for (const KubeContainer& container : pod->containers) {
        for (const KubePort& own : container.ports) {
          if (own.number != port.number) continue;
          add_container(target, container, &own);
          ports.push_back(own.number);
        }
      }
    }
    group.targets.emplace_back(std::move(target));
  }
}

void endpoints_targets(bool slice, const KubeObject& object, const KubeJoin& join,
                       TargetGroup& group) {
  Pairs labels = {{kMeta + "namespace", object.namespace_name}};
  add_meta(labels, slice ? "endpointslice" : "endpoints", object);
  std::string service_name = object.name;
  if (slice) {
    add(labels, "endpointslice_address_type", object.address_type);
    service_name.clear();
    for (const auto& [name, value] : object.labels) {
      if (name == "kubernetes.io/service-name") service_name = value;
    }
  }
  const KubeObject* service = look_up(join.services, object.namespace_name + "/" + service_name);
  if (service != nullptr) add_meta(labels, "service", *service);
  group.labels = model::Labels(std::move(labels));
  SeenPods seen;
  for (const KubeSubset& subset : object.subsets) {
    for (const KubePort& port : subset.ports) {
      for (const KubeEndpoint& endpoint : subset.endpoints) {
        endpoint_target(slice, object, endpoint, port, join, seen, group);
      }
    }
  }
  // The ports of these pods that no endpoint names are targets as well.
  for (const auto& [pod, ports] : seen.ports) {
    for (const KubeContainer& container : pod->containers) {
      for (const KubePort& port : container.ports) {
        if (std::find(ports.begin(), ports.end(), port.number) != ports.end()) continue;
        Pairs target = {{"__address__", host_port(pod->pod_ip, port.number)}};
        add_pod(target, *pod);
        add_container(target, container, &port);
        group.targets.emplace_back(std::move(target));
      }
    }
  }
}

// "*.example.com" stands for one more label in front.
bool covers(const std::string& pattern, const std::string& host) {
  if (pattern == host) return true;
  if (!pattern.starts_with("*.")) return false;
  const size_t dot = host.find('.');
  return dot != std::string::npos && dot > 0 && host.substr(dot) == pattern.substr(1);
}

void ingress_targets(const KubeObject& ingress, TargetGroup& group) {
  Pairs labels = {{kMeta + "namespace", ingress.namespace_name}};
  add_meta(labels, "ingress", ingress);
  add(labels, "ingress_class_name", ingress.class_name);
  group.labels = model::Labels(std::move(labels));
  for (const KubeRule& rule : ingress.rules) {
    const bool tls = std::any_of(ingress.tls_hosts.begin(), ingress.tls_hosts.end(),
                                 [&](const std::string& host) { return covers(host, rule.host); });
    for (const std::string& path : rule.paths) {
      Pairs target = {{"__address__", rule.host}};
      add(target, "ingress_scheme", tls ? "https" : "http");
      add(target, "ingress_host", rule.host);
      add(target, "ingress_path", path);
      group.targets.emplace_back(std::move(target));
    }
  }
}

}  // namespace

std::string kube_source(KubeKind kind, const KubeObject& object) {
  const std::string prefix = kind == KubeKind::kService ? "svc" : std::string(role_name(kind));
  return kind == KubeKind::kNode ? prefix + "/" + object.name : prefix + "/" + object.key();
}

TargetGroup kube_targets(KubeKind kind, const KubeObject& object, const KubeJoin& join) {
  TargetGroup group;
  group.source = kube_source(kind, object);
  switch (kind) {
    case KubeKind::kNode: node_targets(object, group); break;
    case KubeKind::kService: service_targets(object, group); break;
    case KubeKind::kPod: pod_targets(object, join, group); break;
    case KubeKind::kEndpoints: endpoints_targets(false, object, join, group); break;
    case KubeKind::kEndpointSlice: endpoints_targets(true, object, join, group); break;
    case KubeKind::kIngress: ingress_targets(object, group); break;
  }
  return group;
}

}  // namespace gatehouse::collect
