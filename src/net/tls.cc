#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

#include <cstdio>
#include <cstring>

#include "net/ip_address.h"

namespace gatehouse::net {

namespace {

// Sessions kept for resumption; upstreams are a handful.
constexpr size_t kSessionsMax = 256;

std::string openssl_reason() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  if (error == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "error " + std::to_string(error);
}

// OpenSSL's own words for a missing file are about its internals.
Status readable_file(const std::string& path, std::string_view what) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) {
    return not_found(std::string(what) + " " + path + ": " + std::strerror(errno));
  }
  std::fclose(file);
  return {};
}

// SSL_write sends by write(), which raises SIGPIPE on a closed connection.
void ignore_sigpipe() {
  static const bool once = [] {
    ::signal(SIGPIPE, SIG_IGN);
    return true;
  }();
  (void)once;
}

std::shared_ptr<SSL_CTX> new_context(const SSL_METHOD* method) {
  ignore_sigpipe();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(method), SSL_CTX_free);
  if (context == nullptr) return context;
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // A record's buffer is given back while nothing is in it, and a write may go on
  // from another address after it had to wait.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_IGNORE_UNEXPECTED_EOF);
  return context;
}

// Protocols in the order of preference; h2 joins them with HTTP/2.
constexpr unsigned char kProtocols[] = "\x08http/1.1";
constexpr unsigned kProtocolsBytes = sizeof kProtocols - 1;

int select_protocol(SSL*, const unsigned char** out, unsigned char* out_bytes,
                    const unsigned char* in, unsigned in_bytes, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_bytes, kProtocols, kProtocolsBytes, in, in_bytes) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

Result<std::shared_ptr<SSL_CTX>> server_context(const std::string& certificate_file,
                                                const std::string& key_file) {
  RETURN_IF_ERROR(readable_file(certificate_file, "TLS certificate"));
  RETURN_IF_ERROR(readable_file(key_file, "TLS key"));
  ERR_clear_error();
  auto context = new_context(TLS_server_method());
  if (context == nullptr) return internal_error("TLS: " + openssl_reason());
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate_file.c_str()) != 1) {
    return invalid_argument("TLS certificate " + certificate_file + ": " + openssl_reason() +
                            "; it must be PEM, the server's certificate first");
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return invalid_argument("TLS key " + key_file + ": " + openssl_reason() +
                            "; it must be PEM, without a passphrase, and belong to " +
                            certificate_file);
  }
  SSL_CTX_set_alpn_select_cb(context.get(), select_protocol, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);  // tickets only
  return context;
}

// Where a client session finds its TlsClientContext and its key in the cache.
int context_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}
int origin_index() {
  static const int index = SSL_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* value, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<std::string*>(value);
      });
  return index;
}

}  // namespace

Result<std::shared_ptr<TlsServerContext>> TlsServerContext::load(std::string certificate_file,
                                                                 std::string key_file) {
  std::shared_ptr<TlsServerContext> loaded(
      new TlsServerContext(std::move(certificate_file), std::move(key_file)));
  RETURN_IF_ERROR(loaded->reload());
  return loaded;
}

Status TlsServerContext::reload() {
  ASSIGN_OR_RETURN(auto context, server_context(certificate_file_, key_file_));
  const std::lock_guard lock(mutex_);
  context_ = std::move(context);
  return {};
}

Result<SSL*> TlsServerContext::accept_on(int fd) const {
  std::shared_ptr<SSL_CTX> context;
  {
    const std::lock_guard lock(mutex_);
    context = context_;
  }
  SSL* ssl = SSL_new(context.get());  // holds the context by a count of its own
  if (ssl == nullptr || SSL_set_fd(ssl, fd) != 1) {
    SSL_free(ssl);
    return internal_error("TLS: " + openssl_reason());
  }
  SSL_set_accept_state(ssl);
  return ssl;
}

Result<std::shared_ptr<TlsClientContext>> TlsClientContext::load(const std::string& ca_file) {
  ERR_clear_error();
  std::shared_ptr<TlsClientContext> loaded(new TlsClientContext);
  loaded->context_ = new_context(TLS_client_method());
  SSL_CTX* context = loaded->context_.get();
  if (context == nullptr) return internal_error("TLS: " + openssl_reason());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (!ca_file.empty()) {
    RETURN_IF_ERROR(readable_file(ca_file, "certificate authorities"));
    if (SSL_CTX_load_verify_file(context, ca_file.c_str()) != 1) {
      return invalid_argument("certificate authorities " + ca_file + ": " + openssl_reason());
    }
  }
  SSL_CTX_set_alpn_protos(context, kProtocols, kProtocolsBytes);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(context, &TlsClientContext::keep_session);
  return loaded;
}

namespace {

Status add_authorities(SSL_CTX* context, const std::string& pem) {
  const std::unique_ptr<BIO, int (*)(BIO*)> source(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  int added = 0;
  while (X509* certificate = PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr)) {
    added += X509_STORE_add_cert(store, certificate);
    X509_free(certificate);
  }
  ERR_clear_error();  // the end of the text counts as an error
  return added > 0 ? Status() : invalid_argument("TLS: no certificate authority in the text given");
}

// The certificate and key that the client presents.
Status add_own_certificate(SSL_CTX* context, const TlsClientOptions& options) {
  if (!options.certificate_file.empty()) {
    RETURN_IF_ERROR(readable_file(options.certificate_file, "client certificate"));
    if (SSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) != 1) {
      return invalid_argument("client certificate " + options.certificate_file + ": " +
                              openssl_reason());
    }
  } else if (!options.certificate_pem.empty()) {
    const std::unique_ptr<BIO, int (*)(BIO*)> source(
        BIO_new_mem_buf(options.certificate_pem.data(),
                        static_cast<int>(options.certificate_pem.size())),
        BIO_free);
    X509* certificate = PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr);
    const bool used = certificate != nullptr && SSL_CTX_use_certificate(context, certificate) == 1;
    X509_free(certificate);
    if (!used) return invalid_argument("client certificate: " + openssl_reason());
  }
  if (!options.key_file.empty()) {
    RETURN_IF_ERROR(readable_file(options.key_file, "client key"));
    if (SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
      return invalid_argument("client key " + options.key_file + ": " + openssl_reason());
    }
  } else if (!options.key_pem.empty()) {
    const std::unique_ptr<BIO, int (*)(BIO*)> source(
        BIO_new_mem_buf(options.key_pem.data(), static_cast<int>(options.key_pem.size())),
        BIO_free);
    EVP_PKEY* key = PEM_read_bio_PrivateKey(source.get(), nullptr, nullptr, nullptr);
    const bool used = key != nullptr && SSL_CTX_use_PrivateKey(context, key) == 1;
    EVP_PKEY_free(key);
    if (!used) return invalid_argument("client key: " + openssl_reason());
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<TlsClientContext>> TlsClientContext::load(const TlsClientOptions& options) {
  const bool own_authorities = !options.ca_file.empty() || !options.ca_pem.empty();
  ASSIGN_OR_RETURN(auto loaded, load());
  SSL_CTX* context = loaded->context_.get();
  loaded->system_authorities_ = !own_authorities;
  if (!options.ca_file.empty()) {
    RETURN_IF_ERROR(readable_file(options.ca_file, "certificate authorities"));
    if (SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1) {
      return invalid_argument("certificate authorities " + options.ca_file + ": " +
                              openssl_reason());
    }
  }
  if (!options.ca_pem.empty()) RETURN_IF_ERROR(add_authorities(context, options.ca_pem));
  RETURN_IF_ERROR(add_own_certificate(context, options));
  if (options.version_min != 0) SSL_CTX_set_min_proto_version(context, options.version_min);
  if (options.version_max != 0) SSL_CTX_set_max_proto_version(context, options.version_max);
  loaded->verify_ = options.verify;
  if (!options.verify) SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  loaded->server_name_ = options.server_name;
  return loaded;
}

TlsClientContext::~TlsClientContext() = default;

Status TlsClientContext::prepare() {
  std::call_once(authorities_once_, [this] {
    if (!system_authorities_ || SSL_CTX_set_default_verify_paths(context_.get()) == 1) return;
    authorities_status_ =
        internal_error("TLS: the system's certificate authorities: " + openssl_reason());
  });
  return authorities_status_;
}

int TlsClientContext::keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* self = static_cast<TlsClientContext*>(SSL_get_ex_data(ssl, context_index()));
  const auto* origin = static_cast<const std::string*>(SSL_get_ex_data(ssl, origin_index()));
  if (self == nullptr || origin == nullptr) return 0;
  const std::lock_guard lock(self->mutex_);
  if (self->sessions_.size() >= kSessionsMax && !self->sessions_.contains(*origin)) {
    self->sessions_.erase(self->sessions_.begin());
  }
  self->sessions_[*origin] = std::shared_ptr<SSL_SESSION>(session, SSL_SESSION_free);
  return 1;  // the count that `session` came with is ours
}

Result<SSL*> TlsClientContext::connect_on(int fd, const std::string& dialled, uint16_t port) {
  ERR_clear_error();
  RETURN_IF_ERROR(prepare());
  const std::string& host = server_name_.empty() ? dialled : server_name_;
  SSL* ssl = SSL_new(context_.get());
  bool set = ssl != nullptr && SSL_set_fd(ssl, fd) == 1;
  if (set && !verify_) {
    if (!IpAddress::parse(host)) set = SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  } else if (set && IpAddress::parse(host)) {
    set = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  } else if (set) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    set = SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  }
  if (!set) {
    SSL_free(ssl);
    return internal_error("TLS to " + host + ": " + openssl_reason());
  }
  auto origin = std::make_unique<std::string>(dialled + ":" + std::to_string(port));
  {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(*origin);
    if (found != sessions_.end()) SSL_set_session(ssl, found->second.get());
  }
  SSL_set_ex_data(ssl, context_index(), this);
  SSL_set_ex_data(ssl, origin_index(), origin.release());
  SSL_set_connect_state(ssl);
  return ssl;
}

}  // namespace gatehouse::net
