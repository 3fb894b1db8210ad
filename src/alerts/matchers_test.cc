#include "alerts/matchers.h"

#include <gtest/gtest.h>

#include "base/case_file_for_test.h"

namespace gatehouse::alerts {
namespace {

std::string found(const Result<Matchers>& matchers) {
  return matchers.ok() ? matchers_text(*matchers) : matchers.status().message();
}

class MatcherDriver : public CaseDriver {
 public:
  std::string run(const Step& step) override {
    if (step.verb == "classic") return found(parse_classic_matchers(step.rest));
    if (step.verb == "utf8") return found(parse_utf8_matchers(step.rest));
    std::string notice;
    if (step.verb == "both") {
      const std::string text = found(parse_matchers(step.rest, &notice));
      return text + (notice.empty() ? "" : " with a notice");
    }
    if (step.verb == "one") {
      const auto matcher = parse_matcher(step.rest, &notice);
      if (!matcher.ok()) return matcher.status().message();
      return matcher_text(*matcher) + (notice.empty() ? "" : " with a notice");
    }
    if (step.verb == "alert") {
      const auto pairs = parse_utf8_matchers(step.rest);
      if (!pairs.ok()) return pairs.status().message();
      std::vector<model::Labels::Pair> labels;
      for (const auto& each : *pairs) labels.emplace_back(each.name(), each.value());
      labels_ = model::Labels(std::move(labels));
      return "";
    }
    if (step.verb == "matches") {
      const auto matchers = parse_matchers(step.rest);
      if (!matchers.ok()) return matchers.status().message();
      return matches_all(*matchers, labels_) ? "yes" : "no";
    }
    return "unknown step";
  }

 private:
  model::Labels labels_;
};

TEST(Matchers, CasesGiveWhatIsExpected) {
  run_case_folder("test/alerts/matchers", [] { return std::make_unique<MatcherDriver>(); });
}

TEST(Matchers, QuotesAsGoDoes) {
  EXPECT_EQ(go_quoted("a\"b\\c\n\x01\x7f\xc3\xa9\xff"),
            "\"a\\\"b\\\\c\\n\\x01\\x7f\xc3\xa9\\xff\"");
}

}  // namespace
}  // namespace gatehouse::alerts
