#include "gateway/prompt_size.h"

#include <gtest/gtest.h>

#include <string>

namespace gatehouse::gateway {
namespace {

TEST(PromptSize, CountsWhatAModelIsShown) {
  const std::string messages = R"([{"role":"user","content":")" + std::string(400, 'x') + R"("}])";
  const std::string tools = R"([{"type":"function","function":{"name":"f","parameters":{}}}])";
  const std::string body =
      R"({"model":"gpt-4o","user":"someone","n":2,"stream":true,"stop":["\n"],)"
      R"("stream_options":{"include_usage":true},"metadata":{"a":"b"},)"
      R"("messages":)" +
      messages + R"(,"tools":)" + tools + R"(,"own":{"top":3,"deep":null}})";
  EXPECT_EQ(input_tokens_max(body), messages.size() + tools.size() + kTemplateTokensMax);
}

TEST(PromptSize, WhatIsNotKnownIsAPrompt) {
  const std::string text(100, 'y');
  const std::string body = R"({"model":"m","question":")" + text + R"("})";
  EXPECT_GE(input_tokens_max(body), text.size());
  const std::string nested =
      R"({"model":"m","to_be_sure_it_is_long":1,"extra":{"n":1,"deep":{"q":")" + text + R"("}}})";
  EXPECT_GE(input_tokens_max(nested), text.size());
  // A prompt given as the numbers of its tokens.
  const std::string ids = R"({"input":[1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9]})";
  EXPECT_GE(input_tokens_max(ids), 27u);
}

TEST(PromptSize, IsNeverMoreThanTheBodyAndAllOfWhatCannotBeRead) {
  for (const std::string_view body :
       {R"({"messages":[]})", R"({"messages":"hi)", "hello", "[1,2]", "",
        R"({"model":"m","messages":[{"role":"user"}]} trailing)"}) {
    EXPECT_LE(input_tokens_max(body), body.size()) << body;
  }
  const std::string_view cut = R"({"model":"m","messages":"a text that is cut)";
  EXPECT_EQ(input_tokens_max(cut), cut.size());
  EXPECT_EQ(input_tokens_max("plain"), 5u);
}

}  // namespace
}  // namespace gatehouse::gateway
