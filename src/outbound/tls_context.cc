#include "outbound/tls_context.h"

#include <openssl/ssl.h>

#include <mutex>

#include "net/tls.h"

namespace gatehouse::outbound {

namespace {

int tls_version(const std::string& name) {
  if (name == "TLS10") return TLS1_VERSION;
  if (name == "TLS11") return TLS1_1_VERSION;
  if (name == "TLS12") return TLS1_2_VERSION;
  return name == "TLS13" ? TLS1_3_VERSION : 0;
}

// One for all jobs that say nothing of TLS: the system's authorities take a megabyte.
Result<std::shared_ptr<net::TlsClientContext>> usual_tls_context() {
  static std::mutex mutex;
  static std::weak_ptr<net::TlsClientContext> shared;
  const std::lock_guard lock(mutex);
  if (auto known = shared.lock()) return known;
  ASSIGN_OR_RETURN(auto loaded, net::TlsClientContext::load());
  shared = loaded;
  return loaded;
}

}  // namespace

Result<std::shared_ptr<net::TlsClientContext>> tls_context(const TlsConfig& config) {
  if (config == TlsConfig()) return usual_tls_context();
  net::TlsClientOptions options;
  options.ca_file = config.ca_file;
  options.ca_pem = config.ca;
  options.certificate_file = config.cert_file;
  options.certificate_pem = config.cert;
  options.key_file = config.key_file;
  options.key_pem = config.key;
  options.server_name = config.server_name;
  options.version_min = tls_version(config.min_version);
  options.version_max = tls_version(config.max_version);
  options.verify = !config.insecure_skip_verify;
  return net::TlsClientContext::load(options);
}

}  // namespace gatehouse::outbound
