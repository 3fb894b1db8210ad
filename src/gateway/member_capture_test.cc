#include "gateway/member_capture.h"

#include <gtest/gtest.h>

namespace gatehouse::gateway {
namespace {

// Feeds `text` whole and byte by byte; both must agree.
std::string capture(std::string_view text, std::string_view name = "usage") {
  MemberCapture whole{"usage", "model"};
  whole.feed(text);
  MemberCapture bytes{"usage", "model"};
  for (char c : text) bytes.feed(std::string_view(&c, 1));
  EXPECT_EQ(whole.value(name), bytes.value(name));
  return std::string(whole.value(name));
}

TEST(MemberCapture, FindsTopLevelMembers) {
  const char* reply =
      R"({"id":"a","model":"m-1","choices":[{"usage":1}], "usage" : {"a":{"b":2}} })";
  EXPECT_EQ(capture(reply), R"({"a":{"b":2}})");
  EXPECT_EQ(capture(reply, "model"), R"("m-1")");
}

TEST(MemberCapture, IsNotFooledByContent) {
  EXPECT_EQ(capture(R"({"choices":[{"content":"\"usage\":{\"x\":1}"}]})"), "");
  EXPECT_EQ(capture(R"({"x":"usage","y":"\\","usage":7})"), "7");
  EXPECT_EQ(capture(R"({"usage":"a\"b,}"})"), R"("a\"b,}")");
  EXPECT_EQ(capture(R"({"usage":{"x":1}, "usage": null})"), "null");
  EXPECT_EQ(capture(R"([{"usage":1}])"), "");
}

TEST(MemberCapture, GivesUpOnWhatIsCutOrTooLong) {
  EXPECT_EQ(capture(R"({"usage":{"a":1)"), "");
  EXPECT_EQ(capture("{\"usage\":\"" + std::string(MemberCapture::kValueBytesMax, 'x') + "\"}"), "");
  EXPECT_EQ(capture("garbage }}} ]] \" {"), "");
}

}  // namespace
}  // namespace gatehouse::gateway
