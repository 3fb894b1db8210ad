// Every public rule file loads, evaluates over an empty and over a made-up store, and renders
// its templates; and the program's own pack.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "lang/promql/memory_series.h"
#include "model/sample.h"
#include "rules/builtin_rules.h"
#include "rules/evaluation.h"
#include "rules/rule_file.h"
#include "wire/corpora_for_test.h"

namespace gatehouse::rules {
namespace {

using promql::as;
using promql::Expr;

void visit(const Expr& expr, const std::function<void(const promql::VectorSelector&)>& found) {
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString: return;
    case Expr::Kind::kVectorSelector: found(as<promql::VectorSelector>(expr)); return;
    case Expr::Kind::kMatrixSelector: found(*as<promql::MatrixSelector>(expr).selector); return;
    case Expr::Kind::kSubquery: visit(*as<promql::SubqueryExpr>(expr).inner, found); return;
    case Expr::Kind::kCall:
      for (const auto& each : as<promql::CallExpr>(expr).arguments) visit(*each, found);
      return;
    case Expr::Kind::kAggregate: visit(*as<promql::AggregateExpr>(expr).inner, found); return;
    case Expr::Kind::kBinary:
      visit(*as<promql::BinaryExpr>(expr).left, found);
      visit(*as<promql::BinaryExpr>(expr).right, found);
      return;
    case Expr::Kind::kUnary: visit(*as<promql::UnaryExpr>(expr).inner, found); return;
    case Expr::Kind::kParen: visit(*as<promql::ParenExpr>(expr).inner, found); return;
  }
}

// A value that a matcher lets through; nothing where none is easily found.
std::optional<std::string> value_for(const model::Matcher& matcher) {
  if (matcher.op() == model::Matcher::Op::kEqual) return matcher.value();
  if (!matcher.literals().empty()) return matcher.literals().front();
  for (std::string guess : {std::string(matcher.prefix()), std::string(matcher.prefix()) + "x",
                            std::string(matcher.prefix()) + "1", std::string("/")}) {
    if (!guess.empty() && matcher.matches(guess)) return guess;
  }
  return std::nullopt;
}

constexpr int64_t kStepMs = 60'000;
constexpr int kSteps = 90;

// One series for each selector, that grows and then falls to nothing, so that thresholds on
// either side are met at some time.
void make_up(const RuleGroup& group, promql::MemorySeries& store) {
  std::set<model::Labels> made;
  for (const Rule& rule : group.rules) {
    visit(*rule.expr, [&](const promql::VectorSelector& selector) {
      std::vector<model::Labels::Pair> pairs = {
          {"instance", "i"}, {"job", "j"}, {"cluster", "c"}, {"namespace", "n"}, {"pod", "p"}};
      for (const model::Matcher& matcher : selector.matchers) {
        if (const auto value = value_for(matcher)) pairs.emplace_back(matcher.name(), *value);
      }
      const model::Labels labels{std::vector<model::Labels::Pair>(pairs)};
      if (!labels.get(model::kMetricName).empty()) made.insert(labels);
    });
  }
  for (const model::Labels& labels : made) {
    for (int i = 0; i < kSteps; ++i) {
      const double value = i < kSteps / 2 ? i * 1e3 : 0;
      ASSERT_TRUE(store.insert(labels, i * kStepMs, {value, nullptr, 0}).ok());
    }
  }
}

struct Totals {
  int files = 0, groups = 0, rules = 0, evaluations = 0, failed = 0, fired = 0;
  std::set<std::string> names;  // of alerts that fired over the made-up store
  int alerts = 0;
};

void evaluate(const RuleGroup& group, promql::MemorySeries& store, Totals& totals) {
  MemoryBudget budget(1 << 30);
  const EvaluationSource source{store, budget};
  EvaluationOptions options;
  options.external_url = "http://g";
  GroupEvaluation evaluation(group, options);
  for (int at = 0; at < kSteps; at += 15) {
    for (size_t i = 0; i < evaluation.size(); ++i) {
      const RuleOutcome outcome = evaluation.evaluate(i, at * kStepMs, source);
      ++totals.evaluations;
      // Made-up series may match many to many; a query may fail so, and only so.
      if (!outcome.status.ok()) {
        ++totals.failed;
        const std::string& why = outcome.status.message();
        EXPECT_TRUE(why.find("many-to-many matching not allowed") != std::string::npos ||
                    why.find("multiple matches for labels") != std::string::npos ||
                    why.find("same labelset") != std::string::npos)
            << group.file << " " << group.rules[i].name() << ": " << why;
      }
      for (const ActiveAlert& alert : evaluation.alerts(i)) {
        for (const auto& [name, text] : alert.annotations) {
          EXPECT_EQ(text.find("<error expanding template"), std::string::npos)
              << group.file << " " << group.rules[i].name() << " " << name << ": " << text;
        }
      }
      for (const RuleSample& sample : outcome.samples) {
        static_cast<void>(
            store.insert(sample.labels, outcome.time_ms, {sample.value, sample.histogram, 0}).ok());
      }
      if (!evaluation.alerts(i).empty()) {
        ++totals.fired;
        totals.names.insert(group.rules[i].name());
      }
    }
  }
}

void check(const RuleFile& file, Totals& totals) {
  ++totals.files;
  for (const RuleGroup& group : file.groups) {
    ++totals.groups;
    for (const Rule& rule : group.rules) {
      ++totals.rules;
      totals.alerts += rule.alerting() ? 1 : 0;
    }
    promql::MemorySeries empty;
    Totals over_nothing;
    evaluate(group, empty, over_nothing);
    EXPECT_EQ(over_nothing.failed, 0) << group.file << " " << group.name;
    promql::MemorySeries store;
    make_up(group, store);
    evaluate(group, store, totals);
  }
}

TEST(Corpora, EveryFileLoadsAndEvaluates) {
  const auto folder = wire::corpora_for_test("rules");
  std::error_code error;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
    const auto extension = entry.path().extension();
    if (entry.is_regular_file() && (extension == ".yml" || extension == ".yaml")) {
      paths.push_back(entry.path());
    }
  }
  if (paths.empty()) GTEST_SKIP() << "no rule files at " << folder;
  std::sort(paths.begin(), paths.end());
  Totals totals;
  for (const auto& path : paths) {
    const auto file = load_rule_file(path.string());
    ASSERT_TRUE(file.ok()) << file.status().message();
    check(*file, totals);
  }
  std::printf(
      "rule corpora: %d files, %d groups, %d rules of which %d alerts; %d evaluations over made-up "
      "series, %d failed by their labels, %zu alerts rendered\n",
      totals.files, totals.groups, totals.rules, totals.alerts, totals.evaluations, totals.failed,
      totals.names.size());
  EXPECT_GE(totals.alerts, 1000);
  EXPECT_GE(totals.names.size(), 300u);
}

TEST(Corpora, TheOwnPackSaysWhatItNeeds) {
  RuleFileOptions options;
  options.duplicate_rules = options.expressions = true;
  const auto file = read_rule_file(builtin_rules(), std::string(kBuiltinRulesName), options);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_TRUE(file->notices.empty()) << file->notices.front();
  Totals totals;
  check(*file, totals);
  EXPECT_GE(totals.alerts, 40);
  const std::string runbooks = wire::file_for_test("docs/runbooks.md");
  for (const RuleGroup& group : file->groups) {
    for (const Rule& rule : group.rules) {
      if (!rule.alerting()) continue;
      std::map<std::string, std::string> annotations(rule.annotations.begin(),
                                                     rule.annotations.end());
      std::string anchor = rule.alert;
      for (char& c : anchor) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      EXPECT_EQ(annotations["runbook"], "docs/runbooks.md#" + anchor);
      EXPECT_FALSE(annotations["summary"].empty()) << rule.alert;
      EXPECT_NE(runbooks.find("\n### " + rule.alert + "\n"), std::string::npos) << rule.alert;
      EXPECT_EQ(rule.labels.at(0).first, "severity") << rule.alert;
    }
  }
}

}  // namespace
}  // namespace gatehouse::rules
