#include "outbound/http_client_config.h"

#include <string_view>

#include "base/text.h"
#include "net/url.h"
#include "outbound/proxy.h"

namespace gatehouse::outbound {

using model::SecretText;
using wire::ConfigFields;
using wire::ConfigLog;

namespace {

void read_basic_auth(ConfigLog& log, const wire::YamlNode& node, BasicAuthConfig& out) {
  ConfigFields fields(log, node, "basic_auth");
  fields.secret("username", out.username);
  fields.secret("password", out.password);
  fields.done();
}

void read_authorization(ConfigLog& log, const wire::YamlNode& node, AuthorizationConfig& out) {
  ConfigFields fields(log, node, "authorization");
  fields.text("type", out.type);
  fields.secret("credentials", out.credentials);
  if (equal_ignoring_case(out.type, "basic")) {
    log.problem(node.mark, "authorization type cannot be set to \"basic\", use \"basic_auth\"");
  }
  fields.done();
}

void refuse_proxy(ConfigFields& fields) {
  for (const std::string_view key :
       {"proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header"}) {
    fields.refuse(key);
  }
}

void read_oauth2(ConfigLog& log, const wire::YamlNode& node, OAuth2Config& out) {
  ConfigFields fields(log, node, "oauth2");
  fields.text("client_id", out.client_id);
  fields.secret("client_secret", out.client_secret);
  fields.texts("scopes", out.scopes);
  fields.text("token_url", out.token_url);
  fields.pairs("endpoint_params", out.endpoint_params);
  if (const auto* tls = fields.take("tls_config")) read_tls(log, *tls, out.tls);
  refuse_proxy(fields);
  for (const std::string_view key :
       {"client_certificate_key", "client_certificate_key_file", "client_certificate_key_id",
        "grant_type", "signature_algorithm", "iss", "audience", "claims"}) {
    fields.refuse(key, "only a client secret is");
  }
  if (out.client_id.empty()) log.problem(node.mark, "oauth2 client_id must be configured");
  if (out.client_secret.empty()) {
    log.problem(node.mark, "either oauth2 client_secret or client_secret_file must be configured");
  }
  if (const auto url = net::parse_url(out.token_url); !url.ok()) {
    log.problem(node.mark, "oauth2 token_url: " + url.status().message());
  }
  fields.done();
}

void read_headers(ConfigLog& log, const wire::YamlNode& node, HttpClientConfig& out) {
  if (!node.is_mapping()) {
    log.problem(node.mark, "http_headers: a mapping is expected");
    return;
  }
  for (const wire::YamlEntry& entry : node.entries) {
    ConfigFields fields(log, *entry.value, "http_headers");
    std::vector<std::string> values, secrets, files;
    fields.texts("values", values);
    fields.texts("secrets", secrets);
    fields.texts("files", files);
    fields.done();
    std::vector<SecretText> texts;
    for (const std::string& value : values) texts.push_back({value, {}});
    for (const std::string& value : secrets) texts.push_back({value, {}});
    for (const std::string& file : files) texts.push_back({{}, wire::resolve_path(log.file, file)});
    out.headers.emplace_back(entry.key->value, std::move(texts));
  }
}

void read_proxy(ConfigFields& fields, ProxyConfig& out) {
  ConfigLog& log = fields.log();
  fields.text("proxy_url", out.url);
  fields.text("no_proxy", out.no_proxy);
  fields.boolean("proxy_from_environment", out.from_environment);
  if (!out.url.empty() && !proxy_of(out.url)) {
    log.problem(
        fields.take("proxy_url")->mark,
        "proxy_url must be http://[user:password@]host:port; other proxies are not supported");
  }
  if (out.from_environment && !out.url.empty()) {
    log.problem(fields.mark(),
                "if proxy_from_environment is configured, proxy_url must not be configured");
  }
  if (out.from_environment && !out.no_proxy.empty()) {
    log.problem(fields.mark(),
                "if proxy_from_environment is configured, no_proxy must not be configured");
  }
  if (out.url.empty() && !out.no_proxy.empty()) {
    log.problem(fields.mark(), "if no_proxy is configured, proxy_url must also be configured");
  }
  const wire::YamlNode* headers = fields.take("proxy_connect_header");
  if (headers == nullptr) return;
  if (out.url.empty() && !out.from_environment) {
    log.problem(headers->mark,
                "if proxy_connect_header is configured, proxy_url or proxy_from_environment must "
                "also be configured");
  }
  for (const wire::YamlEntry& entry : headers->entries) {
    for (const wire::YamlNode* value : entry.value->items) {
      const bool one_line =
          (entry.key->value + value->value).find_first_of("\r\n") == std::string::npos;
      if (!one_line) log.problem(value->mark, "proxy_connect_header: a line break");
      if (one_line) out.connect_headers.emplace_back(entry.key->value, value->value);
    }
  }
}

}  // namespace

void read_tls(ConfigLog& log, const wire::YamlNode& node, TlsConfig& out) {
  ConfigFields fields(log, node, "tls_config");
  fields.text("ca", out.ca);
  fields.path("ca_file", out.ca_file);
  fields.text("cert", out.cert);
  fields.path("cert_file", out.cert_file);
  fields.text("key", out.key);
  fields.path("key_file", out.key_file);
  fields.text("server_name", out.server_name);
  fields.boolean("insecure_skip_verify", out.insecure_skip_verify);
  fields.choice("min_version", out.min_version, {"TLS10", "TLS11", "TLS12", "TLS13"});
  fields.choice("max_version", out.max_version, {"TLS10", "TLS11", "TLS12", "TLS13"});
  for (const std::string_view key : {"ca_ref", "cert_ref", "key_ref"}) fields.refuse(key);
  const bool certificate = !out.cert.empty() || !out.cert_file.empty();
  const bool key = !out.key.empty() || !out.key_file.empty();
  if (certificate != key) {
    log.problem(node.mark, "a client certificate needs both a certificate and a key");
  }
  fields.done();
}

void read_http_client(ConfigFields& fields, HttpClientConfig& out) {
  ConfigLog& log = fields.log();
  if (const auto* node = fields.take("basic_auth")) {
    read_basic_auth(log, *node, out.basic_auth.emplace());
  }
  if (const auto* node = fields.take("authorization")) {
    read_authorization(log, *node, out.authorization.emplace());
  }
  SecretText bearer;  // the older spelling of authorization
  fields.text("bearer_token", bearer.text);
  fields.path("bearer_token_file", bearer.file);
  if (!bearer.empty()) {
    if (out.authorization) {
      log.problem(fields.mark(), "at most one of authorization & bearer_token must be configured");
    }
    out.authorization.emplace().credentials = std::move(bearer);
  }
  if (const auto* node = fields.take("oauth2")) read_oauth2(log, *node, out.oauth2.emplace());
  const int ways = (out.basic_auth ? 1 : 0) + (out.authorization ? 1 : 0) + (out.oauth2 ? 1 : 0);
  if (ways > 1) {
    log.problem(fields.mark(),
                "at most one of basic_auth, oauth2 & authorization must be configured");
  }
  if (const auto* node = fields.take("tls_config")) read_tls(log, *node, out.tls);
  fields.boolean("follow_redirects", out.follow_redirects);
  bool http2 = true;  // HTTP/1.1 is spoken either way
  fields.boolean("enable_http2", http2);
  if (const auto* node = fields.take("http_headers")) read_headers(log, *node, out);
  read_proxy(fields, out.proxy);
}

}  // namespace gatehouse::outbound
