#include "api/inference/inference.h"

#include "gateway/upstream_request.h"
#include "net/url.h"
#include "wire/json_edit.h"

namespace gatehouse::api {

namespace {

using gateway::ByteRange;
using gateway::CallError;
using gateway::CallRequest;
using gateway::ErrorKind;

// The model of a path without one (/invocations, /score): named by a header, or
// the only one of its kind that the caller may use.
Result<std::string> model_beside_path(const gateway::Snapshot& snapshot,
                                      const net::RequestHead& request,
                                      const model::Principal& principal) {
  for (const char* header : {"x-gatehouse-model", "azureml-model-deployment"}) {
    if (const auto named = request.headers.find(header)) return std::string(*named);
  }
  std::string only;
  for (const gateway::RoutePtr& route : snapshot.router.routes()) {
    const auto& served = snapshot.models.at(route.get());
    const std::string& name = route->config().name;
    bool plain = false;
    for (const auto& upstream : served.upstreams) {
      plain = plain || upstream->config().kind == gateway::UpstreamKind::kHttp;
    }
    if (!plain || name.find('*') != std::string::npos || !principal.may_use(name)) continue;
    if (!only.empty()) {
      return invalid_argument(
          "more than one model is served here; name one in the header "
          "x-gatehouse-model, or call /predict/{model}");
    }
    only = name;
  }
  if (only.empty()) {
    return invalid_argument("no model behind plain HTTP is served to this key");
  }
  return only;
}

bool is_json(const net::RequestHead& request) {
  // Open Inference's binary tensors follow a JSON head whose length this names.
  if (request.headers.contains("inference-header-content-length")) return false;
  const std::string_view type = request.headers.get("content-type", "application/json");
  return type.find("json") != std::string_view::npos;
}

}  // namespace

std::optional<InferencePath> parse_inference_path(std::string_view path) {
  if (path == "/invocations") return InferencePath{InferenceForm::kInvocations, {}};
  if (path == "/score") return InferencePath{InferenceForm::kScore, {}};
  const auto segment_at = [path](size_t begin) {
    return ByteRange{begin, std::min(path.find('/', begin), path.size())};
  };
  constexpr std::string_view kPredict = "/predict/";
  if (path.starts_with(kPredict)) {
    const ByteRange model = segment_at(kPredict.size());
    if (model.empty()) return std::nullopt;
    return InferencePath{InferenceForm::kPredict, model};
  }
  constexpr std::string_view kModels = "/v2/models/";
  if (!path.starts_with(kModels)) return std::nullopt;
  const ByteRange model = segment_at(kModels.size());
  std::string_view rest = path.substr(model.end);
  constexpr std::string_view kVersions = "/versions/";
  if (rest.starts_with(kVersions)) {
    const size_t end = rest.find('/', kVersions.size());
    if (end == kVersions.size() || end == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(end);
  }
  if (model.empty() || rest != "/infer") return std::nullopt;
  return InferencePath{InferenceForm::kOpenInference, model};
}

std::string InferenceDialect::error_body(const CallError& error) const {
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object();
  switch (form_) {
    case InferenceForm::kOpenInference: json.member("error", error.message); break;
    case InferenceForm::kInvocations:
      json.member("error_code", error.code).member("message", error.message);
      break;
    default:
      json.key("error").begin_object();
      json.member("code", error.code).member("message", error.message);
      json.end_object();
  }
  json.end_object();
  return out;
}

std::string InferenceDialect::error_event(const CallError& error) const {
  return "event: error\ndata: " + error_body(error) + "\n\n";
}

Task<void> Inference::call(gateway::Worker& worker, net::Exchange& exchange,
                           const InferencePath& path) {
  const gateway::Dialect& words = dialect(path.form);
  CallRequest call;
  call.principal = co_await authenticate(gate_, worker, exchange, words);
  if (call.principal == nullptr) co_return;
  const net::RequestHead& request = exchange.request();
  call.operation = gateway::Operation::kInfer;
  call.family = gateway::Family::kHttp;
  call.dialect = &words;
  call.path = request.path;
  call.model_in_path = path.model;
  call.query = request.query;
  read_call_headers(request, call);
  Result<std::string> model = path.model.empty()
                                  ? model_beside_path(*worker.snapshot, request, *call.principal)
                                  : net::percent_decode(request.path.substr(
                                        path.model.begin, path.model.end - path.model.begin));
  Status parsed = model.status();
  if (parsed.ok()) {
    call.model = std::move(*model);
    const bool read = co_await read_call_body(worker, exchange, call);
    if (!read) co_return;
    if (is_json(request)) {
      parsed = wire::validate_json(call.body).with_context("the request body is not JSON");
    }
  }
  if (!parsed.ok()) {
    co_await refuse_call(worker, exchange, call, parsed);
    co_return;
  }
  co_await gate_.gateway.call(worker, exchange, call);
}

}  // namespace gatehouse::api
