#include "app/hidden_secrets.h"

#include <gtest/gtest.h>

namespace gatehouse::app {
namespace {

TEST(HiddenSecrets, HoweverTheyAreWritten) {
  EXPECT_EQ(hide_secrets("a:\n  password: hush hush\n  b: 1\n"),
            "a:\n  password: <secret>\n  b: 1\n");
  EXPECT_EQ(hide_secrets("basic_auth: {username: me, password: hush}\nb: 1\n"),
            "basic_auth: {username: me, password: <secret>}\nb: 1\n");
  EXPECT_EQ(hide_secrets(R"({"password": "a\",}b", "b": 1})"), R"({"password": <secret>, "b": 1})");
  EXPECT_EQ(hide_secrets("- password: 'it''s, }'\n  b: 1"), "- password: <secret>\n  b: 1");
  EXPECT_EQ(hide_secrets("credentials: |\n  one\n\n  two\nb: 1"), "credentials: <secret>\nb: 1");
  EXPECT_EQ(hide_secrets("password:\n  hush\nb: 1"), "password: <secret>\nb: 1");
  EXPECT_EQ(hide_secrets("password: hush\n  on the next line\nb: 1"), "password: <secret>\nb: 1");
  EXPECT_EQ(hide_secrets("x: {secrets: [a, 'b]'], files: [c]}"),
            "x: {secrets: <secret>, files: [c]}");
  EXPECT_EQ(hide_secrets("  # password: hush\nb: 1"), "  # password: <secret>\nb: 1");
  EXPECT_EQ(hide_secrets("password : hush"), "password : <secret>");
  EXPECT_EQ(hide_secrets("url: http://me:hu@sh@host:1/a:b@c, http://host:1/@"),
            "url: http://me:<secret>@host:1/a:b@c, http://host:1/@");
}

TEST(HiddenSecrets, NothingElse) {
  for (const char* plain :
       {"password_file: /run/pw\n", "job_name: password\n", "url: http://host:9090/a?password=\n",
        "regex: (a[b]{2})\nmonkey: 1\nkey_file: x\n", "", "a: {b: c}\n# a comment\n"}) {
    EXPECT_EQ(hide_secrets(plain), plain);
  }
}

}  // namespace
}  // namespace gatehouse::app
