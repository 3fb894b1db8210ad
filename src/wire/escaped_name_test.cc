#include "wire/escaped_name.h"

#include <gtest/gtest.h>

namespace gatehouse::wire {
namespace {

TEST(EscapedName, Values) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"no:escaping_required", "no:escaping_required"},
      {"", ""},
      {"mysystem.prod.west.cpu.load", "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load"},
      {"my_system.cpu", "U__my__system_2e_cpu"},
      {"http.status:sum", "U__http_2e_status:sum"},
      {"1st", "U___31_st"},
      {"label with \xe2\x82\xac", "U__label_20_with_20__20ac_"},
      {"\xf0\x9f\x98\x80", "U___1f600_"},
  };
  for (const auto& [name, escaped] : cases) {
    EXPECT_EQ(escape_name(name, NameEscaping::kValues), escaped);
    EXPECT_EQ(unescape_name(escaped, NameEscaping::kValues), name);
  }
}

TEST(EscapedName, WhatWasNotEscapedStays) {
  for (const auto name : {"plain", "U_x", "U___", "U__a_zz_", "U__a_2e", "U___d800_", "U___110000_",
                          "U___00000000000000002e_"}) {
    EXPECT_EQ(unescape_name(name, NameEscaping::kValues), name);
  }
  EXPECT_EQ(escape_name("a\xff", NameEscaping::kValues), "a\xff");
}

TEST(EscapedName, DotsAndUnderscores) {
  EXPECT_EQ(escape_name("my_system.cpu load", NameEscaping::kDots), "my__system_dot_cpu__load");
  EXPECT_EQ(unescape_name("my__system_dot_cpu", NameEscaping::kDots), "my_system.cpu");
  EXPECT_EQ(escape_name("a.b \xe2\x82\xac", NameEscaping::kUnderscores), "a_b__");
  EXPECT_EQ(escape_name("1a", NameEscaping::kUnderscores), "_a");
}

}  // namespace
}  // namespace gatehouse::wire
