#include "gateway/upstream_request.h"

#include <gtest/gtest.h>

namespace gatehouse::gateway {
namespace {

CallRequest chat(std::string_view body = "{}") {
  CallRequest call;
  call.operation = Operation::kChat;
  call.model = "public";
  call.path = "/chat/completions";
  call.body = body;
  return call;
}

std::string target(UpstreamKind kind, std::string_view base, const CallRequest& call,
                   std::string api_version = "") {
  UpstreamConfig upstream;
  upstream.kind = kind;
  upstream.api_version = std::move(api_version);
  return upstream_target(upstream, base, "own name", call);
}

TEST(UpstreamTarget, FollowsTheKind) {
  CallRequest call = chat();
  EXPECT_EQ(target(UpstreamKind::kOpenAi, "/v1", call), "/v1/chat/completions");
  EXPECT_EQ(target(UpstreamKind::kAzureOpenAi, "", call, "2024-10-21"),
            "/openai/deployments/own%20name/chat/completions?api-version=2024-10-21");
  EXPECT_EQ(target(UpstreamKind::kAzureOpenAi, "", call), "/openai/v1/chat/completions");
  EXPECT_EQ(target(UpstreamKind::kAzureOpenAi, "/openai/v1", call), "/openai/v1/chat/completions");

  call.query = "api-version=2020&x=1";
  EXPECT_EQ(target(UpstreamKind::kAzureOpenAi, "", call, "2024"),
            "/openai/deployments/own%20name/chat/completions?api-version=2024&x=1");
  EXPECT_EQ(target(UpstreamKind::kOpenAi, "/v1", call), "/v1/chat/completions?x=1");

  call.operation = Operation::kResponses;
  call.path = "/responses";
  EXPECT_EQ(target(UpstreamKind::kAzureOpenAi, "", call, "2025"),
            "/openai/responses?api-version=2025&x=1");

  call.operation = Operation::kMessages;
  call.path = "/messages";
  call.query = "";
  EXPECT_EQ(target(UpstreamKind::kAnthropic, "", call), "/v1/messages");
  EXPECT_EQ(target(UpstreamKind::kAnthropic, "/v1", call), "/v1/messages");

  call.operation = Operation::kInfer;
  call.path = "/v2/models/public/infer";
  call.model_in_path = {11, 17};
  EXPECT_EQ(target(UpstreamKind::kHttp, "/base", call), "/base/v2/models/own%20name/infer");
}

TEST(UpstreamBody, IsTheCallersWhereNothingChanges) {
  const std::string body = R"({"model": "public", "x":1})";
  CallRequest call = chat(body);
  call.body_model = {BodyModel::Place::kValue, {10, 18}, "public"};
  std::string storage;
  EXPECT_EQ(upstream_body(call, "public", storage).data(), body.data());
  EXPECT_EQ(upstream_body(call, "a\"b", storage), R"({"model": "a\"b", "x":1})");
}

TEST(UpstreamBody, AsksForUsageOnEitherSideOfTheModel) {
  const std::string body = R"({"model":"public","stream":true})";
  CallRequest call = chat(body);
  call.body_model = {BodyModel::Place::kValue, {9, 17}, "public"};
  call.usage_option = wire::JsonSplice{1, 1, R"("stream_options":{"include_usage":true},)"};
  std::string storage;
  EXPECT_EQ(upstream_body(call, "m", storage),
            R"({"stream_options":{"include_usage":true},"model":"m","stream":true})");
  EXPECT_EQ(upstream_body(call, "public", storage),
            R"({"stream_options":{"include_usage":true},"model":"public","stream":true})");
}

TEST(UpstreamBody, NamesTheModelWhereOnlyThePathDid) {
  const std::string body = R"({"stream":true})";
  CallRequest call = chat(body);
  call.body_model = {BodyModel::Place::kMissing, {1, 1}, ""};
  std::string storage;
  EXPECT_EQ(upstream_body(call, "m", storage), R"({"model":"m","stream":true})");
}

TEST(UpstreamHeaders, LeaveOutWhatIsNotForTheUpstream) {
  net::HeaderList request;
  for (const char* name : {"Host", "Authorization", "X-Api-Key", "api-key", "Cookie", "Connection",
                           "X-Hop", "Content-Length", "Accept-Encoding", "X-Gatehouse-User",
                           "X-Gatehouse-A-Rather-Long-Name", "Transfer-Encoding", "traceparent"}) {
    request.add(name, "x-hop");
  }
  request.add("OpenAI-Beta", "assistants=v2");
  request.add("X-Unknown", "kept");
  request.add("X-Own", "from the caller");
  UpstreamConfig upstream;
  upstream.headers = {{"x-own", "configured"}};
  const model::Credential::Header credential{"authorization", "Bearer secret"};
  std::vector<net::Header> out;
  upstream_headers(request, upstream, &credential, "00-trace", out);
  std::string text;
  for (const net::Header& header : out) {
    text += std::string(header.name) + "=" + std::string(header.value) + ";";
  }
  EXPECT_EQ(text,
            "OpenAI-Beta=assistants=v2;X-Unknown=kept;authorization=Bearer secret;"
            "x-own=configured;traceparent=00-trace;");
}

}  // namespace
}  // namespace gatehouse::gateway
