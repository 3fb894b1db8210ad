// Rule files as Prometheus has them (prometheus.io/docs/prometheus/latest/configuration/
// recording_rules and .../alerting_rules), and Kubernetes PrometheusRule objects that wrap
// the same groups.
//
// A file is read whole: every problem is named with file, line and column, and the rule it
// belongs to. Expressions and templates are parsed here, so that a file that was read can be
// evaluated.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "lang/promql/ast.h"
#include "model/labels.h"
#include "wire/yaml.h"

namespace gatehouse::rules {

struct Rule {
  std::string record;  // a recording rule's metric
  std::string alert;   // or an alerting rule's name
  std::string query;   // as written
  std::shared_ptr<const promql::Expr> expr;
  // A moment's duration before it fires, and after it is over.
  int64_t for_ms = 0, keep_firing_for_ms = 0;
  // As written: templates, in alerting rules. Sorted by name. Labels of the group are among
  // them.
  std::vector<std::pair<std::string, std::string>> labels, annotations;
  wire::YamlMark mark;

  bool alerting() const { return !alert.empty(); }
  const std::string& name() const { return alerting() ? alert : record; }
};

struct RuleGroup {
  // The path; of a PrometheusRule object "PATH#NAMESPACE/NAME", as each has names of its own.
  std::string file;
  std::string name;
  int64_t interval_ms = 0;  // 0: the default of the evaluator
  std::optional<int64_t> query_offset_ms;
  int64_t limit = 0;  // of alerts or series a rule; 0: none
  // As written; every rule that has none of the name has them among its own.
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<Rule> rules;
};

struct RuleFile {
  std::vector<RuleGroup> groups;
  // "FILE:LINE:COLUMN: ..." of what is allowed but hardly meant: duplicates, a comparison
  // that can never hold, a selector without a name.
  std::vector<std::string> notices;
};

// What to look for that is hardly meant.
struct RuleFileOptions {
  bool duplicate_rules = false;  // the same name and labels twice
  bool expressions = false;      // that give nothing, or something always
};

// The message of an error has all problems, a line each.
Result<RuleFile> read_rule_file(std::string_view text, const std::string& name,
                                const RuleFileOptions& options = {});
Result<RuleFile> load_rule_file(const std::string& path, const RuleFileOptions& options = {});

}  // namespace gatehouse::rules
