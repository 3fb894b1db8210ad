// What may stand in gatehouse.yaml: every key with its type, its place in
// Config, and its meaning. Defaults are those of the structs. After a change
// here, docs/config.md is renewed by
//   GATEHOUSE_UPDATE=1 build/debug/test_app
#include "app/config_table.h"

#include <arpa/inet.h>

#include <limits>

#include "base/text.h"
#include "net/url.h"

namespace gatehouse::app {

namespace {

using gateway::AuthConfig;
using gateway::BreakerConfig;
using gateway::HealthConfig;
using gateway::ModelConfig;
using gateway::PriceConfig;
using gateway::RetryConfig;
using gateway::TargetConfig;
using gateway::Timeouts;
using gateway::UpstreamConfig;
using gateway::UpstreamKind;
using wire::YamlNode;

constexpr int64_t kMany = std::numeric_limits<int64_t>::max();
constexpr int64_t kManyInt = std::numeric_limits<int>::max();
// Spend is summed as int64_t nano-dollars; $1,000,000,000 leaves room for nine such sums.
constexpr int kNanoDigits = 9;

// Buffers of a few hundred calls; with less, nearly every call would get 503.
constexpr int64_t kMemoryLeast = 32 << 20;

// ---- what texts must be ----

std::string check_filled(const std::string& text) { return text.empty() ? "some text" : ""; }

std::string check_name(const std::string& text) {
  // Names become labels and parts of header values.
  if (text.empty() || text.size() > 128) return "a name of 1 to 128 characters";
  for (const char c : text) {
    if (c <= ' ' || c == 0x7F || c == '"') return "a name without spaces or quotes";
  }
  return "";
}

std::string check_header_name(const std::string& text) {
  constexpr std::string_view kToken =
      "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const bool token = !text.empty() && text.find_first_not_of(kToken) == std::string::npos;
  return token ? "" : "an HTTP header's name";
}

std::string check_header_value(const std::string& text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7F) return "a header value of one line";
  }
  return "";
}

std::string check_url(const std::string& text) {
  return net::parse_url(text).ok() ? "" : "an http:// or https:// URL";
}

std::string check_cidr(const std::string& text) {
  const size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  unsigned char bytes[16];
  const bool four = inet_pton(AF_INET, address.c_str(), bytes) == 1;
  const bool six = !four && inet_pton(AF_INET6, address.c_str(), bytes) == 1;
  bool fits = four || six;
  if (slash != std::string::npos) {
    const auto bits = parse_uint(text.substr(slash + 1));
    fits = fits && bits && *bits <= (four ? 32u : 128u);
  }
  return fits ? "" : "an address or a CIDR block";
}

std::string check_listen(const std::string& text) {
  constexpr std::string_view kExpected = "host:port, [v6]:port or unix:/path";
  if (text.starts_with("unix:")) return text.size() > 5 ? "" : std::string(kExpected);
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::string(kExpected);
  const auto port = parse_uint(text.substr(colon + 1));
  const std::string host = text.substr(0, colon);
  const bool bare_v6 = host.find(':') != std::string::npos && !host.starts_with('[');
  return port && *port <= 65535 && !bare_v6 ? "" : std::string(kExpected);
}

TypePtr cidrs() {
  return list_type<std::string>(text_type("CIDR", check_cidr, "10.0.0.0/8 or 192.0.2.7"));
}
TypePtr path_text() { return text_type("path", check_filled); }

// ---- server ----

TypePtr server_limits() {
  auto type = std::make_shared<ObjectOf<Config>>();
  type->add(
          "head", size_type(1024),
          [](Config & c) -> auto& { return c.server.options.head.head_bytes; },
          "A request's line and headers. Larger ones get 431.")
      .add(
          "headers", count_type(1, 10'000),
          [](Config & c) -> auto& { return c.server.options.head.headers; },
          "How many headers a request may have.")
      .add(
          "target", size_type(256),
          [](Config & c) -> auto& { return c.server.options.head.target_bytes; },
          "A request's target. Longer ones get 414.")
      .add(
          "body", size_type(1024), [](Config & c) -> auto& { return c.gateway.body_bytes_max; },
          "A request's body that is read whole. Larger ones get 413.")
      .add(
          "form", size_type(1024), [](Config & c) -> auto& { return c.gateway.form_bytes_max; },
          "A form with images or audio, which streams. Larger ones get 413.")
      .add(
          "head_timeout", duration_type(1),
          [](Config & c) -> auto& { return c.server.options.head_timeout_ms; },
          "From the first byte of a request's head to its last.")
      .add(
          "idle_timeout", duration_type(1),
          [](Config & c) -> auto& { return c.server.options.idle_timeout_ms; },
          "How long a connection may wait for its next request.")
      .add(
          "body_stall_timeout", duration_type(1),
          [](Config & c) -> auto& { return c.server.options.body_stall_timeout_ms; },
          "How long a body may go without a byte.")
      .add(
          "write_stall_timeout", duration_type(1),
          [](Config & c) -> auto& { return c.server.options.write_stall_timeout_ms; },
          "How long a client may read nothing of its reply.")
      .add(
          "total_timeout", duration_type(1),
          [](Config & c) -> auto& { return c.server.options.total_timeout_ms; },
          "A whole exchange, streams included.")
      .add(
          "connections", int_type(1, 1'000'000),
          [](Config & c) -> auto& { return c.server.options.connections_max; },
          "Open connections a thread.")
      .add(
          "connections_per_address", int_type(1, 1'000'000),
          [](Config & c) -> auto& { return c.server.options.connections_per_address_max; },
          "Open connections a client address and thread.");
  type->make = [] { return std::make_shared<Config>(); };
  return type;
}

TypePtr server_tls() {
  auto type = std::make_shared<ObjectOf<Config>>();
  type->add(
          "certificate", path_text(),
          [](Config & c) -> auto& { return c.server.tls_certificate_path; },
          "The certificate with its chain, a PEM file. Read again when it changes.")
      .required()
      .add(
          "key", path_text(), [](Config & c) -> auto& { return c.server.tls_key_path; },
          "Its private key, a PEM file.")
      .required();
  return type;
}

TypePtr server() {
  auto type = std::make_shared<ObjectOf<Config>>();
  auto proxy = std::make_shared<ObjectOf<Config>>();
  proxy->add(
      "from", cidrs(), [](Config & c) -> auto& { return c.server.options.proxy_protocol_from; },
      "Proxies whose connections begin with PROXY protocol v2. Connections from them "
      "without it are refused; from others it is not believed.");
  const auto self = [](Config& c) -> Config& { return c; };
  type->add(
          "listen",
          list_type<std::string>(
              text_type("address", check_listen, "127.0.0.1:8080, [::1]:8080 or unix:/run/g.sock"),
              true),
          [](Config & c) -> auto& { return c.server.listen; },
          "Where to accept connections. A change needs a restart.")
      .add(
          "threads", int_type(0, 1024), [](Config & c) -> auto& { return c.server.threads; },
          "Event loops; 0: one a core. A change needs a restart.")
      .add(
          "public_url", text_type("URL", check_url, "https://gatehouse.example.org"),
          [](Config & c) -> auto& { return c.server.public_url; },
          "How people and clients reach Gatehouse, for the links that it prints.")
      .default_is("after `listen`")
      .add("tls", server_tls(), self, "TLS 1.2 and 1.3. Without it, connections are plain HTTP.")
      .add("proxy_protocol", proxy, self, "PROXY protocol v2 of a load balancer before Gatehouse.")
      .add("limits", server_limits(), self, "Bounds of what a client may send and keep open.")
      .add(
          "drain", duration_type(0), [](Config & c) -> auto& { return c.server.drain_ms; },
          "How long calls in flight may take to end after SIGTERM.");
  return type;
}

// ---- access, egress, storage ----

TypePtr access() {
  auto lockout = std::make_shared<ObjectOf<Config>>();
  lockout
      ->add(
          "failures", int_type(0, 100),
          [](Config & c) -> auto& { return c.access.lockout.failures; },
          "Failed attempts within the window that lock an address or a key; 0: never.")
      .add(
          "window", duration_type(1'000),
          [](Config & c) -> auto& { return c.access.lockout.window_ms; },
          "How long a failure counts.")
      .add(
          "duration", duration_type(1'000),
          [](Config & c) -> auto& { return c.access.lockout.lock_ms; }, "How long a lock lasts.");
  auto sessions = std::make_shared<ObjectOf<Config>>();
  sessions
      ->add(
          "idle", duration_type(1'000),
          [](Config & c) -> auto& { return c.access.sessions.idle_ms; },
          "A session without a request for this long ends.")
      .add(
          "lifetime", duration_type(1'000),
          [](Config & c) -> auto& { return c.access.sessions.absolute_ms; },
          "A session ends after this long in any case.");
  const auto self = [](Config& c) -> Config& { return c; };
  auto type = std::make_shared<ObjectOf<Config>>();
  type->add(
          "allow", cidrs(), [](Config & c) -> auto& { return c.access.allow; },
          "Client addresses that may connect; empty: all.")
      .add(
          "deny", cidrs(), [](Config & c) -> auto& { return c.access.deny; },
          "Client addresses that may not, even where `allow` has them.")
      .add(
          "authenticate", bool_type(), [](Config & c) -> auto& { return c.gateway.authenticate; },
          "Whether calls need a key. Off is for measuring, and only while every `listen` is "
          "on loopback.")
      .add(
          "guard_probes", bool_type(), [](Config & c) -> auto& { return c.access.guard_probes; },
          "Whether `allow` holds for /healthz, /readyz, /-/healthy and /-/ready too; `deny` always "
          "does.")
      .add("lockout", lockout, self, "Refuses an address or a key prefix after repeated failures.")
      .add("sessions", sessions, self, "Browser sessions of the console.");
  return type;
}

TypePtr egress() {
  auto type = std::make_shared<ObjectOf<Config>>();
  type->add(
          "allow", cidrs(), [](Config & c) -> auto& { return c.egress.allow; },
          "Addresses that Gatehouse may connect to; empty: all but link-local and cloud "
          "metadata addresses. Checked after name resolution.")
      .add(
          "deny", cidrs(), [](Config & c) -> auto& { return c.egress.deny; },
          "Addresses that it may not, even where `allow` has them.");
  return type;
}

TypePtr storage() {
  auto retention = std::make_shared<ObjectOf<Config>>();
  retention
      ->add(
          "age", duration_type(0), [](Config & c) -> auto& { return c.storage.retention_age_ms; },
          "Records older than this go; 0: never for their age.")
      .add(
          "size", size64_type(0), [](Config & c) -> auto& { return c.storage.retention_bytes; },
          "The oldest records go while all of them take more than this; 0: no limit.");
  auto type = std::make_shared<ObjectOf<Config>>();
  type->add(
          "path", path_text(), [](Config & c) -> auto& { return c.storage.path; },
          "The folder of everything that Gatehouse keeps. A change needs a restart.")
      .add(
          "retention", retention, [](Config& c) -> Config& { return c; },
          "When records are deleted.")
      .add(
          "sync_interval", duration_type(0),
          [](Config & c) -> auto& { return c.storage.sync_interval_ms; },
          "How long appends gather before the fsync that they share.");
  return type;
}

// ---- metrics ----

TypePtr metrics() {
  const auto self = [](Config& c) -> Config& { return c; };
  auto retention = std::make_shared<ObjectOf<Config>>();
  retention
      ->add(
          "age", duration_type(0), [](Config & c) -> auto& { return c.metrics.retention_age_ms; },
          "Samples older than this go; 0: never for their age.")
      .add(
          "size", size64_type(0), [](Config & c) -> auto& { return c.metrics.retention_bytes; },
          "The oldest samples go while all of them take more than this; 0: no limit.");
  auto host = std::make_shared<ObjectOf<Config>>();
  host->add(
          "enabled", bool_type(), [](Config & c) -> auto& { return c.metrics.host; },
          "The machine's own metrics, under node_exporter's names; off: nor those of containers "
          "and GPUs.")
      .add(
          "containers", bool_type(), [](Config & c) -> auto& { return c.metrics.containers; },
          "Its containers, under cAdvisor's names.")
      .add(
          "gpus", bool_type(), [](Config & c) -> auto& { return c.metrics.gpus; },
          "Its NVIDIA GPUs, under the DCGM exporter's names.")
      .add(
          "interval", duration_type(1'000),
          [](Config & c) -> auto& { return c.metrics.host_interval_ms; },
          "The time between two collections.");
  auto own = std::make_shared<ObjectOf<Config>>();
  own->add(
      "enabled", bool_type(), [](Config & c) -> auto& { return c.metrics.self; },
      "What Gatehouse counts of itself and of the calls it passes, without a scrape.");
  auto query = std::make_shared<ObjectOf<Config>>();
  query
      ->add(
          "timeout", duration_type(1),
          [](Config & c) -> auto& { return c.metrics.limits.timeout_ms; },
          "The longest a query may take.")
      .add(
          "samples", int64_type(1, kMany),
          [](Config & c) -> auto& { return c.metrics.limits.samples_max; },
          "The most samples that one query may read.")
      .add(
          "concurrency", int64_type(1, kMany),
          [](Config & c) -> auto& { return c.metrics.limits.concurrent_max; },
          "Queries that are evaluated or wait; four times as many, and the next gets 503.")
      .add(
          "lookback", duration_type(1),
          [](Config & c) -> auto& { return c.metrics.limits.lookback_ms; },
          "How far back a series' last sample may lie.");
  auto write = std::make_shared<ObjectOf<Config>>();
  write
      ->add(
          "body", size64_type(1024),
          [](Config & c) -> auto& { return c.metrics.limits.write_bytes_max; },
          "The largest push of samples, as it comes. Larger ones get 413.")
      .add(
          "unpacked", size64_type(1024),
          [](Config & c) -> auto& { return c.metrics.limits.decoded_bytes_max; },
          "The same, unpacked.");
  auto type = std::make_shared<ObjectOf<Config>>();
  type->add(
          "prometheus_config", path_text(),
          [](Config & c) -> auto& { return c.metrics.prometheus_config; },
          "A prometheus.yml, taken as it stands: what it scrapes is scraped. Read again when it "
          "changes.")
      .add("host", host, self, "What is known of the machine without an exporter.")
      .add("self", own, self, "The gate's own metrics.")
      .add("retention", retention, self, "When samples are deleted.")
      .add(
          "out_of_order_window", duration_type(0),
          [](Config & c) -> auto& { return c.metrics.out_of_order_ms; },
          "How late a sample may come.")
      .add(
          "exemplars", int64_type(0, kMany),
          [](Config & c) -> auto& { return c.metrics.exemplars_max; },
          "How many exemplars are kept, the newest.")
      .add("query", query, self, "Bounds of a query.")
      .add("write", write, self, "Bounds of a push.");
  return type;
}

// ---- rules ----

TypePtr rules() {
  auto type = std::make_shared<ObjectOf<Config>>();
  type->add(
          "files", list_type<std::string>(path_text(), true),
          [](Config & c) -> auto& { return c.rules.files; },
          "Rule files in Prometheus's format, or PrometheusRule objects; patterns as in "
          "/etc/rules/*.yml. Those that the prometheus.yml names are taken as well. Read again "
          "when "
          "they change.")
      .add(
          "ai", bool_type(), [](Config & c) -> auto& { return c.rules.ai; },
          "The rules for AI workloads that come with the program.")
      .add(
          "interval", duration_type(1), [](Config & c) -> auto& { return c.rules.interval_ms; },
          "How often groups are evaluated that do not say it themselves.")
      .add(
          "concurrency", int_type(1, 256), [](Config & c) -> auto& { return c.rules.concurrency; },
          "Groups that are evaluated at a time. A change needs a restart.");
  return type;
}

// ---- alerts ----

TypePtr alerts() {
  auto type = std::make_shared<ObjectOf<Config>>();
  type->add(
          "alertmanager_config", path_text(),
          [](Config & c) -> auto& { return c.alerts.alertmanager_config; },
          "An alertmanager.yml, taken as it stands: who is told of which alerts. Read again when "
          "it changes. Without one alerts are shown in the console and nobody is told.")
      .add(
          "external_url", text_type("URL", check_url, "https://gatehouse.example.org"),
          [](Config & c) -> auto& { return c.alerts.external_url; },
          "Where links in notifications lead; without it server.public_url, or where Gatehouse "
          "listens. A change needs a restart.")
      .add(
          "retention", duration_type(60'000),
          [](Config & c) -> auto& { return c.alerts.retention_ms; },
          "How long silences that ended are kept, and what was told to whom is remembered. A "
          "change "
          "needs a restart.")
      .add(
          "silence_confirmation", number_type(0, 1),
          [](Config & c) -> auto& { return c.alerts.silence_share; },
          "A silence that would hide more than this share of the live alerts asks to be "
          "confirmed; 1: none does.");
  return type;
}

// ---- upstreams ----

std::shared_ptr<ObjectOf<Timeouts>> timeouts() {
  auto type = std::make_shared<ObjectOf<Timeouts>>();
  type->add(
          "connect", duration_type(1), [](Timeouts & t) -> auto& { return t.connect_ms; },
          "Name resolution, connecting and TLS.")
      .add(
          "first_byte", duration_type(1), [](Timeouts & t) -> auto& { return t.first_byte_ms; },
          "Until the head of the reply.")
      .add(
          "first_token", duration_type(1), [](Timeouts & t) -> auto& { return t.first_token_ms; },
          "Until the first event of a stream that carries a part of the answer.")
      .add(
          "between_tokens", duration_type(1),
          [](Timeouts & t) -> auto& { return t.between_tokens_ms; },
          "Between two events of a stream.")
      .add(
          "total", duration_type(1), [](Timeouts & t) -> auto& { return t.total_ms; },
          "A call with all its attempts.");
  return type;
}

TypePtr retry() {
  auto type = std::make_shared<ObjectOf<RetryConfig>>();
  type->add(
          "retries", int_type(0, 20), [](RetryConfig & r) -> auto& { return r.retries; },
          "Attempts after the first.")
      .add(
          "initial", duration_type(0), [](RetryConfig & r) -> auto& { return r.initial_ms; },
          "The longest first pause; each is drawn between 0 and its bound.")
      .add(
          "multiplier", number_type(1, 10), [](RetryConfig & r) -> auto& { return r.multiplier; },
          "How the bound grows from pause to pause.")
      .add(
          "cap", duration_type(0), [](RetryConfig & r) -> auto& { return r.cap_ms; },
          "The bound never exceeds this.")
      .add(
          "statuses", list_type<int>(int_type(400, 599)),
          [](RetryConfig & r) -> auto& { return r.statuses; },
          "Replies that are retried, besides connection errors.")
      .add(
          "budget_ratio", number_type(0, 1),
          [](RetryConfig & r) -> auto& { return r.budget_ratio; },
          "Retries may be at most this share of an upstream's calls.");
  return type;
}

TypePtr breaker() {
  auto type = std::make_shared<ObjectOf<BreakerConfig>>();
  type->add(
          "failure_ratio", number_type(0, 1),
          [](BreakerConfig & b) -> auto& { return b.failure_ratio; },
          "The share of failed calls in the window that opens the breaker.")
      .add(
          "requests_min", int_type(1, kManyInt),
          [](BreakerConfig & b) -> auto& { return b.requests_min; },
          "Calls in the window before the ratio counts.")
      .add(
          "window", duration_type(1'000), [](BreakerConfig & b) -> auto& { return b.window_ms; },
          "How long a call counts.")
      .add(
          "consecutive_failures", int_type(1, kManyInt),
          [](BreakerConfig & b) -> auto& { return b.consecutive_failures; },
          "Failures in a row that open the breaker.")
      .add(
          "open", duration_type(1), [](BreakerConfig & b) -> auto& { return b.open_ms; },
          "How long it stays open before one probe; a longer Retry-After wins.")
      .add(
          "outlier_margin", number_type(0, 1),
          [](BreakerConfig & b) -> auto& { return b.outlier_margin; },
          "An upstream whose failure ratio exceeds its peers' median by this much is left out "
          "for a while; 0: never.");
  return type;
}

TypePtr health() {
  auto type = std::make_shared<ObjectOf<HealthConfig>>();
  type->add(
          "enabled", bool_type(), [](HealthConfig & h) -> auto& { return h.enabled; },
          "Whether the upstream is probed.")
      .add(
          "interval", duration_type(1'000), [](HealthConfig & h) -> auto& { return h.interval_ms; },
          "The time between probes.")
      .add(
          "timeout", duration_type(1), [](HealthConfig & h) -> auto& { return h.timeout_ms; },
          "A probe that takes longer has failed.")
      .add(
          "path",
          text_type(
              "path",
              [](const std::string& text) {
                return text.starts_with('/') ? "" : "a path that begins with /";
              },
              "/healthz"),
          [](HealthConfig & h) -> auto& { return h.path; }, "What a probe asks for.")
      .default_is("after `kind`")
      .add(
          "unhealthy_after", int_type(1, 1'000),
          [](HealthConfig & h) -> auto& { return h.unhealthy_after; },
          "Failed probes in a row that make it unhealthy.")
      .add(
          "healthy_after", int_type(1, 1'000),
          [](HealthConfig & h) -> auto& { return h.healthy_after; },
          "Good probes in a row that make it healthy again.")
      .add(
          "calls", bool_type(), [](HealthConfig & h) -> auto& { return h.calls; },
          "Probe what its models offer by calls of one token: a chat, an embedding. They cost "
          "next to nothing and are recorded as probes; a call that just went well spares one. "
          "Off: its list of models is asked for.");
  return type;
}

void check_entra(ConfigReader& reader, const YamlNode& node, const std::string& path,
                 AuthConfig& auth) {
  auth.kind = AuthConfig::Kind::kEntra;
  const bool named = !auth.tenant_id.empty() && !auth.client_id.empty();
  if ((!auth.client_secret.empty() || !auth.client_certificate_path.empty()) && !named) {
    reader.problem(node.mark,
                   path + ": a client secret or certificate needs tenant_id and client_id");
  }
  if (!auth.client_secret.empty() && !auth.client_certificate_path.empty()) {
    reader.problem(node.mark, path + ": both client_secret and client_certificate are given",
                   "keep one");
  }
}

TypePtr auth() {
  auto entra = std::make_shared<ObjectOf<AuthConfig>>();
  entra
      ->add(
          "scope", text_type("string", check_filled),
          [](AuthConfig & a) -> auto& { return a.scope; }, "What the token is asked for.")
      .add(
          "tenant_id", text_type("string", check_filled),
          [](AuthConfig & a) -> auto& { return a.tenant_id; }, "The directory.")
      .default_is("AZURE_TENANT_ID")
      .add(
          "client_id", text_type("string", check_filled),
          [](AuthConfig & a) -> auto& { return a.client_id; },
          "The application, or a user-assigned managed identity.")
      .default_is("AZURE_CLIENT_ID")
      .add(
          "client_secret", secret_type(), [](AuthConfig & a) -> auto& { return a.client_secret; },
          "The application's secret; `${env:…}` or `${file:…}`.")
      .add(
          "client_certificate", path_text(),
          [](AuthConfig & a) -> auto& { return a.client_certificate_path; },
          "The application's certificate with its key, a PEM file.")
      .add(
          "authority_host", text_type("URL", check_url, "https://login.microsoftonline.com"),
          [](AuthConfig & a) -> auto& { return a.authority_host; }, "Where tokens are asked for.")
      .default_is("AZURE_AUTHORITY_HOST, or Microsoft's public cloud")
      .checked(check_entra);
  auto type = std::make_shared<ObjectOf<AuthConfig>>();
  type->add(
          "api_key", secret_type(), [](AuthConfig & a) -> auto& { return a.api_key; },
          "A static key; `${env:OPENAI_API_KEY}` or `${file:/run/secrets/key}`.")
      .add(
          "header", text_type("header name", check_header_name, "x-api-key"),
          [](AuthConfig & a) -> auto& { return a.header; }, "The header that carries the key.")
      .default_is("after `kind`")
      .add(
          "entra", entra, [](AuthConfig& a) -> AuthConfig& { return a; },
          "Microsoft Entra tokens: from the environment, workload identity or managed "
          "identity. Write `entra: {}` for all defaults.")
      .checked(
          [](ConfigReader& reader, const YamlNode& node, const std::string& path, AuthConfig& a) {
            const bool has_entra = node.get("entra") != nullptr;
            if (has_entra && node.get("api_key") != nullptr) {
              reader.problem(node.mark, path + ": both api_key and entra are given", "keep one");
            }
            if (has_entra) {
              a.kind = AuthConfig::Kind::kEntra;
            } else if (!a.api_key.empty()) {
              a.kind = AuthConfig::Kind::kApiKey;
            } else if (!a.header.empty() && node.get("api_key") == nullptr) {
              reader.problem(node.mark, path + ": a header is named, but no api_key");
            }
          });
  return type;
}

void check_upstream(ConfigReader& reader, const YamlNode& node, const std::string& path,
                    UpstreamConfig& upstream) {
  if (const YamlNode* name = node.get("name")) reader.declare("upstream", upstream.name, *name);
  if (upstream.url.empty() && node.get("url") == nullptr) {
    if (upstream.kind == UpstreamKind::kOpenAi) {
      upstream.url = "https://api.openai.com/v1";
    } else if (upstream.kind == UpstreamKind::kAnthropic) {
      upstream.url = "https://api.anthropic.com/v1";
    } else {
      reader.problem(node.mark, path + ": \"url\" is missing",
                     "only openai and anthropic have a default");
    }
  }
  if (!upstream.api_version.empty() && upstream.kind != UpstreamKind::kAzureOpenAi) {
    reader.problem(node.get("api_version")->mark, path + ".api_version: only azure_openai has one",
                   "remove it, or set kind: azure_openai");
  }
}

TypePtr upstreams() {
  auto type = std::make_shared<ObjectOf<UpstreamConfig>>();
  type->add(
          "name", text_type("name", check_name, "openai-eu"),
          [](UpstreamConfig & u) -> auto& { return u.name; },
          "What models, metrics and records call it.")
      .required()
      .add(
          "kind", enum_type<UpstreamKind>({"openai", "azure_openai", "anthropic", "http"}),
          [](UpstreamConfig & u) -> auto& { return u.kind; },
          "The protocol that it speaks. `openai` is anything compatible: vLLM, Ollama and so on; "
          "`http` a classic model.")
      .add(
          "url", text_type("URL", check_url, "https://api.openai.com/v1"),
          [](UpstreamConfig & u) -> auto& { return u.url; }, "Where it is, with its base path.")
      .default_is("the vendor's, for `openai` and `anthropic`")
      .add(
          "auth", auth(), [](UpstreamConfig & u) -> auto& { return u.auth; },
          "Who Gatehouse is to it.")
      .add(
          "api_version", text_type("string", check_name, "2024-10-21"),
          [](UpstreamConfig & u) -> auto& { return u.api_version; },
          "Azure's query parameter; without it, Azure's v1 path is used.")
      .add(
          "headers",
          map_type("mapping of header names to values", check_header_name, check_header_value),
          [](UpstreamConfig & u) -> auto& { return u.headers; }, "Sent with every call.")
      .add(
          "connections_max", int_type(1, 1'000'000),
          [](UpstreamConfig & u) -> auto& { return u.connections_max; },
          "Connections a thread; further calls wait.")
      .add(
          "timeouts", timeouts(), [](UpstreamConfig & u) -> auto& { return u.timeouts; },
          "How long each step of a call may take.")
      .add(
          "retry", retry(), [](UpstreamConfig & u) -> auto& { return u.retry; },
          "When a failed attempt is made again.")
      .add(
          "breaker", breaker(), [](UpstreamConfig & u) -> auto& { return u.breaker; },
          "When calls stop going to an upstream that fails.")
      .add(
          "health", health(), [](UpstreamConfig & u) -> auto& { return u.health; },
          "How its health is found out between calls.")
      .checked(check_upstream);
  return list_type<UpstreamConfig>(type);
}

// ---- models ----

TypePtr targets() {
  auto type = std::make_shared<ObjectOf<TargetConfig>>();
  type->add(
          "upstream", text_type("name", check_name, "openai"),
          [](TargetConfig & t) -> auto& { return t.upstream; }, "An upstream's name.")
      .required()
      .add(
          "model", text_type("string", check_name, "gpt-4o-2024-11-20"),
          [](TargetConfig & t) -> auto& { return t.model; },
          "What the model is called there; on Azure, the deployment.")
      .default_is("the public name")
      .add(
          "weight", number_type(0.001, 1'000), [](TargetConfig & t) -> auto& { return t.weight; },
          "Its share among targets of the same order.")
      .add(
          "order", int_type(0, 1'000), [](TargetConfig & t) -> auto& { return t.order; },
          "Lower ones first; higher ones are fallbacks.")
      .checked([](ConfigReader& reader, const YamlNode& node, const std::string& path,
                  TargetConfig& target) {
        if (const YamlNode* name = node.get("upstream")) {
          reader.refer("upstream", target.upstream, *name, path + ".upstream");
        }
      });
  return list_type<TargetConfig>(type);
}

TypePtr limits() {
  using model::Limits;
  auto type = std::make_shared<ObjectOf<Limits>>();
  const TypePtr count = int64_type(0, kMany);
  const TypePtr dollars = money_type("dollars", kNanoDigits);
  type->add(
          "requests_per_minute", count, [](Limits & l) -> auto& { return l.requests_per_minute; },
          "Calls a minute; 0: no limit.")
      .add(
          "tokens_per_minute", count, [](Limits & l) -> auto& { return l.tokens_per_minute; },
          "Tokens a minute, input and output together; 0: no limit.")
      .add(
          "concurrent", count, [](Limits & l) -> auto& { return l.concurrent; },
          "Calls at a time; 0: no limit.")
      .add(
          "daily_usd", dollars, [](Limits & l) -> auto& { return l.daily_nanodollars; },
          "Dollars a day (UTC); 0: no limit.")
      .add(
          "monthly_usd", dollars, [](Limits & l) -> auto& { return l.monthly_nanodollars; },
          "Dollars a calendar month (UTC); 0: no limit.");
  return type;
}

TypePtr models() {
  auto type = std::make_shared<ObjectOf<ModelConfig>>();
  type->add(
          "name", text_type("name", check_name, "gpt-4o"),
          [](ModelConfig & m) -> auto& { return m.name; },
          "The public name, which clients ask for; * stands for any characters.")
      .required()
      .add(
          "version", text_type("string", check_name, "2024-11"),
          [](ModelConfig & m) -> auto& { return m.version; }, "Noted in records and logs.")
      .add(
          "upstreams", targets(), [](ModelConfig & m) -> auto& { return m.targets; },
          "Who serves it.")
      .required()
      .add(
          "offers",
          std::make_shared<OptionalType<std::vector<gateway::Capability>>>(
              list_type<gateway::Capability>(enum_type<gateway::Capability>({"chat", "embeddings"}),
                                             true)),
          [](ModelConfig & m) -> auto& { return m.offers; },
          "What health probes may call it for; [] for nothing.")
      .default_is("after its name")
      .add(
          "limits", limits(), [](ModelConfig & m) -> auto& { return m.limits; },
          "Limits of the model, over all keys.")
      .add(
          "sticky", bool_type(), [](ModelConfig & m) -> auto& { return m.sticky; },
          "Keep a conversation on one upstream: by x-gatehouse-session, else by its start.")
      .add(
          "hedge_percentile", number_type(0, 0.9999),
          [](ModelConfig & m) -> auto& { return m.hedge_percentile; },
          "A second attempt after this percentile of first-token time (0.95); 0: never.")
      .add(
          "timeouts", std::make_shared<OptionalType<Timeouts>>(timeouts()),
          [](ModelConfig & m) -> auto& { return m.timeouts; },
          "Instead of the upstreams' timeouts.")
      .checked([](ConfigReader& reader, const YamlNode& node, const std::string& path,
                  ModelConfig& given) {
        if (const YamlNode* name = node.get("name")) reader.declare("model", given.name, *name);
        const YamlNode* list = node.get("upstreams");
        if (list == nullptr) return;
        if (given.targets.empty()) {
          reader.problem(list->mark, path + ".upstreams: at least one is needed");
          return;
        }
        double weight = 0;
        for (const TargetConfig& target : given.targets) weight += target.weight;
        if (weight <= 0) reader.problem(list->mark, path + ".upstreams: all weights are 0");
      });
  return list_type<ModelConfig>(type);
}

// ---- prices and records ----

TypePtr budget() {
  auto type = std::make_shared<ObjectOf<gateway::SpendBudget>>();
  const TypePtr dollars = money_type("dollars", kNanoDigits);
  type->add(
          "daily_usd", dollars,
          [](gateway::SpendBudget & b) -> auto& { return b.daily_nanodollars; },
          "Dollars a day (UTC); 0: no limit.")
      .add(
          "monthly_usd", dollars,
          [](gateway::SpendBudget & b) -> auto& { return b.monthly_nanodollars; },
          "Dollars a calendar month (UTC); 0: no limit.");
  return type;
}

TypePtr prices() {
  auto type = std::make_shared<ObjectOf<PriceConfig>>();
  // $1 a million tokens is 1,000 nano-dollars a token: three decimals are exact.
  const TypePtr tokens = money_type("dollars a million tokens", 3);
  const TypePtr each = money_type("dollars", kNanoDigits);
  type->add(
          "model", text_type("pattern", check_name, "gpt-4o*"),
          [](PriceConfig & p) -> auto& { return p.model; },
          "The upstream's model name; * stands for any characters.")
      .required()
      .add(
          "tier", text_type("string", check_name, "flex"),
          [](PriceConfig & p) -> auto& { return p.tier; }, "A service tier; without it: any.")
      .add(
          "above_input_tokens", int64_type(0, kMany),
          [](PriceConfig & p) -> auto& { return p.above_input_tokens; },
          "Applies to calls with more input tokens than this.")
      .add(
          "input", tokens, [](PriceConfig & p) -> auto& { return p.input; }, "Input tokens.")
      .add(
          "cached_input", tokens, [](PriceConfig & p) -> auto& { return p.cached_input; },
          "Input tokens that the upstream had cached.")
      .default_is("as `input`")
      .add(
          "cache_write", tokens, [](PriceConfig & p) -> auto& { return p.cache_write; },
          "Input tokens that it put into its cache.")
      .default_is("as `input`")
      .add(
          "output", tokens, [](PriceConfig & p) -> auto& { return p.output; }, "Output tokens.")
      .add(
          "reasoning", tokens, [](PriceConfig & p) -> auto& { return p.reasoning; },
          "Output tokens of reasoning.")
      .default_is("as `output`")
      .add(
          "audio_input", tokens, [](PriceConfig & p) -> auto& { return p.audio_input; },
          "Input tokens of audio.")
      .default_is("as `input`")
      .add(
          "audio_output", tokens, [](PriceConfig & p) -> auto& { return p.audio_output; },
          "Output tokens of audio.")
      .default_is("as `output`")
      .add(
          "image", each, [](PriceConfig & p) -> auto& { return p.image; }, "Each image.")
      .add(
          "audio_second", each, [](PriceConfig & p) -> auto& { return p.audio_second; },
          "Each second of audio.")
      .add(
          "request", each, [](PriceConfig & p) -> auto& { return p.request; }, "Each call.")
      .add(
          "output_tokens_max", int64_type(0, kMany),
          [](PriceConfig & p) -> auto& { return p.output_tokens_max; },
          "The most tokens that one call can give, for reservations; 0: not known.");
  return list_type<PriceConfig>(type);
}

TypePtr records() {
  auto type = std::make_shared<ObjectOf<Config>>();
  type->add(
          "calls", bool_type(), [](Config & c) -> auto& { return c.gateway.record_calls; },
          "Keep one record a call: model, key, upstream, attempts, tokens, cost, times.")
      .add(
          "bodies", bool_type(), [](Config & c) -> auto& { return c.gateway.record_bodies; },
          "Keep prompts and answers with it.")
      .add(
          "body_size", size_type(0),
          [](Config & c) -> auto& { return c.gateway.recorded_body_bytes_max; },
          "At most this much of each.")
      .add(
          "event_size", size_type(1024),
          [](Config & c) -> auto& { return c.gateway.event_bytes_max; },
          "One event of a stream; a larger one ends the call.");
  return type;
}

void check_config(ConfigReader& reader, const YamlNode& node, const std::string&, Config& config) {
  config.server.options.body_bytes_max = config.gateway.body_bytes_max;
  if (config.gateway.authenticate) return;
  for (const std::string& listen : config.server.listen) {
    if (is_loopback(listen)) continue;
    const YamlNode* access = node.get("access");
    reader.problem(
        access->get("authenticate") != nullptr ? access->get("authenticate")->mark : access->mark,
        "access.authenticate: may be off only while every server.listen is on loopback",
        "listen on 127.0.0.1, or leave it on");
    return;
  }
}

}  // namespace

const ObjectType& config_table() {
  static const std::shared_ptr<const ObjectType> table = [] {
    const auto self = [](Config& c) -> Config& { return c; };
    auto memory = std::make_shared<ObjectOf<Config>>();
    memory->add(
        "limit", size64_type(kMemoryLeast),
        [](Config & c) -> auto& { return c.memory_limit_bytes; },
        "What buffers, caches and queries may take together; over it, new calls get 503.");
    auto log = std::make_shared<ObjectOf<Config>>();
    log->add(
        "level", enum_type<Severity>({"debug", "info", "warning", "error"}),
        [](Config & c) -> auto& { return c.log_severity; },
        "Lines below this severity are left out.");
    auto root = std::make_shared<ObjectOf<Config>>();
    root->add("server", server(), self, "Where and how Gatehouse listens.")
        .add("access", access(), self, "Who may connect, and what repeated failures lead to.")
        .add("egress", egress(), self, "Where Gatehouse may connect to.")
        .add("storage", storage(), self, "What is kept, where, and for how long.")
        .add("metrics", metrics(), self, "Samples: collected, scraped, pushed, and asked for.")
        .add("rules", rules(), self, "Recording and alerting rules.")
        .add("alerts", alerts(), self, "Who is told of alerts, and what may be silenced.")
        .add("memory", memory, self, "The process's memory budget.")
        .add("log", log, self, "The program's own log, JSON lines on standard error.")
        .add(
            "upstreams", upstreams(), [](Config & c) -> auto& { return c.gateway.upstreams; },
            "The services that answer calls.")
        .add(
            "models", models(), [](Config & c) -> auto& { return c.gateway.models; },
            "The public model names and who serves them.")
        .add(
            "prices", prices(), [](Config & c) -> auto& { return c.gateway.prices; },
            "Prices that come before the built-in table; the first that matches holds.")
        .add(
            "budget", budget(), [](Config & c) -> auto& { return c.gateway.budget; },
            "What all calls together may cost, whatever their keys, probes included.")
        .add("records", records(), self, "What is recorded of a call.")
        .checked(check_config);
    root->extensions = true;
    return root;
  }();
  return *table;
}

bool is_loopback(const std::string& listen) {
  return listen.starts_with("unix:") || listen.starts_with("127.") ||
         listen.starts_with("localhost:") || listen.starts_with("[::1]:");
}

}  // namespace gatehouse::app
