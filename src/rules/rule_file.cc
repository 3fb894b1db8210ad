#include "rules/rule_file.h"

#include <algorithm>
#include <set>

#include "base/files.h"
#include "base/text.h"
#include "lang/promql/functions.h"
#include "lang/promql/parser.h"
#include "model/sample.h"
#include "rules/alert_template.h"
#include "rules/rule_lint.h"
#include "wire/yaml_fields.h"

namespace gatehouse::rules {
namespace {

using wire::ConfigFields;
using wire::ConfigLog;
using wire::YamlMark;
using wire::YamlNode;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// The largest public collections have some 100 KB in a file.
constexpr size_t kRuleFileBytesMax = 16 << 20;

bool is_label_name(std::string_view name) { return !name.empty() && valid_utf8(name); }

void check_labels(ConfigLog& log, YamlMark mark, const Pairs& labels) {
  for (const auto& [name, value] : labels) {
    if (!is_label_name(name) || name == model::kMetricName) {
      log.problem(mark, "invalid label name: " + name);
    }
    if (!valid_utf8(value)) log.problem(mark, "invalid label value: " + value);
  }
}

// "unknown function with name "rat"", and what may be meant.
std::string with_closest_function(std::string message) {
  constexpr std::string_view kUnknown = "unknown function with name \"";
  const size_t at = message.find(kUnknown);
  if (at == std::string::npos) return message;
  const size_t begin = at + kUnknown.size();
  const size_t end = message.find('"', begin);
  if (end == std::string::npos) return message;
  std::vector<std::string_view> names;
  for (const promql::Function& function : promql::all_functions()) names.push_back(function.name);
  const std::string name = message.substr(begin, end - begin);
  if (const auto near = closest(name, names)) {
    message += "; did you mean " + std::string(*near) + "?";
  }
  return message;
}

// Who reads a rule, and what its mapping is called there.
enum class Dialect { kPrometheus, kKubernetes };

class RuleFileReader {
 public:
  RuleFileReader(const std::string& name, const RuleFileOptions& options) : options_(options) {
    log_.file = name;
  }

  Result<RuleFile> read(std::string_view text) {
    wire::YamlOptions yaml_options;
    yaml_options.name = log_.file;
    ASSIGN_OR_RETURN(const wire::YamlStream yaml, wire::parse_yaml(text, yaml_options));
    for (const YamlNode* document : yaml.documents()) read_document(*document);
    if (log_.problems.empty()) {
      lint_rules(log_, out_.groups, options_);
      out_.notices = std::move(log_.notices);
      return std::move(out_);
    }
    std::string message;
    for (const std::string& problem : log_.problems) {
      message += (message.empty() ? "" : "\n") + problem;
    }
    return invalid_argument(std::move(message));
  }

 private:
  void read_document(const YamlNode& document) {
    if (document.is_null()) return;
    if (document.is_mapping() && (document.get("kind") || document.get("apiVersion"))) {
      read_object(document);
      return;
    }
    ConfigFields fields(log_, document, "rulefmt.RuleGroups");
    if (const YamlNode* groups = fields.take("groups")) {
      read_groups(*groups, log_.file, Dialect::kPrometheus);
    }
    fields.done();
  }

  static std::string scalar(const YamlNode* mapping, std::string_view key) {
    const YamlNode* node = mapping && mapping->is_mapping() ? mapping->get(key) : nullptr;
    return node && node->is_scalar() && !node->is_null() ? node->value : std::string();
  }

  // A Kubernetes object. Only what concerns rules is read; the rest is the API server's.
  void read_object(const YamlNode& object) {
    const std::string kind = scalar(&object, "kind");
    const std::string version = scalar(&object, "apiVersion");
    if (kind == "List" || kind == "PrometheusRuleList") {
      const YamlNode* items = object.get("items");
      if (!items || !items->is_sequence()) {
        log_.problem(object.mark, "items: a list is expected");
        return;
      }
      for (const YamlNode* item : items->items) {
        if (item->is_mapping()) {
          read_object(*item);
        } else {
          log_.problem(item->mark, "an object is expected");
        }
      }
      return;
    }
    if (kind != "PrometheusRule") {
      log_.notice(object.mark, "an object of kind \"" + kind + "\" holds no rules");
      return;
    }
    if (version != "monitoring.coreos.com/v1") {
      log_.problem(object.mark, "apiVersion: \"" + version +
                                    "\" is not known of a PrometheusRule; monitoring.coreos.com/v1 "
                                    "is");
      return;
    }
    const YamlNode* metadata = object.get("metadata");
    std::string id = scalar(metadata, "name");
    if (const std::string space = scalar(metadata, "namespace"); !space.empty()) {
      id = space + "/" + id;
    }
    const YamlNode* spec = object.get("spec");
    if (!spec || spec->is_null()) return;
    ConfigFields fields(log_, *spec, "PrometheusRule.spec");
    if (const YamlNode* groups = fields.take("groups")) {
      read_groups(*groups, id.empty() ? log_.file : log_.file + "#" + id, Dialect::kKubernetes);
    }
    fields.done();
  }

  void read_groups(const YamlNode& list, const std::string& file, Dialect dialect) {
    if (!list.is_sequence()) {
      log_.problem(list.mark, "groups: a list is expected");
      return;
    }
    for (const YamlNode* item : list.items) {
      RuleGroup group = read_group(*item, dialect);
      group.file = file;
      if (!names_.insert({file, group.name}).second) {
        log_.problem(item->mark, "groupname: \"" + group.name + "\" is repeated in the same file");
      }
      out_.groups.push_back(std::move(group));
    }
  }

  RuleGroup read_group(const YamlNode& node, Dialect dialect) {
    RuleGroup group;
    ConfigFields fields(log_, node, "rulefmt.RuleGroup");
    fields.text("name", group.name);
    if (group.name.empty()) log_.problem(node.mark, "Groupname must not be empty");
    fields.duration("interval", group.interval_ms);
    if (int64_t offset_ms = 0; fields.duration("query_offset", offset_ms)) {
      group.query_offset_ms = offset_ms;
    }
    fields.integer("limit", INT32_MIN, INT32_MAX, group.limit);
    group.limit = std::max<int64_t>(group.limit, 0);  // Prometheus: a negative one is none
    fields.pairs("labels", group.labels);
    std::sort(group.labels.begin(), group.labels.end());
    check_labels(log_, node.mark, group.labels);
    if (dialect == Dialect::kKubernetes) {
      fields.ignore("partial_response_strategy", "it is for Thanos");
    }
    const YamlNode* list = fields.take("rules");
    if (list && !list->is_sequence()) {
      log_.problem(list->mark, "rules: a list is expected");
    } else if (list) {
      for (size_t i = 0; i < list->items.size(); ++i) {
        group.rules.push_back(read_rule(*list->items[i], group, i + 1));
      }
    }
    fields.done();
    return group;
  }

  Rule read_rule(const YamlNode& node, const RuleGroup& group, size_t number) {
    ConfigLog own{log_.file, {}, {}};
    Rule rule;
    rule.mark = node.mark;
    ConfigFields fields(own, node, "rulefmt.Rule");
    fields.text("record", rule.record);
    fields.text("alert", rule.alert);
    fields.text("expr", rule.query);
    const bool has_for = fields.duration("for", rule.for_ms) && rule.for_ms != 0;
    const bool has_keep =
        fields.duration("keep_firing_for", rule.keep_firing_for_ms) && rule.keep_firing_for_ms != 0;
    fields.pairs("labels", rule.labels);
    fields.pairs("annotations", rule.annotations);
    fields.done();
    const auto mark_of = [&node](std::string_view key) {
      const YamlNode* value = node.is_mapping() ? node.get(key) : nullptr;
      return value ? value->mark : node.mark;
    };
    if (!rule.record.empty() && !rule.alert.empty()) {
      own.problem(mark_of("record"), "only one of 'record' and 'alert' must be set");
    } else if (rule.record.empty() && rule.alert.empty()) {
      own.problem(node.mark, "one of 'record' or 'alert' must be set");
    }
    read_expression(own, mark_of("expr"), rule);
    if (!rule.record.empty()) check_recording(own, node, rule, has_for, has_keep);
    check_labels(own, mark_of("labels"), rule.labels);
    for (const auto& [name, text] : rule.annotations) {
      if (!is_label_name(name)) {
        own.problem(mark_of("annotations"), "invalid annotation name: " + name);
      }
    }
    check_templates(own, node, "label", rule, rule.labels);
    check_templates(own, node, "annotation", rule, rule.annotations);
    for (const auto& label : group.labels) {
      const auto same = [&label](const auto& each) { return each.first == label.first; };
      if (std::none_of(rule.labels.begin(), rule.labels.end(), same)) rule.labels.push_back(label);
    }
    std::sort(rule.labels.begin(), rule.labels.end());
    std::sort(rule.annotations.begin(), rule.annotations.end());
    take_over(own, group, number, rule);
    return rule;
  }

  static void read_expression(ConfigLog& log, YamlMark mark, Rule& rule) {
    if (rule.query.empty()) {
      log.problem(mark, "field 'expr' must be set in rule");
      return;
    }
    promql::ParseOptions options;
    options.experimental_functions = true;
    auto expr = promql::parse(rule.query, options);
    if (!expr.ok()) {
      log.problem(mark,
                  "could not parse expression: " + with_closest_function(expr.status().message()));
      return;
    }
    rule.expr = std::move(*expr);
  }

  static void check_templates(ConfigLog& log, const YamlNode& node, const std::string& what,
                              const Rule& rule, const Pairs& texts) {
    const YamlNode* mapping = node.get(what + "s");
    if (!rule.alerting() || !mapping) return;
    for (const auto& [name, text] : texts) {
      const Status status = check_alert_template(rule.alert, text);
      if (status.ok()) continue;
      const YamlNode* value = mapping->get(name);
      log.problem(value ? value->mark : mapping->mark,
                  what + " \"" + name + "\": " + status.message());
    }
  }

  static void check_recording(ConfigLog& log, const YamlNode& node, const Rule& rule, bool has_for,
                              bool has_keep) {
    if (!rule.annotations.empty()) {
      log.problem(node.mark, "invalid field 'annotations' in recording rule");
    }
    if (has_for) log.problem(node.mark, "invalid field 'for' in recording rule");
    if (has_keep) log.problem(node.mark, "invalid field 'keep_firing_for' in recording rule");
    if (!valid_utf8(rule.record)) {
      log.problem(node.mark, "invalid recording rule name: " + rule.record);
    }
    if (rule.record.find_first_of("{}") != std::string::npos) {
      log.problem(node.mark, "braces present in the recording rule name; should it be in expr?: " +
                                 rule.record);
    }
  }

  // Problems of a rule say which one: FILE:L:C: group "g", rule 2, "name": ...
  void take_over(const ConfigLog& own, const RuleGroup& group, size_t number, const Rule& rule) {
    const std::string where = "group \"" + group.name + "\", rule " + std::to_string(number) +
                              ", \"" + rule.name() + "\": ";
    for (std::string problem : own.problems) {
      if (log_.problems.size() == wire::kConfigProblemsMax) return;
      const size_t at = problem.find(": ", log_.file.size());
      log_.problems.push_back(problem.insert(at + 2, where));
    }
  }

  RuleFileOptions options_;
  ConfigLog log_;
  RuleFile out_;
  std::set<std::pair<std::string, std::string>> names_;  // file and group
};

}  // namespace

Result<RuleFile> read_rule_file(std::string_view text, const std::string& name,
                                const RuleFileOptions& options) {
  return RuleFileReader(name, options).read(text);
}

Result<RuleFile> load_rule_file(const std::string& path, const RuleFileOptions& options) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path, kRuleFileBytesMax));
  return read_rule_file(text, path, options);
}

}  // namespace gatehouse::rules
