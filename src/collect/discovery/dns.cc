// Targets from DNS: SRV, A, AAAA, MX and NS records, asked for by the system's
// resolver on the Pool. Label names after Prometheus, discovery/dns.
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <map>
#include <memory>

#include "collect/discovery/discovery.h"
#include "net/ip_address.h"

namespace gatehouse::collect {

namespace {

// The most that an answer over TCP can be.
constexpr size_t kAnswerBytesMax = 65535;

int record_type(const std::string& type) {
  if (type == "A") return ns_t_a;
  if (type == "AAAA") return ns_t_aaaa;
  if (type == "MX") return ns_t_mx;
  if (type == "NS") return ns_t_ns;
  return ns_t_srv;
}

std::string host_port(const std::string& host, int port) {
  const bool six = host.find(':') != std::string::npos;
  return (six ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string name_at(const ns_msg& answer, const unsigned char* at) {
  char name[NS_MAXDNAME];
  if (::ns_name_uncompress(ns_msg_base(answer), ns_msg_end(answer), at, name, sizeof name) < 0) {
    return {};
  }
  std::string out = name;
  while (out.ends_with('.')) out.pop_back();
  return out;
}

std::optional<model::Labels> target_of(const ns_msg& answer, const ns_rr& record,
                                       const std::string& name, int port) {
  const unsigned char* bytes = ns_rr_rdata(record);
  const size_t size = ns_rr_rdlen(record);
  std::vector<model::Labels::Pair> labels = {{"__meta_dns_name", name}};
  const auto add = [&](const std::string& host, int at_port) {
    labels.emplace_back("__address__", host_port(host, at_port));
  };
  switch (ns_rr_type(record)) {
    case ns_t_srv: {
      if (size < 7) return std::nullopt;
      const std::string host = name_at(answer, bytes + 6);
      const int srv_port = ns_get16(bytes + 4);
      labels.emplace_back("__meta_dns_srv_record_target", host + ".");
      labels.emplace_back("__meta_dns_srv_record_port", std::to_string(srv_port));
      add(host, srv_port);
      break;
    }
    case ns_t_mx: {
      if (size < 3) return std::nullopt;
      const std::string host = name_at(answer, bytes + 2);
      labels.emplace_back("__meta_dns_mx_record_target", host + ".");
      add(host, port);
      break;
    }
    case ns_t_ns: {
      const std::string host = name_at(answer, bytes);
      labels.emplace_back("__meta_dns_ns_record_target", host + ".");
      add(host, port);
      break;
    }
    case ns_t_a:
    case ns_t_aaaa: {
      char text[INET6_ADDRSTRLEN];
      const bool four = ns_rr_type(record) == ns_t_a;
      if (size != (four ? 4u : 16u)) return std::nullopt;
      if (::inet_ntop(four ? AF_INET : AF_INET6, bytes, text, sizeof text) == nullptr) {
        return std::nullopt;
      }
      add(text, port);
      break;
    }
    default: return std::nullopt;  // CNAMEs on the way
  }
  return model::Labels(std::move(labels));
}

// Blocks for some seconds at worst: for the Pool.
Result<TargetGroup> look_up(const std::string& name, const DnsDiscoveryConfig& config,
                            const std::string& nameserver) {
  struct __res_state resolver {};
  if (::res_ninit(&resolver) != 0) return unavailable("the resolver cannot be set up");
  const std::unique_ptr<struct __res_state, void (*)(struct __res_state*)> closing(
      &resolver, [](struct __res_state* state) { ::res_nclose(state); });
  if (const size_t colon = nameserver.rfind(':'); colon != std::string::npos) {
    sockaddr_in& server = resolver.nsaddr_list[0];
    server = {};
    server.sin_family = AF_INET;
    server.sin_port = htons(static_cast<uint16_t>(std::stoi(nameserver.substr(colon + 1))));
    ::inet_pton(AF_INET, nameserver.substr(0, colon).c_str(), &server.sin_addr);
    resolver.nscount = 1;
  }
  std::vector<unsigned char> answer(kAnswerBytesMax);
  const int bytes = ::res_nsearch(&resolver, name.c_str(), ns_c_in, record_type(config.type),
                                  answer.data(), static_cast<int>(answer.size()));
  TargetGroup group;
  group.source = name;
  if (bytes < 0) {
    // A name that has no such record is an answer; silence is none.
    if (resolver.res_h_errno == HOST_NOT_FOUND || resolver.res_h_errno == NO_DATA) return group;
    return unavailable("could not resolve \"" + name + "\"");
  }
  ns_msg message{};
  if (::ns_initparse(answer.data(), bytes, &message) != 0) {
    return data_loss("the answer for \"" + name + "\" cannot be read");
  }
  for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
    ns_rr record{};
    if (::ns_parserr(&message, ns_s_an, i, &record) != 0) continue;
    if (auto target = target_of(message, record, name, config.port)) {
      group.targets.push_back(std::move(*target));
    }
  }
  return group;
}

class DnsDiscovery : public Discovery {
 public:
  DnsDiscovery(const DiscoveryScope& scope, DnsDiscoveryConfig config)
      : loop_(scope.loop),
        pool_(scope.pool),
        nameserver_(scope.nameserver),
        config_(std::move(config)) {}

  Task<void> run(GroupUpdate update, Cancel& stop) override {
    std::map<std::string, TroubleLog> troubles;
    for (const std::string& name : config_.names) {
      troubles.emplace(name, TroubleLog("dns", name));
    }
    while (!stop.fired()) {
      for (const std::string& name : config_.names) {
        const std::string* asked = &name;
        Result<TargetGroup> group = co_await pool_.run(
            loop_, [this, asked] { return look_up(*asked, config_, nameserver_); });
        if (stop.fired()) co_return;
        troubles.at(name).report(group.ok() ? Status() : group.status());
        if (!group.ok()) continue;
        std::vector<TargetGroup> groups;
        groups.push_back(std::move(*group));
        update(std::move(groups));
      }
      const Wake wake = co_await loop_.sleep_for(config_.refresh_interval_ms, &stop);
      if (wake == Wake::kCancelled) co_return;
    }
  }

 private:
  Loop& loop_;
  Pool& pool_;
  std::string nameserver_;
  DnsDiscoveryConfig config_;
};

}  // namespace

std::unique_ptr<Discovery> dns_discovery(const DiscoveryScope& scope, DnsDiscoveryConfig config) {
  return std::make_unique<DnsDiscovery>(scope, std::move(config));
}

}  // namespace gatehouse::collect
