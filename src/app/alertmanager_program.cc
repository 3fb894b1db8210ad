#include "app/alertmanager_program.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>

#include "api/alertmanager/alert_json.h"
#include "app/stores.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "net/url.h"
#include "wire/exposition.h"

namespace gatehouse::app {

namespace {

// Alertmanager alone, with 50,000 alerts, takes some hundred MiB; the whole program's promise
// is 500.
constexpr int64_t kMemoryBytes = int64_t{500} << 20;
// What is under way at the end may go out still.
constexpr int64_t kFlushMs = 5'000;
constexpr int64_t kDrainMs = 2'000;

constexpr std::string_view kText = "text/plain; charset=utf-8";

// Views live until it has ended.
Task<void> send(net::Exchange& exchange, int status, std::string_view type, std::string_view body,
                std::span<const net::Header> more = {}) {
  std::vector<net::Header> headers(more.begin(), more.end());
  headers.push_back({"x-content-type-options", "nosniff"});
  net::Reply reply;
  reply.status = status;
  reply.content_type = type;
  reply.headers = headers;
  reply.body = body;
  const Status sent = co_await exchange.reply(reply);
  (void)sent;  // the client has left; there is nobody to tell
}

// "/a/b/" as "/a/b", "/" and "" as "".
std::string as_prefix(std::string path) {
  while (!path.empty() && path.back() == '/') path.pop_back();
  if (!path.empty() && path.front() != '/') path.insert(0, "/");
  return path;
}

// Crockford's base 32 of a time and chance, as memberlist names its nodes.
std::string node_name(int64_t now_ms) {
  constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  std::string name(26, '0');
  auto time = static_cast<uint64_t>(now_ms);
  for (size_t i = 10; i-- > 0; time >>= 5) name[i] = kDigits[time & 31];
  for (size_t i = 10; i < name.size(); ++i) name[i] = kDigits[thread_random().next() & 31];
  return name;
}

}  // namespace

AlertmanagerProgram::AlertmanagerProgram(AlertmanagerFlags flags)
    : flags_(std::move(flags)), budget_(kMemoryBytes) {}

AlertmanagerProgram::~AlertmanagerProgram() {
  pool_.finish();
  loop_.stop();
  if (thread_.joinable()) thread_.join();
  servers_.clear();
}

Result<std::unique_ptr<AlertmanagerProgram>> AlertmanagerProgram::start(AlertmanagerFlags flags) {
  auto program = std::unique_ptr<AlertmanagerProgram>(new AlertmanagerProgram(std::move(flags)));
  RETURN_IF_ERROR(program->build_web());
  RETURN_IF_ERROR(program->open_data());
  program->publish_metrics();
  RETURN_IF_ERROR(program->listen());
  return program;
}

Status AlertmanagerProgram::build_web() {
  WebConfig web;
  if (!flags_.web_config_file.empty()) {
    ASSIGN_OR_RETURN(web, load_web_config(flags_.web_config_file));
  }
  if (!web.certificate_file.empty()) {
    ASSIGN_OR_RETURN(tls_, net::TlsServerContext::load(web.certificate_file, web.key_file));
  }
  users_ = std::make_unique<BasicAuth>(std::move(web));
  if (!flags_.route_prefix.empty()) {
    prefix_ = as_prefix(flags_.route_prefix);
  } else if (!flags_.external_url.empty()) {
    const auto url = net::parse_url(flags_.external_url);
    if (!url.ok()) return url.status().with_context("--web.external-url");
    prefix_ = as_prefix(url->path);
  }
  return {};
}

std::string AlertmanagerProgram::external_url() const {
  if (!flags_.external_url.empty()) {
    std::string url = flags_.external_url;
    while (url.ends_with('/')) url.pop_back();
    return url;
  }
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') {
    std::copy_n("localhost", 10, host.begin());
  }
  const std::string& first = flags_.listen.front();
  return std::string(tls_ == nullptr ? "http://" : "https://") + host.data() + ":" +
         first.substr(first.rfind(':') + 1);
}

Status AlertmanagerProgram::open_data() {
  store::StoreOptions storage;
  storage.path = flags_.storage_path;
  while (storage.path.size() > 1 && storage.path.ends_with('/')) storage.path.pop_back();
  ASSIGN_OR_RETURN(catalog_, open_catalog(storage));
  store::RecordLogOptions options;
  options.directory = record_log_path(storage);
  options.sync_interval_ms = storage.sync_interval_ms;
  // The history of alerts; what was told to whom is in it.
  options.retention_age_ms = std::max(storage.retention_age_ms, flags_.retention_ms);
  options.retention_bytes = storage.retention_bytes;
  ASSIGN_OR_RETURN(records_, store::RecordLog::open(options));
  alerts::AlertEngineOptions engine;
  engine.external_url = external_url();
  engine.retention_ms = flags_.retention_ms;
  alerts::AlertEngineParts parts{*catalog_, *records_, *records_, budget_, registry_, clock_, {}};
  ASSIGN_OR_RETURN(alerts_,
                   AlertService::open(std::move(parts), std::move(engine), flags_.config_file));
  const int64_t now_ms = clock_.wall_ns() / 1'000'000;
  api::AlertmanagerParts api{alerts_->engine(), pool_, clock_, GATEHOUSE_VERSION, now_ms};
  if (!flags_.cluster_listen.empty()) {
    api.cluster = {true, node_name(now_ms), flags_.cluster_listen};
  }
  api_ = std::make_unique<api::Alertmanager>(std::move(api));
  return {};
}

void AlertmanagerProgram::publish_metrics() {
  registry_
      .gauge("alertmanager_build_info", "The version, as a label.",
             model::Labels{{"version", GATEHOUSE_VERSION}, {"branch", "gatehouse"}})
      .set(1);
  const bool clustered = !flags_.cluster_listen.empty();
  registry_.gauge("alertmanager_cluster_enabled", "Whether the clustering is enabled.", {})
      .set(clustered ? 1 : 0);
  if (clustered) {
    registry_.gauge("alertmanager_cluster_members", "How many members the cluster has.", {}).set(1);
  }
}

Status AlertmanagerProgram::listen() {
  net::ServerOptions options;
  if (flags_.timeout_ms > 0) options.total_timeout_ms = flags_.timeout_ms;
  for (const std::string& address : flags_.listen) {
    RETURN_IF_ERROR(net::check_free(address));
    auto server = std::make_unique<net::Server>(
        loop_, options, tls_, budget_, [this](net::Exchange& exchange) { return serve(exchange); });
    RETURN_IF_ERROR(server->listen(address));
    log_info("Listening on", {{"address", address}, {"port", int{server->port()}}});
    if (!users_->needed() && !address.starts_with("127.") && !address.starts_with("localhost")) {
      log_warning(
          "whoever reaches this address may silence alerts: there is no login without "
          "--web.config.file (basic_auth_users)",
          {{"address", address}});
    }
    servers_.push_back(std::move(server));
  }
  thread_ = std::thread([this] { loop_.run(); });
  return {};
}

Task<bool> AlertmanagerProgram::permitted(net::Exchange& exchange) {
  if (!users_->needed()) co_return true;
  const std::string authorization(exchange.request().headers.get("authorization"));
  const auto check = [this, &authorization] { return users_->check(authorization); };
  const bool right = co_await pool_.run(loop_, check);
  co_return right;
}

Task<void> AlertmanagerProgram::serve(net::Exchange& exchange) {
  const bool permits = co_await permitted(exchange);
  if (!permits) {
    const std::array headers = {net::Header{"www-authenticate", "Basic"}};
    co_return co_await send(exchange, 401, kText, "Unauthorized\n", headers);
  }
  std::string path(exchange.request().path);
  if (!prefix_.empty()) {
    if (path == "/") {
      const std::string to = prefix_ + "/";
      const std::array headers = {net::Header{"location", to}};
      co_return co_await send(exchange, 302, kText, "", headers);
    }
    if (!path.starts_with(prefix_))
      co_return co_await send(exchange, 404, kText, "404 page not found\n");
    path.erase(0, prefix_.size());
    if (path.empty()) path = "/";
  }
  const net::Method method = exchange.request().method;
  const bool get = method == net::Method::kGet || method == net::Method::kHead;
  // Alertmanager's default: as many as cores, and 8 at least.
  const int64_t most =
      flags_.get_concurrency > 0
          ? flags_.get_concurrency
          : std::max<int64_t>(8, static_cast<int64_t>(std::thread::hardware_concurrency()));
  if (get && gets_ >= most) {
    const std::string message = "Limit of concurrent GET requests reached (" +
                                std::to_string(most) + "), try again later.\n";
    co_return co_await send(exchange, 503, kText, message);
  }
  if (get) ++gets_;
  co_await route(exchange, std::move(path));
  if (get) --gets_;
}

Task<void> AlertmanagerProgram::route(net::Exchange& exchange, std::string path) {
  const net::Method method = exchange.request().method;
  const bool get = method == net::Method::kGet || method == net::Method::kHead;
  if (path == "/-/healthy" || path == "/-/ready") {
    if (!get) co_return co_await send(exchange, 405, kText, "Method Not Allowed\n");
    co_return co_await send(exchange, 200, kText, "OK");
  }
  if (path == "/-/reload") {
    if (method != net::Method::kPost) {
      co_return co_await send(exchange, 405, kText, "Method Not Allowed\n");
    }
    co_return co_await reload(exchange);
  }
  if (path == "/metrics" && get) {
    const auto format = wire::negotiate_exposition(exchange.request().headers.get("accept"));
    const auto write = [this, format] { return wire::write_exposition(registry_, format); };
    const std::string body = co_await pool_.run(loop_, write);
    co_return co_await send(exchange, 200, wire::content_type(format), body);
  }
  if (api::Alertmanager::knows(path)) {
    co_return co_await api_->handle(nullptr, exchange, std::move(path));
  }
  if (path.starts_with("/api/v1/")) {
    co_return co_await send(
        exchange, 410, "application/json",
        "{\"status\":\"deprecated\",\"error\":\"The Alertmanager v1 API was deprecated in version "
        "0.16.0 and is removed as of version 0.27.0 - please use the equivalent route in the v2 "
        "API\"}\n");
  }
  if (path == "/" && get) {
    co_return co_await send(exchange, 200, kText,
                            "gatehouse alertmanager: Alertmanager's API v2 is at api/v2/, metrics "
                            "at metrics.\nThe console belongs to gatehouse serve.\n");
  }
  co_await send(exchange, 404, kText, "404 page not found\n");
}

Task<void> AlertmanagerProgram::reload(net::Exchange& exchange) {
  const auto work = [this] { return alerts_->reload("request"); };
  const Status reloaded = co_await pool_.run(loop_, work);
  if (reloaded.ok()) co_return co_await send(exchange, 200, {}, "");
  const std::string message = "failed to reload config: " + reloaded.message() + "\n";
  co_await send(exchange, 500, kText, message);
}

void AlertmanagerProgram::run() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, each);
  int64_t reload_due_ms = steady_ms() + flags_.reload_interval_ms;
  while (true) {
    const timespec one_second{1, 0};
    const int signal = sigtimedwait(&signals, nullptr, &one_second);
    if (signal == SIGTERM || signal == SIGINT) break;
    if (signal == SIGHUP) {
      const Status reloaded = alerts_->reload("SIGHUP");
      (void)reloaded;  // it is in the log and the metric
    }
    if (flags_.reload_interval_ms > 0 && steady_ms() >= reload_due_ms) {
      alerts_->reload_if_changed();
      reload_due_ms = steady_ms() + flags_.reload_interval_ms;
    }
  }
  log_info("Received SIGTERM, exiting gracefully...", {});
  loop_.post([this] {
    auto drain = [](AlertmanagerProgram& program) -> Task<> {
      for (auto& server : program.servers_) co_await server->drain(kDrainMs);
      program.loop_.stop();
    };
    detach(drain(*this));
  });
  thread_.join();
  alerts_->finish(kFlushMs);
  const Status synced = records_->sync();
  if (!synced.ok()) log_error("records were not synced", {{"reason", synced.message()}});
  flush_log();
}

}  // namespace gatehouse::app
