#include "app/credentials.h"

#include <cstdlib>

#include "identity/entra/credential.h"
#include "identity/static_credential.h"
#include "net/url.h"

namespace gatehouse::app {

namespace {

std::string usual_header(gateway::UpstreamKind kind) {
  switch (kind) {
    case gateway::UpstreamKind::kAzureOpenAi: return "api-key";
    case gateway::UpstreamKind::kAnthropic: return "x-api-key";
    default: return "authorization";
  }
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

Result<gateway::Credentials> make_credentials(const gateway::GatewayConfig& config,
                                              net::Dialer& dialer, const model::Clock& clock,
                                              model::Registry& registry) {
  gateway::Credentials made;
  std::shared_ptr<identity::entra::Transport> transport;
  for (const gateway::UpstreamConfig& upstream : config.upstreams) {
    const gateway::AuthConfig& auth = upstream.auth;
    if (auth.kind == gateway::AuthConfig::Kind::kNone) continue;
    const auto url = net::parse_url(upstream.url);
    if (!url.ok()) return url.status().with_context("upstream " + upstream.name);
    if (auth.kind == gateway::AuthConfig::Kind::kApiKey) {
      made[upstream.name] = std::make_shared<identity::StaticCredential>(
          url->host, auth.header.empty() ? usual_header(upstream.kind) : auth.header, auth.api_key);
      continue;
    }
    identity::entra::Options options;
    options.scope = auth.scope;
    options.tenant_id = auth.tenant_id;
    options.client_id = auth.client_id;
    options.client_secret = auth.client_secret;
    options.client_certificate_path = auth.client_certificate_path;
    if (!auth.authority_host.empty()) options.authority_host = auth.authority_host;
    identity::entra::fill_from_environment(options, environment);
    if (transport == nullptr) transport = std::make_shared<identity::entra::NetTransport>(dialer);
    made[upstream.name] = std::make_shared<identity::entra::EntraCredential>(
        url->host, std::move(options), transport, clock, registry);
  }
  return made;
}

}  // namespace gatehouse::app
