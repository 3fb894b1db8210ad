#include "gateway/probe.h"

#include <gtest/gtest.h>

namespace gatehouse::gateway {
namespace {

using Capabilities = std::vector<Capability>;

Probe call_of(bool declared) {
  Probe probe;
  probe.what = "chat";
  probe.model = "gpt-4o";
  probe.declared = declared;
  return probe;
}

TEST(Probe, AModelsNameTellsWhatItDoes) {
  const Capabilities chat = {Capability::kChat};
  const Capabilities embeddings = {Capability::kEmbeddings};
  for (const char* name : {"gpt-4o", "o3-mini", "mistral-7b-instruct", "llama3.1:8b"}) {
    EXPECT_EQ(capabilities_of(UpstreamKind::kOpenAi, name), chat) << name;
  }
  for (const char* name : {"text-embedding-3-small", "nomic-embed-text", "BAAI/bge-m3"}) {
    EXPECT_EQ(capabilities_of(UpstreamKind::kAzureOpenAi, name), embeddings) << name;
  }
  for (const char* name : {"whisper-1", "tts-1", "dall-e-3", "omni-moderation-latest",
                           "gpt-image-1", "gpt-4o-transcribe", "gpt-4o-audio-preview"}) {
    EXPECT_EQ(capabilities_of(UpstreamKind::kOpenAi, name), Capabilities{}) << name;
  }
  EXPECT_EQ(capabilities_of(UpstreamKind::kAnthropic, "claude-sonnet-4-5"), chat);
  EXPECT_EQ(capabilities_of(UpstreamKind::kHttp, "churn"), Capabilities{});
}

TEST(Probe, WhatAStatusSays) {
  std::string fault;
  EXPECT_EQ(judge(call_of(true), 200, fault), ProbeVerdict::kWell);
  // The call was read and disliked: the upstream is there.
  EXPECT_EQ(judge(call_of(true), 400, fault), ProbeVerdict::kWell);
  EXPECT_EQ(judge(call_of(false), 400, fault), ProbeVerdict::kUnclear);
  EXPECT_EQ(judge(call_of(false), 404, fault), ProbeVerdict::kUnclear);
  EXPECT_EQ(fault, "");
  EXPECT_EQ(judge(call_of(true), 404, fault), ProbeVerdict::kFault);
  EXPECT_NE(fault.find("gpt-4o"), std::string::npos);
  for (const int status : {401, 403, 429, 500, 503}) {
    EXPECT_EQ(judge(call_of(false), status, fault), ProbeVerdict::kFault) << status;
    EXPECT_NE(fault.find(std::to_string(status)), std::string::npos);
  }
  // Servers without a list of models are there all the same.
  EXPECT_EQ(judge(Probe{}, 404, fault), ProbeVerdict::kWell);
  EXPECT_EQ(judge(Probe{}, 401, fault), ProbeVerdict::kFault);
}

TEST(Probe, NewerModelsAreAskedInTheirTerms) {
  EXPECT_TRUE(wants_completion_tokens(400, "Use 'max_completion_tokens' instead."));
  EXPECT_FALSE(wants_completion_tokens(200, "max_completion_tokens"));
  EXPECT_FALSE(wants_completion_tokens(400, "messages is missing"));
}

}  // namespace
}  // namespace gatehouse::gateway
