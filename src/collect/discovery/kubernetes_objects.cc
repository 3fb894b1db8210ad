#include "collect/discovery/kubernetes_objects.h"

namespace gatehouse::collect {

namespace {

using wire::JsonView;

std::string text(const JsonView& view) { return std::string(view.string().value_or("")); }

KubeTexts texts(const JsonView& object) {
  KubeTexts out;
  for (auto [key, value] : object.members()) out.emplace_back(key, value.string().value_or(""));
  return out;
}

void read_meta(const JsonView& meta, KubeObject& out) {
  out.namespace_name = text(meta["namespace"]);
  out.name = text(meta["name"]);
  out.uid = text(meta["uid"]);
  out.labels = texts(meta["labels"]);
  out.annotations = texts(meta["annotations"]);
  for (const JsonView owner : meta["ownerReferences"].items()) {
    if (!owner["controller"].boolean().value_or(false)) continue;
    out.controller_kind = text(owner["kind"]);
    out.controller_name = text(owner["name"]);
  }
}

KubePort read_port(const JsonView& port, std::string_view number_key) {
  KubePort out;
  out.name = text(port["name"]);
  out.protocol = text(port["protocol"]);
  if (out.protocol.empty()) out.protocol = "TCP";
  out.app_protocol = text(port["appProtocol"]);
  out.number = port[number_key].integer().value_or(0);
  return out;
}

void read_containers(const JsonView& list, const JsonView& statuses, bool init, KubeObject& out) {
  for (const JsonView each : list.items()) {
    KubeContainer container;
    container.name = text(each["name"]);
    container.image = text(each["image"]);
    container.init = init;
    for (const JsonView port : each["ports"].items()) {
      container.ports.push_back(read_port(port, "containerPort"));
    }
    for (const JsonView status : statuses.items()) {
      if (status["name"].string() == container.name) container.id = text(status["containerID"]);
    }
    out.containers.push_back(std::move(container));
  }
}

void read_pod(const JsonView& object, KubeObject& out) {
  const JsonView spec = object["spec"], status = object["status"];
  out.pod_ip = text(status["podIP"]);
  out.host_ip = text(status["hostIP"]);
  out.node = text(spec["nodeName"]);
  out.phase = text(status["phase"]);
  out.ready = "unknown";
  for (const JsonView condition : status["conditions"].items()) {
    if (condition["type"].string() != "Ready") continue;
    const std::string value = text(condition["status"]);
    out.ready = value == "True" ? "true" : value == "False" ? "false" : "unknown";
  }
  read_containers(spec["containers"], status["containerStatuses"], false, out);
  read_containers(spec["initContainers"], status["initContainerStatuses"], true, out);
}

void read_service(const JsonView& object, KubeObject& out) {
  const JsonView spec = object["spec"];
  out.type = text(spec["type"]);
  out.cluster_ip = text(spec["clusterIP"]);
  out.external_name = text(spec["externalName"]);
  out.load_balancer_ip = text(spec["loadBalancerIP"]);
  for (const JsonView port : spec["ports"].items()) out.ports.push_back(read_port(port, "port"));
}

void read_node(const JsonView& object, KubeObject& out) {
  out.provider_id = text(object["spec"]["providerID"]);
  const JsonView status = object["status"];
  for (const JsonView address : status["addresses"].items()) {
    out.addresses.emplace_back(text(address["type"]), text(address["address"]));
  }
  out.kubelet_port = status["daemonEndpoints"]["kubeletEndpoint"]["Port"].integer().value_or(0);
}

void read_reference(const JsonView& reference, KubeEndpoint& out) {
  out.target_kind = text(reference["kind"]);
  out.target_name = text(reference["name"]);
  out.target_namespace = text(reference["namespace"]);
}

void read_endpoints(const JsonView& object, KubeObject& out) {
  for (const JsonView given : object["subsets"].items()) {
    KubeSubset subset;
    for (const JsonView port : given["ports"].items()) {
      subset.ports.push_back(read_port(port, "port"));
    }
    for (const bool ready : {true, false}) {
      for (const JsonView address : given[ready ? "addresses" : "notReadyAddresses"].items()) {
        KubeEndpoint endpoint;
        endpoint.addresses.push_back(text(address["ip"]));
        endpoint.ready = ready;
        endpoint.hostname = text(address["hostname"]);
        endpoint.node = text(address["nodeName"]);
        read_reference(address["targetRef"], endpoint);
        subset.endpoints.push_back(std::move(endpoint));
      }
    }
    out.subsets.push_back(std::move(subset));
  }
}

void read_slice(const JsonView& object, KubeObject& out) {
  out.address_type = text(object["addressType"]);
  KubeSubset subset;
  for (const JsonView port : object["ports"].items()) {
    subset.ports.push_back(read_port(port, "port"));
  }
  for (const JsonView given : object["endpoints"].items()) {
    KubeEndpoint endpoint;
    for (const JsonView address : given["addresses"].items()) {
      endpoint.addresses.push_back(text(address));
    }
    const JsonView conditions = given["conditions"];
    endpoint.ready = conditions["ready"].boolean();
    endpoint.serving = conditions["serving"].boolean();
    endpoint.terminating = conditions["terminating"].boolean();
    endpoint.hostname = text(given["hostname"]);
    endpoint.node = text(given["nodeName"]);
    endpoint.zone = text(given["zone"]);
    endpoint.topology = texts(given["deprecatedTopology"]);
    read_reference(given["targetRef"], endpoint);
    subset.endpoints.push_back(std::move(endpoint));
  }
  out.subsets.push_back(std::move(subset));
}

void read_ingress(const JsonView& object, KubeObject& out) {
  const JsonView spec = object["spec"];
  out.class_name = text(spec["ingressClassName"]);
  for (const JsonView tls : spec["tls"].items()) {
    for (const JsonView host : tls["hosts"].items()) out.tls_hosts.push_back(text(host));
  }
  for (const JsonView given : spec["rules"].items()) {
    KubeRule rule;
    rule.host = text(given["host"]);
    for (const JsonView path : given["http"]["paths"].items()) {
      const std::string value = text(path["path"]);
      rule.paths.push_back(value.empty() ? "/" : value);
    }
    if (rule.paths.empty()) rule.paths.emplace_back("/");
    out.rules.push_back(std::move(rule));
  }
}

}  // namespace

std::optional<KubeKind> kube_kind(std::string_view role) {
  for (const KubeKind kind : {KubeKind::kNode, KubeKind::kService, KubeKind::kPod,
                              KubeKind::kEndpoints, KubeKind::kEndpointSlice, KubeKind::kIngress}) {
    if (role_name(kind) == role) return kind;
  }
  return std::nullopt;
}

std::string_view role_name(KubeKind kind) {
  switch (kind) {
    case KubeKind::kNode: return "node";
    case KubeKind::kService: return "service";
    case KubeKind::kPod: return "pod";
    case KubeKind::kEndpoints: return "endpoints";
    case KubeKind::kEndpointSlice: return "endpointslice";
    case KubeKind::kIngress: return "ingress";
  }
  return {};
}

std::string resource_path(KubeKind kind, const std::string& namespace_name) {
  std::string base = "/api/v1", plural = "nodes";
  switch (kind) {
    case KubeKind::kNode: return "/api/v1/nodes";
    case KubeKind::kService: plural = "services"; break;
    case KubeKind::kPod: plural = "pods"; break;
    case KubeKind::kEndpoints: plural = "endpoints"; break;
    case KubeKind::kEndpointSlice:
      base = "/apis/discovery.k8s.io/v1";
      plural = "endpointslices";
      break;
    case KubeKind::kIngress:
      base = "/apis/networking.k8s.io/v1";
      plural = "ingresses";
      break;
  }
  return namespace_name.empty() ? base + "/" + plural
                                : base + "/namespaces/" + namespace_name + "/" + plural;
}

KubeObject read_kube_object(KubeKind kind, const wire::JsonView& object) {
  KubeObject out;
  read_meta(object["metadata"], out);
  switch (kind) {
    case KubeKind::kNode: read_node(object, out); break;
    case KubeKind::kService: read_service(object, out); break;
    case KubeKind::kPod: read_pod(object, out); break;
    case KubeKind::kEndpoints: read_endpoints(object, out); break;
    case KubeKind::kEndpointSlice: read_slice(object, out); break;
    case KubeKind::kIngress: read_ingress(object, out); break;
  }
  return out;
}

}  // namespace gatehouse::collect
