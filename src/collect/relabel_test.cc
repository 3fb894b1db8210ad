#include "collect/relabel.h"

#include <gtest/gtest.h>

namespace gatehouse::collect {
namespace {

using Pairs = std::vector<MutableLabels::Pair>;

RelabelConfig rule(RelabelAction action) {
  RelabelConfig out;
  out.action = action;
  return out;
}

struct Case {
  const char* what;
  RelabelConfig config;
  Pairs before, after;
  bool kept = true;
};

RelabelConfig with(RelabelConfig base, std::vector<std::string> sources, std::string regex = {},
                   std::string target = {}, std::string replacement = {}) {
  base.source_labels = std::move(sources);
  if (!regex.empty()) base.regex = std::move(regex);
  base.target_label = std::move(target);
  if (!replacement.empty()) base.replacement = std::move(replacement);
  return base;
}

TEST(RelabelTest, EveryAction) {
  using A = RelabelAction;
  RelabelConfig hashed = with(rule(A::kHashMod), {"c"}, {}, "d");
  hashed.modulus = 1000;
  RelabelConfig joined = with(rule(A::kReplace), {"a", "b"}, "f(.*);(.*)r", "a", "b${1}${2}m");
  RelabelConfig slash = with(rule(A::kReplace), {"a", "b"}, "(.+)/(.+)", "c", "$2/$1");
  slash.separator = "/";
  const std::vector<Case> cases = {
      {"replace",
       with(rule(A::kReplace), {"a"}, "f(.*)", "d", "ch${1}-ch${1}"),
       {{"a", "foo"}, {"b", "bar"}},
       {{"a", "foo"}, {"b", "bar"}, {"d", "choo-choo"}}},
      {"replace over joined sources",
       joined,
       {{"a", "foo"}, {"b", "bar"}},
       {{"a", "boobam"}, {"b", "bar"}}},
      {"another separator",
       slash,
       {{"a", "x"}, {"b", "y"}},
       {{"a", "x"}, {"b", "y"}, {"c", "y/x"}}},
      {"replace without a match",
       with(rule(A::kReplace), {"a"}, "x(.*)", "d", "y"),
       {{"a", "foo"}},
       {{"a", "foo"}}},
      {"an empty replacement removes",
       with(rule(A::kReplace), {"a"}, "(f).*", "a", "$2"),
       {{"a", "foo"}},
       {}},
      {"the target is expanded",
       with(rule(A::kReplace), {"a"}, "some-([^-]+)-([^,]+)", "${1}", "$2"),
       {{"a", "some-name-value"}},
       {{"a", "some-name-value"}, {"name", "value"}}},
      {"named groups",
       with(rule(A::kReplace), {"a"}, "(?P<host>.+):(?P<port>\\d+)", "p", "${port}"),
       {{"a", "h:80"}},
       {{"a", "h:80"}, {"p", "80"}}},
      {"$1x is the group named 1x",
       with(rule(A::kReplace), {"a"}, "(.*)", "p", "<$1x>"),
       {{"a", "v"}},
       {{"a", "v"}, {"p", "<>"}}},
      {"a doubled dollar",
       with(rule(A::kReplace), {"a"}, "(.*)", "p", "$$1 $-"),
       {{"a", "v"}},
       {{"a", "v"}, {"p", "$1 $-"}}},
      {"the pattern is anchored",
       with(rule(A::kReplace), {"a"}, "oo", "p", "y"),
       {{"a", "foo"}},
       {{"a", "foo"}}},
      {"alternatives are anchored too",
       with(rule(A::kKeep), {"a"}, "f|b"),
       {{"a", "foo"}},
       {},
       false},
      {"a dot matches a new line",
       with(rule(A::kKeep), {"a"}, "a.b"),
       {{"a", "a\nb"}},
       {{"a", "a\nb"}}},
      {"keep", with(rule(A::kKeep), {"a"}, "foo"), {{"a", "foo"}}, {{"a", "foo"}}},
      {"keep drops", with(rule(A::kKeep), {"a"}, "bar"), {{"a", "foo"}}, {}, false},
      {"drop", with(rule(A::kDrop), {"a"}, ".*o.*"), {{"a", "foo"}}, {}, false},
      {"drop keeps", with(rule(A::kDrop), {"a"}, "bar"), {{"a", "foo"}}, {{"a", "foo"}}},
      {"an absent source is empty", with(rule(A::kDrop), {"zz"}, "^$"), {{"a", "foo"}}, {}, false},
      {"keepequal",
       with(rule(A::kKeepEqual), {"a"}, {}, "b"),
       {{"a", "1"}, {"b", "1"}},
       {{"a", "1"}, {"b", "1"}}},
      {"keepequal drops",
       with(rule(A::kKeepEqual), {"a"}, {}, "b"),
       {{"a", "1"}, {"b", "2"}},
       {},
       false},
      {"dropequal", with(rule(A::kDropEqual), {"a"}, {}, "b"), {{"a", "1"}, {"b", "1"}}, {}, false},
      {"dropequal keeps",
       with(rule(A::kDropEqual), {"a"}, {}, "b"),
       {{"a", "1"}, {"b", "2"}},
       {{"a", "1"}, {"b", "2"}}},
      // md5("baz") ends in ...b01f7628; the figure is Prometheus's own for this case.
      {"hashmod",
       hashed,
       {{"a", "foo"}, {"b", "bar"}, {"c", "baz"}},
       {{"a", "foo"}, {"b", "bar"}, {"c", "baz"}, {"d", "976"}}},
      {"labelmap",
       with(rule(A::kLabelMap), {}, "__meta_(.+)"),
       {{"__meta_x", "1"}, {"a", "2"}},
       {{"__meta_x", "1"}, {"a", "2"}, {"x", "1"}}},
      {"labelmap with a replacement",
       with(rule(A::kLabelMap), {}, "__meta_(my.*)", {}, "${1}_q"),
       {{"__meta_my_bar", "aaa"}, {"__meta_oh", "b"}},
       {{"__meta_my_bar", "aaa"}, {"__meta_oh", "b"}, {"my_bar_q", "aaa"}}},
      {"labeldrop",
       with(rule(A::kLabelDrop), {}, "b.*"),
       {{"a", "1"}, {"b1", "2"}, {"b2", "3"}},
       {{"a", "1"}}},
      {"labelkeep", with(rule(A::kLabelKeep), {}, "a"), {{"a", "1"}, {"b1", "2"}}, {{"a", "1"}}},
      {"lowercase",
       with(rule(A::kLowercase), {"a"}, {}, "b"),
       {{"a", "FoO"}},
       {{"a", "FoO"}, {"b", "foo"}}},
      {"uppercase",
       with(rule(A::kUppercase), {"a"}, {}, "b"),
       {{"a", "FoO"}},
       {{"a", "FoO"}, {"b", "FOO"}}},
  };
  for (const Case& each : cases) {
    auto made = RelabelRule::create(each.config);
    ASSERT_TRUE(made.ok()) << each.what << ": " << made.status().message();
    MutableLabels labels{model::Labels(each.before)};
    EXPECT_EQ(made->apply(labels), each.kept) << each.what;
    if (each.kept) {
      EXPECT_EQ(labels.pairs(), each.after) << each.what;
    }
  }
}

TEST(RelabelTest, WhatAnActionMayNotHave) {
  using A = RelabelAction;
  RelabelConfig separated = with(rule(A::kKeepEqual), {"a"}, {}, "b");
  separated.separator = "-";
  separated.separator_given = true;
  RelabelConfig replaced = with(rule(A::kLowercase), {"a"}, {}, "b", "x");
  replaced.replacement_given = true;
  const std::vector<std::pair<RelabelConfig, const char*>> cases = {
      {rule(A::kReplace), "requires 'target_label'"},
      {with(rule(A::kHashMod), {"a"}, {}, "b"), "non-zero modulus"},
      {with(rule(A::kUppercase), {"a"}, {}, "${1}"), "is invalid 'target_label'"},
      {with(rule(A::kLabelDrop), {"a"}, "x"), "requires only 'regex'"},
      {with(rule(A::kKeep), {"a"}, "(x"), "cannot be read"},
      {separated, "requires only 'source_labels' and 'target_label'"},
      {replaced, "'replacement' can not be set"},
  };
  for (const auto& [config, words] : cases) {
    const auto made = RelabelRule::create(config);
    ASSERT_FALSE(made.ok()) << words;
    EXPECT_NE(made.status().message().find(words), std::string::npos) << made.status().message();
  }
}

TEST(RelabelTest, RulesRunInTurnAndStopAtADrop) {
  using A = RelabelAction;
  const auto rules = create_relabel_rules(std::vector<RelabelConfig>{
      with(rule(A::kReplace), {"a"}, "(.*)", "b", "$1$1"), with(rule(A::kDrop), {"b"}, "xx"),
      with(rule(A::kReplace), {"b"}, "(.*)", "c", "$1")});
  ASSERT_TRUE(rules.ok());
  MutableLabels dropped{model::Labels{{"a", "x"}}};
  EXPECT_FALSE(apply_rules(*rules, dropped));
  MutableLabels kept{model::Labels{{"a", "y"}}};
  EXPECT_TRUE(apply_rules(*rules, kept));
  EXPECT_EQ(kept.get("c"), "yy");
}

}  // namespace
}  // namespace gatehouse::collect
