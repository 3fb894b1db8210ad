#include "gateway/usage.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "base/case_file_for_test.h"
#include "base/random.h"
#include "gateway/json_skim.h"

namespace gatehouse::gateway {
namespace {

Operation operation_named(std::string_view wanted) {
  for (int i = 0; i < kOperations; ++i) {
    if (name(static_cast<Operation>(i)) == wanted) return static_cast<Operation>(i);
  }
  ADD_FAILURE() << "no operation " << wanted;
  return Operation::kChat;
}

std::string describe(const Usage& usage) {
  std::string out = "in=" + std::to_string(usage.input_tokens);
  auto part = [&out](std::string_view label, int64_t count) {
    if (count != 0) out += " " + std::string(label) + "=" + std::to_string(count);
  };
  part("cached", usage.cached_input_tokens);
  part("written", usage.cache_write_tokens);
  part("audio_in", usage.audio_input_tokens);
  out += " out=" + std::to_string(usage.output_tokens);
  part("reasoning", usage.reasoning_tokens);
  part("audio_out", usage.audio_output_tokens);
  part("images", usage.images);
  char number[32];
  if (usage.audio_seconds != 0) {
    std::snprintf(number, sizeof number, " seconds=%.3g", usage.audio_seconds);
    out += number;
  }
  auto text = [&out](std::string_view label, const std::string& value) {
    if (!value.empty()) out += " " + std::string(label) + "=" + value;
  };
  text("model", usage.model);
  text("finish", usage.finish_reason);
  text("tier", usage.service_tier);
  text("error", usage.error_type);
  text("code", usage.error_code);
  text("message", usage.error_message);
  if (usage.confidence >= 0) {
    std::snprintf(number, sizeof number, " confidence=%.3f", usage.confidence);
    out += number;
  }
  if (!usage.reported) out += " unreported";
  return out;
}

class UsageDriver : public CaseDriver {
 public:
  std::string run(const Step& step) override {
    const size_t space = step.rest.find(' ');
    const std::string first = step.rest.substr(0, space);
    const std::string json = space == std::string::npos ? "" : step.rest.substr(space + 1);
    if (step.verb == "reply") {
      Usage usage;
      const bool whole = read_usage(operation_named(first), json, usage);
      return (whole ? "" : "not whole, ") + describe(usage);
    }
    if (step.verb == "stream") {
      stream_ = std::make_unique<StreamUsage>(operation_named(first));
      return "";
    }
    if (step.verb == "event") {
      const bool typed = first.starts_with('@');
      const auto event = stream_->on_event(typed ? std::string_view(first).substr(1) : "",
                                           typed ? json : step.rest);
      std::string out;
      if (event.content) out += "content ";
      if (event.usage_only) out += "usage-only ";
      if (event.error) out += "error ";
      if (event.terminal) out += "terminal ";
      return out.empty() ? "nothing" : out.substr(0, out.size() - 1);
    }
    if (step.verb == "end") {
      return describe(stream_->usage()) + (stream_->complete() ? "" : " CUT") +
             (stream_->failed() ? " FAILED" : "") +
             " bytes=" + std::to_string(stream_->output_bytes());
    }
    return "unknown step";
  }

 private:
  std::unique_ptr<StreamUsage> stream_;
};

TEST(Usage, Cases) {
  run_case_folder("test/gateway/usage", [] { return std::make_unique<UsageDriver>(); });
}

constexpr std::string_view kReply =
    R"({"id":"chatcmpl-1","object":"chat.completion","model":"gpt-4o-2024-08-06",)"
    R"("choices":[{"index":0,"message":{"role":"assistant","content":"say \"usage\": {\"prompt_tokens\":9}"},)"
    R"("finish_reason":"stop"}],"usage":{"prompt_tokens":19,"completion_tokens":10}})";

TEST(Usage, AnyCutOrDamagedReplyIsReadWithoutHarm) {
  for (size_t i = 0; i <= kReply.size(); ++i) {
    // A copy of just these bytes, so that a sanitizer sees a read behind them.
    const std::unique_ptr<char[]> bytes(new char[i]);
    std::copy_n(kReply.data(), i, bytes.get());
    Usage usage;
    EXPECT_EQ(read_usage(Operation::kChat, {bytes.get(), i}, usage), i == kReply.size()) << i;
    EXPECT_TRUE(usage.input_tokens == 0 || usage.input_tokens == 19);
  }
  Random random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(kReply);
    for (int k = 0; k < 4; ++k) {
      text[random.below(text.size())] = "\"\\{}[],:0 "[random.below(10)];
    }
    Usage usage;
    (void)read_usage(Operation::kChat, text, usage);
    StreamUsage stream(static_cast<Operation>(random.below(kOperations)));
    (void)stream.on_event("", text);
    (void)stream.on_event("error", text);
    EXPECT_GE(usage.input_tokens, 0);
    EXPECT_LE(usage.cached_input_tokens, usage.input_tokens);
  }
}

TEST(Usage, DeepNestingCostsNoStack) {
  const std::string deep = R"({"choices":)" + std::string(1'000'000, '[') +
                           std::string(1'000'000, ']') + R"(,"usage":{"prompt_tokens":3}})";
  Usage usage;
  EXPECT_TRUE(read_usage(Operation::kChat, deep, usage));
  EXPECT_EQ(usage.input_tokens, 3);
}

TEST(Usage, EstimatesWhatIsMissingAndSaysSo) {
  Usage usage;
  estimate_usage(usage, 401, 8);
  EXPECT_EQ(usage.input_tokens, 101);
  EXPECT_EQ(usage.output_tokens, 2);
  EXPECT_TRUE(usage.estimated);
  Usage told;
  told.input_tokens = 5;
  told.output_tokens = 6;
  estimate_usage(told, 401, 8);
  EXPECT_EQ(told.input_tokens, 5);
  EXPECT_FALSE(told.estimated);
}

TEST(JsonSkim, FindsStringsAcrossEveryAlignment) {
  for (size_t pad = 0; pad < 40; ++pad) {
    const std::string json = R"({"a":")" + std::string(pad, 'x') + R"(\\\"","b":[")" +
                             std::string(pad, '}') + R"("],"c":7})";
    JsonSkim skim(json);
    std::string_view key, value;
    ASSERT_TRUE(skim.next(key, value));
    EXPECT_EQ(value.size(), pad + 6);
    ASSERT_TRUE(skim.next(key, value));
    EXPECT_EQ(value.size(), pad + 4);
    ASSERT_TRUE(skim.next(key, value));
    EXPECT_EQ(key, "c");
    EXPECT_EQ(value, "7");
    EXPECT_FALSE(skim.next(key, value));
    EXPECT_TRUE(skim.closed());
  }
}

}  // namespace
}  // namespace gatehouse::gateway
