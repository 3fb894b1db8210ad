// What groups give over time, by the text cases of test/rules/evaluation (whose README has
// the form). With GATEHOUSE_UPDATE=1 what was found is written.
#include "rules/evaluation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/files.h"
#include "base/text.h"
#include "lang/promql/literal.h"
#include "lang/promql/memory_series.h"
#include "model/sample.h"

namespace gatehouse::rules {
namespace {

int64_t duration(std::string_view text) {
  const auto ms = parse_duration_ms(text);
  EXPECT_TRUE(ms) << text;
  return ms.value_or(0);
}

std::string words_of(const model::Labels& labels, std::string_view name_label) {
  return std::string(labels.get(name_label)) + labels.with(name_label, "").to_string();
}

std::string words_of(const std::vector<std::pair<std::string, std::string>>& annotations) {
  std::string words;
  for (const auto& [name, text] : annotations) words += " " + name + "=" + promql::quote(text);
  return words;
}

class Case {
 public:
  // The lines of one case, those under "run" as they should be.
  std::vector<std::string> play(const std::vector<std::string>& lines) {
    std::vector<std::string> out;
    for (size_t i = 0; i < lines.size();) {
      const std::string& line = lines[i++];
      std::string block;
      while (i < lines.size() && lines[i].starts_with("  ")) block += lines[i++].substr(2) + "\n";
      out.push_back(line);
      std::istringstream words(line);
      std::string verb;
      words >> verb;
      const bool is_run = verb == "run" || verb == "restore";
      for (const std::string& each : is_run ? command(verb, words) : split_lines(block)) {
        out.push_back("  " + each);
      }
      if (!is_run) told(verb, words, block);
    }
    return out;
  }

 private:
  static std::vector<std::string> split_lines(const std::string& text) {
    std::vector<std::string> out;
    for (const std::string_view line : split(text, '\n')) out.emplace_back(line);
    out.pop_back();
    return out;
  }

  void told(const std::string& verb, std::istream& words, const std::string& block) {
    if (verb.empty() || verb.starts_with("#")) return;
    if (verb == "options") {
      for (std::string word; words >> word;) {
        const size_t equals = word.find('=');
        const std::string key = word.substr(0, equals), value = word.substr(equals + 1);
        if (key == "interval")
          options_.interval_ms = duration(value);
        else if (key == "resend")
          options_.resend_delay_ms = duration(value);
        else if (key == "offset")
          options_.query_offset_ms = duration(value);
        else if (key == "grace")
          options_.for_grace_period_ms = duration(value);
        else if (key == "tolerance")
          options_.for_outage_tolerance_ms = duration(value);
        else if (key == "samples_max")
          options_.samples_max = std::stoll(value);
        else
          ADD_FAILURE() << "no option " << key;
      }
    } else if (verb == "load") {
      std::string step;
      words >> step;
      load(duration(step), block);
    } else if (verb == "rules" || verb == "replace" || verb == "restart") {
      const auto file = read_rule_file(verb == "restart" ? rules_ : block, "f");
      ASSERT_TRUE(file.ok()) << file.status().message();
      if (verb != "restart") rules_ = block;
      GroupEvaluation next(file->groups.at(0), options_, verb != "restart");
      if (verb == "replace") next.inherit(std::move(*group_));
      group_.emplace(std::move(next));
    } else {
      ADD_FAILURE() << "no command " << verb;
    }
  }

  void load(int64_t step_ms, const std::string& block) {
    promql::LoadCommand command;
    command.step_ms = step_ms;
    for (const std::string& line : split_lines(block)) {
      auto noted = promql::parse_noted_series(line);
      ASSERT_TRUE(noted.ok()) << noted.status().message();
      command.series.push_back({std::move(*noted), {}});
    }
    ASSERT_TRUE(store_.load(command).ok());
  }

  std::vector<std::string> command(const std::string& verb, std::istream& words) {
    std::vector<std::string> out;
    if (!group_) return {"no rules"};
    std::string begin, end, step, show;
    words >> begin;
    if (verb == "restore") {
      const EvaluationSource source{store_, budget_};
      out.emplace_back(group_->restore(duration(begin), source) ? "restored" : "not yet");
      return out;
    }
    words >> end >> step;
    bool samples = false, sent = false;
    while (words >> show) {
      samples = samples || show == "samples";
      sent = sent || show == "sent";
    }
    for (int64_t at = duration(begin); at <= duration(end); at += duration(step)) {
      for (const std::string& line : evaluate(at, samples, sent)) {
        out.push_back(format_duration(at) + " " + line);
      }
    }
    return out;
  }

  std::vector<std::string> evaluate(int64_t at, bool samples, bool sent) {
    std::vector<std::string> out;
    const EvaluationSource source{store_, budget_};
    for (size_t i = 0; i < group_->size(); ++i) {
      const RuleOutcome outcome = group_->evaluate(i, at, source);
      std::vector<std::string> lines;
      if (!outcome.status.ok()) lines.push_back("failed: " + outcome.status.message());
      for (const std::string& warning : outcome.warnings) lines.push_back("warning: " + warning);
      for (const AlertChange& change : outcome.changes) {
        lines.push_back(std::string(name(change.kind)) + " " +
                        words_of(change.labels, "alertname") + words_of(change.annotations));
      }
      for (const model::Alert& alert : outcome.alerts) {
        if (!sent) break;
        lines.push_back("sent " + words_of(alert.labels, "alertname") + " from " +
                        format_duration(alert.starts_at_ms) +
                        (alert.resolved_at(at) ? " ended " : " until ") +
                        format_duration(alert.ends_at_ms) + (alert.vanished ? " vanished" : ""));
      }
      for (const RuleSample& sample : outcome.samples) add(outcome.time_ms, sample, samples, lines);
      std::sort(lines.begin(), lines.end());
      out.insert(out.end(), lines.begin(), lines.end());
    }
    for (const RuleSample& sample : group_->take_orphaned()) add(at, sample, samples, out);
    return out;
  }

  void add(int64_t time_ms, const RuleSample& sample, bool show, std::vector<std::string>& lines) {
    const Status status =
        store_.insert(sample.labels, time_ms, {sample.value, sample.histogram, 0});
    EXPECT_TRUE(status.ok()) << status.message();
    if (!show) return;
    lines.push_back(
        words_of(sample.labels, model::kMetricName) + " " +
        (model::is_stale(sample.value) ? "stale" : promql::format_number_short(sample.value)));
  }

  EvaluationOptions options_;
  promql::MemorySeries store_;
  MemoryBudget budget_{1 << 30};
  std::string rules_;
  std::optional<GroupEvaluation> group_;
};

TEST(Evaluation, TextCases) {
  int cases = 0;
  for (const std::string& path : files_matching("test/rules/evaluation/*.case")) {
    std::ifstream in(path);
    std::vector<std::string> lines, found, own;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    const auto play = [&] {
      for (std::string& line : Case().play(own)) found.push_back(std::move(line));
      own.clear();
    };
    for (const std::string& line : lines) {
      if (line.starts_with("== ")) {
        play();
        found.push_back(line);
        ++cases;
      } else {
        own.push_back(line);
      }
    }
    play();
    if (std::getenv("GATEHOUSE_UPDATE")) {
      std::ofstream outfile(path);
      for (const std::string& line : found) outfile << line << "\n";
    }
    const auto [here, there] =
        std::mismatch(lines.begin(), lines.end(), found.begin(), found.end());
    if (here == lines.end() && there == found.end()) continue;
    ADD_FAILURE() << path << ":" << here - lines.begin() + 1 << ": expected\n"
                  << (here == lines.end() ? "(nothing)" : *here) << "\nfound\n"
                  << (there == found.end() ? "(nothing)" : *there);
  }
  EXPECT_GE(cases, 10);
}

TEST(Evaluation, PathOfAnExpression) {
  EXPECT_EQ(expression_path("sum(up) > 1"), "/graph?g0.expr=sum%28up%29+%3E+1&g0.tab=1");
}

}  // namespace
}  // namespace gatehouse::rules
