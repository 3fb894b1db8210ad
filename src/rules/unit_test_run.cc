#include "rules/unit_test_run.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/files.h"
#include "base/loop.h"
#include "base/text.h"
#include "lang/promql/histogram/arithmetic.h"
#include "lang/promql/histogram/buckets.h"
#include "lang/promql/literal.h"
#include "lang/promql/memory_series.h"
#include "lang/promql/parser.h"
#include "model/matcher.h"
#include "rules/evaluation.h"
#include "rules/unit_test_file.h"

namespace gatehouse::rules {
namespace {

// Tests are written by hand.
constexpr size_t kFileBytesMax = 16 << 20;
// What one query of a test may take: far more than a sensible one does.
constexpr int64_t kMemoryBytes = 1LL << 30;
constexpr int64_t kTimeoutMs = 120'000;
constexpr int64_t kSamplesMax = 50'000'000;
// A test of a year at 15 s: an interval or an eval_time with a wrong unit ends.
constexpr int64_t kEvaluationsMax = 3'000'000;

std::string indented(const std::string& text, const std::string& by) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (c == '\n') out += by;
  }
  return out;
}

std::string text_of(std::vector<ExpectedAlert>& alerts) {
  if (alerts.empty()) return "[]";
  std::string out = "[";
  for (size_t i = 0; i < alerts.size(); ++i) {
    out += (i == 0 ? "\n" : ",\n") + std::to_string(i) + ":" +
           indented("\nLabels:" + alerts[i].labels.to_string() +
                        "\nAnnotations:" + alerts[i].annotations.to_string(),
                    "  ");
  }
  return out + "\n]";
}

std::string text_of(const ExpectedSample& sample) {
  const std::string value = sample.histogram ? promql::to_text(promql::compacted(*sample.histogram))
                                             : promql::format_number_short(sample.value);
  // A metric's name stands before the braces.
  const std::string name(sample.labels.get(model::kMetricName));
  return name + sample.labels.with(model::kMetricName, "").to_string() + " " + value;
}

std::string text_of(const std::vector<ExpectedSample>& samples) {
  if (samples.empty()) return "nil";
  std::string out;
  for (const ExpectedSample& sample : samples) {
    out += (out.empty() ? "" : ", ") + promql::quote(text_of(sample));
  }
  return out;
}

bool same_value(double a, double b, bool fuzzy) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return true;
  return fuzzy && (std::nextafter(a, -INFINITY) == b || std::nextafter(a, INFINITY) == b);
}

bool same_samples(const std::vector<ExpectedSample>& a, const std::vector<ExpectedSample>& b,
                  bool fuzzy) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [fuzzy](const auto& x, const auto& y) {
    if (x.labels != y.labels || !x.histogram != !y.histogram) return false;
    if (!x.histogram) return same_value(x.value, y.value, fuzzy);
    return promql::to_text(promql::compacted(*x.histogram)) ==
           promql::to_text(promql::compacted(*y.histogram));
  });
}

void sort_by_labels(auto& all) {
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.labels < b.labels; });
}

class UnitTestRun {
 public:
  UnitTestRun(const UnitTestFile& file, const UnitTest& test, const std::vector<RuleGroup>& groups,
              UnitTestOutcome& outcome)
      : file_(file), test_(test), outcome_(outcome) {
    EvaluationOptions options;
    options.interval_ms = file.evaluation_interval_ms;
    options.external_url = test.external_url;
    options.external_labels = test.external_labels;
    for (const RuleGroup& group : groups) groups_.emplace_back(group, options);
  }

  void run() {
    int64_t end_ms = 0;
    std::map<int64_t, std::vector<const AlertTest*>> due;  // by the evaluation that shows them
    const int64_t step_ms = file_.evaluation_interval_ms;
    for (const AlertTest& alert : test_.alerts) {
      end_ms = std::max(end_ms, alert.eval_time_ms);
      due[alert.eval_time_ms / step_ms * step_ms].push_back(&alert);
    }
    for (const ExpressionTest& expression : test_.expressions) {
      end_ms = std::max(end_ms, expression.eval_time_ms);
    }
    if (end_ms / step_ms > kEvaluationsMax) {
      outcome_.failures.push_back("    " + std::to_string(end_ms / step_ms) +
                                  " evaluations are more than are run");
      return;
    }
    for (int64_t at_ms = 0; at_ms <= end_ms; at_ms += step_ms) {
      load_until(at_ms);
      if (!evaluate(at_ms)) return;
      const auto tests = due.find(at_ms);
      if (tests == due.end()) continue;
      std::stable_sort(
          tests->second.begin(), tests->second.end(),
          [](const AlertTest* a, const AlertTest* b) { return a->eval_time_ms < b->eval_time_ms; });
      for (const AlertTest* test : tests->second) check(*test);
    }
    for (const ExpressionTest& expression : test_.expressions) check(expression);
  }

 private:
  void load_until(int64_t at_ms) {
    const auto until = static_cast<size_t>(at_ms / test_.interval_ms) + 1;
    for (const promql::NotedSeries& series : test_.series) {
      for (size_t i = loaded_; i < std::min(until, series.values.size()); ++i) {
        const promql::NotedValue& value = series.values[i];
        if (value.omitted()) continue;
        const int64_t time_ms = test_.start_ms + static_cast<int64_t>(i) * test_.interval_ms;
        insert(series.labels, time_ms, value.value.value_or(0), value.histogram);
      }
    }
    loaded_ = std::max(loaded_, until);
  }

  // A second sample of a moment is dropped, as a store does.
  void insert(const model::Labels& labels, int64_t time_ms, double value,
              std::shared_ptr<const model::NativeHistogram> histogram) {
    const Status status = store_.insert(labels, time_ms, {value, std::move(histogram), 0});
    static_cast<void>(status);
  }

  // False: a rule failed, and what comes after it says nothing.
  bool evaluate(int64_t at_ms) {
    const EvaluationSource source{store_, budget_};
    bool all_well = true;
    for (GroupEvaluation& group : groups_) {
      for (size_t i = 0; i < group.size(); ++i) {
        const RuleOutcome outcome = group.evaluate(i, test_.start_ms + at_ms, source);
        if (!outcome.status.ok()) {
          outcome_.failures.push_back("    rule: " + group.group().rules[i].name() +
                                      ", time: " + format_duration(at_ms) +
                                      ", err: " + outcome.status.message());
          all_well = false;
        }
        for (const RuleSample& sample : outcome.samples) {
          insert(sample.labels, outcome.time_ms, sample.value, sample.histogram);
        }
      }
    }
    return all_well;
  }

  void check(const AlertTest& test) {
    ++outcome_.checks;
    std::vector<ExpectedAlert> expected = test.expected, found;
    for (const GroupEvaluation& group : groups_) {
      for (size_t i = 0; i < group.size(); ++i) {
        if (group.group().rules[i].alert != test.alert) continue;
        for (const ActiveAlert& alert : group.alerts(i)) {
          if (alert.state != AlertState::kFiring) continue;
          found.push_back({alert.labels, model::Labels(alert.annotations)});
        }
      }
    }
    const auto by_labels_and_annotations = [](const ExpectedAlert& a, const ExpectedAlert& b) {
      return std::tie(a.labels, a.annotations) < std::tie(b.labels, b.annotations);
    };
    std::sort(expected.begin(), expected.end(), by_labels_and_annotations);
    std::sort(found.begin(), found.end(), by_labels_and_annotations);
    const auto same = [](const ExpectedAlert& a, const ExpectedAlert& b) {
      return a.labels == b.labels && a.annotations == b.annotations;
    };
    if (std::equal(expected.begin(), expected.end(), found.begin(), found.end(), same)) return;
    const std::string kIndent(12, ' ');
    outcome_.failures.push_back(name_line() + "    alertname: " + test.alert +
                                ", time: " + format_duration(test.eval_time_ms) +
                                ", \n        exp:" + indented(text_of(expected), kIndent) +
                                ", \n        got:" + indented(text_of(found), kIndent));
  }

  std::string name_line() const {
    return test_.name.empty() ? "" : "    name: " + test_.name + ",\n";
  }

  void check(const ExpressionTest& test) {
    ++outcome_.checks;
    const std::string head = name_line() + "    expr: " + promql::quote(test.query) +
                             ", time: " + format_duration(test.eval_time_ms) + ",";
    auto answer = query(test.query, test_.start_ms + test.eval_time_ms);
    if (!answer.ok()) {
      outcome_.failures.push_back(head + " err: " + answer.status().message());
      return;
    }
    std::vector<ExpectedSample> expected = test.expected;
    sort_by_labels(expected);
    sort_by_labels(*answer);
    if (same_samples(expected, *answer, file_.fuzzy_compare)) return;
    outcome_.failures.push_back(head + "\n        exp: " + text_of(expected) +
                                "\n        got: " + text_of(*answer));
  }

  Result<std::vector<ExpectedSample>> query(const std::string& text, int64_t time_ms) {
    promql::ParseOptions options;
    options.experimental_functions = true;
    ASSIGN_OR_RETURN(const promql::ExprPtr expr, promql::parse(text, options));
    model::QueryContext context(budget_, steady_ms() + kTimeoutMs, kSamplesMax);
    ASSIGN_OR_RETURN(const promql::QueryValue value,
                     promql::evaluate_instant(*expr, text, time_ms, {}, store_, context));
    std::vector<ExpectedSample> out;
    if (value.type == promql::ValueType::kScalar) {
      out.push_back({{}, value.scalar.value, nullptr});
    } else if (value.type != promql::ValueType::kVector) {
      return invalid_argument("rule result is not a vector or scalar");
    }
    for (const promql::ResultSeries& series : value.series) {
      if (series.points.empty()) continue;
      out.push_back({series.labels, series.points[0].value, series.points[0].histogram});
    }
    return out;
  }

  const UnitTestFile& file_;
  const UnitTest& test_;
  UnitTestOutcome& outcome_;
  std::vector<GroupEvaluation> groups_;
  promql::MemorySeries store_;
  MemoryBudget budget_{kMemoryBytes};
  size_t loaded_ = 0;  // values of each series
};

// Groups that the order does not name come first, as in promtool.
Status put_in_order(const std::vector<std::string>& order, std::vector<RuleGroup>& groups) {
  std::map<std::string, size_t> places;
  for (const std::string& name : order) {
    if (!places.emplace(name, places.size()).second) {
      return invalid_argument("group name repeated in evaluation order: " + name);
    }
  }
  std::stable_sort(groups.begin(), groups.end(), [&](const RuleGroup& a, const RuleGroup& b) {
    const auto place = [&places](const RuleGroup& group) {
      const auto found = places.find(group.name);
      return found == places.end() ? 0 : found->second;
    };
    return place(a) < place(b);
  });
  return {};
}

Result<std::vector<RuleGroup>> load_groups(const UnitTestFile& file, UnitTestOutcome& outcome) {
  std::vector<RuleGroup> groups;
  std::set<std::string> seen;
  for (const std::string& pattern : file.rule_files) {
    const std::vector<std::string> paths = files_matching(pattern);
    if (paths.empty()) outcome.notices.push_back("WARNING: no file match pattern " + pattern);
    for (const std::string& path : paths) {
      if (!seen.insert(path).second) continue;
      ASSIGN_OR_RETURN(RuleFile rules, load_rule_file(path));
      for (RuleGroup& group : rules.groups) groups.push_back(std::move(group));
    }
  }
  RETURN_IF_ERROR(put_in_order(file.group_eval_order, groups));
  return groups;
}

}  // namespace

Result<UnitTestOutcome> run_unit_tests(const std::string& path, const UnitTestOptions& options) {
  UnitTestOutcome outcome;
  ASSIGN_OR_RETURN(const std::string text, read_file(path, kFileBytesMax));
  ASSIGN_OR_RETURN(const UnitTestFile file, read_unit_test_file(text, path));
  ASSIGN_OR_RETURN(const std::vector<RuleGroup> groups, load_groups(file, outcome));
  ASSIGN_OR_RETURN(const model::Matcher wanted,
                   model::Matcher::create(model::Matcher::Op::kRegex, "name",
                                          "(?s:.*)(?:" + options.run + ")(?s:.*)"));
  for (const UnitTest& test : file.tests) {
    if (!options.run.empty() && !wanted.matches(test.name)) continue;
    UnitTestRun(file, test, groups, outcome).run();
  }
  return outcome;
}

}  // namespace gatehouse::rules
