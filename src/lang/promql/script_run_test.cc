#include "lang/promql/script_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatehouse::promql {
namespace {

using testing::HasSubstr;

// What the run of the script's evaluations says; "" where all pass.
std::string failures(std::string_view evaluations) {
  const std::string loaded = R"(load 1m
  a{x="1"} 1 2 3
  a{x="2"} 4 5 6
  h {{schema:0 count:3 sum:4 buckets:[1 2]}} {{schema:0 count:6 sum:8 buckets:[2 4]}}
  flat{k="v"} 1

)";
  const auto outcome = run_script(loaded + std::string(evaluations));
  if (!outcome.ok()) return outcome.status().message();
  std::string all;
  for (const auto& failure : outcome->failures) {
    all += std::to_string(failure.line) + ": " + failure.message + "\n";
  }
  return all;
}

TEST(PromqlScriptRun, RightAnswersPass) {
  EXPECT_EQ(failures(R"(eval instant at 0 a
  a{x="2"} 4
  a{x="1"} 1.0000001

eval range from 0 to 2m step 1m sum(a)
  {} 5 7 9

eval instant at 1m a[2m]
  expect range vector from 0 to 1m step 1m
  a{x="1"} 1 2
  a{x="2"} 4 5

eval instant at 0 h
  h {{schema:0 sum:4 count:3 buckets:[1 2 0]}}

eval instant at 0 sort_desc(a)
  expect ordered
  a{x="2"} 4
  a{x="1"} 1

eval instant at 1m rate(a{x="1"}[2m])
  expect info regex: might not be a counter
  expect no_warn
  {x="1"} 0.016666666666666666

eval instant at 0 a + on () a
  expect fail
)"),
            "");
}

TEST(PromqlScriptRun, WrongAnswersFail) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"eval instant at 0 a\n  a{x=\"1\"} 1\n  a{x=\"2\"} 5", "expected 5 for"},
      {"eval instant at 0 a\n  a{x=\"1\"} 1", "unexpected series"},
      {"eval instant at 0 a{x=\"1\"}\n  a{x=\"1\"} 1\n  a{x=\"3\"} 1", "not found"},
      {"eval instant at 0 a{x=\"1\"}\n  {x=\"1\"} 1", "unexpected series"},
      {"eval instant at 0 a{x=\"1\"}\n  1", "expected a scalar"},
      {"eval instant at 0 1\n  2", "expected scalar 2, got 1"},
      {"eval instant at 0 \"x\"\n  expect string \"y\"", "expected string \"y\", got \"x\""},
      {"eval range from 0 to 2m step 1m sum(a)\n  {} 5 7", "more points than expected"},
      {"eval range from 0 to 1m step 1m sum(a)\n  {} 5 7 9", "more points are expected"},
      {"eval range from 0 to 2m step 1m sum(a)\n  {} 5 _ 9",
       "expected 9 at 120000, got 7 at 60000"},
      {"eval range from 0 to 1m step 1m sum(a)\n  {} 5 7.1", "expected 7.1"},
      {"eval instant at 0 h\n  h {{schema:0 sum:4 count:3 buckets:[2 1]}}", "expected {count:3"},
      {"eval instant at 0 h\n  h {{schema:1 sum:4 count:3 buckets:[1 2]}}", "expected {count:3"},
      {"eval instant at 1m h\n  h {{sum:8 count:6 buckets:[2 4] counter_reset_hint:gauge}}",
       "gauge"},
      {"eval instant at 0 h\n  h 3", "expected 3"},
      {"eval instant at 0 sort(a)\n  expect ordered\n  a{x=\"2\"} 4\n  a{x=\"1\"} 1", "in place"},
      {"eval instant at 0 flat\n  expect warn\n  flat{k=\"v\"} 1", "expected warning"},
      {"eval_info instant at 0 flat\n  flat{k=\"v\"} 1", "expected an info"},
      {"eval instant at 1m rate(a{x=\"1\"}[2m])\n  expect no_info\n  {x=\"1\"} "
       "0.016666666666666666",
       "unexpected info"},
      {"eval instant at 1m rate(a{x=\"1\"}[2m])\n  expect info msg: other\n"
       "  {x=\"1\"} 0.016666666666666666",
       "expected info \"other\""},
      {"eval instant at 0 flat\n  expect fail", "did not"},
      {"eval instant at 0 a + on () a\n  expect fail msg: another reason", "failed with"},
      {"eval instant at 0 a + on () a", "failed: "},
      {"eval instant at 0 a{\n", "failed: 1:3: parse error"},
      {"load 1m\n  flat{k=\"v\"} 2", "duplicate sample"},
  };
  for (const auto& [script, message] : cases) {
    EXPECT_THAT(failures(script), HasSubstr(message)) << script;
  }
}

TEST(PromqlScriptRun, CountsAndNamesLines) {
  const auto outcome = run_script("eval instant at 0 1\n  1\n\neval instant at 0 1\n  3\n");
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->passed, 1);
  ASSERT_EQ(outcome->failures.size(), 1U);
  EXPECT_EQ(outcome->failures[0].line, 4);
  EXPECT_FALSE(run_script("nonsense").ok());
}

}  // namespace
}  // namespace gatehouse::promql
