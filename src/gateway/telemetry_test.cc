#include "gateway/telemetry.h"

#include <gtest/gtest.h>

#include <map>

#include "gateway/call.h"

namespace gatehouse::gateway {
namespace {

TEST(CallMetrics, AnswersByTheirEnd) {
  model::Registry registry;
  CallMetrics metrics(registry);
  const auto end = [&](Operation operation, std::string reason, int64_t tokens, std::string error) {
    CallRequest call;
    call.operation = operation;
    CallTrace trace;
    trace.public_model = "m";
    trace.status = error.empty() ? 200 : 502;
    trace.error = std::move(error);
    trace.usage.finish_reason = std::move(reason);
    trace.usage.output_tokens = tokens;
    metrics.end(call, trace);
  };
  end(Operation::kChat, "stop", 5, "");
  end(Operation::kChat, "tool_calls", 5, "");
  end(Operation::kChat, "length", 5, "");
  end(Operation::kMessages, "max_tokens", 5, "");
  end(Operation::kResponses, "max_output_tokens", 5, "");
  end(Operation::kMessages, "refusal", 0, "");
  end(Operation::kChat, "content_filter", 0, "");
  end(Operation::kChat, "stop", 0, "");
  end(Operation::kChat, "", 0, "upstream_error");
  end(Operation::kEmbeddings, "", 0, "");
  std::map<std::string, double> found;
  registry.visit([&found](const model::Registry::Family& family) {
    if (family.name != "gatehouse_answers") return;
    for (const auto& child : family.children) {
      found[std::string(child.labels.get("gatehouse_answer"))] += child.counter.value();
      EXPECT_NE(child.labels.get("gen_ai_operation_name"), "embeddings");
    }
  });
  EXPECT_EQ(found, (std::map<std::string, double>{
                       {"complete", 2}, {"truncated", 3}, {"filtered", 2}, {"empty", 1}}));
}

}  // namespace
}  // namespace gatehouse::gateway
