#include "identity/entra/chain.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <memory>

#include "base/bytes.h"
#include "base/text.h"
#include "identity/entra/assertion.h"
#include "net/url.h"
#include "wire/json.h"

namespace gatehouse::identity::entra {

namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr size_t kFileBytesMax = 64 << 10;
constexpr int kImdsTries = 4;
constexpr int64_t kImdsWaitMs = 800;  // doubled each time

// A number, a number as text, or (App Service of old) RFC 3339.
std::optional<int64_t> seconds(wire::JsonView value) {
  if (const auto number = value.number()) return static_cast<int64_t>(*number);
  const auto text = value.string();
  if (!text) return std::nullopt;
  if (const auto number = parse_uint(*text)) return static_cast<int64_t>(*number);
  if (const auto time_ns = parse_time_ns(*text)) return *time_ns / kSecondNs;
  return std::nullopt;
}

Result<std::string> read_file(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (!file) return not_found("the file " + path + " cannot be read");
  std::string out(kFileBytesMax, '\0');
  out.resize(std::fread(out.data(), 1, out.size(), file.get()));
  return out;
}

void put_parameter(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out += '&';
  out.append(name).append("=").append(net::percent_encode(value));
}

// What an identity provider says went wrong: its error's name and number; the
// description may repeat what was sent.
std::string reason_in(const TokenReply& reply) {
  std::string out = "HTTP " + std::to_string(reply.status);
  const auto document = wire::JsonDocument::parse(reply.body);
  if (!document.ok()) return out;
  const auto plain = [](std::string_view text) {
    return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
             return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
           });
  };
  const auto error = document->root()["error"].string();
  if (error && plain(*error)) out.append(" ").append(*error);
  const std::string_view description = document->root()["error_description"].string().value_or("");
  const std::string_view number = description.substr(0, description.find(':'));
  if (number.starts_with("AADSTS") && plain(number)) out.append(" ").append(number);
  return out;
}

std::string resource_of(std::string_view scope) {
  constexpr std::string_view kSuffix = "/.default";
  if (scope.ends_with(kSuffix)) scope.remove_suffix(kSuffix.size());
  return std::string(scope);
}

Task<Result<Token>> ask_for(Loop& loop, Transport& transport, TokenAsk& ask,
                            const model::Clock& clock) {
  Result<TokenReply> reply = co_await transport.fetch(loop, ask);
  wipe(ask.body);
  if (!reply.ok()) co_return unavailable(reply.status().message());
  if (reply->status != 200) {
    const bool refused = reply->status >= 400 && reply->status < 500 && reply->status != 429;
    co_return Status(refused ? Code::kUnauthenticated : Code::kUnavailable, reason_in(*reply));
  }
  Result<Token> token = parse_token(reply->body, clock.wall_ns());
  wipe(reply->body);
  co_return token;
}

std::string token_url(const Options& options) {
  std::string url = options.authority_host;
  while (url.ends_with('/')) url.pop_back();
  return url + "/" + net::percent_encode(options.tenant_id) + "/oauth2/v2.0/token";
}

TokenAsk form_ask(const Options& options) {
  TokenAsk ask;
  ask.method = "POST";
  ask.url = token_url(options);
  ask.headers.emplace_back("content-type", "application/x-www-form-urlencoded");
  put_parameter(ask.body, "client_id", options.client_id);
  put_parameter(ask.body, "scope", options.scope);
  put_parameter(ask.body, "grant_type", "client_credentials");
  return ask;
}

void put_assertion(TokenAsk& ask, std::string_view assertion) {
  put_parameter(ask.body, "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
  put_parameter(ask.body, "client_assertion", assertion);
}

Status not_set_up(std::string what) { return not_found(std::move(what)); }

Task<Result<Token>> by_environment(Loop& loop, Transport& transport, const Options& options,
                                   const model::Clock& clock) {
  if (options.tenant_id.empty() || options.client_id.empty() ||
      (options.client_secret.empty() && options.client_certificate_path.empty())) {
    co_return not_set_up(
        "needs AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET or "
        "AZURE_CLIENT_CERTIFICATE_PATH");
  }
  TokenAsk ask = form_ask(options);
  if (!options.client_secret.empty()) {
    put_parameter(ask.body, "client_secret", options.client_secret);
  } else {
    Result<std::string> pem = read_file(options.client_certificate_path);
    if (!pem.ok()) co_return invalid_argument(pem.status().message());
    const Result<std::string> assertion =
        sign_assertion(*pem, options.client_id, ask.url, clock.wall_ns() / kSecondNs);
    wipe(*pem);
    if (!assertion.ok()) co_return assertion.status();
    put_assertion(ask, *assertion);
  }
  co_return co_await ask_for(loop, transport, ask, clock);
}

Task<Result<Token>> by_workload(Loop& loop, Transport& transport, const Options& options,
                                const model::Clock& clock) {
  if (options.tenant_id.empty() || options.client_id.empty() ||
      options.federated_token_file.empty()) {
    co_return not_set_up("needs AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE");
  }
  Result<std::string> assertion = read_file(options.federated_token_file);
  if (!assertion.ok()) co_return invalid_argument(assertion.status().message());
  while (!assertion->empty() && std::isspace(static_cast<unsigned char>(assertion->back())) != 0) {
    assertion->pop_back();
  }
  TokenAsk ask = form_ask(options);
  put_assertion(ask, *assertion);
  wipe(*assertion);
  co_return co_await ask_for(loop, transport, ask, clock);
}

TokenAsk managed_ask(const Options& options, std::string_view endpoint, std::string_view version) {
  std::string query;
  put_parameter(query, "api-version", version);
  put_parameter(query, "resource", resource_of(options.scope));
  if (!options.client_id.empty()) put_parameter(query, "client_id", options.client_id);
  TokenAsk ask;
  ask.url = std::string(endpoint) + "?" + query;
  ask.link_local = true;
  return ask;
}

Task<Result<Token>> by_managed_identity(Loop& loop, Transport& transport, const Options& options,
                                        const model::Clock& clock) {
  if (!options.identity_endpoint.empty() && !options.identity_header.empty()) {
    TokenAsk ask = managed_ask(options, options.identity_endpoint, "2019-08-01");
    ask.headers.emplace_back("X-IDENTITY-HEADER", options.identity_header);
    co_return co_await ask_for(loop, transport, ask, clock);
  }
  const std::string endpoint = options.imds_host + "/metadata/identity/oauth2/token";
  TokenAsk probe;
  probe.url = endpoint;
  probe.link_local = true;
  probe.timeout_ms = options.imds_probe_ms;
  const Result<TokenReply> sign_of_life = co_await transport.fetch(loop, probe);
  if (!sign_of_life.ok()) co_return not_set_up("IMDS does not answer here");
  // What Docker Desktop answers in the place of IMDS.
  if (sign_of_life->status == 403 && sign_of_life->body.find("unreachable") != std::string::npos) {
    co_return not_set_up("IMDS cannot be reached from here");
  }
  Result<Token> token = unavailable("IMDS gave no token");
  for (int attempt = 0; attempt < kImdsTries; ++attempt) {
    if (attempt > 0) (void)co_await loop.sleep_for(kImdsWaitMs << (attempt - 1));
    TokenAsk ask = managed_ask(options, endpoint, "2018-02-01");
    ask.headers.emplace_back("Metadata", "true");
    Result<Token> answer = co_await ask_for(loop, transport, ask, clock);
    token = std::move(answer);
    if (token.ok()) break;
    // 404 and 410: the identity is still being set up.
    const std::string& why = token.status().message();
    const bool again = token.status().code() == Code::kUnavailable || why.starts_with("HTTP 404") ||
                       why.starts_with("HTTP 410");
    if (!again) break;
  }
  co_return token;
}

}  // namespace

void fill_from_environment(Options& options, const std::function<std::string(const char*)>& get) {
  const auto fill = [&get](std::string& field, const char* name) {
    if (field.empty()) field = get(name);
  };
  const bool has_secret =
      !options.client_secret.empty() || !options.client_certificate_path.empty();
  fill(options.tenant_id, "AZURE_TENANT_ID");
  fill(options.client_id, "AZURE_CLIENT_ID");
  if (!has_secret) {
    fill(options.client_secret, "AZURE_CLIENT_SECRET");
    fill(options.client_certificate_path, "AZURE_CLIENT_CERTIFICATE_PATH");
  }
  fill(options.federated_token_file, "AZURE_FEDERATED_TOKEN_FILE");
  fill(options.identity_endpoint, "IDENTITY_ENDPOINT");
  fill(options.identity_header, "IDENTITY_HEADER");
  if (const std::string host = get("AZURE_AUTHORITY_HOST");
      !host.empty() &&
      (options.authority_host.empty() || options.authority_host == Options().authority_host)) {
    options.authority_host = host;
  }
  if (options.authority_host.empty()) options.authority_host = Options().authority_host;
  if (const std::string host = get("AZURE_POD_IDENTITY_AUTHORITY_HOST"); !host.empty()) {
    options.imds_host = host;
  }
}

Result<Token> parse_token(std::string_view body, int64_t now_ns) {
  auto document = wire::JsonDocument::parse(body);
  if (!document.ok()) return unavailable("the reply is not JSON");
  const wire::JsonView root = document->root();
  const auto value = root["access_token"].string();
  if (!value || value->empty()) return unavailable("the reply holds no access_token");
  if (std::any_of(value->begin(), value->end(), [](char c) { return c <= ' ' || c > '~'; })) {
    return unavailable("the reply's access_token has characters that no token has");
  }
  int64_t life_s = 0;
  if (const auto in_s = seconds(root["expires_in"]))
    life_s = *in_s;
  else if (const auto at_s = seconds(root["expires_on"]))
    life_s = *at_s - now_ns / kSecondNs;
  if (life_s <= 0) return unavailable("the reply's token has expired already, or says not when");
  life_s = std::min<int64_t>(life_s, 7 * 24 * 3600);  // longer ones are asked for anew weekly
  int64_t refresh_s = seconds(root["refresh_in"]).value_or(0);
  if (refresh_s <= 0 || refresh_s >= life_s) {
    refresh_s = life_s > 2 * 3600 ? life_s / 2 : std::max(life_s - 300, life_s / 2);
  }
  return Token{std::string(*value), now_ns + life_s * kSecondNs, now_ns + refresh_s * kSecondNs};
}

Task<Result<Token>> fetch_token(Loop& loop, Transport& transport, const Options& options,
                                const model::Clock& clock) {
  struct Step {
    std::string_view name;
    Task<Result<Token>> (*get)(Loop&, Transport&, const Options&, const model::Clock&);
  };
  static constexpr Step kChain[] = {{"environment", by_environment},
                                    {"workload identity", by_workload},
                                    {"managed identity", by_managed_identity}};
  std::string tried;
  for (const Step& step : kChain) {
    Result<Token> token = co_await step.get(loop, transport, options, clock);
    if (token.ok()) co_return token;
    if (!tried.empty()) tried += "; ";
    tried.append(step.name).append(": ").append(token.status().message());
    if (token.status().code() != Code::kNotFound) {
      co_return Status(token.status().code(), "no Microsoft Entra token: " + tried);
    }
  }
  co_return unavailable("no Microsoft Entra token: " + tried);
}

}  // namespace gatehouse::identity::entra
