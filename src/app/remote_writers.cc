#include "app/remote_writers.h"

#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "store/real_disk.h"

namespace gatehouse::app {

namespace {

// A destination without a name is known by its URL.
std::string name_of(const collect::RemoteWriteConfig& given) {
  return given.name.empty() ? hex_encode(sha256(given.url)).substr(0, 12) : given.name;
}

Result<exporting::RemoteWriteConfig> translate(const collect::RemoteWriteConfig& given,
                                               const collect::PrometheusConfig& all) {
  const std::string at = "remote_write " + given.url;
  exporting::RemoteWriteConfig config;
  config.name = name_of(given);
  config.url = given.url;
  config.version = given.version;
  config.headers = given.headers;
  config.timeout_ms = given.timeout_ms;
  config.send_exemplars = given.send_exemplars;
  config.send_native_histograms = given.send_native_histograms;
  config.metadata_interval_ms = given.send_metadata ? given.metadata_interval_ms : 0;
  config.external_labels = model::Labels(all.external_labels);
  if (const auto& basic = given.http.basic_auth) {
    auto user = basic->username.read();
    if (!user.ok()) return user.status().with_context(at);
    config.username = std::move(*user);
    config.password = basic->password.text;
    config.password_file = basic->password.file;
  }
  if (const auto& authorization = given.http.authorization) {
    if (authorization->type != "Bearer") {
      return invalid_argument(at + ": the authorization type " + authorization->type +
                              " is not supported; use Bearer, or a header");
    }
    config.bearer_token = authorization->credentials.text;
    config.bearer_token_file = authorization->credentials.file;
  }
  if (given.http.oauth2 || given.azure_ad) {
    return invalid_argument(at + ": oauth2 and azuread are not supported yet; use authorization");
  }
  if (given.http.tls.insecure_skip_verify || !given.http.tls.cert_file.empty() ||
      !given.http.tls.cert.empty()) {
    return invalid_argument(at +
                            ": of tls_config only ca_file is supported; client certificates and "
                            "insecure_skip_verify are not");
  }
  config.ca_file = given.http.tls.ca_file;
  config.queue.shards_min = given.queue.min_shards;
  config.queue.shards_max = given.queue.max_shards;
  config.queue.capacity = static_cast<int>(given.queue.capacity);
  config.queue.batch_samples_max = static_cast<int>(given.queue.max_samples_per_send);
  config.queue.batch_deadline_ms = given.queue.batch_send_deadline_ms;
  config.queue.backoff_min_ms = given.queue.min_backoff_ms;
  config.queue.backoff_max_ms = given.queue.max_backoff_ms;
  RETURN_IF_ERROR(exporting::check(config));
  return config;
}

exporting::Relabel relabel_of(const collect::RelabelRules& rules) {
  if (rules.empty()) return {};
  return [rules](model::Labels& labels) {
    collect::MutableLabels changed(labels);
    if (!collect::apply_rules(rules, changed)) return false;
    labels = changed.labels();
    return true;
  };
}

// All that a running writer was made of.
std::string fingerprint_of(const collect::RemoteWriteConfig& given,
                           const exporting::RemoteWriteConfig& made) {
  std::string text = made.url + '\n' + std::to_string(made.version) + '\n' + made.username + '\n' +
                     made.password + '\n' + made.password_file + '\n' + made.bearer_token + '\n' +
                     made.bearer_token_file + '\n' + made.ca_file + '\n' +
                     made.external_labels.to_string() + '\n';
  for (const auto& [name, value] : made.headers) text += name + ": " + value + '\n';
  for (const int64_t number :
       {made.timeout_ms, made.metadata_interval_ms, int64_t{made.send_exemplars},
        int64_t{made.send_native_histograms}, int64_t{made.queue.shards_min},
        int64_t{made.queue.shards_max}, int64_t{made.queue.capacity},
        int64_t{made.queue.batch_samples_max}, made.queue.batch_deadline_ms,
        made.queue.backoff_min_ms, made.queue.backoff_max_ms}) {
    text += std::to_string(number) + ' ';
  }
  for (const collect::RelabelRule& rule : given.write_relabel) {
    const collect::RelabelConfig& config = rule.config();
    for (const std::string& label : config.source_labels) text += label + ',';
    text += '\n' + config.separator + '\n' + config.regex + '\n' + config.target_label + '\n' +
            config.replacement + '\n' + std::to_string(config.modulus) + '\n' +
            std::string(name(config.action)) + '\n';
  }
  return sha256(text);
}

}  // namespace

RemoteWriters::RemoteWriters(store::MetricStore& store, Pool& pool, MemoryBudget& budget,
                             model::Registry& registry, const model::Clock& clock,
                             net::DialOptions dial, std::string directory)
    : store_(store),
      pool_(pool),
      budget_(budget),
      registry_(registry),
      clock_(clock),
      dial_(std::move(dial)),
      directory_(std::move(directory)) {}

Status RemoteWriters::check(const collect::PrometheusConfig& config) {
  std::map<std::string, std::string> urls;
  for (const collect::RemoteWriteConfig& given : config.remote_writes) {
    auto made = translate(given, config);
    if (!made.ok()) return made.status();
    if (const auto [at, fresh] = urls.emplace(made->name, made->url); !fresh) {
      return invalid_argument("remote_write: two destinations are named " + made->name +
                              "; give each a name of its own");
    }
  }
  return {};
}

std::function<void(store::Wal&)> RemoteWriters::hold_log(const collect::PrometheusConfig& config,
                                                         std::string directory) {
  std::vector<std::string> names;
  for (const collect::RemoteWriteConfig& given : config.remote_writes) {
    names.push_back(name_of(given));
  }
  return [names, directory](store::Wal& wal) {
    for (const std::string& name : names) {
      const Status held =
          exporting::RemoteWriter::hold_log(store::real_disk(), directory, name, wal);
      if (!held.ok()) {
        log_warning("what a destination has not got may go from the log",
                    {{"destination", name}, {"reason", held.message()}});
      }
    }
  };
}

void RemoteWriters::configure(const collect::PrometheusConfig& config) {
  constexpr int64_t kFlushMs = 5'000;
  std::map<std::string, Running> next;
  for (const collect::RemoteWriteConfig& given : config.remote_writes) {
    auto made = translate(given, config);
    if (!made.ok()) continue;  // check() has said so
    const std::string name = made->name;
    const std::string fingerprint = fingerprint_of(given, *made);
    if (const auto known = running_.find(name); known != running_.end()) {
      if (known->second.fingerprint == fingerprint) {
        next.insert(running_.extract(known));
        continue;
      }
      // The same destination told otherwise goes on from its place.
      known->second.writer->finish(kFlushMs);
      running_.erase(known);
    }
    exporting::RemoteWriterParts parts;
    parts.head = &store_.head();
    parts.wal = store_.wal();
    parts.disk = &store_.disk();
    parts.clock = &clock_;
    parts.pool = &pool_;
    parts.budget = &budget_;
    parts.registry = &registry_;
    parts.dial = dial_;
    parts.directory = directory_;
    parts.relabel = relabel_of(given.write_relabel);
    auto writer = exporting::RemoteWriter::start(std::move(*made), std::move(parts));
    if (!writer.ok()) {
      log_error("a remote writer did not start",
                {{"destination", given.url}, {"reason", writer.status().message()}});
      continue;
    }
    next[name] = {fingerprint, std::move(*writer)};
  }
  for (auto& [name, gone] : running_) {
    gone.writer->finish(kFlushMs);
    if (const Status forgotten = gone.writer->forget(); !forgotten.ok()) {
      log_warning("a remote writer's place was not removed",
                  {{"destination", name}, {"reason", forgotten.message()}});
    }
  }
  running_ = std::move(next);
}

void RemoteWriters::finish(int64_t flush_ms) {
  for (auto& [name, each] : running_) each.writer->finish(flush_ms);
  running_.clear();
}

}  // namespace gatehouse::app
