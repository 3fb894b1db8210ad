// What templates may not do to the process: loop, explode, or go deeper than the stack.
#include <gtest/gtest.h>

#include <chrono>

#include "base/time_zone.h"
#include "lang/gotemplate/functions.h"
#include "lang/gotemplate/template.h"

namespace gatehouse::gotemplate {
namespace {

Result<std::string> run(std::string_view text, Escape escape = Escape::kText,
                        const Limits& limits = {}) {
  Templates templates(alertmanager_functions([] { return int64_t{0}; }),
                      {escape, MissingKey::kDefault});
  RETURN_IF_ERROR(templates.parse("t", text));
  return templates.execute("t", Value(Map{{"x", Value("y")}}), limits);
}

std::string repeated(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

Code code_of(std::string_view text, Escape escape = Escape::kText, const Limits& limits = {}) {
  return run(text, escape, limits).status().code();
}

TEST(GoTemplateLimits, StepsOutputDepth) {
  EXPECT_EQ(code_of("{{range 1000000000}}{{end}}"), Code::kResourceExhausted);
  EXPECT_EQ(code_of("{{range 100000}}0123456789012345678901234567890123456789{{.}}{{end}}"),
            Code::kResourceExhausted);
  EXPECT_EQ(code_of("{{define \"r\"}}{{template \"r\"}}{{end}}{{template \"r\"}}"),
            Code::kResourceExhausted);
  EXPECT_EQ(code_of("{{range 10}}x{{end}}"), Code::kOk);
  Limits few;
  few.steps_max = 20;
  EXPECT_EQ(code_of("{{range 100}}x{{end}}", Escape::kText, few), Code::kResourceExhausted);
  few = {};
  few.output_bytes_max = 5;
  EXPECT_EQ(code_of("12345", Escape::kText, few), Code::kOk);
  EXPECT_EQ(code_of("123456", Escape::kText, few), Code::kResourceExhausted);
}

TEST(GoTemplateLimits, Deadline) {
  Limits limits;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  limits.deadline_steady_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count() - 1;
  EXPECT_EQ(code_of("{{range 100000}}{{end}}", Escape::kText, limits), Code::kDeadlineExceeded);
  limits.deadline_steady_ms += 60'000;
  EXPECT_EQ(code_of("{{range 1000}}{{end}}", Escape::kText, limits), Code::kOk);
}

TEST(GoTemplateLimits, ValuesThatGrow) {
  EXPECT_EQ(code_of("{{$x := \"ab\"}}{{range 60}}{{$x = print $x $x}}{{end}}{{len $x}}"),
            Code::kResourceExhausted);
  EXPECT_EQ(code_of("{{$x := list 1}}{{range 60}}{{$x = list $x $x}}{{end}}{{$x}}"),
            Code::kResourceExhausted);
  EXPECT_EQ(code_of("{{$x := list 1}}{{range 100000}}{{$x = list $x}}{{end}}{{$x}}"),
            Code::kResourceExhausted);
  EXPECT_EQ(code_of("{{$x := list}}{{range 1000000}}{{$x = append $x 1}}{{end}}"),
            Code::kResourceExhausted);
  EXPECT_EQ(code_of("{{range 1000000}}{{$x := printf \"%1000000d\" 1}}{{end}}"),
            Code::kResourceExhausted);
  EXPECT_EQ(code_of("{{$x := printf \"%1000000d\" 1}}{{$y := reReplaceAll \"\" $x $x}}"),
            Code::kResourceExhausted);
}

TEST(GoTemplateLimits, DepthOfTheText) {
  EXPECT_FALSE(run("{{" + repeated("(", 100'000) + "1" + repeated(")", 100'000) + "}}").ok());
  EXPECT_FALSE(run(repeated("{{if 1}}", 100'000) + repeated("{{end}}", 100'000)).ok());
  EXPECT_FALSE(run(repeated("{{if 1}}{{else if 1}}", 10'000)).ok());
  EXPECT_TRUE(run("{{" + repeated("(", 100) + "1" + repeated(")", 100) + "}}").ok());
  // 180 ifs in each of 250 templates would be 45,000 within each other.
  const std::string nested = "{{define \"r\"}}" + repeated("{{if 1}}", 180) + "{{template \"r\"}}" +
                             repeated("{{end}}", 180) + "{{end}}{{template \"r\"}}";
  EXPECT_EQ(code_of(nested), Code::kResourceExhausted);
  EXPECT_EQ(code_of(nested, Escape::kHtml), Code::kResourceExhausted);
}

TEST(GoTemplateLimits, ContextsOfHtml) {
  // A context that grows with each call of itself.
  const auto result =
      run("{{define \"x\"}}`${ {{if .x}}{{template \"x\" .}}{{end}} }`{{end}}"
          "<script>{{template \"x\" .}}</script>",
          Escape::kHtml);
  EXPECT_FALSE(result.ok());
  std::string chain;
  for (int i = 0; i < 2'000; ++i) {
    chain += "{{define \"" + std::to_string(i) + "\"}}{{template \"" + std::to_string(i + 1) +
             "\"}}{{end}}";
  }
  EXPECT_FALSE(run(chain + "{{define \"2000\"}}{{end}}{{template \"0\"}}", Escape::kHtml).ok());
}

TEST(GoTemplateSet, LaterDefinitionsHold) {
  Templates templates(nullptr, {});
  ASSERT_TRUE(templates.parse("a", "{{define \"x\"}}1{{end}}{{template \"x\"}}").ok());
  ASSERT_TRUE(templates.parse("b", "{{define \"x\"}}2{{end}}").ok());
  EXPECT_EQ(templates.execute("a", Value()).value_or(""), "2");
  EXPECT_TRUE(templates.has("x"));
  EXPECT_FALSE(templates.has("y"));
  EXPECT_EQ(templates.execute("y", Value()).status().code(), Code::kNotFound);
  EXPECT_FALSE(templates.parse("a", "{{define \"x\"}}3{{end}}{{nope}}").ok());
  EXPECT_EQ(templates.execute("a", Value()).value_or(""), "2");
}

TEST(GoTemplateSet, TextsBesideASet) {
  Templates templates(nullptr, {Escape::kHtml, MissingKey::kDefault});
  ASSERT_TRUE(templates.parse("a", "{{define \"x\"}}[{{.}}]{{end}}").ok());
  EXPECT_EQ(
      templates.execute_text("<p title=\"{{template \"x\" .}}\">", Value("<\">")).value_or(""),
      "<p title=\"[&lt;&#34;&gt;]\">");
  EXPECT_EQ(templates.execute_text("{{define \"x\"}}other{{end}}{{template \"x\"}}", Value())
                .value_or(""),
            "other");
  EXPECT_EQ(templates.execute("x", Value("<")).value_or(""), "[&lt;]");
}

TEST(GoTemplateSet, TemplatesByNameInHtml) {
  Templates templates(prometheus_functions({}), {Escape::kHtml, MissingKey::kDefault});
  ASSERT_TRUE(templates.parse("a", "{{define \"x\"}}<b>{{.}}</b>{{end}}{{tmpl \"x\" .}}").ok());
  EXPECT_EQ(templates.execute("a", Value("<i>")).value_or(""), "<b>&lt;i&gt;</b>");
}

TEST(TimeZone, LocalTime) {
  const auto zurich = local_time(1'774'746'000, "Europe/Zurich");
  ASSERT_TRUE(zurich.ok()) << zurich.status().message();
  EXPECT_EQ(zurich->hour, 3);
  EXPECT_EQ(zurich->weekday, 0);
  EXPECT_EQ(zurich->offset_s, 7'200);
  EXPECT_EQ(zurich->abbreviation, "CEST");
  // Beyond the transitions of the file, by its rule.
  EXPECT_EQ(local_time(7'289'568'000, "Europe/Zurich")->abbreviation, "CET");
  EXPECT_EQ(local_time(0, "")->year, 1970);
  EXPECT_EQ(local_time(-1, "UTC")->second, 59);
  EXPECT_FALSE(local_time(0, "Nope/Nope").ok());
  EXPECT_FALSE(check_time_zone("../../etc/passwd").ok());
  EXPECT_EQ(days_of_date(2000, 3, 1), 11'017);
  EXPECT_EQ(days_of_date(1999, 15, 1), 11'017);
}

}  // namespace
}  // namespace gatehouse::gotemplate
