#include "collect/prometheus_config.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace gatehouse::collect {
namespace {

namespace fs = std::filesystem;

PrometheusConfig read(const std::string& text) {
  auto config = read_prometheus_config(text, "/etc/prometheus/prometheus.yml");
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? std::move(*config) : PrometheusConfig();
}

std::string problem(const std::string& text) {
  const auto config = read_prometheus_config(text, "p.yml");
  EXPECT_FALSE(config.ok());
  return config.ok() ? "" : config.status().message();
}

TEST(PrometheusConfigTest, AnOrdinaryFile) {
  const PrometheusConfig config = read(R"(
global:
  scrape_interval: 15s
  evaluation_interval: 30s
  external_labels: {cluster: a, replica: "0"}
rule_files: ["rules/*.yml"]
alerting:
  alertmanagers:
    - static_configs: [{targets: ["localhost:9093", "spare:9093"]}]
      scheme: https
      path_prefix: /am/
      timeout: 3s
      relabel_configs: [{source_labels: [__address__], regex: "spare.*", action: drop}]
  alert_relabel_configs: [{regex: replica, action: labeldrop}]
scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ["localhost:9090", "other:9090"]
        labels: {env: prod}
  - job_name: node
    scrape_interval: 5s
    honor_labels: true
    metrics_path: /m
    scheme: https
    params: {"module": [http_2xx]}
    basic_auth: {username: u, password_file: secret}
    tls_config: {ca_file: ca.pem, server_name: n, insecure_skip_verify: true}
    file_sd_configs:
      - files: ["targets/*.json"]
        refresh_interval: 1m
    relabel_configs:
      - source_labels: [__address__]
        regex: (.*):.*
        target_label: host
      - action: labelmap
        regex: __meta_(.+)
    metric_relabel_configs:
      - {source_labels: [__name__], regex: "go_.*", action: drop}
    sample_limit: 1000
    body_size_limit: 10MB
  - job_name: pods
    kubernetes_sd_configs:
      - role: pod
        namespaces: {names: [default]}
        selectors: [{role: pod, label: "app=x"}]
  - job_name: dns
    dns_sd_configs: [{names: ["_x._tcp.example.com"]}, {names: [a.example], type: A, port: 80}]
    http_sd_configs: [{url: "http://localhost/sd"}]
    oauth2: {client_id: c, client_secret: s, token_url: "https://idp.example/token", scopes: [a]}
remote_write:
  - url: https://remote.example/write
    name: far
    protobuf_message: io.prometheus.write.v2.Request
    headers: {X-Scope-OrgID: t}
    queue_config: {max_shards: 4, retry_on_http_429: false}
    write_relabel_configs: [{source_labels: [a], regex: b, action: keep}]
storage: {tsdb: {out_of_order_time_window: 30m}}
)");
  EXPECT_EQ(config.scrape_interval_ms, 15'000);
  EXPECT_EQ(config.external_labels.size(), 2u);
  EXPECT_EQ(config.rule_files, std::vector<std::string>{"/etc/prometheus/rules/*.yml"});
  EXPECT_EQ(config.out_of_order_window_ms, 1'800'000);
  EXPECT_TRUE(config.notices.empty());
  ASSERT_EQ(config.alertmanagers.size(), 1u);
  EXPECT_EQ(config.alertmanagers[0].timeout_ms, 3'000);
  const AlertmanagerConfig::Targets told = config.alertmanagers[0].targets();
  EXPECT_EQ(told.urls, std::vector<std::string>{"https://localhost:9093/am/api/v2/alerts"});
  EXPECT_EQ(told.dropped, std::vector<std::string>{"https://spare:9093/am/api/v2/alerts"});
  EXPECT_EQ(config.alert_relabel.size(), 1u);
  ASSERT_EQ(config.scrapes.size(), 4u);
  const ScrapeConfig& first = config.scrapes[0];
  EXPECT_EQ(first.interval_ms, 15'000);
  EXPECT_EQ(first.timeout_ms, 10'000);
  ASSERT_EQ(first.static_configs.size(), 1u);
  EXPECT_EQ(first.static_configs[0].targets.size(), 2u);
  EXPECT_EQ(first.static_configs[0].labels.get("env"), "prod");
  const ScrapeConfig& node = config.scrapes[1];
  EXPECT_EQ(node.interval_ms, 5'000);
  EXPECT_EQ(node.timeout_ms, 5'000);
  EXPECT_TRUE(node.honor_labels);
  EXPECT_EQ(node.http.basic_auth->password.file, "/etc/prometheus/secret");
  EXPECT_EQ(node.http.tls.ca_file, "/etc/prometheus/ca.pem");
  EXPECT_TRUE(node.http.tls.insecure_skip_verify);
  EXPECT_EQ(node.file_configs[0].files[0], "/etc/prometheus/targets/*.json");
  EXPECT_EQ(node.relabel.size(), 2u);
  EXPECT_EQ(node.metric_relabel.size(), 1u);
  EXPECT_EQ(node.limits.body_bytes, 10u << 20);
  EXPECT_EQ(node.limits.samples, 1000u);
  EXPECT_EQ(config.scrapes[2].kubernetes_configs[0].selectors[0].label, "app=x");
  EXPECT_EQ(config.scrapes[3].dns_configs[1].port, 80);
  EXPECT_EQ(config.scrapes[3].http.oauth2->scopes, std::vector<std::string>{"a"});
  ASSERT_EQ(config.remote_writes.size(), 1u);
  const RemoteWriteConfig& remote = config.remote_writes[0];
  EXPECT_EQ(remote.version, 2);
  EXPECT_EQ(remote.queue.max_shards, 4);
  EXPECT_FALSE(remote.queue.retry_on_429);
  EXPECT_EQ(remote.write_relabel.size(), 1u);
}

TEST(PrometheusConfigTest, AnEmptyFileIsOne) { EXPECT_TRUE(read("").scrapes.empty()); }

TEST(PrometheusConfigTest, WhatIsNotSupportedIsRefusedByNameAndLine) {
  const std::string text = problem(R"(scrape_configs:
  - job_name: a
    proxy_url: socks5://proxy:1080
    consul_sd_configs: [{server: "x:1"}]
remote_read: [{url: "http://x"}]
tracing: {endpoint: x}
alerting: {alertmanagers: [{dns_sd_configs: [{names: [a]}]}]}
)");
  EXPECT_NE(text.find("p.yml:3:16: proxy_url must be http://"), std::string::npos) << text;
  EXPECT_NE(text.find("p.yml:4:5: consul_sd_configs is not supported"), std::string::npos) << text;
  EXPECT_NE(text.find("p.yml:5:1: remote_read is not supported"), std::string::npos) << text;
  EXPECT_NE(text.find("p.yml:6:1: tracing is not supported"), std::string::npos) << text;
  EXPECT_NE(text.find("p.yml:7:29: dns_sd_configs is not supported"), std::string::npos) << text;
}

TEST(PrometheusConfigTest, WhatIsWrongIsSaidAllAtOnce) {
  struct Case {
    const char* text;
    const char* words;
  };
  for (const Case& each : std::vector<Case>{
           {"scrape_config: []", "1:1: field scrape_config not found in config; did you mean"},
           {"global: {scrape_interval: 1x}", "not a valid duration string"},
           {"global: {scrape_interval: 5s, scrape_timeout: 10s}", "timeout greater than"},
           {"scrape_configs: [{}]", "job_name is empty"},
           {"scrape_configs: [{job_name: a}, {job_name: a}]", "multiple scrape configs"},
           {"scrape_configs: [{job_name: a, static_configs: [{targets: [\"http://a\"]}]}]",
            "not a valid hostname"},
           {"scrape_configs: [{job_name: a, relabel_configs: [{action: hashmod, target_label: "
            "b}]}]",
            "non-zero modulus"},
           {"scrape_configs: [{job_name: a, relabel_configs: [{action: nope}]}]",
            "unknown relabel action"},
           {"scrape_configs: [{job_name: a, basic_auth: {username: a}, bearer_token: x}]",
            "at most one of basic_auth"},
           {"scrape_configs: [{job_name: a, basic_auth: {password: a, password_file: b}}]",
            "at most one of password & password_file"},
           {"scrape_configs: [{job_name: a, dns_sd_configs: [{names: [a], type: A}]}]",
            "a port is required"},
           {"scrape_configs: [{job_name: a, kubernetes_sd_configs: [{}]}]", "role missing"},
           {"scrape_configs: [{job_name: a, honor_labels: maybe}]", "true or false is expected"},
           {"scrape_configs: [{job_name: a, scrape_protocols: [X]}]", "unknown scrape protocol"},
           {"scrape_configs: {}", "a list is expected"},
           {"a: [", "p.yml:1:"},
           {"- 1", "a mapping is expected"}}) {
    const std::string text = problem(each.text);
    EXPECT_NE(text.find(each.words), std::string::npos) << each.text << "\n" << text;
  }
}

TEST(PrometheusConfigTest, ScrapeConfigFilesByPattern) {
  std::string name = (fs::temp_directory_path() / "collect-config-XXXXXX").string();
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  const fs::path top = name;
  std::ofstream(top / "one.yml") << "scrape_configs: [{job_name: one}]";
  std::ofstream(top / "two.yml") << "scrape_configs:\n  - job_name: two\n    nope: 1\n";
  std::ofstream(top / "p.yml")
      << "scrape_config_files: [\"o*.yml\"]\nscrape_configs: [{job_name: z}]";
  const auto good = load_prometheus_config((top / "p.yml").string());
  ASSERT_TRUE(good.ok()) << good.status().message();
  ASSERT_EQ(good->scrapes.size(), 2u);
  EXPECT_EQ(good->scrapes[1].job_name, "one");
  EXPECT_EQ(good->files.size(), 1u);
  std::ofstream(top / "p.yml") << "scrape_config_files: [\"t*.yml\"]";
  const auto bad = load_prometheus_config((top / "p.yml").string());
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.status().message().find("two.yml:3:5: field nope"), std::string::npos)
      << bad.status().message();
  std::ofstream(top / "secret") << "  hush\n";
  EXPECT_EQ(*(model::SecretText{{}, (top / "secret").string()}.read()), "hush");
  EXPECT_FALSE((model::SecretText{{}, (top / "nothing").string()}.read()).ok());
  fs::remove_all(top);
}

}  // namespace
}  // namespace gatehouse::collect
