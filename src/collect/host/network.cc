// Protocols and interfaces. Formats: Linux, net/core/net-procfs.c, net/ipv4/proc.c,
// Documentation/networking/proc_net_tcp.rst, net/netfilter/nf_conntrack_standalone.c.
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "collect/host/collectors.h"

namespace gatehouse::collect {

namespace {

// node_exporter's default choice among the some 400 counters of the kernel, and
// three of those that the Node Exporter Full dashboard asks for besides.
bool wanted_netstat(std::string_view protocol, std::string_view field) {
  const auto is_one_of = [&](std::initializer_list<std::string_view> fields) {
    return std::find(fields.begin(), fields.end(), field) != fields.end();
  };
  if (field == "InErrors" || field == "InErrs") return true;
  if (protocol == "Ip") return field == "Forwarding";
  if (protocol == "Ip6" || protocol == "IpExt") return is_one_of({"InOctets", "OutOctets"});
  if (protocol == "Icmp" || protocol == "Icmp6") return is_one_of({"InMsgs", "OutMsgs"});
  if (protocol == "TcpExt") {
    return field.starts_with("Listen") || field.starts_with("Syncookies") ||
           is_one_of({"TCPSynRetrans", "TCPTimeouts", "TCPOFOQueue", "TCPRcvQDrop"});
  }
  if (protocol == "Tcp") {
    return is_one_of({"ActiveOpens", "InSegs", "OutSegs", "OutRsts", "PassiveOpens", "RetransSegs",
                      "CurrEstab", "MaxConn"});
  }
  if (protocol == "Udp" || protocol == "Udp6") {
    return is_one_of({"InDatagrams", "OutDatagrams", "NoPorts", "RcvbufErrors", "SndbufErrors"});
  }
  return false;
}

void add_netstat(SampleSink& sink, std::string_view protocol, std::string_view field,
                 std::string_view value) {
  const auto number = host_number(value);
  if (!number || !wanted_netstat(protocol, field)) return;
  const std::string name = "node_netstat_" + std::string(protocol) + "_" + std::string(field);
  const std::string help = "Statistic " + std::string(protocol) + std::string(field) + ".";
  sink.untyped(name, help, *number);
}

// Pairs of lines: "Tcp: RtoAlgorithm ...", "Tcp: 1 ...".
void netstat_pairs(SampleSink& sink, std::string_view text) {
  std::string_view names, values;
  while (next_line(text, names) && next_line(text, values)) {
    std::string_view protocol = next_word(names);
    next_word(values);
    if (!protocol.ends_with(':')) continue;
    protocol.remove_suffix(1);
    for (std::string_view field = next_word(names); !field.empty(); field = next_word(names)) {
      add_netstat(sink, protocol, field, next_word(values));
    }
  }
}

// "Ip6InReceives   0" a line.
void netstat_flat(SampleSink& sink, std::string_view text) {
  std::string_view line;
  while (next_line(text, line)) {
    const std::string_view word = next_word(line);
    const size_t six = word.find('6');
    if (six == std::string_view::npos) continue;
    add_netstat(sink, word.substr(0, six + 1), word.substr(six + 1), next_word(line));
  }
}

void sockstat_file(SampleSink& sink, std::string_view text, double page_bytes) {
  std::string_view line;
  while (next_line(text, line)) {
    std::string_view protocol = next_word(line);
    if (!protocol.ends_with(':')) continue;
    protocol.remove_suffix(1);
    if (protocol == "sockets") {
      next_word(line);
      sink.gauge("node_sockstat_sockets_used", "Number of IPv4 sockets in use.",
                 number_or_zero(next_word(line)));
      continue;
    }
    const auto add = [&](std::string_view field, double value) {
      const std::string what = std::string(protocol) + "_" + std::string(field);
      const std::string help =
          "Number of " + std::string(protocol) + " sockets in state " + std::string(field) + ".";
      sink.gauge("node_sockstat_" + what, help, value);
    };
    for (std::string_view field = next_word(line); !field.empty(); field = next_word(line)) {
      const double value = number_or_zero(next_word(line));
      add(field, value);
      if (field == "mem") add("mem_bytes", value * page_bytes);
    }
  }
}

// Sums tx_queue and rx_queue of /proc/net/udp: the fifth column, "tx:rx" in hex.
bool udp_queue(HostScope& scope, std::string_view file, std::string_view version) {
  const auto text = scope.files.proc(file);
  if (!text) return false;
  double tx = 0, rx = 0;
  std::string_view rest = *text, line;
  next_line(rest, line);
  while (next_line(rest, line)) {
    for (int skipped = 0; skipped < 4; ++skipped) next_word(line);
    const std::string_view queues = next_word(line);
    const size_t colon = queues.find(':');
    if (colon == std::string_view::npos) continue;
    tx += static_cast<double>(hex_number(queues.substr(0, colon)).value_or(0));
    rx += static_cast<double>(hex_number(queues.substr(colon + 1)).value_or(0));
  }
  constexpr std::string_view kHelp =
      "Number of allocated memory in the kernel for UDP datagrams in bytes.";
  scope.sink.gauge("node_udp_queues", kHelp, tx, {{"ip", version}, {"queue", "tx"}});
  scope.sink.gauge("node_udp_queues", kHelp, rx, {{"ip", version}, {"queue", "rx"}});
  return true;
}

struct DeviceColumn {
  const char* name;
  const char* help;
};

// In the order of /proc/net/dev.
constexpr std::array<DeviceColumn, 16> kDeviceColumns = {{
    {"node_network_receive_bytes_total", "Network device statistic receive_bytes."},
    {"node_network_receive_packets_total", "Network device statistic receive_packets."},
    {"node_network_receive_errs_total", "Network device statistic receive_errs."},
    {"node_network_receive_drop_total", "Network device statistic receive_drop."},
    {"node_network_receive_fifo_total", "Network device statistic receive_fifo."},
    {"node_network_receive_frame_total", "Network device statistic receive_frame."},
    {"node_network_receive_compressed_total", "Network device statistic receive_compressed."},
    {"node_network_receive_multicast_total", "Network device statistic receive_multicast."},
    {"node_network_transmit_bytes_total", "Network device statistic transmit_bytes."},
    {"node_network_transmit_packets_total", "Network device statistic transmit_packets."},
    {"node_network_transmit_errs_total", "Network device statistic transmit_errs."},
    {"node_network_transmit_drop_total", "Network device statistic transmit_drop."},
    {"node_network_transmit_fifo_total", "Network device statistic transmit_fifo."},
    {"node_network_transmit_colls_total", "Network device statistic transmit_colls."},
    {"node_network_transmit_carrier_total", "Network device statistic transmit_carrier."},
    {"node_network_transmit_compressed_total", "Network device statistic transmit_compressed."},
}};

// Listing sockets takes a microsecond each, and the walk over the kernel's table some
// milliseconds even where it is empty: done once a minute, and not where there are
// thousands.
constexpr double kSocketsMax = 5000;
constexpr int64_t kSocketsEveryNs = 60'000'000'000;

std::map<std::string, double> count_sockets(HostFiles& files) {
  // include/net/tcp_states.h, from 1.
  static constexpr std::array<std::string_view, 11> kStates = {
      "established", "syn_sent",   "syn_recv", "fin_wait1", "fin_wait2", "time_wait",
      "close",       "close_wait", "last_ack", "listen",    "closing"};
  std::array<double, kStates.size()> counts{};
  double tx = 0, rx = 0;
  bool any = false;
  for (const std::string_view file : {"net/tcp", "net/tcp6"}) {
    const auto text = files.proc(file);
    if (!text) continue;
    any = true;
    std::string_view rest = *text, line;
    next_line(rest, line);
    while (next_line(rest, line)) {
      for (int skipped = 0; skipped < 3; ++skipped) next_word(line);
      const uint64_t state = hex_number(next_word(line)).value_or(0);
      const std::string_view queues = next_word(line);
      const size_t colon = queues.find(':');
      if (state == 0 || state > kStates.size() || colon == std::string_view::npos) continue;
      ++counts[state - 1];
      tx += static_cast<double>(hex_number(queues.substr(0, colon)).value_or(0));
      rx += static_cast<double>(hex_number(queues.substr(colon + 1)).value_or(0));
    }
  }
  std::map<std::string, double> out;
  if (!any) return out;
  for (size_t i = 0; i < kStates.size(); ++i) out.emplace(kStates[i], counts[i]);
  out["rx_queued_bytes"] = rx;
  out["tx_queued_bytes"] = tx;
  return out;
}

}  // namespace

bool collect_netdev(HostScope& scope) {
  const auto text = scope.files.proc("net/dev");
  if (!text) return false;
  std::vector<std::string> devices;
  std::string_view rest = *text, line;
  while (next_line(rest, line)) {
    const size_t colon = line.rfind(':');  // an alias, "eth0:1", holds one itself
    if (colon == std::string_view::npos) continue;
    const std::string_view device = trim(line.substr(0, colon));
    line.remove_prefix(colon + 1);
    for (const DeviceColumn& column : kDeviceColumns) {
      const auto value = host_number(next_word(line));
      if (!value) break;
      scope.sink.counter(column.name, column.help, *value, {{"device", device}});
    }
    devices.emplace_back(device);
  }
  for (const std::string& device : devices) {
    const auto count = scope.files.sys_number("class/net/" + device + "/statistics/rx_nohandler");
    if (!count) continue;
    scope.sink.counter("node_network_receive_nohandler_total",
                       "Network device statistic receive_nohandler.", *count, {{"device", device}});
  }
  return true;
}

bool collect_netstat(HostScope& scope) {
  bool any = false;
  for (const std::string_view file : {"net/snmp", "net/netstat"}) {
    if (const auto text = scope.files.proc(file)) {
      netstat_pairs(scope.sink, *text);
      any = true;
    }
  }
  if (const auto text = scope.files.proc("net/snmp6")) netstat_flat(scope.sink, *text);
  return any;
}

bool collect_sockstat(HostScope& scope) {
  const auto page_bytes = static_cast<double>(::sysconf(_SC_PAGESIZE));
  bool any = false;
  for (const std::string_view file : {"net/sockstat", "net/sockstat6"}) {
    if (const auto text = scope.files.proc(file)) {
      sockstat_file(scope.sink, *text, page_bytes);
      any = true;
    }
  }
  return any;
}

bool collect_conntrack(HostScope& scope) {
  const auto count = scope.files.proc_number("sys/net/netfilter/nf_conntrack_count");
  const auto most = scope.files.proc_number("sys/net/netfilter/nf_conntrack_max");
  if (!count || !most) return false;
  scope.sink.gauge("node_nf_conntrack_entries",
                   "Number of currently allocated flow entries for connection tracking.", *count);
  scope.sink.gauge("node_nf_conntrack_entries_limit", "Maximum size of connection tracking table.",
                   *most);
  const auto text = scope.files.proc("net/stat/nf_conntrack");
  if (!text) return true;
  std::string_view rest = *text, names, line;
  if (!next_line(rest, names)) return true;
  std::vector<std::string_view> columns;
  for (std::string_view name = next_word(names); !name.empty(); name = next_word(names)) {
    columns.push_back(name);
  }
  std::map<std::string_view, double> sums;  // over the processors
  while (next_line(rest, line)) {
    for (const std::string_view column : columns) {
      sums[column] += static_cast<double>(hex_number(next_word(line)).value_or(0));
    }
  }
  struct Source {
    const char* column;
    const char* name;
    const char* help;
  };
  static constexpr Source kSources[] = {
      {"found", "node_nf_conntrack_stat_found",
       "Number of searched entries which were successful."},
      {"invalid", "node_nf_conntrack_stat_invalid",
       "Number of packets seen which can not be tracked."},
      {"ignore", "node_nf_conntrack_stat_ignore",
       "Number of packets seen which are already connected to a conntrack entry."},
      {"insert", "node_nf_conntrack_stat_insert", "Number of entries inserted into the list."},
      {"insert_failed", "node_nf_conntrack_stat_insert_failed",
       "Number of entries for which list insertion was attempted but failed."},
      {"drop", "node_nf_conntrack_stat_drop",
       "Number of packets dropped due to conntrack failure."},
      {"early_drop", "node_nf_conntrack_stat_early_drop",
       "Number of dropped conntrack entries to make room for new ones, if maximum table size was "
       "reached."},
      {"search_restart", "node_nf_conntrack_stat_search_restart",
       "Number of conntrack table lookups which had to be restarted due to hashtable resizes."},
  };
  for (const Source& source : kSources) {
    const auto sum = sums.find(source.column);
    if (sum != sums.end()) scope.sink.gauge(source.name, source.help, sum->second);
  }
  return true;
}

bool collect_arp(HostScope& scope) {
  const auto text = scope.files.proc("net/arp");
  if (!text) return false;
  std::map<std::string, double> entries;
  std::string_view rest = *text, line;
  next_line(rest, line);
  while (next_line(rest, line)) {
    std::string_view device;
    for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
      device = word;
    }
    if (!device.empty()) ++entries[std::string(device)];
  }
  for (const auto& [device, count] : entries) {
    scope.sink.gauge("node_arp_entries", "ARP entries by device", count, {{"device", device}});
  }
  return true;
}

bool collect_udp_queues(HostScope& scope) {
  const bool four = udp_queue(scope, "net/udp", "v4");
  const bool six = udp_queue(scope, "net/udp6", "v6");
  return four || six;
}

bool collect_tcpstat(HostScope& scope) {
  double sockets = 0;
  if (const auto text = scope.files.proc("net/sockstat")) {
    std::string_view rest = *text, line;
    while (next_line(rest, line)) {
      if (next_word(line) != "TCP:") continue;
      for (std::string_view field = next_word(line); !field.empty(); field = next_word(line)) {
        const double value = number_or_zero(next_word(line));
        if (field == "inuse" || field == "tw") sockets += value;
      }
    }
  }
  if (sockets > kSocketsMax) return false;
  const int64_t now = scope.clock.steady_ns();
  HostMemory& memory = scope.memory;
  if (memory.sockets_at_ns == INT64_MIN || now - memory.sockets_at_ns >= kSocketsEveryNs) {
    memory.sockets_at_ns = now;
    memory.sockets_by_state = count_sockets(scope.files);
  }
  for (const auto& [state, count] : memory.sockets_by_state) {
    scope.sink.gauge("node_tcp_connection_states", "Number of connection states.", count,
                     {{"state", state}});
  }
  return !memory.sockets_by_state.empty();
}

}  // namespace gatehouse::collect
