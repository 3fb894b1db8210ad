#include "api/openai/openai_call.h"

#include <array>

#include "net/url.h"
#include "wire/json_edit.h"

namespace gatehouse::api {

namespace {

using gateway::BodyModel;
using gateway::CallRequest;
using gateway::ErrorKind;
using gateway::Operation;

struct Endpoint {
  std::string_view suffix;
  Operation operation;
  bool multipart;
};

constexpr std::array<Endpoint, 12> kEndpoints = {{
    {"/chat/completions", Operation::kChat, false},
    {"/completions", Operation::kCompletions, false},
    {"/responses", Operation::kResponses, false},
    {"/embeddings", Operation::kEmbeddings, false},
    {"/moderations", Operation::kModerations, false},
    {"/images/generations", Operation::kImages, false},
    {"/images/edits", Operation::kImages, true},
    {"/images/variations", Operation::kImages, true},
    {"/audio/speech", Operation::kAudio, false},
    {"/audio/transcriptions", Operation::kAudio, true},
    {"/audio/translations", Operation::kAudio, true},
    {"/rerank", Operation::kEmbeddings, false},
}};

std::optional<OpenAiPath> endpoint(std::string_view suffix, std::string_view deployment) {
  for (const Endpoint& each : kEndpoints) {
    if (each.suffix == suffix) {
      return OpenAiPath{each.operation, each.suffix, deployment, each.multipart};
    }
  }
  return std::nullopt;
}

// The index of each member in kKeys and in what find_top_level finds.
enum Key : size_t {
  kModel,
  kStream,
  kStreamOptions,
  kMaxTokens,
  kMaxCompletionTokens,
  kMaxOutputTokens,
  kN,
  kServiceTier,
  kMessages,
  kInput,
  kKeyCount,
};
constexpr std::array<std::string_view, kKeyCount> kKeys = {
    "model",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "n",
    "service_tier",
    "messages",
    "input",
};

// What has to be written into the body for the stream to tell its usage; none
// where the caller asks for it already.
std::optional<wire::JsonSplice> usage_option(std::string_view body,
                                             const wire::JsonMember& options) {
  if (!options.present()) {
    return wire::insert_member(body, "stream_options", "{\"include_usage\":true}");
  }
  constexpr std::array<std::string_view, 1> kOption = {"include_usage"};
  std::array<wire::JsonMember, 1> found;
  if (!wire::find_top_level(options.value, kOption, found).ok()) {
    // null, or no object: the upstream's to refuse, unless it is null.
    if (options.value != "null") return std::nullopt;
    return wire::replace_value(options, "{\"include_usage\":true}");
  }
  if (found[0].present()) {
    if (found[0].value == "true") return std::nullopt;
    return wire::JsonSplice{options.value_begin + found[0].value_begin,
                            options.value_begin + found[0].value_end, "true"};
  }
  const auto splice = wire::insert_member(options.value, "include_usage", "true");
  return wire::JsonSplice{options.value_begin + splice.begin, options.value_begin + splice.end,
                          splice.text};
}

Status read_limits(std::span<const wire::JsonMember> found, CallRequest& call) {
  for (const Key key : {kMaxTokens, kMaxCompletionTokens, kMaxOutputTokens}) {
    const auto value = wire::json_integer(found[key].value);
    if (found[key].present() && found[key].value != "null") {
      if (!value || *value < 0) {
        return invalid_argument(std::string(kKeys[key]) + " must be a whole number, not negative");
      }
      call.output_tokens_max = std::max(call.output_tokens_max, *value);
    }
  }
  if (found[kN].present() && found[kN].value != "null") {
    const auto value = wire::json_integer(found[kN].value);
    if (!value || *value < 1 || *value > 128) {
      return invalid_argument("n must be a whole number from 1 to 128");
    }
    call.choices = *value;
  }
  return {};
}

}  // namespace

std::optional<OpenAiPath> parse_openai_path(std::string_view path) {
  if (path.starts_with("/v1/")) return endpoint(path.substr(3), {});
  if (!path.starts_with("/openai/")) return std::nullopt;
  path.remove_prefix(7);
  if (path.starts_with("/v1/")) return endpoint(path.substr(3), {});
  constexpr std::string_view kDeployments = "/deployments/";
  if (!path.starts_with(kDeployments)) return endpoint(path, {});
  path.remove_prefix(kDeployments.size());
  const size_t end = path.find('/');
  if (end == 0 || end == std::string_view::npos) return std::nullopt;
  return endpoint(path.substr(end), path.substr(0, end));
}

Status parse_openai_body(const OpenAiPath& path, std::string_view body, CallRequest& call) {
  std::array<wire::JsonMember, kKeyCount> found;
  RETURN_IF_ERROR(
      wire::find_top_level(body, kKeys, found).with_context("the request body is not usable JSON"));

  if (path.deployment.empty()) {
    if (!found[kModel].present()) {
      return invalid_argument("model is missing; name one of those that GET /v1/models lists");
    }
    auto model = wire::json_string(found[kModel].value);
    if (!model || model->empty()) return invalid_argument("model must be a string");
    call.model = *model;
  } else {
    auto deployment = net::percent_decode(path.deployment);
    if (!deployment) return invalid_argument("the deployment in the path is not well encoded");
    call.model = std::move(*deployment);
  }
  if (found[kModel].present()) {
    call.body_model = {BodyModel::Place::kValue,
                       {found[kModel].value_begin, found[kModel].value_end},
                       wire::json_string(found[kModel].value).value_or("")};
  } else {
    const wire::JsonSplice first = wire::insert_member(body, "model", "\"\"");
    call.body_model = {BodyModel::Place::kMissing, {first.begin, first.begin}, ""};
  }

  if (found[kStream].present() && found[kStream].value != "null") {
    const auto stream = wire::json_boolean(found[kStream].value);
    if (!stream) return invalid_argument("stream must be true or false");
    call.stream = *stream;
  }
  const bool tells_usage_when_asked =
      path.operation == Operation::kChat || path.operation == Operation::kCompletions;
  if (call.stream && tells_usage_when_asked) {
    call.usage_option = usage_option(body, found[kStreamOptions]);
  }
  if (found[kServiceTier].present()) {
    call.service_tier = wire::json_string(found[kServiceTier].value).value_or("");
  }
  call.conversation = found[kMessages].present() ? found[kMessages].value : found[kInput].value;
  return read_limits(found, call);
}

namespace {

std::string_view openai_type(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidRequest:
    case ErrorKind::kNotFound:
    case ErrorKind::kRequestTimeout:
    case ErrorKind::kTooLarge: return "invalid_request_error";
    case ErrorKind::kAuthentication: return "authentication_error";
    case ErrorKind::kPermission: return "permission_error";
    case ErrorKind::kRateLimit: return "rate_limit_error";
    case ErrorKind::kQuota: return "insufficient_quota";
    default: return "server_error";
  }
}

}  // namespace

std::string OpenAiDialect::error_body(const gateway::CallError& error) const {
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object().key("error").begin_object();
  json.member("message", error.message);
  json.member("type", openai_type(error.kind));
  json.key("param").null();
  json.member("code", error.code);
  json.end_object().end_object();
  return out;
}

std::string OpenAiDialect::error_event(const gateway::CallError& error) const {
  return "data: " + error_body(error) + "\n\n";
}

}  // namespace gatehouse::api
