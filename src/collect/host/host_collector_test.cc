// The host collector on machines that the tests write into a directory, on this
// machine, and against Debian's prometheus-node-exporter.
#include "collect/host/host_collector.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <re2/re2.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "collect/host/containers.h"
#include "collect/host/gpus.h"
#include "wire/json.h"

namespace gatehouse::collect {
namespace {

namespace fs = std::filesystem;

// A series as text, name{a="1",b="2"}, its labels sorted and empty ones left out.
std::string series_text(std::string_view name, std::span<const model::LabelView> labels) {
  std::map<std::string, std::string> sorted;
  for (const auto& label : labels) {
    if (!label.value.empty()) sorted.emplace(label.name, label.value);
  }
  std::string out(name);
  std::string inside;
  for (const auto& [key, value] : sorted) {
    inside += (inside.empty() ? "" : ",") + key + "=\"" + value + "\"";
  }
  return inside.empty() ? out : out + "{" + inside + "}";
}

struct Gathered : SampleSink {
  std::map<std::string, double> values;
  std::set<std::string> names;
  std::vector<std::string> twice;
  void add(const Metric& metric, std::span<const model::LabelView> labels, double value) override {
    const std::string series = series_text(metric.name, labels);
    if (!values.emplace(series, value).second) twice.push_back(series);
    names.emplace(metric.name);
  }
  double at(const std::string& series) const {
    const auto found = values.find(series);
    if (found == values.end()) {
      ADD_FAILURE() << "no series " << series;
      return -12345;
    }
    return found->second;
  }
};

class TemporaryMachine : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "collect-host-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    top_ = name;
    fs::create_directories(top_ / "proc");
    fs::create_directories(top_ / "sys");
  }
  void TearDown() override { fs::remove_all(top_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((top_ / path).parent_path());
    std::ofstream(top_ / path) << text;
  }
  HostOptions options() const {
    HostOptions out;
    out.roots = {(top_ / "proc").string(), (top_ / "sys").string(), top_.string()};
    out.nvml_library = "no-such-library.so";
    return out;
  }
  Gathered machine() {
    Gathered out;
    HostCollector(options()).collect_machine(out);
    return out;
  }
  Gathered containers() {
    Gathered out;
    HostCollector(options()).collect_containers(out);
    return out;
  }
  fs::path top_;
};

TEST_F(TemporaryMachine, CpuTimesAndTheCountsOfStat) {
  write("proc/stat",
        "cpu  300 0 100 1000 50 0 10 0 0 0\n"
        "cpu0 200 5 70 600 30 1 6 2 40 3\n"
        "cpu1 100 0 30 400 20 0 4 0 0 0\n"
        "intr 12345 0 1 2\nctxt 9876\nbtime 1700000000\nprocesses 4321\nprocs_running 3\n"
        "procs_blocked 1\nsoftirq 5 1 2\n");
  const Gathered got = machine();
  const auto hz = static_cast<double>(::sysconf(_SC_CLK_TCK));
  EXPECT_DOUBLE_EQ(got.at(R"(node_cpu_seconds_total{cpu="0",mode="user"})"), 200 / hz);
  EXPECT_DOUBLE_EQ(got.at(R"(node_cpu_seconds_total{cpu="1",mode="iowait"})"), 20 / hz);
  EXPECT_DOUBLE_EQ(got.at(R"(node_cpu_seconds_total{cpu="0",mode="steal"})"), 2 / hz);
  EXPECT_DOUBLE_EQ(got.at(R"(node_cpu_guest_seconds_total{cpu="0",mode="nice"})"), 3 / hz);
  EXPECT_EQ(got.at("node_intr_total"), 12345);
  EXPECT_EQ(got.at("node_context_switches_total"), 9876);
  EXPECT_EQ(got.at("node_boot_time_seconds"), 1.7e9);
  EXPECT_EQ(got.at("node_procs_blocked"), 1);
  EXPECT_EQ(got.at(R"(node_scrape_collector_success{collector="cpu"})"), 1);
  EXPECT_EQ(got.at(R"(node_scrape_collector_success{collector="meminfo"})"), 0);
}

TEST_F(TemporaryMachine, MemoryPressureAndLoad) {
  write("proc/meminfo", "MemTotal:  1024 kB\nActive(anon): 2 kB\nHugePages_Total: 7\n");
  write("proc/vmstat", "oom_kill 3\npgfault 11\npgscan_kswapd 9\npswpin 4\nnr_free_pages 8\n");
  write("proc/pressure/cpu",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=9\n");
  write("proc/pressure/io", "some avg10=1 total=10\nfull avg10=0 total=2000000\n");
  write("proc/loadavg", "0.50 1.25 2.00 3/456 789\n");
  write("proc/schedstat", "version 15\ncpu0 0 0 0 0 0 0 2000000000 500000000 77\n");
  write("proc/net/softnet_stat",
        "000000ff 00000001 00000002 0 0 0 0 0 00000003 00000004 00000005 00000006 00000001\n");
  write("proc/interrupts",
        "           CPU0       CPU1\n  1:   9   8  IO-APIC   1-edge  i8042\nNMI:  1  2  "
        "Non-maskable interrupts\nERR: 0\n");
  const Gathered got = machine();
  EXPECT_EQ(got.at("node_memory_MemTotal_bytes"), 1024 * 1024);
  EXPECT_EQ(got.at("node_memory_Active_anon_bytes"), 2048);
  EXPECT_EQ(got.at("node_memory_HugePages_Total"), 7);
  EXPECT_EQ(got.at("node_vmstat_oom_kill"), 3);
  EXPECT_FALSE(got.names.contains("node_vmstat_pgscan_kswapd"));
  EXPECT_FALSE(got.names.contains("node_vmstat_nr_free_pages"));
  EXPECT_DOUBLE_EQ(got.at("node_pressure_cpu_waiting_seconds_total"), 1.5);
  EXPECT_DOUBLE_EQ(got.at("node_pressure_io_stalled_seconds_total"), 2);
  EXPECT_EQ(got.at("node_load5"), 1.25);
  EXPECT_EQ(got.at("node_processes_threads"), 456);
  EXPECT_DOUBLE_EQ(got.at(R"(node_schedstat_waiting_seconds_total{cpu="0"})"), 0.5);
  EXPECT_EQ(got.at(R"(node_softnet_processed_total{cpu="1"})"), 255);
  EXPECT_EQ(got.at(R"(node_softnet_received_rps_total{cpu="1"})"), 4);
  EXPECT_EQ(
      got.at(R"(node_interrupts_total{cpu="1",devices="1-edge  i8042",info="IO-APIC",type="1"})"),
      8);
  EXPECT_EQ(got.at(R"(node_interrupts_total{cpu="0",info="Non-maskable interrupts",type="NMI"})"),
            1);
}

TEST_F(TemporaryMachine, DisksWithoutPartitionsAndFilesystemsWithoutPseudoOnes) {
  write("proc/diskstats",
        "   8       0 sda 10 1 200 3000 20 2 400 5000 7 6000 8000 1 2 3 4000 5 6000\n"
        "   8       1 sda1 1 1 1 1 1 1 1 1 1 1 1\n"
        " 259       0 nvme0n1 3 0 8 1 0 0 0 0 0 0 0\n"
        " 259       1 nvme0n1p1 3 0 8 1 0 0 0 0 0 0 0\n"
        "   7       0 loop0 1 1 1 1 1 1 1 1 1 1 1\n");
  write("run/udev/data/b8:0", "S:disk/by-id/x\nE:ID_MODEL=QEMU_HARDDISK\nE:ID_SERIAL_SHORT=abc\n");
  write("proc/1/mounts",
        "/dev/sda1 / ext4 rw,relatime 0 0\n"
        "tmpfs /with\\040space tmpfs ro,nosuid 0 0\n"
        "proc /proc proc rw 0 0\n"
        "overlay /var/lib/docker/overlay2/x/merged overlay rw 0 0\n"
        "/dev/sda1 /gone/away ext4 rw 0 0\n");
  fs::create_directories(top_ / "with space");
  write("proc/mdstat",
        "Personalities : [raid1]\n"
        "md0 : active raid1 sdb1[1] sda1[0](F) sdc1[2](S)\n"
        "      1000 blocks super 1.2 [2/1] [U_]\n"
        "      [=>...]  recovery = 5.0% (50/1000) finish=1min speed=1K/sec\n\n"
        "unused devices: <none>\n");
  const Gathered got = machine();
  EXPECT_EQ(got.at(R"(node_disk_reads_completed_total{device="sda"})"), 10);
  EXPECT_EQ(got.at(R"(node_disk_written_bytes_total{device="sda"})"), 400 * 512);
  EXPECT_DOUBLE_EQ(got.at(R"(node_disk_io_time_weighted_seconds_total{device="sda"})"), 8);
  EXPECT_DOUBLE_EQ(got.at(R"(node_disk_flush_requests_time_seconds_total{device="sda"})"), 6);
  EXPECT_EQ(got.at(R"(node_disk_reads_completed_total{device="nvme0n1"})"), 3);
  for (const char* absent : {"sda1", "nvme0n1p1", "loop0"}) {
    EXPECT_FALSE(got.values.contains("node_disk_io_now{device=\"" + std::string(absent) + "\"}"));
  }
  EXPECT_EQ(
      got.at(
          R"(node_disk_info{device="sda",major="8",minor="0",model="QEMU_HARDDISK",serial="abc"})"),
      1);
  EXPECT_GT(
      got.at(R"(node_filesystem_size_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"})"), 0);
  EXPECT_EQ(
      got.at(R"(node_filesystem_readonly{device="tmpfs",fstype="tmpfs",mountpoint="/with space"})"),
      1);
  EXPECT_EQ(
      got.at(
          R"(node_filesystem_device_error{device="/dev/sda1",fstype="ext4",mountpoint="/gone/away"})"),
      1);
  for (const auto& [series, value] : got.values) {
    EXPECT_EQ(series.find("overlay"), std::string::npos) << series;
  }
  EXPECT_EQ(got.at(R"(node_md_state{device="md0",state="recovering"})"), 1);
  EXPECT_EQ(got.at(R"(node_md_disks{device="md0",state="active"})"), 1);
  EXPECT_EQ(got.at(R"(node_md_disks{device="md0",state="failed"})"), 1);
  EXPECT_EQ(got.at(R"(node_md_disks_required{device="md0"})"), 2);
  EXPECT_EQ(got.at(R"(node_md_blocks_synced{device="md0"})"), 50);
}

TEST_F(TemporaryMachine, NetworkProtocolsAndInterfaces) {
  write("proc/net/dev",
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n"
        "  eth0: 100 2 3 4 5 6 7 8 900 10 11 12 13 14 15 16\n");
  write("sys/class/net/eth0/operstate", "up\n");
  write("sys/class/net/eth0/address", "02:00:00:00:00:01\n");
  write("sys/class/net/eth0/flags", "0x1003\n");
  write("sys/class/net/eth0/speed", "1000\n");
  write("sys/class/net/eth0/statistics/rx_nohandler", "6\n");
  write("proc/net/snmp",
        "Tcp: RtoMin CurrEstab InErrs\nTcp: 200 5 1\nUdp: NoPorts Foo\nUdp: 4 5\n");
  write("proc/net/netstat", "TcpExt: SyncookiesSent ListenDrops PruneCalled\nTcpExt: 1 2 3\n");
  write("proc/net/snmp6", "Ip6InOctets    77\nUdp6NoPorts 8\nIp6InReceives 9\n");
  write("proc/net/sockstat", "sockets: used 33\nTCP: inuse 4 orphan 0 tw 6 alloc 4 mem 2\n");
  write("proc/net/tcp",
        "  sl  local_address rem_address   st tx_queue rx_queue tr\n"
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:0\n"
        "   1: 0100007F:1F90 0100007F:1F91 01 00000010:00000020 00:0\n");
  write("proc/net/udp",
        "  sl  local_address rem_address   st tx_queue rx_queue\n   0: 0:35 0:0 07 "
        "0000000A:0000000B 0\n");
  write("proc/net/arp",
        "IP address HW type Flags HW address Mask Device\n10.0.0.1 0x1 0x2 aa:bb * eth0\n10.0.0.2 "
        "0x1 0x2 aa:bc * eth0\n");
  write("proc/sys/net/netfilter/nf_conntrack_count", "12\n");
  write("proc/sys/net/netfilter/nf_conntrack_max", "262144\n");
  write("proc/net/stat/nf_conntrack",
        "entries found invalid drop\n0000000c 01 0a 1\n0000000c 01 0 2\n");
  const Gathered got = machine();
  EXPECT_EQ(got.at(R"(node_network_receive_bytes_total{device="eth0"})"), 100);
  EXPECT_EQ(got.at(R"(node_network_transmit_compressed_total{device="eth0"})"), 16);
  EXPECT_EQ(got.at(R"(node_network_receive_nohandler_total{device="eth0"})"), 6);
  EXPECT_EQ(got.at(R"(node_network_up{device="eth0"})"), 1);
  EXPECT_EQ(got.at(R"(node_network_flags{device="eth0"})"), 4099);
  EXPECT_EQ(got.at(R"(node_network_speed_bytes{device="eth0"})"), 125e6);
  EXPECT_EQ(
      got.at(R"(node_network_info{address="02:00:00:00:00:01",device="eth0",operstate="up"})"), 1);
  EXPECT_EQ(got.at("node_netstat_Tcp_CurrEstab"), 5);
  EXPECT_EQ(got.at("node_netstat_TcpExt_ListenDrops"), 2);
  EXPECT_EQ(got.at("node_netstat_Ip6_InOctets"), 77);
  EXPECT_FALSE(got.names.contains("node_netstat_Tcp_RtoMin"));
  EXPECT_FALSE(got.names.contains("node_netstat_Ip6_InReceives"));
  EXPECT_EQ(got.at("node_sockstat_TCP_mem_bytes"),
            2.0 * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(got.at(R"(node_tcp_connection_states{state="listen"})"), 1);
  EXPECT_EQ(got.at(R"(node_tcp_connection_states{state="rx_queued_bytes"})"), 32);
  EXPECT_EQ(got.at(R"(node_udp_queues{ip="v4",queue="rx"})"), 11);
  EXPECT_EQ(got.at(R"(node_arp_entries{device="eth0"})"), 2);
  EXPECT_EQ(got.at("node_nf_conntrack_stat_found"), 2);
  EXPECT_EQ(got.at("node_nf_conntrack_stat_invalid"), 10);
  EXPECT_EQ(got.at("node_nf_conntrack_stat_drop"), 3);
}

TEST_F(TemporaryMachine, SensorsZonesAndErrorCounts) {
  write("sys/devices/platform/coretemp.0/hwmon/hwmon0/name", "coretemp\n");
  const fs::path chip = top_ / "sys/devices/platform/coretemp.0/hwmon/hwmon0";
  write("sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_input", "45000\n");
  write("sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_label", "Core 0\n");
  write("sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_crit_alarm", "0\n");
  write("sys/devices/platform/coretemp.0/hwmon/hwmon0/fan1_input", "1200\n");
  fs::create_directory_symlink(top_ / "sys/devices/platform/coretemp.0", chip / "device");
  fs::create_directories(top_ / "sys/class/hwmon");
  fs::create_directory_symlink(chip, top_ / "sys/class/hwmon/hwmon0");
  write("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n");
  write("sys/class/thermal/thermal_zone0/temp", "51500\n");
  write("sys/class/thermal/cooling_device3/type", "Processor\n");
  write("sys/class/thermal/cooling_device3/cur_state", "1\n");
  write("sys/devices/system/edac/mc/mc0/ce_count", "2\n");
  write("sys/devices/system/edac/mc/mc0/csrow1/ue_count", "1\n");
  write("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "2400000\n");
  write("sys/class/nvme/nvme0/model", "Disk  \n");
  const Gathered got = machine();
  EXPECT_EQ(got.at(R"(node_hwmon_temp_celsius{chip="platform_coretemp_0",sensor="temp1"})"), 45);
  EXPECT_EQ(
      got.at(R"(node_hwmon_temp_crit_alarm_celsius{chip="platform_coretemp_0",sensor="temp1"})"),
      0);
  EXPECT_EQ(got.at(R"(node_hwmon_fan_rpm{chip="platform_coretemp_0",sensor="fan1"})"), 1200);
  EXPECT_EQ(
      got.at(
          R"(node_hwmon_sensor_label{chip="platform_coretemp_0",label="Core 0",sensor="temp1"})"),
      1);
  EXPECT_EQ(got.at(R"(node_hwmon_chip_names{chip="platform_coretemp_0",chip_name="coretemp"})"), 1);
  EXPECT_EQ(got.at(R"(node_thermal_zone_temp{type="x86_pkg_temp",zone="0"})"), 51.5);
  EXPECT_EQ(got.at(R"(node_cooling_device_cur_state{name="3",type="Processor"})"), 1);
  EXPECT_EQ(got.at(R"(node_edac_correctable_errors_total{controller="0"})"), 2);
  EXPECT_EQ(got.at(R"(node_edac_csrow_uncorrectable_errors_total{controller="0",csrow="1"})"), 1);
  EXPECT_EQ(got.at(R"(node_cpu_scaling_frequency_hertz{cpu="0"})"), 2.4e9);
  EXPECT_EQ(got.at(R"(node_nvme_info{device="nvme0",model="Disk"})"), 1);
}

TEST_F(TemporaryMachine, AnEmptyMachineGivesNoDataAndNoError) {
  const Gathered got = machine();
  EXPECT_EQ(got.at(R"(node_scrape_collector_success{collector="diskstats"})"), 0);
  EXPECT_TRUE(got.twice.empty());
  EXPECT_TRUE(containers().values.empty());
}

TEST(CgroupPathTest, TellsWhoLivesThere) {
  const std::string id(64, 'a');
  const auto kind = [](const std::string& path) { return read_cgroup_path(path).kind; };
  using Kind = CgroupPath::Kind;
  EXPECT_EQ(kind("/"), Kind::kRoot);
  EXPECT_EQ(kind("/system.slice"), Kind::kSlice);
  EXPECT_EQ(kind("/system.slice/cron.service"), Kind::kOther);
  for (const std::string& path :
       {"/system.slice/docker-" + id + ".scope", "/docker/" + id,
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-" +
            id + ".scope",
        "/kubepods/besteffort/pod1-2/" + id, "/machine.slice/libpod-" + id + ".scope",
        "/kubepods.slice/crio-" + id + ".scope"}) {
    EXPECT_EQ(kind(path), Kind::kContainer) << path;
    EXPECT_EQ(read_cgroup_path(path).container_id, id) << path;
  }
  const CgroupPath pod = read_cgroup_path("/kubepods.slice/kubepods-pod12_34.slice");
  EXPECT_EQ(pod.kind, Kind::kPod);
  EXPECT_EQ(pod.pod_uid, "12-34");
  EXPECT_EQ(read_cgroup_path("/lxc/web").container_id, "web");
}

TEST_F(TemporaryMachine, ContainersOfVersion2WithTheirKubernetesNames) {
  const std::string id(64, 'c');
  const std::string pod = "sys/fs/cgroup/kubepods.slice/kubepods-pod12_34.slice";
  const std::string at = pod + "/cri-containerd-" + id + ".scope";
  write("sys/fs/cgroup/cgroup.controllers", "cpu memory io pids\n");
  write("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 400 kB\nInactive(file): 100 kB\n");
  write(at + "/cpu.stat",
        "usage_usec 5000000\nuser_usec 3000000\nsystem_usec 2000000\nnr_periods 10\nnr_throttled "
        "2\nthrottled_usec 500000\n");
  write(at + "/cpu.max", "200000 100000\n");
  write(at + "/memory.current", "5000\n");
  write(at + "/memory.max", "max\n");
  write(at + "/memory.stat", "anon 1000\nfile 4000\ninactive_file 1500\nfile_mapped 10\n");
  write(at + "/memory.events", "low 0\noom 1\noom_kill 1\n");
  write(at + "/io.stat", "8:0 rbytes=100 wbytes=200 rios=3 wios=4 dbytes=0 dios=0\n");
  write(at + "/pids.current", "7\n");
  write(at + "/cgroup.procs", "42\n43\n");
  write("sys/dev/block/8:0/uevent", "MAJOR=8\nDEVNAME=sda\n");
  write(
      "proc/42/net/dev",
      "head\nhead\n  eth0: 11 2 3 4 0 0 0 0 55 6 7 8 0 0 0 0\n    lo: 9 9 9 9 9 9 9 9 9 9 9 9 9 9 "
      "9 9\n");
  for (const auto& [process, space] : {std::pair{"1", "net:[1]"}, {"42", "net:[2]"}}) {
    fs::create_directories(top_ / "proc" / process / "ns");
    fs::create_symlink(space, top_ / "proc" / process / "ns/net");
  }
  write("run/containerd/io.containerd.runtime.v2.task/k8s.io/" + id + "/config.json",
        R"({"annotations":{"io.kubernetes.cri.container-name":"server",
            "io.kubernetes.cri.sandbox-name":"api-0","io.kubernetes.cri.sandbox-namespace":"prod",
            "io.kubernetes.cri.image-name":"example.com/server:1"}})");
  const Gathered got = containers();
  const std::string who = "container=\"server\",";
  const std::string rest = "id=\"/kubepods.slice/kubepods-pod12_34.slice/cri-containerd-" + id +
                           ".scope\"," + "image=\"example.com/server:1\",";
  const std::string tail = "name=\"" + id + "\",namespace=\"prod\",pod=\"api-0\"";
  const auto plain = [&](const std::string& name) {
    return got.at(name + "{" + who + rest + tail + "}");
  };
  EXPECT_EQ(
      got.at("container_cpu_usage_seconds_total{" + who + "cpu=\"total\"," + rest + tail + "}"), 5);
  EXPECT_EQ(plain("container_cpu_user_seconds_total"), 3);
  EXPECT_EQ(plain("container_cpu_cfs_throttled_seconds_total"), 0.5);
  EXPECT_EQ(plain("container_spec_cpu_quota"), 200000);
  EXPECT_EQ(plain("container_memory_usage_bytes"), 5000);
  EXPECT_EQ(plain("container_memory_working_set_bytes"), 3500);
  EXPECT_EQ(plain("container_memory_rss"), 1000);
  EXPECT_EQ(plain("container_memory_cache"), 4000);
  EXPECT_EQ(plain("container_spec_memory_limit_bytes"), 0);
  EXPECT_EQ(plain("container_oom_events_total"), 1);
  EXPECT_EQ(plain("container_threads"), 7);
  EXPECT_GT(plain("container_start_time_seconds"), 1.6e9);
  EXPECT_EQ(
      got.at("container_fs_writes_bytes_total{" + who + "device=\"/dev/sda\"," + rest + tail + "}"),
      200);
  EXPECT_EQ(got.at("container_network_transmit_bytes_total{" + who + rest + "interface=\"eth0\"," +
                   tail + "}"),
            55);
  EXPECT_EQ(got.at(R"(container_memory_working_set_bytes{id="/"})"), 500 * 1024);
  EXPECT_TRUE(got.twice.empty());
}

TEST_F(TemporaryMachine, ContainersOfVersion1WithDockersNames) {
  const std::string id(64, 'd');
  const std::string path = "/docker/" + id;
  write("sys/fs/cgroup/memory" + path + "/memory.usage_in_bytes", "9000\n");
  write("sys/fs/cgroup/memory" + path + "/memory.stat",
        "total_inactive_file 4000\ntotal_rss 3000\n");
  write("sys/fs/cgroup/memory" + path + "/memory.limit_in_bytes", "9223372036854771712\n");
  write("sys/fs/cgroup/memory" + path + "/memory.oom_control", "under_oom 0\noom_kill 2\n");
  write("sys/fs/cgroup/cpuacct" + path + "/cpuacct.usage", "2500000000\n");
  write("var/lib/docker/containers/" + id + "/config.v2.json",
        R"({"Name":"/web","Config":{"Image":"nginx:1"}})");
  const Gathered got = containers();
  const std::string labels = "id=\"" + path + "\",image=\"nginx:1\",name=\"web\"";
  EXPECT_EQ(got.at("container_cpu_usage_seconds_total{cpu=\"total\"," + labels + "}"), 2.5);
  EXPECT_EQ(got.at("container_memory_working_set_bytes{" + labels + "}"), 5000);
  EXPECT_EQ(got.at("container_spec_memory_limit_bytes{" + labels + "}"), 0);
  EXPECT_EQ(got.at("container_oom_events_total{" + labels + "}"), 2);
}

// ---- GPUs: a driver of the test's own ----

namespace driver {
int opened = 0;
bool present = true;
int xids = 0;
NvmlReturn init() {
  ++opened;
  return present ? 0 : 9;  // NVML_ERROR_DRIVER_NOT_LOADED
}
NvmlReturn count(unsigned* out) {
  *out = 1;
  return 0;
}
NvmlReturn handle(unsigned, NvmlDevice* out) {
  *out = &opened;
  return 0;
}
NvmlReturn name(NvmlDevice, char* text, unsigned bytes) {
  std::snprintf(text, bytes, "Test GPU");
  return 0;
}
NvmlReturn uuid(NvmlDevice, char* text, unsigned bytes) {
  std::snprintf(text, bytes, "GPU-1");
  return 0;
}
NvmlReturn utilization(NvmlDevice, NvmlUtilization* out) {
  *out = {87, 12};
  return 0;
}
NvmlReturn memory_v2(NvmlDevice, NvmlMemoryV2* out) {
  if (out->version != kNvmlMemoryV2) return 25;
  out->total = 1024ull << 20;
  out->used = 256ull << 20;
  out->free = 768ull << 20;
  return 0;
}
NvmlReturn temperature(NvmlDevice, unsigned, unsigned* out) {
  *out = 64;
  return 0;
}
NvmlReturn power(NvmlDevice, unsigned* out) {
  *out = 250500;
  return 0;
}
NvmlReturn fields(NvmlDevice, int n, NvmlField* out) {
  for (int i = 0; i < n; ++i) {
    out[i].outcome = out[i].field_id == 82 ? 0 : 3;
    out[i].value_type = 1;
    out[i].value.u = 70;
  }
  return 0;
}
NvmlReturn ecc(NvmlDevice, unsigned type, unsigned scope, unsigned long long* out) {
  *out = type * 10 + scope;
  return 0;
}
NvmlReturn events_create(NvmlEvents* out) {
  *out = &xids;
  return 0;
}
NvmlReturn events_wait(NvmlEvents, NvmlEvent* out, unsigned) {
  if (xids == 0) return 10;  // NVML_ERROR_TIMEOUT
  --xids;
  out->device = &opened;
  out->data = 79;
  return 0;
}
std::unique_ptr<Nvml> make() {
  auto out = std::make_unique<Nvml>();
  out->init = init;
  out->count = count;
  out->handle = handle;
  out->name = name;
  out->uuid = uuid;
  out->utilization = utilization;
  out->memory_v2 = memory_v2;
  out->temperature = temperature;
  out->power = power;
  out->fields = fields;
  out->ecc = ecc;
  out->events_create = events_create;
  out->events_wait = events_wait;
  return out;
}
}  // namespace driver

class TestClock : public model::Clock {
 public:
  int64_t wall_ns() const override { return 1'700'000'000'000'000'000; }
  int64_t steady_ns() const override { return now; }
  int64_t now = 1'000'000'000;
};

TEST(GpusTest, UnderTheNamesOfDcgmExporter) {
  TestClock clock;
  driver::present = true;
  Gpus gpus(driver::make(), "node-1", clock);
  driver::xids = 1;
  Gathered got;
  gpus.collect(got);
  const std::string labels =
      R"({Hostname="node-1",UUID="GPU-1",device="nvidia0",gpu="0",modelName="Test GPU"})";
  EXPECT_EQ(got.at("DCGM_FI_DEV_GPU_UTIL" + labels), 87);
  EXPECT_EQ(got.at("DCGM_FI_DEV_MEM_COPY_UTIL" + labels), 12);
  EXPECT_EQ(got.at("DCGM_FI_DEV_FB_USED" + labels), 256);
  EXPECT_EQ(got.at("DCGM_FI_DEV_FB_FREE" + labels), 768);
  EXPECT_EQ(got.at("DCGM_FI_DEV_GPU_TEMP" + labels), 64);
  EXPECT_EQ(got.at("DCGM_FI_DEV_MEMORY_TEMP" + labels), 70);
  EXPECT_DOUBLE_EQ(got.at("DCGM_FI_DEV_POWER_USAGE" + labels), 250.5);
  EXPECT_EQ(got.at("DCGM_FI_DEV_XID_ERRORS" + labels), 79);
  EXPECT_EQ(got.at("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL" + labels), 11);
  EXPECT_FALSE(got.names.contains("DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL"));
}

TEST(GpusTest, WithoutADriverLooksOnlyNowAndThen) {
  TestClock clock;
  driver::present = false;
  driver::opened = 0;
  Gpus gpus(driver::make(), "node-1", clock);
  Gathered got;
  for (int i = 0; i < 100; ++i) gpus.collect(got);
  EXPECT_TRUE(got.values.empty());
  EXPECT_EQ(driver::opened, 1);
  clock.now += Gpus::kLookEveryNs;
  driver::present = true;
  gpus.collect(got);
  EXPECT_EQ(driver::opened, 2);
  EXPECT_FALSE(got.values.empty());
}

TEST(GpusTest, NoLibrary) {
  EXPECT_EQ(load_nvml("no-such-library.so.7"), nullptr);
  EXPECT_EQ(load_nvml("libc.so.6"), nullptr);  // one that is another's
}

// ---- this machine ----

TEST(HostCollectorTest, ThisMachineOnceEachAndWithinFiveMilliseconds) {
  HostCollector host({});
  Gathered first;
  host.collect(first);
  EXPECT_TRUE(first.twice.empty()) << first.twice.front();
  EXPECT_GT(first.at("node_memory_MemTotal_bytes"), 1e6);
  struct Counting : SampleSink {
    size_t samples = 0;
    void add(const Metric&, std::span<const model::LabelView>, double) override { ++samples; }
  } sink;
  const auto cpu_ms = [] {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
  };
  constexpr int kTimes = 20;
  const double begin = cpu_ms();
  for (int i = 0; i < kTimes; ++i) host.collect(sink);
  const double each = (cpu_ms() - begin) / kTimes;
  std::printf("host collector: %zu samples, %.2f ms of CPU a collection\n", sink.samples / kTimes,
              each);
  EXPECT_GT(sink.samples, 500u * kTimes);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  EXPECT_LE(each, 100);
#else
  EXPECT_LE(each, 5);
#endif
}

uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof at;
  ::bind(fd, reinterpret_cast<sockaddr*>(&at), bytes);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &bytes);
  ::close(fd);
  return ntohs(at.sin_port);
}

std::string fetch(uint16_t port, const std::string& path) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  std::string out;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0) {
    const std::string ask = "GET " + path + " HTTP/1.0\r\nHost: localhost\r\n\r\n";
    if (::write(fd, ask.data(), ask.size()) == static_cast<ssize_t>(ask.size())) {
      char piece[16384];
      for (ssize_t got = 0; (got = ::read(fd, piece, sizeof piece)) > 0;) {
        out.append(piece, static_cast<size_t>(got));
      }
    }
  }
  ::close(fd);
  return out;
}

TEST(HostCollectorTest, GivesWhatDebiansNodeExporterGives) {
  const char* program = "/usr/bin/prometheus-node-exporter";
  if (::access(program, X_OK) != 0) GTEST_SKIP() << "prometheus-node-exporter is not installed";
  const uint16_t port = free_port();
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string listen = "--web.listen-address=127.0.0.1:" + std::to_string(port);
    ::freopen("/dev/null", "w", stderr);
    ::execl(program, program, listen.c_str(), nullptr);
    ::_exit(127);
  }
  std::string page;
  for (int i = 0; i < 100 && page.find("node_uname_info") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    page = fetch(port, "/metrics");
  }
  ::kill(child, SIGTERM);
  ::waitpid(child, nullptr, 0);
  ASSERT_NE(page.find("node_uname_info"), std::string::npos);

  HostCollector host({});
  Gathered ours;
  host.collect_machine(ours);
  // Collectors that Gatehouse does not have: whether they succeeded is theirs to say.
  // - textfile reads files that others write; scrape those programs instead.
  // - systemd asks D-Bus. bcache, bonding, btrfs, fibrechannel, infiniband, ipvs, nfs,
  //   nfsd, rapl, tapestats, xfs and zfs belong to hardware and file systems that
  //   the issue leaves out.
  const re2::RE2 absent(
      R"(collector="(?:textfile|systemd|bcache|bonding|btrfs|fibrechannel|infiniband|ipvs|nfs|nfsd|rapl|tapestats|xfs|zfs)\")"
      R"(|^node_textfile_scrape_error)"
      // Which program stands behind the numbers.
      R"(|^node_exporter_build_info)"
      // Other programs' descriptors and time.
      R"(|^(?:go|process|promhttp)_)");
  const re2::RE2 series_line(R"(([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+))");
  const re2::RE2 label(R"re(([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?)re");
  // What does not change by itself must be equal to the last digit.
  const re2::RE2 constant(
      "node_(?:memory_MemTotal|boot_time|uname|os_|filefd_maximum|network_mtu|network_flags|"
      "filesystem_size|entropy_pool|timex_tick|network_speed|scrape_collector_success)");
  std::vector<std::string> missing, wrong;
  size_t theirs = 0;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    std::string name, inside, value;
    if (line.starts_with('#') || !re2::RE2::FullMatch(line, series_line, &name, &inside, &value)) {
      continue;
    }
    std::vector<std::pair<std::string, std::string>> held;
    re2::StringPiece rest(inside);
    std::string key, text;
    while (re2::RE2::Consume(&rest, label, &key, &text)) held.emplace_back(key, text);
    std::vector<model::LabelView> labels;
    for (const auto& [key_text, value_text] : held) labels.push_back({key_text, value_text});
    const std::string series = series_text(name, labels);
    if (re2::RE2::PartialMatch(series, absent)) continue;
    ++theirs;
    const auto found = ours.values.find(series);
    if (found == ours.values.end()) {
      missing.push_back(series);
    } else if (re2::RE2::PartialMatch(series, constant) && found->second != std::stod(value)) {
      wrong.push_back(series);
    }
  }
  EXPECT_GT(theirs, 200u);
  for (const std::string& series : missing) ADD_FAILURE() << "missing: " << series;
  for (const std::string& series : wrong) ADD_FAILURE() << "another value: " << series;
  std::printf("node_exporter: %zu series, %zu missing here\n", theirs, missing.size());
}

TEST(HostCollectorTest, TheNodeExporterDashboardFindsItsMetrics) {
  const char* given = ::getenv("GATEHOUSE_CORPORA");
  const fs::path corpora = given != nullptr ? given : "../shared/corpora";
  const fs::path file = corpora / "dashboards/node-exporter-full.json";
  if (!fs::exists(file)) GTEST_SKIP() << file << " is not there";
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  const std::string dashboard = text.str();
  std::set<std::string> wanted;
  const re2::RE2 metric(R"((\bnode_[a-zA-Z0-9_]+))");
  const re2::RE2 expression(R"re("expr": *"((?:[^"\\]|\\.)*)")re");
  re2::StringPiece rest(dashboard);
  std::string query, metric_name;
  while (re2::RE2::FindAndConsume(&rest, expression, &query)) {
    re2::StringPiece within(query);
    while (re2::RE2::FindAndConsume(&within, metric, &metric_name)) wanted.insert(metric_name);
  }
  ASSERT_GT(wanted.size(), 150u);
  HostCollector host({});
  Gathered ours;
  host.collect_machine(ours);
  // What a machine may lack, by the file or the part that would offer it.
  const std::vector<std::pair<std::string, std::string>> offered_by = {
      {"node_hwmon_.*", "/sys/class/hwmon"},
      {"node_cooling_device_.*", "/sys/class/thermal/cooling_device0"},
      {"node_cpu_scaling_.*", "/sys/devices/system/cpu/cpu0/cpufreq"},
      {"node_power_supply_.*", "/sys/class/power_supply/AC"},
      {"node_schedstat_.*", "/proc/schedstat"},
      {"node_pressure_irq_.*", "/proc/pressure/irq"},
      {"node_interrupts_total", "/proc/interrupts"},
      {"node_memory_HardwareCorrupted_bytes", "CONFIG_MEMORY_FAILURE"},
      {"node_kernel_hung_tasks.*", "/proc/sys/kernel/hung_task_detect_count"},
      {"node_systemd_.*", "D-Bus, not the kernel"},
      {"node_textfile_.*", "files that others write, not the kernel"},
  };
  std::vector<std::string> unexplained;
  size_t given_count = 0, lacking = 0;
  for (const std::string& name : wanted) {
    if (ours.names.contains(name)) {
      ++given_count;
      continue;
    }
    bool explained = false;
    for (const auto& [pattern, source] : offered_by) {
      if (!re2::RE2::FullMatch(name, pattern)) continue;
      explained = !source.starts_with('/') || !fs::exists(source);
    }
    lacking += explained ? 1 : 0;
    if (!explained) unexplained.push_back(name);
  }
  for (const std::string& name : unexplained) ADD_FAILURE() << "no " << name;
  std::printf("dashboard: %zu metrics, %zu given, %zu not offered here\n", wanted.size(),
              given_count, lacking);
}

}  // namespace
}  // namespace gatehouse::collect
