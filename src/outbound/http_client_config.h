// The HTTP client as Prometheus and Alertmanager let it be configured: authentication,
// TLS, headers, redirects. Plain values, and their reading from YAML (http_config of
// prometheus.io/docs/prometheus/latest/configuration/configuration).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/secret_text.h"
#include "wire/yaml_fields.h"

namespace gatehouse::outbound {

struct BasicAuthConfig {
  model::SecretText username, password;
  friend bool operator==(const BasicAuthConfig&, const BasicAuthConfig&) = default;
};

struct AuthorizationConfig {
  std::string type = "Bearer";
  model::SecretText credentials;
  friend bool operator==(const AuthorizationConfig&, const AuthorizationConfig&) = default;
};

struct TlsConfig {
  std::string ca, ca_file;  // PEM
  std::string cert, cert_file, key, key_file;
  std::string server_name;
  std::string min_version, max_version;  // "TLS12"; empty: the library's
  bool insecure_skip_verify = false;
  friend bool operator==(const TlsConfig&, const TlsConfig&) = default;
};

struct OAuth2Config {
  std::string client_id;
  model::SecretText client_secret;
  std::vector<std::string> scopes;
  std::string token_url;
  std::vector<std::pair<std::string, std::string>> endpoint_params;
  TlsConfig tls;
  friend bool operator==(const OAuth2Config&, const OAuth2Config&) = default;
};

// Through which proxy requests go: http://[user:password@]host:port. Plain requests are asked of
// it whole, those of https through a tunnel.
struct ProxyConfig {
  std::string url;  // empty: none, or that of the environment
  std::string no_proxy;
  bool from_environment = false;  // HTTP_PROXY, HTTPS_PROXY, NO_PROXY
  std::vector<std::pair<std::string, std::string>> connect_headers;

  friend bool operator==(const ProxyConfig&, const ProxyConfig&) = default;
};

struct HttpClientConfig {
  std::optional<BasicAuthConfig> basic_auth;
  std::optional<AuthorizationConfig> authorization;
  std::optional<OAuth2Config> oauth2;
  TlsConfig tls;
  ProxyConfig proxy;
  bool follow_redirects = true;
  // Values and files of values by header.
  std::vector<std::pair<std::string, std::vector<model::SecretText>>> headers;
  friend bool operator==(const HttpClientConfig&, const HttpClientConfig&) = default;
};

// tls_config.
void read_tls(wire::ConfigLog& log, const wire::YamlNode& node, TlsConfig& out);

// The keys of an HTTP client that stand among others: TLS, basic auth and so on.
void read_http_client(wire::ConfigFields& fields, HttpClientConfig& out);

}  // namespace gatehouse::outbound
