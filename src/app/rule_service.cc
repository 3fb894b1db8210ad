#include "app/rule_service.h"

#include <sys/stat.h>

#include <set>

#include "base/files.h"
#include "base/log.h"
#include "rules/builtin_rules.h"
#include "rules/rule_file.h"

namespace gatehouse::app {

namespace {

std::vector<std::string> files_of(const std::vector<std::string>& patterns) {
  std::vector<std::string> files;
  std::set<std::string> seen;
  for (const std::string& pattern : patterns) {
    for (std::string& file : files_matching(pattern)) {
      if (seen.insert(file).second) files.push_back(std::move(file));
    }
  }
  return files;
}

std::string stamps_of(const std::vector<std::string>& patterns) {
  std::string stamps;
  for (const std::string& path : files_of(patterns)) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) continue;
    stamps += path + " " + std::to_string(found.st_ino) + " " + std::to_string(found.st_size) +
              " " + std::to_string(found.st_mtim.tv_sec) + "." +
              std::to_string(found.st_mtim.tv_nsec) + ";";
  }
  return stamps;
}

exporting::AlertRelabel relabel_of(const collect::RelabelRules& all,
                                   const collect::RelabelRules& own) {
  collect::RelabelRules rules = all;
  rules.insert(rules.end(), own.begin(), own.end());
  if (rules.empty()) return {};
  return [rules](model::Labels& labels) {
    collect::MutableLabels changed(labels);
    if (!collect::apply_rules(rules, changed)) return false;
    labels = changed.labels();
    return true;
  };
}

// The groups of a file, with what they do not say themselves; problems behind the others.
void adopt(Result<rules::RuleFile> file, int64_t interval_ms, int64_t query_offset_ms, RuleSet& out,
           std::string& problems) {
  if (!file.ok()) {
    problems += (problems.empty() ? "" : "\n") + std::string(file.status().message());
    return;
  }
  out.notices.insert(out.notices.end(), file->notices.begin(), file->notices.end());
  for (rules::RuleGroup& group : file->groups) {
    if (group.interval_ms == 0) group.interval_ms = interval_ms;
    if (!group.query_offset_ms) group.query_offset_ms = query_offset_ms;
    out.groups.push_back(std::move(group));
  }
}

void read_files(const std::vector<std::string>& patterns, int64_t interval_ms,
                int64_t query_offset_ms, std::set<std::string>& seen, RuleSet& out,
                std::string& problems) {
  for (const std::string& path : files_of(patterns)) {
    if (!seen.insert(path).second) continue;
    adopt(rules::load_rule_file(path), interval_ms, query_offset_ms, out, problems);
  }
}

}  // namespace

RuleService::RuleService(RuleServiceParts parts, int concurrency)
    : parts_(std::move(parts)),
      engine_(
          std::make_unique<rules::RuleEngine>(rules::RuleEngineParts{.reader = parts_.store,
                                                                     .appender = parts_.store,
                                                                     .records = parts_.records,
                                                                     .notifier = *this,
                                                                     .budget = parts_.budget,
                                                                     .registry = parts_.registry,
                                                                     .clock = parts_.clock},
                                              concurrency)) {}

RuleService::~RuleService() { finish(0); }

Result<RuleSet> RuleService::read(const RulesConfig& config,
                                  const collect::PrometheusConfig& prometheus,
                                  const rules::EvaluationOptions& options) {
  RuleSet out;
  out.options = options;
  out.options.interval_ms = config.interval_ms;
  out.options.external_labels = model::Labels(prometheus.external_labels);
  out.patterns = config.files;
  out.patterns.insert(out.patterns.end(), prometheus.rule_files.begin(),
                      prometheus.rule_files.end());
  // Before they are read: what changes meanwhile is read again.
  out.stamps = stamps_of(out.patterns);
  std::string problems;
  std::set<std::string> seen;
  read_files(config.files, config.interval_ms, 0, seen, out, problems);
  read_files(prometheus.rule_files, prometheus.evaluation_interval_ms,
             prometheus.rule_query_offset_ms, seen, out, problems);
  if (config.ai) {
    adopt(rules::read_rule_file(rules::builtin_rules(), std::string(rules::kBuiltinRulesName)),
          config.interval_ms, 0, out, problems);
  }
  if (!problems.empty()) return invalid_argument(problems);
  for (const collect::AlertmanagerConfig& each : prometheus.alertmanagers) {
    collect::AlertmanagerConfig::Targets targets = each.targets();
    out.urls.insert(out.urls.end(), targets.urls.begin(), targets.urls.end());
    out.dropped_urls.insert(out.dropped_urls.end(), targets.dropped.begin(), targets.dropped.end());
    out.alertmanagers.push_back({std::move(targets.urls), each.http, each.timeout_ms,
                                 relabel_of(prometheus.alert_relabel, each.alert_relabel)});
  }
  return out;
}

Status RuleService::take(RuleSet set) {
  if (!set.alertmanagers.empty() || sender_ != nullptr) {
    auto sender = sender_;
    if (sender == nullptr) {
      sender = std::make_shared<exporting::AlertSender>(parts_.pool, parts_.registry, parts_.dial);
    }
    RETURN_IF_ERROR(sender->configure(std::move(set.alertmanagers)));
    const std::lock_guard lock(mutex_);
    sender_ = std::move(sender);
  }
  for (const std::string& notice : set.notices) log_warning("rules", {{"notice", notice}});
  {
    const std::lock_guard lock(mutex_);
    external_labels_ = set.options.external_labels;
    urls_ = set.urls;
    dropped_urls_ = set.dropped_urls;
  }
  patterns_ = std::move(set.patterns);
  stamps_ = std::move(set.stamps);
  waiting_ = std::move(set);
  due_ = true;
  if (parts_.store.ready()) keep_house();
  return {};
}

void RuleService::keep_house() {
  // Rules over half of the past would find alerts that are none, and end some that are.
  if (!due_ || !parts_.store.ready()) return;
  due_ = false;
  engine_->configure(std::move(waiting_.groups), waiting_.options);
  waiting_ = {};
}

bool RuleService::files_changed() {
  std::string now = stamps_of(patterns_);
  if (now == stamps_) return false;
  stamps_ = std::move(now);
  return true;
}

void RuleService::finish(int64_t flush_ms) {
  engine_->finish();
  std::shared_ptr<exporting::AlertSender> sender;
  {
    const std::lock_guard lock(mutex_);
    sender = std::move(sender_);
  }
  if (sender != nullptr) sender->finish(flush_ms);
}

std::vector<std::string> RuleService::alertmanagers() const {
  const std::lock_guard lock(mutex_);
  return urls_;
}

std::vector<std::string> RuleService::dropped_alertmanagers() const {
  const std::lock_guard lock(mutex_);
  return dropped_urls_;
}

// External labels say which server an alert came from; the alert's own come first.
void RuleService::notify(std::span<const model::Alert> alerts) {
  model::Labels external;
  std::shared_ptr<exporting::AlertSender> sender;
  {
    const std::lock_guard lock(mutex_);
    external = external_labels_;
    sender = sender_;
  }
  std::vector<model::Alert> named;
  if (!external.empty()) {
    named.assign(alerts.begin(), alerts.end());
    for (model::Alert& alert : named) {
      std::vector<model::Labels::Pair> pairs = external.pairs();
      const auto& own = alert.labels.pairs();
      pairs.insert(pairs.end(), own.begin(), own.end());  // of one name the later wins
      alert.labels = model::Labels(std::move(pairs));
    }
    alerts = named;
  }
  if (parts_.notifier != nullptr) parts_.notifier->notify(alerts);
  if (sender != nullptr) sender->notify(alerts);
}

}  // namespace gatehouse::app
