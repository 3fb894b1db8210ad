// DNS against a name server, and Kubernetes against an API server, both of the test's own.
#include "collect/discovery/discovery.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "collect/discovery/kubernetes_targets.h"
#include "net/net_test_peers.h"
#include "net/url.h"

namespace gatehouse::collect {
namespace {

using net::test::LoopThread;
using net::test::TestServer;

bool soon(const std::function<bool()>& holds, int wait_ms = 10'000) {
  for (int waited = 0; waited < wait_ms; waited += 10) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return holds();
}

// Runs a Discovery on a loop of its own and keeps its groups as a job would.
class Running {
 public:
  using Make = std::function<std::unique_ptr<Discovery>(const DiscoveryScope&)>;
  explicit Running(const Make& make, const std::string& nameserver = {}) {
    thread_.run([&]() -> Task<void> {
      const DiscoveryScope scope{thread_.loop, pool_, {}, nameserver};
      discovery_ = make(scope);
      detach(run());
      co_return;
    });
  }
  ~Running() {
    thread_.run([this]() -> Task<void> {
      stop_.fire();
      while (!ended_) co_await thread_.loop.sleep_for(5);
      discovery_.reset();
    });
  }
  // Every target's labels, those of its group among them, by address.
  std::map<std::string, model::Labels> targets() {
    const std::lock_guard lock(mutex_);
    std::map<std::string, model::Labels> out;
    for (const auto& [source, group] : groups_) {
      for (const model::Labels& target : group.targets) {
        model::Labels all = group.labels;
        for (const auto& [name, value] : target.pairs()) all = all.with(name, value);
        out[std::string(all.get("__address__"))] = all;
      }
    }
    return out;
  }
  bool finds(const std::vector<std::string>& addresses) {
    return soon([&] {
      const auto all = targets();
      if (all.size() != addresses.size()) return false;
      return std::all_of(addresses.begin(), addresses.end(),
                         [&](const std::string& each) { return all.contains(each); });
    });
  }

 private:
  Task<void> run() {
    co_await discovery_->run(
        [this](std::vector<TargetGroup> groups) {
          const std::lock_guard lock(mutex_);
          for (TargetGroup& group : groups) {
            if (group.targets.empty()) {
              groups_.erase(group.source);
            } else {
              groups_[group.source] = std::move(group);
            }
          }
        },
        stop_);
    ended_ = true;
  }

  Pool pool_{2};
  LoopThread thread_;
  std::unique_ptr<Discovery> discovery_;
  Cancel stop_;
  bool ended_ = false;
  std::mutex mutex_;
  std::map<std::string, TargetGroup> groups_;
};

// ---- DNS ----

std::string wire_name(const std::string& name) {
  std::string out;
  size_t begin = 0;
  while (begin < name.size()) {
    const size_t end = std::min(name.find('.', begin), name.size());
    out += static_cast<char>(end - begin);
    out += name.substr(begin, end - begin);
    begin = end + 1;
  }
  return out + '\0';
}

std::string two(unsigned value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 255)};
}

// Answers each question with the records given for its type.
class NameServer {
 public:
  explicit NameServer(std::map<unsigned, std::vector<std::string>> records)
      : records_(std::move(records)) {
    fd_ = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof at;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&at), bytes), 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &bytes);
    address = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~NameServer() {
    ::shutdown(fd_, SHUT_RDWR);
    stopping_ = true;
    thread_.join();
    ::close(fd_);
  }
  std::string address;

 private:
  void serve() {
    while (!stopping_) {
      char question[512];
      sockaddr_in from{};
      socklen_t bytes = sizeof from;
      const timeval patience{0, 50'000};
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      const ssize_t got =
          ::recvfrom(fd_, question, sizeof question, 0, reinterpret_cast<sockaddr*>(&from), &bytes);
      if (got < 17) continue;
      const std::string asked(question + 12, std::string(question + 12).size() + 5);
      const unsigned type = static_cast<unsigned char>(asked[asked.size() - 3]);
      const auto& found = records_[type];
      std::string reply(question, 2);
      reply += std::string("\x81\x80", 2) + two(1) + two(static_cast<unsigned>(found.size())) +
               two(0) + two(0) + asked;
      for (const std::string& data : found) {
        reply += std::string("\xc0\x0c", 2) + two(type) + two(1) + two(0) + two(60) +
                 two(static_cast<unsigned>(data.size())) + data;
      }
      ::sendto(fd_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), bytes);
    }
  }

  std::map<unsigned, std::vector<std::string>> records_;
  int fd_ = -1;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

TEST(DnsDiscoveryTest, ServiceAddressAndMailRecords) {
  NameServer server({{33, {two(0) + two(5) + two(9100) + wire_name("a.example")}},
                     {1, {"\x0a\x01\x02\x03", "\x0a\x01\x02\x04"}},
                     {15, {two(10) + wire_name("mail.example")}}});
  const auto find = [&](const std::string& type, const std::vector<std::string>& addresses) {
    DnsDiscoveryConfig config;
    config.names = {"svc.example."};
    config.type = type;
    config.port = type == "SRV" ? 0 : 25;
    Running running([&](const DiscoveryScope& scope) { return dns_discovery(scope, config); },
                    server.address);
    EXPECT_TRUE(running.finds(addresses)) << type;
    return running.targets();
  };
  const auto service = find("SRV", {"a.example:9100"});
  EXPECT_EQ(service.begin()->second.get("__meta_dns_name"), "svc.example.");
  EXPECT_EQ(service.begin()->second.get("__meta_dns_srv_record_target"), "a.example.");
  EXPECT_EQ(service.begin()->second.get("__meta_dns_srv_record_port"), "9100");
  find("A", {"10.1.2.3:25", "10.1.2.4:25"});
  find("MX", {"mail.example:25"});
}

// ---- Kubernetes ----

// Lists what it is given by path, and sends events to whoever watches.
class ApiServer {
 public:
  ApiServer() : server_([this](net::Exchange& exchange) { return serve(exchange); }) {}

  void set(const std::string& path, const std::string& items) {
    const std::lock_guard lock(mutex_);
    lists_[path] = items;
  }
  void send(const std::string& path, const std::string& type, std::string object) {
    std::replace(object.begin(), object.end(), '\n', ' ');  // an event is a line
    const std::lock_guard lock(mutex_);
    events_[path].push_back("{\"type\":\"" + type + "\",\"object\":" + object + "}\n");
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }
  std::atomic<int> watches{0};
  std::string authorization, query;

 private:
  Task<void> serve(net::Exchange& exchange) {
    const std::string path(exchange.request().path);
    const std::string asked(exchange.request().query);
    std::string body;
    bool known = false;
    {
      const std::lock_guard lock(mutex_);
      authorization = exchange.request().headers.get("authorization");
      known = lists_.contains(path);
      if (asked.find("watch=true") == std::string::npos) {
        query = asked;
        body = "{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[" + lists_[path] + "]}";
      }
    }
    const std::vector<net::Header> headers = {{"content-type", "application/json"}};
    if (!body.empty()) {
      net::Reply reply;
      reply.status = known ? 200 : 404;
      reply.headers = headers;
      reply.body = body;
      const Status sent = co_await exchange.reply(reply);
      (void)sent;
      co_return;
    }
    ++watches;
    const Status started = co_await exchange.start(200, headers);
    (void)started;
    while (!exchange.client_left()) {
      std::string event;
      {
        const std::lock_guard lock(mutex_);
        auto& all = events_[path];
        if (!all.empty()) {
          event = all.front();  // one watches a path at a time
          all.erase(all.begin());
        }
      }
      if (!event.empty()) {
        const Status written = co_await exchange.write(event);
        if (!written.ok()) co_return;
      }
      co_await exchange.loop().sleep_for(10, &exchange.cancel());
    }
  }

  std::mutex mutex_;
  std::map<std::string, std::string> lists_;
  std::map<std::string, std::vector<std::string>> events_;
  TestServer server_;
};

KubernetesDiscoveryConfig kubernetes(const ApiServer& api, const std::string& role) {
  KubernetesDiscoveryConfig config;
  config.api_server = api.url();
  config.role = role;
  config.http.authorization.emplace().credentials.text = "t";
  return config;
}

const char* const kPod = R"({"metadata":{"namespace":"prod","name":"web-1","uid":"u1",
  "labels":{"app.kubernetes.io/name":"web"},"annotations":{"a/b":"c"},
  "ownerReferences":[{"kind":"ReplicaSet","name":"web","controller":true}]},
 "spec":{"nodeName":"n1","containers":[{"name":"c","image":"img:1","ports":
   [{"name":"http","containerPort":8080,"protocol":"TCP"},{"containerPort":9090}]},
   {"name":"side","image":"s:1"}]},
 "status":{"podIP":"10.0.0.1","hostIP":"192.168.0.1","phase":"Running",
   "conditions":[{"type":"Ready","status":"True"}],
   "containerStatuses":[{"name":"c","containerID":"containerd://1"}]}})";

TEST(KubernetesDiscoveryTest, PodsListedAndWatched) {
  ApiServer api;
  api.set("/api/v1/namespaces/prod/pods", kPod);
  KubernetesDiscoveryConfig config = kubernetes(api, "pod");
  config.namespaces = {"prod"};
  config.selectors = {{"pod", "app=web", ""}};
  Running running([&](const DiscoveryScope& scope) { return kubernetes_discovery(scope, config); });
  ASSERT_TRUE(running.finds({"10.0.0.1:8080", "10.0.0.1:9090", "10.0.0.1"}));
  EXPECT_EQ(api.authorization, "Bearer t");
  EXPECT_NE(api.query.find("labelSelector=app%3Dweb"), std::string::npos) << api.query;
  const std::string meta = "__meta_kubernetes_";
  const std::map<std::string, std::string> wanted = {
      {"namespace", "prod"},
      {"pod_name", "web-1"},
      {"pod_ip", "10.0.0.1"},
      {"pod_label_app_kubernetes_io_name", "web"},
      {"pod_labelpresent_app_kubernetes_io_name", "true"},
      {"pod_annotation_a_b", "c"},
      {"pod_annotationpresent_a_b", "true"},
      {"pod_ready", "true"},
      {"pod_phase", "Running"},
      {"pod_node_name", "n1"},
      {"pod_host_ip", "192.168.0.1"},
      {"pod_uid", "u1"},
      {"pod_controller_kind", "ReplicaSet"},
      {"pod_controller_name", "web"},
      {"pod_container_name", "c"},
      {"pod_container_image", "img:1"},
      {"pod_container_id", "containerd://1"},
      {"pod_container_init", "false"},
      {"pod_container_port_name", "http"},
      {"pod_container_port_number", "8080"},
      {"pod_container_port_protocol", "TCP"},
  };
  const auto all = running.targets();
  const model::Labels& web = all.at("10.0.0.1:8080");
  for (const auto& [name, value] : wanted) EXPECT_EQ(web.get(meta + name), value) << name;
  EXPECT_EQ(web.pairs().size(), wanted.size() + 1);

  ASSERT_TRUE(soon([&] { return api.watches >= 1; }));
  std::string second = kPod;
  second.replace(second.find("web-1"), 5, "web-2");
  second.replace(second.find("10.0.0.1"), 8, "10.0.0.2");
  api.send("/api/v1/namespaces/prod/pods", "ADDED", second);
  ASSERT_TRUE(soon([&] { return running.targets().size() == 6; }));
  api.send("/api/v1/namespaces/prod/pods", "DELETED", kPod);
  ASSERT_TRUE(running.finds({"10.0.0.2:8080", "10.0.0.2:9090", "10.0.0.2"}));
  // Too old a version: listed again.
  api.set("/api/v1/namespaces/prod/pods", kPod);
  api.send("/api/v1/namespaces/prod/pods", "ERROR", R"({"code":410,"message":"too old"})");
  ASSERT_TRUE(running.finds({"10.0.0.1:8080", "10.0.0.1:9090", "10.0.0.1"}));
}

TEST(KubernetesDiscoveryTest, NodesServicesAndIngresses) {
  ApiServer api;
  api.set("/api/v1/nodes", R"({"metadata":{"name":"n1","labels":{"zone":"a"}},
    "spec":{"providerID":"p"},"status":{"addresses":[{"type":"Hostname","address":"n1.local"},
    {"type":"InternalIP","address":"192.168.0.1"}],
    "daemonEndpoints":{"kubeletEndpoint":{"Port":10250}}}})");
  api.set("/api/v1/services", R"({"metadata":{"namespace":"prod","name":"web"},
    "spec":{"type":"ClusterIP","clusterIP":"10.1.0.1","ports":[{"name":"http","port":80}]}})");
  api.set("/apis/networking.k8s.io/v1/ingresses", R"({"metadata":{"namespace":"prod","name":"i"},
    "spec":{"ingressClassName":"nginx","tls":[{"hosts":["*.example.com"]}],
    "rules":[{"host":"www.example.com","http":{"paths":[{"path":"/a"}]}},{"host":"plain.org"}]}})");
  const auto find = [&](const std::string& role, const std::vector<std::string>& addresses) {
    Running running([&](const DiscoveryScope& scope) {
      return kubernetes_discovery(scope, kubernetes(api, role));
    });
    EXPECT_TRUE(running.finds(addresses)) << role;
    return running.targets();
  };
  auto nodes = find("node", {"192.168.0.1:10250"});
  const model::Labels& node = nodes["192.168.0.1:10250"];
  EXPECT_EQ(node.get("instance"), "n1");
  EXPECT_EQ(node.get("__meta_kubernetes_node_name"), "n1");
  EXPECT_EQ(node.get("__meta_kubernetes_node_provider_id"), "p");
  EXPECT_EQ(node.get("__meta_kubernetes_node_label_zone"), "a");
  EXPECT_EQ(node.get("__meta_kubernetes_node_address_Hostname"), "n1.local");
  auto services = find("service", {"web.prod.svc:80"});
  const model::Labels& service = services["web.prod.svc:80"];
  EXPECT_EQ(service.get("__meta_kubernetes_service_cluster_ip"), "10.1.0.1");
  EXPECT_EQ(service.get("__meta_kubernetes_service_port_name"), "http");
  EXPECT_EQ(service.get("__meta_kubernetes_service_type"), "ClusterIP");
  auto ingresses = find("ingress", {"www.example.com", "plain.org"});
  EXPECT_EQ(ingresses["www.example.com"].get("__meta_kubernetes_ingress_scheme"), "https");
  EXPECT_EQ(ingresses["www.example.com"].get("__meta_kubernetes_ingress_path"), "/a");
  EXPECT_EQ(ingresses["plain.org"].get("__meta_kubernetes_ingress_scheme"), "http");
  EXPECT_EQ(ingresses["plain.org"].get("__meta_kubernetes_ingress_class_name"), "nginx");
}

TEST(KubernetesDiscoveryTest, EndpointsJoinedWithPodsAndServices) {
  ApiServer api;
  api.set("/api/v1/pods", kPod);
  api.set("/api/v1/services", R"({"metadata":{"namespace":"prod","name":"web",
    "labels":{"team":"x"}},"spec":{"ports":[]}})");
  api.set("/api/v1/nodes", R"({"metadata":{"name":"n1","labels":{"zone":"a"}},"spec":{}})");
  const std::string reference =
      R"("nodeName":"n1","targetRef":{"kind":"Pod","namespace":"prod","name":"web-1"})";
  api.set("/api/v1/endpoints", R"({"metadata":{"namespace":"prod","name":"web"},"subsets":[{
    "addresses":[{"ip":"10.0.0.1",)" +
                                   reference + R"(}],
    "notReadyAddresses":[{"ip":"10.0.0.9"}],"ports":[{"name":"http","port":8080}]}]})");
  api.set("/apis/discovery.k8s.io/v1/endpointslices", R"({"metadata":{"namespace":"prod",
    "name":"web-abc","labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4",
    "endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":true,"serving":true},
    "zone":"z",)" + reference + R"(}],"ports":[{"name":"http","port":8080,"protocol":"TCP"}]})");
  const auto find = [&](const std::string& role, const std::vector<std::string>& addresses) {
    KubernetesDiscoveryConfig config = kubernetes(api, role);
    config.attach_node = true;
    Running running(
        [&](const DiscoveryScope& scope) { return kubernetes_discovery(scope, config); });
    // The last of the joined lists decides when all labels are there.
    EXPECT_TRUE(soon([&] {
      const auto all = running.targets();
      const auto found = all.find("10.0.0.1:8080");
      return found != all.end() && !found->second.get("__meta_kubernetes_pod_name").empty() &&
             !found->second.get("__meta_kubernetes_node_label_zone").empty() &&
             !found->second.get("__meta_kubernetes_service_label_team").empty();
    })) << role;
    EXPECT_TRUE(running.finds(addresses)) << role;
    return running.targets();
  };
  auto endpoints = find("endpoints", {"10.0.0.1:8080", "10.0.0.9:8080", "10.0.0.1:9090"});
  const model::Labels& first = endpoints["10.0.0.1:8080"];
  EXPECT_EQ(first.get("__meta_kubernetes_endpoints_name"), "web");
  EXPECT_EQ(first.get("__meta_kubernetes_endpoint_ready"), "true");
  EXPECT_EQ(first.get("__meta_kubernetes_endpoint_port_name"), "http");
  EXPECT_EQ(first.get("__meta_kubernetes_endpoint_address_target_name"), "web-1");
  EXPECT_EQ(first.get("__meta_kubernetes_pod_container_name"), "c");
  EXPECT_EQ(first.get("__meta_kubernetes_service_name"), "web");
  EXPECT_EQ(endpoints["10.0.0.9:8080"].get("__meta_kubernetes_endpoint_ready"), "false");
  EXPECT_EQ(endpoints["10.0.0.1:9090"].get("__meta_kubernetes_pod_container_port_number"), "9090");
  auto slices = find("endpointslice", {"10.0.0.1:8080", "10.0.0.1:9090"});
  const model::Labels& slice = slices["10.0.0.1:8080"];
  EXPECT_EQ(slice.get("__meta_kubernetes_endpointslice_name"), "web-abc");
  EXPECT_EQ(slice.get("__meta_kubernetes_endpointslice_address_type"), "IPv4");
  EXPECT_EQ(slice.get("__meta_kubernetes_endpointslice_endpoint_conditions_ready"), "true");
  EXPECT_EQ(slice.get("__meta_kubernetes_endpointslice_endpoint_conditions_serving"), "true");
  EXPECT_EQ(slice.get("__meta_kubernetes_endpointslice_endpoint_zone"), "z");
  EXPECT_EQ(slice.get("__meta_kubernetes_endpointslice_port"), "8080");
  EXPECT_EQ(slice.get("__meta_kubernetes_endpointslice_address_target_kind"), "Pod");
}

TEST(TargetGroupsTest, JsonYamlAndNonsense) {
  EXPECT_EQ(read_target_groups(R"([{"targets":["a:1"]},{"targets":[]}])", "x")->size(), 2u);
  EXPECT_EQ(read_target_groups("- targets: [a]\n  labels: {b: c}\n", "x")->at(0).labels.get("b"),
            "c");
  EXPECT_TRUE(read_target_groups("", "x")->empty());
  EXPECT_FALSE(read_target_groups("{}", "x").ok());
  EXPECT_FALSE(read_target_groups("- {target: [a]}", "x").ok());
}

}  // namespace
}  // namespace gatehouse::collect
