#include "collect/prometheus_config.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>

#include "base/files.h"
#include "base/text.h"
#include "collect/scrape_config.h"

namespace gatehouse::collect {

namespace {

constexpr size_t kConfigBytesMax = 16 << 20;

// ${NAME} and $NAME from the environment, as Prometheus does in external labels alone;
// $$ is a dollar.
std::string expand_environment(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const bool braced = text[i + 1] == '{';
    const size_t begin = i + (braced ? 2 : 1);
    size_t end = begin;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_')) {
      ++end;
    }
    if (end == begin || (braced && (end == text.size() || text[end] != '}'))) {
      out += '$';
      continue;
    }
    if (const char* value = std::getenv(text.substr(begin, end - begin).c_str())) out += value;
    i = braced ? end : end - 1;
  }
  return out;
}

void read_global(ConfigLog& log, const wire::YamlNode& node, PrometheusConfig& out,
                 ScrapeConfig& defaults) {
  ConfigFields fields(log, node, "global");
  fields.duration("scrape_interval", out.scrape_interval_ms);
  const bool timeout_given = fields.duration("scrape_timeout", out.scrape_timeout_ms);
  if (!timeout_given) out.scrape_timeout_ms = std::min<int64_t>(10'000, out.scrape_interval_ms);
  if (out.scrape_timeout_ms > out.scrape_interval_ms) {
    log.problem(node.mark, "global scrape timeout greater than scrape interval");
  }
  fields.duration("evaluation_interval", out.evaluation_interval_ms);
  fields.pairs("external_labels", out.external_labels);
  for (auto& [name, value] : out.external_labels) value = expand_environment(value);
  std::sort(out.external_labels.begin(), out.external_labels.end());
  fields.ignore("query_log_file", "queries are in the log");
  fields.duration("rule_query_offset", out.rule_query_offset_ms);
  read_common_scrape_fields(fields, defaults);
  fields.done();
}

void read_storage(ConfigLog& log, const wire::YamlNode& node, PrometheusConfig& out) {
  ConfigFields storage(log, node, "storage");
  if (const wire::YamlNode* tsdb_node = storage.take("tsdb")) {
    ConfigFields tsdb(log, *tsdb_node, "tsdb");
    tsdb.duration("out_of_order_time_window", out.out_of_order_window_ms);
    if (const wire::YamlNode* retention_node = tsdb.take("retention")) {
      ConfigFields retention(log, *retention_node, "retention");
      retention.duration("time", out.retention_ms);
      uint64_t bytes = 0;
      if (retention.bytes("size", bytes)) out.retention_bytes = static_cast<int64_t>(bytes);
      retention.done();
    }
    tsdb.done();
  }
  storage.ignore("exemplars", "the memory budget bounds exemplars");
  storage.done();
}

void read_otlp(ConfigLog& log, const wire::YamlNode& node, PrometheusConfig& out) {
  ConfigFields fields(log, node, "otlp");
  fields.texts("promote_resource_attributes", out.otlp_promoted_attributes);
  std::string strategy;
  fields.choice("translation_strategy", strategy,
                {"UnderscoreEscapingWithSuffixes", "NoUTF8EscapingWithSuffixes",
                 "UnderscoreEscapingWithoutSuffixes", "NoTranslation"});
  if (!strategy.empty() && strategy != "UnderscoreEscapingWithSuffixes") {
    fields.refuse("translation_strategy", "only UnderscoreEscapingWithSuffixes is");
  }
  for (const std::string_view key :
       {"promote_all_resource_attributes", "ignore_resource_attributes",
        "keep_identifying_resource_attributes", "convert_histograms_to_nhcb",
        "promote_scope_metadata", "label_name_underscore_sanitization",
        "label_name_preserve_multiple_underscores"}) {
    fields.refuse(key);
  }
  fields.done();
}

void check_scrapes(ConfigLog& log,
                   const std::vector<std::pair<wire::YamlMark, std::string>>& jobs) {
  std::set<std::string> seen;
  for (const auto& [mark, job] : jobs) {
    if (!job.empty() && !seen.insert(job).second) {
      log.problem(mark, "found multiple scrape configs with job name \"" + job + "\"");
    }
  }
}

struct ScrapeList {
  std::vector<std::pair<wire::YamlMark, std::string>> jobs;
};

void read_scrape_list(ConfigLog& log, const wire::YamlNode& list, const ScrapeConfig& defaults,
                      PrometheusConfig& out, ScrapeList& seen) {
  if (!list.is_sequence()) {
    log.problem(list.mark, "scrape_configs: a list is expected");
    return;
  }
  for (const wire::YamlNode* item : list.items) {
    ScrapeConfig scrape = read_scrape_config(log, *item, out, defaults);
    seen.jobs.emplace_back(item->mark, scrape.job_name);
    out.scrapes.push_back(std::move(scrape));
  }
}

// Files that hold nothing but scrape_configs.
void read_scrape_file(ConfigLog& log, const std::string& path, wire::YamlMark mark,
                      const ScrapeConfig& defaults, PrometheusConfig& out, ScrapeList& seen) {
  const auto text = read_file(path, kConfigBytesMax);
  if (!text.ok()) {
    log.problem(mark, "scrape_config_files: " + text.status().message());
    return;
  }
  out.files.push_back(path);
  wire::YamlOptions options;
  options.name = path;
  const auto yaml = wire::parse_yaml(*text, options);
  if (!yaml.ok()) {
    log.problems.push_back(yaml.status().message());
    return;
  }
  ConfigLog own{path, {}, {}};
  if (!yaml->documents().empty() && !yaml->documents().front()->is_null()) {
    ConfigFields fields(own, *yaml->documents().front(), "scrape_config_files");
    if (const auto* list = fields.take("scrape_configs")) {
      read_scrape_list(own, *list, defaults, out, seen);
    }
    fields.done();
  }
  log.problems.insert(log.problems.end(), own.problems.begin(), own.problems.end());
  log.notices.insert(log.notices.end(), own.notices.begin(), own.notices.end());
}

void read_root(ConfigLog& log, const wire::YamlNode& root, PrometheusConfig& out) {
  ConfigFields fields(log, root, "config");
  ScrapeConfig defaults;
  defaults.fingerprint = 1;
  if (const auto* node = fields.take("global")) {
    read_global(log, *node, out, defaults);
    defaults.fingerprint = fingerprint_of(*node, 1);
  }
  if (const auto* node = fields.take("storage")) read_storage(log, *node, out);
  if (const auto* node = fields.take("otlp")) read_otlp(log, *node, out);
  if (fields.texts("rule_files", out.rule_files)) {
    for (std::string& file : out.rule_files) file = wire::resolve_path(log.file, file);
  }
  if (const auto* node = fields.take("alerting")) read_alerting(log, *node, out);
  fields.ignore("runtime", "it sets the Go runtime");
  fields.refuse("tracing");
  fields.refuse("remote_read");
  ScrapeList seen;
  if (const auto* list = fields.take("scrape_configs")) {
    read_scrape_list(log, *list, defaults, out, seen);
  }
  std::vector<std::string> patterns;
  if (fields.texts("scrape_config_files", patterns)) {
    const wire::YamlMark mark = root.get("scrape_config_files")->mark;
    for (const std::string& pattern : patterns) {
      for (const std::string& path : files_matching(wire::resolve_path(log.file, pattern))) {
        read_scrape_file(log, path, mark, defaults, out, seen);
      }
    }
  }
  check_scrapes(log, seen.jobs);
  if (const auto* list = fields.take("remote_write")) {
    if (!list->is_sequence()) log.problem(list->mark, "remote_write: a list is expected");
    for (const wire::YamlNode* item : list->items) {
      out.remote_writes.push_back(read_remote_write(log, *item));
    }
  }
  fields.done();
}

}  // namespace

std::string PrometheusProblems::to_string() const {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : "\n") + line;
  return out;
}

Result<PrometheusConfig> read_prometheus_config(std::string_view text, const std::string& name) {
  wire::YamlOptions options;
  options.name = name;
  ASSIGN_OR_RETURN(const wire::YamlStream yaml, wire::parse_yaml(text, options));
  PrometheusConfig config;
  ConfigLog log{name, {}, {}};
  if (yaml.documents().size() > 1) {
    log.problem(yaml.documents()[1]->mark, "one document is expected");
  }
  if (!yaml.documents().empty() && !yaml.documents().front()->is_null()) {
    read_root(log, *yaml.documents().front(), config);
  }
  config.notices = std::move(log.notices);
  if (log.problems.empty()) return config;
  return invalid_argument(PrometheusProblems{std::move(log.problems)}.to_string());
}

Result<PrometheusConfig> load_prometheus_config(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path, kConfigBytesMax));
  return read_prometheus_config(text, path);
}

}  // namespace gatehouse::collect
