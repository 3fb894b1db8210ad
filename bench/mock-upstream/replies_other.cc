// Models behind plain HTTP (Open Inference Protocol v2, MLflow's /invocations, Azure
// ML's /score, anything under /predict/), and the token endpoints of Microsoft Entra
// (client credentials, IMDS, App Service managed identity).
#include "mock-upstream/json.h"
#include "mock-upstream/replies.h"

namespace mock {
namespace {

void infer_body(Reply& reply, const Ask& ask) {
  // /v2/models/{m}[/versions/{v}]/infer
  std::string_view rest = ask.path.substr(ask.path.find("/models/") + 8);
  const std::string_view model = rest.substr(0, rest.find('/'));
  const size_t version = rest.find("/versions/");
  std::string& out = reply.body;
  out = "{\"model_name\":";
  append_quoted(out, model);
  out += ",\"model_version\":";
  if (version == std::string_view::npos) {
    out += "\"1\"";
  } else {
    rest.remove_prefix(version + 10);
    append_quoted(out, rest.substr(0, rest.find('/')));
  }
  out += ",\"id\":\"mock";
  append_number(out, static_cast<int64_t>(ask.serial));
  out += R"(","outputs":[{"name":"label","datatype":"INT64","shape":[1],"data":[1]},)"
         R"({"name":"probability","datatype":"FP32","shape":[1,2],"data":[0.03,0.97]}]})";
}

std::string access_token(const Ask& ask) {
  return "mock-token-" + std::string(ask.upstream) + "-" + std::to_string(ask.serial);
}

std::string query_value(std::string_view query, std::string_view key) {
  for (size_t start = 0; start < query.size();) {
    const size_t end = std::min(query.find('&', start), query.size());
    const std::string_view pair = query.substr(start, end - start);
    if (pair.size() > key.size() && pair.starts_with(key) && pair[key.size()] == '=') {
      return std::string(pair.substr(key.size() + 1));
    }
    start = end + 1;
  }
  return {};
}

// IMDS and App Service write numbers as strings, and the time of expiry beside its distance.
void managed_identity_body(Reply& reply, const Ask& ask, const Behavior& behavior) {
  const std::string expires = std::to_string(behavior.token_expires_s);
  const std::string expires_on = std::to_string(unix_seconds() + behavior.token_expires_s);
  reply.body = "{\"access_token\":\"" + access_token(ask) +
               "\",\"client_id\":\"00000000-0000-0000-0000-000000000001\"," + "\"expires_in\":\"" +
               expires + "\",\"expires_on\":\"" + expires_on + "\",\"not_before\":\"" +
               std::to_string(unix_seconds()) + "\",\"resource\":";
  append_quoted(reply.body, query_value(ask.query, "resource"));
  reply.body += ",\"token_type\":\"Bearer\"}";
}

void openid_configuration(Reply& reply, const Request& request, const Ask& ask) {
  std::string base = ask.tls ? "https://" : "http://";
  base += request.header("host");
  const std::string_view tenant = ask.path.substr(0, ask.path.find('/', 1));
  base += tenant;
  reply.body =
      "{\"issuer\":\"" + base + "/v2.0\",\"authorization_endpoint\":\"" + base +
      "/oauth2/v2.0/authorize\",\"token_endpoint\":\"" + base +
      "/oauth2/v2.0/token\",\"jwks_uri\":\"" + base +
      "/discovery/v2.0/"
      "keys\",\"response_types_supported\":[\"code\"],\"subject_types_supported\":[\"pairwise\"],"
      "\"id_token_signing_alg_values_supported\":[\"RS256\"]}";
}

}  // namespace

bool inference_reply(Reply& reply, const Request& request, const Ask& ask,
                     const Behavior& behavior) {
  const std::string_view path = ask.path;
  if (path == "/v2/health/ready" || path == "/v2/health/live") {
    reply.body = path.ends_with("ready") ? R"({"ready":true})" : R"({"live":true})";
  } else if (path.starts_with("/v2/models/") && path.ends_with("/infer")) {
    infer_body(reply, ask);
  } else if (path.starts_with("/v2/models/")) {
    reply.body =
        R"({"name":"mock","versions":["1"],"platform":"mock","inputs":[],"outputs":[],"ready":true})";
  } else if (path.ends_with("/invocations") && request.method == "POST") {
    reply.body = R"({"predictions":[0.97],"metadata":{"model_version":"1"}})";
  } else if (path.ends_with("/score") && request.method == "POST") {
    reply.body = R"({"result":[1],"probabilities":[[0.03,0.97]]})";
  } else if (path.starts_with("/predict/") && request.method == "POST") {
    reply.body = R"({"prediction":1,"confidence":0.97,"model_version":"1"})";
  } else if (path == "/ping" || path == "/health" || path == "/healthz") {
    reply.body = R"({"status":"ok"})";
  } else {
    return false;
  }
  (void)behavior;
  return true;
}

bool identity_reply(Reply& reply, const Request& request, const Ask& ask,
                    const Behavior& behavior) {
  const std::string_view path = ask.path;
  if (path.ends_with("/oauth2/v2.0/token") && request.method == "POST") {
    const std::string expires = std::to_string(behavior.token_expires_s);
    reply.body = "{\"token_type\":\"Bearer\",\"expires_in\":" + expires +
                 ",\"ext_expires_in\":" + expires + ",\"access_token\":\"" + access_token(ask) +
                 "\"}";
  } else if (path == "/metadata/identity/oauth2/token") {
    if (request.header("metadata") != "true") {
      reply.status = 400;
      reply.body =
          R"({"error":"invalid_request","error_description":"Required metadata header not specified"})";
    } else {
      managed_identity_body(reply, ask, behavior);
    }
  } else if (path.ends_with("/msi/token")) {
    if (request.header("x-identity-header").empty()) {
      reply.status = 401;
      reply.body = R"({"statusCode":401,"message":"X-IDENTITY-HEADER is missing"})";
    } else {
      managed_identity_body(reply, ask, behavior);
    }
  } else if (path.ends_with("/.well-known/openid-configuration")) {
    openid_configuration(reply, request, ask);
  } else {
    return false;
  }
  return true;
}

}  // namespace mock
